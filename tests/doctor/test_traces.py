"""A traceback names the frames that it names without the doctor."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.recording import mlp
from torch import Tensor, nn

from goodfit.doctor.record import Recorder
from goodfit.doctor.traces import strip


def step() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.zero_grad()
    F.cross_entropy(model(torch.ones(4, 5)), torch.zeros(4, dtype=torch.int64)).backward()
    return model, optimizer


def shapes() -> None:
    mlp()(torch.ones(2, 7))


def targets() -> None:
    model, _ = step()
    F.cross_entropy(model(torch.ones(4, 5)), torch.full((4,), 9))


def a_loss_layer() -> None:
    nn.MSELoss()(mlp()(torch.ones(4, 5)), torch.ones(3, 3))


def a_product() -> None:
    mlp()(torch.ones(4, 5)) @ torch.ones(9)


def twice() -> None:
    loss = mlp()(torch.ones(4, 5)).sum()
    loss.backward()
    loss.backward()


def closure() -> None:
    _, optimizer = step()
    optimizer.step(lambda: 1 / 0)  # type: ignore[arg-type, return-value]


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        raise ValueError("own")


def own_function() -> None:
    Broken.apply(mlp()(torch.ones(4, 5)))


def from_another() -> None:
    try:
        shapes()
    except RuntimeError as error:
        raise KeyError("outer") from error


def printed(run: Callable[[], None], seen: list[BaseException]) -> list[str]:
    torch.manual_seed(0)
    try:
        run()
    except Exception as error:  # the test's own runs raise on purpose
        seen.append(error)
        return traceback.format_exception(error)
    return []


@pytest.mark.parametrize("keep_updates", [256, 1])
@pytest.mark.parametrize("run", [shapes, targets, a_loss_layer, a_product, twice, closure, own_function, from_another])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_the_traceback_is_that_of_the_program(run: Callable[[], None], keep_updates: int) -> None:
    seen: list[BaseException] = []
    without = printed(run, seen)
    with Recorder(keep_updates=keep_updates):
        if keep_updates == 1:
            step()[1].step()
        within = printed(run, seen)
    assert without
    assert within == without
    strip(seen[1])
    assert traceback.format_exception(seen[1]) == without
