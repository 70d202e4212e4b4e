"""`loss.reduction`: losses that grow or shrink with the batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.doctor.faults.proving import case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.faults.loss_reduction import suspect
from goodfit.doctor.program import Backward, Data, Node, Program, Value

x, y = rings(400)
hx, hy = rings(200, seed=1)


def summed(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, reduction="sum")


def test_a_sum_at_the_rate_of_a_mean() -> None:
    suspicion, proof = proven(suspect, plain(mlp(2, 3), x, y, summed, held=(hx, hy), lr=0.2, epochs=10))
    assert abs(suspicion.evidence["loss_of_rows_twice"] / suspicion.evidence["loss_of_rows"] - 2) < 1e-3
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_a_mean_divided_by_the_batch_again() -> None:
    def twice(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target) / len(output)

    suspicion, _ = proven(suspect, plain(mlp(2, 3), x, y, twice, held=(hx, hy), lr=0.5, epochs=10))
    assert "divided" in suspicion.message


def test_a_sum_that_an_optimiser_takes_no_notice_of() -> None:
    program = plain(mlp(2, 3), x, y, summed, held=(hx, hy), kind=torch.optim.Adam, lr=0.01, epochs=10)
    assert suspect(case_of(program)) is not None
    assert silent(suspect, program)


def test_a_mean() -> None:
    assert suspect(case_of(plain(mlp(2, 3), x, y))) is None


def counted(sign: str, reduction: str) -> Program:
    """A loss that is multiplied with the number of rows, or divided by it: on the tape a plain number."""
    program = plain(mlp(2, 3), x, y, lambda out, target: F.cross_entropy(out, target, reduction=reduction))
    for number, event in enumerate(program.events):
        if isinstance(event, Backward):
            first, _ = event.tape.nodes
            rows = len(event.tape.data[1])
            nodes = (
                first, Node(F.cross_entropy, (Value(0), Data(1)), {"reduction": reduction}),
                Node(torch.Tensor.mul if sign == "*" else torch.Tensor.div, (Value(1), rows), {}),
            )  # fmt: skip
            program.events[number] = dataclasses.replace(event, tape=dataclasses.replace(event.tape, nodes=nodes, root=Value(2)))
    return program


@pytest.mark.parametrize(("sign", "reduction", "ratio"), [("*", "mean", 2.0), ("/", "mean", 0.5), ("/", "sum", None)])
def test_the_number_of_rows_as_a_plain_number(sign: str, reduction: str, ratio: float | None) -> None:
    suspicion = suspect(case_of(counted(sign, reduction)))
    if ratio is None:
        assert suspicion is None, "a sum divided by the rows is a mean"
    else:
        assert suspicion is not None
        assert abs(suspicion.evidence["loss_of_rows_twice"] / suspicion.evidence["loss_of_rows"] - ratio) < 1e-3
