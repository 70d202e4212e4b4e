"""`head.activation`: the network's last activation does not suit the loss, or cannot reach the targets.

The signal is exact. Squashed answers where the loss squashes them itself: softmax into cross-entropy can come no lower than ln(1 + (C - 1) / e), 1.461 at
10 classes. Likelihoods that are none: nll_loss and kl_div of anything but log-probabilities. A softmax over one unit, which is always 1; one over labels of
which several are true. Targets outside what the activation can give: 2 % of them, so that a few outliers of a scaled target are none. log_softmax into
cross-entropy changes nothing and is no fault. Rectifiers into cross-entropy, or before targets that they do reach, only harm where they die: they
are tried where the outcome is bad. Sources: UMLAUT (Schoop et al. 2021), the bugs of Islam et al. 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor import source_calls, source_losses, source_networks
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.program import Part
from goodfit.doctor.short import Setup
from goodfit.doctor.trail import SQUASHES, Change, Seen, changing, instead, without

CODE = "head.activation"
OUTSIDE = 0.02  # of the targets beyond the activation's reach
SQUASHED_TWICE = {
    "cross_entropy": {"softmax", "softmin", "sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign"},
    "binary_cross_entropy_with_logits": {"softmax", "softmin", "sigmoid", "hardsigmoid", "relu", "relu6", "softplus"},
    "multilabel_soft_margin_loss": {"softmax", "softmin", "sigmoid", "hardsigmoid", "relu", "relu6", "softplus"},
    "soft_margin_loss": {"softmax", "sigmoid", "hardsigmoid", "relu", "relu6", "softplus"},
    "multi_margin_loss": {"softmax", "sigmoid"},
}
REACH = {
    "sigmoid": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "softmin": (0.0, 1.0), "tanh": (-1.0, 1.0), "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0), "relu": (0.0, math.inf), "relu6": (0.0, 6.0), "softplus": (0.0, math.inf), "logsigmoid": (-math.inf, 0.0),
    "log_softmax": (-math.inf, 0.0), "elu": (-1.0, math.inf),
}  # fmt: skip
RECTIFIERS = frozenset({"relu", "relu6"})


@dataclass(frozen=True, slots=True)
class _Wrong:
    """What is wrong and what mends it. edit: of the user's file. fair: the loss means the same."""

    message: str
    words: str
    change: Change
    edit: Callable[[], Any]
    evidence: dict[str, Any]
    certain: bool = True
    fair: bool = True


def suspect(case: Case) -> Suspicion | None:
    """The last activation against the loss and the targets."""
    view = case.view
    if view.meeting is None or view.kind == "unknown" or case.trail.answer is None:
        return None
    last = case.trail.of(case.trail.answer)
    squash = last if last is not None and last.name.removesuffix("_") in SQUASHES else None
    if view.meeting.loss == "inside":  # the network computes it; only what it squashes itself is certain
        wrong = None if squash is None else _twice(case, squash)
    else:
        wrong = _likelihood(case, squash)
    if wrong is None and squash is not None and view.meeting.loss != "inside":
        wrong = _one_unit(case, squash) or _twice(case, squash) or _labels(case, squash) or _reach(case, squash)
    if wrong is None:
        return None
    return Suspicion(
        CODE, 0.9 if wrong.certain else 0.5, wrong.evidence,
        (Remedy(wrong.words, lambda setup: _with(setup, wrong.change), wrong.edit, wrong.fair),),
        certain=wrong.certain, would_have="the same score with the other activation", message=wrong.message,
    )  # fmt: skip


def _with(setup: Setup, change: Change) -> Setup:
    return replace(setup, name="with another last activation", around=(*setup.around, changing(change)))


