"""`data.leak`: the score promises more than it will hold, because what is judged was given away.

Five ways: rows that are judged were trained on; one feature is the target in disguise, or was made of the training rows' targets; rows of one origin stand on both sides; a network that is to foretell
the next entry of a sequence sees it.
Each is an exact signal, and each is proven by taking the leak away: the score of the same rows drops beyond chance. Duplicates that a table has by nature
(few columns of few values) are told well without having been trained on, so nothing drops, and nothing is said.
Source: Kapoor and Narayanan, Leakage and the reproducibility crisis (2023), kinds L1.1, L1.4, L2 and L3.2.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from goodfit.doctor.case import MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.data_shift import blanked, without_columns
from goodfit.doctor.leaks import future_seen, judged_and_trained, recalled_features, shared_groups, telling_features
from goodfit.doctor.references import references
from goodfit.doctor.short import MOST_SCORED, Outcome, run, score

CODE = "data.leak"
FEWEST = 20  # rows that were trained on and are judged: fewer give no score
SHARE = 0.05  # of what is judged: below, the whole score is hardly touched
LEFT = 0.03, 0.97  # skill without the telling feature: below, it is all there is to learn from; above, nothing was given away
LEFT_NEARLY = (
    0.1,
    0.85,
)  # the same where the feature is the target but for some noise: one strong measurement among as strong ones is no leak
DROP = 0.1  # of skill that a network loses at the next entry without seeing it, and without a column that is nearly the target


def suspect(case: Case) -> Suspicion | None:
    """Judged rows that were trained on, a feature that is a function of the target, or answers that change with the entry they foretell."""
    view = case.view
    if view.pool is None or view.meeting is None:
        return None
    rows, share, subset = judged_and_trained(case)
    if len(rows) >= FEWEST and share >= SHARE:
        how = "all judged rows are among those trained on" if subset else "some judged rows were trained on"
        return Suspicion(
            CODE, 0.8, {"judged_rows_trained_on": len(rows), "share": round(share, 3)}, certain=True, always=True, probe=lambda one: _left_out(one, rows),
            would_have="the same score of these rows when they are not trained on",
            message=f"The score is partly one of memory: {how}.",
        )  # fmt: skip
    features, exact = telling_features(case)
    if len(features):
        return Suspicion(
            CODE, 0.75 if exact else 0.65, {"columns": [int(one) for one in features[:20]]}, certain=exact, always=True,
            probe=lambda one: _without(one, features, exact),
            would_have="the same score without these columns",
            message="A column of the inputs is the target in disguise: it will not be there when a prediction is needed.",
        )  # fmt: skip
    recalled = recalled_features(case)
    if len(recalled):
        return Suspicion(
            CODE, 0.7, {"columns": [int(one) for one in recalled]}, always=True, probe=lambda one: without_columns(one, one.view.held, recalled),
            would_have="the same score of the judged rows without these columns",
            message="A column of the inputs knows the targets of the training rows, and not those of others: it was made of them.",
        )  # fmt: skip
    groups = shared_groups(case)
    if groups is not None:
        return Suspicion(
            CODE, 0.7, {"groups": int(groups[:, 1].max()) + 1, "rows_looked_at": len(groups)}, always=True, probe=lambda one: _grouped(one, groups),
            would_have="the same score of a group's rows when no other row of the group is trained on",
            message="Rows come in tight groups, and the judged ones share theirs with training rows: the score is of groups that are known, not of new ones.",
        )  # fmt: skip
    seen = future_seen(case)
    if seen is None or seen[0] - seen[1] < DROP:
        return None
    return Suspicion(
        CODE, 0.85, {"skill": round(seen[0], 3), "skill_without_what_follows": round(seen[1], 3)}, certain=True, always=True,
        probe=lambda one: Proof(
            None, f"skill {seen[0]:.3f} at the next entry, and {seen[1]:.3f} where what follows is exchanged with other rows (standard error {seen[2]:.3f})",
            Remedy("Let no position see those after it: a causal mask, or a network of one direction.", lambda setup: setup), None,
        ) if seen[0] - seen[1] > 3 * seen[2] else None,
        would_have="the same answers whatever follows the position",
        message="The network foretells the next entry of a sequence that it is shown: its answer changes with the entry it is to foretell.",
    )  # fmt: skip


def _left_out(case: Case, rows: Tensor) -> Proof | None:
    """Copies that train on these rows against copies that do not, and on as many others less: the same rows scored by both."""
    view = case.view
    apart = torch.zeros(len(view.pool or ()), dtype=torch.bool)
    apart[rows] = True
    inside, others = view.trained[apart[view.trained]], view.trained[~apart[view.trained]]
    if len(inside) < FEWEST or len(others) < FEWEST:
        return None
    generator = torch.Generator().manual_seed(case.seed)
    fewer = others[torch.randperm(len(others), generator=generator)[: max(len(others) - len(inside), len(others) // 2)]]
    judged = inside[torch.randperm(len(inside), generator=generator)[:MOST_SCORED]]
    found = _drop(case, others, torch.cat([fewer, inside]), judged)
    if found is None:
        return None
    drop, levels = found
    return Proof(
        None, f"skill {_said(levels[0])} on these rows when they are trained on, {_said(levels[1])} when they are left out",
        Remedy("Part the rows before anything is trained, so that none is on both sides; copies of a row, and rows of one group, belong on one side.", lambda setup: setup),
        None, facts={"score_too_high_by": round(drop, 3)},
    )  # fmt: skip


def _grouped(case: Case, groups: Tensor) -> Proof | None:
    """A quarter of the groups: one half of their rows judges; copies are taught the other half, or as many rows of other groups."""
    number = groups[:, 1]
    generator = torch.Generator().manual_seed(case.seed)
    drawn = torch.randperm(int(number.max()) + 1, generator=generator)
    apart = torch.isin(number, drawn[: len(drawn) // 4])
    inside, others = groups[apart, 0], groups[~apart, 0]
    inside = inside[torch.randperm(len(inside), generator=generator)]
    judged, taught = inside[: len(inside) // 2], inside[len(inside) // 2 :]
    if len(judged) < FEWEST or len(others) < 2 * len(taught):
        return None
    fewer = others[torch.randperm(len(others), generator=generator)[: len(others) - len(taught)]]
    found = _drop(case, others, torch.cat([fewer, taught]), judged)
    if found is None:
        return None
    drop, levels = found
    return Proof(
        None, f"skill {_said(levels[0])} on rows of groups that are trained on, {_said(levels[1])} on the same rows when their groups are not",
        Remedy("Split by group: all rows of one origin (a patient, a day, a document and its copies) on one side.", lambda setup: setup), None,
        facts={"score_too_high_by": round(drop, 3)},
    )  # fmt: skip


def _drop(case: Case, without: Tensor, given: Tensor, judged: Tensor) -> tuple[float, tuple[float | None, float | None]] | None:
    """How much better copies score the judged rows when they train on the rows `given` than on those `without`: the drop, and the skill of both."""
    sides: tuple[list[Outcome], list[Outcome]] = ([], [])
    for seed in SEEDS:
        if sides[0] and case.left < 2 * sides[0][0].seconds:
            break
        for side, taught in zip(sides, (without, given), strict=True):
            done = run(case.view, replace(case.setup, rows=taught), updates=case.updates, seed=seed, seconds=max(case.left, 0.5), keep=True)
            case.runs += 1
            assert done.copies is not None
            held, loss = score(case.view, case.setup, done.copies, judged)
            side.append(replace(done, held=held, held_loss=loss, copies=None))
        if case.gain(*sides).value < MARGIN:
            return None
    drop = case.gain(*sides)
    return (drop.value, (case.level(sides[1]), case.level(sides[0]))) if drop.clears(MARGIN) else None


def _without(case: Case, features: Tensor, exact: bool) -> Proof | None:
    """The features set to what they are on average, against the program as it is."""
    view = case.view
    number = view.inputs()[0]
    assert view.pool is not None
    slot, whole = view.pool.slots[number], view.pool.whole(number)
    flat = whole[view.trained].flatten(1)
    middle = flat[:, features].float().mean(0)
    inner = case.setup.prepare

    def prepare(data: list[Tensor]) -> list[Tensor]:
        given = list(data)
        cut = slot.cut(given[number], given[number].shape[slot.dim] // slot.chunk)
        blank = cut.flatten(1).clone()
        blank[:, features] = middle.to(blank)
        given[number] = slot.joined(blank.reshape(cut.shape))
        return given if inner is None else inner(given)

    setup = replace(case.setup, name="without the telling columns", prepare=prepare)
    kept = torch.ones(flat.shape[1], dtype=torch.bool)
    kept[features] = False
    other = references(replace(view, pool=view.pool.replaced(number, _blanked(whole, features))), only=("linear", "neighbours"))
    low, high = LEFT if exact else LEFT_NEARLY
    if not low <= other.best <= high:
        return None
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        before.append(case.outcome(setup, seed))
        after.append(case.outcome(seed=seed))
    drop = case.gain(before, after)
    if not drop.clears(MARGIN / 2 if exact else DROP):
        return None
    return Proof(
        None, f"skill {_said(case.level(after))} with these columns and {_said(case.level(before))} without ({', '.join(f'{one:+.3f}' for one in drop.each)})",
        Remedy("Drop these columns, unless they are known before the target is.", lambda one: one, lambda: blanked(case, features)), None,
        facts={"score_too_high_by": round(drop.value, 3)},
    )  # fmt: skip


def _blanked(whole: Tensor, features: Tensor) -> Tensor:
    blank = whole.flatten(1).clone()
    blank[:, features] = 0
    return blank.reshape(whole.shape)


def _said(level: float | None) -> str:
    return "unknown" if level is None else f"{level:.3f}"
