"""What a recorder has noted, and how it becomes a `Program`: only at the end is it known which networks are parts of others, and which leaves are weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from goodfit.base.errors import InputError
from goodfit.doctor.byhand import Step
from goodfit.doctor.calls import Leaf, Names, Out, Taste, ancestors, copy_of, tape_of
from goodfit.doctor.evaluations import MOST, Evaluations, Examined
from goodfit.doctor.program import (
    Backward,
    Clip,
    Evaluation,
    Event,
    LoaderUse,
    OptimizerUse,
    Part,
    Place,
    Program,
    Tape,
    Update,
    Weight,
    Zero,
)
from goodfit.doctor.snapshots import Networks, Root, bare
from goodfit.doctor.tape import Tracer

_CHUNK = 1024  # losses that are held as single tensors, at half a kilobyte each, before they are put together

# What is said of each kind of thing that could not be seen or will not be repeated; {} is where.
_SAID = {
    "loss": "the gradients at {} are of a loss that could not be followed back to a network: it came from a compiled function, a transform of torch.func, "
    "another thread, or from inside a network's call",
    "torch.func": "what happens at {} inside a transform of torch.func or a trace of torch.jit could not be seen",
    "functional": "the network at {} is called with weights that are not its own, which could not be seen",
    "compiled": "a function that torch.compile made is called at {}, and what happens in it could not be seen",
    "inside": "a module's own forward holds the training loop ({}); its first pass could not be seen",
    "exchanged": "parts of a network are exchanged before {}, after it was trained; what came before is left out",
    "inputs": "the gradients at {} are asked for some tensors only; short copies compute them for all",
    "closure": "the optimiser at {} computes the loss several times in a step; the first of them stands for all",
    "gradient": "gradients are changed by hand at {}; short copies leave them as they are",
    "weight": "weights are changed by hand at {}; short copies do not repeat it",
    "step": "weights are changed by hand at {} in another way than by plain gradient descent; short copies do not repeat it",
    "blind": "a tensor that is used at {} depends on weights in a way that could not be seen; short copies keep it as it was",
    "tape": "the way from the networks to the loss at {} could not be written down, so short copies leave it out",
}


@dataclass(slots=True, eq=False)
class Passed:
    """A backward. root: the loss; number: of its value. roots, leaves: what its gradient reached. sample: some of those weights. unseen: not all was seen."""

    root: Out
    number: int
    place: Place | None
    inherited: bool = False
    roots: list[Root] = field(default_factory=list)
    leaves: dict[Leaf, None] = field(default_factory=dict)
    sample: list[Tensor] = field(default_factory=list)
    unseen: bool = False


@dataclass(slots=True)
class Zeroed:
    """Gradients were set to nothing: of an optimiser by its number, of a module, or, with neither, of all."""

    optimizer: int | None
    module: nn.Module | None
    to_none: bool
    place: Place | None


@dataclass(slots=True)
class Clipped:
    """Gradients were clipped. weights: the ids of those whose; empty for all."""

    kind: str
    limit: float
    norm: float
    weights: list[int]
    place: Place | None


class UsedOptimizer:
    """An optimiser of the program. options, weights: of each of its groups, as it was made."""

    def __init__(self, optimizer: Optimizer, number: int, place: Place | None) -> None:
        self.optimizer = optimizer
        self.number = number
        self.place = place
        self.options = [_options(group) for group in optimizer.param_groups]
        self._started = False

    def started(self, networks: Networks, tracer: Tracer) -> None:
        """Before its first step: groups and options that came after it was made; weights of no network are copied."""
        groups = self.optimizer.param_groups
        if self._started and len(groups) == len(self.options):
            return
        self._started = True
        self.options += [_options(group) for group in groups[len(self.options) :]]
        for known, group in zip(self.options, groups, strict=True):
            known |= {name: value for name, value in _options(group).items() if name not in known}
            for weight in group["params"]:
                if not networks.holds(weight):
                    tracer.leaf(weight).hold()


@dataclass(slots=True)
class Descent:
    """Plain gradient descent that the program wrote out itself."""

    number: int
    weights: list[Tensor]
    rate: float
    place: Place | None


class Drafts:
    """Everything noted so far, in its order."""

    def __init__(self, networks: Networks, tracer: Tracer) -> None:
        self.events: list[Passed | Zeroed | Clipped | Update] = []
        self.optimizers: dict[int, UsedOptimizer] = {}
        self.loaders: list[LoaderUse] = []
        self.rates: list[tuple[int, tuple[float, ...]]] = []
        self.seconds = 0.0
        self.lost = 0  # number of losses
        self.late = self.late_in_eval = 0  # updates after those that are kept, and those of them at which every network was in eval mode
        self.renewed = False  # it was begun anew
        self.networks = networks
        self.tracer = tracer
        self.uses: list[UsedOptimizer | Descent] = []
        self.notes: dict[str, dict[Place | None, None]] = {}
        self._later: list[tuple[str, Place | None]] = []
        self._chunk: list[Tensor] = []
        self._chunks: list[Tensor] = []
        self._earlier: dict[int, tuple[Optimizer, Place | None]] = {}  # optimisers of before a network's parts were exchanged

    def optimizer(self, optimizer: Optimizer, place: Place | None) -> UsedOptimizer:
        """An optimiser, noted if it is new."""
        used = self.optimizers.get(id(optimizer))
        if used is None:
            place = place if id(optimizer) not in self._earlier else self._earlier[id(optimizer)][1]
            used = self.optimizers[id(optimizer)] = UsedOptimizer(optimizer, len(self.uses), place)
            self.uses.append(used)
        return used

    def anew(self, place: Place | None) -> None:
        """Nothing was noted so far, but where the optimisers were made."""
        self.note("exchanged", place)
        self.renewed = True
        owners = {used.number: used.optimizer for used in self.optimizers.values()}
        self._earlier |= {id(used.optimizer): (used.optimizer, used.place) for used in self.optimizers.values()}
        just = list(takewhile(lambda event: isinstance(event, Zeroed), reversed(self.events)))
        self.events, self.rates, self.uses, self.optimizers = [], [], [], {}
        self.lost, self.late, self.late_in_eval, self._chunk, self._chunks = 0, 0, 0, [], []
        for event in reversed(just):  # gradients that were set to nothing for what follows
            assert isinstance(event, Zeroed)
            number = None if event.optimizer is None else self.optimizer(owners[event.optimizer], None).number
            self.events.append(Zeroed(number, event.module, event.to_none, event.place))

    def descent(self, step: Step) -> int:
        """The number of the optimiser that stands for updates by hand."""
        assert step.rate is not None
        for use in self.uses:
            if isinstance(use, Descent):
                use.weights += [weight for weight in step.weights if not any(weight is known for known in use.weights)]
                return use.number
        self.uses.append(Descent(len(self.uses), list(step.weights), step.rate, step.place))
        return len(self.uses) - 1

    def rate(self, number: int, rates: tuple[float, ...]) -> None:
        """The rates of an update; one object for as long as they stay the same, since there may be millions."""
        last = self.rates[-1] if self.rates else None
        self.rates.append(last if last is not None and last == (number, rates) else (number, rates))

    def lose(self, worth: Tensor) -> None:
        """The value of a backward's loss; it stays on its device until the end."""
        self.lost += 1
        self._chunk.append(worth)
        if len(self._chunk) >= _CHUNK:
            self._gather()

    def losses(self) -> list[float]:
        """All values, which waits for the device."""
        if self._chunk:
            self._gather()
        return [value for chunk in self._chunks for value in chunk.tolist()]

    def clamp(self, limit: float, place: Place | None) -> None:
        """`clamp_` of one gradient: the clipping of all is written as one for each weight."""
        last = self.events[-1] if self.events else None
        if not (isinstance(last, Clipped) and last.kind == "value" and last.place == place):
            self.events.append(Clipped("value", limit, 2.0, [], place))

    def note(self, kind: str, place: Place | None) -> None:
        """Something to be said."""
        self.notes.setdefault(kind, {})[place] = None

    def later(self, kind: str, place: Place | None) -> None:
        """Something to be said if another backward follows."""
        if (kind, place) not in self._later:
            self._later.append((kind, place))

    def confirm(self) -> None:
        """A backward has followed."""
        for kind, place in self._later:
            self.note(kind, place)
        self._later.clear()

    def _gather(self) -> None:
        first = self._chunk[0]
        self._chunks.append(torch.stack([worth.to(first.device, first.dtype) for worth in self._chunk]))
        self._chunk = []