def _likelihood(case: Case, squash: Seen | None) -> _Wrong | None:
    """Losses that take log-probabilities, given something else."""
    meeting, answer = case.view.meeting, case.trail.answer
    assert meeting is not None
    assert answer is not None
    if meeting.loss not in {"nll_loss", "kl_div"} or answer.dim() < 2:
        return None
    dim = 1 if meeting.loss == "nll_loss" else answer.dim() - 1
    sums = answer.float().exp().sum(dim)
    if bool(((sums - 1).abs() < 0.01).all()):
        return None
    loss, where = meeting.loss, case.program.places.get("loss")
    evidence = {"loss": loss, "sum_of_probabilities": round(float(sums.mean()), 4), "last_activation": squash.name if squash else "none"}
    message = f"The loss {loss} takes log-probabilities, and the network's answers are none: their exponentials add up to {float(sums.mean()):.3g} for a row, not 1."
    if squash is not None and squash.name in {"softmax", "sigmoid"}:

        def logged(call: Any) -> Tensor:
            return (F.nll_loss if loss == "nll_loss" else F.kl_div)(torch.log(call.first + 1e-9), *call.args[1:], **call.kwargs)

        return _Wrong(
            message, "Give the loss the logarithm of the probabilities: log_softmax in place of softmax.", instead(loss, None, logged),
            lambda: source_losses.fit_arguments(where, loss, output="torch.log({} + 1e-9)") if where else None, evidence, fair=False,
        )  # fmt: skip

    def likelihood(call: Any) -> Tensor:
        if loss == "nll_loss":
            return F.cross_entropy(*call.args, **call.kwargs)
        return F.kl_div(F.log_softmax(call.first, dim), *call.args[1:], **call.kwargs)

    return _Wrong(
        message, "Use cross_entropy, which takes the network's raw answers, or end the network with log_softmax." if loss == "nll_loss" else "End the network with log_softmax.",
        instead(loss, None, likelihood),
        lambda: (source_losses.replace_loss(where, loss, "cross_entropy") if loss == "nll_loss" else source_losses.fit_arguments(where, loss, output=f"torch.log_softmax({{}}, {dim})")) if where else None,
        evidence, fair=False,
    )  # fmt: skip


def _one_unit(case: Case, squash: Seen) -> _Wrong | None:
    """A softmax over a single unit is 1 whatever comes in."""
    assert case.view.meeting is not None
    given = squash.args[0] if squash.args else squash.kwargs.get("input")
    if (
        squash.name not in {"softmax", "softmin", "log_softmax"}
        or not isinstance(given, Tensor)
        or case.view.meeting.loss == "cross_entropy"
    ):
        return None
    dim = squash.kwargs.get("dim", squash.args[1] if len(squash.args) > 1 else None)
    if not isinstance(dim, int):
        dim = 1 if given.dim() in {2, 4} else 0
    if given.shape[dim] != 1:
        return None
    yes_no = case.view.kind in {"binary", "multilabel"}
    change = instead(squash.name, squash.number, lambda call: torch.sigmoid(call.first)) if yes_no else without(squash.name, squash.number)
    return _Wrong(
        "The network ends with a softmax over one unit, which is 1 whatever goes in: it cannot learn.",
        "End the network with a sigmoid." if yes_no else "Leave out the softmax: the answer is a number.", change,
        lambda: _swapped(case, squash, "Sigmoid") if yes_no else removed(case, squash), {"units": 1, "last_activation": squash.name},
    )  # fmt: skip


def _twice(case: Case, squash: Seen) -> _Wrong | None:
    """Answers squashed before a loss that does it itself."""
    assert case.view.meeting is not None
    loss, name = case.view.meeting.loss, squash.name.removesuffix("_")
    if loss == "inside":
        loss = case.trail.loss
    certain = name in SQUASHED_TWICE.get(loss, ())
    if not certain and not (loss == "cross_entropy" and name in RECTIFIERS | {"softplus", "logsigmoid"}):
        return None
    evidence: dict[str, Any] = {"loss": loss, "last_activation": name}
    floor = ""
    answer = case.trail.answer
    if loss == "cross_entropy" and REACH.get(name, (0, 0)) == (0.0, 1.0) and answer is not None and answer.dim() > 1:
        count = answer.shape[1]
        evidence["floor"] = round(math.log(1 + (count - 1) / math.e), 4)
        floor = f" The loss can come no lower than {evidence['floor']}."
    return _Wrong(
        f"The loss {loss} takes raw answers, and the network ends with {name}.{floor}", f"Leave out the {name} at the network's end: the loss does it.",
        without(squash.name, squash.number), lambda: _once(case, squash), evidence, certain=certain,
    )  # fmt: skip


def _once(case: Case, squash: Seen) -> Any:
    """The activation taken away; or, of a network that gives probabilities and is asked for them elsewhere too, the loss of probabilities taken."""
    meeting, where = case.view.meeting, case.program.places.get("loss")
    assert meeting is not None
    settings = case.view.tape.nodes[meeting.node].kwargs
    plain = settings.get("weight") is None and settings.get("pos_weight") is None
    within = not any(node.name == squash.name for node in case.view.tape.nodes if not isinstance(node.call, Part))
    if (
        meeting.loss == "binary_cross_entropy_with_logits"
        and squash.name == "sigmoid"
        and plain
        and within
        and where is not None
        and _read_as_shares(case)
    ):
        made = source_losses.replace_loss(where, meeting.loss, "binary_cross_entropy")
        if made is not None:
            return made
    return removed(case, squash)


