"""`head.activation`: what stands between the last layer and the loss."""

from __future__ import annotations

import math

import pytest
import torch
from tests.doctor.faults.proving import Ending, case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import nn
from torch.nn import functional as F

from goodfit.doctor.faults.head_activation import suspect

x, y = rings(400)
hx, hy = rings(200, seed=1)
radius, held_radius = x.norm(dim=1, keepdim=True), hx.norm(dim=1, keepdim=True)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 10}


@pytest.mark.parametrize(
    "network",
    [
        lambda: nn.Sequential(*mlp(2, 3), nn.Softmax(1)),
        lambda: Ending(mlp(2, 3), lambda out: out.softmax(-1)),
        lambda: Ending(mlp(2, 3), torch.sigmoid),
    ],
)
def test_squashed_answers_into_cross_entropy(network: object) -> None:
    program = plain(network(), x, y, held=(hx, hy), lr=0.1, epochs=10)  # type: ignore[operator]
    suspicion, proof = proven(suspect, program)
    assert suspicion.certain
    assert abs(float(suspicion.evidence["floor"]) - math.log(1 + 2 / math.e)) < 1e-3
    assert proof.gain is not None
    assert proof.gain.value > 0.2


def test_log_softmax_into_cross_entropy_changes_nothing() -> None:
    assert suspect(case_of(plain(nn.Sequential(*mlp(2, 3), nn.LogSoftmax(1)), x, y, held=(hx, hy), **ADAM))) is None


@pytest.mark.parametrize("ending", [lambda out: out, lambda out: out.softmax(1)])
def test_a_likelihood_of_what_is_no_log_probability(ending: object) -> None:
    program = plain(Ending(mlp(2, 3), ending), x, y, F.nll_loss, held=(hx, hy), lr=0.1, epochs=10)  # type: ignore[arg-type]
    suspicion, _ = proven(suspect, program)
    assert "log-probabilities" in suspicion.message


def test_log_probabilities_into_a_likelihood_are_right() -> None:
    program = plain(nn.Sequential(*mlp(2, 3), nn.LogSoftmax(1)), x, y, F.nll_loss, held=(hx, hy), **ADAM)
    assert suspect(case_of(program)) is None


def test_targets_that_a_sigmoid_cannot_reach() -> None:
    program = plain(nn.Sequential(*mlp(2, 1), nn.Sigmoid()), x, 3 * radius, F.mse_loss, held=(hx, 3 * held_radius), **ADAM)
    suspicion, proof = proven(suspect, program)
    assert suspicion.evidence["targets_outside"] > 0.9
    assert "sigmoid" in proof.remedy.words  # type: ignore[union-attr]


def test_targets_that_a_sigmoid_can_reach() -> None:
    program = plain(nn.Sequential(*mlp(2, 1), nn.Sigmoid()), x, radius / 5, F.mse_loss, held=(hx, held_radius / 5), **ADAM)
    assert suspect(case_of(program)) is None


def test_a_softmax_over_one_unit() -> None:
    far = (radius > 2).float()
    program = plain(nn.Sequential(*mlp(2, 1), nn.Softmax(1)), x, far, F.binary_cross_entropy, held=(hx, (held_radius > 2).float()), **ADAM)
    suspicion, _ = proven(suspect, program)
    assert "one unit" in suspicion.message


def test_a_softmax_over_labels() -> None:
    labels, held = (torch.stack([one[:, 0] > 0, one[:, 1] > 0, one.norm(dim=1) > 1], 1).float() for one in (x, hx))
    program = plain(nn.Sequential(*mlp(2, 3), nn.Softmax(1)), x, labels, F.binary_cross_entropy, held=(hx, held), **ADAM)
    suspicion, _ = proven(suspect, program)
    assert "add up to 1" in suspicion.message


def test_a_rectified_answer_that_reaches_its_targets_is_no_fault() -> None:
    program = plain(nn.Sequential(*mlp(2, 1), nn.ReLU()), x, radius, F.mse_loss, held=(hx, held_radius), **ADAM)
    case = case_of(program)
    suspicion = suspect(case)
    assert suspicion is None or not suspicion.certain
    assert silent(suspect, program)
