"""Precision and memory layout by measurement: ten steps of each, the fastest whose loss agrees.

A candidate must be clearly faster (the margin below), so that noise in the timing does not decide, and a run on the same
kind of machine chooses the same again.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Batches, Task
from goodfit.train.state import State, Stopper
from goodfit.train.step import StepSettings, step

STEPS = 10
WARM = 2  # the first steps allocate and choose kernels
MARGIN = 1.25  # timing on a shared machine scatters by 10 to 15 %; where bfloat16 helps at all it is 1.5 to 3 times
AGREEMENT = 0.05  # relative difference of the ten steps' mean loss; bfloat16's own rounding stays below 0.02


@dataclass(frozen=True)
class Trial:
    """One way to compute, its seconds per step, and the mean loss of its steps."""

    bfloat16: bool
    channels_last: bool
    seconds: float
    loss: float


def measure(
    network: nn.Module,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    batches: Batches,
    task: Task,
    settings: StepSettings,
    lr: float,
    *,
    bfloat16: bool | None = None,
    channels_last: bool | None = None,
    seed: int = 0,
) -> tuple[StepSettings, list[Trial]]:
    """Choose between float32 and bfloat16, contiguous and channels_last (each fixed where it is given).

    Trains copies of `network`; the original keeps its weights. Returns the settings to train with, and what was measured.
    """
    images = batches.batch(0, 0).inputs.get("image") is not None
    low = [False, True] if bfloat16 is None else [bfloat16]
    layout = ([False, True] if channels_last is None else [channels_last]) if images else [False]
    trials = []
    for use_bfloat16 in low:
        for use_channels_last in layout:
            if use_channels_last and not use_bfloat16 and len(low) > 1:
                continue  # channels_last alone gained 5 % where bfloat16 with it gained 200 %: two candidates suffice
            trial_settings = replace(settings, bfloat16=use_bfloat16, channels_last=use_channels_last)
            trials.append(_trial(network, optimizer, batches, task, trial_settings, lr, seed))
    plain = trials[0]
    best = plain
    for trial in trials[1:]:
        agrees = abs(trial.loss - plain.loss) <= AGREEMENT * max(abs(plain.loss), 1e-3)
        if agrees and trial.seconds * MARGIN < plain.seconds and trial.seconds < best.seconds:
            best = trial
    return replace(settings, bfloat16=best.bfloat16, channels_last=best.channels_last), trials


def _trial(
    network: nn.Module,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    batches: Batches,
    task: Task,
    settings: StepSettings,
    lr: float,
    seed: int,
) -> Trial:
    twin = copy.deepcopy(network).train()
    if settings.channels_last:
        twin = twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = State(twin, optimizer(twin), Stopper(task.maximise, None), seed=seed)
    device = next(twin.parameters()).device
    times, losses = [], []
    try:
        for position in range(STEPS + WARM):
            batch = batches.batch(0, position % len(batches))
            synchronize(device)
            begun = time.perf_counter()
            loss = step(state, batch, task, settings, lr)
            synchronize(device)
            if position >= WARM:
                times.append(time.perf_counter() - begun)
                losses.append(float(loss))
    except (TrainingError, RuntimeError):  # not finite in this precision, or an operator that lacks it
        return Trial(settings.bfloat16, settings.channels_last, float("inf"), float("nan"))
    return Trial(settings.bfloat16, settings.channels_last, statistics.median(times), statistics.fmean(losses))


def synchronize(device: torch.device) -> None:
    """Wait for the device's queue, for timing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
