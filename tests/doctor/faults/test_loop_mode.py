"""`loop.mode`: training and judging in the other mode."""

from __future__ import annotations

import dataclasses

import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn

from goodfit.doctor.faults.loop_mode import suspect
from goodfit.doctor.program import Program

x, y = rings(400)
hx, hy = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 8}


def noisy(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Many features of which two tell the class, and labels of which a fifth is wrong: without dropout it is learned by heart."""
    generator = torch.Generator().manual_seed(seed)
    given = torch.randn(rows, 30, generator=generator)
    labels = (given[:, 0] + given[:, 1] > 0).long()
    wrong = torch.rand(rows, generator=generator) < 0.2
    return given, torch.where(wrong, 1 - labels, labels)


def dropped(features: int, outputs: int, share: float, width: int = 64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(features, width),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(share),
        nn.Linear(width, outputs),
    )


def judged_in_training(program: Program) -> Program:
    last = program.evaluations[-1]
    tapes = tuple(
        dataclasses.replace(
            tape, nodes=tuple(dataclasses.replace(node, training=True) if node.training is not None else node for node in tape.nodes)
        )
        for tape in last.tapes
    )
    program.evaluations[-1] = dataclasses.replace(last, tapes=tapes)
    return program


def test_dropout_that_never_drops() -> None:
    given, labels = noisy(200, 0)
    program = plain(dropped(30, 2, 0.8, 128), given, labels, held=noisy(800, 1), train=False, kind=torch.optim.Adam, lr=3e-3, epochs=60)
    suspicion, proof = proven(suspect, program)
    assert suspicion.evidence["backward_passes_in_eval_mode"] == 1
    assert "model.train()" in proof.remedy.words  # type: ignore[union-attr]


def test_eval_mode_after_all_updates_that_were_kept() -> None:
    given, labels = noisy(200, 0)
    program = plain(dropped(30, 2, 0.8, 128), given, labels, held=noisy(800, 1), kind=torch.optim.Adam, lr=3e-3, epochs=3)
    assert suspect(case_of(program)) is None
    program.updates, program.late_in_eval = 10 * program.updates, 1.0
    case = case_of(program)
    suspicion = suspect(case)
    assert suspicion is not None
    assert suspicion.evidence["backward_passes_in_eval_mode"] == 0.9
    assert case.view.modes[-1] is False, "copies go on in eval mode"


def test_eval_mode_that_changes_nothing() -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, y, held=(hx, hy), train=False, **ADAM))) is None


def test_judged_while_dropout_drops() -> None:
    program = judged_in_training(plain(dropped(2, 3, 0.5), x, y, held=(hx, hy), **ADAM))
    suspicion, proof = proven(suspect, program)
    assert "model.eval()" in proof.remedy.words  # type: ignore[union-attr]
    assert suspicion.certain
    assert proof.gain is not None
    assert proof.gain.value > 0.02


def test_judged_in_training_mode_where_it_makes_no_difference() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    program = judged_in_training(plain(network, x, y, held=(hx, hy), kind=torch.optim.Adam, lr=0.01, epochs=30))
    assert silent(suspect, program)


def test_several_draws_of_dropout_for_the_same_rows_are_meant() -> None:
    program = judged_in_training(plain(dropped(2, 3, 0.5), x, y, held=(hx, hy), **ADAM))
    last = program.evaluations[-1]
    program.evaluations[-1] = dataclasses.replace(last, tapes=last.tapes * 5)
    assert suspect(case_of(program)) is None


def test_training_mode_and_eval_mode_as_they_should_be() -> None:
    assert suspect(case_of(plain(dropped(2, 3, 0.5), x, y, held=(hx, hy), **ADAM))) is None
