"""AdaBoost for any number of classes: each network learns with more weight on what those before it got wrong.

SAMME: Zhu, Zou, Rosset and Hastie, "Multi-class AdaBoost", *Statistics and Its Interface* 2 (2009). Of two classes it is AdaBoost.M1 (Freund and Schapire 1997).

n rows, K networks, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from goodfit.base.errors import InputError

M = TypeVar("M")


@dataclass(frozen=True)
class Boosted(Generic[M]):
    """members, the weight of each one's vote, its weighted error on the rows learned from; why there are no more, where there are fewer than asked."""

    members: list[M]
    weights: np.ndarray
    errors: np.ndarray
    stopped: str = ""


def samme(
    learn: Callable[[np.ndarray, int], M],
    answer: Callable[[M], np.ndarray],
    target: np.ndarray,
    classes: int,
    *,
    rounds: int = 10,
    rate: float = 1.0,
    weight: np.ndarray | None = None,
) -> Boosted[M]:
    """Up to `rounds` networks for codes [n].

    learn: from weights [n] that sum to 1, and the round, to a trained network. answer: its codes [n] for the same rows. rate: each vote's share, below 1 for
    slower boosting. weight: [n] to begin with, or None for all alike. Ends early with a network that makes no mistake, and before one that is no better than
    guessing; raises InputError where the first is not.
    """
    y = np.asarray(target)
    if y.ndim != 1 or not len(y) or classes < 2:
        raise InputError(f"boosting needs codes [n] of at least 2 classes; {y.shape} and {classes} were given")
    if rounds < 1 or not 0 < rate < np.inf:
        raise InputError(f"rounds must be at least 1 and rate above 0; {rounds} and {rate} were given")
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if w.shape != y.shape or (w < 0).any() or not w.sum():
        raise InputError("boosting needs a weight for each row, at least 0 and not all 0")
    w = w / w.sum()
    members: list[M] = []
    votes: list[float] = []
    errors: list[float] = []
    for number in range(rounds):
        member = learn(w, number)
        wrong = np.asarray(answer(member)) != y
        error = float(w @ wrong)
        if error >= 1 - 1 / classes:
            if not members:
                raise InputError(
                    f"boosting needs networks better than guessing; the first is wrong on {error:.0%} of the weight, so let it learn for longer"
                )
            return Boosted(members, np.array(votes), np.array(errors), f"network {number + 1} was no better than guessing")
        members.append(member)
        errors.append(error)
        if error <= 0:
            votes.append(1.0)
            return Boosted(members, np.array(votes), np.array(errors), f"network {number + 1} made no mistake")
        votes.append(rate * (np.log((1 - error) / error) + np.log(classes - 1)))
        w = w * np.exp(votes[-1] * wrong)
        w /= w.sum()
    return Boosted(members, np.array(votes), np.array(errors))


def voted(codes: Sequence[np.ndarray] | np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The share of the votes for each class, [n, C], summing to 1: codes [K, n] of the members, by their weights [K]."""
    given = np.asarray(codes)
    if given.ndim != 2 or len(given) != len(weights):
        raise InputError(f"votes need codes [K, n] and a weight for each member; {given.shape} and {len(weights)} were given")
    shares = np.zeros((given.shape[1], classes))
    for own, weight in zip(given, weights, strict=True):
        shares[np.arange(len(own)), own] += weight
    return np.asarray(shares / np.sum(weights))
