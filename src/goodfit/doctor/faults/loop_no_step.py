"""`loop.no-step`: gradients are computed and no update uses them.

The signals are exact, from the order of a loop's calls: no `step()` at all though there is an optimiser; gradients set to nothing after the backward pass
and before the step that should use them; several backward passes whose gradients are thrown away again for each update that is made, as where `step()`
stands outside of the loop over batches. An optimiser that is given other weights than those that were trained is `loop.frozen`, a rate of 0
`optim.rate-low`. Weights updated by hand are an update like any other. Sources: TrainCheck (Jiang et al. 2025); Humbatova et al. 2020.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.program import Backward, Clip, Event, Update, Zero
from goodfit.doctor.short import Setup

CODE = "loop.no-step"


def suspect(case: Case) -> Suspicion | None:
    """What becomes of the gradients in one round of the loop."""
    program, pattern = case.program, case.view.pattern
    if not program.optimizers or case.setup.zero or case.setup.events is not None:
        return None
    update = next((event for event in pattern if isinstance(event, Update)), None)
    if update is None:
        if program.updates or not _unmoved(case):
            return None
        return _suspicion(
            case, "Gradients are computed and no optimiser ever makes a step: the weights at the end are those of the beginning.",
            "Call optimizer.step() after each backward pass.", {"backward_passes": len(program.losses), "updates": 0},
        )  # fmt: skip
    used, thrown = _used(pattern, update)
    if not used:
        return _suspicion(
            case, "The gradients are set to nothing between the backward pass and the step, which finds none.",
            "Set the gradients to nothing before the backward pass, and step after it.",
            {"order": [_word(event) for event in pattern], "moved": any(event.moved for event in program.events if isinstance(event, Update))},
        )  # fmt: skip
    if thrown and not _looks_again(case):
        return _suspicion(
            case, f"For each update {used + thrown} backward passes are made, and the gradients of {thrown} of them are thrown away before it.",
            "Call optimizer.step() after each backward pass, inside of the loop over batches.",
            {"backward_passes_for_an_update": used + thrown, "thrown_away": thrown},
        )  # fmt: skip
    return None


def _used(pattern: Sequence[Event], update: Update) -> tuple[int, int]:
    """Backward passes of one round whose gradients reach the update, and those whose gradients are set to nothing first."""
    lying = thrown = 0
    for event in pattern:
        if isinstance(event, Backward):
            lying += 1
        elif isinstance(event, Zero) and event.optimizer in {None, update.optimizer} and not getattr(event, "parts", ()):
            thrown, lying = thrown + lying, 0
        elif isinstance(event, Update) and event.optimizer == update.optimizer:
            break
    return lying, thrown


def _looks_again(case: Case) -> bool:
    """Whether one pass takes the very rows of the one before, as methods do that look twice before a step."""
    batches = case.view.batches[:8]
    return any(len(a) == len(b) and torch.equal(a, b) for a, b in itertools.pairwise(batches)) and len(batches) > 1


def _suspicion(case: Case, message: str, words: str, evidence: dict[str, Any]) -> Suspicion:
    pattern = case.view.pattern
    backward = next(event for event in pattern if isinstance(event, Backward))
    update = next((event for event in pattern if isinstance(event, Update)), None)
    clips = [event for event in pattern if isinstance(event, Clip)]
    step = update if update is not None else Update(case.view.optimizer, ())
    events: list[Event] = []
    for _ in range(case.view.per_update):
        events += [Zero(None), backward, *clips, step]

    def change(setup: Setup) -> Setup:
        return replace(setup, name="with a step for each pass", events=tuple(events))

    return Suspicion(
        CODE, 0.97, evidence, (Remedy(words, change, lambda: _edit(case, backward, update)),), certain=True,
        would_have="the same score with a step after each backward pass", message=message,
    )  # fmt: skip


def _edit(case: Case, backward: Backward, update: Update | None) -> Any:
    made = case.program.optimizers[case.view.optimizer].place
    if backward.place is None:
        return None
    zero = next((event.place for event in case.view.pattern if isinstance(event, Zero)), None)
    if update is None:
        of_one = any(isinstance(event, Zero) and event.optimizer is not None for event in case.view.pattern)
        return source_loops.insert_step(backward.place, made, zero if of_one else None) if made is not None else None
    return source_loops.order_steps(backward.place, update.place, zero) if update.place is not None else None


def _unmoved(case: Case) -> bool:
    """Whether the weights ended as they began."""
    for began, ended in zip(case.program.networks, case.program.finals, strict=True):
        for old, new in zip(began.parameters(), ended.parameters(), strict=False):
            if old.shape != new.shape or not torch.equal(old.detach(), new.detach().to(old.device)):
                return False
    return True


def _word(event: Event) -> str:
    return {Zero: "zero_grad", Backward: "backward", Clip: "clip", Update: "step"}[type(event)]
