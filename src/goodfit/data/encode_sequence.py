"""Sequences that are read to write others: words or letters of one column of texts, as they are.

n rows, S units of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

Unit = Literal["word", "letter"]
UNKNOWN, FIRST = 1, 2  # 0 fills up
_SPACED = 0.5  # of the texts have a space where words are the units
_REPEATS = 10  # times that a word occurs on average where words are the units: of fewer, letters tell more


@dataclass(frozen=True)
class SequenceEncoder:
    """One column. unit: what a text is cut into, words between spaces or letters. units: those of the training rows. longest: units of a row."""

    column: str
    unit: Unit
    units: tuple[str, ...]
    longest: int

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        return {"column": self.column, "vocabulary": FIRST + len(self.units), "length": self.longest}

    def encode(self, texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """String [n] -> ids int32 [total] end to end, and the units of each row, int64 [n], at least 1: nothing is one unknown unit."""
        lists = cut(texts.fill_null(""), self.unit)
        lengths = lists.list.len().cast(pl.Int64).to_numpy()
        widths = np.maximum(lengths, 1)
        ids = np.full(int(widths.sum()), UNKNOWN, np.int32)
        if lengths.any():
            found = lists.filter(pl.Series(lengths > 0)).explode().cast(self._known, strict=False).to_physical().cast(pl.Int32)
            ids[np.repeat(lengths > 0, widths)] = (found + FIRST).fill_null(UNKNOWN).to_numpy()
        return ids, widths

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "unit": self.unit, "units": self.units, "longest": self.longest}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SequenceEncoder:
        return cls(document["column"], document["unit"], tuple(document["units"]), int(document["longest"]))

    @cached_property
    def _known(self) -> pl.Enum:
        return pl.Enum(list(self.units))


def fit(texts: pl.Series) -> SequenceEncoder:
    """What the training rows are made of; String [n]."""
    unit = unit_of(texts)
    lists = cut(texts.drop_nulls(), unit)
    units = lists.explode().drop_nulls().unique().sort().to_list()
    return SequenceEncoder(texts.name, unit, tuple(units), int(lists.list.len().max() or 1))  # type: ignore[arg-type]


def unit_of(texts: pl.Series) -> Unit:
    """Words where half of the texts have several, from a vocabulary that repeats; else letters.

    >>> unit_of(pl.Series(["abandon", "abbey"])), unit_of(pl.Series(["AE B IY", "AE AE AE B B B IY IY", "IY B"] * 5))
    ('letter', 'word')
    """
    known = texts.drop_nulls()
    if known.is_empty() or float(known.str.strip_chars().str.contains(r"\s").mean() or 0) < _SPACED:  # type: ignore[arg-type]
        return "letter"
    words = known.str.split(" ").explode()
    return "word" if len(words) >= _REPEATS * words.n_unique() else "letter"


def cut(texts: pl.Series, unit: Unit) -> pl.Series:
    """String [n] without nulls -> List(String) [n]."""
    if unit == "word":
        return texts.str.extract_all(r"\S+")
    return texts.str.extract_all(r"(?s).")


def word_codes(lists: pl.Series, units: Sequence[object]) -> np.ndarray:
    """List(String) [n] -> int32 [n, T] positions in `units`, -1 behind a row's last; a unit that is none of them has the position after the last."""
    lengths = lists.list.len().to_numpy().astype(np.int64)
    codes = np.full((len(lists), max(1, int(lengths.max(initial=0)))), -1, np.int32)
    if lengths.any():
        known = pl.Enum([str(unit) for unit in units])
        found = lists.filter(pl.Series(lengths > 0)).explode().cast(known, strict=False).to_physical().cast(pl.Int32).fill_null(len(units))
        codes[np.arange(codes.shape[1]) < lengths[:, None]] = found.to_numpy()
    return codes


def joined(units: list[str], unit: Unit) -> str:
    """A text of the units."""
    return (" " if unit == "word" else "").join(units)
