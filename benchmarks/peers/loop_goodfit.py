"""goodfit's loop over the same networks: `goodfit.training.loop.fit` with its batches, task and optimiser."""

from __future__ import annotations

import functools
from contextlib import nullcontext

import torch
from loop_hand import Mark, Predict
from torch import Tensor, nn
from workloads import LR, WEIGHT_DECAY, Workload, build

from goodfit.base.recipe import OptimPart
from goodfit.base.records import EpochRecord
from goodfit.data.batches import Batches
from goodfit.data.encoded import Encoded
from goodfit.data.target import TargetSpec
from goodfit.nn.dropout import Dropout
from goodfit.optim.build import build as build_optimizer
from goodfit.tasks import catalogue as tasks
from goodfit.training.loop import Plan, fit
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings


class _Named(nn.Module):
    """The network with its input under the name that goodfit's batches give it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def goodfit(
    workload: Workload,
    x: Tensor,
    y: Tensor,
    seed: int,
    mark: Mark,
    *,
    bfloat16: bool = False,
    channels_last: bool = False,
    cheap_dropout: bool = False,
) -> Predict:
    network = _Named(build(workload, seed, Dropout if cheap_dropout else nn.Dropout))
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    target = TargetSpec("multiclass", ("y",), tuple(range(workload.classes)))
    task = tasks.build(target.to_json())
    batches = Batches(Encoded({"x": x}, y, None, len(x)), torch.arange(len(x)), batch_size=workload.batch, seed=seed, shuffle=True)
    optimizer = build_optimizer(network, OptimPart(name="adamw", weight_decay=WEIGHT_DECAY), lr=LR)
    state = State(network, optimizer, Stopper(task.maximise, None), seed=seed)
    settings = StepSettings(bfloat16=bfloat16, channels_last=channels_last)
    for event in fit(state, batches, task, Plan(epochs=workload.epochs, lr=LR, score=task.score), settings):
        if isinstance(event, EpochRecord):
            mark()

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        network.eval()
        with torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext():
            return torch.cat([network(part) for part in x.split(512)]).float()

    return predict


bf16 = functools.partial(goodfit, bfloat16=True, channels_last=True)
cheap = functools.partial(goodfit, cheap_dropout=True)
