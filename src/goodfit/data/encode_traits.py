"""What is known of each node or edge of a graph as numbers: a place for each level of a text or small whole number, and amounts standardised.

m nodes or edges, D numbers of each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.encode_category import Tally, choose_levels

LEVELS = 12  # different whole numbers up to which each has a place of its own too: bond orders, charges, small counts


@dataclass(frozen=True)
class Trait:
    """One column of values. levels: those that have a place of their own. amount: whether the value itself is read, standardised with mean, std."""

    name: str
    levels: tuple[str | float, ...]
    amount: bool
    mean: float = 0.0
    std: float = 1.0

    @property
    def width(self) -> int:
        return len(self.levels) + self.amount

    def encode(self, values: pl.Series) -> np.ndarray:
        """[m] -> float32 [m, D]: 1 at the place of a known level, then the amount, 0 where it is missing."""
        out = np.zeros((len(values), self.width), np.float32)
        if self.levels:
            known = pl.Series(self.levels)
            own = values.cast(known.dtype, strict=False)
            place = own.replace_strict(known, pl.Series(range(len(known)), dtype=pl.Int64), default=-1, return_dtype=pl.Int64).fill_null(-1)
            codes = place.to_numpy()
            there = np.flatnonzero(codes >= 0)
            out[there, codes[there]] = 1
        if self.amount:
            numbers = values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
            out[:, -1] = np.nan_to_num((numbers - self.mean) / self.std, nan=0.0, posinf=0.0, neginf=0.0)
        return out

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Trait:
        levels = tuple(level if isinstance(level, str) else float(level) for level in document["levels"])
        return cls(document["name"], levels, bool(document["amount"]), float(document["mean"]), float(document["std"]))


def fit(name: str, values: pl.Series) -> Trait | None:
    """What the values of the training rows are like; None where they are all alike."""
    if values.dtype == pl.String or values.dtype == pl.Boolean:
        tally = Tally()
        tally.add(values.cast(pl.String))
        levels, _ = choose_levels(tally)
        return Trait(name, tuple(levels), False) if len(levels) > 1 else None
    numbers = values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    different = np.unique(numbers)
    if different.size < 2:
        return None
    few = different.size <= LEVELS and bool((different == np.floor(different)).all())
    std = float(numbers.std())
    return Trait(name, tuple(different.tolist()) if few else (), True, float(numbers.mean()), std if std > 0 else 1.0)
