"""A step out of a saddle, along the direction that bends down most.

P parameters. At a saddle the gradient is silent and the direction of the lowest eigenvalue l < 0 leads down on both sides: L(w + t d) = L(w) + t g^T d - |l| t^2 / 2. How far, the
second order does not say; the loss does. Moving along directions of negative curvature: Goldfarb 1980; More and Sorensen, "On the use of directions of negative
curvature in a modified Newton method" (1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.curvature.critical import CriticalPoint
from goodfit.curvature.objective import Objective

LENGTHS = (
    0.003,
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
)  # of the weights' length, or of 1 where they are shorter: from a nudge to a move as large as the weights
_ROUNDING = 100  # units in the last place of the loss: what sums of many rows lose
_FURTHER = 4  # times that the longest is doubled while that gains, up to 16: from weights near 0 the way is long


@dataclass(frozen=True)
class Escape:
    """before and after: the loss. step: how far, with its sign, along the unit direction; 0 where nothing was gained. tried: each step and the loss there."""

    before: float
    after: float
    step: float
    tried: tuple[tuple[float, float], ...]

    @property
    def gain(self) -> float:
        """before - after, not negative, in the unit of the loss."""
        return self.before - self.after


@torch.no_grad()
def escape(objective: Objective, direction: Tensor | CriticalPoint, *, lengths: Sequence[float] = LENGTHS) -> Escape:
    """Move the objective's weights along `direction` to where the loss is lowest among some steps on both sides; leave them, to the bit, where none gains.

    direction: [P], or the critical point that holds one. lengths: of the weights' length, or of 1 where that is larger. Each step costs a forward pass over all
    batches. A gain is more than rounding: over a hundred units in the last place of the loss. Raises InputError where the point has no direction that bends down. An optimiser's momentum is not touched.

    >>> w = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    >>> hill = Objective(lambda _: 1 + w[0] ** 2 - w[1] ** 2 + w[1] ** 4, [w], [None])
    >>> left = escape(hill, torch.tensor([0.0, 1.0], dtype=torch.float64), lengths=[0.1, 0.7])
    >>> left.step, round(left.after, 4)
    (0.7, 0.7501)
    """
    if isinstance(direction, CriticalPoint):
        if direction.direction is None:
            raise InputError(f"a step out of a saddle needs a direction that bends down, and this point is {_named(direction)}")
        direction = direction.direction
    if not lengths or min(lengths) <= 0:
        raise InputError("a step out of a saddle needs lengths above 0")
    size = float(torch.linalg.vector_norm(direction))
    if not (math.isfinite(size) and size > 0):
        raise InputError("the direction of a step must be finite and not 0")
    pieces = objective.pieces(direction)
    home = [parameter.detach().clone(memory_format=torch.preserve_format) for parameter in objective.parameters]
    scale = max(math.sqrt(math.fsum(float(torch.linalg.vector_norm(part)) ** 2 for part in home)), 1.0)
    before = objective.now()
    tried: list[tuple[float, float]] = []

    def place(step: float) -> None:
        for parameter, start, piece in zip(objective.parameters, home, pieces, strict=True):
            parameter.copy_(start if step == 0 else torch.add(start, piece, alpha=step / size))

    def look(step: float) -> float:
        place(step)
        loss = objective.now()
        tried.append((step, loss))
        return loss if math.isfinite(loss) else math.inf

    best, lowest = 0.0, before - _ROUNDING * torch.finfo(objective.dtype).eps * abs(before)
    try:
        for length in sorted(lengths):
            for sign in (1, -1):
                loss = look(sign * length * scale)
                if loss < lowest:
                    best, lowest = sign * length * scale, loss
        for _ in range(_FURTHER if abs(best) == max(lengths) * scale else 0):
            loss = look(2 * best)
            if loss >= lowest:
                break
            best, lowest = 2 * best, loss
    except BaseException:  # an interrupt too: whatever came between, the weights are put back as they were, and it goes on up
        best = 0.0
        raise
    finally:
        place(best)
    return Escape(before, lowest if best else before, best, tuple(tried))


def _named(point: CriticalPoint) -> str:
    return {"minimum": "a minimum", "flat": "flat", "not critical": "not critical: its gradient leads down"}.get(point.kind, point.kind)
