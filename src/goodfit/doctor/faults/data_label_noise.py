"""`data.label-noise`: labels that are wrong at random, learned by heart.

Noise by itself is no fault of a program that bears it; it is one where the network learns it by heart, to its harm. Learners that did not see a row say what
its label should be; where classes merely overlap they doubt the rows that lie between, where labels are wrong they doubt rows they are otherwise sure of.
The experiment leaves the doubtful rows out, against as many at random.
Source: Northcutt, Jiang, Chuang, Confident Learning (2021), for the choice of rows; Arpit et al. (2017) for what is learned by heart.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from goodfit.doctor.case import MARGIN as GAINED
from goodfit.doctor.case import SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.references import out_of_fold
from goodfit.doctor.short import Outcome, Setup

CODE = "data.label-noise"
GAP = 0.1  # of skill between training and held rows: with less, nothing was learned by heart
LEAST, MOST = 0.04, 0.45  # share of doubtful labels: fewer do little harm, and with more nobody knows which ones are right
EVEN = 0.5  # the share of doubt among the rows that are surest, over that among all: near 1 where labels are wrong anywhere, near 0 where classes overlap
OUTLIER = 6.0  # median absolute deviations of a residual: beyond 4 standard deviations


def suspect(case: Case) -> Suspicion | None:
    """Training rows are answered far better than held ones, where a simple learner finds something to learn."""
    view = case.view
    if view.kind not in {"classes", "one-hot", "binary", "regression"} or case.setup.rows is not None or len(view.trained) < 100:
        return None
    outcome = case.outcome()
    trained, held = case.level([outcome], "trained"), case.level([outcome])
    if trained is None or held is None or trained - held < GAP or case.references.best < 0.2:
        return None
    return Suspicion(
        CODE, 0.5, {"skill_on_training_rows": round(trained, 3), "skill_on_held_rows": round(held, 3)}, probe=_probe,
        would_have="no more gained by leaving out the doubtful rows than by leaving out as many at random",
        message="Labels that are wrong at random are learned by heart.",
    )  # fmt: skip


def doubtful(case: Case) -> Tensor | None:
    """The training rows whose label learners that did not see them contradict; None where they are too few, too many, or where classes merely overlap."""
    view = case.view
    name = max(case.references.skill, key=lambda one: case.references.skill[one])
    found = out_of_fold(view, view.trained, name)
    if found is None:
        return None
    rows, y, told = found
    if view.kind == "regression":
        off = np.abs(y - told - np.median(y - told))
        bad = off > OUTLIER * max(float(np.median(off)), 1e-12)
        return rows[torch.from_numpy(bad)] if 0.005 <= bad.mean() <= MOST else None
    sure = np.array([told[y == one, one].mean() if (y == one).any() else 1.0 for one in range(told.shape[1])])
    claimed = np.where(told >= sure, told, 0.0)
    claimed[np.arange(len(y)), y] = 0.0
    bad = claimed.max(1) > told[np.arange(len(y)), y]
    surest = told.max(1) >= np.median(told.max(1))
    wrong = told.argmax(1) != y
    if not LEAST <= bad.mean() <= MOST or wrong[surest].mean() < EVEN * wrong.mean():
        return None
    return rows[torch.from_numpy(bad)]


def _probe(case: Case) -> Proof | None:
    rows = doubtful(case)
    if rows is None:
        return None
    trained = case.view.trained
    apart = torch.zeros(len(case.view.pool or ()), dtype=torch.bool)
    apart[rows] = True
    kept = trained[~apart[trained]]
    chance = trained[torch.randperm(len(trained), generator=torch.Generator().manual_seed(case.seed + 1))[: len(kept)]]

    def change(setup: Setup) -> Setup:
        return replace(setup, name="without the doubtful rows", rows=kept)

    setup, control = change(case.setup), replace(case.setup, name="without as many at random", rows=chance)
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        before.append(case.outcome(control, seed))
        after.append(case.outcome(setup, seed))
        if case.gain(before, after).value < GAINED:
            return None
    gain = case.gain(before, after)
    against = case.gain([case.outcome(seed=seed) for seed in SEEDS[: len(after)]], after)
    if not gain.clears(GAINED) or not against.clears(GAINED):
        return None
    remedy = Remedy(
        f"Look through the labels: {len(rows)} of {len(trained)} contradict what the other rows say. Mend or drop them, or use a loss that bears wrong labels.",
        change,
    )
    levels = case.level(before), case.level(after)
    return Proof(
        against, f"skill {levels[1]:.3f} without the doubtful rows, {levels[0]:.3f} without as many at random", remedy, setup, tuple(before), tuple(after),
        confidence=round(min(0.5 * (1 + math.erf(gain.value / max(gain.error, 1e-3) / math.sqrt(2))), 0.999), 3),
        facts={"doubtful_rows": len(rows), "share": round(len(rows) / len(trained), 3)},
    )  # fmt: skip
