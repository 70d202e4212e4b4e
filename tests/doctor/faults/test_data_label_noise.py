"""`data.label-noise`: labels exchanged at random and learned by heart, against classes that overlap."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.data_label_noise import suspect


def rows(count: int, seed: int, noise: float = 0.0, overlap: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 10, generator=generator)
    y = (x[:, 0] + x[:, 1] + overlap * torch.randn(count, generator=generator) > 0).long()
    wrong = torch.rand(count, generator=generator) < noise
    return x, torch.where(wrong, 1 - y, y)


def test_wrong_labels_learned_by_heart_are_found() -> None:
    program = made(net(10, 2, 96), *rows(300, 1, noise=0.3), epochs=30, judged=rows(600, 2))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert proof is not None
    assert 0.15 < proof.facts["share"] < 0.45
    assert proof.gain is not None
    assert proof.gain.value > 0.1


def test_classes_that_overlap_are_no_wrong_labels() -> None:
    program = made(net(10, 2, 128), *rows(500, 1, overlap=0.7), epochs=40, judged=rows(600, 2, overlap=0.7))
    _, proof = examined(suspect, program)
    assert proof is None


def test_noise_that_is_not_learned_by_heart_raises_nothing() -> None:
    program = made(nn.Linear(10, 2), *rows(500, 1, noise=0.2), epochs=10, judged=rows(600, 2, noise=0.2))
    suspicion, _ = examined(suspect, program)
    assert suspicion is None


def test_wrong_labels_of_the_training_rows_alone_are_found_without_a_gap() -> None:
    """Training rows are scored worse than held ones: nothing but the labels themselves shows it."""
    x, y = rows(600, 1, noise=0.3)
    program = made(net(10, 2, 64), x, y, epochs=12, judged=rows(500, 2))
    suspicion, proof = examined(suspect, program)
    assert suspicion is not None
    assert suspicion.always
    assert suspicion.evidence["training_labels_contradicted"] > suspicion.evidence["held_labels_contradicted"] + 0.08
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.04


def test_labels_that_are_noisy_by_nature_are_no_sign() -> None:
    program = made(net(10, 2, 16), *rows(600, 1, noise=0.2), epochs=3, judged=rows(600, 2, noise=0.2))
    suspicion, _ = examined(suspect, program)
    assert suspicion is None or not suspicion.always
