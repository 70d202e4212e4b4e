"""What a program learns, judged by its targets and not by its loss: where answers and targets meet on the tape, what kind of target it is, points per row.

B rows, C classes, K numbers or labels a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from goodfit.doctor.program import Data, Node, Part, Tape, Value, tensors_of
from goodfit.doctor.rows import Slot, input_numbers

Kind = Literal["classes", "one-hot", "binary", "multilabel", "regression", "reconstruction", "unknown"]

# Functions whose first two arguments are answer and target.
LOSSES = frozenset(
    {
        "cross_entropy",
        "nll_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "kl_div",
        "poisson_nll_loss",
        "gaussian_nll_loss",
        "hinge_embedding_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "soft_margin_loss",
    }
)
NUMERIC = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "sub", "rsub", "__rsub__"}
)  # an answer is as good as it is near
LOGS = frozenset({"log", "logsigmoid"})
KEEPING = frozenset(
    {"add", "__add__", "__radd__", "clamp", "clamp_min", "clip"}
)  # what is put around the argument of a logarithm, or around it
THRESHOLDS = {
    "binary_cross_entropy_with_logits": 0.0,
    "multilabel_soft_margin_loss": 0.0,
    "soft_margin_loss": 0.0,
    "binary_cross_entropy": 0.5,
}
TARGET_NAMES = ("labels", "label", "targets", "target", "y")
EVEN = 0.6  # of an even share: classes that have more are not rare
WEIGHED = 1.5  # times: the weight of the rarest class over that of the commonest, or its share among the rows drawn over that among all
CHANCE = 0.15  # points by which the best constant answer may differ between two draws of 30 rows
FEWEST_POINTS = -3.0  # of a row: one wild answer must not hide all others


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a tape compares an answer with a target. node: its number; output: the answer; target: the number of the data; loss: name of the function."""

    node: int
    output: Value
    target: int
    loss: str


def find_meeting(tape: Tape) -> Meeting | None:
    """The comparison of an answer with data: a loss of torch, else the first function after the last network's call that takes both, else a loss inside a network that was handed labels."""
    last = max((number for number, node in enumerate(tape.nodes) if isinstance(node.call, Part)), default=-1)
    inputs = set(input_numbers(tape))
    found: list[Meeting] = []
    for number, node in enumerate(tape.nodes):
        if isinstance(node.call, Part):
            continue
        if node.name in LOSSES:
            output = node.args[0] if node.args else node.kwargs.get("input")
            target = node.args[1] if len(node.args) > 1 else node.kwargs.get("target", node.kwargs.get("y"))
            if isinstance(output, Value) and isinstance(target, Data):
                return Meeting(number, output, target.number, node.name)
            continue
        leaves = tensors_of((node.args, dict(node.kwargs)))
        values = [leaf for leaf in leaves if isinstance(leaf, Value)]
        data = [leaf for leaf in leaves if isinstance(leaf, Data) and tape.data[leaf.number].dim()]
        if number > last and values and data:
            found.append(Meeting(number, _behind_logs(values[0], tape), data[0].number, node.name))
    if found:
        return next((meeting for meeting in found if meeting.target not in inputs), found[0])
    return _inside(tape)


def _behind_logs(answer: Value, tape: Tape) -> Value:
    """What a loss written by hand takes the logarithm of, as in target * log(p): the answer itself."""
    behind = answer
    while not behind.path and tape.nodes[behind.node].name in LOGS | KEEPING:
        came = list(tensors_of((tape.nodes[behind.node].args, dict(tape.nodes[behind.node].kwargs))))
        if len(came) != 1 or not isinstance(came[0], Value):
            return answer
        answer = came[0] if tape.nodes[behind.node].name in LOGS else answer
        behind = came[0]
    return answer