def rates_of(optimizer: Optimizer) -> tuple[float, ...]:
    """The learning rate of each group; nan where an optimiser has none."""
    return tuple(float(group.get("lr", float("nan"))) for group in optimizer.param_groups)


def written(drafts: Drafts, evaluations: Evaluations, updates: int) -> Program:
    """The program. Raises InputError where nothing was trained."""
    networks = drafts.networks
    among = [root for root in networks.outermost() if root.copy is not None]
    if not drafts.lost:
        raise InputError(
            "the doctor needs a program that trains a network, and this one computed no gradient: nothing in its main thread called backward()"
            + ("" if networks.roots else ", and no torch network was called")
        )
    resolver = _Resolver(drafts, among)
    losses = drafts.losses()
    events: list[Event] = []
    for event in drafts.events:
        final = _event(event, resolver, losses)
        if final is None:
            drafts.note("tape", event.place)
        else:
            events.append(final)
    if not any(isinstance(event, Backward) for event in events):
        raise InputError("the doctor needs to see how the loss comes from a network, and did not: " + "; ".join(_said(drafts)))
    uses = [_use(use, resolver) for use in drafts.uses]
    tried = [_evaluation(evaluations.first, resolver)] if evaluations.first is not None else []
    if evaluations.last is not None and evaluations.last is not evaluations.first:
        tried.append(_evaluation(evaluations.last, resolver))
    starts, ends = resolver.loose()
    return Program(
        networks=[root.copy for root in among if root.copy is not None],
        finals=[root.module for root in among],
        optimizers=uses,
        events=events,
        losses=losses,
        rates=list(drafts.rates),
        updates=updates,
        evaluations=[one for one in tried if one.tapes],
        loose=starts,
        loose_finals=ends,
        seconds=drafts.seconds,
        places=_places(events, among, drafts.loaders),
        loaders=list(drafts.loaders),
        said=_said(drafts),
        anew=drafts.renewed,
        late_in_eval=drafts.late_in_eval / drafts.late if drafts.late else 0.0,
    )


