"""Smooth convex functions minimised by L-BFGS.

P parameters, m pairs. Liu and Nocedal, "On the limited memory BFGS method for large scale optimization" (1989); the line search by the weak Wolfe conditions and bisection
(Burke, Lewis and Overton 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.optim.convex.solution import Stop, until

PAIRS = 20  # remembered: more curvature, and still little memory
STEPS = 20_000
_ENOUGH, _FLAT = 1e-4, 0.9  # of the promised decrease and of the slope: the usual ones (Nocedal and Wright 2006, ch. 3)
_HALVINGS = 60

Function = Callable[[Tensor], tuple[Tensor, Tensor]]


def minimise(f: Function, start: Tensor, *, tolerance: float, stop: Stop | None = None) -> tuple[Tensor, int, float]:
    """The minimum, the steps, and the largest entry of the gradient there over that at the start.

    f: parameters [P] float64 -> value and gradient [P]. Ends where the gradient is `tolerance` times that at the start, or no step decreases f any more in float64.
    """
    stop = stop or until(None)
    x = start
    value, g = f(x)
    first = float(g.abs().max())
    if first == 0:
        return x, 0, 0.0
    pairs: list[tuple[Tensor, Tensor, float]] = []
    for step in range(STEPS):
        size = float(g.abs().max()) / first
        if size <= tolerance or stop():
            return x, step, size
        direction = -_times_inverse(g, pairs)
        slope = float(g @ direction)
        if slope >= 0:  # rounding has spoilt the pairs
            pairs, direction, slope = [], -g, -float(g @ g)
        found = _search(f, x, float(value), direction, slope, 1.0 if pairs else min(1.0, 1.0 / float(g.abs().sum())))
        if found is None:
            if not pairs:
                return x, step, size
            pairs = []
            continue
        after, value, after_g = found
        s, y = after - x, after_g - g
        if float(s @ y) > 1e-12 * float(y @ y):
            pairs = [*pairs[1 - PAIRS :], (s, y, float(s @ y))]
        x, g = after, after_g
    return x, STEPS, float(g.abs().max()) / first


def _times_inverse(g: Tensor, pairs: list[tuple[Tensor, Tensor, float]]) -> Tensor:
    """The inverse Hessian that the pairs (s, y) speak of, times g: the two loops of Liu and Nocedal."""
    q, shares = g.clone(), []
    for s, y, sy in reversed(pairs):
        share = float(s @ q) / sy
        q -= share * y
        shares.append(share)
    if pairs:
        s, y, sy = pairs[-1]
        q *= sy / float(y @ y)
    for (s, y, sy), share in zip(pairs, reversed(shares), strict=True):
        q += (share - float(y @ q) / sy) * s
    return q


def _search(f: Function, x: Tensor, value: float, direction: Tensor, slope: float, step: float) -> tuple[Tensor, Tensor, Tensor] | None:
    """A point that decreases f enough and is flatter; None where float64 knows none."""
    low, high = 0.0, float("inf")
    for _ in range(_HALVINGS):
        after = x + step * direction
        new, g = f(after)
        if not torch.isfinite(new) or float(new) > value + _ENOUGH * step * slope:
            high = step
        elif float(g @ direction) < _FLAT * slope:
            low = step
        else:
            return after, new, g
        step = (low + high) / 2 if high < float("inf") else 2 * low
    return None
