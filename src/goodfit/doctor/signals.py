"""Cheap signals of a training that goes wrong, gathered while it runs: few looks, at updates that are fixed beforehand, so that a run and its repetition see the same.

A look costs about what a tenth of an update does, and they lie ever further apart; so all of them together stay far below 3 % of the time.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

FIRST, APART = 16, 2  # the first look is at update 16, when an update more no longer shows, each further one at twice as many
STILL = 1e-5  # of a weight's length in one update: a hundredth of what is usual (a thousandth: Bottou 2012)
WILD = 0.3  # of a weight's length in one update: no step of gradient descent, but a throw
LEVEL = 0.02  # of the loss of the first update: falling by less is standing still
DEAD = 0.9  # of a layer's units that are zero for a whole batch, at every look: fewer are common, and harmless
FEWEST = 50  # updates: a training that is shorter was not meant to end well
BEHIND = 0.03  # of accuracy or explained variance by which a linear model must be ahead, beside the chance of the rows
ERRORS = 2.0  # standard errors of the validation rows; what they let pass in error costs an examination and no finding
_RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)


@dataclass(slots=True)
class Signals:
    """What was seen so far. looks: [update, largest move of a weight against its length, largest share of silent units in a layer]. first: the loss of the
    first update. seconds: that looking took."""

    first: float = math.nan
    looks: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    _before: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _silent: list[Tensor] = field(default_factory=list)
    _hooks: list[Any] = field(default_factory=list)

    @classmethod
    def from_json(cls, document: dict[str, Any] | None) -> Signals:
        """What `to_json` gave; empty for None."""
        told = document or {}
        first = told.get("first")
        return cls(
            math.nan if first is None else float(first), [list(look) for look in told.get("looks", [])], float(told.get("seconds", 0.0))
        )

    def to_json(self) -> dict[str, Any]:
        return {"first": self.first if math.isfinite(self.first) else None, "looks": self.looks, "seconds": round(self.seconds, 4)}

    def updated(self, network: nn.Module, step: int, loss: Tensor) -> None:
        """After update number `step`, the first being 1."""
        if step == 1:
            self.first = float(loss)
        if self._before and is_look(step):
            self._look(step)
        elif is_look(step + 1):
            self._prepare(network)

    def _prepare(self, network: nn.Module) -> None:
        begun = time.perf_counter()
        self._before = [(weight, weight.detach().clone()) for weight in network.parameters() if weight.dim() > 1 and weight.requires_grad]
        self._hooks = [part.register_forward_hook(self._count) for part in network.modules() if isinstance(part, _RECTIFIERS)]
        self.seconds += time.perf_counter() - begun

    def _count(self, part: nn.Module, given: Any, answer: Tensor) -> None:
        if answer.dim() > 1:
            units = 1 if answer.dim() == 4 else answer.dim() - 1  # channels of a picture, else the last
            with torch.no_grad():
                self._silent.append((answer.detach() <= 0).movedim(units, 0).flatten(1).all(1).float().mean())

    def _look(self, step: int) -> None:
        begun = time.perf_counter()
        for hook in self._hooks:
            hook.remove()
        with torch.no_grad():
            moves = [(now - old).norm() / old.norm().clamp_min(1e-12) for now, old in self._before]
            move = float(torch.stack(moves).max()) if moves else math.nan
            silent = float(torch.stack(self._silent).max()) if self._silent else 0.0
        self.looks.append([float(step), move if math.isfinite(move) else 1e9, silent])
        self._before, self._silent, self._hooks = [], [], []
        self.seconds += time.perf_counter() - begun


def is_look(step: int) -> bool:
    """Whether update number `step` is looked at: 16, 32, 64, ..."""
    return step >= FIRST and step & (step - 1) == 0


def standing(signals: Signals, losses: list[float], updates: int) -> list[str]:
    """The signals that stand at the end of a training, each a sentence. losses: mean training loss of each evaluation. None for a training too short to tell."""
    if updates < FEWEST:
        return []
    found = []
    lowest = min((loss for loss in losses if math.isfinite(loss)), default=math.nan)
    if math.isfinite(signals.first) and not lowest < signals.first - LEVEL * abs(signals.first):
        found.append(f"the training loss did not fall: {signals.first:.4g} at the first update, {lowest:.4g} at best")
    moves = sorted(look[1] for look in signals.looks)
    if moves and moves[-1] < STILL:
        found.append(f"the weights hardly move: by {moves[-1]:.1g} of their length in an update at most")
    elif moves and moves[len(moves) // 2] > WILD:
        found.append(f"single updates move weights by {moves[len(moves) // 2]:.2g} of their length")
    if len(signals.looks) > 1 and (silent := min(look[2] for look in signals.looks[1:])) >= DEAD:
        found.append(f"{silent:.0%} of the units of a layer are zero for every row of a batch")
    return found


def against(right: Tensor, constant: Tensor, linear: Tensor | None) -> list[str]:
    """Signals of the outcome: points of each validation row, [n], at most 1, of the network, of the best constant answer and of a linear model."""

    def ahead(other: Tensor) -> tuple[float, float]:
        apart = (other - right).double()
        return float(apart.mean()), ERRORS * float(apart.std()) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf

    gain, error = ahead(constant)
    if -gain < error:
        return [
            f"the validation rows are hardly predicted better than by always the same answer ({float(right.mean()):.3f}, {float(constant.mean()):.3f})"
        ]
    if linear is not None:
        gain, error = ahead(linear)
        if gain > BEHIND + error:
            return [f"a linear model predicts the validation rows better ({float(linear.mean()):.3f}, {float(right.mean()):.3f})"]
    return []
