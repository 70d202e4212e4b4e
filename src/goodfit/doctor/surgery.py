"""Surgeries on a user's network: initial values, activations, norms, shortcuts, width, depth.

What a `forward` does is not rewritten: modules are replaced under their own names, hooked, or their functions swapped while they run, and a surgery that does not
fit shows when the copy is run. A surgery changes fresh copies; it draws from torch's default generator, which `run` seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.doctor.case import Case
from goodfit.doctor.layers import CONVOLUTIONS, NORMS, OUTSIDE, TURNED, WEIGHTED, Call, Layer, Raw, layers
from goodfit.doctor.program import Part

Surgery = Callable[[list[nn.Module]], None]


def reset(at: Iterable[tuple[int, str]]) -> Surgery:
    """Layers begin with torch's own values."""
    places = list(at)

    def change(networks: list[nn.Module]) -> None:
        for number, path in places:
            networks[number].get_submodule(path).reset_parameters()  # type: ignore[operator]

    return change


def redrawn(at: Iterable[Raw]) -> Surgery:
    """Matrices begin as those of torch's own linear layers do: uniform within 1 / sqrt(inputs)."""
    chosen = list(at)

    def change(networks: list[nn.Module]) -> None:
        with torch.no_grad():
            for one in chosen:
                weight = networks[one.network].get_parameter(one.name)
                weight.uniform_(-(weight.shape[one.entering] ** -0.5), weight.shape[one.entering] ** -0.5)

    return change


def bent(at: Iterable[tuple[int, str]], function: Callable[[Tensor], Tensor] = torch.relu) -> Surgery:
    """An activation after each of these layers."""
    places = list(at)

    def change(networks: list[nn.Module]) -> None:
        for number, path in places:
            networks[number].get_submodule(path).register_forward_hook(lambda _, __, answer: _first(answer, function))

    return change


def shortcut(at: Iterable[tuple[int, str]], parts: int = 1) -> Surgery:
    """What goes into each of these layers is added to what comes out, of which one part in so many is taken."""
    places = list(at)

    def change(networks: list[nn.Module]) -> None:
        for number, path in places:
            networks[number].get_submodule(path).register_forward_hook(lambda _, given, answer: given[0] + answer / parts)

    return change


def normalised(chosen: Sequence[Layer]) -> Surgery:
    """A norm after each of these layers, of each row by itself: over the features of a linear layer, over all channels and places of a convolution."""

    def change(networks: list[nn.Module]) -> None:
        for layer in chosen:
            module = networks[layer.network].get_submodule(layer.path)
            norm: nn.Module = nn.GroupNorm(1, layer.made[1]) if isinstance(module, CONVOLUTIONS + TURNED) else nn.LayerNorm(layer.made[-1])
            module.add_module("norm_after", norm.to(next(module.parameters()).device))
            module.register_forward_hook(lambda module, _, answer: module.get_submodule("norm_after")(answer))

    return change


def swapped(found: Sequence[Call], names: frozenset[str], new: Callable[[Tensor], Tensor], *, hidden: bool = True) -> Surgery:
    """Activations of these names give way to another, whether they are modules or functions in a forward; those behind the last weights stay."""
    flags: dict[Part, list[bool]] = {}
    for call in found:
        if call.name in names and call.part != OUTSIDE:
            flags.setdefault(call.part, []).append(call.hidden or not hidden)

    def change(networks: list[nn.Module]) -> None:
        for part, chosen in flags.items():
            module = networks[part.network].get_submodule(part.path)
            module.forward = _Swapping(module.forward, names, chosen, new)

    return change


class _Swapping:
    """A forward under a watch that swaps the n-th call of some functions, for n in `chosen`; counted anew whenever all have been seen."""

    def __init__(self, forward: Callable[..., Any], names: frozenset[str], chosen: Sequence[bool], new: Callable[[Tensor], Tensor]) -> None:
        self.forward, self.names, self.chosen, self.new = forward, names, chosen, new
        self.__name__ = "forward"
        self.place = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _Swap(self):
            return self.forward(*args, **kwargs)

    def swap(self) -> bool:
        chosen = self.chosen[self.place % len(self.chosen)]
        self.place = (self.place + 1) % len(self.chosen)
        return chosen


class _Swap(TorchFunctionMode):
    def __init__(self, swapping: _Swapping) -> None:
        super().__init__()
        self.swapping = swapping

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in self.swapping.names and self.swapping.swap():
            return self.swapping.new(args[0] if args else (kwargs or {})["input"])
        return func(*args, **(kwargs or {}))


def replaced(networks: list[nn.Module], network: int, path: str, new: nn.Module) -> None:
    """A module under the name of another."""
    if not path:
        networks[network] = new
        return
    parent, _, name = path.rpartition(".")
    setattr(networks[network].get_submodule(parent), name, new)


