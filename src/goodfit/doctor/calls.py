"""The calls of a program as a graph, and the tapes that are cut out of it.

While a program runs, a `Call` is held by what came of it: by an answer that is still alive, by a later call, or by an event that was recorded. When the
last of them goes, so does the call with the data that entered it, so a step that nobody recorded leaves nothing behind.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor.program import Data, Node, Part, Place, Tape, Value, Weight, replaced

_DEEP = 3  # how far into the user's own objects answers are looked for: an object in an object in an object
_LONG = 12  # steps of a path; a structure that contains itself ends here


class Budget:
    """bytes: of the data that are held now."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class Cell:
    """A tensor that entered a call from outside, as it was then. unseen: it depends on weights in a way that was not seen."""

    __slots__ = ("__weakref__", "_budget", "_size", "tensor", "unseen")

    def __init__(self, tensor: Tensor, budget: Budget, unseen: bool = False) -> None:
        self.tensor = tensor
        self.unseen = unseen
        self._size = size_of(tensor)
        self._budget = budget
        budget.bytes += self._size

    def __del__(self) -> None:
        self._budget.bytes -= self._size


class Leaf:
    """A parameter, or a leaf that requires a gradient: a weight, or data whose gradient is wanted; which of them is known at the end.

    start: a copy as it was when first seen; None where a network's copy holds it. again: it was used after an update or a backward.
    """

    __slots__ = ("_strong", "_weak", "again", "key", "parameter", "seen", "start")

    def __init__(self, tensor: Tensor, start: Tensor | None, seen: int) -> None:
        self.parameter = isinstance(tensor, nn.Parameter)
        self._strong = tensor if self.parameter else None
        self._weak = weakref.ref(tensor)
        self.key = id(tensor)
        self.start = start
        self.seen = seen
        self.again = False

    @property
    def live(self) -> Tensor | None:
        return self._strong if self._strong is not None else self._weak()

    def hold(self) -> None:
        """Kept for good: it is a weight for certain."""
        self._strong = self.live

    @property
    def changed(self) -> bool:
        live = self.live
        return live is not None and self.start is not None and not _same(live, self.start)


class Out:
    """What a call gave at `path`.

    grad: whether it required a gradient. after: later calls that changed it in place. cell: its value, where a tape of another evaluation uses it.
    """

    __slots__ = ("after", "call", "cell", "grad", "path")

    def __init__(self, call: Call, path: tuple[int | str, ...], grad: bool, after: tuple[Call, ...] = (), cell: Cell | None = None) -> None:
        self.call = call
        self.path = path
        self.grad = grad
        self.after = after
        self.cell = cell

    @property
    def calls(self) -> tuple[Call, ...]:
        return (self.call, *self.after)


_GONE = torch.empty(0)


class Slot:
    """Where a tensor enters a call. ref: what it is to the call, an `Out`, a `Cell` or a `Leaf`; tensor and version: while the call is being written.

    bare: it is the gradient or the bare data of a weight.
    """

    __slots__ = ("bare", "ref", "tensor", "version")

    def __init__(self, tensor: Tensor, ref: Any, version: int, bare: bool) -> None:
        self.tensor = tensor
        self.ref = ref
        self.version = version
        self.bare = bare

    def let_go(self) -> None:
        """The call is written: the tensor may be freed."""
        self.tensor = _GONE


class Call:
    """One call. In `args` and `kwargs` each tensor is one of the slots. step: the number of updates before it. rows: of a network's
    first input. taste: the evaluation's tape it belongs to."""

    __slots__ = (
        "__weakref__", "args", "autocast", "call", "grad", "kwargs", "modes", "module", "number", "place", "rows", "slots", "step", "taste", "training",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        call: Callable[..., Any] | None,
        module: nn.Module | None,
        trees: tuple[Any, Any],
        slots: list[Slot],
        step: int,
        place: Place | None,
    ) -> None:
        self.number = number
        self.call = call
        self.module = module
        self.args, self.kwargs = trees
        self.slots = slots
        self.step = step
        self.place = place
        self.grad = torch.is_grad_enabled()
        self.autocast = autocast()
        self.training: bool | None = None
        self.modes: dict[str, bool] = {}
        self.rows: int | None = None
        self.taste: Taste | None = None

    def leaves(self) -> list[Out | Cell | Leaf]:
        """What entered it."""
        return [slot.ref for slot in self.slots]


class Taste:
    """The tape of an evaluation while it is written: calls without gradients, in their order, and what was done with the answers.

    used: by a backward after all. asked: from where the networks were called.
    """

    __slots__ = ("asked", "calls", "cells", "grad", "used")

    def __init__(self, grad: bool) -> None:
        self.calls: list[Call] = []
        self.cells: set[int] = set()
        self.grad = grad
        self.used = False
        self.asked: set[int] = set()


def answers(tree: Any, path: tuple[int | str, ...] = (), depth: int = 0) -> Iterator[tuple[tuple[int | str, ...], Tensor]]:
    """The tensors of a call's answer, each with the path to it."""
    if isinstance(tree, Tensor):
        yield path, tree
    elif isinstance(tree, torch.Size) or tree is None or len(path) > _LONG:
        return
    elif isinstance(tree, tuple | list):
        for number, inner in enumerate(tree):
            yield from answers(inner, (*path, number), depth)
    elif isinstance(tree, Mapping):
        for key, inner in tree.items():
            if isinstance(key, int | str):
                yield from answers(inner, (*path, key), depth)
    elif depth < _DEEP and _open(tree):
        for key, inner in vars(tree).items():
            yield from answers(inner, (*path, key), depth + 1)


