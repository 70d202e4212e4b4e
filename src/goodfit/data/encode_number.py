"""Numbers to what networks like: a normal by quantiles, standardised, or scaled robustly and clipped smoothly.

n rows, F columns, Q quantiles. Missing values are NaN on the way in and on the way out of `transform`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from goodfit.base.streams import numpy_stream

Scaling = Literal["quantile", "standard", "robust"]
SCALINGS: tuple[str, ...] = get_args(Scaling)

NOISE = 1e-5  # of the column's spread; breaks ties, so that half zeros land at their middle rank and not at the lower end (TabM, 2024)
LARGEST = 1e300  # beyond this, differences of two numbers would overflow
SMALLEST_RANGE = 1e-6  # after scaling; below it, piecewise-linear embeddings divide by nearly nothing and explode (TabM, 2024)
STANDARD_LIMIT = 100.0  # standard deviations; what lies further is a slip of the source or a tail that one weight cannot serve
GRID = 1024  # ranks kept for `bins`: as many as the largest number of bins that the recipe takes
_CLIP = 5.199337582605575  # the normal quantile of 1e-7 - 2^-52, where scikit-learn's QuantileTransformer clips
_CELLS = 1 << 19  # cells transformed at once: 4 MiB of float64, so that the temporaries stay near the cores


@dataclass(frozen=True)
class NumberScaler:
    """Statistics of F columns, from training rows alone.

    quantiles: float64 [F, Q], never falling along Q; empty unless scaling is "quantile".
    center, scale: float64 [F]; used unless scaling is "quantile". fill: float64 [F], the scaled mean, for missing values.
    grid: float32 [F, GRID + 1], the scaled training values at even ranks, for `bins`.
    """

    scaling: Scaling
    quantiles: Tensor
    center: Tensor
    scale: Tensor
    fill: Tensor
    grid: Tensor

    def __post_init__(self) -> None:
        if self.scaling == "quantile":
            object.__setattr__(self, "_knots", _Knots(self.quantiles))

    def transform(self, values: Tensor) -> Tensor:
        """values [F, n] float64, NaN where missing, infinite or not -> scaled [F, n] float64, NaN where missing, else finite."""
        scaled = torch.empty_like(values)
        step = max(1, _CELLS // max(1, values.shape[1]))
        for first in range(0, values.shape[0], step):
            part = slice(first, first + step)
            scaled[part] = self._transform(values[part], part)
        return scaled

    def encode(self, values: Tensor) -> Tensor:
        """values [F, n] float64 -> scaled [F, n] float64 with missing values at the scaled mean: all finite."""
        scaled = self.transform(values)
        missing = scaled.isnan()
        return torch.where(missing, self.fill.unsqueeze(1), scaled, out=scaled) if missing.any() else scaled

    def bins(self, count: int) -> list[Tensor]:
        """Edges of `count` bins of each column, float32 [2 to count + 1], rising; fewer where there are fewer different values.

        Quantiles, except that a value which fills bins by itself takes one edge and leaves the rest of them to the other values: of a
        column that is zero in nine rows of ten, the tenth still gets nearly all of the bins (as LightGBM bins).
        Edges are values at GRID even ranks, never between two values.
        """
        return [_edges(column, count) for column in self.grid]

    def select(self, keep: Tensor) -> NumberScaler:
        """The columns where `keep` [F] is true."""
        fields = {name: getattr(self, name)[keep] for name in ("quantiles", "center", "scale", "fill", "grid")}
        return NumberScaler(scaling=self.scaling, **fields)

    def tensors(self) -> dict[str, Tensor]:
        """All statistics by name, for a safetensors file."""
        return {name: getattr(self, name) for name in ("quantiles", "center", "scale", "fill", "grid")}

    def _transform(self, values: Tensor, columns: slice) -> Tensor:
        if self.scaling == "quantile":
            knots: _Knots = self._knots  # type: ignore[attr-defined]
            return torch.special.ndtri(knots.rank(values, columns)).clamp_(-_CLIP, _CLIP)
        scaled = (values - self.center[columns, None]) / self.scale[columns, None]
        if self.scaling == "standard":
            return scaled.clamp_(-STANDARD_LIMIT, STANDARD_LIMIT)
        scaled = scaled.clamp_(-1e150, 1e150)  # so that the square stays finite; the result is 3 long before
        return scaled / torch.sqrt(1 + (scaled / 3).square())


def fit(values: Tensor, names: list[str], scaling: Scaling, rows: int, seed: int) -> tuple[NumberScaler, Tensor]:
    """Statistics of columns from (a sample of) the training rows, and which of them vary.

    values [F, S] float64, NaN where missing; `rows`, all training rows, sets the number of quantiles, max(min(rows / 30, 1000), 10).
    Returns the scaler of all F columns and a mask [F]: false where the scaled range is below SMALLEST_RANGE or nothing is known.
    Quantiles: Gorishniy et al., TabM, 2024. Robust: Holzmüller et al., RealMLP, 2024 (median, interquartile range, x / sqrt(1 + (x/3)^2)).
    We differ from TabM in that the noise is 1e-5 of the column's own spread, so that small units keep their order.
    """
    F, S = values.shape
    count = max(2, min(max(min(rows // 30, 1000), 10), S))
    quantiles = torch.zeros(F, count if scaling == "quantile" else 0, dtype=torch.float64)
    center, scale = torch.zeros(F, dtype=torch.float64), torch.ones(F, dtype=torch.float64)
    ranks = torch.zeros(F, GRID + 1, dtype=torch.float64)
    known = torch.zeros(F, dtype=torch.bool)
    step = max(1, _CELLS // max(1, S))
    for first in range(0, F, step):
        part = slice(first, first + step)
        block = values[part]
        block = torch.where(block.isfinite(), block.clamp(-LARGEST, LARGEST), torch.nan)
        ordered = _sorted(block)
        present = block.isfinite().sum(dim=1)
        known[part] = present > 0
        ranks[part] = _at_ranks(ordered, present, GRID + 1, nearest=True)
        if scaling == "quantile":
            noise = np.stack([numpy_stream(seed, "noise", name).standard_normal(S) for name in names[part]])
            noisy = block + torch.from_numpy(noise) * (NOISE * _spread(ranks[part])).unsqueeze(1)
            quantiles[part] = _at_ranks(_sorted(noisy), present, count).cummax(dim=1).values
        elif scaling == "standard":
            size = block.abs().nan_to_num(0.0).amax(dim=1).clamp(min=1e-300)  # in units of the largest, squares cannot overflow
            unit = block / size.unsqueeze(1)
            mean = unit.nanmean(dim=1)
            center[part] = mean * size
            scale[part] = (unit - mean.unsqueeze(1)).square().nanmean(dim=1).sqrt() * size
        else:
            center[part], scale[part] = _robust(ordered, present)
    center, scale = center.nan_to_num(0.0), scale.nan_to_num(0.0)
    known &= (scale > 0) & scale.isfinite()
    scaler = NumberScaler(
        scaling, quantiles, center, torch.where(known, scale, 1.0), torch.zeros(F, dtype=torch.float64), torch.zeros(F, 0)
    )
    grid = scaler.transform(ranks)
    known &= (grid[:, -1] - grid[:, 0]) >= SMALLEST_RANGE
    fill = torch.where(known, torch.trapezoid(grid, dim=1) / GRID, 0.0)  # the mean over even ranks is the mean over the rows
    return NumberScaler(scaling, quantiles, center, scale, fill, grid.float()), known


class _Knots:
    """Quantiles as knots of a monotone, piecewise-linear map to ranks in [0, 1], equal ones merged.

    A run of equal quantiles is one knot that spans the ranks from `left` to `right`; a value at the knot gets the middle,
    a value between two knots is interpolated from the right of the one to the left of the other. This is what scikit-learn
    computes by interpolating in both directions, in one search instead of two.
    """

    def __init__(self, quantiles: Tensor) -> None:
        F, Q = quantiles.shape
        rank = torch.linspace(0, 1, Q, dtype=torch.float64).expand(F, Q)
        new = torch.ones(F, Q, dtype=torch.bool)
        new[:, 1:] = quantiles[:, 1:] > quantiles[:, :-1]
        number = new.long().cumsum(dim=1) - 1  # F Q: the knot that each quantile belongs to
        empty = torch.full((F, Q), torch.inf, dtype=torch.float64)
        self.value = empty.scatter(1, number, quantiles)  # F Q, infinity beyond the last knot
        left = empty.scatter_reduce(1, number, rank, "amin")
        right = (-empty).scatter_reduce(1, number, rank, "amax")
        self.middle = (left + right) / 2
        self.middle.scatter_(1, number[:, :1], 0.0).scatter_(1, number[:, -1:], 1.0)  # the ends are the ends, as in scikit-learn
        self.right = right
        self.last = number[:, -1:]
        self.width = torch.ones(F, Q, dtype=torch.float64)  # the last knot has no interval: width 1, rise 0
        self.rise = torch.zeros(F, Q, dtype=torch.float64)
        inner = torch.arange(Q - 1) < self.last
        self.width[:, :-1] = torch.where(inner, self.value[:, 1:] - self.value[:, :-1], 1.0)
        self.rise[:, :-1] = torch.where(inner, left[:, 1:] - right[:, :-1], 0.0)

    def rank(self, values: Tensor, columns: slice) -> Tensor:
        """values [f, n] of the columns in the slice -> [f, n] in [0, 1], NaN where NaN."""
        value, last = self.value[columns], self.last[columns]
        values = values.clamp(value[:, :1], value.gather(1, last)).contiguous()  # NaN stays
        knot = (torch.searchsorted(value, values, right=True) - 1).clamp_(min=0).minimum(last)
        low = value.gather(1, knot)
        rank = (values - low) / self.width[columns].gather(1, knot) * self.rise[columns].gather(1, knot)
        rank += self.right[columns].gather(1, knot)
        return torch.where(values == low, self.middle[columns].gather(1, knot), rank)


def _sorted(values: Tensor) -> Tensor:
    """[f, S] sorted along S, NaN last. numpy sorts doubles in half of torch's time."""
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def _at_ranks(ordered: Tensor, present: Tensor, count: int, *, nearest: bool = False) -> Tensor:
    """ordered [f, S], its first `present` [f] values known -> [f, count] values at even ranks, linear between two rows or the nearest."""
    rank = torch.linspace(0, 1, count, dtype=torch.float64) * (present - 1).clamp(min=0).unsqueeze(1)  # f count
    if nearest:
        return ordered.gather(1, rank.round().long())
    below = rank.floor().long()
    low, high = ordered.gather(1, below), ordered.gather(1, rank.ceil().long())
    return torch.lerp(low, high, rank - below)


