"""`loop.metric`: perfect answers in the program's own evaluation."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import case_of, proven
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor.faults.loop_metric import suspect
from goodfit.doctor.program import Data, Evaluation, Node, Part, Program, Tape, Value

x, y = rings(200)
hx, hy = rings(100, seed=1)
far, held_far = (y == 1).float().unsqueeze(1), (hy == 1).float().unsqueeze(1)


def evaluated(program: Program, target: Tensor, *nodes: Node) -> Program:
    asked = Node(Part(0), (Data(0),), {}, training=False, grad=False)
    program.evaluations = [Evaluation((Tape((asked, *nodes), (hx, target)),), program.updates)]
    return program


def binary(target: Tensor, *nodes: Node) -> Program:
    return evaluated(plain(nn.Sequential(*mlp(2, 1), nn.Sigmoid()), x, far, F.binary_cross_entropy), target, *nodes)


def test_every_row_compared_with_every_other() -> None:
    suspicion, proof = proven(
        suspect, binary(held_far.squeeze(1), Node(torch.round, (Value(0),), {}), Node(torch.Tensor.eq, (Value(1), Data(1)), {}))
    )
    assert (suspicion.evidence["answers"], suspicion.evidence["targets"]) == ([100, 1], [100])
    assert proof.gain is not None
    assert 0.3 < proof.gain.value < 0.7


def test_the_largest_of_one_output() -> None:
    suspicion, _ = proven(
        suspect, binary(held_far.squeeze(1), Node(torch.argmax, (Value(0), 1), {}), Node(torch.Tensor.eq, (Value(1), Data(1)), {}))
    )
    assert "number 0" in suspicion.message


def test_a_rounded_answer_of_the_targets_shape() -> None:
    assert suspect(case_of(binary(held_far, Node(torch.round, (Value(0),), {}), Node(torch.Tensor.eq, (Value(1), Data(1)), {})))) is None


def test_the_largest_of_three() -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, y, held=(hx, hy)))) is None


def test_the_largest_along_the_rows() -> None:
    program = plain(mlp(2, 3), x, y)
    asked = Node(Part(0), (Data(0),), {}, training=False, grad=False)
    for dim, found in ((0, True), (1, False)):
        equal = Node(torch.Tensor.eq, (Value(1), Data(1)), {})
        tape = Tape((asked, Node(torch.Tensor.argmax, (Value(0), dim), {}), equal), (hx[:3], torch.tensor([0, 0, 1])))
        program.evaluations = [Evaluation((tape,), program.updates)]
        suspicion = suspect(case_of(program))
        assert (suspicion is not None) == found
        assert suspicion is None or "along the rows" in suspicion.message


def test_errors_of_every_row_with_every_other() -> None:
    program = plain(mlp(2, 1), x, x.norm(dim=1, keepdim=True), F.mse_loss)
    spread = evaluated(program, hx.norm(dim=1), Node(F.mse_loss, (Value(0), Data(1)), {}))
    suspicion, _ = proven(suspect, spread)
    assert "every row against every other" in suspicion.message
    assert suspect(case_of(evaluated(program, hx.norm(dim=1, keepdim=True), Node(F.mse_loss, (Value(0), Data(1)), {})))) is None


def test_answers_put_back_into_their_unit_are_not_judged() -> None:
    program = plain(mlp(2, 1), x, x.norm(dim=1, keepdim=True), F.mse_loss)
    back = evaluated(
        program, 10 * hx.norm(dim=1, keepdim=True), Node(torch.mul, (Value(0), 10.0), {}), Node(F.mse_loss, (Value(1), Data(1)), {})
    )
    assert suspect(case_of(back)) is None
