"""Pointing: what is taught, what it costs, and what is read back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.base.protocols import Taught, run
from goodfit.tasks import catalogue
from goodfit.tasks.pointing import followed

TARGET = torch.tensor([[2, 0, 1, -1], [1, -1, -1, -1]], dtype=torch.int32)


def task(**given: object) -> object:
    return catalogue.build({"kind": "pointing", "names": ["t"], "longest": 3} | given)


class Parrot(nn.Module):
    """Keeps what it was given, and names `answer`, then the end."""

    def __init__(self, answer: list[int]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *, points: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        self.target = target
        return torch.zeros(*target.shape, points.shape[1] + 1)

    def encode(self, points: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        return {"step": torch.zeros(len(points), dtype=torch.int64), "end": torch.full((len(points),), points.shape[1])}

    def advance(self, state: dict[str, Tensor], tokens: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        end = int(state["end"][0])
        wanted = torch.tensor([*self.answer, *[end] * 9])[state["step"]]
        return 20 * torch.nn.functional.one_hot(wanted, end + 1).float(), state | {"step": state["step"] + 1}


INPUTS = {"points": torch.zeros(2, 4, 1), "lengths": torch.tensor([4, 4])}


def test_the_network_reads_the_start_and_all_places() -> None:
    parrot = Parrot([])
    output = run(task(), parrot, INPUTS, TARGET)  # type: ignore[arg-type]
    assert isinstance(task(), Taught)
    assert parrot.target.tolist() == [[-1, 2, 0, 1], [-1, 1, -1, -1]]
    assert output.shape == (2, 4, 5)


def test_the_loss_is_the_mean_over_places_and_ends() -> None:
    """Four places and two ends, each one of five: log 5; what stands behind an end does not count."""
    own = task()
    assert own.loss(torch.zeros(2, 4, 5), TARGET).mean().item() == pytest.approx(math.log(5))  # type: ignore[attr-defined]
    sure = torch.full((2, 4, 5), -50.0)
    for row, places in enumerate([[2, 0, 1, 4], [1, 4, 0, 0]]):
        for step, place in enumerate(places):
            sure[row, step, place] = 50.0
    assert own.loss(sure, TARGET).abs().max().item() < 1e-6  # type: ignore[attr-defined]
    sure[1, 1] = torch.tensor([50.0, -50, -50, -50, -50])  # names another place where it should end
    assert own.loss(sure, TARGET)[1].item() > 10  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [1, 4])
def test_a_search_finds_what_the_network_says(width: int) -> None:
    own = task(width=width)
    said = own.decode(run(own, Parrot([3, 0]), INPUTS, None))["place"]  # type: ignore[arg-type, attr-defined]
    assert said[:, :2].tolist() == [[3, 0], [3, 0]]
    assert (said[:, 2:] == -1).all()
    assert said.dtype == torch.int32


def test_rows_and_places_that_are_right() -> None:
    said = np.array([[2, 0, 1, -1, -1], [1, 3, -1, -1, -1]])
    exact, right, steps = followed(said, TARGET.numpy())
    assert (exact.tolist(), right.tolist(), steps.tolist()) == ([True, False], [3, 1], [3, 1])
    metrics = task().metrics({"place": said}, TARGET.numpy())  # type: ignore[attr-defined]
    assert metrics == {"accuracy": 0.5, "step_accuracy": 1.0}
    assert task().metrics({"place": said}, TARGET.numpy(), np.array([0.0, 1.0]))["accuracy"] == 0.0  # type: ignore[attr-defined]
    assert task().metrics({"place": said[:, :2]}, TARGET.numpy())["step_accuracy"] == 0.75  # type: ignore[attr-defined]
