"""`fit.over-regularised`: dropout, weight decay or smoothed labels so strong that not even the training rows are learned.

Training and held rows are scored alike, and both poorly. Each is taken away in turn, then all together; what improves the held rows was too much.
Dropout is switched off wherever it is, in layers and in functions. Source: Srivastava et al., Dropout (2014), section 7.3; Loshchilov and Hutter,
Decoupled weight decay (2019).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.doctor import source_calls, source_losses, source_networks
from goodfit.doctor.case import ERRORS, MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.program import Node, Part, Weight, tensors_of
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.short import Outcome, Setup
from goodfit.doctor.task import LOSSES

CODE = "fit.over-regularised"
ALIKE = 0.12  # of skill between training and held rows: more is no lack of learning
DROPPED = 0.4  # share of units dropped from where it is looked at; 0.5 is usual in wide layers
GROSS_DROPPED = 0.7
DECAY = 5e-3  # added to the gradient: usual values are 1e-5 to 1e-3
SHRUNK = 1.0  # rate times decay times updates, for decay apart from the gradient: weights without a gradient shrink to a third
LOWER = 0.4  # of the held loss that must go where the score alone cannot tell: usual amounts of regularisation lower it, or cost a tenth
PENALTY = "a penalty on the weights in the loss"
SMOOTHED = 0.3  # of the label given to the other classes; 0.1 is usual
DROPOUTS = frozenset(
    {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout", "feature_alpha_dropout"}
)


def suspect(case: Case) -> Suspicion | None:
    """Something strong that holds the network back, and training rows that are scored no better than held ones."""
    outcome = case.outcome()
    trained, held = case.level([outcome], "trained"), case.level([outcome])
    if (trained is not None and held is not None and trained - held > ALIKE) or case.setup.surgery:
        return None
    found: dict[str, float] = {}
    remedies: list[Remedy] = []
    dropped = most_dropped(case)
    if dropped >= DROPPED:
        found["dropout"] = dropped
        remedies.append(Remedy("Drop far fewer units, 0.1 or none.", without_dropout, lambda: _less_dropout(case)))
    decay, gross = strongest_decay(case)
    if gross > 1:
        found["weight_decay"] = decay
        remedies.append(Remedy(f"Lower the weight decay of {decay:g}, to 1e-4 or none.", without_decay, lambda: _less_decay(case)))
    node = _loss_node(case)
    smoothed = node.kwargs.get("label_smoothing", 0.0) if node is not None else 0.0
    plain = plain_loss(case)
    if plain is not None and (isinstance(smoothed, float) and smoothed >= SMOOTHED):
        found["label_smoothing"] = smoothed
        remedies.append(
            Remedy(
                "Smooth the labels by 0.1 or not at all.",
                lambda setup: replace(setup, name="labels as they are", loss=plain),
                lambda: _less_smoothing(case),
                fair=False,
            )
        )
    elif plain is not None and penalised(case):
        found["penalty_on_weights"] = 1.0
        remedies.append(
            Remedy(
                f"Weaken {PENALTY} a hundredfold, or take it away.",
                lambda setup: replace(setup, name="without the penalty", loss=plain),
                lambda: _less_penalty(case),
                fair=False,
            )
        )
    if not remedies:
        return None
    if "dropout" in found and "weight_decay" in found:
        remedies.append(
            Remedy(
                "Drop far fewer units, and lower the weight decay.",
                lambda setup: without_decay(without_dropout(setup)),
                lambda: _both(case),
            )
        )
    strong = dropped >= GROSS_DROPPED or gross > 4 or "penalty_on_weights" in found or "label_smoothing" in found
    return Suspicion(
        CODE, 0.6 if strong else 0.45, {name: float(f"{value:.3g}") for name, value in found.items()}, tuple(remedies), always=strong,
        probe=lambda one: _probe(one, remedies), would_have="no better score without it, on rows not trained on",
        message="The network is held back so strongly that it does not learn its training rows: " + ", ".join(found).replace("_", " ") + ".",
    )  # fmt: skip


def _probe(case: Case, remedies: list[Remedy]) -> Proof | None:
    """The best remedy: by the score of held rows, or by their loss where rows are too few for a score to tell, and the score at least does not fall."""
    margin = MARGIN if case.whole else 2 * MARGIN
    found: list[tuple[float, Proof]] = []
    for remedy in remedies:
        setup = remedy.change(case.setup)
        before: list[Outcome] = []
        after: list[Outcome] = []
        for seed in SEEDS:
            if before and case.left < 2 * before[0].seconds:
                break
            before.append(case.outcome(seed=seed))
            after.append(case.outcome(setup, seed))
            if case.gain(before, after).value < margin and not (remedy.fair and _fallen(before, after)[0] >= LOWER):
                break
        else:
            gain, (lower, error) = case.gain(before, after), _fallen(before, after)
            by_loss = remedy.fair and lower >= LOWER and lower >= ERRORS * error and gain.value > 0
            if gain.clears(margin) or by_loss:
                sure = gain.value / max(gain.error, 1e-3) if gain.clears(margin) else lower / max(error, 1e-3)
                showed = f"held loss {_mean(before):.3g} as it is and {_mean(after):.3g} {setup.name}"
                levels = case.level(before), case.level(after)
                if levels[0] is not None and levels[1] is not None:
                    showed = f"skill {levels[0]:.3f} as it is and {levels[1]:.3f} {setup.name}; {showed}"
                confidence = round(min(0.5 * (1 + math.erf(sure / math.sqrt(2))), 0.999), 3)
                found.append((lower, Proof(gain, showed, remedy, setup, tuple(before), tuple(after), confidence=confidence)))
    return max(found, key=lambda pair: (pair[1].gain.value if pair[1].gain else 0.0) + 0.1 * pair[0])[1] if found else None


def _mean(outcomes: list[Outcome]) -> float:
    return statistics.fmean(one.held_loss for one in outcomes)


def _fallen(before: list[Outcome], after: list[Outcome]) -> tuple[float, float]:
    """The share by which the held loss is lower, and its standard error over the seeds."""
    each = [(a.held_loss - b.held_loss) / max(abs(a.held_loss), 1e-9) for a, b in zip(before, after, strict=True)]
    if not all(math.isfinite(one) for one in each):
        return 0.0, math.inf
    return statistics.fmean(each), statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0


def most_dropped(case: Case) -> float:
    """The largest share of units that is dropped in a forward pass of the networks, by layers and by functions."""
    inside = [
        float(part.dropout)
        for net in case.program.networks
        for part in net.modules()
        if isinstance(part, nn.RNNBase | nn.MultiheadAttention)
    ]
    # Kinds of dropout with masks of their own call no function that could be listened to.
    inside += [
        float(part.p)
        for net in case.program.networks
        for part in net.modules()
        if isinstance(part, nn.modules.dropout._DropoutNd) and not type(part).__module__.startswith("torch.")
    ]
    copies = Copies(case.program.networks, case.program.loose)
    copies.set_modes(case.view.tape, True)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), _Dropped() as seen:
        try:
            run_tape(case.view.tape, copies, until=case.view.meeting.output if case.view.meeting else None)
        except ReplayError:
            return max(inside, default=0.0)
    return max([*inside, *seen.shares], default=0.0)


def strongest_decay(case: Case) -> tuple[float, float]:
    """The largest weight decay of the optimisers, and how many times it is over its bound."""
    strongest, gross = 0.0, 0.0
    for use in case.program.optimizers:
        for options in use.options:
            decay, rate = float(options.get("weight_decay", 0.0) or 0.0), float(options.get("lr", 0.0) or 0.0)
            apart = options.get("decoupled_weight_decay", False) or "AdamW" in use.kind.__name__
            plain = issubclass(use.kind, torch.optim.SGD)
            over = rate * decay * case.program.updates / SHRUNK if apart or plain else decay / DECAY
            over = max(over, decay / DECAY / 4) if plain else over
            if over > gross:
                strongest, gross = decay, over
    return strongest, gross


def penalised(case: Case) -> bool:
    """Whether the loss reads weights outside of the networks' calls."""
    return any(isinstance(leaf, Weight) for node in case.view.tape.nodes for leaf in tensors_of((node.args, dict(node.kwargs))))


