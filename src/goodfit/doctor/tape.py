"""Which call gave which tensor: torch's functions and whole networks as they run.

A mode of torch hands every function that the user's code calls to a `Tracer`. A function that takes nothing from a network and no weight runs as it
would; what it gives is data. The others become calls of the graph in `calls`. Inside a network's own call, an optimiser's step, a backward pass and a
data loader the tracer is off.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import GetSetDescriptorType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.doctor.calls import Budget, Call, Cell, Leaf, Out, Slot, Taste, answers, copy_of
from goodfit.doctor.evaluations import Evaluations
from goodfit.doctor.places import Places
from goodfit.doctor.program import Place, replaced

# What these give depends on a tensor's shape alone, or is a draw that no gradient goes through: data, so that a short copy sees the same.
_SHAPED = {
    "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "randint_like", "new_zeros", "new_ones", "new_full", "new_empty",
    "new_tensor", "multinomial", "bernoulli", "poisson", "binomial", "_sample_dirichlet", "_standard_gamma", "normal", "__deepcopy__",
}  # fmt: skip
# Asked often, answered without a tensor.
_PLAIN = {
    "size", "dim", "item", "numel", "tolist", "numpy", "stride", "element_size", "is_floating_point", "is_complex", "is_contiguous", "data_ptr",
    "__len__", "__repr__", "__format__", "__bool__", "__float__", "__int__", "__index__", "__hash__", "__contains__", "__array__", "__reduce_ex__",
    "get_device", "is_pinned", "storage", "untyped_storage", "retain_grad", "register_hook", "equal", "allclose", "__dlpack__",
}  # fmt: skip
# Properties of a tensor that are tensors.
_VIEWS = {"data", "T", "mT", "H", "mH", "real", "imag"}
_MISTAKES = 8  # calls taken for an evaluation's that were none, after which the number of rows says nothing in this program
_MANY = 4096  # answers that are remembered before those that are gone are thrown out: a step of a large program makes some hundred


class _Known:
    """A tensor that is alive: what gave it, or of which weight it is the gradient or the bare data. worth: its unscaled value, where a scaler made it."""

    __slots__ = ("kind", "out", "ref", "version", "weight", "worth")

    def __init__(self, tensor: Tensor, out: Out | None, weight: Tensor | None = None, kind: str = "") -> None:
        self.ref = weakref.ref(tensor)
        self.out = out
        self.weight = weight
        self.kind = kind
        self.version = _version(tensor)
        self.worth: Tensor | None = None


class Mode(TorchFunctionMode):
    """Hands what concerns it to the tracer."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        tracer = self._tracer
        if tracer.off or not tracer.concerns(args, kwargs):
            return func(*args, **kwargs) if kwargs else func(*args)
        return tracer.function(func, args, kwargs or {})


def rows_of(args: tuple[Any, ...]) -> int | None:
    """The size of the first dimension of what a network is called with first."""
    return args[0].shape[0] if args and isinstance(args[0], Tensor) and args[0].dim() else None


