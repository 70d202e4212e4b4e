"""`data.too-little`: the score still rises with every row that is added, and the network has learned all that it was given.

Most often nobody can help it by an edit, and it is said as a remark. It is a fault of the program where the program has the rows and does not train on them:
it judges by many times more than it learns from.
Source: Hestness et al., Deep learning scaling is predictable (2017): the error falls as a power of the number of rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_data
from goodfit.doctor.case import MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.short import Outcome

CODE = "data.too-little"
GAP = 0.2  # of skill between training and held rows: with less, more rows are not what is missing
GAP_UNUSED = 0.1  # the same where rows lie idle
MANY = 20_000  # training rows from which half of them says little in a short copy
UNUSED = 4.0  # rows that it only judges by, over those it trains on: splits of one to three are made on purpose


def suspect(case: Case) -> Suspicion | None:
    """Training rows are answered well and held ones are not."""
    view = case.view
    if view.pool is None or case.setup.rows is not None or not 20 <= len(view.trained) <= MANY:
        return None
    outcome = case.outcome()
    trained, held = case.level([outcome], "trained"), case.level([outcome])
    if trained is None or held is None or trained < 0.5 or trained - held < (GAP_UNUSED if _unused(case) else GAP):
        return None
    return Suspicion(
        CODE, 0.3, {"rows": len(view.trained), "skill_on_training_rows": round(trained, 3), "skill_on_held_rows": round(held, 3)},
        probe=_probe, always=_unused(case) > 0,
        would_have="the same score with half of the rows",
        message="There are too few rows for this network: with half of them it does far worse, so with more it would do better.",
    )  # fmt: skip


def _unused(case: Case) -> int:
    """Rows that the program has and only judges by, where they are many times those that it trains on."""
    view = case.view
    return len(view.held) if not view.carved and len(view.held) >= UNUSED * len(view.trained) else 0


def _probe(case: Case) -> Proof | None:
    view = case.view
    order = torch.randperm(len(view.trained), generator=torch.Generator().manual_seed(case.seed))
    half = replace(case.setup, name="half of the rows", rows=view.trained[order[: len(order) // 2]])
    whole = replace(case.setup, name="all of the rows", rows=view.trained)  # drawn anew in both, so that only their number differs
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        before.append(case.outcome(half, seed))
        after.append(case.outcome(whole, seed))
        if case.gain(before, after).value < MARGIN:
            return None
    gain = case.gain(before, after)
    if not gain.clears(MARGIN):
        return None
    if _unused(case):
        return _with_more(case)
    words = "Get more rows, or make more of these: augmentation, a network that was trained on a like task, a smaller one."
    return Proof(
        None, f"skill {case.level(before):.3f} with half of the rows and {case.level(after):.3f} with all of them",
        Remedy(words, lambda setup: setup), None, severity="remark", facts={"gain_from_the_second_half": round(gain.value, 3)},
    )  # fmt: skip


def _with_more(case: Case) -> Proof | None:
    """Half of the rows that the program judges by are trained on as well; the other half judges."""
    view = case.view
    order = torch.randperm(len(view.held), generator=torch.Generator().manual_seed(case.seed))
    given, judging = view.held[order[: len(order) // 2]], order[len(order) // 2 :]
    setup = replace(case.setup, name="with rows that were held back", rows=torch.cat([view.trained, given]))
    whole = replace(case.setup, name="all of the rows", rows=view.trained)
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        for outcomes, one in ((before, whole), (after, setup)):
            found = case.outcome(one, seed)
            if found.held is None:
                return None
            outcomes.append(replace(found, held=found.held[judging]))
    gain = case.gain(before, after)
    if not gain.clears(MARGIN):
        return None
    return Proof(
        gain, f"skill {case.level(before):.3f} as it is and {case.level(after):.3f} with {len(given)} more rows to train on",
        Remedy(f"Train on more of the rows that are there: {len(view.trained)} are used, {len(view.held)} only to judge by.", lambda setup: setup, lambda: _edit(case)),
        None, tuple(before), tuple(after), severity="warning",
    )  # fmt: skip


def _edit(case: Case) -> Any:
    place = case.program.places.get("model") or case.program.places.get("step")
    return None if place is None else source_data.train_on_most(place)
