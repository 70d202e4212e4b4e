"""`loss.family`: the loss is made for another kind of target.

Exact signals: cross-entropy over rows of which several labels are true, over numbers that are no shares of a whole, or over one single output, where it is
0 whatever is answered; a loss of classes or of yes and no on whole numbers that name more than two classes; squares on whole numbers that the program itself
compares with its answers for equality; a loss that is never negative, turned round. Any other loss than the usual one for the kind of target (squares on
one-hot codes, losses of the program's own) is no fault by itself: the usual one is tried where the outcome is bad. Where rows of some classes are many
times those of others, a loss of the program's own is not compared by the share of right answers, which it may trade for the rare classes.
Sources: Islam et al. 2019 (wrong loss is among the commonest bugs); Humbatova et al. 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_calls, source_losses, source_networks
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Part, Place, Value
from goodfit.doctor.refit import refit
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.source import together
from goodfit.doctor.standard import FAMILY, class_codes, usual_loss
from goodfit.doctor.task import LOSSES, NUMERIC, Answers, answers_of
from goodfit.doctor.trail import SHAPES

CODE = "loss.family"
TURNED = "Make the loss smaller, not its negative: take the sign away."
FEWEST_AMOUNTS = 20  # whole numbers that may be names of classes though nothing says so; more are counts
MARGIN_OF_CODES = 0.1  # of skill, for such: amounts learned as classes often gain a little by their freedom alone
UNEQUAL = (
    3.0  # the most frequent class against the rarest: from there on weighted losses are common, and accuracy is not what they are after
)
BY_HAND = frozenset({"sub"})  # a loss that is written out begins with a difference
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
        if meeting.loss in FAMILY.get(view.kind, ()) or (meeting.loss not in LOSSES and _unequal(case, targets)) or _squares_by_hand(case):
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
        (Remedy(TURNED if "value" in evidence else _words(new, units), change, lambda: _unsigned(case) if "value" in evidence else _edit(case, new, units), fair=False),),
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
        lambda: _codes_as_classes(case, units, "{}.squeeze(-1).long()" if _column(view.tape.data[meeting.target]) else "{}.long()"),
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


def _squares_by_hand(case: Case) -> bool:
    """Whether a loss written out for numbers is that of squares or amounts, as a mean, half of it, or a sum: the usual one in other words."""
    view, meeting, answer = case.view, case.view.meeting, case.trail.answer
    if meeting is None or answer is None or view.kind != "regression" or meeting.loss not in NUMERIC:
        return False
    target = view.data(view.batches[0])[meeting.target].to(answer.dtype)
    if answer.shape != target.shape:
        return False
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = run_tape(view.tape, copies, view.data(view.batches[0]))
    usual = [float((answer - target).square().mean()), float((answer - target).abs().mean())]
    sizes = [share * size for share in (0.5, 1.0) for size in (1, len(target), target.numel())]
    return isinstance(loss, torch.Tensor) and any(
        math.isclose(float(loss.sum()), one * size, rel_tol=1e-3) for one in usual for size in sizes
    )


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


def _edit(case: Case, new: str, units: int) -> Any:
    """The loss replaced where it is one of torch's, and the head and the reading of its answers with it where they must be."""
    meeting, where = case.view.meeting, case.program.places.get("loss")
    assert meeting is not None
    target = case.view.tape.data[meeting.target]
    squash = case.head.squash if case.head is not None else None
    if (
        where is None
        or meeting.loss not in LOSSES | BY_HAND
        or any(node.name == "neg" for node in case.view.tape.nodes if not isinstance(node.call, Part))
    ):
        return None
    name = squash.name.removesuffix("_") if squash is not None else ""
    if new == "cross_entropy":
        code = "{}.argmax(-1)" if case.view.kind == "one-hot" else "{}.squeeze(-1).long()" if _column(target) else "{}.long()"
        if case.view.kind == "classes" and (case.head is None or case.head.units != units):
            return None if squash is not None or case.head is None else _codes_as_classes(case, units, code)
        if name in {"softmax", "log_softmax"}:
            output = "torch.log({} + 1e-9)" if name == "softmax" else "{}"
            return _replaced(case, "nll_loss", output=output, target=code)
        return None if name else _replaced(case, new, target=code)
    yes_no = "{}" if target.is_floating_point() else "{}.float()"
    if new == "binary_cross_entropy_with_logits" and name == "sigmoid":
        return _replaced(case, "binary_cross_entropy", target=yes_no)
    return None if name else _replaced(case, new, target=yes_no)


def _unsigned(case: Case) -> Any:
    signs = [
        node.place for node in case.view.tape.nodes if not isinstance(node.call, Part) and node.name == "neg" and node.place is not None
    ]
    return source_losses.remove_sign(signs[0]) if len(signs) == 1 else None


def _replaced(case: Case, new: str, output: str = "{}", target: str = "{}") -> Any:
    """The edit of the loss, whether it is one of torch's or a mean of squares that is written out."""
    meeting, where = case.view.meeting, case.program.places.get("loss")
    assert meeting is not None
    if where is None:
        return None
    if meeting.loss in LOSSES:
        return source_losses.replace_loss(where, meeting.loss, new, output=output, target=target)
    turned = not isinstance(case.view.tape.nodes[meeting.node].args[0], Value)
    return source_losses.replace_by_hand(where, new, output, target, turned=turned)


def _column(target: torch.Tensor) -> bool:
    return target.dim() > 1 and target.shape[-1] == 1


def _codes_as_classes(case: Case, units: int, code: str) -> Any:
    """One number for each class in place of one for all: the head as wide, cross-entropy, and the likeliest class where the answer was rounded."""
    meeting, where, model = case.view.meeting, case.program.places.get("loss"), case.program.places.get("model")
    assert meeting is not None
    assert case.head is not None
    rounded = _rounded(case)
    if where is None or model is None or rounded is None or _laid_flat(case):
        return None
    owner = type(case.program.networks[case.head.at.network]).__name__
    place, column = rounded
    return together(
        [
            source_networks.set_outputs(model.file, units, owner),
            _replaced(case, "cross_entropy", target=code),
            source_calls.largest_for_round(place, keep=column),
        ]
    )


def _laid_flat(case: Case) -> bool:
    """Whether what follows the head lays its one output out flat, which several would not bear."""
    seen = case.trail.made.get(id(case.trail.answer))
    while seen is not None and seen.name in SHAPES:
        if seen.name not in {"squeeze", "float", "to", "double", "contiguous"}:
            return True
        seen = case.trail.made.get(id(seen.args[0])) if seen.args else None
    return False


def _rounded(case: Case) -> tuple[Place, bool] | None:
    """Where the last evaluation rounds the network's answer, and whether that is a column, [B, 1]."""
    if not case.program.evaluations or not case.program.evaluations[-1].tapes:
        return None
    tape = case.program.evaluations[-1].tapes[0]
    copies = Copies(case.program.finals, case.program.loose_finals or case.program.loose)
    answers: list[Any] = []
    with torch.no_grad():
        copies.set_modes(tape, False)
        run_tape(tape, copies, watch=lambda node, answer: answers.append(answer))
    found = [
        (node.place, isinstance(answer, torch.Tensor) and answer.dim() > 1)
        for node, answer in zip(tape.nodes, answers, strict=True)
        if node.name in {"round", "round_"} and node.place is not None
    ]
    return found[0] if len(found) == 1 else None
