"""Sequences: what is taught, what it costs, edits, and what is read back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from goodfit.base.protocols import Taught, run
from goodfit.tasks import catalogue
from goodfit.tasks.sequence import END, FIRST, START, edited

SPEC = {"kind": "sequence", "names": ["t"], "classes": ["a", "b", "c"], "longest": 3}
TASK = catalogue.build(SPEC)
TARGET = torch.tensor([[0, 1, 2, -1, -1], [2, -1, -1, -1, -1]])


class Parrot(nn.Module):
    """Keeps what it was given, and writes `answer`."""

    def __init__(self, answer: list[int]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.target = target
        return torch.zeros(*target.shape, 6)

    def encode(self, source: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"place": torch.zeros(len(source), dtype=torch.int64)}

    def advance(self, state: dict[str, torch.Tensor], tokens: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        wanted = torch.tensor([*self.answer, END, END, END])[state["place"]]
        return torch.nn.functional.one_hot(wanted, 6).float() * 20, {"place": state["place"] + 1}


def test_the_network_reads_the_start_and_all_units_but_the_end() -> None:
    parrot = Parrot([])
    output = run(TASK, parrot, {"source": torch.zeros(2, 4)}, TARGET)
    assert isinstance(TASK, Taught)
    assert parrot.target.tolist() == [[START, 3, 4, 5], [START, 5, 0, 0]]
    assert output.shape == (2, 4, 6)


def test_the_loss_is_the_mean_over_units_and_ends() -> None:
    output = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    log = output.log_softmax(-1)
    wanted = [(0, 0, 3), (0, 1, 4), (0, 2, 5), (0, 3, END), (1, 0, 5), (1, 1, END)]
    expected = -sum(float(log[place]) for place in wanted) / 6
    assert float(TASK.loss(output, TARGET).mean()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("width", [1, 4])
def test_what_is_written_is_read_back(width: int) -> None:
    task = catalogue.build(SPEC)
    task.width = width  # type: ignore[attr-defined]
    found = task.decode(run(task, Parrot([FIRST + 2, FIRST]).eval(), {"source": torch.zeros(3, 4)}, None))["unit"]
    assert [row[row >= 0].tolist() for row in found] == [[2, 0]] * 3
    assert task.metrics({"unit": found.numpy()}, np.array([[2, 0], [2, 1], [2, -1]])) == {
        "token_error_rate": 2 / 5,
        "accuracy": pytest.approx(1 / 3),
    }


def _distance(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    @cache
    def d(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return d(len(a), len(b))


ROWS = st.lists(st.tuples(*[st.lists(st.integers(0, 3), max_size=7)] * 2), min_size=1, max_size=5)


@settings(deadline=None)
@given(ROWS)
def test_edits_are_those_of_the_recursion(rows: list[tuple[list[int], list[int]]]) -> None:
    def padded(lists: list[list[int]]) -> np.ndarray:
        out = np.full((len(lists), 1 + max(map(len, lists))), -1)
        for row, values in zip(out, lists, strict=True):
            row[: len(values)] = values
        return out

    edits, units = edited(padded([a for a, _ in rows]), padded([b for _, b in rows]))
    assert edits.tolist() == [_distance(tuple(a), tuple(b)) for a, b in rows]
    assert units.tolist() == [len(b) for _, b in rows]