class Tracer:
    """Writes the graph of calls.

    off: above 0 while nothing is written. step: how many updates there were. held: whether a leaf is a weight of a network whose copy holds its value.
    by_hand: told of each weight or gradient that was changed in place: (`data` or `grad`, weight, name of the function, its further arguments).
    asked: told of each `torch.autograd.grad` for weights: (losses, their own gradients, weights, what it gave).
    """

    def __init__(
        self,
        places: Places,
        budget: Budget,
        evaluations: Evaluations,
        held: Callable[[Tensor], bool],
        by_hand: Callable[[str, Tensor, str, tuple[Any, ...]], None],
        asked: Callable[[Any, Any, Any, Any], None],
    ) -> None:
        self.off = 0
        self.step = 0
        self.passes = 0  # backwards so far
        self.sizes: set[int] = set()  # numbers of rows that networks were called with in training
        self.mistaken = 0  # calls taken for an evaluation's by their size that a backward used
        self.blind: dict[Place | None, None] = {}  # where something entered that depends on weights in an unseen way
        self.leaves: dict[int, Leaf] = {}
        self._budget = budget
        self._evaluations = evaluations
        self._places = places
        self._held = held
        self._by_hand = by_hand
        self._asked = asked
        self._known: dict[int, _Known] = {}
        self._cells: dict[Any, tuple[Any, int, Any]] = {}
        self._changes: list[tuple[int, Call]] = []  # storage, call
        self._number = 0
        self._room = _MANY // 4

    # What is known of a tensor

    def concerns(self, tree: Any, more: Any = None) -> bool:
        """Whether a tensor in the arguments comes from a call, or is a weight."""
        for leaf in tree:
            if isinstance(leaf, Tensor):
                if id(leaf) in self._known or _parameter(leaf) or _requires(leaf):
                    return True
            elif isinstance(leaf, tuple | list):
                if leaf and self.concerns(leaf):
                    return True
            elif isinstance(leaf, dict) and leaf and self.concerns(leaf.values()):
                return True
        return bool(more) and self.concerns(more.values())

    def out_of(self, tensor: Tensor) -> Out | None:
        """The call that gave a tensor, with what changed it since."""
        known = self._find(tensor)
        return None if known is None or known.out is None else self._as_now(tensor, known)

    def worth(self, tensor: Tensor) -> Tensor:
        """The value of a loss, without the factor of a gradient scaler."""
        known = self._find(tensor)
        return tensor if known is None or known.worth is None else known.worth

    def stands_for(self, scaled: Tensor, tensor: Tensor) -> None:
        """`scaled` is `tensor` times the factor of a gradient scaler, which the optimiser's step will take away again."""
        known = self._find(tensor)
        if known is not None and known.out is not None:
            again = self._known[id(scaled)] = _Known(scaled, known.out)
            again.worth = tensor.detach()

    def _find(self, tensor: Tensor) -> _Known | None:
        known = self._known.get(id(tensor))
        if known is not None and known.ref() is not tensor:
            del self._known[id(tensor)]
            return None
        return known

    def advance(self) -> None:
        """After an update: what was computed before it, and carries no gradient, is data from now on."""
        self.step += 1
        self._changes.clear()
        self._tidy(lambda known: known.out is not None and known.out.grad)

    def _tidy(self, keep: Callable[[_Known], bool]) -> None:
        self._known = {key: known for key, known in self._known.items() if known.ref() is not None and keep(known)}
        if (
            len(self._cells) + len(self.leaves) > self._room
        ):  # at twice what was left last time, so that it costs little for each that is added
            self._cells = {key: cell for key, cell in self._cells.items() if cell[0]() is not None and cell[2]() is not None}
            self.leaves = {key: leaf for key, leaf in self.leaves.items() if leaf.live is not None}
            self._room = max(_MANY // 4, 2 * (len(self._cells) + len(self.leaves)))

    def tidy(self) -> None:
        """Throws out what is not alive any more."""
        self._tidy(lambda known: True)

    def forget(self) -> None:
        """Nothing of what was computed so far is needed."""
        self._known.clear()
        self._cells.clear()
        self._changes.clear()

    # Calls

    def function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function of torch that takes a weight, or what came of one, and writes it down."""
        name = getattr(func, "__name__", "")
        if name == "backward":
            return func(*args, **kwargs)  # `torch.autograd.backward` has its own record
        if transformed():
            return self._run(func, args, kwargs)
        owner = getattr(func, "__self__", None)
        if name in _PLAIN or name in _SHAPED:
            return self._run(func, args, kwargs)
        if isinstance(owner, GetSetDescriptorType):
            if name != "__get__":
                return self._set(owner.__name__, func, args)
            if owner.__name__ == "grad":
                return self._bare("grad", func, args)
            if owner.__name__ not in _VIEWS:
                return self._run(func, args, kwargs)
        if (name == "detach" or (owner is not None and getattr(owner, "__name__", "") == "data")) and self._weight(args[0]) is not None:
            return self._bare("data", func, args)
        slots: list[Slot] = []
        trees = replaced((args, kwargs), Tensor, lambda tensor: self._enter(tensor, slots))
        if not any(
            isinstance(one.ref, Out) or one.ref is _UNSEEN or (isinstance(one.ref, Leaf) and torch.is_grad_enabled()) for one in slots
        ):
            return self._aside(name, func, args, kwargs, slots)
        taste = self._taste_of(slots)
        self._settle(slots, taste)
        result = self._run(func, args, kwargs)
        if func is torch.autograd.grad and not kwargs.get("create_graph") and all(self._weight(tensor) is tensor for tensor in args[1]):
            self._asked(args[0], kwargs.get("grad_outputs"), args[1], result)
        if isinstance(result, Tensor):
            if name != "requires_grad_" and any(result is one.tensor and not _changed(one) for one in slots):
                return result  # `x.contiguous()` of what is contiguous
        elif not any(True for _ in answers(result)) and not any(_changed(one) for one in slots):
            return result
        self._write(self._call(func, None, trees, slots), result, taste)
        return result

    def told(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> None:
        """Writes down that `func` gives `result` for these arguments, where something else has computed the same."""
        slots: list[Slot] = []
        trees = replaced((args, kwargs), Tensor, lambda tensor: self._enter(tensor, slots))
        taste = self._taste_of(slots)
        self._settle(slots, taste)
        self._write(self._call(func, None, trees, slots), result, taste)

    def network(
        self, module: nn.Module, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any], modes: dict[str, bool]
    ) -> tuple[Any, Call | None]:
        """Runs a network's call, by `run`, and writes it down. modes: of its parts that are not in its own mode. Gives the answer and the call."""
        grad = torch.is_grad_enabled()
        free = not grad or not module.training or self.unusual(args)
        full = free and self._evaluations.full(self.step)
        if full and not grad:
            return run(), None
        slots: list[Slot] = []
        trees = replaced((args, kwargs), Tensor, lambda tensor: self._enter(tensor, slots))
        taste = self._taste_of(slots) if free and not full else None
        self._settle(slots, taste)
        if free and not full and (taste is None or taste.grad != grad or taste.used):
            taste = self._evaluations.open([id(one.ref) for one in slots if isinstance(one.ref, Cell)], self.step, self._places.here)
        call = self._call(None, module, trees, slots)
        call.training, call.modes, call.rows = module.training, modes, rows_of(args)
        result = run()
        self._write(call, result, taste)
        return result, call

    def unusual(self, args: tuple[Any, ...]) -> bool:
        """Whether a network's call in training has a number of rows that none had before: many programs judge with gradients on and in training mode, but all
        of the rows at once."""
        rows = rows_of(args)
        if rows is None or self.mistaken >= _MISTAKES:
            return False
        if not self.passes:
            self.sizes.add(rows)
        return rows not in self.sizes

    def taught(self, rows: int | None) -> None:
        """A backward used a call with so many rows."""
        if rows is not None and rows not in self.sizes:
            self.sizes.add(rows)
            self.mistaken += 1

    def sum_of(self, losses: list[tuple[Out, Tensor | None]]) -> Out:
        """The scalar whose gradient is that of a backward from several losses, or from one that was given a gradient."""
        total: Out | None = None
        for out, gradient in losses:
            if gradient is not None:
                product = Out(self._made(torch.mul, out, self.cell(gradient)), (), True)
                out = Out(self._made(torch.sum, product), (), True)
            total = out if total is None else Out(self._made(torch.add, total, out), (), True)
        assert total is not None
        return total

    def leaf(self, tensor: Tensor) -> Leaf:
        """A weight, or data whose gradient is wanted."""
        leaf = self.leaves.get(id(tensor))
        if leaf is None or leaf.live is not tensor:
            leaf = self.leaves[id(tensor)] = Leaf(tensor, None if self._held(tensor) else copy_of(tensor), self.passes)
        elif self.passes > leaf.seen:
            leaf.again = True
        return leaf

    def cell(self, tensor: Tensor) -> Cell:
        """A tensor as data, copied once while it stays what it is."""
        if tensor.layout is not torch.strided or type(tensor) is not Tensor:
            return Cell(copy_of(tensor), self._budget)
        anchor = tensor if tensor._base is None else tensor._base
        key = (id(anchor), tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        old = self._cells.get(key)
        if old is not None and old[0]() is anchor and old[1] == _version(tensor):
            cell = old[2]()
            # A storage that cannot grow is numpy's, and numpy writes to it unseen.
            if cell is not None and (tensor.untyped_storage().resizable() or torch.equal(tensor, cell.tensor)):
                return cell
        made = Cell(copy_of(tensor), self._budget)
        self._cells[key] = (weakref.ref(anchor), _version(tensor), weakref.ref(made))
        return made

    def _run(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.off += 1
        try:
            return func(*args, **kwargs)
        finally:
            self.off -= 1

    def _call(self, func: Callable[..., Any] | None, module: nn.Module | None, trees: Any, slots: list[Slot]) -> Call:
        self._number += 1
        return Call(self._number, func, module, trees, slots, self.step, self._places.here())

    def _made(self, func: Callable[..., Any], *args: Any) -> Call:
        """A call that is not the user's own."""
        slots = [Slot(_NONE, ref, 0, False) for ref in args if isinstance(ref, Out | Cell)]
        waiting = iter(slots)
        return self._call(func, None, (tuple(next(waiting) if isinstance(arg, Out | Cell) else arg for arg in args), {}), slots)

    def _enter(self, tensor: Tensor, slots: list[Slot]) -> Slot:
        """Notes what a tensor is to a call; data are copied later, once it is certain that the call will be written down."""
        known = self._find(tensor)
        ref: Any = _DATA
        if known is not None and known.out is not None:
            if known.out.grad or known.out.call.step == self.step:
                ref = self._as_now(tensor, known)
        elif known is not None:
            ref = _BARE
        elif _parameter(tensor) or (_requires(tensor) and tensor.is_leaf):
            ref = self.leaf(tensor)
        elif _requires(tensor):
            ref = _UNSEEN
        slot = Slot(tensor, ref, _version(tensor), ref is _BARE)
        slots.append(slot)
        return slot

    def _as_now(self, tensor: Tensor, known: _Known) -> Out:
        """What gave a tensor, with the calls that have changed it since through a view or inside a network."""
        out, version = known.out, _version(tensor)
        assert out is not None
        if version != known.version:
            known.version = version
            place = _storage(tensor)
            later = tuple(call for storage, call in self._changes if storage == place and call.number > out.call.number)
            if not later:
                self.blind[self._places.here()] = None
            known.out = out = Out(out.call, out.path, _requires(tensor), out.after + later)
        return out

    def _settle(self, slots: list[Slot], taste: Taste | None) -> None:
        """Decides of every tensor what it is: data are copied now."""
        for one in slots:
            if isinstance(one.ref, Out):
                if taste is not None and one.ref.call.taste is not taste:
                    one.ref = Out(one.ref.call, one.ref.path, one.ref.grad, one.ref.after, self.cell(one.tensor))
            elif one.ref is _UNSEEN:
                self.blind[self._places.here()] = None
                one.ref = Cell(copy_of(one.tensor), self._budget, unseen=True)
            elif not isinstance(one.ref, Leaf):
                one.ref = self.cell(one.tensor)

    def _taste_of(self, slots: list[Slot]) -> Taste | None:
        """The evaluation whose answers a call takes: the latest."""
        calls = [one.ref.call for one in slots if isinstance(one.ref, Out) and one.ref.call.taste is not None]
        return max(calls, key=lambda call: call.number).taste if calls else None

    def _write(self, call: Call, result: Any, taste: Taste | None) -> None:
        """Remembers what a call gave and what it changed in place."""
        slots = call.slots
        weights = {id(one.tensor) for one in slots if isinstance(one.ref, Leaf) or one.bare}
        given = [(path, tensor) for path, tensor in answers(result) if id(tensor) not in weights]
        if taste is not None and not taste.used and (taste.grad == call.grad or not any(_requires(tensor) for _, tensor in given)):
            call.taste = taste
        changed = [one for one in slots if _changed(one)]
        for one in changed:
            if isinstance(one.ref, Cell) and not one.bare:
                self._spare(call, one)
        if call.taste is not None:
            call.taste.calls.append(call)
            call.taste.cells.update(id(leaf) for leaf in call.leaves() if isinstance(leaf, Cell))
        for one in changed:
            if isinstance(one.ref, Out):
                self._changes.append((_storage(one.tensor), call))
                self._known[id(one.tensor)] = _Known(one.tensor, Out(one.ref.call, one.ref.path, _requires(one.tensor), (call,)))
            else:
                self._hand(one, getattr(call.call, "__name__", "a network's call"), ())
        for path, tensor in given:
            self._known[id(tensor)] = _Known(tensor, Out(call, path, _requires(tensor)))
        for one in slots:
            one.let_go()
        if len(self._known) > _MANY:
            self.tidy()

    def _spare(self, call: Call, one: Slot) -> None:
        """A call that writes to data gets a copy of them to write to."""
        cell = one.ref
        copied = self._made(torch.clone, cell)
        copied.number, call.number = call.number, copied.number
        if call.taste is not None:
            copied.taste = call.taste
            call.taste.calls.append(copied)
        for slot in call.slots:
            if slot.ref is cell:
                slot.ref = Out(copied, (), False)

    # What is done to weights and gradients

    def _weight(self, tensor: Any) -> Tensor | None:
        """The weight that a tensor is, or whose gradient or bare data it is."""
        if not isinstance(tensor, Tensor):
            return None
        known = self._find(tensor)
        if known is not None:
            return known.weight
        return tensor if _parameter(tensor) or (_requires(tensor) and tensor.is_leaf) else None

    def _bare(self, kind: str, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """`w.grad`, `w.data`: tensors without a past, which are watched for changes in place."""
        result = self._run(func, args, {})
        weight = self._weight(args[0])
        if isinstance(result, Tensor) and weight is not None:
            known = self._find(args[0])
            self._known[id(result)] = _Known(result, None, weight, "grad" if known is not None and known.kind == "grad" else kind)
        return result

    def _set(self, name: str, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """`w.grad = None`, `w.data = ...`, `x.requires_grad = True`."""
        result = self._run(func, args, {})
        known = self._find(args[0])
        if name == "requires_grad" and known is not None and known.out is not None and len(args) > 1:
            call = self._made(Tensor.requires_grad_, self._as_now(args[0], known), args[1])
            self._known[id(args[0])] = _Known(args[0], Out(call, (), _requires(args[0])))
        elif name in ("grad", "data") and known is None:
            self._by_hand(name, args[0], "set", args[1:])
        return result

    def _aside(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], slots: list[Slot]) -> Any:
        """Runs what is no part of a tape, and sees what it changes."""
        result = self._run(func, args, kwargs)
        for one in slots:
            if _changed(one):
                self._hand(one, name, args[1:])
        return result

    def _hand(self, one: Slot, name: str, args: tuple[Any, ...]) -> None:
        known = self._find(one.tensor)
        if known is not None and known.weight is not None:
            self._by_hand(known.kind, known.weight, name, args)
        elif isinstance(one.ref, Leaf):
            self._by_hand("data", one.tensor, name, args)


_NONE = torch.empty(0)
_DATA, _BARE, _UNSEEN = object(), object(), object()
_OWN = (Tensor, nn.Parameter)  # types whose attributes run no code of anybody's


def transformed() -> bool:
    """Whether a transform of `torch.func`, such as vmap, or a trace of `torch.jit` is at work: its tensors are no values."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch._C._get_tracing_state() is not None


def _parameter(tensor: Tensor) -> bool:
    return issubclass(type(tensor), nn.Parameter)  # isinstance would ask a metaclass, at four times the price


def _requires(tensor: Tensor) -> bool:
    if type(tensor) in _OWN:
        return tensor.requires_grad
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.requires_grad


def _version(tensor: Tensor) -> int:
    """How often a tensor was written to; 0 in inference mode, which does not count."""
    if type(tensor) in _OWN:
        return 0 if tensor.is_inference() else tensor._version
    with torch._C.DisableTorchFunctionSubclass():
        return 0 if tensor.is_inference() else tensor._version


def _changed(slot: Slot) -> bool:
    """Whether a call has written to what entered here."""
    return _version(slot.tensor) != slot.version


def _storage(tensor: Tensor) -> int:
    with torch._C.DisableTorchFunctionSubclass():
        return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else id(tensor)
