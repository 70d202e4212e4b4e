"""Counting runs of characters: against the recursion of the paper written down naively, and what must hold of any model."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from goodfit.evaluation.ngrams import witten_bell_bits


def naive(train: list[int], text: list[int], first: int, size: int, order: int) -> list[float]:
    """Method C, one probability at a time, from dictionaries."""
    follows: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    padded = [0] * order + train
    for place in range(order, len(padded)):
        for history in range(order):
            follows[tuple(padded[place - history : place])][padded[place]] += 1

    def p(c: int, h: tuple[int, ...]) -> float:
        lower = p(c, h[1:]) if h else 1 / size
        known = follows.get(h)
        if not known:
            return lower
        return (known[c] + len(known) * lower) / (sum(known.values()) + len(known))

    asked = [0] * order + text
    return [-math.log2(p(asked[i + order], tuple(asked[i + 1 : i + order]))) for i in range(first, len(text))]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_the_recursion(order: int) -> None:
    generator = np.random.default_rng(0)
    train, text = generator.integers(0, 4, 300), generator.integers(0, 5, 60)
    found = witten_bell_bits(train, text, 7, 5, order)
    assert found == pytest.approx(naive(train.tolist(), text.tolist(), 7, 5, order), rel=1e-9)


def test_the_probabilities_of_all_that_may_follow_sum_to_one() -> None:
    train = np.random.default_rng(1).integers(0, 6, 500)
    past = train[-5:]
    p = [2 ** -witten_bell_bits(train, np.append(past, c), 5, 7)[0] for c in range(7)]
    assert sum(p) == pytest.approx(1)


def test_large_vocabularies_get_shorter_runs() -> None:
    train = np.arange(3_000) % 1_000 * 1_000
    bits = witten_bell_bits(train, train[:100], 1, 1_000_000, order=6)
    assert np.isfinite(bits).all()
    assert bits.mean() < 2  # each is certain after the one before it
