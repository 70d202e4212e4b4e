"""`loop.metric`: what the program counts at its evaluation is not what its answers are worth.

The program's own sum of it is not seen; what its evaluation does with the answers is. The experiment: perfect answers are put in place of the network's, and
the program's own calls are run on them. Every comparison with the targets should then hold. It is a fault where answers and targets of different
shapes are spread over each other ([B] against [B, 1] compares every row with every other), where the program's calls make the same of all perfect
answers though the targets differ (the largest of a single output is always number 0), or where the largest is taken along the rows and not along the
classes. Answers that the program shifts or scales first are not judged.
Source: Tambon et al. 2023, silent bugs in Keras and TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor import source_calls, source_loops
from goodfit.doctor.case import Case, Gain, Proof, Remedy, Suspicion
from goodfit.doctor.program import Data, Node, Part, Tape, Value, tensors_of
from goodfit.doctor.replay import Copies, ReplayError, at_path, run_tape
from goodfit.doctor.source import Source
from goodfit.doctor.trail import SHAPES, place

CODE = "loop.metric"
EQUAL = frozenset({"eq", "__eq__"})
APART = frozenset({"sub", "rsub", "__rsub__", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"})


@dataclass(frozen=True, slots=True)
class _Compared:
    """A comparison of perfect answers. kind: `spread`, `same` or `axis`. right: the share of it that holds; None where it is no comparison for equality.

    chosen: the call of `argmax` or `max` that made what is compared. first: whether that stands left. given: shape of the network's answer."""

    node: Node
    kind: str
    answer: tuple[int, ...]
    target: tuple[int, ...]
    right: float | None
    chosen: Node | None = None
    first: bool = True
    given: tuple[int, ...] = ()


class _Perfect(nn.Module):
    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self.answer


def suspect(case: Case) -> Suspicion | None:
    """Perfect answers in the last evaluation."""
    if case.view.meeting is None or case.view.kind not in {"classes", "one-hot", "binary", "regression"} or not case.program.evaluations:
        return None
    for tape in case.program.evaluations[-1].tapes[:3]:
        try:
            found = _examined(case, tape)
        except (ReplayError, RuntimeError, ValueError, IndexError, TypeError, AttributeError):
            continue  # not every evaluation can be run again; what cannot be is not judged
        if found is not None:
            return _suspicion(case, found, tape)
    return None


def _suspicion(case: Case, found: _Compared, tape: Tape) -> Suspicion:
    if found.kind == "spread":
        message = f"The evaluation compares answers {list(found.answer)} with targets {list(found.target)}: torch spreads them over each other, every row against every other."
        words = "Give answers and targets the same shape before they are compared."
    elif found.kind == "axis":
        message = "The evaluation takes the largest answer along the rows, not along the classes: each class is given a row."
        words = "Take the largest along the dimension of the classes: argmax(dim=1)."
    else:
        message = "The evaluation makes the same of every answer, right or wrong: the largest of a single output is always number 0."
        words = "Round or threshold a single output; take the largest along the dimension of the classes."
    value = 1.0 if found.right is None else 1 - found.right
    showed = (
        "perfect answers do not give the top value" if found.right is None else f"perfect answers are counted as {found.right:.1%} right"
    )
    proof = Proof(
        Gain(value, 0.0, value, (round(value, 4),)),
        showed,
        Remedy(words, lambda setup: setup, lambda: _edit(case, found, tape)),
        case.setup,
        confidence=0.99,
    )
    return Suspicion(
        CODE, 0.6, {"answers": list(found.answer), "targets": list(found.target), "right_of_perfect": found.right}, certain=True,
        would_have="the top value for perfect answers", message=message, probe=lambda case: proof,
    )  # fmt: skip


def _examined(case: Case, tape: Tape) -> _Compared | None:
    calls = [(number, node) for number, node in enumerate(tape.nodes) if isinstance(node.call, Part)]
    if len(calls) != 1 or not isinstance(calls[0][1].call, Part):
        return None
    at, network = calls[0]
    entered = {leaf.number for leaf in tensors_of((network.args, dict(network.kwargs))) if isinstance(leaf, Data)}
    copies = Copies(case.program.finals, case.program.loose_finals or case.program.loose)
    with torch.no_grad():
        copies.set_modes(tape, False)
        output = run_tape(tape, copies, until=Value(at))
    if not isinstance(output, Tensor) or output.dim() > 2 or not len(output):
        return None
    target = next(
        (tape.data[leaf.number] for node in tape.nodes[at + 1 :] if node.name in EQUAL | APART for leaf in tensors_of((node.args, dict(node.kwargs)))
         if isinstance(leaf, Data) and leaf.number not in entered and tape.data[leaf.number].numel() == len(output)),
        None,
    )  # fmt: skip
    perfect = None if target is None else _perfect(case, output, target)
    if target is None or perfect is None or len(target.unique()) < 2:
        return None
    assert isinstance(network.call, Part)
    place(copies.networks, network.call, _Perfect(perfect))
    answers: list[Any] = []
    with torch.no_grad():
        run_tape(tape, copies, watch=lambda node, answer: answers.append(answer))
    return next(
        (
            found
            for node, answer in zip(tape.nodes, answers, strict=True)
            if (found := _compared(tape, node, answer, answers, entered, target)) is not None
        ),
        None,
    )