def _open(tree: Any) -> bool:
    """Whether an object is one that carries tensors, such as a distribution: one with attributes that is no network and no part of torch's machinery."""
    return (
        dataclasses.is_dataclass(tree)
        or isinstance(tree, SimpleNamespace | torch.distributions.Distribution)
        or (
            hasattr(tree, "__dict__")
            and not isinstance(tree, nn.Module | type)
            and not type(tree).__module__.startswith(("torch", "builtins", "numpy"))
        )
    )


def ancestors(roots: Iterable[Call]) -> list[Call]:
    """The calls that lead to `roots`, with them, in the order in which they ran."""
    found: dict[int, Call] = {}
    waiting = list(roots)
    while waiting:
        call = waiting.pop()
        if call.number in found:
            continue
        found[call.number] = call
        for leaf in call.leaves():
            if isinstance(leaf, Out):
                waiting.extend(leaf.calls)
    return [found[number] for number in sorted(found)]


def graded(root: Out) -> list[Call]:
    """The calls that the gradient of `root` passes."""
    found: dict[int, Call] = {}
    waiting = list(root.calls) if root.grad else []
    while waiting:
        call = waiting.pop()
        if call.number in found:
            continue
        found[call.number] = call
        for leaf in call.leaves():
            if isinstance(leaf, Out) and leaf.grad:
                waiting.extend(leaf.calls)
    return list(found.values())


class Names:
    """How a tape names networks and weights: `part` of a module, `weight` of a leaf; None for what is not known, or is data."""

    def __init__(self, part: Callable[[nn.Module], Part | None], weight: Callable[[Leaf], Weight | None]) -> None:
        self.part = part
        self.weight = weight


def tape_of(
    calls: list[Call], names: Names, root: Out | None = None, loss: float = float("nan"), closed: Taste | None = None
) -> Tape | None:
    """The tape of `calls`, which stand in their order; None where a network was called that could not be copied.

    closed: the evaluation's tape that they are of: what comes from another one is data.
    """
    at: dict[int, int] = {}
    numbers: dict[int, int] = {}
    data: list[Tensor] = []
    nodes: list[Node] = []
    modes: dict[tuple[int, str], bool] = {}

    def datum(key: int, tensor: Tensor) -> Data:
        if key not in numbers:
            numbers[key] = len(data)
            data.append(tensor)
        return Data(numbers[key])

    def name(slot: Slot) -> Value | Data | Weight:
        leaf = slot.ref
        if isinstance(leaf, Cell):
            return datum(id(leaf), leaf.tensor)
        if isinstance(leaf, Leaf):
            weight = names.weight(leaf)
            if weight is not None:
                return weight
            assert leaf.start is not None
            return datum(id(leaf), leaf.start.requires_grad_(leaf.start.is_floating_point() or leaf.start.is_complex()))
        if leaf.call.number in at and not (closed is not None and leaf.call.taste is not closed and leaf.cell is not None):
            return Value(at[leaf.call.number], leaf.path)
        if leaf.cell is None:
            raise KeyError
        return datum(id(leaf.cell), leaf.cell.tensor)

    for call in calls:
        part = None
        if call.module is not None:
            part = names.part(call.module)
            if part is None:
                return None
            modes |= {(part.network, f"{part.path}.{path}".strip(".")): mode for path, mode in call.modes.items()}
        what = part if part is not None else call.call
        assert what is not None
        try:
            args, kwargs = (replaced(tree, Slot, name) for tree in (call.args, call.kwargs))
        except KeyError:
            return None
        at[call.number] = len(nodes)
        nodes.append(Node(what, args, kwargs, call.training, call.grad, call.place, call.number, call.autocast))
    end = None if root is None else Value(at[root.call.number], root.path)
    return Tape(tuple(nodes), tuple(data), end, loss, modes)


def autocast() -> tuple[str, torch.dtype] | None:
    """The kind of device and the precision of the `torch.autocast` that is on."""
    if torch._C._is_any_autocast_enabled():
        for device in ("cuda", "cpu"):
            if torch.is_autocast_enabled(device):
                return device, torch.get_autocast_dtype(device)
    return None


def size_of(tensor: Tensor) -> int:
    """Bytes. A sparse tensor has at each place a value and about as much again for where it is."""
    if tensor.layout is torch.strided:
        return tensor.numel() * tensor.element_size()
    return 3 * tensor._nnz() * tensor.element_size() if tensor.is_sparse or tensor.is_sparse_csr else 0


def copy_of(tensor: Tensor) -> Tensor:
    """A copy that is outside of every graph and of inference mode; of a subclass of the user's, as a plain tensor, none of their code running."""
    if type(tensor) in (Tensor, nn.Parameter) and not torch.is_inference_mode_enabled():
        return tensor.detach().clone()
    with torch.inference_mode(False), torch._C.DisableTorchFunctionSubclass():
        return tensor.detach().clone()


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.device == other.device and bool(torch.equal(one.detach(), other))
