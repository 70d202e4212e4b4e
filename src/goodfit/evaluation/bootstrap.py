"""Intervals by resampling rows with replacement, a thousand times in about a second.

n rows, R resamples, M sums, G cells. Percentile intervals: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), ch. 13.
A metric is a function of sums over rows, so a resample needs no copy of the rows, only how often each was drawn:

- `sums`: totals of M columns. Above ROWS rows, rows are first put into ROWS random groups and groups are drawn: the
  variance of a sum over random groups is that of a sum over rows, and the cost no longer grows with n.
- `cells`: totals of weights in G cells, such as (true class, predicted class). Rows of one cell and weight are alike, so their
  number is drawn at once from a multinomial distribution: exact for any n.
- `draws`: how often each of n rows was drawn, for what is no function of sums (medians, ranks of many columns).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from goodfit.base.streams import numpy_stream

LEVEL = 0.95  # of every interval of the report, the field's convention
ROWS = 20_000  # rows drawn one by one at most: 1,000 resamples of them take under a second
_CHUNK = 4_000_000  # numbers held at once: 32 MiB of float64


def summary(value: float, samples: np.ndarray, *, scale: float = 1.0) -> dict[str, float | None]:
    """{"value", "low", "high"}: the percentile interval of `samples` [R], widened to hold the value itself.

    scale: factor on the distance from the value, sqrt(m / n) where m of n rows were resampled.
    low and high are None when over half of the resamples leave the metric undefined.
    """
    defined = samples[np.isfinite(samples)]
    if not np.isfinite(value) or 2 * defined.size < samples.size or not defined.size:
        return {"value": float(value), "low": None, "high": None}
    low, high = value + scale * (np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - value)
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def draws(n: int, resamples: int, seed: int, *names: str | int) -> Iterator[np.ndarray]:
    """How often each of n rows is drawn when n are drawn with replacement: [r, n] float64, `resamples` rows r in all."""
    stream = numpy_stream(seed, "bootstrap", *names)
    step = max(1, _CHUNK // max(n, 1))
    for start in range(0, resamples, step):
        r = min(step, resamples - start)
        drawn = stream.integers(0, n, size=(r, n)) + n * np.arange(r)[:, None]
        yield np.bincount(drawn.ravel(), minlength=r * n).reshape(r, n).astype(np.float64)


def sums(values: np.ndarray, resamples: int, seed: int, *names: str | int) -> np.ndarray:
    """Totals of the columns over resampled rows: values [n, M] -> [R, M]."""
    n = values.shape[0]
    if n > ROWS:
        group = numpy_stream(seed, "bootstrap", *names, "groups").permutation(n) % ROWS
        values = np.stack([np.bincount(group, weights=column, minlength=ROWS) for column in values.T], axis=1)
    return np.concatenate([count @ values for count in draws(values.shape[0], resamples, seed, *names)])


def cells(code: np.ndarray, weight: np.ndarray | None, size: int, resamples: int, seed: int, *names: str | int) -> Iterator[np.ndarray]:
    """Total weight in each cell over resampled rows: code [n] in 0..size-1, weight [n] -> [r, size], `resamples` rows r in all."""
    n = code.shape[0]
    if weight is None:
        alike = np.bincount(code, minlength=size)
        kind = np.flatnonzero(alike)
        each, multiplicity = np.ones(kind.size), alike[kind]
    else:
        kind, each, multiplicity = _alike(code, weight)
    stream = numpy_stream(seed, "bootstrap", *names)
    step = max(1, _CHUNK // max(size, kind.size))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(kind) != 0]))
    for start in range(0, resamples, step):
        r = min(step, resamples - start)
        drawn = stream.multinomial(n, multiplicity / n, size=r).astype(np.float64)
        totals = np.zeros((r, size))
        totals[:, kind[starts]] = np.add.reduceat(drawn * each, starts, axis=1)
        yield totals


def _alike(code: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cell, weight and number of the rows that share both, sorted by cell.

    Where that leaves more than ROWS kinds, the rows of a cell are put into groups of near weights, each with its mean:
    totals stay exact, and four groups keep 94 % of the spread of even weights.
    """
    order = np.lexsort((weight, code))
    code, weight = code[order], weight[order]
    new = np.concatenate([[True], (np.diff(code) != 0) | (np.diff(weight) != 0)])
    if np.count_nonzero(new) > ROWS:
        groups = max(1, ROWS // int(np.count_nonzero(np.diff(code, prepend=-1))))
        level = np.empty(weight.size, dtype=np.int64)
        level[np.argsort(weight, kind="stable")] = np.arange(weight.size) * groups // weight.size
        new = np.concatenate([[True], (np.diff(code) != 0) | (np.diff(level) != 0)])
    first = np.flatnonzero(new)
    multiplicity = np.diff(np.append(first, weight.size))
    return code[first], np.add.reduceat(weight, first) / multiplicity, multiplicity


def subset(n: int, seed: int, *names: str | int) -> np.ndarray:
    """At most ROWS of n rows, sorted, for metrics that need `draws`; scale their intervals by sqrt(m / n)."""
    if n <= ROWS:
        return np.arange(n)
    return np.sort(numpy_stream(seed, "bootstrap", *names, "subset").choice(n, ROWS, replace=False))
