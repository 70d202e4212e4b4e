"""Categories to codes: 0 for unknown or missing, then the levels of the training rows by falling frequency.

n rows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

UNKNOWN = 0  # code of a missing value, an unseen level and a level too rare to learn
MOST_LEVELS = 4_096  # a one-hot row then takes 16 KiB, and any level beyond has less than 1 row in 4,096
MANY_LEVELS = 100  # above this, levels of one row are left out: one row teaches a level nothing but its own label
_MOST_COUNTED = 4_000_000  # distinct values counted at once, some 200 MB; beyond, those seen once are forgotten


class Tally:
    """Counts of distinct values over chunks of rows."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"value": pl.String, "count": pl.Int64})
        self._waiting: list[pl.DataFrame] = []

    def add(self, values: pl.Series) -> None:
        """values: String; nulls are not counted."""
        frame = pl.DataFrame({"value": values}).drop_nulls().group_by("value").agg(pl.len().cast(pl.Int64).alias("count"))
        self._waiting.append(frame)
        if sum(part.height for part in self._waiting) > self._counts.height + 100_000:  # merge rarely: each merge reads all counts
            self._merge()

    def ranked(self) -> tuple[list[str], np.ndarray]:
        """The values by falling count, equal counts by value, and their counts (int64)."""
        self._merge()
        ranked = self._counts.sort("count", "value", descending=[True, False])
        return ranked["value"].to_list(), ranked["count"].to_numpy()

    def _merge(self) -> None:
        if not self._waiting:
            return
        self._counts = pl.concat([self._counts, *self._waiting]).group_by("value").agg(pl.col("count").sum())
        self._waiting = []
        if self._counts.height > _MOST_COUNTED:
            self._counts = self._counts.filter(pl.col("count") > 1)


def as_text(values: pl.Series) -> pl.Series:
    """The levels as texts, String [n]; a whole float reads like the integer, so that a missing value elsewhere changes no level.

    >>> as_text(pl.Series([1.0, None, 2.5])).to_list()
    ['1', None, '2.5']
    """
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(values.dtype) == values).fill_null(False)
        return whole.cast(pl.String).zip_with(is_whole, values.cast(pl.String))
    return values.cast(pl.String)


def choose_levels(tally: Tally) -> tuple[list[str], int]:
    """The levels that get a code of their own, and how many others share the code of the unknown."""
    levels, counts = tally.ranked()
    kept = min(len(levels), MOST_LEVELS)
    if len(levels) > MANY_LEVELS:
        kept = max(min(kept, int((counts > 1).sum())), 1)
    return levels[:kept], len(levels) - kept


def codes(values: pl.Series, levels: pl.Enum) -> np.ndarray:
    """[n] int32: 1 + the position of each value among the levels, 0 where it is missing or none of them.

    >>> codes(pl.Series(["b", "x", None, "a"]), pl.Enum(["a", "b"])).tolist()
    [2, 0, 0, 1]
    """
    positions = as_text(values).cast(levels, strict=False).to_physical().cast(pl.Int32)
    return (positions + 1).fill_null(UNKNOWN).to_numpy()
