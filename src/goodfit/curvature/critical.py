"""What kind of point the weights are at: minimum, saddle, maximum, flat, or none of them, and how sure that is.

P parameters, B batches. By the second-order test: the gradient against its noise, and both ends of the Hessian's spectrum. Saddles in training: Dauphin, Pascanu,
Gulcehre, Cho, Ganguli and Bengio, "Identifying and attacking the saddle point problem in high-dimensional non-convex optimization" (2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from goodfit.curvature.lanczos import STEPS, TOLERANCE, Ends, eigenvector, ends, within
from goodfit.curvature.objective import Objective, gradient
from goodfit.curvature.products import curvature_by_batch, hessian_product

Kind = Literal["minimum", "saddle", "maximum", "flat", "not critical"]

NEAR = 1e-4  # of the loss: what is promised less than this by a step is not worth the step, and the curves of training do not show it
FLAT = 0.01  # of the larger end: curvature below it is not told from none; in float32 a hundred times its rounding over a million numbers
CHANCE = 0.01  # of having missed a direction that bends down, at most, before a point is called a minimum
_NOISES = 2.0  # lengths of noise: if the true gradient were 0, one above this would come in at most one case of four (Markov), with many parameters hardly ever
_MOVE = 0.1  # of the weights' length, or of 1 where they are shorter: a move that training makes in a short while


@dataclass(frozen=True)
class CriticalPoint:
    """What was found at the weights.

    kind: *not critical*: the gradient leads down. *saddle*: it does not, and some direction bends down and another up. *maximum*: all bend down. *minimum*: none bends down by more than
    `FLAT` times the larger end. *flat*: neither slope nor curvature change the loss by more than `NEAR` of it over a tenth of the weights' length.
    level: whether some direction of a minimum bends by less than is measurable, so that higher orders decide there (usual with more weights than rows).

    confidence: from 0 to 1, of the kind. *saddle*, *maximum*: the chance that the direction found bends down for rows like these, by the normal distribution of
    its curvature over batches; 1 with one batch, where only the given rows are spoken of (a direction chosen on the same rows looks a little too good).
    *minimum*, *flat*: 1 minus the chance, at most, that a random start has missed an eigenvalue further out (`Ends.missed`), for the objective as given.
    *not critical*: 1 minus the chance, at most, of such a gradient where the true one is 0: (noise / gradient)^2 by Markov; 1 with one batch.

    loss: in its unit. gradient: its length, noise: the length of its standard error over batches (None for one batch). promise: of the loss, what a gradient
    step of length 1 / norm gains at least, |g|^2 / (2 norm). ends: of the Hessian's spectrum. direction: [P], of length 1, for a saddle or a maximum, along which the loss bends down
    most, in the sense in which it does not rise; else None.
    """

    kind: Kind
    confidence: float
    level: bool
    loss: float
    gradient: float
    noise: float | None
    promise: float
    ends: Ends
    direction: Tensor | None


def critical_point(
    objective: Objective,
    *,
    near: float = NEAR,
    flat: float = FLAT,
    chance: float = CHANCE,
    tolerance: float = TOLERANCE,
    steps: int = STEPS,
    seed: int = 0,
) -> CriticalPoint:
    """What kind of point the objective's weights are at.

    near, flat, chance: the bounds NEAR, FLAT, CHANCE. tolerance, steps: of the search for both ends of the spectrum, which goes on beyond the tolerance where nothing
    bends down, until `chance` is reached or `steps` products are made. A point is critical where the promise of its gradient is at most `near` of the loss's size,
    or its gradient is at most twice its noise. The weights are as before afterwards.

    >>> w = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    >>> found = critical_point(Objective(lambda _: 1 + w[0] ** 2 - w[1] ** 2, [w], [None]))
    >>> found.kind, round(found.ends.low, 6), [abs(round(float(part), 6)) for part in found.direction]
    ('saddle', -2.0, [0.0, 1.0])
    """
    slope = gradient(objective)
    loss, norm = objective.now(), slope.norm
    weights = math.sqrt(math.fsum(float(torch.linalg.vector_norm(parameter.detach())) ** 2 for parameter in objective.parameters))
    move = _MOVE * max(weights, 1.0)
    silent = slope.noise is not None and norm <= _NOISES * slope.noise

    def promise(found: Ends) -> float:
        return 0.0 if norm == 0 else norm**2 / (2 * found.norm) if found.norm > 0 else math.inf

    def kind(found: Ends) -> Kind:
        if norm * move + found.norm * move**2 / 2 <= near * abs(loss):
            return "flat"
        if promise(found) > near * abs(loss) and not silent:
            return "not critical"
        bound = flat * found.norm
        if found.low >= -bound:
            return "minimum" if found.norm > 0 else "flat"
        return "saddle" if found.high > bound else "maximum"

    def room(found: Ends, of: Kind) -> float:
        """How far beyond an end an eigenvalue would have to lie to make the point another kind."""
        if of == "minimum":
            return found.low + flat * found.norm
        return max(0.0, 2 * (near * abs(loss) - norm * move) / move**2 - found.norm)

    def enough(found: Ends) -> bool:
        now = kind(found)
        return within(found, tolerance) and (now not in ("minimum", "flat") or found.missed(room(found, now)) <= chance)

    product = hessian_product(objective)
    found = ends(product, tolerance=tolerance, steps=steps, seed=seed, until=enough)
    now = kind(found)
    direction: Tensor | None = None
    if now in ("saddle", "maximum"):
        direction = eigenvector(product, found)
        if float(torch.dot(direction, slope.mean)) > 0:
            direction.neg_()
        del product  # and the graph it may hold
        confidence = _below_zero(curvature_by_batch(objective, direction), objective.shares)
    elif now == "not critical":
        confidence = 1.0 if slope.noise is None else max(0.0, 1 - (slope.noise / norm) ** 2)
    else:
        missed = found.missed(room(found, now))
        confidence = 1 - missed if now == "minimum" else max(0.0, 1 - 2 * missed)
    level = now == "minimum" and found.low - found.low_error <= flat * found.norm
    return CriticalPoint(now, confidence, level, loss, norm, slope.noise, promise(found), found, direction)


def _below_zero(curvatures: list[float], shares: tuple[float, ...]) -> float:
    """The chance that the mean of such curvatures is below 0, by the normal distribution."""
    mean = math.fsum(c * share for c, share in zip(curvatures, shares, strict=True))
    squares = math.fsum(share**2 for share in shares)
    if squares >= 1 - 1e-9:
        return 1.0 if mean < 0 else 0.0
    spread = math.fsum(share * (c - mean) ** 2 for c, share in zip(curvatures, shares, strict=True))
    error = math.sqrt(squares / (1 - squares) * spread)
    return 0.5 * math.erfc(mean / (error * math.sqrt(2))) if error > 0 else float(mean < 0)
