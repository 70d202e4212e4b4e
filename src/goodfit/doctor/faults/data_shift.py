"""`data.shift`: the rows that a program judges by are of another kind than those it trains on.

Five forms, from the most to the least exact. Classes (or values of a target) that are judged were never taught, as where sorted rows are cut in two.
The inputs that are judged were scaled otherwise than those taught. A few columns mean something else there, and the network does better without them.
They were laid out otherwise: pictures mirrored, columns in another order. Or a classifier tells the two apart for another reason, which is often how the
world is: later months, another hospital. The last is a remark, unless a fifth of what there is to learn is lost by it. Where a program judges at several
places of its file, each is looked at by itself.
Source: Rabanser, Günnemann, Lipton, Failing Loudly (2019), for the classifier that tells two samples apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.doctor import source_data
from goodfit.doctor.case import MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.data_imbalance import codes
from goodfit.doctor.layouts import Prepare, layouts
from goodfit.doctor.scales import Scale, moved, scale_of
from goodfit.doctor.short import Outcome, Setup, run, score
from goodfit.doctor.sides import FEWEST, sides

CODE = "data.shift"
NEVER_TAUGHT = 0.1  # share of the judged rows whose class (or range of values) was never taught
APART = 2.0  # spreads between the means of most features, or this factor squared between their spreads: another scale, not another sample
CHANGED, MOST_CHANGED = 0.3, 3  # distance of two distributions, beyond chance from 100 rows each; columns: more have changed as a whole
TOLD = 0.8  # of the pairs (one row of each side) that a classifier orders rightly: 0.5 is chance
PLAINLY_TOLD = 0.95  # of those pairs, from where a gap between the two sides' scores is no sign of rows learned by heart
FEWEST_TOLD = 60  # rows of each side, of which half are fitted on: with fewer, chance orders four of five pairs once in a thousand times
MUCH = 0.1  # of skill that a mixed split must gain before the split is called wrong
GROSS = 0.2  # of skill, from where it is more than a remark that the world differs: a fifth of all there is to learn is lost
WIDE = 0.3  # of skill between training and judged rows from where a split is tried though the outcome is no worse than a simple learner's
MISREAD = 0.25  # of skill: a network that mirrors or turned pictures cost less knew them already


def suspect(case: Case) -> Suspicion | None:
    """Rows that the program judges by differ from its training rows in their targets, their scale, how they are laid out, or to a classifier; each place
    where it judges is looked at by itself."""
    view = case.view
    if view.carved or view.pool is None or view.meeting is None or len(view.held) < FEWEST or len(view.trained) < FEWEST:
        return None
    parts = sides(view)
    for look in (_new_targets, _other_scale, _other_columns, _other_layout):
        for judged in parts:
            found = look(case, judged)
            if found is not None:
                return found
    told, judged = max(((told_apart(case, judged), judged) for judged in parts), key=lambda pair: pair[0])
    if told < TOLD:
        return None
    return Suspicion(
        CODE, 0.4 if told < PLAINLY_TOLD else 0.6, {"told_apart": round(told, 3)}, probe=lambda one: _mixed(one, judged), always=_gap(case, judged) >= WIDE,
        would_have="the same score after a split from one side",
        message="The rows that the program judges by are of another kind than those it trains on.",
    )  # fmt: skip


def another_kind(case: Case) -> bool:
    """Whether a classifier plainly tells the judged rows from the training rows."""
    view = case.view
    if view.carved or view.pool is None or view.meeting is None:
        return False
    return case.once("another kind", case.first, lambda: max(told_apart(case, judged) for judged in sides(view)) >= PLAINLY_TOLD)


def _new_targets(case: Case, judged: Tensor) -> Suspicion | None:
    new = never_taught(case, judged)
    if new < NEVER_TAUGHT:
        return None
    return Suspicion(
        CODE, 0.85, {"share_of_judged_rows_never_taught": round(new, 3)}, probe=lambda one: _mixed(one, judged, "error"), always=True,
        would_have="the same score after a split from one side",
        message="The program judges by rows whose targets it never trained on: the rows were cut in two in their order, unmixed.",
    )  # fmt: skip


def _other_scale(case: Case, judged: Tensor) -> Suspicion | None:
    pairs = rescaled(case, judged)
    if not pairs:
        return None
    worst = max(_distance(a, b) for a, b in pairs)
    return Suspicion(
        CODE, 0.85, {"distance_in_spreads": round(worst, 2)}, probe=lambda one: _aligned(one, judged, pairs), always=True,
        would_have="the same score with the judged inputs on the scale of the training inputs",
        message="The inputs that the program judges by are on another scale than those it trains on.",
    )  # fmt: skip


def _other_columns(case: Case, judged: Tensor) -> Suspicion | None:
    columns = changed_columns(case, judged)
    if not len(columns):
        return None
    return Suspicion(
        CODE, 0.6, {"columns": [int(one) for one in columns]}, always=True,
        probe=lambda one: without_columns(one, judged, columns) or (_mixed(one, judged) if told_apart(one, judged) >= TOLD else None),
        would_have="the same score without these columns",
        message="A column that the network relies on means something else, or nothing, in the rows that the program judges by.",
    )  # fmt: skip


def _other_layout(case: Case, judged: Tensor) -> Suspicion | None:
    """One way of laying the judged inputs out otherwise, under which the trained copy knows them far better."""
    outcome = case.outcome()
    if _gap(case, judged) < MISREAD or outcome.copies is None:
        return None
    own, _ = score(case.view, case.setup, outcome.copies, judged)
    if own is None:
        return None
    found = None
    best = MISREAD
    for words, prepare in layouts(case, judged):
        points, _ = score(case.view, replace(case.setup, prepare=_before(prepare, case.setup)), outcome.copies, judged)
        if points is None or len(points) != len(own):
            return None
        gained = float(points.mean() - own.mean()) / max(1 - case.view.answers.base, 1e-6)
        if gained >= best:
            found, best = (words, prepare), gained
    if found is None:
        return None
    words, prepare = found
    return Suspicion(
        CODE, 0.8, {"skill_gained_by_the_trained_network": round(best, 3)}, always=True, probe=lambda one: _prepared(one, judged, prepare, words),
        would_have="no better score with the judged inputs laid out in any other way",
        message=f"The inputs that the program judges by were prepared otherwise than those it trains on: they are read with {words}.",
    )  # fmt: skip


def _gap(case: Case, judged: Tensor) -> float:
    """Skill on training rows less skill on these."""
    outcome = case.outcome()
    if outcome.trained is None or outcome.held is None:
        return 0.0
    there = torch.isin(case.view.held, judged)
    if len(outcome.held) != len(there):
        return 0.0
    return float(outcome.trained.mean() - outcome.held[there].mean()) / max(1 - case.view.answers.base, 1e-6)


def never_taught(case: Case, rows: Tensor) -> float:
    """The share of judged rows with a class that no training row has, or a number beyond all that were taught."""
    view = case.view
    if view.kind in {"classes", "one-hot", "binary"}:
        taught, judged = codes(view, view.trained), codes(view, rows)
        if taught is None or judged is None:
            return 0.0
        return float((~torch.isin(judged, taught.unique())).double().mean())
    if view.kind == "regression":
        a, b = view.targets(view.trained).double().flatten(), view.targets(rows).double().flatten()
        low, high = a.min(), a.max()
        wide = (high - low) * 0.02
        return float(((b < low - wide) | (b > high + wide)).double().mean())
    return 0.0


def rescaled(case: Case, rows: Tensor) -> list[tuple[Scale, Scale]]:
    """For each float input whose judged rows are on another scale: their scale, and that of the training rows."""
    view, found = case.view, []
    for number in view.inputs():
        if view.meeting is not None and number == view.meeting.target:
            continue
        taught, judged = scale_of(view, number, view.trained), scale_of(view, number, rows)
        if taught is None or judged is None or taught.middle.shape != judged.middle.shape:
            continue
        if _distance(judged, taught) > 1:
            found.append((judged, taught))
    return found


def _distance(judged: Scale, taught: Scale) -> float:
    """Above 1 for another scale: the median over features of the larger of both differences, each over its bound."""
    means = (judged.middle - taught.middle).abs() / taught.spread / APART
    spreads = (judged.spread / taught.spread).log().abs() / (2 * np.log(APART))
    return float(torch.maximum(means, spreads).flatten().median())


def changed_columns(case: Case, judged: Tensor) -> Tensor:
    """[n] int64: columns of the only input, laid flat, whose values differ most between training rows and judged ones, and in which these are far apart."""
    view = case.view
    none = torch.empty(0, dtype=torch.int64)
    inputs = view.inputs()
    if len(inputs) != 1 or view.pool is None or view.tape.data[inputs[0]].dim() != 2:
        return none
    samples = []
    for rows in (view.trained, judged):
        some = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:500]]
        found = view.features(some)
        if found is None or found.shape[1] > 500 or found.shape[1] < 2:
            return none
        samples.append(found.detach().cpu().double())
    grid = torch.cat(samples).quantile(torch.linspace(0.05, 0.95, 19, dtype=torch.float64), dim=0)  # [19, F]
    below = [(side.unsqueeze(1) <= grid).double().mean(0) for side in samples]
    apart = (below[0] - below[1]).abs().amax(0)  # [F] the statistic of Kolmogorov and Smirnov, on a grid
    chance = 2.0 * sum(1 / len(side) for side in samples) ** 0.5  # of the same statistic, once in a thousand columns
    far = (apart >= max(CHANGED, chance)).nonzero().flatten()
    return far[apart[far].argsort(descending=True)][:MOST_CHANGED].sort().values if len(far) <= MOST_CHANGED else none


def told_apart(case: Case, judged: Tensor) -> float:
    """How often a linear model, fitted on half of both, orders a pair of one training and one judged row rightly."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    view = case.view
    count = min(len(view.trained), len(judged), 400)
    generator = torch.Generator().manual_seed(0)
    samples = [rows[torch.randperm(len(rows), generator=generator)[:count]] for rows in (view.trained, judged)]
    both = view.features(torch.cat(samples))
    if count < FEWEST_TOLD or both is None or both.shape[1] > 2000:
        return 0.5
    x = StandardScaler().fit_transform(np.nan_to_num(both.cpu().double().numpy()).clip(-1e12, 1e12))
    y = np.repeat([0, 1], count)
    fit = np.arange(2 * count) % 2 == 0
    model = LogisticRegression(C=0.1, max_iter=30, tol=1e-2).fit(x[fit], y[fit])
    return float(roc_auc_score(y[~fit], model.decision_function(x[~fit])))


