"""`data.imbalance`: the common classes are learned and the rare ones given up, because the loss hardly counts them.

Judged by the mean of the classes' own scores, each class counting the same. Few rows of a class are no fault where they are told apart all the same; so the
experiment shows every class as often as the commonest, and asks whether the balanced score rises by much, from a level near that of guessing.
Source: Buda, Maki, Mazurowski, A systematic study of the class imbalance problem (2018): oversampling is the remedy that never hurt.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_losses
from goodfit.doctor.case import ERRORS, SEEDS, Case, Gain, Proof, Remedy, Suspicion
from goodfit.doctor.short import Outcome, Setup
from goodfit.doctor.supervised import Supervised
from goodfit.doctor.task import Answers

CODE = "data.imbalance"
RARE = 0.3  # of the share that each class would have: 15 of 100 rows with two classes, 3 with ten
FEWEST = 8  # rows of a class that are needed on either side: fewer give no score
POOR = 0.5  # balanced skill above which the rare classes are learned
MARGIN = 0.15  # of balanced skill: weights buy some of it on any overlapping classes, at the cost of the common ones


def suspect(case: Case) -> Suspicion | None:
    """A rare class, and its score far below the others'."""
    view = case.view
    if view.kind not in {"classes", "one-hot", "binary"} or view.meeting is None or view.pool is None or case.setup.rows is not None:
        return None
    taught, judged = codes(view, view.trained), codes(view, view.held)
    outcome = case.outcome()
    if taught is None or judged is None or outcome.held is None:
        return None
    counts = torch.bincount(taught)
    present = (counts >= FEWEST).nonzero().flatten()
    if len(present) < 2:
        return None
    share = counts[present].double() / counts[present].sum()
    if float(share.min()) > RARE / len(present):
        return None
    level, _ = balanced(outcome, judged)
    if not math.isfinite(level) or level >= POOR:
        return None
    perplexity = float(torch.exp(-(share * share.log()).sum()))
    return Suspicion(
        CODE, 0.7,
        {"classes": len(present), "rarest_share": round(float(share.min()), 4), "label_perplexity": round(perplexity, 2), "balanced_skill": round(level, 3)},
        always=True, probe=_probe, would_have="the same balanced score with every class shown as often as the commonest",
        message="The rare classes are hardly ever predicted: the loss counts them as little as there are few of them.",
    )  # fmt: skip


def codes(view: Supervised, rows: Tensor) -> Tensor | None:
    """[N] int64 classes of rows; None where a row has several."""
    if not len(rows):
        return None
    targets = view.targets(rows).detach().cpu()
    if view.kind == "one-hot":
        targets = targets.argmax(-1)
    if targets.numel() != len(rows):
        return None
    flat = targets.reshape(len(rows))
    if view.kind == "binary":
        return (flat > view.answers.middle.cpu()).long()
    return None if int(flat.min()) < 0 else flat.long()


def balanced(outcome: Outcome, classes: Tensor) -> tuple[float, float]:
    """Skill with each class counting the same (0 is guessing, 1 perfection) and its standard error from the rows."""
    if outcome.held is None or len(outcome.held) != len(classes):
        return math.nan, math.nan
    parts = [outcome.held[classes == one] for one in classes.unique()]
    parts = [part.double() for part in parts if len(part) >= FEWEST]
    if len(parts) < 2:
        return math.nan, math.nan
    room = 1 - 1 / len(parts)
    mean = sum(float(part.mean()) for part in parts) / len(parts)
    error = math.sqrt(sum(float(part.var()) / len(part) for part in parts)) / len(parts)
    return (mean - 1 / len(parts)) / room, error / room


def apart(before: Outcome, after: Outcome, classes: Tensor) -> tuple[float, float]:
    """How much higher the balanced skill is after, and its standard error from the rows, each of which is compared with itself."""
    if before.held is None or after.held is None or not len(before.held) == len(after.held) == len(classes):
        return math.nan, math.nan
    gained = (after.held - before.held).double()
    parts = [part for one in classes.unique() if len(part := gained[classes == one]) >= FEWEST]
    if len(parts) < 2:
        return math.nan, math.nan
    room = len(parts) - 1  # of the sum over the classes: guessing is right for one of them
    return sum(float(part.mean()) for part in parts) / room, math.sqrt(sum(float(part.var()) / len(part) for part in parts)) / room


def evened(view: Supervised, taught: Tensor) -> Tensor:
    """The training rows with those of rare classes several times."""
    counts = torch.bincount(taught)
    times = (counts.max() / counts.clamp_min(1)).round().long().clamp(1, 1000)
    return view.trained.repeat_interleave(times[taught])


def _probe(case: Case) -> Proof | None:
    view = case.view
    taught, judged = codes(view, view.trained), codes(view, view.held)
    assert taught is not None
    assert judged is not None
    rows = evened(view, taught)

    def change(setup: Setup) -> Setup:
        return replace(setup, name="classes evened out", rows=rows)

    setup = change(case.setup)
    before: list[Outcome] = []
    after: list[Outcome] = []
    each: list[float] = []
    errors: list[float] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        before.append(case.outcome(seed=seed))
        after.append(case.outcome(setup, seed))
        value, error = apart(before[-1], after[-1], judged)
        each.append(value)
        errors.append(error)
        if not each[-1] >= (MARGIN if len(each) == 1 else 0.0):  # the first seed acquits; of all the mean is asked
            return None
    value = statistics.fmean(each)
    spread = statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0
    error = math.hypot(spread, statistics.fmean(errors) / math.sqrt(len(errors)))
    if value < MARGIN or value < ERRORS * error:
        return None
    reached = statistics.fmean(balanced(one, judged)[0] for one in before)
    gain = Gain(value, error, min(value / max(1 - reached, 1e-6), 1.0), tuple(round(one, 4) for one in each))
    remedy = Remedy(
        "Weigh the classes in the loss by how rare they are, or draw the rare ones more often.", change, lambda: _edit(case, taught)
    )
    kept = replace(setup, answers=evenly_judged(view, judged))  # from here on each class counts the same
    return Proof(
        gain, f"balanced skill {reached:.3f} as it is and {reached + value:.3f} with every class shown as often",
        remedy, kept, tuple(before), tuple(after), severity="warning",
    )  # fmt: skip


def evenly_judged(view: Supervised, judged: Tensor) -> Answers:
    """The program's answers with points for a right one by how rare its class is among the judged rows."""
    share = torch.bincount(judged).double() / len(judged)
    present = int((share > 0).sum())
    weights = torch.where(share > 0, 1 / (share * present).clamp_min(1e-9), torch.zeros_like(share)).float()
    if len(weights) < 2:
        return view.answers
    return replace(view.answers, weights=weights, base=1 / present)


def _edit(case: Case, taught: Tensor) -> Any:
    place, meeting = case.program.places.get("loss"), case.view.meeting
    if place is None or meeting is None:
        return None
    counts = torch.bincount(taught).clamp_min(1).double()
    if meeting.loss == "binary_cross_entropy_with_logits":
        return source_losses.set_loss_argument(place, meeting.loss, "pos_weight", f"torch.tensor({float(counts[0] / counts[-1]):.4g})")
    if meeting.loss in {"cross_entropy", "nll_loss"} and case.view.kind == "classes" and len(counts) <= 100:
        return source_losses.weigh_classes(place, meeting.loss, (counts.sum() / (len(counts) * counts)).tolist())
    return None
