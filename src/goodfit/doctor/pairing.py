"""Whether inputs and targets belong together: other pairings of the recorded rows, and what simple learners make of them.

N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from goodfit.doctor.case import Case
from goodfit.doctor.leaks import keys
from goodfit.doctor.references import references, rows_for_learners
from goodfit.doctor.supervised import Supervised

QUICK = (
    "linear",
    "neighbours",
)  # the learners that take a fraction of a second; one of them finds what a pairing that was lost had to tell
SHIFTS = (1, -1, 2, -2)
MOST_PAIRED = 1500  # rows of an order that are looked at: the order is lost everywhere or nowhere
CLEAR = 0.3  # skill of another pairing from where it is taken for the right one; the best of some ten tries by chance stays below 0.1
ALONE, MOST_ALONE = 0.9, 6  # skill of one feature from where the target is taken to be that feature; features that are tried
FEWEST = 60  # rows of an order
FIT = 0.7  # share of them that is fitted on; a gap of two rows parts them from the rest, so that no shift reaches across


@dataclass(frozen=True, slots=True)
class Pairing:
    """Rows with the targets that belong to them. view: the program's with these targets, `trained` and `held` among them. skill: of a simple learner."""

    words: str
    view: Supervised
    skill: float
    error: float


def nothing_found(case: Case) -> bool:
    """Whether no simple learner finds anything in the training rows, by the rows held back."""
    found = case.references
    return bool(found.skill) and found.best < max(0.05, 3 * found.error)


def other_pairings(case: Case) -> Pairing | None:
    """The recorded order of training rows, or of judged ones, with the targets moved by a few rows or turned round: one that simple learners understand."""
    view = case.view
    assert view.pool is not None
    assert view.meeting is not None
    whole = view.pool.whole(view.meeting.target)
    taught = torch.unique(torch.cat([view.trained, view.held])) if view.carved else view.trained
    best: Pairing | None = None
    for side, rows in (("training", taught), ("judged", view.held)):
        if (side == "judged" and view.carved) or len(rows) < FEWEST:
            continue
        rows = rows.sort().values[:MOST_PAIRED]  # by number, which is the order in which they came
        as_they_are = by_themselves(view, rows)
        for words, ours, theirs in _moves(rows):
            table = whole.clone()
            table[ours] = whole[theirs]
            cut = int(len(ours) * FIT)
            paired = replace(view, pool=view.pool.replaced(view.meeting.target, table), trained=ours[:cut], held=ours[cut + 2 :])
            found = references(paired, only=QUICK)
            if found.best <= as_they_are + max(CLEAR, 5 * found.error) or (best is not None and found.best <= best.skill):
                continue
            if not known_to_one(paired, found.best):
                best = Pairing(f"{words} in the order of the {side} rows", paired, found.best, found.error)
    return best


def by_themselves(view: Supervised, rows: Tensor) -> float:
    """Skill of simple learners on the later of these rows, fitted on the earlier ones; never below 0."""
    cut = int(len(rows) * FIT)
    return max(references(replace(view, trained=rows[:cut], held=rows[cut + 2 :]), only=QUICK).best, 0.0)


def learned_alone(case: Case) -> bool:
    """Whether the training rows tell simple learners something about each other: their pairing is intact then, whatever the judged rows are."""
    rows = case.view.trained
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(case.seed))[:MOST_PAIRED]]
    return len(rows) >= FEWEST and by_themselves(case.view, rows) > CLEAR


