"""`loop.zero-grad`: gradients of earlier updates are never set to nothing, so every update follows their running sum.

The signal is exact: gradients lie on the weights before the first backward pass after an update. Accumulation over several passes before one update
is no fault, and neither is it where the gradients are cleared by any means. Source: TrainCheck (Jiang et al. 2025), the first of its silent errors.
"""

from __future__ import annotations

from dataclasses import replace

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.program import Backward, Update, Zero

CODE = "loop.zero-grad"


def suspect(case: Case) -> Suspicion | None:
    """The pattern of an update has a backward pass and no zeroing, and the program's passes found gradients there."""
    pattern = case.view.pattern
    if any(isinstance(event, Zero) for event in pattern) or not any(isinstance(event, Update) for event in pattern) or case.setup.zero:
        return None
    passes = [event for event in case.program.events if isinstance(event, Backward)]
    inherited = sum(event.inherited for event in passes[1:]) / max(len(passes) - 1, 1)
    if inherited < 0.9:
        return None
    backward = next(event.place for event in pattern if isinstance(event, Backward))
    update = next(event.place for event in pattern if isinstance(event, Update))
    return Suspicion(
        CODE, 0.95, {"passes_that_found_gradients": round(inherited, 3)},
        (
            Remedy(
                "Set the gradients to nothing before each backward pass: optimizer.zero_grad().",
                lambda setup: replace(setup, name="with zeroing", zero=True),
                lambda: source_loops.insert_zero_grad(update, backward) if update else None,
            ),
        ),
        certain=True, would_have="the same loss and the same score with gradients set to nothing before each pass",
        message="The gradients are never set to nothing between updates, so each update follows the sum of all gradients so far.",
    )  # fmt: skip
