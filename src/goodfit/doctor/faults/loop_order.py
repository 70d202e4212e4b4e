"""`loop.order`: rows come in the order of their targets, so that for a while only some of them are learned and the others forgotten.

The signal: of the targets' variance, how much lies between neighbouring batches (in runs of 16 rows at least). Mixed rows give 1 in 16; from 0.3 on the order
tells the target. It is exact from 0.5 on for classes, where most batches are of one class, and for numbers that rise or fall all the time. Rows in the order
of time are no fault by that: the same rows mixed must do better on rows held back, and are only tried where the outcome is bad.
Source: Bengio et al. 2009 and Bottou 2012, on the order of examples.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor import source_calls, source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion

CODE = "loop.order"
RUN = 16  # rows
TELLS, EXACT = 0.3, 0.5  # of the variance between runs
FEWEST_RUNS = 6  # below, chance alone may do it


def suspect(case: Case) -> Suspicion | None:
    """Targets of neighbouring batches."""
    view, meeting = case.view, case.view.meeting
    if (
        meeting is None
        or view.pool is None
        or meeting.target not in view.pool.slots
        or case.setup.order
        or view.kind in {"unknown", "reconstruction"}
    ):
        return None
    if view.pool.slots[meeting.target].chunk > 1 or len(view.batches) < 2:
        return None
    values = _values(case)
    if values is None:
        return None
    size = max(1, -(-RUN // max(view.batch_size, 1)))
    runs = [torch.cat(view.batches[start : start + size]) for start in range(0, len(view.batches), size)]
    if len(runs) < FEWEST_RUNS:
        return None
    share = _between(values, runs)
    if share < TELLS:
        return None
    certain = share >= EXACT and (view.kind != "regression" or _rises(values, torch.cat(view.batches), len(view.trained)))
    return Suspicion(
        CODE, 0.9 if certain else 0.4, {"variance_between_batches": round(share, 3), "of_mixed_rows": round(1 / (size * view.batch_size), 3)},
        (Remedy("Mix the rows anew for each epoch: shuffle=True.", lambda setup: replace(setup, name="with mixed rows", order=True), lambda: _edit(case)),),
        certain=certain, would_have="the same score with the same rows mixed",
        message=f"The rows come in the order of their targets: {share:.0%} of the targets' variance lies between batches.",
    )  # fmt: skip


def _values(case: Case) -> Tensor | None:
    """[N, K] by number of the row: targets as numbers, classes as one-hot."""
    view = case.view
    assert view.pool is not None
    assert view.meeting is not None
    whole = view.pool.whole(view.meeting.target).detach().cpu().squeeze(1)
    if view.kind == "classes":
        if whole.numel() != len(whole):
            return None
        return F.one_hot(whole.reshape(-1).long().clamp_min(0)).float()
    return whole.reshape(len(whole), -1).float()


def _between(values: Tensor, runs: list[Tensor]) -> float:
    """Of the variance, the share between runs."""
    every = torch.cat(runs)
    middle = values[every].mean(0)
    total = float((values[every] - middle).square().sum())
    between = sum(len(run) * float((values[run].mean(0) - middle).square().sum()) for run in runs)
    return between / total if total > 0 else 0.0


def _rises(values: Tensor, visited: Tensor, rows: int) -> bool:
    """Whether numbers rise (or fall) along one pass over the rows: nine in ten of the steps that are none of chance go one way."""
    line = values[visited[:rows], 0].unfold(0, RUN, RUN).mean(1) if len(visited) >= 2 * RUN else values[visited, 0]
    steps = line.diff().sign()
    moves = steps[steps != 0]
    return len(moves) > 0 and abs(float(moves.mean())) > 0.8


def _edit(case: Case) -> Any:
    for use in case.program.loaders:
        if not use.shuffles and use.place is not None and use.batch_size == case.view.batch_size:
            return source_calls.set_shuffle(use.place)
    step = case.program.places.get("step")
    return source_loops.shuffle_rows(step) if step is not None else None
