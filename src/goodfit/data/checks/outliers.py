"""A few values so far away that scaling by mean and standard deviation squeezes all others into a point.

Most are marks for a missing value (-999, 1e9) or another unit. Heavy tails are no fault: the values must stand apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goodfit.base.records import Finding
from goodfit.data.checks.sample import SHOWN, Sample, named

_SHARE = 0.01  # of the rows at most are outliers; more of them are a second group
_NARROWER = 4.0  # times: the spread without them. Four leaves the others within a quarter of a standard deviation
_APART = 10.0  # times the range of all others lies between them and the outliers; a lognormal tail has no such gap
_LEAST = 50  # rows below which one in a hundred is none
_FULL = 20_000_000  # values read whole, since a single outlier is missed by a sample: two seconds


@dataclass(frozen=True)
class Drowned:
    """rows: [m] positions of the outliers. ratio: standard deviation with them over that without. values: some of them."""

    rows: np.ndarray
    ratio: float
    values: list[float]


def check_outliers(sample: Sample) -> list[Finding]:
    numbers = [column.name for column in sample.features if column.kind == "number"]
    whole = len(numbers) * sample.dataset.rows <= _FULL
    rows = sample.split.train if whole else sample.rows
    found: dict[str, Drowned] = {}
    for name in numbers:
        values = (sample.dataset.column(name).gather(rows) if whole else sample.frame[name]).cast(float)
        known = np.flatnonzero(values.is_not_null().to_numpy())
        far = drowned(values.drop_nulls().to_numpy())
        if far is not None:
            found[name] = Drowned(rows[known[far.rows]], far.ratio, far.values)
    if not found:
        return []
    worst = max(found, key=lambda name: found[name].ratio)
    example = f"such as {found[worst].values[0]:g}" + (f" in {worst!r}" if len(found) > 1 else "")
    return [
        Finding(
            "data.inputs-unscaled",
            "warning",
            f"a few values lie far from all others in {named(found)}, {example}: scaled with them, the other values would lie"
            f" {found[worst].ratio:,.0f} times closer together",
            evidence={
                name: {"rows": int(far.rows.size), "ratio": round(far.ratio, 1), "values": far.values}
                for name, far in list(found.items())[:SHOWN]
            },
            columns=tuple(found)[:SHOWN],
            rows=sample.numbered(found[worst].rows),
            remedy="where they mean a missing value, leave the field empty; where they are mistakes, repair them",
            confidence=0.9,
        )
    ]


def drowned(values: np.ndarray) -> Drowned | None:
    """The outliers of values [n] float64, if they break scaling."""
    n = values.size
    most = int(_SHARE * n) if n >= 100 else int(n >= _LEAST)
    if not most:
        return None
    distance = np.abs(values - np.partition(values, n // 2)[n // 2])
    far = np.argpartition(distance, n - most - 1)[n - most :]
    near = np.ones(n, dtype=bool)
    near[far] = False
    with np.errstate(over="ignore", invalid="ignore"):
        spread, inner = values.std(), values[near].std()
        if not inner > 0 or not spread / inner >= _NARROWER:
            return None
        low, first, third, high = np.quantile(values[near], [0, 0.25, 0.75, 1])
        if first == third:  # mostly one value, such as 0: what differs is rare by nature
            return None
        apart = far[(values[far] - high > _APART * (high - low)) | (low - values[far] > _APART * (high - low))]
    if not apart.size:
        return None
    apart = np.sort(apart)
    return Drowned(apart, float(spread / inner), [float(value) for value in values[apart][:3]])
