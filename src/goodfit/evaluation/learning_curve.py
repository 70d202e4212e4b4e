"""The error as a function of the rows learned from, and what more rows would gain.

m sizes, r repeats. The curve is a power law with a floor, a + b n^-c (Cortes et al., NIPS 1993; Hestness et al. 2017; the best of few parameters in the
comparison of Viering and Loog 2021): a is what no number of rows undoes, b and c how fast the rest goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.base.errors import InputError
from goodfit.base.streams import numpy_stream

LEAST = 4  # sizes: a curve of three parameters goes through any three
FURTHEST = 4.0  # times the largest size: beyond it, curves that fit alike part ways
RESAMPLES = 500  # of the interval: its ends are known to about a twentieth of its width
_SLOWEST, _FASTEST = 0.05, 2.0  # exponents: of real learning curves 0.07 to 1 or so; parametric rates are 0.5 and 1
_STEPS = 100  # of the grid, and between its neighbours: the rate is then known to 0.1 %


@dataclass(frozen=True)
class Curve:
    """error(n) = floor + scale * n^-rate. drawn: [R, 3] the same three of every resample, empty where sizes were not repeated. largest: rows measured."""

    floor: float
    scale: float
    rate: float
    largest: int
    drawn: np.ndarray

    def at(self, n: float) -> dict[str, float | None]:
        """The error at n rows, {"value", "low", "high"}. Raises InputError beyond four times the rows that were measured."""
        if not 1 <= n <= FURTHEST * self.largest:
            raise InputError(
                f"a learning curve tells of 1 to {FURTHEST * self.largest:,.0f} rows, four times what was measured; {n:,.0f} was asked"
            )
        return self._interval(_value((self.floor, self.scale, self.rate), n), _value(self.drawn.T, n))

    def gain(self, times: float = 2.0) -> dict[str, float | None]:
        """What `times` the largest number of rows would take off the error, {"value", "low", "high"}."""
        if not 1 < times <= FURTHEST:
            raise InputError(f"times must lie above 1 and at {FURTHEST:g} at most; {times:g} was given", value=times)
        now, then = self.largest, times * self.largest
        own = (self.floor, self.scale, self.rate)
        return self._interval(_value(own, now) - _value(own, then), _value(self.drawn.T, now) - _value(self.drawn.T, then))

    def sentence(self, times: float = 2.0, unit: str = "") -> str:
        """What more rows would gain, in words."""
        found, now = self.gain(times), self.at(self.largest)["value"]
        many = "twice the data" if times == 2 else f"{times:g} times the data"
        unit = f" {unit}" if unit else ""
        between = "" if found["low"] is None else f" ({found['low']:.3g} to {found['high']:.3g})"
        assert now is not None
        assert found["value"] is not None
        share = found["value"] / now if now else 0.0
        return f"{many} would gain about {found['value']:.3g}{unit}{between} of an error of {now:.3g}, {share:.0%}"

    def _interval(self, value: float, drawn: np.ndarray) -> dict[str, float | None]:
        if not drawn.size:
            return {"value": value, "low": None, "high": None}
        low, high = np.quantile(drawn, [0.025, 0.975])
        return {"value": value, "low": float(min(low, value)), "high": float(max(high, value))}


def fit_curve(sizes: np.ndarray, errors: np.ndarray, *, seed: int = 0) -> Curve:
    """The curve through errors [m, r] (or [m]) at sizes [m] of rows learned from.

    errors: not negative; the r repeats of a size are other rows and other seeds. floor, scale >= 0 and rate from 0.05 to 2 by least squares of the mean errors,
    each relative to itself, since the spread of an error goes with it. The interval resamples repeats within each size; of fewer than 3 there is none.
    Raises InputError for fewer than 4 different sizes.
    """
    n, given = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    given = given[:, None] if given.ndim == 1 else given
    if n.ndim != 1 or given.ndim != 2 or len(given) != len(n):
        raise InputError(f"a learning curve needs errors [m, r] at sizes [m]; {given.shape} and {n.shape} were given")
    if len(np.unique(n)) < max(LEAST, len(n)):
        raise InputError(
            f"a learning curve needs at least {LEAST} different sizes, each once; {len(np.unique(n))} of {len(n)} given are different"
        )
    if not (np.isfinite(given).all() and (given >= 0).all() and (n >= 1).all()):
        raise InputError("a learning curve needs sizes of at least 1 and finite errors that are not negative")
    r = given.shape[1]
    floor, scale, rate = (float(part) for part in _fit(n, given.mean(axis=1)[None])[0])
    drawn = np.empty((0, 3))
    if r >= 3:
        chosen = numpy_stream(seed, "bootstrap", "curve").integers(0, r, size=(RESAMPLES, *given.shape))
        drawn = _fit(n, np.take_along_axis(given[None], chosen, axis=2).mean(axis=2))
    return Curve(floor, scale, rate, int(n.max()), drawn)


def _value(parts: tuple[float, float, float] | np.ndarray, n: float) -> Any:
    floor, scale, rate = parts
    return floor + scale * n**-rate


def _fit(n: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Floor, scale and rate [R, 3] of the curves through y [R, m] at n [m].

    For each rate the best floor and scale are those of a line; the best rate is looked for on a grid, then between its neighbours.
    """
    rates = np.broadcast_to(np.geomspace(_SLOWEST, _FASTEST, _STEPS), (len(y), _STEPS))
    at = np.arange(len(y))
    for last in (False, True):
        cost, floor, scale = _line(n, y, rates)  # R S
        best = cost.argmin(axis=1)
        if last:
            break
        low, high = rates[at, np.maximum(best - 1, 0)], rates[at, np.minimum(best + 1, _STEPS - 1)]
        rates = np.geomspace(low, high, _STEPS, axis=1)
    return np.stack([floor[at, best], scale[at, best], rates[at, best]], axis=1)


def _line(n: np.ndarray, y: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cost, floor and scale, not negative, [R, S] of the best y [R, m] = floor + scale * n^-rate for rates [R, S]."""
    x = n ** -rates[:, :, None]  # R S m
    y = y[:, None]  # R 1 m
    w = 1 / np.maximum(y, 1e-9 * np.maximum(y.max(axis=2, keepdims=True), 1e-300)) ** 2
    one, sx, sxx, sy, sxy = (np.broadcast_to(part.sum(axis=2), rates.shape) for part in (w, w * x, w * x * x, w * y, w * x * y))
    determinant = one * sxx - sx**2
    scale = np.where(determinant > 1e-14 * one * sxx, (one * sxy - sx * sy) / np.maximum(determinant, 1e-300), 0)
    floor = (sy - scale * sx) / one
    # Where one of them would be negative it is 0, and the other the best alone.
    floor, scale = np.where(scale < 0, sy / one, floor), np.maximum(scale, 0)
    floor, scale = np.maximum(floor, 0), np.where(floor < 0, sxy / sxx, scale)
    cost = (w * (y - floor[:, :, None] - scale[:, :, None] * x) ** 2).sum(axis=2)
    return cost, floor, scale
