"""What a solver leaves, and when it has to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Solution:
    """f(x) = x weight^T + bias.

    weight: float64 [O, F]. bias: float64 [O]. steps: of the solver. gap: how far it was from the optimum at most, relative (see each solver). done: whether it
    reached its tolerance.
    """

    weight: Tensor
    bias: Tensor
    steps: int
    gap: float
    done: bool


def until(deadline: float | None) -> Stop:
    """Whether `time.monotonic()` has passed the deadline; never without one."""
    return lambda: deadline is not None and time.monotonic() > deadline
