"""`data.label-noise`: labels that are wrong at random, learned by heart.

Noise by itself is no fault of a program that bears it; it is one where the network learns it by heart, to its harm. Learners that did not see a row say what
its label should be; where classes merely overlap they doubt the rows that lie between, where labels are wrong they doubt rows they are otherwise sure of.
The experiment leaves the doubtful rows out, against as many at random.
Source: Northcutt, Jiang, Chuang, Confident Learning (2021), for the choice of rows; Arpit et al. (2017) for what is learned by heart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.doctor import source_losses
from goodfit.doctor.case import MARGIN as GAINED
from goodfit.doctor.case import SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.pairing import QUICK
from goodfit.doctor.references import out_of_fold, told
from goodfit.doctor.short import Outcome, Setup
from goodfit.doctor.task import Kind

CODE = "data.label-noise"
GAP = 0.1  # of skill between training and held rows: with less, nothing was learned by heart
LEAST, MOST = 0.04, 0.45  # share of doubtful labels: fewer do little harm, and with more nobody knows which ones are right
EVEN = 0.5  # the share of doubt among the rows that are surest, over that among all: near 1 where labels are wrong anywhere, near 0 where classes overlap
OUTLIER = 6.0  # median absolute deviations of a residual: beyond 4 standard deviations
MOST_SHOWN = 1500  # training rows whose labels are shown to learners: a difference of 5 points to three errors, in half a second
MOST_OF = 0.5  # of what leaving the doubtful rows out gains, that a loss which bears them must gain to be told in its place
NOISIER = 0.08  # of the labels, by which training ones contradict a learner that did not see them more often than judged ones do


def suspect(case: Case) -> Suspicion | None:
    """Training rows are answered far better than held ones, or their labels are contradicted far more often, where a simple learner finds something to learn."""
    view = case.view
    if view.kind not in {"classes", "one-hot", "binary", "regression"} or case.setup.rows is not None or len(view.trained) < 100:
        return None
    outcome = case.outcome()
    trained, held = case.level([outcome], "trained"), case.level([outcome])
    if trained is None or held is None or case.references.best < 0.2:
        return None
    evidence = {"skill_on_training_rows": round(trained, 3), "skill_on_held_rows": round(held, 3)}
    noisier = case.once("noisier", case.first, lambda: contradicted(case))
    if noisier is None and trained - held < GAP:
        return None
    if noisier is not None:
        evidence |= {"training_labels_contradicted": round(noisier[0], 3), "held_labels_contradicted": round(noisier[1], 3)}
    return Suspicion(
        CODE, 0.5 if noisier is None else 0.7, evidence, probe=_probe, always=noisier is not None,
        would_have="no more gained by leaving out the doubtful rows than by leaving out as many at random",
        message="Labels that are wrong at random are learned by heart.",
    )  # fmt: skip


def contradicted(case: Case) -> tuple[float, float] | None:
    """The share of labels that a learner contradicts, of training rows that it did not see and of the program's own held ones: where labels are noisy by
    nature, or the task is hard, both are alike. None where training labels are not contradicted far more often."""
    view = case.view
    if view.carved or len(view.held) < 50 or not case.references.skill:
        return None
    some = view.trained[torch.randperm(len(view.trained), generator=torch.Generator().manual_seed(0))[:MOST_SHOWN]]
    for name in QUICK:
        found, judged = out_of_fold(view, some, name), told(view, some, view.held, name)
        if found is None or judged is None:
            continue
        _, y, said = found
        if view.kind == "regression":
            off, apart = (np.abs(one - np.median(one)) for one in (y - said, judged[0] - judged[1]))
            far = OUTLIER * max(float(np.median(off)), 1e-12)
            ours, theirs, least = float((off > far).mean()), float((apart > far).mean()), LEAST / 2
        else:
            ours, theirs, least = float((said.argmax(1) != y).mean()), float((judged[1] != judged[0]).mean()), NOISIER
        error = math.sqrt(max(ours * (1 - ours), 0.01) / len(y) + max(theirs * (1 - theirs), 0.01) / len(view.held))
        if ours - theirs >= max(least, 3 * error):
            return ours, theirs
    return None


def doubtful(case: Case, *, noisier: bool) -> Tensor | None:
    """The training rows whose label learners that did not see them contradict; None where they are too few, too many, or where classes merely overlap.

    noisier: that training labels are contradicted more often than held ones is shown, so that classes do not merely overlap.
    """
    view = case.view
    name = max(case.references.skill, key=lambda one: case.references.skill[one])
    found = out_of_fold(view, view.trained, name)
    if found is None:
        return None
    rows, y, said = found
    if view.kind == "regression":
        off = np.abs(y - said - np.median(y - said))
        bad = off > OUTLIER * max(float(np.median(off)), 1e-12)
        return rows[torch.from_numpy(bad)] if 0.005 <= bad.mean() <= MOST else None
    sure = np.array([said[y == one, one].mean() if (y == one).any() else 1.0 for one in range(said.shape[1])])
    claimed = np.where(said >= sure, said, 0.0)
    claimed[np.arange(len(y)), y] = 0.0
    bad = claimed.max(1) > said[np.arange(len(y)), y]
    surest = said.max(1) >= np.median(said.max(1))
    wrong = said.argmax(1) != y
    if noisier:
        bad |= wrong
    if not LEAST <= bad.mean() <= MOST or (not noisier and wrong[surest].mean() < EVEN * wrong.mean()):
        return None
    return rows[torch.from_numpy(bad)]


def _probe(case: Case) -> Proof | None:
    rows = doubtful(case, noisier=case.once("noisier", case.first, lambda: contradicted(case)) is not None)
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
    words = f"Look through the labels: {len(rows)} of {len(trained)} contradict what the other rows say. Mend or drop them, or use a loss that bears wrong labels"
    levels = case.level(before), case.level(after)
    proof = Proof(
        against, f"skill {levels[1]:.3f} without the doubtful rows, {levels[0]:.3f} without as many at random", Remedy(f"{words}.", change), setup,
        tuple(before), tuple(after), confidence=round(min(0.5 * (1 + math.erf(gain.value / max(gain.error, 1e-3) / math.sqrt(2))), 0.999), 3),
        facts={"doubtful_rows": len(rows), "share": round(len(rows) / len(trained), 3)},
    )  # fmt: skip
    bearing = _bearing(case, words)
    other = None if bearing is None else case.duel(Suspicion(CODE, 0.5, {}), bearing)
    if other is None or other.gain is None or other.gain.value < MOST_OF * against.value:
        return proof
    return replace(other, showed=f"{proof.showed}; {other.showed}", facts=proof.facts)


def generalised(answer: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits [B, C] whose value for a row is bounded: (1 - p**0.7) / 0.7 of the label's probability p, up to a constant and a factor."""
    return nn.functional.nll_loss(answer.softmax(1).clamp(min=1e-6).pow(0.7), target)


