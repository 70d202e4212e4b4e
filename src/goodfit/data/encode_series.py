"""Columns of series: each row holds numbers over time, one channel or several, as long as it is.

n rows, T steps of a row, C channels of all columns together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import listed

Place = Callable[[int], tuple[str | None, int]]
SAMPLE = 20_000  # rows that the channels' means and deviations are taken from


@dataclass(frozen=True)
class SeriesEncoder:
    """Series as standardised channels; what is missing becomes 0, and where training had gaps, a further channel says where.

    columns: of the table. channels: of each column. mean, std: [C] of the training rows. flagged: the channels, of C, with an indicator.
    longest: steps of the longest series of the training rows.
    """

    columns: tuple[str, ...]
    channels: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flagged: tuple[int, ...]
    longest: int

    @property
    def width(self) -> int:
        """Channels that the network reads: C and an indicator for each that is flagged."""
        return len(self.mean) + len(self.flagged)

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        return {"columns": list(self.columns), "channels": self.width, "length": self.longest}

    def encode(self, frame: pl.DataFrame, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a frame -> float32 [total, width] end to end, and the steps of each row, int64 [n], at least 1.

        A row without a series is one step of missing values. Raises DataError with the row where the columns of a row differ in length or a
        column has another number of channels than in training.
        """
        raw, lengths = raw_series(frame, self.columns, self.channels, place)
        missing = np.isnan(raw)
        values = np.where(missing, 0.0, (raw - np.array(self.mean)) / np.array(self.std))
        return np.concatenate([values, missing[:, list(self.flagged)]], axis=1).astype(np.float32), lengths

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SeriesEncoder:
        columns, channels, mean, std, flagged = (tuple(document[name]) for name in ("columns", "channels", "mean", "std", "flagged"))
        return cls(columns, channels, mean, std, flagged, int(document["longest"]))


def fit(frame: pl.DataFrame, columns: Sequence[str], place: Place) -> SeriesEncoder:
    """What the channels of some training rows are like. Raises DataError as `SeriesEncoder.encode`, and where there is no number at all."""
    channels = tuple(_channels(frame[name], place) for name in columns)
    raw, lengths = raw_series(frame, columns, channels, place)
    known = ~np.isnan(raw)
    count = known.sum(axis=0)
    if not count.any():
        raise DataError(f"the series in {listed(columns)} hold no number in the training rows; give numbers", column=columns[0])
    filled = np.where(known, raw, 0.0)
    mean = filled.sum(axis=0) / np.maximum(count, 1)
    std = np.sqrt(np.where(known, (raw - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count, 1))
    std[~(std > 1e-12 * np.maximum(np.abs(mean), 1e-300))] = 1.0  # a channel of one value has no scale
    flagged = np.flatnonzero(count < raw.shape[0])
    return SeriesEncoder(tuple(columns), channels, tuple(mean.tolist()), tuple(std.tolist()), tuple(flagged.tolist()), int(lengths.max()))


def raw_series(frame: pl.DataFrame, columns: Sequence[str], channels: Sequence[int], place: Place) -> tuple[np.ndarray, np.ndarray]:
    """The columns beside each other as they are: float64 [total, C], NaN where missing, and the steps of each row, int64 [n], at least 1."""
    parts, steps = [], np.zeros(frame.height, np.int64)
    for index, (name, width) in enumerate(zip(columns, channels, strict=True)):
        values, lengths = _unrolled(frame[name], width, place)
        if index and (wrong := np.flatnonzero(lengths != steps)).size:
            file, row = place(int(wrong[0]))
            raise DataError(
                f"the series of a row must be equally long; in row {row}, {columns[0]!r} has {steps[wrong[0]]} steps and {name!r} has "
                f"{lengths[wrong[0]]}",
                file=file,
                row=row,
                column=name,
            )
        parts.append(values)
        steps = lengths
    return (np.concatenate(parts, axis=1) if parts else np.zeros((0, 0))), steps


def _unrolled(series: pl.Series, width: int, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """One column: float64 [total, width], and the steps of each row; a row without a value is one step of NaN."""
    lengths = series.list.len().fill_null(0).to_numpy().astype(np.int64)
    steps = np.maximum(lengths, 1)
    there = np.repeat(lengths > 0, steps)
    inner = series.filter(pl.Series(lengths > 0)).explode() if lengths.any() else None
    out = np.full((int(steps.sum()), width), np.nan)
    if inner is None:
        return out, steps
    if not isinstance(inner.dtype, pl.List):
        if width != 1:
            raise DataError(f"the series in {series.name!r} had {width} channels in training and have one here", column=series.name)
        out[there, 0] = _numbers(inner)
        return out, steps
    widths = inner.list.len().fill_null(width).to_numpy()
    if (widths != width).any():
        first = int((widths != width).argmax())
        position = int(np.flatnonzero(lengths > 0)[np.searchsorted(np.cumsum(lengths[lengths > 0]), first, side="right")])
        file, row = place(position)
        raise DataError(
            f"each step of the series in {series.name!r} must have {width} numbers, one for each channel; in row {row} a step has {widths[first]}",
            file=file,
            row=row,
            column=series.name,
        )
    known = inner.is_not_null().to_numpy()
    flat = np.full((len(inner), width), np.nan)
    if known.any():
        flat[known] = _numbers(inner.drop_nulls().explode()).reshape(-1, width)
    out[there] = flat
    return out, steps


def _channels(series: pl.Series, place: Place) -> int:
    """Channels of a column, by its first step. Raises DataError where a step has none."""
    inner = series.drop_nulls().explode().drop_nulls()
    if not isinstance(inner.dtype, pl.List):
        return 1
    width = int(inner.list.len().head(1).item()) if len(inner) else 1
    if width == 0:
        raise DataError(f"each step of the series in {series.name!r} must hold a number; the first holds none", column=series.name)
    return width


def _numbers(series: pl.Series) -> np.ndarray:
    """float64, NaN for missing and infinite."""
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values
