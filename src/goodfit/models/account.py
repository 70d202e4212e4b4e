"""What a network costs, layer by layer: parameters, multiply-adds, and the memory that training it takes.

Nothing is read off a formula per kind of layer. One update is made with tensors that have shapes and no contents (torch's FakeTensor), at the
real batch size: every product, every tensor that the backward pass keeps and every block of memory is counted where it comes and goes. That
takes no memory and hardly any time, even for networks that would not fit.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensor, FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.parts import OptimPart
from goodfit.optim.build import build

# A recurrent layer is walked step by step, 10 ms each. Its costs are a straight line in the length, which two short texts give.
LONGEST_RECURRENT = 32


@dataclass(frozen=True)
class Layer:
    """One layer for the whole batch. activation_bytes: what the backward pass keeps of it, parameters not counted."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    activation_bytes: int


@dataclass(frozen=True)
class Account:
    """What a network costs at a batch size. All memory in bytes.

    multiply_adds: of a forward pass; training takes three times as many. training_bytes: the most that an update holds at once, of all below
    and of what the operations need meanwhile. Gradients come as activations go, so it is less than the sum.
    """

    rows: tuple[Layer, ...]
    batch_size: int
    parameters: int
    multiply_adds: int
    parameter_bytes: int
    gradient_bytes: int
    optimiser_bytes: int
    activation_bytes: int
    input_bytes: int
    training_bytes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(
    network: nn.Module, example_inputs: Mapping[str, Tensor], batch_size: int, optimiser: str, *, bfloat16: bool = False
) -> Account:
    """The account of training `network` with batches of `batch_size` rows.

    example_inputs: keyword arguments of the network, each [B, ...] with one row or more; their values are of no matter, but texts and series are
    counted at the length they have there. optimiser: its name in the recipe. bfloat16: under autocast. The network is not changed, and may be one of shapes alone.
    Raises SettingError for an unknown optimiser. The network may not branch on the values of its inputs.

    >>> describe(nn.Linear(3, 2), {"input": torch.zeros(1, 3)}, 10, "sgd").multiply_adds
    60
    """
    known = [name for name in get_args(get_args(OptimPart.model_fields["name"].annotation)[0]) if name]
    if optimiser not in known:
        raise SettingError(f"the optimiser must be one of {', '.join(known)}; {optimiser!r} was given{did_you_mean(optimiser, known)}")
    shapes = {name: (batch_size, *tensor.shape[1:]) for name, tensor in example_inputs.items()}
    if "edges" in example_inputs:
        shapes = _of_graphs(example_inputs, batch_size)
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    timed = [name for name in ("text", "series", "tokens", "place") if name in shapes]
    length = shapes[timed[0]][1] if timed else 0
    if recurrent and length > LONGEST_RECURRENT:
        short, long = LONGEST_RECURRENT // 2, LONGEST_RECURRENT
        few, many = (
            _update(
                network,
                shapes | {name: (batch_size, steps, *shapes[name][2:]) for name in timed},
                example_inputs,
                optimiser,
                bfloat16,
            )
            for steps in (short, long)
        )
        return _extended(few, many, lambda a, b: round(a + (b - a) * (length - short) / (long - short)))
    return _update(network, shapes, example_inputs, optimiser, bfloat16)