def of_probability(answer: Tensor, target: Tensor) -> Tensor:
    """The mean absolute error of a logit's probability."""
    return nn.functional.l1_loss(answer.sigmoid(), target)


def absolute(answer: Tensor, target: Tensor) -> Tensor:
    """The mean absolute error."""
    return nn.functional.l1_loss(answer, target)


# By the program's loss: the kind of answers, the function in its place, what is done to the answer before, the loss itself and its name.
BEARING: dict[str, tuple[Kind, str, str, Callable[[Tensor, Tensor], Tensor], str]] = {
    "cross_entropy": (
        "classes", "nll_loss", "{}.softmax(1).clamp(min=1e-6).pow(0.7)", generalised, "generalised cross-entropy, Zhang and Sabuncu 2018",
    ),
    "binary_cross_entropy_with_logits": (
        "binary", "l1_loss", "{}.sigmoid()", of_probability, "the absolute error of the probability, Ghosh, Kumar and Sastry 2017",
    ),
    "mse_loss": ("regression", "l1_loss", "{}", absolute, "the absolute error"),
}  # fmt: skip


def _bearing(case: Case, words: str) -> Remedy | None:
    """A loss that is bounded for a row, or grows less with its error, in place of the program's: it can be written into the program, as which labels are wrong cannot."""
    meeting, place = case.view.meeting, case.program.places.get("loss")
    assert meeting is not None
    if case.setup.loss is not None or place is None or meeting.loss not in BEARING:
        return None
    kind, new, output, loss, said = BEARING[meeting.loss]
    if case.view.kind != kind or (kind == "classes" and case.view.tape.data[meeting.target].dim() != 1):
        return None
    return Remedy(
        f"{words} ({said}).", lambda setup: replace(setup, name="with a loss that bears wrong labels", loss=loss),
        lambda: source_losses.replace_loss(place, meeting.loss, new, output=output), fair=False,
    )  # fmt: skip