def _loss_node(case: Case) -> Node | None:
    meeting = case.view.meeting
    return None if meeting is None or meeting.loss not in LOSSES else case.view.tape.nodes[meeting.node]


def plain_loss(case: Case) -> Callable[[Tensor, Tensor], Tensor] | None:
    """The program's loss of answer and target, without what is added to it and without smoothing."""
    node = _loss_node(case)
    if node is None or case.setup.loss is not None or isinstance(node.call, Part):
        return None
    call, words = node.call, {name: value for name, value in node.kwargs.items() if name not in {"input", "target", "label_smoothing"}}
    if tensors_of((node.args[2:], words)):
        return None
    return lambda answer, target: call(answer, target, *node.args[2:], **words)


class _Dropped(TorchFunctionMode):
    """Collects the shares that calls of dropout are given."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        words = kwargs or {}
        if getattr(func, "__name__", "") in DROPOUTS and (args[2] if len(args) > 2 else words.get("training", words.get("train", True))):
            self.shares.append(float(args[1] if len(args) > 1 else words.get("p", 0.5)))
        return func(*args, **words)


class _NoDropout(TorchFunctionMode):
    """Calls of dropout give back what they are given."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in DROPOUTS:
            return args[0] if args else kwargs["input"]
        return func(*args, **(kwargs or {}))


