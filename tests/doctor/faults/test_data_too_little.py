"""`data.too-little`: a remark where nobody can help it, a fault where the program has the rows and does not train on them."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net

from goodfit.doctor.faults.data_too_little import suspect


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 8, generator=generator)
    return x, (x[:, 0] * x[:, 1] > 0).long() + 2 * (x[:, 2] + x[:, 3] > 0).long()


def test_rows_that_the_program_only_judges_by_are_missed() -> None:
    suspicion, proof = examined(suspect, made(net(8, 4, 64), *rows(80, 1), epochs=40, judged=rows(1000, 2)))
    assert suspicion is not None
    assert suspicion.always
    assert proof is not None
    assert proof.severity == "warning"
    assert proof.gain is not None
    assert proof.gain.value > 0.1


def test_few_rows_that_are_all_there_are_a_remark() -> None:
    suspicion, proof = examined(suspect, made(net(8, 4, 64), *rows(160, 1), epochs=30, judged=rows(300, 2)))
    assert suspicion is not None
    assert not suspicion.always
    assert proof is None or proof.severity == "remark"


def test_enough_rows_raise_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(800, 8, generator=generator)
    suspicion, _ = examined(suspect, made(net(8, 2), x, (x[:, 0] + x[:, 1] > 0).long(), epochs=5))
    assert suspicion is None
