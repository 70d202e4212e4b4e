"""Searches against the best of all rows of tokens, one by one."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.tasks.search import State, beam, greedy

START, END = 0, 1


class Tables:
    """A decoder whose logits are a table of all prefixes: row 0 of a prefix's code in base V + 1, so no two prefixes share one."""

    def __init__(self, rows: int, vocabulary: int, limit: int, seed: int = 0, sharp: float = 2.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.vocabulary = vocabulary
        self.logits = sharp * torch.randn(rows, (vocabulary + 1) ** limit, vocabulary, generator=generator, dtype=torch.float64)
        self.calls = 0

    def encode(self) -> State:
        rows = self.logits.shape[0]
        return {"row": torch.arange(rows), "code": torch.zeros(rows, dtype=torch.int64), "begun": torch.zeros(rows, dtype=torch.bool)}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        self.calls += 1
        code = torch.where(state["begun"], state["code"] * (self.vocabulary + 1) + tokens + 1, 0)
        code = code % self.logits.shape[1]  # rows that have ended go on, to no effect
        return self.logits[state["row"], code], {"row": state["row"], "code": code, "begun": torch.ones_like(state["begun"])}

    def log_probability(self, row: int, path: tuple[int, ...]) -> float:
        code, total = 0, 0.0
        for token in path:
            total += self.logits[row, code].log_softmax(0)[token].item()
            code = code * (self.vocabulary + 1) + token + 1
        return total


def endings(vocabulary: int, limit: int) -> list[tuple[int, ...]]:
    """Every row of tokens that reaches the end within `limit` steps."""
    others = [token for token in range(vocabulary) if token != END]
    return [(*path, END) for n in range(limit) for path in itertools.product(others, repeat=n)]


def cut(tokens: Tensor) -> tuple[int, ...]:
    path = tokens.tolist()
    return tuple(path[: path.index(END) + 1])


def ranked(log_probability: float, tokens: int, length_penalty: float) -> float:
    return log_probability / ((5 + tokens) / 6) ** length_penalty


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize(("vocabulary", "limit"), [(3, 5), (4, 4), (2, 6), (5, 1)])
def test_a_wide_beam_finds_the_best_of_all(vocabulary: int, limit: int, length_penalty: float) -> None:
    network = Tables(6, vocabulary, limit)
    width = (vocabulary - 1) ** limit
    found = beam(network, network.encode(), start=START, end=END, limit=limit, width=width, length_penalty=length_penalty)
    for row in range(6):
        scores = {path: network.log_probability(row, path) for path in endings(vocabulary, limit)}
        best = max(scores, key=lambda path: ranked(scores[path], len(path), length_penalty))
        assert cut(found.tokens[row, 0]) == best
        assert found.scores[row, 0].item() == pytest.approx(scores[best], abs=1e-10)


def test_longer_answers_win_with_a_larger_penalty() -> None:
    network = Tables(20, 3, 5, sharp=0.5)
    lengths = []
    for length_penalty in (0.0, 1.0, 5.0):
        found = beam(network, network.encode(), start=START, end=END, limit=5, width=32, length_penalty=length_penalty)
        lengths.append(sum(len(cut(tokens)) for tokens in found.tokens[:, 0]))
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_scores_are_those_of_the_tokens_and_no_hypothesis_comes_twice(width: int) -> None:
    network = Tables(12, 4, 5)
    found = beam(network, network.encode(), start=START, end=END, limit=5, width=width)
    assert found.tokens.shape[:2] == found.scores.shape == (12, width)
    for row in range(12):
        paths = [cut(tokens) for tokens, score in zip(found.tokens[row], found.scores[row], strict=True) if score.isfinite()]
        assert paths
        assert len(set(paths)) == len(paths)
        for path, tokens, score in zip(paths, found.tokens[row], found.scores[row], strict=False):
            assert score.item() == pytest.approx(network.log_probability(row, path), abs=1e-10)
            assert (tokens[len(path) :] == END).all()
        ranks = [ranked(score.item(), len(path), 0.6) for path, score in zip(paths, found.scores[row], strict=False)]
        assert ranks == sorted(ranks, reverse=True)


def test_greedy_takes_the_likeliest_token_at_each_step() -> None:
    network = Tables(12, 4, 5)
    found = greedy(network, network.encode(), start=START, end=END, limit=5)
    for row in range(12):
        path: tuple[int, ...] = ()
        while END not in path:
            code = 0
            for token in path:
                code = code * 5 + token + 1
            path = (*path, network.logits[row, code].argmax().item() if len(path) < 4 else END)
        assert cut(found.tokens[row, 0]) == path
        assert found.scores[row, 0].item() == pytest.approx(network.log_probability(row, path), abs=1e-10)


def test_a_beam_of_one_is_greedy() -> None:
    network = Tables(30, 4, 5)
    one = greedy(network, network.encode(), start=START, end=END, limit=5)
    other = beam(network, network.encode(), start=START, end=END, limit=5, width=1, length_penalty=0.0)
    for row in range(30):
        assert cut(one.tokens[row, 0]) == cut(other.tokens[row, 0])
    torch.testing.assert_close(one.scores, other.scores)


def test_wider_beams_find_likelier_rows_on_the_whole() -> None:
    network = Tables(40, 5, 5)
    means = []
    for width in (1, 2, 8, 1024):
        found = beam(network, network.encode(), start=START, end=END, limit=5, width=width, length_penalty=0.0)
        means.append(found.scores[:, 0].mean().item())
    assert means[0] < means[1] < means[2] <= means[3]


def test_a_row_does_not_depend_on_the_others() -> None:
    network = Tables(8, 4, 5)
    whole = beam(network, network.encode(), start=START, end=END, limit=5, width=3)
    for row in range(8):
        state = {name: part[row : row + 1] for name, part in network.encode().items()}
        alone = beam(network, state, start=START, end=END, limit=5, width=3)
        assert cut(alone.tokens[0, 0]) == cut(whole.tokens[row, 0])
        torch.testing.assert_close(alone.scores[0, 0], whole.scores[row, 0])


def test_an_early_end_is_kept_while_others_go_on() -> None:
    network = Tables(1, 3, 4)
    network.logits.zero_()
    network.logits[0, 0] = torch.tensor([-50.0, 0.45, 0.55]).double()  # the end comes second, what comes first leads to nothing good
    found = beam(network, network.encode(), start=START, end=END, limit=4, width=2, length_penalty=0.0)
    assert cut(found.tokens[0, 0]) == (END,)
    assert cut(greedy(network, network.encode(), start=START, end=END, limit=4).tokens[0, 0]) != (END,)


def test_a_search_stops_when_nothing_better_can_come() -> None:
    network = Tables(3, 3, 5)
    network.logits.zero_()
    network.logits[:, :, END] = 20.0
    for search in (greedy, beam):
        network.calls = 0
        search(network, network.encode(), start=START, end=END, limit=5)
        assert network.calls == 1


def test_half_precision_is_added_up_in_single() -> None:
    network = Tables(2, 3, 4)
    network.logits = network.logits.bfloat16()
    assert beam(network, network.encode(), start=START, end=END, limit=4).scores.dtype == torch.float32
    assert greedy(network, network.encode(), start=START, end=END, limit=4).scores.dtype == torch.float32


def test_no_rows() -> None:
    network = Tables(0, 3, 4)
    assert beam(network, network.encode(), start=START, end=END, limit=4, width=2).scores.shape == (0, 2)
    assert greedy(network, network.encode(), start=START, end=END, limit=4).scores.shape == (0, 1)


def test_settings_that_cannot_be() -> None:
    network = Tables(1, 3, 2)
    with pytest.raises(InputError, match="at least one step; limit=0"):
        beam(network, network.encode(), start=START, end=END, limit=0)
    with pytest.raises(InputError, match="at least one step; limit=0"):
        greedy(network, network.encode(), start=START, end=END, limit=0)
    with pytest.raises(InputError, match=r"width >= 1 and length_penalty >= 0; got width=0 and length_penalty=0.6"):
        beam(network, network.encode(), start=START, end=END, limit=2, width=0)