class _Resolver:
    """Names what the tapes refer to, and gathers the loose weights that they use."""

    def __init__(self, drafts: Drafts, among: list[Root]) -> None:
        self.among = among
        self.names = Names(self.part, self.weight)
        self._drafts = drafts
        self._loose: dict[int, Leaf] = {}
        self._trained = {id(weight) for use in drafts.uses for weight in _weights_of(use)}
        self._alone = (
            not any(root.weights for root in among)
            and not any(leaf.parameter for leaf in drafts.tracer.leaves.values())
            and not self._trained
        )

    def part(self, module: nn.Module) -> Part | None:
        return self._drafts.networks.part(module, self.among)

    def weight(self, leaf: Leaf) -> Weight | None:
        """None for a leaf that is data: one that requires a gradient, as in a gradient penalty, but that nothing updates."""
        known = self._drafts.networks.weight(leaf.key, self.among)
        if known is not None:
            return known
        if leaf.key in self._loose or leaf.parameter or leaf.key in self._trained or self._alone or (leaf.again and leaf.changed):
            self._loose.setdefault(leaf.key, leaf)
            return Weight(-1, str(list(self._loose).index(leaf.key)))
        return None

    def of(self, tensor: Tensor) -> Weight:
        weight = self.weight(self._drafts.tracer.leaf(tensor))
        assert weight is not None
        return weight

    def known(self, tensor_id: int) -> Weight | None:
        weight = self._drafts.networks.weight(tensor_id, self.among)
        if weight is None and tensor_id in self._loose:
            weight = Weight(-1, str(list(self._loose).index(tensor_id)))
        return weight

    def total(self) -> int:
        return sum(len(root.weights) for root in self.among)

    def loose(self) -> tuple[list[Tensor], list[Tensor]]:
        starts: list[Tensor] = []
        ends: list[Tensor] = []
        for leaf in self._loose.values():
            live = leaf.live
            assert live is not None or leaf.start is not None
            start = leaf.start if leaf.start is not None else copy_of(live)  # type: ignore[arg-type]
            starts.append(start.requires_grad_(live is None or live.requires_grad))
            ends.append(live if live is not None else start)
        return starts, ends


