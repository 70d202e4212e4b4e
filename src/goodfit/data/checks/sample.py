"""The rows that the checks look at, and columns as numbers.

n rows, b bins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from goodfit.base.streams import numpy_stream
from goodfit.data.dataset import Column, Dataset
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec

ROWS = 50_000  # of training that are looked at: places a share to within half a per cent, and 50,000 x 30 are checked in seconds
CELLS = 30_000_000  # rows x columns at most: 1,500 columns are looked at in 20,000 rows
SHOWN = 20  # rows and columns named in a finding
MEASURED = ("number", "category", "boolean", "datetime")  # kinds whose values are looked at one by one


@dataclass(frozen=True)
class Answer:
    """One thing to be predicted, on the training rows of the sample: class codes int64 [n], or values float64 [n]."""

    name: str
    codes: np.ndarray | None
    values: np.ndarray | None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Some training rows, with everything else that a check may want to know.

    rows: [n] positions in the data, sorted. frame: their features. encoded: their targets.
    """

    dataset: Dataset
    target: TargetSpec
    split: Split
    seed: int
    rows: np.ndarray
    frame: pl.DataFrame
    encoded: np.ndarray

    @property
    def features(self) -> tuple[Column, ...]:
        return self.dataset.schema.features

    @property
    def measured(self) -> tuple[Column, ...]:
        """Features whose values can be put in order or counted."""
        return tuple(column for column in self.features if column.kind in MEASURED)

    @cached_property
    def answers(self) -> list[Answer]:
        return _answers(self.target, self.encoded)

    def numbered(self, positions: Iterable[int]) -> tuple[int, ...]:
        """1-based rows of the source, the header not counted, of the first SHOWN positions."""
        origin = self.dataset.origin
        return tuple(int(p if origin is None else origin[p]) + 1 for _, p in zip(range(SHOWN), positions, strict=False))

    def some(self, rows: np.ndarray, most: int, *names: str) -> np.ndarray:
        """At most `most` of the rows, sorted."""
        if rows.size <= most:
            return rows
        return np.sort(numpy_stream(self.seed, "split", "checks", *names).choice(rows, most, replace=False))


def draw(dataset: Dataset, target: TargetSpec, split: Split, seed: int) -> Sample:
    """The training rows that the checks look at."""
    features = [column.name for column in dataset.schema.features]
    most = int(min(ROWS, max(2_000, CELLS // max(1, len(features)))))
    train = split.train
    if train.size > most:
        train = np.sort(numpy_stream(seed, "split", "checks", "train").choice(train, most, replace=False))
    frame = dataset.take(train, list(dict.fromkeys([*features, *target.names])))
    return Sample(dataset, target, split, seed, train, frame.select(features), target.encode(frame.select(target.names)))


def _answers(target: TargetSpec, encoded: np.ndarray) -> list[Answer]:
    if target.kind == "several":
        return [answer for index, part in enumerate(target.parts) for answer in _answers(part, encoded[:, index])]
    name = ", ".join(target.names[:3])
    if target.kind == "regression":
        return [Answer(name, None, encoded.astype(np.float64))]
    classes = tuple(str(label) for label in target.classes or ())
    if target.kind == "multilabel":
        return [
            Answer(f"{name}: {label}" if len(target.names) == 1 else label, (encoded[:, index] > 0.5).astype(np.int64), None, ("no", "yes"))
            for index, label in enumerate(classes[:SHOWN])
        ]
    return [Answer(name, np.rint(encoded).astype(np.int64), None, classes)]


def coded(series: pl.Series, bins: int) -> np.ndarray:
    """[n] int64 bins of the values: themselves where there are at most `bins`, else equal shares in order; missing is bin 0.

    Equal values share a bin. Texts have no order: each has its own bin, whatever their number.
    """
    missing = series.is_null().to_numpy()
    if series.dtype.is_temporal():
        series = series.to_physical()
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        return series.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    values = series.cast(pl.Float64).fill_null(0.0).to_numpy()
    found = np.zeros(values.size, dtype=np.int64)
    known = values[~missing]
    if known.size:
        ordered = np.sort(known)
        edges = ordered[np.flatnonzero(np.diff(ordered, prepend=-np.inf))]
        if edges.size > bins:
            edges = np.unique(ordered[np.arange(bins) * ordered.size // bins])
        found[~missing] = np.searchsorted(edges, known, side="right")
    return found


def as_numbers(frame: pl.DataFrame, columns: Iterable[Column]) -> np.ndarray:
    """[n, columns] float64 for trees: texts by their rank, dates by their moment, missing as NaN."""
    stacked = []
    for column in columns:
        series = frame[column.name]
        if series.dtype.is_temporal():
            series = series.to_physical()
        elif not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            series = series.cast(pl.String).rank("dense")
        stacked.append(series.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return np.stack(stacked, axis=1) if stacked else np.empty((frame.height, 0))


def named(names: Iterable[str], limit: int = 5) -> str:
    """'a', 'b' and 3 more."""
    listed = list(names)
    shown = ", ".join(repr(name) for name in listed[:limit])
    return f"{shown} and {len(listed) - limit:,} more" if len(listed) > limit else shown
