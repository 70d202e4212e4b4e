"""`data.labels-wrong`: the targets are not those of the inputs.

Seen without any learner: targets that are all the same, or that the loss cannot mean (probabilities that do not sum to 1, labels outside 0 to 1); the same
input with other targets at other times. Else the question is whether the pairing is broken or nothing is there to be learned (`data.no-signal`). It is
broken where another pairing is understood: targets moved by a few rows in the recorded order, other numbers for the judged rows' classes, the judged rows
by themselves while the training rows tell nothing. Where nothing of that is to be seen, as with targets that were shuffled once and for all, only the source
can tell; one array put in another order by itself then counts.
Source: Zhang et al. (2017) on random labels; Humbatova et al., Taxonomy of real faults in deep learning systems (2020), "wrong labels" among the commonest.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor.case import MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.data_imbalance import codes
from goodfit.doctor.faults.data_shift import NEVER_TAUGHT, never_taught
from goodfit.doctor.pairing import (
    Pairing,
    complete,
    contradicted,
    judged_alone,
    learned_alone,
    nothing_found,
    other_pairings,
    told_otherwise,
)
from goodfit.doctor.program import Backward, Part, Tape, Value, tensors_of
from goodfit.doctor.replay import run_tape
from goodfit.doctor.rows import Slot
from goodfit.doctor.short import Outcome, run
from goodfit.doctor.source_pairing import one_sided
from goodfit.doctor.supervised import Supervised
from goodfit.doctor.task import LOSSES, Kind, Meeting, answers_of

CODE = "data.labels-wrong"
TAUGHT = frozenset(
    {
        "cross_entropy",
        "nll_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
    }
)
SHAPES = frozenset(
    {
        "squeeze",
        "unsqueeze",
        "flatten",
        "view",
        "reshape",
        "transpose",
        "permute",
        "__getitem__",
        "float",
        "to",
        "contiguous",
        "movedim",
        "sigmoid",
        "softmax",
        "log_softmax",
    }
)
CONTRADICTED = (
    0.5  # share of inputs with several targets: noise that is drawn anew each epoch reaches that in many epochs, but is learned from
)
RENAMED = 0.2  # of all judged rows that other names for the classes put right
MOSTLY = 0.5  # of the judged rows with a class that was never taught: so it is where other classes are judged, not where they are numbered otherwise
AS_TAUGHT = 0.7  # of the score on training rows that judged ones must reach under those names: rows of another kind fit under no names
MESSAGE = "The targets are not those of the inputs: "


def suspect(case: Case) -> Suspicion | None:
    """One of the signals above, the exact ones first."""
    view = case.view
    if view.pool is None or view.meeting is None or case.setup.targets is not None:
        return None
    found = constant(case)
    if found is not None or view.kind == "unknown":
        return found
    return impossible(case) or renamed(case) or broken(case)


def constant(case: Case) -> Suspicion | None:
    """All targets that were taught are one and the same, and the network's own answer is compared with them.

    A GAN teaches its halves apart, a contrastive loss compares products of answers with the first place, a residual is taught to be 0: none of these.
    """
    view = case.view
    assert view.meeting is not None
    passes = [event.tape for event in case.program.events if isinstance(event, Backward)]
    several = len(case.program.networks) > 1 or len(case.program.optimizers) > 1
    if view.meeting.loss not in TAUGHT or several or not answered(view.tape, view.meeting) or not complete(case):
        return None
    number = view.meeting.target
    targets = [tape.data[number] for tape in passes if len(tape.data) > number and tape.data[number].dtype == view.tape.data[number].dtype]
    first = targets[0].flatten()[:1]
    rows = sum(len(one) if one.dim() else 1 for one in targets)
    centre = view.meeting.loss in {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"} and targets[0].numel() > len(
        targets[0]
    )  # one point for all rows
    if rows < 20 or centre or not len(first) or any(bool((one != first).any()) for one in targets):
        return None
    evidence: dict[str, Any] = {"training_rows": rows, "different_targets": 1, "target": float(first[0])}
    if len(view.held) and not view.carved and number in (view.pool.slots if view.pool else {}):
        evidence["different_targets_judged"] = int(view.targets(view.held).unique().numel())
    proof = Proof(
        None, f"{rows} targets that were taught are {float(first[0]):g}; whatever the input, the same answer has no loss",
        Remedy("Look at where the targets are made: they lose their values before they are taught (divided, cut off, overwritten, one class only).", lambda setup: setup),
        None, confidence=0.99,
    )  # fmt: skip
    return Suspicion(
        CODE, 0.97, evidence, certain=True, always=True, probe=lambda one: proof, would_have="at least two different targets",
        message=MESSAGE + "they are all the same, so there is nothing to tell apart.",
    )  # fmt: skip


def answered(tape: Tape, meeting: Meeting) -> bool:
    """Whether what is compared is one network's answer, at most in another shape, and nothing else is compared."""
    if sum(isinstance(node.call, Part) for node in tape.nodes) != 1 or sum(node.name in LOSSES for node in tape.nodes) != 1:
        return False
    number = meeting.output.node
    while not isinstance((node := tape.nodes[number]).call, Part):
        values = [leaf for leaf in tensors_of((node.args, dict(node.kwargs))) if isinstance(leaf, Value)]
        if node.name not in SHAPES or len(values) != 1:
            return False
        number = values[0].node
    return True


