"""Which way of computing is chosen, from times and losses that are given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from goodfit.base.records import Batch
from goodfit.tasks.multiclass import Multiclass
from goodfit.training import precision
from goodfit.training.precision import STEPS, WARM, Trial, measure
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings


class Rows:
    """Batches of one row."""

    def __init__(self, picture: bool = False) -> None:
        self.inputs = {"image": torch.zeros(1, 1, 2, 2)} if picture else {"numbers": torch.zeros(1, 3)}

    def __len__(self) -> int:
        return 4

    def batch(self, epoch: int, position: int) -> Batch:
        return Batch(self.inputs, torch.zeros(1, dtype=torch.int64), None, torch.arange(1))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, *, numbers: torch.Tensor) -> torch.Tensor:
        return self.layer(numbers)


def chosen(monkeypatch: pytest.MonkeyPatch, low: Any, loss: float = 1.0, plain: Any = lambda step: 1.0) -> bool:
    """Whether bfloat16 is chosen where a step takes `low(step)` seconds, for `plain(step)`, and ends with this mean loss, for 1."""

    def start(network: nn.Module, optimizer: Any, task: Any, settings: StepSettings, seed: int) -> Trial:
        trial = Trial(settings, State(network, optimizer(network), Stopper(False, None)))
        seconds, own = (low, loss) if settings.bfloat16 else (plain, 1.0)

        def step(*_: object) -> None:
            took = seconds(len(trial.times))
            trial.failed = trial.failed or took is None
            trial.times.append(took or 0.0)
            trial.losses.append(own)

        trial.step = step  # type: ignore[method-assign]
        return trial

    monkeypatch.setattr(precision, "start", start)
    monkeypatch.setattr(precision, "work", lambda *_: precision.LITTLE)
    network = Net()
    found = measure(network, lambda twin: torch.optim.SGD(twin.parameters(), lr=0.1), Rows(), Multiclass(2), StepSettings(), 0.1)
    return found.bfloat16


def test_what_is_clearly_faster_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, lambda step: 0.6)
    assert not chosen(monkeypatch, lambda step: 0.9)  # within the margin: a busy machine would decide otherwise
    assert not chosen(monkeypatch, lambda step: 1.5)


def test_each_step_is_compared_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batches differ in length a hundredfold; of a short one the overhead is all, and the fastest steps say nothing."""
    assert chosen(
        monkeypatch, low=lambda step: 0.01 if step % 5 == 0 else 0.5 + step, plain=lambda step: 0.01 if step % 5 == 0 else 1 + 2 * step
    )


def test_other_programs_do_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, lambda step: 5.0 if step in (4, 7, 9) else 0.6)
    assert not chosen(monkeypatch, lambda step: 1.0, plain=lambda step: 5.0 if step in (4, 7, 9) else 1.0)
    assert not chosen(monkeypatch, lambda step: 1.0, plain=lambda step: 50.0 if step < WARM else 1.0)  # the first steps allocate


def test_what_learns_differently_or_fails_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, lambda step: 0.5, loss=1.04)
    assert not chosen(monkeypatch, lambda step: 0.5, loss=1.1)
    assert not chosen(monkeypatch, lambda step: 0.5, loss=float("nan"))
    assert not chosen(monkeypatch, lambda step: None if step == STEPS else 0.1)


def test_little_work_stays_as_it_is() -> None:
    found = measure(Net(), lambda twin: torch.optim.SGD(twin.parameters(), lr=0.1), Rows(), Multiclass(2), StepSettings(), 0.1)
    assert found == StepSettings()


def test_one_way_needs_no_measurement() -> None:
    given = measure(Net(), None, Rows(), Multiclass(2), StepSettings(), 0.1, bfloat16=True)  # type: ignore[arg-type]
    assert given == StepSettings(bfloat16=True)
    assert measure(Net(), None, Rows(True), Multiclass(2), StepSettings(), 0.1, bfloat16=False, channels_last=True).channels_last  # type: ignore[arg-type]
