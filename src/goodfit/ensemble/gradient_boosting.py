"""Gradient boosting of networks: each learns what is still missing, the negative gradient of the loss, and is added with the step that lowers it most.

Friedman, "Greedy function approximation: a gradient boosting machine", *Annals of Statistics* 29 (2001). Any loss per sample that torch can differentiate.

n rows, B rows, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError

M = TypeVar("M")
Loss = Callable[[Tensor, Tensor], Tensor]
RATE = 0.1  # Friedman's shrinkage: many small steps generalise better than few large ones


@dataclass(frozen=True)
class Additive(Generic[M]):
    """start [O] + the sum over members of step times output. losses: the mean loss on the rows learned from, before the first round and after each."""

    start: Tensor
    members: list[M]
    steps: list[float]
    losses: list[float]

    def output(self, answers: Sequence[Tensor]) -> Tensor:
        """The output [n, O] from the members' [n, O], in their order."""
        if len(answers) != len(self.steps):
            raise InputError(f"there must be an answer of each of the {len(self.steps)} members; {len(answers)} were given")
        total = self.start.expand_as(answers[0]).clone()
        for step, answer in zip(self.steps, answers, strict=True):
            total += step * answer
        return total


class Sum(nn.Module):
    """The members of an `Additive` as one network: B rows -> [B, O]."""

    def __init__(self, found: Additive[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(found.members)
        self.register_buffer("start", found.start.clone())
        self.register_buffer("steps", torch.tensor(found.steps, dtype=found.start.dtype))

    def forward(self, **inputs: Tensor) -> Tensor:
        start, steps = self.get_buffer("start"), self.get_buffer("steps")
        return start + sum(step * network(**inputs) for step, network in zip(steps, self.networks, strict=True))


def gradient_boost(
    learn: Callable[[Tensor, int], M],
    answer: Callable[[M], Tensor],
    loss: Loss,
    target: Tensor,
    outputs: int,
    *,
    rounds: int = 20,
    rate: float = RATE,
) -> Additive[M]:
    """`rounds` networks for a loss per sample: loss(output [n, O], target [n, ...]) -> [n], convex in the output as all of `tasks` are.

    learn: from what is missing [n, O], to be fitted by least squares, and the round, to a trained network. answer: its output [n, O] for the same rows.
    The start is the best constant; each step is the best along the answer, times `rate`. Raises InputError where a loss is not finite.
    """
    if rounds < 1 or not 0 < rate <= 1 or outputs < 1:
        raise InputError(f"rounds and outputs must be at least 1 and rate above 0, at 1 at most; {rounds}, {outputs} and {rate} were given")
    n = len(target)
    start = _least(lambda constant: loss(constant.expand(n, -1), target).mean(), torch.zeros(outputs, dtype=torch.float64))
    total = start.expand(n, -1).clone()
    losses = [_mean(loss, total, target)]
    members: list[M] = []
    steps: list[float] = []
    for number in range(rounds):
        at = total.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(at, target).sum(), at)
        member = learn(-gradient, number)
        said = answer(member).detach().to(total.dtype)
        if said.shape != total.shape:
            raise InputError(f"answers must be of shape {tuple(total.shape)}; {tuple(said.shape)} was given")
        best = _least(lambda step: loss(total + step * said, target).mean(), torch.zeros(1, dtype=total.dtype))  # noqa: B023 (used at once)
        step = rate * float(best)
        total += step * said
        members.append(member)
        steps.append(step)
        losses.append(_mean(loss, total, target))
    return Additive(start, members, steps, losses)


def _mean(loss: Loss, output: Tensor, target: Tensor) -> float:
    value = float(loss(output, target).mean())
    if not value < float("inf"):
        raise InputError(f"boosting needs a finite loss; it became {value}, so look at the target and lower the rate")
    return value


def _least(loss: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Where a convex loss of a few numbers is least."""
    at = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([at], max_iter=100, tolerance_grad=1e-10, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(at)
        value.backward()
        return value

    optimizer.step(closure)
    return at.detach()
