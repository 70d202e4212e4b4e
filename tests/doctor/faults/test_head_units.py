"""`head.units`: outputs against classes and numbers."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch.nn import functional as F

from goodfit.doctor.faults.head_units import suspect

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")  # torch's own word of the fault
x, y = rings(400)
hx, hy = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 10}


def test_one_output_spread_over_three_classes() -> None:
    program = plain(mlp(2, 1), x, F.one_hot(y, 3).float(), F.mse_loss, held=(hx, hy), **ADAM)
    suspicion, proof = proven(suspect, program)
    assert suspicion.evidence == {"outputs": 1, "needed": 3}
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_two_outputs_that_learn_one_yes_or_no() -> None:
    program = plain(mlp(2, 2), x, (y == 1).float().unsqueeze(1), F.mse_loss, held=(hx, (hy == 1).float().unsqueeze(1)), **ADAM)
    suspicion, _ = proven(suspect, program)
    assert suspicion.evidence == {"outputs": 2, "needed": 1}


def test_as_many_outputs_as_classes() -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, F.one_hot(y, 3).float(), F.mse_loss, **ADAM))) is None
    assert suspect(case_of(plain(mlp(2, 3), x, y, **ADAM))) is None


def test_spare_outputs_without_harm_are_no_fault() -> None:
    program = plain(mlp(2, 8), x, y, held=(hx, hy), **ADAM)
    suspicion = suspect(case_of(program))
    assert suspicion is not None
    assert not suspicion.certain
    assert silent(suspect, program)