def _event(event: Passed | Zeroed | Clipped | Update, resolver: _Resolver, losses: Sequence[float]) -> Event | None:
    if isinstance(event, Update):
        return event
    if isinstance(event, Passed):
        tape = tape_of(ancestors(event.root.calls), resolver.names, event.root, losses[event.number])
        return None if tape is None else Backward(tape, event.inherited, event.place)
    if isinstance(event, Zeroed):
        parts: tuple[Part, ...] = ()
        if event.module is not None:
            module = bare(event.module)
            part = resolver.part(module)
            inner = {id(inside) for inside in module.modules()}
            parts = (part,) if part is not None else tuple(Part(n) for n, root in enumerate(resolver.among) if id(root.module) in inner)
            if parts == tuple(Part(number) for number in range(len(resolver.among))):
                parts = ()
        return Zero(event.optimizer, event.place, parts, event.to_none)
    weights = tuple(weight for key in event.weights if (weight := resolver.known(key)) is not None)
    return Clip(event.kind, event.limit, event.place, event.norm, weights if len(weights) < resolver.total() else ())


def _use(use: UsedOptimizer | Descent, resolver: _Resolver) -> OptimizerUse:
    if isinstance(use, Descent):
        return OptimizerUse(SGD, (tuple(resolver.of(weight) for weight in use.weights),), ({"lr": use.rate},), use.place)
    groups = tuple(tuple(resolver.of(weight) for weight in group["params"]) for group in use.optimizer.param_groups)
    options = [*use.options, *(_options(group) for group in use.optimizer.param_groups[len(use.options) :])]
    return OptimizerUse(type(use.optimizer), groups, tuple(options), use.place)


def _weights_of(use: UsedOptimizer | Descent) -> list[Tensor]:
    if isinstance(use, Descent):
        return use.weights
    return [weight for group in use.optimizer.param_groups for weight in group["params"]]


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: copy_of(value) if isinstance(value, Tensor) else value for name, value in group.items() if name != "params"}


def _evaluation(examined: Examined, resolver: _Resolver) -> Evaluation:
    tapes: list[Tape] = []
    for taste in examined.tastes[:MOST]:
        tape = None if taste.used else _tasted(taste, resolver)
        if tape is not None:
            tapes.append(tape)
    return Evaluation(tuple(tapes), examined.after, examined.place)


def _tasted(taste: Taste, resolver: _Resolver) -> Tape | None:
    """The calls of the tape in their order, with those outside of it that they cannot do without."""
    inner = {call.number for call in taste.calls}
    needed = {call.number: call for call in taste.calls}
    waiting = list(taste.calls)
    while waiting:
        for leaf in waiting.pop().leaves():
            if isinstance(leaf, Out):
                for call in leaf.calls:
                    if call.number not in needed and (leaf.cell is None or call.number in inner):
                        needed[call.number] = call
                        waiting.append(call)
    return tape_of([needed[number] for number in sorted(needed)], resolver.names, closed=taste)


def _places(events: Sequence[Event], among: Sequence[Root], loaders: Sequence[LoaderUse]) -> dict[str, Place]:
    found: dict[str, Place | None] = {f"model {number}" if number else "model": root.place for number, root in enumerate(among)}
    found["loader"] = next((loader.place for loader in loaders if loader.place is not None), None)
    passes = [event for event in events if isinstance(event, Backward)]
    # A network that gives its own loss is looked into from its second call on.
    first = next(
        (event for event in passes if event.tape.root and not isinstance(event.tape.nodes[event.tape.root.node].call, Part)), passes[0]
    )
    assert first.tape.root is not None
    found["loss"] = first.tape.nodes[first.tape.root.node].place
    found["backward"] = first.place
    found["forward"] = next((node.place for node in reversed(first.tape.nodes) if isinstance(node.call, Part)), None)
    found["step"] = next((event.place for event in events if isinstance(event, Update)), None)
    return {name: place for name, place in found.items() if place is not None}


def _said(drafts: Drafts) -> list[str]:
    if drafts.tracer.blind:
        drafts.notes["blind"] = drafts.tracer.blind
    said = []
    for kind, places in drafts.notes.items():
        where = [f"{place.file}:{place.line}" for place in places if place is not None]
        more = f" and {len(where) - 3} more places" if len(where) > 3 else ""
        said.append(_SAID[kind].format((", ".join(where[:3]) + more) or "a place that is not in your files"))
    if drafts.networks.uncopied:
        said.append(
            f"these networks cannot be copied, so nothing can be tried on them: {', '.join(dict.fromkeys(drafts.networks.uncopied))}"
        )
    return said
