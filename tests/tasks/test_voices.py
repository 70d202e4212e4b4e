"""Several decoders as one, against the mean of their beliefs written down path by path."""

from __future__ import annotations

import math

import pytest
import torch
from tests.tasks.test_search import END, START, Tables, endings
from torch import Tensor, nn

from goodfit.tasks.search import State, beam
from goodfit.tasks.voices import Voices

LIMIT = 4


class Network(nn.Module):
    """A table of all prefixes as a network, whose state names depend on nothing."""

    def __init__(self, table: Tables) -> None:
        super().__init__()
        self.table = table

    def encode(self, given: Tensor) -> State:
        return self.table.encode()

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        return self.table.advance(state, tokens)


def path_belief(tables: list[Tables], weights: list[float], row: int, path: tuple[int, ...]) -> float:
    """Log probability of a path whose every step has the weighted mean of the tables' probabilities."""
    total = 0.0
    for step in range(len(path)):
        ahead = [math.exp(table.log_probability(row, path[: step + 1]) - table.log_probability(row, path[:step])) for table in tables]
        total += math.log(sum(weight * p for weight, p in zip(weights, ahead, strict=True)))
    return total


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [0.2, 0.5, 0.3]])
def test_the_search_finds_what_all_together_believe_most(weights: list[float]) -> None:
    tables = [Tables(3, 3, LIMIT, seed=seed) for seed in range(len(weights))]
    voices = Voices([Network(table) for table in tables], weights)
    found = beam(voices, voices.encode(torch.zeros(3)), start=START, end=END, limit=LIMIT, width=200, length_penalty=0.0)
    for row in range(3):
        beliefs = {path: path_belief(tables, weights, row, path) for path in endings(3, LIMIT)}
        best = max(beliefs, key=beliefs.__getitem__)
        path = found.tokens[row, 0].tolist()
        assert tuple(path[: path.index(END) + 1]) == best
        assert found.scores[row, 0].item() == pytest.approx(beliefs[best], rel=1e-5)


def test_probabilities_sum_to_one_and_states_stay_apart() -> None:
    voices = Voices([Network(Tables(2, 5, 3, seed=seed)) for seed in range(12)], [1 / 12] * 12)
    state = voices.encode(torch.zeros(2))
    assert len(state) == 36
    scores, state = voices.advance(state, torch.full((2,), START))
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(2))
    assert len(state) == 36