def impossible(case: Case) -> Suspicion | None:
    """Probabilities that do not sum to 1, or labels outside 0 to 1, where the loss asks for such."""
    view = case.view
    assert view.meeting is not None
    assert view.pool is not None
    targets = view.pool.whole(view.meeting.target)
    if not targets.is_floating_point() or not targets.numel() or not bool(torch.isfinite(targets).all()):
        return None
    if view.meeting.loss == "cross_entropy" and targets.dim() > 2:
        total = targets.sum(-1, keepdim=True)
        if bool((total <= 0).any()) or float((total - 1).abs().median()) < 0.01 or float(targets.min()) < 0:
            return None
        fixed, said = targets / total, f"probabilities that sum to {float(total.median()):.3g}"
        kind: Kind = "one-hot" if bool((fixed.amax(-1) > 0.999).all()) else "regression"
        words = "Give cross-entropy class numbers, or probabilities that sum to 1."
    elif view.meeting.loss in {"binary_cross_entropy", "binary_cross_entropy_with_logits"}:
        low, high = float(targets.min()), float(targets.max())
        if (low >= 0 and high <= 1.0 and high > 0.05) or high <= low:
            return None
        values = targets.unique()
        fixed = (targets == values[-1]).to(targets) if len(values) == 2 else (targets - min(low, 0.0)) / (high - min(low, 0.0))
        if len(fixed.unique()) > 2:
            return None
        kind = "multilabel" if targets.shape[-1] > 1 and targets.dim() > 2 else "binary"
        said, words = f"labels from {low:g} to {high:g} where 0 and 1 are meant", "Make the labels 0 and 1 before they are taught."
    else:
        return None
    if kind == "regression":
        return None
    node = view.tape.nodes[view.meeting.node]
    right = replace(
        view, pool=view.pool.replaced(view.meeting.target, fixed), kind=kind, answers=answers_of(kind, node, fixed[view.trained])
    )
    pairing = Pairing(said, right, 0.0, 0.0)
    return Suspicion(
        CODE, 0.9, {"lowest": float(targets.min()), "highest": float(targets.max())}, certain=True, always=True,
        probe=lambda one: _taught(one, pairing, Remedy(words, lambda setup: setup), 0.015),
        would_have="the same score with the labels as they are", message=MESSAGE + said + ".",
    )  # fmt: skip


def renamed(case: Case) -> Suspicion | None:
    """The judged rows' classes have other numbers than those that were taught: one renaming of all puts most of them right."""
    view = case.view
    outcome = case.outcome()
    if (
        view.carved
        or view.kind not in {"classes", "one-hot", "binary"}
        or outcome.trained is None
        or outcome.held is None
        or len(view.held) < 60
    ):
        return None
    if float(outcome.trained.mean()) - float(outcome.held.mean()) < RENAMED or outcome.copies is None:
        return None
    judged, told = codes(view, view.held), _told(view, outcome, view.held)
    if judged is None or told is None or never_taught(case, view.held) > MOSTLY:
        return None
    names = _names(told, judged)
    right = float((names[told] == judged).double().mean())
    moved = right - float((told == judged).double().mean())
    if moved < RENAMED or right < AS_TAUGHT * float(outcome.trained.mean()):
        return None
    return Suspicion(
        CODE, 0.9, {"judged_rows_put_right": round(moved, 3)}, certain=True, always=True, probe=_renamed,
        would_have="no other numbers of the classes that fit the judged rows better",
        message=MESSAGE + "the classes of the judged rows are numbered otherwise than those of the training rows.",
    )  # fmt: skip


def _told(view: Supervised, outcome: Outcome, rows: Tensor) -> Tensor | None:
    """[N] the classes that a copy answers."""
    assert outcome.copies is not None
    assert view.meeting is not None
    outcome.copies.set_modes(view.tape, False)
    found = []
    with torch.no_grad():
        for part in rows.split(max(view.batch_size, 1)):
            answer = run_tape(view.tape, outcome.copies, view.data(part), until=view.meeting.output)
            if not isinstance(answer, Tensor) or answer.shape[0] != len(part):
                return None
            if view.kind == "binary":
                found.append((answer.reshape(len(part)) > (0.5 if view.answers.squashed(answer) else 0.0)).long())
            elif answer.dim() == 2:
                found.append(answer.argmax(1))
            else:
                return None
    return torch.cat(found).cpu()


