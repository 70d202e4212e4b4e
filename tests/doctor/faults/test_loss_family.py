"""`loss.family`: losses made for other kinds of targets."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.faults.loss_family import suspect

x, y = rings(400)
hx, hy = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 10}
turned, held_turned = (y + 1) % 3, (hy + 1) % 3  # of three rings the codes rise and fall, so that numbers are no help


def test_codes_of_classes_taken_for_amounts() -> None:
    codes = [code.float().unsqueeze(1) for code in (turned, held_turned)]
    program = plain(mlp(2, 1, width=8), x, codes[0], F.mse_loss, held=(hx, codes[1]), kind=torch.optim.Adam, lr=0.01, epochs=5)
    suspicion, proof = proven(suspect, program)  # its evaluation compares for equality, so that classes are meant
    assert suspicion.certain
    assert "cross_entropy on 3 raw outputs" in proof.remedy.words  # type: ignore[union-attr]


def test_amounts_that_happen_to_be_whole_are_no_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    counts = (4 * x[:, :1] + 0.3 * torch.randn(len(x), 1, generator=generator)).round().clamp(-3, 3) + 3
    program = plain(mlp(2, 1), x, counts, F.mse_loss, **ADAM)
    assert silent(suspect, program)


def test_one_class_of_labels_of_which_several_are_true() -> None:
    labels, held = (torch.stack([one[:, 0] > 0, one[:, 1] > 0, one.norm(dim=1) > 1], 1).float() for one in (x, hx))
    suspicion, proof = proven(suspect, plain(mlp(2, 3), x, labels, F.cross_entropy, held=(hx, held), **ADAM))
    assert "binary_cross_entropy_with_logits" in proof.remedy.words  # type: ignore[union-attr]
    assert suspicion.certain


def test_cross_entropy_over_one_output() -> None:
    far = (y == 1).float().unsqueeze(1)
    suspicion, _ = proven(suspect, plain(mlp(2, 1), x, far, F.cross_entropy, held=(hx, (hy == 1).float().unsqueeze(1)), **ADAM))
    assert "one single output" in suspicion.message


def test_numbers_into_cross_entropy() -> None:
    numbers, held = (torch.cat([one, one.norm(dim=1, keepdim=True)], 1) for one in (x, hx))
    suspicion, _ = proven(suspect, plain(mlp(2, 3), x, numbers, F.cross_entropy, held=(hx, held), **ADAM))
    assert "the targets are numbers" in suspicion.message


def test_smoothed_labels_are_shares_of_a_whole() -> None:
    smooth = 0.9 * F.one_hot(y, 3).float() + 0.1 / 3
    assert suspect(case_of(plain(mlp(2, 3), x, smooth, F.cross_entropy, **ADAM))) is None


def test_squares_on_one_hot_codes_are_no_fault_by_themselves() -> None:
    program = plain(mlp(2, 3), x, F.one_hot(y, 3).float(), F.mse_loss, **ADAM)
    suspicion = suspect(case_of(program))
    assert suspicion is not None
    assert not suspicion.certain
    assert silent(suspect, program)


def test_a_loss_of_the_programs_own_that_is_right_is_acquitted() -> None:
    def own(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target)

    assert suspect(case_of(plain(mlp(2, 3), x, y, F.cross_entropy, **ADAM))) is None
    assert silent(suspect, plain(mlp(2, 3), x, y, own, **ADAM))