def _compared(tape: Tape, node: Node, answer: Any, answers: list[Any], entered: set[int], judged: Tensor) -> _Compared | None:
    """judged: the targets that the answers are perfect for."""
    if isinstance(node.call, Part) or node.name not in EQUAL | APART or len(node.args) < 2:
        return None
    sides = node.args[:2]
    data = next((side for side in sides if isinstance(side, Data) and side.number not in entered), None)
    value = next((side for side in sides if isinstance(side, Value)), None)
    if data is None or value is None:
        return None
    target, given = tape.data[data.number], at_path(answers[value.node], value.path)
    if not isinstance(given, Tensor) or target.dim() == 0:
        return None
    output = next(one for one, made in zip(answers, tape.nodes, strict=True) if isinstance(made.call, Part))
    chosen = _chosen(tape, value)
    right = float(answer.float().mean()) if node.name in EQUAL and isinstance(answer, Tensor) else None
    found = _Compared(node, "", tuple(given.shape), tuple(target.shape), right, chosen, sides[0] is value, tuple(output.shape))
    wide = output.dim() == 2 and output.shape[1] > 1
    if wide and chosen is not None and target is judged and right is not None and right < 1 and _dimension(chosen) in {0, -2, None}:
        return replace(found, kind="axis")
    if given.dim() == 0:
        return None
    spread = torch.Size(torch.broadcast_shapes(given.shape, target.shape)).numel()
    if spread > max(given.numel(), target.numel()) and given.numel() == target.numel():
        return replace(found, kind="spread")
    if node.name in EQUAL and given.numel() == target.numel() and len(given.unique()) == 1 and right is not None and right < 1:
        return replace(found, kind="same")
    return None


def _chosen(tape: Tape, value: Value) -> Node | None:
    """The call that chose the largest of the network's own answer, where a value comes from one through changes of shape or type."""
    while True:
        node = tape.nodes[value.node]
        if isinstance(node.call, Part) or not node.args or not isinstance(node.args[0], Value):
            return None
        inner = node.args[0]
        if node.name in {"argmax", "max"}:
            return node if isinstance(tape.nodes[inner.node].call, Part) else None
        if node.name not in SHAPES | {"long", "int"}:
            return None
        value = inner


def _dimension(chosen: Node) -> object:
    return chosen.kwargs.get("dim", chosen.kwargs.get("axis", chosen.args[1] if len(chosen.args) > 1 else None))


def _edit(case: Case, found: _Compared, tape: Tape) -> Any:
    """The comparison mended where it stands; answers of another shape than their targets' mended where the network is asked, if that is clearer."""
    if found.kind == "axis":
        return source_calls.set_dimension(found.chosen.place, 1) if found.chosen is not None and found.chosen.place is not None else None
    if found.kind == "same":
        if found.chosen is None or found.chosen.place is None:
            return None
        assert case.view.meeting is not None
        threshold = "0" if case.view.answers.threshold == 0 else "0.5"
        return source_calls.threshold_largest(found.chosen.place, threshold, squeeze=len(found.answer) < len(found.given))
    longer = len(found.answer) > len(found.target)
    if found.node.place is not None:
        index = 0 if longer == found.first else 1
        made = source_calls.fit_operand(found.node.place, found.node.name, index, "{}.squeeze(-1)")
        if made is not None:
            return made
    asked = next((node.place for node in tape.nodes if isinstance(node.call, Part)), None)
    source = Source.read(asked.file) if asked is not None else None
    if asked is None or source is None or found.answer != found.given:
        return None
    name = source_loops.network_name(source, asked, case.program.places.get("model"))
    return source_calls.wrap(asked, "{}.squeeze(-1)" if longer else "{}.unsqueeze(-1)", [name]) if name is not None else None


def _perfect(case: Case, output: Tensor, target: Tensor) -> Tensor | None:
    """What the network would answer if it were always right, in the shape and the manner of its answers; None where that is not plain."""
    rows, flat = len(output), target.reshape(-1)
    probable = bool((output >= 0).all() and (output <= 1).all())
    assert case.view.meeting is not None
    if output.dim() == 2 and output.shape[1] > 1:
        codes = flat.long()
        if case.view.kind not in {"classes", "one-hot"} or int(codes.min()) < 0 or int(codes.max()) >= output.shape[1]:
            return None
        chosen = F.one_hot(codes, output.shape[1]).to(output.dtype)
        return chosen if probable else 20 * chosen - 10  # logits of a probability that is 1 to nine digits
    if output.numel() != rows:
        return None
    yes = flat.to(output.dtype).reshape(output.shape)
    if case.view.kind == "binary" and not probable and case.view.meeting.loss == "binary_cross_entropy_with_logits":
        return 20 * yes - 10
    return yes