def _inside(tape: Tape) -> Meeting | None:
    root = tape.root
    while root is not None and not isinstance(tape.nodes[root.node].call, Part):  # a loss that is divided by the number of batches
        node = tape.nodes[root.node]
        came = [leaf for leaf in tensors_of((node.args, dict(node.kwargs))) if isinstance(leaf, Value)]
        root = came[0] if len(came) == 1 else None
    for number, node in enumerate(tape.nodes):
        if isinstance(node.call, Part) and root is not None and root.node == number and root.path:
            for name in TARGET_NAMES:
                if isinstance(given := node.kwargs.get(name), Data):
                    return Meeting(number, Value(number, ("logits",)), given.number, "inside")
    return None


def find_kind(meeting: Meeting | None, tape: Tape, targets: Tensor, output: Tensor) -> Kind:
    """targets: [N, chunk, ...] of all rows; output: one batch's answer."""
    if meeting is None:
        return "unknown"
    if meeting.target in input_numbers(tape) and not _labels_alone(meeting, tape):
        return "reconstruction"
    given = tape.data[meeting.target]
    if not given.is_floating_point():
        if given.dtype == torch.bool:
            return "multilabel" if given.dim() > 1 and given.shape[-1] > 1 else "binary"
        if _class_dim(output, given) is not None:
            return "classes"
        return "binary" if set(targets.unique().tolist()) <= {0, 1} else "regression"
    values = targets.unique() if targets.numel() <= 2_000_000 else targets.flatten()[:100_000].unique()
    if len(values) <= 2 and set(values.tolist()) <= {0.0, 1.0}:
        if given.dim() > 1 and given.shape[-1] > 1:
            return "one-hot" if bool((targets.flatten(0, -2).sum(-1) == 1).all()) else "multilabel"
        return "binary"
    if len(values) == 2 and set(values.tolist()) == {-1.0, 1.0}:
        return "binary"
    shares = given.dim() > 1 and given.shape[-1] > 1 and float(values.min()) >= 0
    if shares and meeting.loss in {"cross_entropy", "kl_div"} and bool(((targets.flatten(0, -2).sum(-1) - 1).abs() < 1e-3).all()):
        return "one-hot"  # smoothed labels, a teacher's shares
    return "regression"


def _labels_alone(meeting: Meeting, tape: Tape) -> bool:
    """Whether the target enters a network as its labels and as nothing else: it computes the loss inside, and answers without them."""
    calls = [node for node in tape.nodes if isinstance(node.call, Part)]
    entered = [leaf for node in calls for leaf in tensors_of((node.args, dict(node.kwargs)))]
    return meeting.loss == "inside" and entered.count(Data(meeting.target)) == 1


def _class_dim(output: Tensor, target: Tensor) -> int | None:
    if output.dim() == target.dim() + 1:
        second = output.dim() > 1 and output.shape[0] == target.shape[0] and output.shape[2:] == target.shape[1:]
        dim = 1 if second else output.dim() - 1
        return dim if output.shape[dim] > 1 else None  # one number for each row names no class by its place
    return None