def _read_as_shares(case: Case) -> bool:
    """Whether no evaluation makes probabilities of the answers itself, or compares them with 0."""
    for evaluation in case.program.evaluations:
        for node in (node for tape in evaluation.tapes for node in tape.nodes if not isinstance(node.call, Part)):
            compared = (
                node.name in {"gt", "ge", "lt", "le", "__gt__", "__ge__", "__lt__", "__le__"} and len(node.args) > 1 and node.args[1] == 0
            )
            if node.name == "sigmoid" or compared:
                return False
    return True


def _labels(case: Case, squash: Seen) -> _Wrong | None:
    """A softmax over labels of which several may be true, into a loss of probabilities."""
    assert case.view.meeting is not None
    if case.view.kind != "multilabel" or squash.name not in {"softmax", "softmin"} or case.view.meeting.loss == "cross_entropy":
        return None
    per_row = float(case.view.targets(case.view.trained).float().flatten(1).sum(1).mean())
    return _Wrong(
        f"The network ends with a softmax, whose answers add up to 1, and {per_row:.3g} labels are true for a row on average.",
        "End the network with a sigmoid.", instead(squash.name, squash.number, lambda call: torch.sigmoid(call.first)),
        lambda: _swapped(case, squash, "Sigmoid"), {"labels_per_row": round(per_row, 4), "last_activation": squash.name},
    )  # fmt: skip


def _reach(case: Case, squash: Seen) -> _Wrong | None:
    """Targets that the activation cannot give."""
    view, name = case.view, squash.name.removesuffix("_")
    low, high = REACH.get(name, (-math.inf, math.inf))
    if name in {"clamp", "clip"}:
        bounds = [
            squash.kwargs.get(word, squash.args[place] if len(squash.args) > place else None) for word, place in (("min", 1), ("max", 2))
        ]
        low, high = (bound if isinstance(bound, int | float) else way for bound, way in zip(bounds, (-math.inf, math.inf), strict=True))
    if name in {"hardtanh", "softplus", "elu"} and (len(squash.args) > 1 or set(squash.kwargs) - {"inplace", "input"}):
        low = high = math.nan if name == "hardtanh" else low  # other bounds than the usual
    if view.kind not in {"regression", "reconstruction", "binary"} or math.isnan(low) or (low, high) == (-math.inf, math.inf):
        return None
    targets = view.targets(view.trained).float()
    slack = 1e-3 * float(targets.std()) if targets.numel() > 1 else 0.0
    outside = float(((targets < low - slack) | (targets > high + slack)).float().mean())
    certain = outside >= OUTSIDE
    if not certain and name not in RECTIFIERS | {"clamp", "clip"}:
        return None
    evidence = {
        "last_activation": name,
        "reach": [low, high],
        "targets_outside": round(outside, 4),
        "targets": [round(float(targets.min()), 4), round(float(targets.max()), 4)],
    }
    message = (
        f"The network ends with {name}, whose answers lie between {low:g} and {high:g}, and {outside:.0%} of the targets do not."
        if certain else f"The network ends with {name}: where its answer is at its bound, no gradient passes."
    )  # fmt: skip
    if view.kind == "binary" and view.meeting is not None and view.meeting.loss == "binary_cross_entropy":
        return _Wrong(
            message, "End the network with a sigmoid.", instead(squash.name, squash.number, lambda call: torch.sigmoid(call.first)),
            lambda: _swapped(case, squash, "Sigmoid"), evidence, certain=certain,
        )  # fmt: skip
    return _Wrong(
        message, f"Leave out the {name} at the network's end, so that every number can be answered.", without(squash.name, squash.number),
        lambda: removed(case, squash), evidence, certain=certain,
    )  # fmt: skip


def removed(case: Case, squash: Seen) -> Any:
    """The edit that takes an activation from the end of the network, or from between the network and the loss."""
    name = squash.name.removesuffix("_")
    for node in reversed(case.view.tape.nodes):
        if not isinstance(node.call, Part) and node.name == squash.name and node.place is not None and squash.place is None:
            return source_calls.unwrap(node.place, name)
    file = _file(case, squash)
    made = next((made for made, function in source_networks.ACTIVATIONS.items() if function == name), None)
    return source_networks.remove_last_activation(file, made, squash.owner or "Sequential") if file and made else None


def _swapped(case: Case, squash: Seen, new: str) -> Any:
    file = _file(case, squash)
    made = next((made for made, function in source_networks.ACTIVATIONS.items() if function == squash.name.removesuffix("_")), None)
    return source_networks.replace_activations(file, made, new, squash.owner or "Sequential", keep_last=False) if file and made else None


def _file(case: Case, squash: Seen) -> str | None:
    if squash.place is not None:
        return squash.place.file
    model = case.program.places.get("model")
    return model.file if model is not None else None
