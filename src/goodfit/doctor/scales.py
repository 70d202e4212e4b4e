"""The scale of rows: by feature where features differ, one for all where they are alike, as pixels are.

N rows, F features; a row of a slot is [chunk, ...].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.doctor.rows import Slot
from goodfit.doctor.supervised import Supervised

MOST_LOOKED = 2000  # rows: a mean to 2 % of a spread, in a few milliseconds
UNLIKE = 3.0  # the ratio of sizes along a dimension from which its entries are features of their own
ALIKE = 0.3  # the share of features that must reach the same bounds for them to be of one kind: most pixels of a picture get both black and white


@dataclass(frozen=True, slots=True)
class Scale:
    """How data number `number` are standardised: (x - middle) / spread, by rows [N, chunk, ...].

    middle, spread: broadcast against such rows. sizes: [F] root mean squares, centres: [F] means, spreads: [F] standard deviations, of the features
    that take more than two values; empty where there are none.
    """

    number: int
    slot: Slot
    middle: Tensor
    spread: Tensor
    sizes: Tensor
    centres: Tensor
    spreads: Tensor

    def apply(self, tensor: Tensor) -> Tensor:
        """A tensor as the tape holds it, standardised; whole numbers become floats."""
        cut = self.slot.cut(tensor if tensor.is_floating_point() else tensor.float(), tensor.shape[self.slot.dim] // self.slot.chunk)
        return self.slot.joined((cut - self.middle.to(cut)) / self.spread.to(cut))

    def uneven(self) -> float:
        """The ratio of the largest spread to the smallest."""
        return float(self.spreads.max() / self.spreads.min()) if len(self.spreads) else 1.0

    def off(self) -> float:
        """The largest distance of a mean from 0 in spreads."""
        return float((self.centres.abs() / self.spreads).max()) if len(self.spreads) else 0.0


def scale_of(view: Supervised, number: int, rows: Tensor) -> Scale | None:
    """The scale of one input over these rows. None where all its features take two values or fewer, or are not numbers."""
    assert view.pool is not None
    slot = view.pool.slots[number]
    whole = view.pool.whole(number)
    if whole.is_complex() or whole.dtype == torch.bool:
        return None
    if len(rows) > MOST_LOOKED:
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:MOST_LOOKED]]
    x = whole[rows.to(whole.device)].detach().cpu().double()  # [N, chunk, ...]
    if not len(x) or not bool(torch.isfinite(x).all()):
        return None
    axis = _axis(x)
    flat = x.reshape(-1, 1) if axis is None else x.movedim(axis, -1).reshape(-1, x.shape[axis])  # [entries, F]
    low, high = flat.amin(0), flat.amax(0)
    many = ((flat > low) & (flat < high)).any(0)  # more than two values
    if not bool(many.any()):
        return None
    centre, spread = flat.mean(0), flat.std(0, unbiased=False)
    sizes, centres, spreads = (flat.square().mean(0).sqrt()[many], centre[many], spread[many])
    if axis is not None and _one_kind(low[many], high[many]):
        middle, wide = x.mean(), x.std(unbiased=False)
    else:
        shape = [1] * x.dim()
        if axis is not None:
            shape[axis] = -1
        middle = torch.where(many, centre, torch.zeros_like(centre)).reshape(shape)
        wide = torch.where(many, spread, torch.ones_like(spread)).reshape(shape)
    return Scale(number, slot, middle.float(), wide.float().clamp_min(1e-30), sizes, centres, spreads.clamp_min(1e-30))


def _one_kind(low: Tensor, high: Tensor) -> bool:
    """Whether many features share both bounds."""
    if len(low) < 16:
        return False
    width = (high.max() - low.min()).clamp_min(1e-30)
    shared = ((high - high.max()).abs() < 0.1 * width) & ((low - low.min()).abs() < 0.1 * width)
    return float(shared.double().mean()) >= ALIKE


def _axis(x: Tensor) -> int | None:
    """The dimension of [N, chunk, ...] that goes by features; None where all entries are of one kind."""
    if x.dim() == 2:
        return None
    if x.dim() == 3:
        return 2
    sides = [
        axis for axis in (2, x.dim() - 1) if x.dim() == 4 or x.shape[axis] <= 16
    ]  # channels of a picture; the last or first of a sequence
    found, most = None, UNLIKE
    for axis in sides:
        size = x.square().mean([other for other in range(x.dim()) if other != axis]).sqrt()
        size = size[size > 0]
        ratio = float(size.max() / size.min()) if len(size) > 1 else 1.0
        if ratio >= most:
            found, most = axis, ratio
    return found


def standardised(scales: Sequence[Scale], before: Callable[[list[Tensor]], list[Tensor]] | None) -> Callable[[list[Tensor]], list[Tensor]]:
    """A `prepare` of a Setup that scales these data, after what another one does."""

    def prepare(data: list[Tensor]) -> list[Tensor]:
        given = list(data if before is None else before(data))
        for scale in scales:
            given[scale.number] = scale.apply(given[scale.number])
        return given

    return prepare


def moved(scale: Scale, to: Scale) -> Callable[[list[Tensor]], list[Tensor]]:
    """A `prepare` that brings data of one scale to another: (x - middle) / spread, in the other's units."""

    def prepare(data: list[Tensor]) -> list[Tensor]:
        given = list(data)
        tensor = scale.apply(given[scale.number])
        cut = to.slot.cut(tensor, tensor.shape[to.slot.dim] // to.slot.chunk)
        given[scale.number] = to.slot.joined(cut * to.spread.to(cut) + to.middle.to(cut))
        return given

    return prepare
