"""`data.no-signal`: the inputs tell nothing about the targets, so no program could learn them. Said as "unlearnable", not as a fault.

Nothing must find anything: a linear model, neighbours, trees and a small network on scaled inputs; the program; its network at its best under other
optimisers; and targets exchanged at random must be learned as well as the true ones. Where inputs are sequences or pictures, which simple learners read
badly, the program's network must besides have learned its training rows by heart without that helping on others.
A pairing that was lost looks the same in the rows; `data.labels-wrong` looks for its signs. Source: Ojala and Garriga, Permutation tests for studying
classifier performance (2010).
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import torch

from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.data_labels_wrong import indifferent
from goodfit.doctor.references import rows_for_learners
from goodfit.doctor.scales import scale_of, standardised
from goodfit.doctor.short import Setup

CODE = "data.no-signal"
CHANCE = 0.04  # of skill: below it, or below 2.5 standard errors, is nothing
FEWEST_TRAINED, FEWEST_HELD = 100, 50  # rows: with fewer, a weak signal would not be seen
BY_HEART = 0.4  # skill on training rows that shows a network's power to learn
RATES = (1e-3, 1e-2)  # of AdamW, for the program's network at its best


def suspect(case: Case) -> Suspicion | None:
    """No reference and not the program itself is better than the best constant answer, by enough rows to tell."""
    view, found = case.view, case.references
    if not found.skill or len(view.trained) < FEWEST_TRAINED or len(view.held) < FEWEST_HELD:
        return None
    limit = max(CHANCE, 2.5 * found.error)
    levels = [case.level([case.outcome()]), case.level([case.finished]) if case.finished else None]
    if found.best > limit or any(level is not None and level > limit for level in levels) or levels[0] is None:
        return None
    return Suspicion(
        CODE, 0.2, {"skill_of_simple_learners": found.skill | {}, "skill": round(levels[0], 3), "chance_up_to": round(limit, 3)}, probe=_probe,
        would_have="some learner above chance on held rows, or a lower training loss than with targets exchanged at random",
        message="Nothing can be learned here: the inputs tell no more about the targets than chance does.",
    )  # fmt: skip


def _probe(case: Case) -> Proof | None:
    limit = max(CHANCE, 2.5 * case.references.error)
    network = small_network(case)
    if network is None or network > 1.5 * limit:
        return None
    found = indifferent(case)
    if found is None:
        return None
    learned = case.level([case.outcome()], "trained") or 0.0
    tabular = len(case.view.inputs()) == 1 and case.view.tape.data[case.view.inputs()[0]].dim() == 2
    for rate in RATES:
        if case.left < case.outcome().seconds:
            return None
        best = case.outcome(at_its_best(case, rate))
        level, own = case.level([best]), case.level([best], "trained")
        if level is None or level > 1.5 * limit:
            return None
        learned = max(learned, own or 0.0)
    if not tabular and learned < BY_HEART:
        return None
    return Proof(
        None, f"{found}; a small network on scaled inputs {network:.3f}; the program's own at its best {learned:.3f} on training rows, nothing on others",
        Remedy("Nothing in the program: look for inputs that have to do with the targets.", lambda setup: setup), None, confidence=0.9, severity="remark",
    )  # fmt: skip


def small_network(case: Case) -> float | None:
    """Skill on held rows of a network of 64 units that stops by itself; None where the rows do not suit."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    view = case.view
    taught, judged = rows_for_learners(view, view.trained), rows_for_learners(view, view.held)
    if taught is None or judged is None:
        return None
    x, y = taught
    numbers = view.kind == "regression"
    middle, spread = (y.mean(), max(float(y.std()), 1e-12)) if numbers else (0.0, 1.0)
    kind = MLPRegressor if numbers else MLPClassifier
    learner = make_pipeline(StandardScaler(), kind(hidden_layer_sizes=(64, 32), early_stopping=len(y) >= 100, max_iter=60, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            learner.fit(x, (y - middle) / spread if numbers else y)
        except ValueError:  # a class with one row, which cannot be parted
            return None
    told = learner.predict(judged[0])
    if numbers:
        points = np.clip(1 - (told * spread + middle - judged[1]) ** 2 / float(view.answers.scale.mean()), -3, 1)
    else:
        points = (told == judged[1]).astype(float)
    return float((points.mean() - view.answers.base) / max(1 - view.answers.base, 1e-6))


def at_its_best(case: Case, rate: float) -> Setup:
    """The program's network with everything around it as it should be."""
    view = case.view
    scales = [
        scale
        for number in view.inputs()
        if view.pool is not None
        and view.pool.whole(number).is_floating_point()
        and (scale := scale_of(view, number, view.trained)) is not None
    ]
    return replace(
        case.setup, name=f"AdamW at {rate:g}", optimizer=torch.optim.AdamW, options={"lr": rate, "weight_decay": 0.01}, rate=1.0, zero=True, mode=True,
        order=True, prepare=standardised(scales, case.setup.prepare), every_weight=True,
    )  # fmt: skip
