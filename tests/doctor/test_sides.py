"""The judged rows by where and when the program judges them."""

from __future__ import annotations

import torch
from tests.doctor.faults.made import made, net
from torch import Tensor

from goodfit.doctor.program import Data as Given
from goodfit.doctor.program import Evaluation, Node, Part, Place, Program, Tape, Value
from goodfit.doctor.sides import sides
from goodfit.doctor.supervised import supervised


def rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] > 0).long()


def judging(x: Tensor, y: Tensor, line: int) -> Tape:
    called = Node(Part(0), (Given(0),), {}, training=False, grad=False, place=Place("train.py", line))
    return Tape((called, Node(torch.eq, (Value(0), Given(1)), {}, grad=False)), (x, y))


def program(*evaluations: list[tuple[tuple[Tensor, Tensor], int]]) -> Program:
    found = made(net(3, 2), *rows(200, 1), epochs=2)
    found.evaluations = [
        Evaluation(tuple(judging(*given, line) for given, line in parts), number * found.updates)
        for number, parts in enumerate(evaluations)
    ]
    return found


def test_two_lines_are_two_sides() -> None:
    found = sides(supervised(program([(rows(80, 2), 10), (rows(50, 3), 12)])))
    assert sorted(len(one) for one in found) == [50, 80]
    assert not bool(torch.isin(*found).any())


def test_rows_that_are_judged_at_the_end_alone_are_a_side() -> None:
    found = sides(supervised(program([(rows(80, 2), 10)], [(rows(80, 2), 10), (rows(50, 3), 10)])))
    assert sorted(len(one) for one in found) == [50, 80]


def test_rows_of_one_place_are_one_side() -> None:
    view = supervised(program([(rows(80, 2), 10), (rows(50, 3), 10)]))
    found = sides(view)
    assert len(found) == 1
    assert torch.equal(found[0], view.held)


def test_too_few_rows_are_no_side() -> None:
    view = supervised(program([(rows(80, 2), 10), (rows(8, 3), 12)]))
    assert len(sides(view)) == 1
