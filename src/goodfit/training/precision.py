"""Precision and memory layout by measurement: ten steps of each, the fastest whose loss agrees.

A run must choose the same again on the same kind of machine, however busy it is. So the candidates take turns on the same
batches, each is judged by how much faster its steps are than the plain ones (the median: batches differ in length, and other
programs slow a step down now and then), it must be clearly faster (the margin below), and networks of little work stay in
float32 unmeasured: there the overhead of calls rules.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Batches, Task, run
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings, step

STEPS = 10
WARM = 2  # the first steps allocate and choose kernels
MARGIN = 1.3  # where bfloat16 helps at all it is 1.5 to 3 times; the median of ten scatters by a few per cent
LITTLE = 4e8  # floating-point operations of a forward pass: 4 ms on one core; below, bfloat16 did not reach the margin
AGREEMENT = 0.05  # relative difference of the ten steps' mean loss; bfloat16's own rounding stays below 0.02


@dataclass
class Trial:
    """One way to compute: the seconds of its steps and their losses; `failed` where it cannot be computed so."""

    settings: StepSettings
    state: State
    times: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def loss(self) -> float:
        return statistics.fmean(self.losses[WARM:]) if len(self.losses) > WARM and not self.failed else float("nan")

    def gain(self, plain: Trial) -> float:
        """How many times as fast as the plain way its steps are; 0 where it failed."""
        pairs = zip(plain.times[WARM:], self.times[WARM:], strict=True) if not self.failed and not plain.failed else ()
        return statistics.median([one / own for one, own in pairs] or [0.0])

    def step(self, batches: Batches, task: Task, lr: float) -> None:
        """One timed update."""
        if self.failed:
            return
        device = next(self.state.network.parameters()).device
        batch = batches.batch(0, len(self.times) % len(batches))
        synchronize(device)
        begun = time.perf_counter()
        try:
            loss = step(self.state, batch, task, self.settings, lr)
        except (TrainingError, RuntimeError):  # not finite in this precision, or an operator that lacks it
            self.failed = True
            return
        synchronize(device)
        self.times.append(time.perf_counter() - begun)
        self.losses.append(float(loss))


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
    until: float | None = None,
) -> StepSettings:
    """The settings with the better of float32 and bfloat16, contiguous and channels_last (each fixed where it is given).

    Trains copies of `network`; the original keeps its weights. until: `time.monotonic()` at which measuring ends and the plain way is taken.
    """
    images = "image" in batches.batch(0, 0).inputs
    layouts = ([False, True] if channels_last is None else [channels_last]) if images else [False]
    candidates = [(low, last) for low in ([False, True] if bfloat16 is None else [bfloat16]) for last in layouts]
    if len(candidates) == 1:
        return replace(settings, bfloat16=candidates[0][0], channels_last=candidates[0][1])
    if bfloat16 is None and channels_last is None and images:
        candidates = [(False, False), (True, True)]  # channels_last alone gained 5 % where both together gained 200 %
    if work(network, batches, task) < LITTLE:
        return replace(settings, bfloat16=candidates[0][0], channels_last=candidates[0][1])
    trials = [start(network, optimizer, task, replace(settings, bfloat16=low, channels_last=last), seed) for low, last in candidates]
    plain = trials[0]
    for _ in range(WARM + STEPS):
        for trial in trials:
            trial.step(batches, task, lr)
        if until is not None and time.monotonic() > until:
            return plain.settings
    best, gained = plain, MARGIN
    for trial in trials[1:]:
        agrees = abs(trial.loss - plain.loss) <= AGREEMENT * max(abs(plain.loss), 1e-3)
        if agrees and (gain := trial.gain(plain)) > gained:
            best, gained = trial, gain
    return best.settings


@torch.no_grad()
def work(network: nn.Module, batches: Batches, task: Task) -> int:
    """Floating-point operations of the forward pass of one batch."""
    twin = copy.deepcopy(network).eval()
    counter = FlopCounterMode(display=False)
    with counter:
        batch = batches.batch(0, 0)
        run(task, twin, batch.inputs, batch.target)
    return int(counter.get_total_flops())


def step_seconds(
    network: nn.Module,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    batches: Batches,
    task: Task,
    settings: StepSettings,
    lr: float,
) -> float:
    """Seconds of an update, the median of ten; a copy of `network` is trained."""
    trial = start(network, optimizer, task, settings, 0)
    for _ in range(WARM + STEPS):
        trial.step(batches, task, lr)
    return statistics.median(trial.times[WARM:]) if not trial.failed else float("inf")


def start(
    network: nn.Module, optimizer: Callable[[nn.Module], torch.optim.Optimizer], task: Task, settings: StepSettings, seed: int
) -> Trial:
    """A trial on a copy of `network`."""
    twin = copy.deepcopy(network).train()
    if settings.channels_last:
        twin = twin.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trial(settings, State(twin, optimizer(twin), Stopper(task.maximise, None), seed=seed))


def synchronize(device: torch.device) -> None:
    """Wait for the device's queue, for timing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
