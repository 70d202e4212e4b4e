"""`loss.family`: the loss is made for another kind of target.

Exact signals: cross-entropy over rows of which several labels are true, over numbers that are no shares of a whole, or over one single output, where it is
0 whatever is answered; a loss of classes or of yes and no on whole numbers that name more than two classes; squares on whole numbers that the program itself
compares with its answers for equality; a loss that is never negative, turned round. Any other loss than the usual one for the kind of target (squares on
one-hot codes, losses of the program's own) is no fault by itself: the usual one is tried where the outcome is bad. Where rows of some classes are many
times those of others, a loss of the program's own is not compared by the share of right answers, which it may trade for the rare classes.
Sources: Islam et al. 2019 (wrong loss is among the commonest bugs); Humbatova et al. 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_losses
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Part
from goodfit.doctor.refit import refit
from goodfit.doctor.standard import FAMILY, class_codes, usual_loss
from goodfit.doctor.task import LOSSES, NUMERIC, Answers, answers_of

CODE = "loss.family"
TURNED = "Make the loss smaller, not its negative: take the sign away."
FEWEST_AMOUNTS = 20  # whole numbers that may be names of classes though nothing says so; more are counts
MARGIN_OF_CODES = 0.1  # of skill, for such: amounts learned as classes often gain a little by their freedom alone
UNEQUAL = (
    3.0  # the most frequent class against the rarest: from there on weighted losses are common, and accuracy is not what they are after
)
NEVER_NEGATIVE = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits"}
)


def suspect(case: Case) -> Suspicion | None:
    """The loss against the kind of target."""
    view, meeting = case.view, case.view.meeting
    if (
        meeting is None
        or view.pool is None
        or meeting.target not in view.pool.slots
        or view.kind in {"unknown", "reconstruction"}
        or meeting.loss == "inside"
    ):
        return None
    targets = view.pool.whole(meeting.target)[view.trained]
    found = _exact(case, targets)
    certain = found is not None
    if found is None:
        if (codes := _maybe_codes(case, targets)) is not None:
            return codes
        if meeting.loss in FAMILY.get(view.kind, ()) or (meeting.loss not in LOSSES and _unequal(case, targets)):
            return None
        answers, units = _standard(case, targets)
        found = (f"The loss {meeting.loss} is not the usual one for {view.kind} targets.", {}, answers, units)
    message, evidence, answers, units = found
    usual = usual_loss(answers)
    if usual is None or refit(case, case.setup, answers, units) is None:
        return None
    new = usual[0]

    def change(setup: Any) -> Any:
        return refit(case, setup, answers, units) or setup

    return Suspicion(
        CODE, 0.85 if certain else 0.35, {"loss": meeting.loss, "targets": view.kind, **evidence},
        (Remedy(TURNED if "value" in evidence else _words(new, units), change, lambda: _edit(case, new), fair=False),),
        certain=certain, would_have="the same score with the usual loss for such targets", message=message,
    )  # fmt: skip


_Found = tuple[str, Mapping[str, Any], Answers, int]


def _exact(case: Case, targets: torch.Tensor) -> _Found | None:
    view, meeting, answer = case.view, case.view.meeting, case.trail.answer
    assert meeting is not None
    loss, kind = meeting.loss, view.kind
    floats = targets.is_floating_point()
    likelihood = loss in {"cross_entropy", "nll_loss", "kl_div"}
    answers, units = _standard(case, targets)
    if likelihood and kind == "multilabel":
        per_row = float(targets.float().flatten(1).sum(1).mean())
        return (
            f"The loss {loss} chooses one class for a row, and {per_row:.3g} labels are true on average.", {"labels_per_row": round(per_row, 4)}, answers, units,
        )  # fmt: skip
    if likelihood and answer is not None and answer.dim() > 1 and answer.shape[1] == 1 and kind in {"binary", "regression"}:
        return (
            f"The loss {loss} over one single output is 0 whatever is answered: nothing can be learned from it.",
            {"outputs": 1},
            answers,
            units,
        )
    if likelihood and floats and kind == "regression":
        return (
            f"The loss {loss} is made for classes, and the targets are numbers.",
            {"distinct_targets": len(targets.unique())},
            answers,
            units,
        )
    if kind == "classes" and class_codes(targets) > 2 and (floats or _one_number(case)):
        return (
            f"The targets are numbers of {answers.classes} classes, and the loss {loss} takes them for amounts: class 3 counts as nearer to 2 than to 0.",
            {"classes": answers.classes}, answers, units,
        )  # fmt: skip
    if loss.startswith("binary_cross_entropy") and kind == "regression" and (float(targets.min()) < 0 or float(targets.max()) > 1):
        return (
            f"The loss {loss} is made for yes and no, and the targets lie between {float(targets.min()):g} and {float(targets.max()):g}.",
            {},
            answers,
            units,
        )
    root = view.tape.root
    if loss in NEVER_NEGATIVE and view.tape.loss < 0 and root is not None and root.node > meeting.node:
        return (
            f"The loss {loss} is turned round: {view.tape.loss:.4g} is made smaller, and with it the answers worse.",
            {"value": view.tape.loss},
            answers,
            units,
        )
    return None


def _one_number(case: Case) -> bool:
    meeting, answer = case.view.meeting, case.trail.answer
    assert meeting is not None
    return answer is not None and answer.numel() == case.view.data(case.view.batches[0])[meeting.target].numel()


def _maybe_codes(case: Case, targets: torch.Tensor) -> Suspicion | None:
    """Few whole numbers as targets of squares, and nothing shows whether they are classes or amounts: to be classes, their likeliest code must be right more
    often and their expected code must be nearer, too."""
    view, meeting = case.view, case.view.meeting
    assert meeting is not None
    units = class_codes(targets)
    if (
        view.kind != "regression"
        or not 3 <= units <= FEWEST_AMOUNTS
        or targets[0].numel() != 1
        or case.head is None
        or meeting.loss not in NUMERIC
    ):
        return None
    judged = answers_of("classes", view.tape.nodes[meeting.node], targets)
    remedy = Remedy(
        f"Use cross_entropy on {units} raw outputs, with the class as a whole number.",
        lambda setup: refit(case, setup, judged, units) or setup,
        fair=False,
    )
    suspicion = Suspicion(
        CODE, 0.4, {"loss": meeting.loss, "distinct_targets": units}, (remedy,), margin=MARGIN_OF_CODES,
        would_have="no more right answers, or numbers no nearer, when the codes are learned as classes",
        message=f"The targets are {judged.classes} whole numbers, and the loss {meeting.loss} takes them for amounts.",
    )  # fmt: skip

    def expected(answer: torch.Tensor) -> torch.Tensor:
        return answer.float().softmax(-1) @ torch.arange(answer.shape[-1], dtype=torch.float32, device=answer.device)

    def prove(case: Case) -> Proof | None:
        proof = case.duel(suspicion, remedy, replace(case.setup, answers=judged))
        if proof is None or proof.setup is None:
            return None
        numbers = replace(proof.setup, afterwards=expected, answers=view.answers)
        return proof if case.duel(suspicion, replace(remedy, change=lambda setup: numbers)) is not None else None

    return replace(suspicion, probe=prove)


def _standard(case: Case, targets: torch.Tensor) -> tuple[Answers, int]:
    """How answers of this kind are judged, and how many outputs the usual loss needs."""
    view, meeting = case.view, case.view.meeting
    assert meeting is not None
    if view.kind == "classes":
        codes = int(targets[targets != view.answers.ignored].max()) + 1
        answer = case.trail.answer
        wide = answer is not None and not targets.is_floating_point() and case.head is not None and case.head.units >= codes
        return answers_of("classes", view.tape.nodes[meeting.node], targets), case.head.units if wide and case.head else codes
    chunk = view.pool.slots[meeting.target].chunk if view.pool is not None else 1
    return view.answers, max(targets[0].numel() // chunk, 1)


def _unequal(case: Case, targets: torch.Tensor) -> bool:
    if case.view.kind not in {"classes", "one-hot", "binary"}:
        return False
    codes = targets.argmax(-1) if case.view.kind == "one-hot" else targets
    counts = codes.flatten().unique(return_counts=True)[1].float()
    return float(counts.max() / counts.min()) > UNEQUAL


def _words(new: str, units: int) -> str:
    made = {
        "cross_entropy": f"Use cross_entropy on {units} raw outputs, with the class as a whole number.",
        "binary_cross_entropy_with_logits": "Use binary_cross_entropy_with_logits: a yes or no for each label, on raw outputs.",
        "mse_loss": "Use mse_loss on raw outputs.",
    }
    return made[new]


def _edit(case: Case, new: str) -> Any:
    """The loss replaced where it is one of torch's and the outputs fit; a head of another width is told in words only."""
    meeting, where = case.view.meeting, case.program.places.get("loss")
    assert meeting is not None
    target = case.view.tape.data[meeting.target]
    plain = case.head is None or case.head.squash is None
    if (
        where is None
        or meeting.loss not in LOSSES
        or not plain
        or any(node.name == "neg" for node in case.view.tape.nodes if not isinstance(node.call, Part))
    ):
        return None
    if new == "cross_entropy":
        if case.view.kind == "classes" and (case.head is None or case.head.units == 1):
            return None
        return source_losses.replace_loss(where, meeting.loss, new, target="{}.argmax(-1)" if case.view.kind == "one-hot" else "{}.long()")
    return source_losses.replace_loss(where, meeting.loss, new, target="{}" if target.is_floating_point() else "{}.float()")