def _names(told: Tensor, judged: Tensor) -> Tensor:
    """[C] the judged class that each answered one stands for, one to one, so that most rows are right."""
    from scipy.optimize import linear_sum_assignment

    count = int(max(told.max(), judged.max())) + 1
    table = torch.zeros(count, count)
    table.index_put_((told, judged), torch.ones(len(told)), accumulate=True)
    return torch.tensor(linear_sum_assignment(table.numpy(), maximize=True)[1])


def _renamed(case: Case) -> Proof | None:
    """Names found on one half of the judged rows, worth on the other half."""
    view, sides = case.view, ([], [])  # type: tuple[Supervised, tuple[list[Outcome], list[Outcome]]]
    order = torch.randperm(len(view.held), generator=torch.Generator().manual_seed(case.seed))
    finding, judging = order[: len(order) // 2], order[len(order) // 2 :]
    judged = codes(view, view.held)
    assert judged is not None
    for seed in SEEDS:
        if sides[0] and case.left < 2 * sides[0][0].seconds:
            break
        one = run(view, case.setup, updates=case.updates, seed=seed, seconds=max(case.left, 0.5), keep=True)
        case.runs += 1
        told = _told(view, one, view.held)
        if told is None:
            return None
        names = _names(told[finding], judged[finding])
        names = torch.cat([names, torch.arange(len(names), int(max(told.max(), judged.max())) + 1)])
        for side, given in zip(sides, (told, names[told]), strict=True):
            side.append(replace(one, copies=None, held=(given == judged)[judging].float()))
    gain = case.gain(*sides)
    if not gain.clears(MARGIN):
        return None
    return Proof(
        gain, f"skill {case.level(sides[0]):.3f} with the judged rows' classes as they are, {case.level(sides[1]):.3f} with the numbers that were taught",
        Remedy("Number the classes once, from the training rows, and use the same numbers for the judged rows.", lambda setup: setup), None,
        tuple(sides[0]), tuple(sides[1]),
    )  # fmt: skip


def broken(case: Case) -> Suspicion | None:
    """Simple learners find nothing in the training rows, and there is a sign that this is not the data's nature."""
    if not nothing_found(case):
        return None
    view = case.view
    level = case.level([case.outcome()])
    if level is not None and level > 0.2:
        return None  # a network that learns it: it only is too hard for the simple ones
    if not view.carved and never_taught(case, view.held) >= NEVER_TAUGHT:
        return None  # nothing that was taught can tell these rows: another split, not another pairing
    intact = not view.carved and learned_alone(case)  # the fault is on the judged side, if it is one of the targets at all
    lost = 0.0 if intact else contradicted(view)
    if lost >= CONTRADICTED:
        return Suspicion(
            CODE, 0.95, {"inputs_with_several_targets": round(lost, 3)}, certain=True, always=True,
            probe=lambda one: _permuted(one, "Put inputs and targets in one and the same order: index both by the same permutation.", 0.99),
            would_have="a better score than with targets exchanged at random", message=MESSAGE + "the same input comes with other targets at other times.",
        )  # fmt: skip
    pairing = other_pairings(case)
    if pairing is not None:
        words = f"Mend the pairing of inputs and targets: {pairing.words}, they fit."
        return Suspicion(
            CODE, 0.9, {"skill_as_it_is": round(case.references.best, 3), "skill_paired_otherwise": round(pairing.skill, 3)}, certain=True, always=True,
            probe=lambda one: _taught(one, pairing, Remedy(words, lambda setup: setup), MARGIN),
            would_have="nothing learned from another pairing either", message=MESSAGE + f"with {pairing.words} they can be learned.",
        )  # fmt: skip
    other = told_otherwise(view) if intact else 1.0
    if other < CONTRADICTED:
        return None
    alone = judged_alone(case)
    if alone is not None and intact:
        return Suspicion(
            CODE, 0.9, {"inputs_judged_by_targets_that_were_not_taught": round(other, 3), "skill_from_judged_rows": round(alone.skill, 3)}, certain=True, always=True,
            probe=lambda one: _from_judged(one, alone), would_have="nothing learned from the judged rows either",
            message=MESSAGE + "the same inputs are taught with other targets than they are judged by.",
        )  # fmt: skip
    if intact:
        return None
    if alone is not None:
        return Suspicion(
            CODE, 0.9, {"skill_from_training_rows": round(case.references.best, 3), "skill_from_judged_rows": round(alone.skill, 3)}, certain=True, always=True,
            probe=lambda one: _from_judged(one, alone), would_have="nothing learned from the judged rows either",
            message=MESSAGE + "the judged rows can be learned by themselves, the training rows cannot.",
        )  # fmt: skip
    order = one_sided(case.program)
    if order is None:
        return None
    remedy = f"Line {order.line} puts one array in another order by itself: `{order.code}`. Put inputs and targets in the same order."
    return Suspicion(
        CODE, 0.8, {"line": order.line, "skill_of_simple_learners": round(case.references.best, 3)}, certain=True, always=True,
        probe=lambda one: _permuted(one, remedy, 0.8, lambda: order.edit), would_have="a better score than with targets exchanged at random",
        message=MESSAGE + "one of the two is put in another order by itself.",
    )  # fmt: skip


def _taught(case: Case, pairing: Pairing, remedy: Remedy, margin: float) -> Proof | None:
    """Taught the recorded targets against the right ones, both judged by the right ones."""
    view, own = pairing.view, case.view.pool
    assert view.meeting is not None
    assert own is not None
    slot, whole = own.slots[view.meeting.target], own.whole(view.meeting.target)
    right = replace(case.setup, name="the right targets", rows=view.trained)
    wrong = replace(right, name="the recorded targets", targets=lambda target, rows: slot.joined(whole[rows.to(whole.device)]))
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        for side, setup in ((before, wrong), (after, right)):
            side.append(run(view, setup, updates=case.updates, seed=seed, seconds=max(case.left, 0.5)))
            case.runs += 1
    return _proof(case, view, before, after, remedy, margin)


def _from_judged(case: Case, alone: Pairing) -> Proof | None:
    """Trained on half of the judged rows, against as many of the training rows; judged by the other half."""
    count = len(alone.view.trained)
    some = case.view.trained[torch.randperm(len(case.view.trained), generator=torch.Generator().manual_seed(case.seed))[:count]]
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        for side, rows in ((before, some), (after, alone.view.trained)):
            side.append(run(alone.view, replace(case.setup, rows=rows), updates=case.updates, seed=seed, seconds=max(case.left, 0.5)))
            case.runs += 1
    words = "Put the training inputs and their targets in one and the same order: the pairing is lost where the training rows are made."
    order = one_sided(case.program)
    return _proof(case, alone.view, before, after, Remedy(words, lambda setup: setup, (lambda: order.edit) if order else None), MARGIN)


def _proof(case: Case, view: Supervised, before: list[Outcome], after: list[Outcome], remedy: Remedy, margin: float) -> Proof | None:
    other = copy.copy(case)  # for its arithmetic, by the targets that are right
    other.view = view
    gain = other.gain(before, after)
    if not gain.clears(margin):
        return None
    return Proof(
        gain, f"skill {other.level(before):.3f} with the recorded targets and {other.level(after):.3f} with the right ones", remedy, None, tuple(before), tuple(after)
    )  # fmt: skip


def _permuted(case: Case, words: str, confidence: float, source: Any = None) -> Proof | None:
    """Targets exchanged at random change nothing: what the program teaches has nothing to do with its inputs."""
    found = indifferent(case)
    if found is None:
        return None
    return Proof(None, found, Remedy(words, lambda setup: setup, source), None, confidence=confidence)


def indifferent(case: Case) -> str | None:
    """What was shown, where copies that are taught targets exchanged between the rows score no worse and come to no higher loss; None where they do."""
    view = case.view
    assert view.pool is not None
    assert view.meeting is not None
    slot, whole = view.pool.slots[view.meeting.target], view.pool.whole(view.meeting.target)
    before: list[Outcome] = []
    after: list[Outcome] = []
    for seed in SEEDS:
        if before and case.left < 2 * before[0].seconds:
            break
        table = whole.clone()
        table[view.trained] = whole[view.trained[torch.randperm(len(view.trained), generator=torch.Generator().manual_seed(seed))]]
        exchanged = replace(case.setup, name="targets exchanged", targets=partial(_from_table, slot, table))
        before.append(case.outcome(exchanged, seed))
        after.append(case.outcome(seed=seed))
    gain = case.gain(before, after)
    tail = [sum(sum(one.losses[-20:]) / len(one.losses[-20:]) for one in side) / len(side) for side in (before, after)]
    if gain.value > max(0.03, 2.5 * gain.error) or not tail[1] > 0.9 * tail[0]:
        return None
    return f"held skill {case.level(after):.3f} as it is and {case.level(before):.3f} with targets exchanged at random; training loss {tail[1]:.4g} and {tail[0]:.4g}"


def _from_table(slot: Slot, table: Tensor, target: Tensor, rows: Tensor) -> Tensor:
    """The targets of these rows out of a table of all, in place of those given."""
    return slot.joined(table[rows.to(table.device)])
