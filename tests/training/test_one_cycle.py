"""A training with one-cycle against a loop written by hand around torch's OneCycleLR, and against itself resumed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.recipe import OptimPart
from goodfit.base.records import Batch
from goodfit.optim import schedule
from goodfit.optim.build import build
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings, step

T, PEAK = 40, 0.05
OURS = {"sgd": OptimPart(name="sgd", schedule="one-cycle"), "adam": OptimPart(name="adam", schedule="one-cycle")}


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, numbers: Tensor) -> Tensor:
        return self.layers(numbers).squeeze(1)


class Squares:
    outputs, score, maximise = 1, "error", False

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square()


def batch(update: int) -> Batch:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(update))
    return Batch({"numbers": x}, x.prod(1), None, torch.arange(16))


def started(name: str) -> State:
    torch.manual_seed(0)
    network = Network()
    return State(network, build(network, OURS[name], lr=PEAK), Stopper(False, None), total=T)


def train(state: State, name: str, updates: int) -> list[Tensor]:
    for _ in range(updates):
        step(state, batch(state.step), Squares(), StepSettings(), PEAK * schedule.factor(OURS[name], state.step, T))  # type: ignore[arg-type]
    return list(state.network.parameters())


@pytest.mark.parametrize("name", OURS)
def test_it_is_torch_s(name: str) -> None:
    state = started(name)
    theirs = copy.deepcopy(state.network)
    optimizer = (
        torch.optim.SGD(theirs.parameters(), PEAK, momentum=0.9, nesterov=True)
        if name == "sgd"
        else torch.optim.Adam(theirs.parameters(), PEAK)
    )
    course = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=PEAK, total_steps=T)
    for update in range(T):
        given = batch(update)
        (theirs(**given.inputs) - given.target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        course.step() if update + 1 < T else None
    for ours, expected in zip(train(state, name, T), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("cut", [1, 11, 12, 30])
def test_resumed_it_ends_in_the_same_bits(name: str, cut: int) -> None:
    whole = train(started(name), name, T)
    first = started(name)
    train(first, name, cut)
    second = started(name)
    second.load_records(*first.to_records(), None)
    assert [group.get("betas", group.get("momentum")) for group in second.optimizer.param_groups] == [
        group.get("betas", group.get("momentum")) for group in first.optimizer.param_groups
    ]
    for a, b in zip(train(second, name, T - cut), whole, strict=True):
        assert torch.equal(a, b)