@dataclass(frozen=True, slots=True)
class Answers:
    """How answers are judged. scale: [] or [K] spread of the targets, middle: their mean, for numbers; base: points of the best constant answer.
    weights: [C] points of a right answer by its class, where the program itself gives rare classes more weight; a mean of 1 over the rows judged.
    threshold: of a yes, where the loss tells; None: 0.5 for answers that are probabilities, 0 for others.
    """

    kind: Kind
    ignored: int
    classes: int
    middle: Tensor
    scale: Tensor
    base: float
    threshold: float | None = None
    weights: Tensor | None = None

    def points(self, output: Any, target: Tensor, rows: int) -> Tensor | None:
        """[rows], at most 1: the share that is right, or 1 - squared error over the targets' variance. None where answers do not fit the targets."""
        if not isinstance(output, Tensor):
            return None
        output = output.detach()
        target = target.detach().to(output.device)
        if self.kind in {"classes", "one-hot"}:
            if self.kind == "one-hot":
                target = target.argmax(-1)
            dim = _class_dim(output, target)
            if dim is None:
                if output.numel() != target.numel():
                    return None
                right = (output.reshape(target.shape).round() == target).float()  # a single number for the class
            else:
                right = (output.argmax(dim) == target).float()
            if self.weights is not None and target.numel() == rows:
                return right.reshape(rows) * self.weights.to(right.device)[target.reshape(rows)]
            kept = (target != self.ignored).float()
            return _by_row(right * kept, rows) / _by_row(kept, rows).clamp_min(1e-9)
        if output.numel() != target.numel():
            return None
        output = output.reshape(target.shape).float()
        if self.kind in {"binary", "multilabel"}:
            threshold = self.threshold if self.threshold is not None else 0.5 if self.squashed(output) else 0.0
            right = ((output > threshold) == (target > self.middle)).float()
            if self.weights is not None and target.numel() == rows:
                return right.reshape(rows) * self.weights.to(right.device)[(target > self.middle).long().reshape(rows)]
            return _by_row(right, rows)
        error = (output - target.float()).square() / self.scale.to(output.device)
        return (1 - _by_row(error.nan_to_num(1e9, 1e9), rows)).clamp_min(FEWEST_POINTS)

    def squashed(self, output: Tensor) -> bool:
        """Whether answers of yes or no are meant as probabilities: none is below 0 or above 1."""
        return bool((output >= 0).all() and (output <= 1).all())


def _by_row(values: Tensor, rows: int) -> Tensor:
    """[rows chunk, ...] -> [rows], means"""
    return values.reshape(rows, -1).mean(1) if values.numel() else values.new_zeros(rows)


def answers_of(kind: Kind, node: Node, targets: Tensor) -> Answers:
    """targets: [N, chunk, ...] of the training rows. The variance is over all entries, so that an entry that never changes costs nothing."""
    ignored = int(node.kwargs.get("ignore_index", -100)) if not isinstance(node.call, Part) else -100
    flat = targets.detach().float()
    base, classes, middle = 0.0, 0, flat.new_zeros(())
    known = flat[torch.isfinite(flat)]  # gaps are a fault of their own
    scale = (known if len(known) else flat.new_ones(1)).var(unbiased=False).clamp_min(1e-12)
    if kind in {"classes", "one-hot"}:
        codes = targets.argmax(-1) if kind == "one-hot" else targets
        codes = codes[codes != ignored].flatten().long()
        counts = torch.bincount(codes.clamp_min(0)) if len(codes) else torch.ones(1)
        classes, base = int((counts > 0).sum()), float(counts.max() / counts.sum())
    elif kind in {"binary", "multilabel"}:
        low = float(flat.min())
        middle = flat.new_tensor(0.5 if low >= 0 else 0.0)
        share = (flat > middle).float().reshape(-1, flat.shape[-1] if kind == "multilabel" else 1).mean(0)
        classes, base = 2, float(torch.maximum(share, 1 - share).mean())
    elif kind == "regression" and flat.dim() > 2 and flat.shape[-1] > 1:
        scale = flat.reshape(-1, flat.shape[-1]).var(0, unbiased=False).clamp_min(1e-12)
    threshold = None
    if kind in {"binary", "multilabel"}:
        threshold = float(middle) if node.name in NUMERIC else THRESHOLDS.get(node.name)
    return Answers(kind, ignored, classes, middle, scale, base, threshold)