def _of_graphs(example: Mapping[str, Tensor], batch_size: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a batch of graphs, whose nodes and edges grow with it; of one graph, the nodes asked for."""
    if "sizes" not in example:
        return {name: tuple(tensor.shape) for name, tensor in example.items()} | {"rows": (batch_size,)}
    times = batch_size / max(1, example["sizes"].shape[0])
    shapes = {name: (round(times * tensor.shape[0]), *tensor.shape[1:]) for name, tensor in example.items()}
    return shapes | {"edges": (2, round(times * example["edges"].shape[1]))}


def _extended(short: Account, long: Account, at: Callable[[int, int], int]) -> Account:
    """The account at another length, each figure on the line through those at two lengths."""
    rows = tuple(
        replace(
            many,
            shape=tuple(at(a, b) for a, b in zip(few.shape, many.shape, strict=True)),
            multiply_adds=at(few.multiply_adds, many.multiply_adds),
            activation_bytes=at(few.activation_bytes, many.activation_bytes),
        )
        for few, many in zip(short.rows, long.rows, strict=True)
    )
    figures = ("multiply_adds", "activation_bytes", "input_bytes", "training_bytes")
    return replace(long, rows=rows, **{name: at(getattr(short, name), getattr(long, name)) for name in figures})


def _update(
    network: nn.Module, shapes: Mapping[str, tuple[int, ...]], example: Mapping[str, Tensor], optimiser: str, bfloat16: bool
) -> Account:
    """One update of a shapes-only copy of the network: its rows and its memory."""
    fake = next((p.fake_mode for p in network.parameters() if isinstance(p, FakeTensor)), None) or FakeTensorMode()
    with FakeCopyMode(fake):
        twin = copy.deepcopy(network).train()
    device = next((p.device for p in twin.parameters()), torch.device("cpu"))
    places = {
        name: _Place(type(module).__name__, sum(p.numel() for p in module.parameters(recurse=False)))
        for name, module in twin.named_modules()
    }
    order: dict[str, None] = {}
    stack = [""]
    for name, module in twin.named_modules():
        module.register_forward_pre_hook(_entering(name, stack, order))
        module.register_forward_hook(_leaving(places[name], stack))
    memory = _Memory()
    with fake, memory, torch.enable_grad():
        inputs = {name: torch.empty(shape, dtype=example[name].dtype, device=device) for name, shape in shapes.items()}
        given = [*twin.parameters(), *twin.buffers(), *inputs.values()]
        for tensor in given:
            memory.see(tensor)
        before = memory.held
        optimizer = build(twin, OptimPart(name=optimiser), lr=1e-3)  # type: ignore[arg-type]
        trained = [p for p in twin.parameters() if p.requires_grad]
        for parameter in trained:
            parameter.grad = torch.empty_like(parameter)
        optimizer.step()  # which makes its state
        optimizer.zero_grad(set_to_none=True)
        optimiser_bytes = memory.held - before
        memory.report = lambda products: places[stack[-1]].add(products)
        known = {_key(tensor) for tensor in given}
        keep = _Kept(known, lambda size: places[stack[-1]].keep(size))
        with (
            saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext(),
        ):
            output = twin(**inputs)
        memory.report = None
        output.float().square().mean().backward()
        optimizer.step()
    met = [*order, *(name for name in places if name not in order)]
    rows = tuple(
        Layer(name or "(network)", place.kind, place.shape, place.parameters, place.multiply_adds, place.saved)
        for name in met
        if (place := places[name]).matters(leaf=not list(twin.get_submodule(name).children()))
    )
    return Account(
        rows=rows,
        batch_size=next(iter(shapes.values()))[0],
        parameters=sum(p.numel() for p in twin.parameters()),
        multiply_adds=sum(row.multiply_adds for row in rows),
        parameter_bytes=sum(_bytes(p) for p in twin.parameters()),
        gradient_bytes=sum(_bytes(p) for p in trained),
        optimiser_bytes=optimiser_bytes,
        activation_bytes=sum(row.activation_bytes for row in rows),
        input_bytes=sum(_bytes(tensor) for tensor in inputs.values()),
        training_bytes=memory.most,
    )


@dataclass
class _Place:
    """A module as it is met in the forward pass."""

    kind: str
    parameters: int
    shape: tuple[int, ...] = ()
    multiply_adds: int = 0
    saved: int = 0

    def add(self, products: int) -> None:
        self.multiply_adds += products

    def keep(self, size: int) -> None:
        self.saved += size

    def matters(self, *, leaf: bool) -> bool:
        """Whether it is a row of its own: it holds parameters, computes or keeps something, or is a leaf that was called."""
        return bool(self.parameters or self.multiply_adds or self.saved or (self.shape and leaf))


def _entering(name: str, stack: list[str], order: dict[str, None]) -> Callable[..., None]:
    def hook(*_: Any) -> None:
        stack.append(name)
        order[name] = None

    return hook


def _leaving(place: _Place, stack: list[str]) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        stack.pop()
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            place.shape = tuple(int(size) for size in first.shape)

    return hook


class _Kept:
    """Sees every tensor that the backward pass will need, and reports the bytes of each block of memory once, but not of those `known`."""

    def __init__(self, known: set[int], report: Callable[[int], None]) -> None:
        self.seen, self.report = set(known), report

    def __call__(self, tensor: Tensor) -> Tensor:
        if _key(tensor) not in self.seen:
            self.seen.add(_key(tensor))  # unique until the backward pass, which alone lets go of what was kept
            self.report(tensor.untyped_storage().nbytes())
        return tensor


class _Memory(TorchDispatchMode):
    """Counts the bytes that are held, and the most that ever were; hands the multiply-adds of products to `report` where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.report: Callable[[int], None] | None = None
        self.held = self.most = 0
        self.blocks: dict[int, Any] = {}

    def see(self, tensor: Tensor) -> None:
        """Count the tensor's block of memory until it is gone."""
        block = tensor.untyped_storage()
        key, size = id(block), block.nbytes()
        if key in self.blocks:
            return

        def gone(_: Any) -> None:
            self.held -= size
            self.blocks.pop(key, None)

        self.blocks[key] = weakref.ref(block, gone)
        self.held += size
        self.most = max(self.most, self.held)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        for result in results:
            self.see(result)
        if torch.Tag.pointwise in func.tags and results and results[0].device.type == "cpu":
            # On a CPU, torch brings operands of other types to the result's first, in memory of their own.
            others = [t for t in args if isinstance(t, Tensor) and t.dtype != results[0].dtype and results[0].is_floating_point()]
            self.most = max(self.most, self.held + sum(t.numel() for t in others) * results[0].element_size())
        if self.report is not None:
            self.report(_multiply_adds(func._overloadpacket, args, kwargs or {}, out))
        return out


def _multiply_adds(operation: Any, args: Any, kwargs: Any, out: Any) -> int:
    """By torch's own formulas for products, convolutions and attention, which count two operations for each."""
    if operation in flop_registry:
        return int(flop_registry[operation](*args, **kwargs, out_val=out)) // 2
    if operation is torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:  # which torch's table leaves out
        return int(sdpa_flop_count(*(tensor.shape for tensor in args[:3]))) // 2
    return 0


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
