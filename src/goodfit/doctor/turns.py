"""Programs of several losses in turn, such as a generator and its critic: the faults whose signals are exact, looked for in each optimiser by itself.

No score is to be had of such programs, so a remedy is judged by what it does to the objective of the optimiser that it is for, in copies of the recorded
events from three beginnings: it must fall below that of the program as it is, from every one of them, or stay finite where that does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from goodfit.base.records import Finding
from goodfit.doctor import source_calls, source_loops
from goodfit.doctor.case import SEEDS
from goodfit.doctor.cost import seconds_of
from goodfit.doctor.program import Backward, Part, Program, Update, Weight, Zero
from goodfit.doctor.repeat import CUTS, Change, Repeated, idle, repeated, stretches

FEWEST = 4  # updates of an optimiser, below which its objective has no course
FALLS = 0.05  # of an objective's own size at the beginning by which it must fall further
GROWN = 1e4  # times: a loss that has grown so far has left every scale; returns in reinforcement learning grow by hundreds
LOWER = (0.1, 0.01, 0.001)  # of the rate: one that is too high by less than ten times does not make numbers overflow


@dataclass(frozen=True, slots=True)
class _Doubt:
    code: str
    number: int
    message: str
    evidence: dict[str, Any]
    remedies: tuple[tuple[str, Change], ...]  # in words, and in a copy; the first that helps is told
    would_have: str
    edit: Callable[[], Any] | None = None


def examine_turns(program: Program, seconds: float) -> tuple[list[Finding], list[str]]:
    """The findings, and sentences on what could not be looked at. seconds: about what the copies may take, counted and not timed."""
    doubts: list[_Doubt] = []
    found: list[Finding] = []
    sentences: list[str] = []
    for signal in (_diverged, _unzeroed, _unstepped, _cut):
        try:
            doubts += signal(program)
        except Exception as error:  # a fault in one signal, in our code or the user's, costs that signal only, and is said
            sentences.append(f"{signal.__name__.strip('_')}: {type(error).__name__}: {error}")
    plain: list[Repeated] = []
    most = FEWEST
    for doubt in doubts:
        try:
            if not plain:
                each = max(seconds_of(lambda: repeated(program, Change(), most=FEWEST)) / FEWEST, 1e-5)
                most = max(int(seconds / (2 * len(SEEDS) * len(doubts)) / each), FEWEST)
                plain = [repeated(program, Change(), seed=seed, most=most) for seed in SEEDS]
            for words, change in doubt.remedies:
                changed = [repeated(program, change, seed=seed, most=most) for seed in SEEDS]
                gains = [_gain(before, after, doubt.number) for before, after in zip(plain, changed, strict=True)]
                if min(gains) >= FALLS:
                    found.append(_finding(doubt, words, plain, changed, gains))
                    break
        except Exception as error:  # the user's code, run in ways it was not written for: it costs this suspicion only, and is said
            sentences.append(f"{doubt.code} could not be tried: {error}.")
    return found, sentences


def _gain(before: Repeated, after: Repeated, number: int) -> float:
    """By how much an objective falls further with the remedy, as a share of its size at the beginning; 1 where it is finite only with it."""
    old, new = before.level(number), after.level(number)
    if math.isnan(new) or number not in after.moved:
        return -1.0
    if math.isnan(old):
        return 1.0
    size = max(abs(before.level(number, last=False)), 1e-9)
    return min((old - new) / (size if math.isfinite(size) else abs(old)), 1.0)


def _finding(doubt: _Doubt, words: str, plain: list[Repeated], changed: list[Repeated], gains: list[float]) -> Finding:
    old, new = plain[0].level(doubt.number), changed[0].level(doubt.number)
    edit = None
    if doubt.edit is not None:
        try:
            edit = doubt.edit()
        except Exception:  # a file may be written in any way: the words of the remedy remain
            edit = None
    mean = sum(gains) / len(gains)
    spread = math.sqrt(sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1))
    curves = {"as it is": _curve(plain[0], doubt.number), "repaired": _curve(changed[0], doubt.number)}
    return Finding(
        doubt.code,
        "error",
        doubt.message,
        doubt.evidence,
        remedy=words,
        confidence=0.95,
        probe={
            "name": "the recorded updates with and without the remedy",
            "would_have": doubt.would_have,
            "showed": f"the objective ends at {old:.4g} without and {new:.4g} with the remedy ({', '.join(f'{gain:+.3f}' for gain in gains)} of its size)",
            "seeds": len(gains),
            "spread": spread,
            "each": [round(gain, 4) for gain in gains],
            "curves": curves,
        },
        gain=None,
        edit=edit.to_json() if edit is not None and not isinstance(edit, dict) else edit,
    )


def _curve(run: Repeated, number: int) -> list[list[float]]:
    return [[float(update + 1), loss] for update, loss in enumerate(run.losses.get(number, [])) if math.isfinite(loss)]


def _updates(program: Program, number: int) -> list[Update]:
    return [event for event in program.events if isinstance(event, Update) and event.optimizer == number]


def _named(program: Program, number: int) -> str:
    """An optimiser as a reader knows it."""
    use = program.optimizers[number]
    return f"the {use.kind.__name__} of line {use.place.line}" if use.place is not None else f"optimiser {number + 1} ({use.kind.__name__})"


# Signals


def _diverged(program: Program) -> list[_Doubt]:
    """An objective that is not finite at the end, or has grown beyond every scale."""
    found = []
    sizes: dict[int, list[float]] = {}
    for numbers, owners in stretches(program.events):
        losses = [event.tape.loss for number in numbers if isinstance(event := program.events[number], Backward)]
        for owner in owners:
            sizes.setdefault(owner, []).extend(losses)
    for number, losses in sizes.items():
        broken = not all(map(math.isfinite, losses[-3:]))
        if len(losses) >= FEWEST and math.isfinite(losses[0]) and (broken or abs(losses[-1]) > GROWN * max(abs(losses[0]), 1.0)):
            found.append(
                _Doubt(
                    "optim.rate-high",
                    number,
                    f"The loss of {_named(program, number)} {'is not a number any more' if broken else 'has grown ten thousandfold'}.",
                    {"first": losses[0], "last": losses[-1] if math.isfinite(losses[-1]) else str(losses[-1])},
                    tuple(
                        (f"Take {rate:g} of the learning rates, in {_named(program, number)} first.", Change(rate=rate)) for rate in LOWER
                    ),
                    "the same end with lower rates",
                )
            )
    return found[:1]  # what one network does to another is not told apart


def _unzeroed(program: Program) -> list[_Doubt]:
    """An optimiser whose gradients nothing ever sets to nothing."""
    found = []
    for number, use in enumerate(program.optimizers):
        updates = _updates(program, number)
        weights = {at for group in use.groups for at in group}
        if len(updates) < FEWEST or any(isinstance(event, Zero) and _covers(event, number, weights) for event in program.events):
            continue
        owned = [numbers for numbers, owners in stretches(program.events) if number in owners][1:]
        passes = [next((event for n in numbers if isinstance(event := program.events[n], Backward)), None) for numbers in owned]
        inherited = [event.inherited for event in passes if event is not None]
        if not inherited or sum(inherited) < 0.9 * len(inherited):
            continue
        backward, step = next(event for event in passes if event is not None).place, updates[0].place
        found.append(
            _Doubt(
                "loop.zero-grad",
                number,
                f"The gradients of {_named(program, number)} are never set to nothing: each of its updates follows the sum of all so far.",
                {"updates": len(updates), "passes_that_found_gradients": round(sum(inherited) / len(inherited), 3)},
                (("Set its gradients to nothing before its backward pass: zero_grad().", Change(zero=frozenset({number}))),),
                "the same objective with gradients set to nothing",
                (lambda step=step, backward=backward: source_loops.insert_zero_grad(step, backward)) if step is not None else None,  # type: ignore[misc]
            )
        )
    return found


def _covers(event: Zero, number: int, weights: set[Weight]) -> bool:
    if event.optimizer is not None:
        return event.optimizer == number
    return not event.parts or any(_inside(weight, part) for part in event.parts for weight in weights)


def _inside(weight: Weight, part: Part) -> bool:
    return weight.network == part.network and (not part.path or weight.name.startswith(f"{part.path}."))


def _unstepped(program: Program) -> list[_Doubt]:
    """An optimiser that never makes a step in the whole program, while another one does, and whose weights have not moved."""
    found = []
    for number in idle(program):
        if not _unmoved(program, number):
            continue
        found.append(
            _Doubt(
                "loop.no-step",
                number,
                f"No step is ever made with {_named(program, number)}, though another optimiser steps.",
                {"updates": program.updates, "of_this_one": 0},
                (("Call its step() after its backward pass.", Change(step=frozenset({number}))),),
                "the same objective with its steps",
            )
        )
    return found


def _cut(program: Program) -> list[_Doubt]:
    """An optimiser that steps and steps, and whose weights are those of the beginning, since something cuts the graph to its loss."""
    found = []
    for number in range(len(program.optimizers)):
        updates = _updates(program, number)
        still = (
            len(updates) >= FEWEST
            and not any(event.moved for event in updates)
            and max(max(event.rates, default=0.0) for event in updates) > 0
        )
        cuts = [
            node
            for numbers, owners in stretches(program.events)
            if number in owners
            for n in numbers
            if isinstance(event := program.events[n], Backward)
            for node in event.tape.nodes
            if not isinstance(node.call, Part) and node.name in CUTS
        ]
        if still and cuts and _unmoved(program, number):
            place, name = cuts[0].place, cuts[0].name
            found.append(
                _Doubt(
                    "loop.frozen",
                    number,
                    f"The graph between the weights of {_named(program, number)} and its loss is cut: no gradient reaches them.",
                    {"updates": len(updates), "moved": False, "cut_by": name},
                    ((f"Leave out {name} between its weights and its loss.", Change(joined=frozenset({number}))),),
                    "the same weights without the cut",
                    (lambda place=place, name=name: source_calls.unwrap(place, name)) if place is not None else None,  # type: ignore[misc]
                )
            )
    return found


def _unmoved(program: Program, number: int) -> bool:
    """Whether all weights of an optimiser ended as they began."""
    for group in program.optimizers[number].groups:
        for at in group:
            began, ended = _weight(program, at, False), _weight(program, at, True)
            if began is None or ended is None or began.shape != ended.shape:
                return False
            if not torch.equal(began.detach(), ended.detach().to(began.device)):
                return False
    return bool(program.optimizers[number].groups)


def _weight(program: Program, at: Weight, final: bool) -> Tensor | None:
    if at.network < 0:
        return (program.loose_finals if final else program.loose)[int(at.name)]
    return dict((program.finals if final else program.networks)[at.network].named_parameters()).get(at.name)
