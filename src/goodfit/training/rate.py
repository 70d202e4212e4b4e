"""The learning rate by a range test (Smith 2017).

From the initial weights, the rate rises geometrically over a few dozen updates; the loss falls where the rate is useful
and leaps up where it is too large. The rate chosen is a fixed share of the largest useful one.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Batches, Task
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings, step

STEPS = 60  # twelve per decade: enough for the smoothed curve, cheap beside any training
LOWEST, HIGHEST = 1e-5, 1.0
SMOOTHING = 0.8  # of the running mean of the loss
BLOW_UP = 1.5  # times the lowest smoothed loss: beyond this the rate is too large
SHARE = 0.1  # of the rate with the lowest loss: Smith's advice, a tenth of where it stops to fall
FALL = 0.02  # relative; a loss that never fell by this says nothing about rates


@dataclass(frozen=True)
class RangeTest:
    """The rates tried, the smoothed loss at each, and the rate chosen."""

    rates: list[float]
    losses: list[float]
    lr: float


def find_rate(
    network: nn.Module,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    batches: Batches,
    task: Task,
    settings: StepSettings,
    *,
    usual: float,
    reach: float = 1.4,
    seed: int = 0,
    until: float | None = None,
) -> RangeTest:
    """Find a rate for a copy of `network`; the original keeps its weights.

    usual: the rate that this family and optimiser do well with on average. The test ranks rates by their first dozens of
    updates, which favours large ones and says little on tiny data, so its answer stays within `reach` times `usual`.
    until: `time.monotonic()` at which the test is given up for `usual`.
    """
    twin = copy.deepcopy(network).train()
    state = State(twin, optimizer(twin), Stopper(task.maximise, None), seed=seed)
    low, high = max(LOWEST, usual / 300), min(HIGHEST * 10, usual * 300)
    growth = (high / low) ** (1 / (STEPS - 1))
    rates: list[float] = []
    losses: list[float] = []
    running = 0.0
    for index in range(STEPS):
        if until is not None and time.monotonic() > until:
            return RangeTest(rates, losses, usual)
        rate = low * growth**index
        try:
            loss = float(step(state, batches.batch(index // len(batches), index % len(batches)), task, settings, rate))
        except TrainingError:
            break
        running = SMOOTHING * running + (1 - SMOOTHING) * loss
        smoothed = running / (1 - SMOOTHING ** (index + 1))
        rates.append(rate)
        losses.append(smoothed)
        if smoothed > BLOW_UP * min(losses) + 1e-12 and index > STEPS // 6:
            break
    chosen = usual
    if losses and min(losses) < (1 - FALL) * losses[0] and math.isfinite(min(losses)):
        chosen = min(max(SHARE * rates[losses.index(min(losses))], usual / reach), usual * reach)
    return RangeTest(rates, losses, float(f"{chosen:.3g}"))