def widened(case: Case, least: int) -> Surgery | None:
    """Every hidden layer at least so wide. None where nothing is narrower, or the network is no chain of layers that can be made anew.

    Layers are taken in the order of their calls: each takes what the one before it makes. Whether that is so shows when the copy is run.
    """
    chain = [
        layer
        for layer in layers(case)
        if layer.weighted or isinstance(layer.module, NORMS) or any(True for _ in layer.module.parameters(recurse=False))
    ]
    places = [number for number, layer in enumerate(chain) if layer.weighted]
    if len(places) < 2 or any(layer.calls > 1 and layer.weighted for layer in chain):
        return None
    plan: list[tuple[Layer, int, int]] = []  # old width of what comes in, and new
    old = new = 0
    changes: list[tuple[Layer, Callable[[], nn.Module]]] = []
    for number, layer in enumerate(chain):
        module = layer.module
        if layer.weighted:
            width = _width(module)
            wanted = width if number == places[-1] else max(width, least)
            if number != places[-1] and isinstance(module, nn.RNNBase) and module.bidirectional:
                wanted = max(width, least)
            made = _resized(module, old, new, wanted)
            if made is None:
                return None
            changes.append((layer, made))
            factor = 2 if isinstance(module, nn.RNNBase) and module.bidirectional else 1
            old, new = width * factor, wanted * factor
            plan.append((layer, width, wanted))
        elif isinstance(module, NORMS) and old:
            renormed = _renormed(module, old, new)
            if renormed is None:
                return None
            changes.append((layer, renormed))
        elif not isinstance(module, nn.Embedding | nn.PReLU):
            return None
    if all(width == wanted for _, width, wanted in plan):
        return None

    def change(networks: list[nn.Module]) -> None:
        for layer, make in changes:
            device = next(layer.module.parameters(), torch.empty(0)).device
            replaced(networks, layer.network, layer.path, make().to(device))

    return change


def _width(module: nn.Module) -> int:
    for name in ("out_features", "out_channels", "hidden_size"):
        if hasattr(module, name):
            return int(getattr(module, name))
    return 0


def _resized(module: nn.Module, old: int, new: int, width: int) -> Callable[[], nn.Module] | None:
    """A layer of the same kind and of another width, whose input grew from old to new (by places where it was laid flat)."""
    kind: Any = type(module)

    def entering(size: int) -> int | None:
        if not old or old == new:
            return size
        return size // old * new if size % old == 0 else None

    if kind is nn.Linear:
        assert isinstance(module, nn.Linear)
        size = entering(module.in_features)
        return None if size is None else partial(nn.Linear, size, width, bias=module.bias is not None)
    if kind in CONVOLUTIONS:
        assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        size = entering(module.in_channels)
        if size is None or module.groups != 1:
            return None
        return lambda: kind(
            size,
            width,
            module.kernel_size,
            stride=module.stride,
            padding=module.padding,
            dilation=module.dilation,
            bias=module.bias is not None,
        )
    if kind in {nn.RNN, nn.LSTM, nn.GRU}:
        assert isinstance(module, nn.RNNBase)
        size = entering(module.input_size)
        if size is None or module.proj_size:
            return None
        options: dict[str, Any] = {"nonlinearity": module.nonlinearity} if kind is nn.RNN else {}
        return lambda: kind(
            size, width, num_layers=module.num_layers, bias=module.bias, batch_first=module.batch_first, dropout=module.dropout,
            bidirectional=module.bidirectional, **options,
        )  # fmt: skip
    return None


def _renormed(module: nn.Module, old: int, new: int) -> Callable[[], nn.Module] | None:
    kind: Any = type(module)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return (lambda: kind(new, eps=module.eps, momentum=module.momentum, affine=module.affine)) if module.num_features == old else None
    if isinstance(module, nn.LayerNorm):
        return (lambda: kind(new, eps=module.eps)) if tuple(module.normalized_shape) == (old,) else None
    if isinstance(module, nn.GroupNorm):
        return (
            (lambda: kind(module.num_groups, new, eps=module.eps)) if module.num_channels == old and new % module.num_groups == 0 else None
        )
    return None


class Through(nn.Module):
    """Gives back its first argument, whatever else it is called with."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return x


def shallower(gone: Sequence[Layer]) -> Surgery:
    """These layers are left out, with the norms, activations and dropout that follow each in the same Sequential."""

    def change(networks: list[nn.Module]) -> None:
        for layer in gone:
            parent, _, name = layer.path.rpartition(".")
            holder = networks[layer.network].get_submodule(parent)
            replaced(networks, layer.network, layer.path, Through())
            if isinstance(holder, nn.Sequential) and isinstance(layer.module, WEIGHTED) and name.isdigit():
                for following in range(int(name) + 1, len(holder)):
                    if isinstance(holder[following], WEIGHTED) or any(True for _ in holder[following].children()):
                        break
                    holder[following] = Through()

    return change


def _first(answer: Any, function: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(answer, tuple):
        return (function(answer[0]), *answer[1:])
    return function(answer)
