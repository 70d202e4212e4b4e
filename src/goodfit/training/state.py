"""Everything that a resumed run needs, in one object.

A step is a pure function of this state and of the position in the data: random numbers come from streams derived from
(seed, step), so no generator has to be saved. Values stay on the training device.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from goodfit.optim.average import Average
from goodfit.optim.schedule import Plateau
from goodfit.optim.state import flatten, restore


@dataclass
class Stopper:
    """Early stopping: the best score so far, where it was, and how many evaluations ago.

    patience: evaluations without gain before training ends; None never ends it.
    """

    maximise: bool
    patience: int | None
    best: float | None = None
    best_epoch: int = 0
    best_step: int = 0
    waited: int = 0

    def update(self, score: float, epoch: int, step: int) -> bool:
        """Note an evaluation; returns whether it is the best one. A score that is not a number never is."""
        better = score == score and (self.best is None or (score > self.best if self.maximise else score < self.best))
        if better:
            self.best, self.best_epoch, self.best_step, self.waited = score, epoch, step, 0
        else:
            self.waited += 1
        return better

    @property
    def done(self) -> bool:
        return self.patience is not None and self.waited >= self.patience


class Course(NamedTuple):
    """What a schedule reads of a `State`, for a member of a stack that has none of its own."""

    step: int
    total: int | None
    ending: int | None


@dataclass
class State:
    """Where training is.

    step: updates made. epoch, position: the next batch to be seen. seconds: training time so far, over all resumptions.
    rows: rows seen so far. total: the update with which training ends. ending: the update at which the rate began to fall because nothing was
    gained any more, None before. best: the weights and buffers of the best evaluation, on the CPU. loss_sum, loss_rows: since
    the last evaluation. lr: rate of the last update. pending: whether an evaluation is due before the next one. trouble: on accelerators, the first update whose loss was not finite (-1 for none), unread.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    stopper: Stopper
    average: Average | None = None
    plateau: Plateau | None = None
    seed: int = 0
    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    rows: int = 0
    evaluations: int = 0
    total: int | None = None
    ending: int | None = None
    best: dict[str, Tensor] | None = None
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    loss_rows: int = 0
    lr: float = 0.0
    pending: bool = False
    trouble: Tensor | None = None

    def snapshot(self) -> dict[str, Tensor]:
        """The weights and buffers as they are evaluated (averaged where there is an average), copied to the CPU."""
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.evaluated().items()}

    def evaluated(self) -> dict[str, Tensor]:
        """The state dict that evaluations see: that of the average if there is one."""
        return dict(self.network.state_dict()) if self.average is None else self.average.tensors(self.network)

    def to_records(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state without `best`, as tensors and a JSON document."""
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        optim_tensors, optim_document = flatten(self.optimizer)
        tensors |= {f"optimizer/{name}": tensor for name, tensor in optim_tensors.items()}
        if self.average is not None:
            tensors |= {f"average/{name}": tensor for name, tensor in self.average.state_dict().items()}
        tensors["loss_sum"] = self.loss_sum
        document = {name: getattr(self, name) for name in _COUNTERS} | {"optimizer": optim_document, "stopper": vars(self.stopper)}
        if self.plateau is not None:
            document["plateau"] = self.plateau.state_dict()
        return tensors, document

    def load_records(self, tensors: dict[str, Tensor], document: dict[str, Any], best: dict[str, Tensor] | None) -> None:
        """Take up where `to_records` left off."""
        parts: dict[str, dict[str, Tensor]] = {"network": {}, "optimizer": {}, "average": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            if part in parts:
                parts[part][rest] = tensor
        self.network.load_state_dict(parts["network"])
        restore(self.optimizer, parts["optimizer"], document["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(parts["average"])
        if self.plateau is not None:
            self.plateau.load_state_dict(document["plateau"])
        for name in _COUNTERS:
            setattr(self, name, document[name])
        for name, value in document["stopper"].items():
            setattr(self.stopper, name, value)
        self.loss_sum = tensors["loss_sum"].to(self.loss_sum.device)
        self.best = best


_COUNTERS = ("seed", "step", "epoch", "position", "seconds", "rows", "evaluations", "loss_rows", "total", "ending", "lr", "pending")
