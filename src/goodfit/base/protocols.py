"""The contracts between the floors, each of at most three methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from goodfit.base.records import Batch


@runtime_checkable
class Task(Protocol):
    """What is to be learned.

    outputs: O, the number of network outputs. score: name of the metric that early stopping reads.
    maximise: whether a larger score is better.
    """

    outputs: int
    score: str
    maximise: bool

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output [B, O] or [B, K, O] (K members of one network), target [B, ...] -> loss per sample [B], mean over K."""
        ...

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output [B, O] or [B, K, O] -> what a user reads, such as {"probability": [B, C]} or {"mean": [B]}."""
        ...

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """Decoded predictions and encoded targets -> scikit-learn's metric names and their values."""
        ...


@runtime_checkable
class Taught(Protocol):
    """A task whose network reads the target too while it is taught, and searches for it afterwards."""

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """What `Task.loss` reads where a target is given, and else what `Task.decode` reads."""
        ...


def run(task: Task, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
    """The network's answer, by the task's own way where it has one. target: None where it is to be predicted."""
    return task.run(network, inputs, target) if isinstance(task, Taught) else network(**inputs)


@runtime_checkable
class Batches(Protocol):
    """Rows in an order that is a pure function of (seed, epoch); any batch can be asked for by its position."""

    batch_size: int

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        ...

    def batch(self, epoch: int, position: int) -> Batch: ...


class Progress(Protocol):
    """Where work says how far it is. The command line draws a bar, the library stays silent."""

    def stage(self, name: str, total: float | None = None) -> None:
        """A new stage of work begins; `total` in whatever unit `advance` counts."""
        ...

    def advance(self, amount: float = 1.0, **values: Any) -> None: ...

    def say(self, message: str) -> None:
        """One sentence that the user should read."""
        ...


class Silent:
    """The Progress that says nothing."""

    def stage(self, name: str, total: float | None = None) -> None: ...

    def advance(self, amount: float = 1.0, **values: Any) -> None: ...

    def say(self, message: str) -> None: ...