def _moves(rows: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """words, rows, the rows whose targets they get"""
    for shift in SHIFTS:
        by = f"targets moved by {abs(shift)} row{'s' if abs(shift) > 1 else ''}"
        yield by, (rows[:-shift] if shift > 0 else rows[-shift:]), (rows[shift:] if shift > 0 else rows[:shift])
    yield "targets turned round", rows, rows.flip(0)


def known_to_one(view: Supervised, skill: float) -> bool:
    """Whether a single feature tells the targets as well as all together: so it is where a series is forecast from its own past, moved by a step.

    Only the features that go most with the targets are tried, by a tree of eight leaves each.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    taught, judged = rows_for_learners(view, view.trained), rows_for_learners(view, view.held)
    if taught is None or judged is None:
        return False
    (x, y), (given, wanted) = taught, judged
    ranks = x.argsort(0).argsort(0).astype(float)
    apart = (ranks - ranks.mean(0)) * (y - y.mean())[:, None]
    numbers = view.kind == "regression"
    best = -1.0
    for column in np.abs(apart.sum(0)).argsort()[::-1][:MOST_ALONE]:
        tree = DecisionTreeRegressor(max_depth=6, random_state=0) if numbers else DecisionTreeClassifier(max_depth=3, random_state=0)
        told = tree.fit(x[:, [column]], y).predict(given[:, [column]])
        points = np.clip(1 - (told - wanted) ** 2 / max(float(wanted.var()), 1e-12), -3, 1) if numbers else (told == wanted).astype(float)
        best = max(best, float((points.mean() - view.answers.base) / max(1 - view.answers.base, 1e-6)))
    return best > max(ALONE, 0.95 * skill)


def judged_alone(case: Case) -> Pairing | None:
    """Half of the rows that the program judges by, told from the other half by simple learners, where the training rows tell them nothing."""
    view = case.view
    if view.carved or len(view.held) < FEWEST:
        return None
    order = torch.randperm(len(view.held), generator=torch.Generator().manual_seed(case.seed))
    half = len(order) // 2
    alone = replace(view, trained=view.held[order[:half]], held=view.held[order[half:]])
    found = references(alone, only=QUICK)
    if found.best < max(CLEAR, 5 * found.error):
        return None
    return Pairing("the judged rows alone", alone, found.best, found.error)


def contradicted(view: Supervised) -> float:
    """The share of inputs that came with different targets at different times; 0 where inputs repeat by nature, or targets are made anew each time.

    Targets that are exchanged within every batch make every input contradict itself, while the number of different targets stays what it was.
    """
    assert view.pool is not None
    assert view.meeting is not None
    if not view.inputs():
        return 0.0
    rows = torch.unique(torch.cat([view.trained, view.held])) if view.carved else view.trained
    inputs = keys(view.pool.whole(view.inputs()[0])[rows])
    targets = keys(view.pool.whole(view.meeting.target)[rows])
    batch = keys(view.pool.whole(view.inputs()[0])[view.batches[0]])
    if len(batch.unique()) < 0.95 * len(batch):
        return 0.0
    different, counts = inputs.unique(return_counts=True)  # a pool's rows are unique, so an input that stands twice has two targets
    if len(targets.unique()) > 1.05 * len(different):
        return 0.0
    return float((counts > 1).double().mean())


def told_otherwise(view: Supervised) -> float:
    """The share of judged rows whose very inputs were taught, and never with the target by which they are judged; 0 where hardly any were taught."""
    assert view.pool is not None
    assert view.meeting is not None
    if view.carved or not view.inputs():
        return 0.0
    inputs, targets = keys(view.pool.whole(view.inputs()[0])), keys(view.pool.whole(view.meeting.target))
    taught: dict[float, set[float]] = {}
    for row in view.trained.tolist():
        taught.setdefault(float(inputs[row]), set()).add(float(targets[row]))
    known = [row for row in view.held.tolist() if float(inputs[row]) in taught]
    if len(known) < FEWEST:
        return 0.0
    return sum(float(targets[row]) not in taught[float(inputs[row])] for row in known) / len(known)


def complete(case: Case) -> bool:
    """Whether all rows that the program trains on are likely to have been seen: they came again, or every update was recorded."""
    view = case.view
    drawn = sum(len(rows) for rows in view.batches)
    return drawn > 1.2 * len(torch.cat(view.batches).unique()) or len(view.program.cycles()) >= view.program.updates
