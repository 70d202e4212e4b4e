"""Several networks from one training: the rate falls and rises again in cycles, and each time that it is lowest the weights are kept.

Huang, Li, Pleiss, Liu, Hopcroft and Weinberger, "Snapshot ensembles: train 1, get M for free" (ICLR 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.protocols import Batches, Task
from goodfit.base.records import StepRecord
from goodfit.training.loop import Plan, fit
from goodfit.training.state import State
from goodfit.training.step import StepSettings


def cyclic(step: int, total: int, cycles: int) -> float:
    """What the rate is multiplied with at update `step` (from 0) of `total`: half a cosine from 1 towards 0 in each of the cycles (equation 1 of the paper).

    >>> [round(cyclic(step, 8, 2), 3) for step in range(8)]
    [1.0, 0.854, 0.5, 0.146, 1.0, 0.854, 0.5, 0.146]
    """
    length = math.ceil(total / cycles)
    return 0.5 * (1 + math.cos(math.pi * (step % length) / length))


def train_snapshots(
    state: State,
    batches: Batches,
    task: Task,
    plan: Plan,
    cycles: int,
    settings: StepSettings = StepSettings(),  # noqa: B008 (frozen)
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> list[dict[str, Tensor]]:
    """Train as `training.loop.fit` does, on a cyclic rate; the state dicts at the end of each cycle, on the CPU, the last one last.

    plan: its `epochs` are those of all cycles together; its factor is replaced. The stopper must have no patience, since each cycle begins by getting worse.
    """
    total = plan.epochs * len(batches)
    if not 1 <= cycles <= total:
        raise InputError(f"cycles must lie from 1 to the number of updates, {total}; {cycles} was given", value=cycles)
    if state.stopper.patience is not None or state.average is not None:
        raise InputError("snapshots need training to its end with the weights as they are; leave out the patience and the average")
    length = math.ceil(total / cycles)
    kept: list[dict[str, Tensor]] = []
    for record in fit(state, batches, task, replace(plan, factor=lambda state: cyclic(state.step, total, cycles)), settings, evaluate):
        if isinstance(record, StepRecord) and (record.step % length == 0 or record.step == total):
            kept.append({name: tensor.detach().to("cpu", copy=True) for name, tensor in state.network.state_dict().items()})
    return kept


def networks_of(snapshots: list[dict[str, Tensor]], build: Callable[[], nn.Module]) -> list[nn.Module]:
    """The snapshots as networks in evaluation mode; build: makes one of their form."""
    made = []
    for weights in snapshots:
        network = build()
        with torch.no_grad():
            network.load_state_dict(weights)
        made.append(network.eval())
    return made
