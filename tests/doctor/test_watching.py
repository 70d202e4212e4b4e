"""The doctor beside a loop, and on a network with its data."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.made import mlp, rings
from torch import nn

import goodfit as gf
from goodfit.base.errors import InputError


def test_a_loop_that_never_clears_gradients_is_found_from_beside_it() -> None:
    x, y = rings()
    network = mlp(2, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with gf.doctor.watch(network, optimizer, nn.functional.cross_entropy) as seen:
        for _ in range(15):
            for rows in torch.arange(len(x)).split(32):
                nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
    found = seen.examine(seconds=15)
    assert found.verdict == "faulty"
    assert found.findings[0].code == "loop.zero-grad"
    assert seen.findings == found.findings


def test_examine_leaves_network_and_optimiser_as_they_were() -> None:
    x, y = rings()
    network = mlp(2, 3)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batches = [(x[rows], y[rows]) for rows in torch.arange(len(x)).split(32)]
    found = gf.doctor.examine(network, nn.functional.cross_entropy, batches, optimizer, held=[rings(300, seed=1)], epochs=12, seconds=15)
    assert found.verdict == "healthy"
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not optimizer.state


def test_what_is_no_network_or_no_batch_is_refused_in_a_sentence() -> None:
    network = mlp(2, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(InputError, match="watch takes networks"):
        gf.doctor.watch([1], optimizer)
    with pytest.raises(InputError, match="batches of two"):
        gf.doctor.examine(network, nn.functional.cross_entropy, [], optimizer)
    with pytest.raises(InputError, match="must hold parameters of the network"):
        gf.doctor.examine(network, nn.functional.cross_entropy, [rings(10)], torch.optim.SGD(mlp(2, 3).parameters(), lr=0.1))
