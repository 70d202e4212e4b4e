"""How much of the target one column knows by itself, without a model: in milliseconds for each of 1,500 columns.

n rows, b bins, C classes. The rows of a bin are predicted by the mean of its other rows (leave one out), so a bin of one row knows
nothing and a column of names gets no credit. Skill is 1 - error / error of the mean: the Brier skill score for classes (Brier 1950;
Murphy 1973), and for numbers R2 of their ranks, which a few large values cannot carry.
"""

from __future__ import annotations

import numpy as np

from goodfit.data.checks.sample import Answer

BINS = 256  # a threshold inside one bin spoils 1 / 256 of the rows


def skill_bins(n: int) -> int:
    """Bins of a number in n rows: five rows in each at least, so that the mean of the others is one."""
    return max(2, min(BINS, n // 5))


def skill(bins: np.ndarray, answer: Answer) -> float:
    """bins [n] int64, from 0 -> at most 1; about 0 for a column that knows nothing, below it by chance."""
    if answer.codes is not None:
        return _of_classes(bins, answer.codes)
    assert answer.values is not None
    return _of_values(bins, ranks(answer.values))


def ranks(values: np.ndarray) -> np.ndarray:
    """[n] the mean rank of each value between 0 and 1, equal values alike."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(count) - (count + 1) / 2) / max(1, values.size - 1))[place]


def _of_classes(bins: np.ndarray, codes: np.ndarray) -> float:
    C = int(codes.max()) + 1
    counts = np.bincount(bins * C + codes, minlength=C * (int(bins.max()) + 1)).reshape(-1, C).astype(np.float64)  # b C
    total = counts.sum(0)
    prior = total / total.sum()
    spread = 1 - (prior**2).sum()  # error of the mean, per row
    if spread <= 0:
        return 0.0
    n = counts.sum(1, keepdims=True)  # b 1
    squares = (counts**2).sum(1, keepdims=True) - 2 * counts + 1  # b C: sum of squared counts without the row itself
    with np.errstate(divide="ignore", invalid="ignore"):
        error = squares / (n - 1) ** 2 - 2 * (counts - 1) / (n - 1) + 1
    alone = 1 + (prior**2).sum() - 2 * prior  # C: a row alone in its bin is predicted by the mean of all
    error = np.where(n > 1, error, alone)
    return float(1 - (counts * error).sum() / (codes.size * spread))


def _of_values(bins: np.ndarray, values: np.ndarray) -> float:
    centred = values - values.mean()
    total = float(centred @ centred)
    if total <= 0:
        return 0.0
    n = np.bincount(bins).astype(np.float64)
    first = np.bincount(bins, weights=centred)
    second = np.bincount(bins, weights=centred**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(n > 1, (second - first**2 / n) * (n / (n - 1)) ** 2, second)
    return float(1 - np.nansum(inside) / total)
