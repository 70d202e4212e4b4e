"""Greedy selection of an ensemble from a library of networks.

Caruana, Niculescu-Mizil, Crew and Ksikes, "Ensemble selection from libraries of models" (ICML 2004): beginning with the best few, add again and again whichever
network's vote improves the average most on rows that none learned from. A network may be added more than once, and so gets more weight.
Many networks and few rows overfit the selection, which bagging counters: each bag selects among a random half of the library, and the votes are summed.

K networks, n rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from goodfit.base.errors import InputError
from goodfit.base.streams import numpy_stream

ROUNDS = 50  # votes of a bag: weights in steps of 2 %
BAGS, SHARE = 20, 0.5  # the paper's: of 20 bags, each sees half of the library


@dataclass(frozen=True)
class Selection:
    """weights: [K], summing to 1, 0 for those not chosen. score: of the weighted mean on the rows that were selected by, which flatters it."""

    weights: np.ndarray
    score: float


def select(
    predictions: np.ndarray,
    score: Callable[[np.ndarray], float],
    *,
    maximise: bool = False,
    rounds: int = ROUNDS,
    first: int = 1,
    bags: int = 1,
    share: float = SHARE,
    seed: int = 0,
) -> Selection:
    """Weights for networks whose decoded predictions are [K, n, ...] on rows that none learned from.

    score: of mean predictions [n, ...], such as a log loss. first: the best networks that each bag begins with. rounds: votes at most, of which those
    up to the best score are kept. bags: how often a share of the library is drawn; 1 takes all of it. Ties go to the network that comes first.
    """
    given = np.asarray(predictions, dtype=np.float64)
    K = len(given)
    if given.ndim < 2 or not K:
        raise InputError(f"predictions must be [K, n, ...] of at least one network; {given.shape} was given")
    if rounds < 1 or bags < 1 or not 1 <= first <= rounds:
        raise InputError(f"rounds and bags must be at least 1 and first from 1 to rounds; {rounds}, {bags} and {first} were given")
    if bags > 1 and not 0 < share <= 1:
        raise InputError(f"share must lie above 0 and at 1 at most; {share} was given", value=share)
    sign = -1.0 if maximise else 1.0
    alone = np.array([_finite(sign * score(own)) for own in given])
    stream = numpy_stream(seed, "search", "selection")
    votes = np.zeros(K)
    for _ in range(bags):
        some = np.arange(K) if bags == 1 else np.sort(stream.permutation(K)[: max(1, round(share * K))])
        votes += _votes(given, alone, some, lambda mean: _finite(sign * score(mean)), rounds, first)
    weights = votes / votes.sum()
    chosen = np.flatnonzero(weights)  # 0 times what diverged would not be 0
    return Selection(weights, float(score(np.tensordot(weights[chosen], given[chosen], axes=1))))


def _votes(
    given: np.ndarray, alone: np.ndarray, some: np.ndarray, cost: Callable[[np.ndarray], float], rounds: int, first: int
) -> np.ndarray:
    """How often each network is chosen out of `some`, relative to all votes: [K], summing to 1."""
    order = some[np.argsort(alone[some], kind="stable")][:first]
    total, count = given[order].sum(axis=0), len(order)
    votes = np.bincount(order, minlength=len(given)).astype(np.float64)
    best, kept = cost(total / count), votes.copy()
    while count < rounds:
        costs = [cost((total + given[index]) / (count + 1)) for index in some]
        chosen = int(some[int(np.argmin(costs))])
        total, count = total + given[chosen], count + 1
        votes[chosen] += 1
        if min(costs) < best:
            best, kept = min(costs), votes.copy()
    return kept / kept.sum()


def _finite(value: float) -> float:
    """The score, the worst possible where it is not a number: a network that diverged is not chosen."""
    return value if np.isfinite(value) else np.inf
