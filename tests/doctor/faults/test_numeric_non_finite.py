"""`numeric.non-finite`: numbers that are lost."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.proving import Ending, case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor.faults.numeric_non_finite import suspect

x, y = rings(400)
hx, hy = rings(200, seed=1)


def likelihood(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(torch.log(output), target)


def test_the_logarithm_of_a_share_that_is_0() -> None:
    network = Ending(mlp(2, 3), lambda out: torch.log((200 * out).softmax(1)))
    suspicion, proof = proven(suspect, plain(network, x, y, F.nll_loss, held=(hx, hy), kind=torch.optim.Adam, lr=0.02, epochs=6))
    assert suspicion.evidence["call"] == "log"
    assert "log" in proof.remedy.words  # type: ignore[union-attr]


def test_the_slope_of_the_root_of_0() -> None:
    network = Ending(mlp(2, 3), lambda out: torch.sqrt((out - out[:, :1]).square()))
    suspicion, _ = proven(suspect, plain(network, x, y, held=(hx, hy), kind=torch.optim.Adam, lr=0.01, epochs=6))
    assert suspicion.evidence["call"] == "sqrt"
    assert suspicion.evidence["backward"]


@pytest.mark.parametrize("where", ["inputs", "targets"])
def test_data_with_gaps(where: str) -> None:
    given, target = torch.cat([x, torch.rand(len(x), 1)], 1), x.norm(dim=1, keepdim=True)
    if where == "inputs":
        given[::40, 2] = float("nan")
    else:
        target[::40] = float("nan")
    held = (torch.cat([hx, torch.rand(len(hx), 1)], 1), hx.norm(dim=1, keepdim=True))
    suspicion, _ = proven(suspect, plain(mlp(3, 1), given, target, F.mse_loss, held=held, kind=torch.optim.Adam, lr=0.01, epochs=8))
    assert suspicion.evidence["rows_with_gaps"] == 10


def test_an_explosion_is_another_fault() -> None:
    program = plain(mlp(2, 1), x, x.norm(dim=1, keepdim=True), F.mse_loss, held=(hx, hx.norm(dim=1, keepdim=True)), lr=50.0)
    assert suspect(case_of(program)) is None


def test_logarithms_of_ordinary_shares() -> None:
    network = nn.Sequential(*mlp(2, 3), nn.Softmax(1))
    assert silent(suspect, plain(network, x, y, likelihood, held=(hx, hy), kind=torch.optim.Adam, lr=0.01, epochs=6))
