"""What a training program did, so that short copies of it can be run.

Its networks as they began and as they ended, its optimisers, every event of its first updates with the data that went in, its losses to the end,
and where in the user's files each was written. A `Recorder` makes it from a script or a loop that runs, `goodfit.doctor.supervised` reads it as
rows, targets and a pattern of events, and the faults change that.

A step's computation is a tape: the calls of whole networks and of torch's functions that lie between the data and a loss. What happens inside a
network's own `forward` is not on the tape: the network is there to be called again. What was computed without any weight, such as scaling a batch,
is not on it either: its result is data.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from types import GetSetDescriptorType
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the user's files something was written: the innermost frame of a file of theirs. line: 1-based."""

    file: str
    line: int
    function: str = "<module>"


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that node number `node` of the same tape gave; `path` leads to it through tuples, lists and dicts: `("logits",)`, `(0, 1)`.

    Where the answer is an object of the user's, a word of the path is the name of an attribute.
    """

    node: int
    path: tuple[int | str, ...] = ()

    def of(self, answers: Mapping[int, Any] | Sequence[Any]) -> Any:
        """The tensor, out of the answers of the nodes."""
        found = answers[self.node]
        for step in self.path:
            found = found[step] if isinstance(step, int) or isinstance(found, Mapping) else getattr(found, step)
        return found


@dataclass(frozen=True, slots=True)
class Data:
    """Tensor number `number` in the data of the same tape: it depends on no weight."""

    number: int


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter that is used outside of its network's call: of network `network` by name, or, for -1, number `name` of the loose ones."""

    network: int
    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """A network, or a part of one, that was called: `path` is the name in `named_modules`, empty for the whole."""

    network: int
    path: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One call. In `args` and `kwargs`, nested as they were, each tensor is a `Value`, `Data` or `Weight`; all else stands as it was.

    call: a network's part, or a function of torch (`torch.nn.functional.cross_entropy`, `torch.Tensor.mean`), which may change its arguments in place
    (then it was seen to it that they are no data). training: the mode of the part when it was called; None for a function. grad: whether gradients were on.
    serial: the number of the call in the whole program. A serial that stands in two tapes is one call whose answer both used, as the pictures of a
    generator that its critic's loss and its own need. autocast: the kind of device and the precision, where the call stood under `torch.autocast`.
    """

    call: Part | Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    training: bool | None = None
    grad: bool = True
    place: Place | None = None
    serial: int = -1
    autocast: tuple[str, torch.dtype] | None = None

    @property
    def name(self) -> str:
        """`cross_entropy`, `mean`, or `network 0` and its path."""
        if isinstance(self.call, Part):
            return f"network {self.call.network}" + (f" {self.call.path}" if self.call.path else "")
        owner = getattr(self.call, "__self__", None)
        if isinstance(owner, GetSetDescriptorType):
            return owner.__name__  # `x.T` is a call of its getter
        return getattr(self.call, "__name__", str(self.call))


@dataclass(frozen=True, slots=True)
class Tape:
    """The calls that lead to one loss (or, in an evaluation, all that followed a network's call), in their order.

    data: what entered, each tensor once, as it was then. root: the loss; None in an evaluation. loss: its value, for the test of the instrument.
    modes: `training` of every part of every network at the time, as {(network, path): mode}, where it is not the mode of the whole.
    """

    nodes: tuple[Node, ...]
    data: tuple[Tensor, ...]
    root: Value | None = None
    loss: float = float("nan")
    modes: Mapping[tuple[int, str], bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Zero:
    """Gradients were set to nothing: of one optimiser (its number), or of networks (None), whichever call did it.

    parts: whose, where `optimizer` is None; empty for all weights. to_none: they were taken away and not set to 0, so that an optimiser passes over them.
    """

    optimizer: int | None
    place: Place | None = None
    parts: tuple[Part, ...] = ()
    to_none: bool = True


@dataclass(frozen=True, slots=True)
class Backward:
    """Gradients of a loss were computed. inherited: gradients that were not zero lay on the weights before."""

    tape: Tape
    inherited: bool = False
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """Gradients were clipped: `norm` (of all together, with its kind) or `value`. weights: whose; empty for those of every network."""

    kind: str
    limit: float
    place: Place | None = None
    norm: float = 2.0
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """`step()` of optimiser number `optimizer`; rates: the learning rate of each of its groups at that moment.

    moved: whether any weight changed by it. closure: it was given a function that computes the gradients; what that function did the first time stands
    before this event, and an optimiser such as LBFGS needs a function that does it again.
    """

    optimizer: int
    rates: tuple[float, ...]
    moved: bool = True
    place: Place | None = None
    closure: bool = False


Event = Zero | Backward | Clip | Update


@dataclass(frozen=True, slots=True)
class OptimizerUse:
    """An optimiser as it was made. groups: the weights of each; options: what stands in each group besides them (lr, weight_decay, ...)."""

    kind: type
    groups: tuple[tuple[Weight, ...], ...]
    options: tuple[Mapping[str, Any], ...]
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Network calls without gradients, in one go: `after` is the number of updates before it. Tapes have no root and hold what was done with the answers."""

    tapes: tuple[Tape, ...]
    after: int
    place: Place | None = None


@dataclass(slots=True)
class Program:
    """A recorded program.

    networks: copies as each was when first called. finals: the live ones, as they ended. loose, loose_finals: parameters of no network, the same way.
    events: of the first updates, as many as were kept, in their order. losses: of every backward to the end. rates: of every update to the end, by optimiser.
    updates: how many there were to the end. seconds: what the program took in all, without the instruments as near as can be told.
    places: of `model` (where the network was made; `model 1`, `model 2` for further networks), `loader` (a DataLoader), `loss` (where the loss was
    computed), `backward`, `step`, `forward`.
    said: what could not be seen, each a sentence for the user. late_in_eval: share of the updates after those in `events` at which every network was in
    eval mode. anew: an earlier training of the same networks was left out, after which parts of them were exchanged.
    """

    networks: list[nn.Module]
    finals: list[nn.Module]
    optimizers: list[OptimizerUse]
    events: list[Event]
    losses: list[float] = field(default_factory=list)
    rates: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    updates: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    loose: list[Tensor] = field(default_factory=list)
    loose_finals: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    places: dict[str, Place] = field(default_factory=dict)
    loaders: list[LoaderUse] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    late_in_eval: float = 0.0
    anew: bool = False

    def cycles(self) -> list[tuple[Event, ...]]:
        """The events cut after each update."""
        cut: list[tuple[Event, ...]] = []
        begun = 0
        for number, event in enumerate(self.events):
            if isinstance(event, Update):
                cut.append(tuple(self.events[begun : number + 1]))
                begun = number + 1
        return cut


@dataclass(frozen=True, slots=True)
class LoaderUse:
    """A torch DataLoader that was made: whether it shuffles, its batch size, and the number of rows where the set tells."""

    shuffles: bool
    batch_size: int | None
    rows: int | None
    place: Place | None = None


def tensors_of(tree: Any) -> Sequence[Value | Data | Weight]:
    """The tensors that a node's arguments name, in their order."""
    if isinstance(tree, Value | Data | Weight):
        return [tree]
    if isinstance(tree, Mapping):
        return [leaf for inner in tree.values() for leaf in tensors_of(inner)]
    if isinstance(tree, tuple | list):
        return [leaf for inner in tree for leaf in tensors_of(inner)]
    return []


_ATOMS = {int, float, str, bool, type(None)}  # what most arguments are: no need to ask what else they might be


def replaced(tree: Any, kinds: type | tuple[type, ...], by: Callable[[Any], Any]) -> Any:
    """`tree` with each leaf of `kinds` replaced; tuples, lists and mappings are made anew, of the same types, and all else stands as it is.

    >>> replaced({"x": (Data(0), 2)}, Data, lambda data: "a tensor")
    {'x': ('a tensor', 2)}
    """
    if isinstance(tree, kinds):
        return by(tree)
    if type(tree) in _ATOMS:
        return tree
    if isinstance(tree, tuple):
        inner = [replaced(leaf, kinds, by) for leaf in tree]
        if all(new is old for new, old in zip(inner, tree, strict=True)):
            return tree  # a torch.Size stays one
        return tuple(inner) if type(tree) is tuple else tuple.__new__(type(tree), inner)  # a PackedSequence looks at what it is given
    if isinstance(tree, list):
        return [replaced(leaf, kinds, by) for leaf in tree]
    if type(tree) is dict or not isinstance(tree, MutableMapping):
        return {key: replaced(leaf, kinds, by) for key, leaf in tree.items()} if isinstance(tree, Mapping) else tree
    again = copy.copy(tree)
    for key, leaf in tree.items():
        again[key] = replaced(leaf, kinds, by)
    return again
