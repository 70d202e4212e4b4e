"""A program's recorded events again, one after the other, on fresh copies: for programs whose steps differ from each other, as those of several losses in turn.

A stretch is what lies between two updates (several updates in a row end one stretch). Its losses are the objective of the optimisers that end it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor.program import Backward, Clip, Event, Node, Part, Program, Update, Zero
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.short import redraw

CUTS = frozenset({"detach", "detach_", "data"})


@dataclass(frozen=True, slots=True)
class Change:
    """What is done otherwise. rate: factor of all rates. By the numbers of optimisers: zero, their gradients are set to nothing at the start of their
    stretches; step, they make a step after each backward pass that gives them gradients; joined, nothing cuts the graph in their stretches."""

    rate: float = 1.0
    zero: frozenset[int] = frozenset()
    step: frozenset[int] = frozenset()
    joined: frozenset[int] = frozenset()


@dataclass(slots=True)
class Repeated:
    """losses: of each optimiser's objective. moved: optimisers with a weight that is not what it was. updates: made."""

    losses: dict[int, list[float]] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)
    updates: int = 0

    def level(self, number: int, last: bool = True) -> float:
        """Mean of the last (or the first) quarter of an objective; nan where it is not finite or there is none."""
        losses = self.losses.get(number, [])
        some = max(len(losses) // 4, 1)
        part = losses[-some:] if last else losses[:some]
        return sum(part) / len(part) if part and all(map(math.isfinite, part)) else math.nan


def stretches(events: Sequence[Event]) -> list[tuple[range, frozenset[int]]]:
    """The numbers of the events of each stretch, and the optimisers that end it; the last may have none."""
    ends = [
        number + 1
        for number, event in enumerate(events)
        if isinstance(event, Update) and not (number + 1 < len(events) and isinstance(events[number + 1], Update))
    ]
    cuts = sorted({0, *ends, len(events)})
    return [
        (range(begun, end), frozenset(event.optimizer for event in events[begun:end] if isinstance(event, Update)))
        for begun, end in pairwise(cuts)
    ]


def repeated(program: Program, change: Change, *, seed: int = 0, most: int | None = None) -> Repeated:
    """Runs the events once. seed: 0 begins with the program's own weights, others draw them anew. most: updates after which it ends.

    Raises ReplayError where they cannot be run.
    """
    if any(isinstance(event, Update) and event.closure for event in program.events):
        raise ReplayError("an optimiser is given a function that computes the loss")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        return _Run(program, change, seed).run(most)


class _Run:
    def __init__(self, program: Program, change: Change, seed: int) -> None:
        self.program = program
        self.change = change
        self.copies = Copies(program.networks, program.loose)
        if seed:
            redraw(self.copies.networks, program.networks)
        self.optimizers = [self._optimizer(number) for number in range(len(program.optimizers))]
        self.began = [[weight.detach().clone() for weight in self._weights(number)] for number in range(len(self.optimizers))]
        self.idle = idle(program)
        self.last = _last_uses(program.events)
        self.answers: dict[int, Any] = {}
        self.found = Repeated()

    def run(self, most: int | None) -> Repeated:
        for numbers, owners in stretches(self.program.events):
            if most is not None and self.found.updates >= most:
                break
            for number in owners & self.change.zero:
                self.optimizers[number].zero_grad()
            for number in numbers:
                self._event(number, owners)
        for number, began in enumerate(self.began):
            if any(not torch.equal(weight.detach(), old) for weight, old in zip(self._weights(number), began, strict=True)):
                self.found.moved.add(number)
        return self.found

    def _event(self, number: int, owners: frozenset[int]) -> None:
        match event := self.program.events[number]:
            case Zero():
                self._zero(event)
            case Backward():
                self._backward(number, event, owners)
            case Clip():
                every = [self.copies.weight(at) for at in event.weights] or self.copies.parameters()
                weights = [weight for weight in every if weight is not None and weight.grad is not None]
                if event.kind == "value":
                    torch.nn.utils.clip_grad_value_(weights, event.limit)
                else:
                    torch.nn.utils.clip_grad_norm_(weights, event.limit, event.norm)
            case Update():
                optimizer = self.optimizers[event.optimizer]
                for group, rate in zip(optimizer.param_groups, event.rates, strict=False):
                    group["lr"] = rate * self.change.rate
                optimizer.step()
                self.found.updates += 1

    def _zero(self, event: Zero) -> None:
        if event.optimizer is not None:
            self.optimizers[event.optimizer].zero_grad(event.to_none)
        elif event.parts:
            for part in event.parts:
                self.copies.part(part).zero_grad(event.to_none)
        else:
            for weight in self.copies.parameters():
                weight.grad = None

    def _backward(self, number: int, event: Backward, owners: frozenset[int]) -> None:
        self.copies.set_modes(event.tape)
        joined = bool(owners & self.change.joined)
        tape_loss = run_tape(event.tape, self.copies, known=self.answers, instead=_joined if joined else None)
        if not isinstance(tape_loss, Tensor) or not tape_loss.requires_grad:
            raise ReplayError("a loss depends on no weight that can be trained")
        used = {node.serial for node in event.tape.nodes}
        kept = {serial for serial in used if self.last[serial] > number}
        tape_loss.sum().backward(retain_graph=bool(kept))
        self.answers = {serial: answer for serial, answer in self.answers.items() if self.last[serial] > number}
        told = set(owners)
        for one in self.idle:
            if any(weight.grad is not None and bool(weight.grad.any()) for weight in self._weights(one)):
                told.add(one)
                if one in self.change.step:
                    self.optimizers[one].step()
                self.optimizers[one].zero_grad()
        for one in told:
            self.found.losses.setdefault(one, []).append(float(tape_loss.detach().sum()))

    def _optimizer(self, number: int) -> torch.optim.Optimizer:
        use = self.program.optimizers[number]
        groups: list[dict[str, Any]] = []
        for weights, options in zip(use.groups, use.options, strict=True):
            found = [weight for at in weights if (weight := self.copies.weight(at)) is not None and weight.is_leaf]
            rate = {"lr": options["lr"] * self.change.rate} if "lr" in options else {}
            groups.append({**options, **rate, "params": found})
        groups = [group for group in groups if group["params"]] or [{"params": [torch.zeros(1, requires_grad=True)], "lr": 0.0}]
        made: torch.optim.Optimizer = use.kind(groups, **{key: value for key, value in groups[0].items() if key == "lr"})
        return made

    def _weights(self, number: int) -> list[Tensor]:
        return [weight for group in self.optimizers[number].param_groups for weight in group["params"]]


def idle(program: Program) -> list[int]:
    """Optimisers that make no step in the whole program, though others do, which hold none of their weights."""
    stepping = {event.optimizer for event in program.events if isinstance(event, Update)} | {number for number, _ in program.rates}
    taken = {at for number in stepping for group in program.optimizers[number].groups for at in group}
    return [
        number
        for number, use in enumerate(program.optimizers)
        if stepping and number not in stepping and not any(at in taken for group in use.groups for at in group)
    ]


def _last_uses(events: Sequence[Event]) -> dict[int, int]:
    """Of each call the number of the last event that uses its answer."""
    return {node.serial: number for number, event in enumerate(events) if isinstance(event, Backward) for node in event.tape.nodes}


def _joined(node: Node, args: tuple[Any, ...]) -> Any:
    """The answer of a call that cuts the graph, were it not there; None for others."""
    return args[0] if not isinstance(node.call, Part) and node.name in CUTS else None
