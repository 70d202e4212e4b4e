"""Bags: each network learns from rows drawn with replacement, and is judged by those that were not drawn.

Breiman, "Bagging predictors", *Machine Learning* 24 (1996). About 37 % of the rows stay out of a bag of as many rows as there are, so that the mean of
what networks say of rows that they did not see is an honest prediction of every row, without a validation set.

n rows, K bags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodfit.base.errors import InputError
from goodfit.base.streams import numpy_stream


@dataclass(frozen=True)
class Bag:
    """inside: positions drawn, sorted, with repetitions. outside: those that were not drawn."""

    inside: np.ndarray
    outside: np.ndarray

    @property
    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows inside once each, and how often each was drawn: weights for a learner that takes them."""
        rows, counts = np.unique(self.inside, return_counts=True)
        return rows, counts


def bags(n: int, count: int, *, share: float = 1.0, group: np.ndarray | None = None, seed: int = 0) -> list[Bag]:
    """`count` bags of n rows. share: rows drawn, over n. group: [n] ids; then groups are drawn, and their rows stay together.

    Raises InputError where no row would stay out of a bag.
    """
    if n < 2 or count < 1 or not 0 < share < np.inf:
        raise InputError(f"bags need at least 2 rows, 1 bag and a share above 0; {n}, {count} and {share} were given")
    ids = np.arange(n) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    if len(ids) != n:
        raise InputError(f"there must be a group for each of the {n} rows; {len(ids)} were given")
    units = int(ids.max()) + 1
    if units < 2:
        raise InputError("bags need rows of at least 2 groups; all are of one")
    members = np.split(np.argsort(ids, kind="stable"), np.cumsum(np.bincount(ids))[:-1])
    made = []
    for number in range(count):
        stream = numpy_stream(seed, "split", "bag", number)
        while True:
            drawn = stream.integers(0, units, size=max(1, round(share * units)))
            if len(np.unique(drawn)) < units:  # of a handful of units, all may have been drawn
                break
        inside = np.sort(np.concatenate([members[unit] for unit in drawn]))
        made.append(Bag(inside, np.setdiff1d(np.arange(n), inside)))
    return made


def out_of_bag(predictions: Sequence[np.ndarray], drawn: Sequence[Bag], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean prediction [n, ...] of each row by the networks that did not see it, and by how many [n]; not a number where there are none.

    predictions: of each network for its bag's `outside` rows, in their order.
    """
    if len(predictions) != len(drawn) or not drawn:
        raise InputError(f"there must be predictions of each bag; {len(predictions)} for {len(drawn)} bags were given")
    total = np.zeros((n, *np.asarray(predictions[0]).shape[1:]))
    count = np.zeros(n, dtype=np.int64)
    for own, bag in zip(predictions, drawn, strict=True):
        if len(own) != len(bag.outside):
            raise InputError(f"predictions must be of the rows outside the bag, {len(bag.outside)} of them; {len(own)} were given")
        total[bag.outside] += own
        count[bag.outside] += 1
    with np.errstate(invalid="ignore"):
        return total / count.reshape(-1, *(1,) * (total.ndim - 1)), count
