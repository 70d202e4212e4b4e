"""`loop.zero-grad`: gradients of earlier updates are not set to nothing, so every update follows their running sum.

The signal is exact: gradients lie on the weights before the first backward pass after an update. It counts where they are cleared only now and then too,
as once for each epoch: from 0.3 of the updates on, which is one of two where an epoch has two batches; a loop that clears in its own way at times
stays below. Accumulation over several passes before one update is no fault, and neither is it where the gradients are cleared by any means.
Source: TrainCheck (Jiang et al. 2025), the first of its silent errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.program import Backward, Event, Program, Update, Zero
from goodfit.doctor.source import together

CODE = "loop.zero-grad"
OFTEN = 0.3  # of the updates


def suspect(case: Case) -> Suspicion | None:
    """Backward passes that come after an update without any zeroing between them, and find its gradients there."""
    if case.setup.zero or case.setup.events is not None:
        return None
    found, followed, left = _uncleared(case.program)
    if not found or found < OFTEN * followed:
        return None
    pattern = case.view.pattern
    backward = next((event.place for event in pattern if isinstance(event, Backward)), None)
    places = {event.optimizer: event.place for event in pattern if isinstance(event, Update) and event.place is not None}
    missed = [place for number, place in places.items() if number in left] or list(places.values())[:1]
    if case.view.per_update > 1:
        backward = None  # passes that are gathered for one update: the place is below the update
    always = found > 0.9 * followed
    remedy = Remedy(
        "Set the gradients to nothing before each backward pass: optimizer.zero_grad().",
        lambda setup: replace(setup, name="with zeroing", zero=True, events=None, stop=1.0 if setup.events else setup.stop),
        lambda: together([source_loops.insert_zero_grad(place, backward) for place in missed]) if missed else None,
    )
    message = "The gradients are never set to nothing between updates, so each update follows the sum of all gradients so far."
    if len(left) < len(places):
        message = "One optimiser's gradients are never set to nothing between updates, so each of its updates follows the sum of all gradients so far."
    if not always:
        message = f"The gradients are not set to nothing after {found / followed:.0%} of the updates, so that these follow the sum of several batches' gradients."
    suspicion = Suspicion(
        CODE, 0.95, {"passes_that_found_gradients": round(found / followed, 3)}, (remedy,), certain=True, message=message,
        would_have="the same loss and the same score with gradients set to nothing before each pass",
    )  # fmt: skip
    round_of = () if always else _round(case.program.events)
    updates = sum(isinstance(event, Update) for event in round_of)
    if not updates or case.setup.stop < 1:
        return suspicion
    # A copy repeats the commonest update, which is one without zeroing; to be as the program is, it must repeat the whole round.
    return replace(suspicion, probe=lambda case: case.duel(suspicion, remedy, replace(case.setup, events=round_of, stop=1 / updates)))


def _round(events: Sequence[Event]) -> tuple[Event, ...]:
    """From the first zeroing after an update to before the next one."""
    begun = next((number for number, event in enumerate(events) if isinstance(event, Update)), len(events))
    marks = [number for number, event in enumerate(events) if isinstance(event, Zero) and number > begun]
    return tuple(events[marks[0] : marks[1]]) if len(marks) > 1 else ()


def _uncleared(program: Program) -> tuple[int, int, set[int]]:
    """First backward passes after an update that found its gradients, since nothing of an optimiser that made one was set to nothing between the two; all first
    passes after an update; and the numbers of those optimisers."""
    owned = [{weight for group in use.groups for weight in group} for use in program.optimizers]
    found = followed = 0
    updated: set[int] = set()
    kept: set[int] = set()  # of those that updated, whose gradients are still there
    left: Counter[int] = Counter()
    for event in program.events:
        match event:
            case Update():
                updated.add(event.optimizer)
                kept.add(event.optimizer)
            case Zero(optimizer=None):
                kept.clear()
            case Zero(optimizer=int(cleared)):
                mine = owned[cleared]
                kept = {number for number in kept if number != cleared and mine.isdisjoint(owned[number])}
            case Backward():
                followed += bool(updated)
                if kept and event.inherited:
                    found += 1
                    left.update(kept)
                updated.clear()
                kept.clear()
    return found, followed, {number for number, count in left.items() if count >= OFTEN * followed}
