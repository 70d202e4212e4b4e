"""Members of a stack and the same networks alone, on random rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.parts import OptimPart
from goodfit.base.protocols import Task
from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.data.member_batches import MemberBatches
from goodfit.optim.average import Average
from goodfit.optim.build import build
from goodfit.tasks.multiclass import Multiclass
from goodfit.training.loop import Plan, fit
from goodfit.training.stack import Stack
from goodfit.training.stacked_loop import fit_stacked
from goodfit.training.stacked_state import StackState
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings

CLASSES = 3


@dataclass
class Rows:
    """Batches over rows, in an order of (seed, epoch)."""

    inputs: dict[str, Tensor]
    target: Tensor
    seed: int
    batch_size: int = 8
    weight: Tensor | None = None

    def __len__(self) -> int:
        return -(-len(self.target) // self.batch_size)

    def batch(self, epoch: int, position: int) -> Batch:
        order = torch.randperm(len(self.target), generator=torch_stream(self.seed, "order", epoch))
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        inputs = {name: tensor[rows] for name, tensor in self.inputs.items()}
        return Batch(inputs, self.target[rows], None if self.weight is None else self.weight[rows], rows)


@dataclass
class Case:
    """K networks, each with its rows, settings and seed. make(k): the network of member k. scored: whether the best weights are kept, else the last."""

    make: Callable[[int], nn.Module]
    rows: list[Rows]
    optim: list[OptimPart]
    settings: list[StepSettings] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    ema: list[float | None] = field(default_factory=list)
    patience: int | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    scored: bool = True

    def __post_init__(self) -> None:
        K = len(self.rows)
        self.settings = self.settings or [StepSettings()] * K
        self.tasks = self.tasks or [Multiclass(CLASSES)] * K
        self.epochs = self.epochs or [4] * K
        self.ema = self.ema or [None] * K

    def plans(self) -> list[Plan]:
        from goodfit.optim import schedule

        return [
            Plan(
                epochs=epochs,
                lr=optim.lr or 0.01,
                score=task.score,
                factor=lambda state, optim=optim: schedule.factor(optim, state.step, state.total, state.ending),
                **self.plan,
            )
            for epochs, optim, task in zip(self.epochs, self.optim, self.tasks, strict=True)
        ]

    def stacked(self) -> StackState:
        networks = [self.make(k) for k in range(len(self.rows))]
        return StackState.of(
            networks,
            [build(n, o, lr=o.lr or 0.01) for n, o in zip(networks, self.optim, strict=True)],
            self.tasks,
            seeds=[100 + k for k in range(len(networks))],
            stoppers=[Stopper(task.maximise, self.patience) for task in self.tasks],
            settings=self.settings,
            averages=self.ema,
        )

    def alone(self, k: int) -> State:
        network, optim = self.make(k), self.optim[k]
        optimizer = build(network, optim, lr=optim.lr or 0.01)
        average = None if self.ema[k] is None else Average(network, self.ema[k] or 0.0)
        return State(network, optimizer, Stopper(self.tasks[k].maximise, self.patience), average, seed=100 + k)

    def batches(self) -> MemberBatches:
        return MemberBatches(self.rows)

    def train_alone(self, k: int) -> State:
        state = self.alone(k)
        list(fit(state, self.rows[k], self.tasks[k], self.plans()[k], self.settings[k], self._score(k) if self.scored else None))
        return state

    def train_stacked(self) -> StackState:
        state = self.stacked()
        list(fit_stacked(state, self.batches(), self.plans(), self.evaluate if self.scored else None))
        return state

    def evaluate(self, stack: Stack, members: Sequence[int]) -> list[dict[str, float]]:
        return [self._score(k)(stack.member(place)) for place, k in enumerate(members)]

    def _score(self, k: int) -> Callable[[nn.Module], dict[str, float]]:
        rows, task = self.rows[k], self.tasks[k]

        def evaluate(network: nn.Module) -> dict[str, float]:
            with torch.no_grad():
                return {task.score: float(task.loss(network(**rows.inputs), rows.target).mean())}

        return evaluate


def made(build: Callable[[], nn.Module]) -> Callable[[int], nn.Module]:
    """build() with the seed of the member, in float64 and training mode."""

    def make(k: int) -> nn.Module:
        torch.manual_seed(k)
        return build().double().train()

    return make


def assert_equal(case: Case, state: StackState, members: Sequence[int] | None = None) -> None:
    """Each member's best weights, and when they were found, equal those of training alone, to 1e-9 of the largest weight."""
    for k in range(len(case.rows)) if members is None else members:
        alone = case.train_alone(k)
        network = state.network(k).state_dict()
        assert alone.best is not None
        for name, tensor in alone.best.items():
            torch.testing.assert_close(network[name], tensor, rtol=1e-9, atol=1e-9, msg=lambda text, k=k, name=name: f"{k} {name}: {text}")
        outcome = state.outcomes[k]
        assert (outcome.stopper.best_step, outcome.step) == (alone.stopper.best_step, alone.step)


def table(k: int, n: int = 29, *, batch_size: int = 8, **changes: Any) -> Rows:
    """n rows of five numbers, and classes that follow from them."""
    generator = torch.Generator().manual_seed(1000 + k)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    return Rows({"numbers": x}, (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long(), k, batch_size, **changes)