def _aligned(case: Case, judged: Tensor, pairs: list[tuple[Scale, Scale]]) -> Proof | None:
    """The same trained copies, judged with the inputs brought to the training rows' scale."""

    def move(data: list[Tensor]) -> list[Tensor]:
        for held, taught in pairs:
            data = moved(held, taught)(data)
        return data

    return _prepared(
        case,
        judged,
        move,
        "the training rows' scale",
        "Scale the rows that are judged by the mean and the spread of the training rows, in the same way as these.",
    )


def _before(prepare: Prepare, setup: Setup) -> Prepare:
    inner = setup.prepare
    return prepare if inner is None else lambda data: inner(prepare(data))


def _prepared(
    case: Case,
    judged: Tensor,
    prepare: Prepare,
    words: str,
    remedy: str = "Prepare the rows that are judged in the same way as the training rows.",
) -> Proof | None:
    """The same trained copies, judged with the inputs as they are and prepared otherwise."""
    view = case.view
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        one = run(view, case.setup, updates=case.updates, seed=seed, seconds=max(case.left, 0.5), keep=True)
        case.runs += 1
        assert one.copies is not None
        for side, setup in ((before, case.setup), (after, replace(case.setup, prepare=_before(prepare, case.setup)))):
            held, loss = score(view, setup, one.copies, judged)
            side.append(replace(one, copies=None, held=held, held_loss=loss))
    gain = case.gain(before, after)
    if not gain.clears(MARGIN):
        return None
    return Proof(
        gain, f"skill {_said(case.level(before))} on the judged rows as they are and {_said(case.level(after))} with {words}, with the same networks",
        Remedy(remedy, lambda setup: setup), None, tuple(before), tuple(after),
    )  # fmt: skip