def base_on(answers: Answers, taught: Tensor, judged: Tensor) -> float:
    """Points of the answer that is best for all of `taught` on the rows `judged`, both [N, chunk, ...]: what skill 0 means there.

    It differs from `answers.base` by the chance of the draw, which would else look like skill; by more only where the rows are of another kind, and then
    by no more than CHANCE.
    """
    if not judged.numel() or not taught.numel():
        return answers.base
    if answers.kind in {"classes", "one-hot"}:
        codes, given = (t.argmax(-1) if answers.kind == "one-hot" else t for t in (taught, judged))
        codes, given = codes[codes != answers.ignored].flatten(), given[given != answers.ignored].flatten()
        if not len(codes) or not len(given):
            return answers.base
        base = float((given == codes.mode().values).float().mean())
    elif answers.kind in {"binary", "multilabel"}:
        wide = taught.shape[-1] if answers.kind == "multilabel" else 1
        most = (taught > answers.middle).float().reshape(-1, wide).mean(0) > 0.5
        base = float(((judged > answers.middle).reshape(-1, wide) == most).float().mean())
    elif answers.kind == "regression":
        wide = taught.shape[-1] if answers.scale.dim() else 1
        middle = taught.float().reshape(-1, wide).nanmean(0)  # gaps among the targets are a fault of their own
        error = (judged.float().reshape(len(judged), -1, wide) - middle).square() / answers.scale
        base = float((1 - error.flatten(1).mean(1)).clamp_min(FEWEST_POINTS).nanmean())
        if base != base:
            return answers.base
    else:
        return answers.base
    lowest = (
        answers.base - CHANCE if answers.kind == "regression" else answers.base
    )  # guessing among even classes is worth their share wherever they fall
    return min(max(base, lowest), answers.base + CHANCE)


def weighing(meeting: Meeting, tape: Tape, answers: Answers, drawn: Tensor, taught: Tensor, judged: Tensor) -> Answers:
    """The answers as the program means them: where it weighs rare classes up, in the loss or by drawing them more often, each class counts the same.

    drawn: targets as often as they were drawn, taught: each row's once, judged: of the rows held back, [N, chunk, ...].
    """
    sides = [_codes(answers, one) for one in (drawn, taught, judged)]
    if any(one is None or not len(one) for one in sides):
        return answers
    often, once, held = (one for one in sides if one is not None)
    count = int(max(often.max(), once.max(), held.max())) + 1
    share = torch.bincount(once, minlength=count).double() / len(once)
    rare = torch.where(share > 0, share, torch.ones_like(share)).argmin()
    if float(share[rare]) > EVEN / int((share > 0).sum()):
        return answers
    given = _class_weights(tape.nodes[meeting.node], tape, count)
    up = given is not None and float(given[rare] / given[share.argmax()]) >= WEIGHED
    if not up and float((often == rare).double().mean()) < WEIGHED * float(share[rare]):
        return answers
    here = torch.bincount(held, minlength=count).double() / len(held)
    present = int((here > 0).sum())
    weights = torch.where(here > 0, 1 / (here * present).clamp_min(1e-9), torch.zeros_like(here)).float()
    return replace(answers, weights=weights, base=1 / present)


def _codes(answers: Answers, targets: Tensor) -> Tensor | None:
    """[N] int64 classes; None where a row has not one."""
    codes = targets.argmax(-1) if answers.kind == "one-hot" else targets
    if answers.kind not in {"classes", "one-hot", "binary"} or codes.numel() != len(targets):
        return None
    codes = (codes > answers.middle).long() if answers.kind == "binary" else codes.long()
    codes = codes.reshape(-1).cpu()
    return None if len(codes) and int(codes.min()) < 0 else codes


def _class_weights(node: Node, tape: Tape, count: int) -> Tensor | None:
    """[C] the weights of classes that a loss was given."""
    given = node.kwargs.get("weight", node.args[2] if len(node.args) > 2 and node.name in {"cross_entropy", "nll_loss"} else None)
    positive = node.kwargs.get("pos_weight")
    found = [tape.data[one.number] if isinstance(one, Data) else one for one in (given, positive)]
    if isinstance(found[0], Tensor) and found[0].numel() == count and node.name in {"cross_entropy", "nll_loss"}:
        return found[0].detach().cpu().double().flatten()
    if isinstance(found[1], Tensor) and found[1].numel() == 1 and count == 2:
        return torch.tensor([1.0, float(found[1].detach())], dtype=torch.float64)
    return None


def slots_tied(slots: dict[int, Slot], meeting: Meeting | None) -> bool:
    """Whether the target goes by the same rows as the inputs."""
    return meeting is not None and meeting.target in slots