def without_dropout(setup: Setup) -> Setup:
    """No unit is dropped anywhere."""

    def switch(networks: list[nn.Module]) -> None:
        for network in networks:
            for part in network.modules():
                if isinstance(part, nn.modules.dropout._DropoutNd):
                    part.p = 0.0
                elif isinstance(part, nn.RNNBase | nn.MultiheadAttention):
                    part.dropout = 0.0
            network.forward = _under(network.forward)

    return replace(setup, name="without dropout", surgery=(*setup.surgery, switch))


def _under(forward: Callable[..., Any]) -> Callable[..., Any]:
    def undropped(*args: Any, **kwargs: Any) -> Any:
        with _NoDropout():
            return forward(*args, **kwargs)

    return undropped


def without_decay(setup: Setup) -> Setup:
    """No weight decay in any group."""
    return replace(setup, name="without weight decay", options={**setup.options, "weight_decay": 0.0})


def _less_dropout(case: Case) -> Any:
    place = case.program.places.get("model")
    return source_networks.set_dropout(place.file, 0.1, type(case.program.networks[0]).__name__) if place else None


def _less_decay(case: Case) -> Any:
    use = case.program.optimizers[case.view.optimizer]
    return source_calls.set_argument(use.place, use.kind.__name__, "weight_decay", "0.0001") if use.place else None


def _less_smoothing(case: Case) -> Any:
    place, meeting = case.program.places.get("loss"), case.view.meeting
    return source_losses.set_loss_argument(place, meeting.loss, "label_smoothing", "0.1") if place and meeting else None


def _less_penalty(case: Case) -> Any:
    place = case.program.places.get("loss")
    return source_losses.weaken_penalty(place, 0.01) if place else None


def _both(case: Case) -> Any:
    """Both edits as one, where they are of one file."""
    first, second = _less_dropout(case), _less_decay(case)
    if first is None or second is None or first.file != second.file:
        return first or second
    source = source_calls.Source.read(first.file)
    return None if source is None else source.edit([*first.changes, *second.changes])