def _spread(ranks: Tensor) -> Tensor:
    """ranks [f, GRID + 1] values at even ranks -> [f] distance from the median that a quarter of the values that differ from it exceed.

    Above 0 unless the column is constant; neither up to a quarter of outliers nor a pile of equal or nearly equal values decides it.
    """
    distance = (ranks - ranks[:, GRID // 2 : GRID // 2 + 1]).abs()
    return torch.where(distance > 0, distance, torch.nan).nanquantile(0.75, dim=1).nan_to_num(0.0)


def _edges(column: Tensor, count: int) -> Tensor:
    """column [G] rising -> at most count + 1 of its values: those heavier than an even share, and even ranks of the others."""
    values, copies = column.unique(return_counts=True)
    heavy = torch.zeros_like(values, dtype=torch.bool)
    while True:
        left = count + 1 - int(heavy.sum())  # edges for the values that are not heavy
        light = torch.where(heavy, 0, copies)
        more = light * (left - 1) > light.sum()
        if left < 2 or not more.any():
            break
        heavy |= more
    rest = values.repeat_interleave(light)
    ranks = (
        torch.linspace(0, max(len(rest) - 1, 0), left, dtype=torch.float64).round().long()
        if len(rest)
        else torch.empty(0, dtype=torch.int64)
    )
    return torch.cat([values[heavy], rest[ranks]]).unique()


def _robust(ordered: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Median and interquartile range [f]; half the range where the quartiles agree."""
    five = _at_ranks(ordered, present, 5)
    width = five[:, 3] - five[:, 1]
    return five[:, 2], torch.where(width > 0, width, (five[:, 4] - five[:, 0]) / 2)