def _mixed(case: Case, rows: Tensor, severity: str = "") -> Proof | None:
    """Trained on rows from both sides, as many as before, and judged by the other half of the judged rows. severity: where it is none, it goes by the gain."""
    view = case.view
    generator = torch.Generator().manual_seed(case.seed)
    own = torch.isin(view.held, rows).nonzero().flatten()  # numbers among the held rows
    order = own[torch.randperm(len(own), generator=generator)]
    given, judging = view.held[order[: len(order) // 2]], order[len(order) // 2 :]
    left = view.trained[
        torch.randperm(len(view.trained), generator=generator)[: max(len(view.trained) - len(given), len(view.trained) // 2)]
    ]

    def change(setup: Setup) -> Setup:
        return replace(setup, name="a split from one side", rows=torch.cat([left, given]))

    mixed, whole = change(case.setup), replace(case.setup, name="as it is, in another order", rows=view.trained)
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        for outcomes, setup in ((before, whole), (after, mixed)):
            one = case.outcome(setup, seed)
            if one.held is None:
                return None
            outcomes.append(replace(one, held=one.held[judging]))
        if case.gain(before, after).value < MUCH:
            return None
    gain = case.gain(before, after)
    if not gain.clears(MUCH):
        return None
    severity = severity or ("warning" if gain.value >= GROSS else "remark")
    words = "Mix the rows before they are cut into those to train on and those to judge by" + (
        "." if severity == "error" else ", or reweight or collect rows like those that are judged."
    )
    facts: dict[str, Any] = {"rows_judged_by": len(judging)}
    return Proof(
        gain, f"skill {_said(case.level(before))} as it is and {_said(case.level(after))} trained on as many rows from both sides",
        Remedy(words, lambda setup: setup), None, tuple(before), tuple(after), severity=severity, facts=facts,
    )  # fmt: skip


def without_columns(case: Case, rows: Tensor, columns: Tensor) -> Proof | None:
    """These columns set to one value in all rows, against the program as it is; judged by these rows."""
    view = case.view
    number = view.inputs()[0]
    assert view.pool is not None
    slot, judged = view.pool.slots[number], torch.isin(view.held, rows)
    middle = view.pool.whole(number)[view.trained].flatten(1)[:, columns].float().mean(0)

    def change(setup: Setup) -> Setup:
        inner = setup.prepare

        def prepare(data: list[Tensor]) -> list[Tensor]:
            given = list(data)
            cut = slot.cut(given[number], given[number].shape[slot.dim] // slot.chunk)
            blank = cut.flatten(1).clone()
            blank[:, columns] = middle.to(blank)
            given[number] = slot.joined(blank.reshape(cut.shape))
            return given if inner is None else inner(given)

        return replace(setup, name="without these columns", prepare=prepare)

    setup = change(case.setup)
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        for outcomes, one in ((before, case.setup), (after, setup)):
            found = case.outcome(one, seed)
            if found.held is None:
                return None
            outcomes.append(replace(found, held=found.held[judged]))
        if case.gain(before, after).value < MARGIN:
            return None
    gain = case.gain(before, after)
    if not gain.clears(MARGIN):
        return None
    words = f"Leave out column{'s' if len(columns) > 1 else ''} {', '.join(str(int(one)) for one in columns)} (the first is 0): what is known there when training is not known when judging."
    return Proof(
        gain, f"skill {_said(case.level(before))} on the judged rows as it is and {_said(case.level(after))} without the column", Remedy(words, change, lambda: blanked(case, columns)), setup,
        tuple(before), tuple(after),
    )  # fmt: skip


def blanked(case: Case, columns: Tensor) -> Any:
    """A line below the one that makes the network: these columns of its first input are the same in every row."""
    place = case.program.places.get("model")
    return None if place is None else source_data.blank_columns(place, [int(one) for one in columns])


def _said(level: float | None) -> str:
    return "unknown" if level is None else f"{level:.3f}"
