"""`loop.no-step`: gradients that no update uses."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings

from goodfit.doctor.faults.loop_no_step import suspect

x, y = rings(400)
HELD = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 10}


@pytest.mark.parametrize(
    "events",
    [
        ("backward", "zero", "update"),
        ("zero", "backward", "zero", "update"),
        ("zero", "update", "backward"),  # the last step's gradients are gone when it steps
        ("zero", "backward"),
    ],
)
def test_gradients_that_are_gone_before_the_step(events: tuple[str, ...]) -> None:
    suspicion, proof = proven(suspect, plain(mlp(2, 3), x, y, held=HELD, events=events, **ADAM))
    assert suspicion.certain
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_one_step_for_many_passes_whose_gradients_are_thrown_away() -> None:
    program = plain(mlp(2, 3), x, y, held=HELD, events=(*("zero", "backward") * 4, "update"), lr=0.1, epochs=4)
    for number, event in enumerate(program.events):  # the same rows four times are one batch looked at again: give each pass its own
        tape = getattr(event, "tape", None)
        if tape is not None:
            rows = torch.arange(32) + 7 * number % 360
            object.__setattr__(tape, "data", (x[rows], y[rows]))
    suspicion, _ = proven(suspect, program)
    assert suspicion.evidence["thrown_away"] == 3


@pytest.mark.parametrize(
    "events",
    [
        ("zero", "backward", "update"),
        ("backward", "update", "zero"),
        ("zero", "backward", "backward", "update"),
        ("update", "zero", "backward"),
    ],
)
def test_orders_that_are_right(events: tuple[str, ...]) -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, y, held=HELD, events=events, **ADAM))) is None


def test_two_passes_over_the_same_rows_for_one_step_are_meant() -> None:
    assert silent(suspect, plain(mlp(2, 3), x, y, held=HELD, events=("zero", "backward", "zero", "backward", "update"), **ADAM))
