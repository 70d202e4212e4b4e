"""Weights and gradients that a program changes with no optimiser.

Plain gradient descent written out, w - rate * gradient, is recognised by what it did to the weights, whichever way it was written. Anything else that was
done to weights or gradients is noted, to be said: a short copy does not repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.doctor.calls import copy_of
from goodfit.doctor.program import Place

_CLOSE = 1e-3  # of the longest step: what rounding makes of one float32 step is a thousandth of that for steps down to 1e-4 of the weight
_EXACT = 5e-6  # relative: a rate that is found from float32 weights is known to about six digits


@dataclass(frozen=True, slots=True)
class Step:
    """An update by hand. weights: those that changed. rate: None where they did not change by one rate times their gradients."""

    weights: tuple[Tensor, ...]
    rate: float | None
    place: Place | None


class ByHand:
    """Looks after a backward whether the weights change before the next call, and how."""

    def __init__(self) -> None:
        self.place: Place | None = None  # of the last change that was seen
        self._before: list[tuple[Tensor, Tensor, Tensor | None]] = []  # weight, its value, its gradient

    @property
    def waiting(self) -> bool:
        return bool(self._before)

    def watch(self, weights: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """After a backward: the weights with their gradients."""
        self.place = None
        self._before = [
            (weight, copy_of(weight), None if gradient is None else copy_of(gradient).to_dense()) for weight, gradient in weights
        ]

    def drop(self) -> None:
        self._before = []

    def step(self) -> Step | None:
        """The update that was made since; None where the weights are what they were."""
        moved = [(weight, old, gradient) for weight, old, gradient in self._before if not torch.equal(weight.detach(), old)]
        if not moved:
            return None
        self._before = []
        return Step(tuple(weight for weight, _, _ in moved), _rate(moved), self.place)


def _rate(moved: list[tuple[Tensor, Tensor, Tensor | None]]) -> float | None:
    """The least-squares rate of w_new = w - rate * g, where it explains the change to rounding."""
    up = down = 0.0
    for weight, old, gradient in moved:
        if gradient is None or gradient.shape != old.shape:
            return None
        change, slope = (old - weight.detach()).double(), gradient.double()
        up += float((change * slope).sum())
        down += float((slope * slope).sum())
    if not down > 0 or not up > 0:
        return None
    rate = up / down
    for weight, old, gradient in moved:
        assert gradient is not None
        wanted = rate * gradient.double()
        rounding = 4 * torch.finfo(old.dtype).eps * float(old.abs().max())
        if float(((old - weight.detach()).double() - wanted).abs().max()) > _CLOSE * float(wanted.abs().max()) + rounding:
            return None
    return _short(rate)


def _short(rate: float) -> float:
    """The number that somebody wrote: the shortest that cannot be told from what was measured."""
    for digits in range(1, 8):
        rounded = float(f"{rate:.{digits}g}")
        if abs(rounded - rate) <= _EXACT * abs(rate):
            return rounded
    return rate
