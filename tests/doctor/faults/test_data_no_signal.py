"""`data.no-signal`: targets drawn at random, against a weak signal, a hard one, and one that the program misses."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net

from goodfit.doctor.faults.data_no_signal import suspect


def inputs(count: int = 600) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(1))


def test_targets_drawn_at_random() -> None:
    y = torch.randint(0, 2, (600,), generator=torch.Generator().manual_seed(9))
    suspicion, proof = examined(suspect, made(net(6, 2), inputs(), y, epochs=6), run_seconds=1.0)
    assert suspicion is not None
    assert proof is not None
    assert proof.severity == "remark"


def test_numbers_drawn_at_random() -> None:
    y = torch.randn(600, 1, generator=torch.Generator().manual_seed(9))
    suspicion, proof = examined(suspect, made(net(6, 1), inputs(), y, loss=torch.nn.functional.mse_loss, epochs=4), run_seconds=1.0)
    assert suspicion is not None
    assert proof is not None


def test_a_signal_raises_nothing() -> None:
    x = inputs()
    suspicion, _ = examined(suspect, made(net(6, 2), x, (x[:, 0] > 0).long(), epochs=4))
    assert suspicion is None


def test_a_signal_that_only_the_program_misses_raises_nothing() -> None:
    x = inputs()
    suspicion, _ = examined(suspect, made(net(6, 2), x, (x[:, 0] > 0).long(), epochs=2, options={"lr": 1e-9}))
    assert suspicion is None


def test_a_parity_that_only_a_network_learns_is_no_lack_of_signal() -> None:
    x = torch.randn(1500, 4, generator=torch.Generator().manual_seed(1)).sign()
    x = torch.cat([x, torch.randn(1500, 12, generator=torch.Generator().manual_seed(2))], 1)
    y = (x[:, :4].prod(1) > 0).long()
    suspicion, proof = examined(suspect, made(net(16, 2, 64), x, y, epochs=25, options={"lr": 5e-3}))
    assert suspicion is None or proof is None
