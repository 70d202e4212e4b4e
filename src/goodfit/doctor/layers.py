"""The layers of a user's network in the order in which they are called, and the functions of torch between them.

A network may be any module: its `forward` is watched while it runs on one batch, by hooks for modules and by torch's own hook for functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.doctor.case import Case
from goodfit.doctor.program import Part
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Setup, entered, fresh
from goodfit.doctor.supervised import Supervised

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TURNED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Linear, *CONVOLUTIONS, *TURNED, nn.RNNBase, nn.RNNCellBase, nn.Bilinear)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
POINTWISE = frozenset(
    [
        "relu",
        "relu_",
        "relu6",
        "leaky_relu",
        "leaky_relu_",
        "elu",
        "elu_",
        "selu",
        "selu_",
        "celu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "sigmoid",
        "sigmoid_",
        "tanh",
        "tanh_",
        "hardtanh",
        "hardsigmoid",
        "hardswish",
        "softsign",
        "prelu",
        "rrelu",
        "logsigmoid",
        "threshold",
        "tanhshrink",
        "softshrink",
        "hardshrink",
        "glu",
        "sin",
        "cos",
        "exp",
        "abs",
        "square",
        "pow",
        "clamp",
        "clamp_min",
        "maximum",
        "minimum",
        "where",
        "sqrt",
        "rsqrt",
        "log",
    ]
)
GATED = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"})
ATTENDING = frozenset({"softmax", "scaled_dot_product_attention", "multi_head_attention_forward"})
WEIGHING = frozenset(
    [
        "linear",
        "bilinear",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "matmul",
        "mm",
        "bmm",
        "addmm",
        "baddbmm",
        "einsum",
        "mv",
        "__matmul__",
        "__rmatmul__",
    ]
)
SQUASHING = frozenset({"sigmoid", "sigmoid_", "tanh", "tanh_", "hardsigmoid", "hardtanh", "softsign"})
RECTIFYING = frozenset({"relu", "relu_", "relu6", "threshold", "hardswish"})
POOLING = frozenset(
    [
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "_max_pool1d",
        "_max_pool2d",
        "_max_pool3d",
        "adaptive_max_pool1d",
        "adaptive_max_pool2d",
        "max",
        "amax",
    ]
)


OUTSIDE = Part(-1)  # of a function that the user's loop calls, and no network


@dataclass(frozen=True, slots=True)
class Layer:
    """A module as it was first called. given, made: shapes of its first tensor in and out; calls: how often."""

    network: int
    path: str
    module: nn.Module
    given: tuple[int, ...]
    made: tuple[int, ...]
    calls: int = 1

    @property
    def at(self) -> tuple[int, str]:
        return self.network, self.path

    @property
    def weighted(self) -> bool:
        return isinstance(self.module, WEIGHTED)


@dataclass(frozen=True, slots=True)
class Raw:
    """A matrix that a user's own module holds and multiplies by: its name, and the dimension along which its inputs lie."""

    network: int
    name: str
    entering: int


@dataclass(frozen=True, slots=True)
class Call:
    """One function of torch called by a network, of those that are weights or bend. hidden: whether weights are applied after it, before the answer."""

    part: Part
    name: str
    hidden: bool

    @property
    def weighing(self) -> bool:
        return self.name in WEIGHING or self.name in GATED


def layers(case: Case, setup: Setup | None = None) -> list[Layer]:
    """All modules without children, and recurrent ones, that lead to the answer, in the order of their first calls, as the setup has them."""
    return [layer for layer in modules(case, setup) if layer.weighted or not any(True for _ in layer.module.children())]


def modules(case: Case, setup: Setup | None = None) -> list[Layer]:
    """All modules that lead to the answer, in the order in which their first calls ended."""
    setup = case.setup if setup is None else setup
    return _trace(case, setup)[0]


def matrices(case: Case) -> list[Raw]:
    """Weights of the user's own modules, as they are multiplied by."""
    return _trace(case, case.setup)[2]


def _trace(case: Case, setup: Setup) -> tuple[list[Layer], list[Call], list[Raw]]:
    return case.once("layers", setup, lambda: _traced(case.view, setup))


def calls(case: Case, setup: Setup | None = None) -> list[Call]:
    """All functions of torch, of those that are weights or bend, that lead to the answer, in their order."""
    setup = case.setup if setup is None else setup
    return _trace(case, setup)[1]


def weighted(case: Case) -> list[Layer]:
    """The layers with weights."""
    return [layer for layer in layers(case) if layer.weighted]


def begun(case: Case) -> Copies:
    """Networks as they begin, with what was accepted so far; not to be changed."""

    def make() -> Copies:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return fresh(case.view, case.setup)

    return case.once("begun", case.setup, make)


class Seen(TorchFunctionMode):
    """Hands the name of every torch function to `see`, once it has been called; what a function of torch calls itself is not seen."""

    def __init__(self, see: Callable[[str, Any, Any], None]) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        self.see(getattr(func, "__name__", ""), args, answer)
        return answer


def answer_of(view: Supervised, setup: Setup, copies: Copies, rows: Tensor) -> Any:
    """What the networks say to these rows, up to where it meets the target, else the loss."""
    data = view.data(rows)
    if setup.prepare is not None:
        data = setup.prepare(data)
    with entered(setup):
        return run_tape(view.tape, copies, data, until=view.meeting.output if view.meeting else None)


def _traced(view: Supervised, setup: Setup) -> tuple[list[Layer], list[Call], list[Raw]]:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        copies = fresh(view, setup)
        copies.set_modes(view.tape, False)
        found: dict[tuple[int, str], Layer] = {}
        seen: list[tuple[Part, str]] = []
        parts = parts_of(view)
        running: list[Part] = []
        taken = []
        own = {
            id(weight): (number, name)
            for number, network in enumerate(copies.networks)
            for name, weight in network.named_parameters()
            if weight.dim() == 2
            and min(weight.shape) > 1
            and not type(network.get_submodule(name.rpartition(".")[0])).__module__.startswith("torch.")
        }
        raw: dict[tuple[int, str], Raw] = {}

        def called(name: str, args: Any, answer: Any) -> None:
            if name in WEIGHING | GATED | POINTWISE | POOLING | ATTENDING:
                seen.append((running[0] if running else OUTSIDE, name))
            if name in WEIGHING:
                for at in {id(arg): arg for arg in args if isinstance(arg, Tensor)}:
                    if at in own:
                        raw.setdefault(own[at], Raw(*own[at], 1 if name == "linear" or at == id(args[0]) else 0))

        def note(network: int, path: str) -> Callable[[nn.Module, Any, Any], None]:
            def see(module: nn.Module, args: Any, answer: Any) -> None:
                given, made = _shape(args), _shape(answer)
                before = found.get((network, path))
                if before is not None:
                    found[network, path] = Layer(network, path, module, before.given, before.made, before.calls + 1)
                elif given is not None and made is not None:
                    found[network, path] = Layer(network, path, module, given, made)

            return see

        for number, network in enumerate(copies.networks):
            for path, module in network.named_modules():
                taken.append(module.register_forward_hook(note(number, path)))
        for part in parts:
            module = copies.part(part)
            taken.append(module.register_forward_pre_hook(lambda _, __, part=part: running.append(part)))
            taken.append(module.register_forward_hook(lambda *_: running.pop() and None))
        with Seen(called):
            answer_of(view, setup, copies, view.batches[0][: view.batch_size])
        for hook in taken:
            hook.remove()
    last = max((number for number, (_, name) in enumerate(seen) if name in WEIGHING | GATED), default=-1)
    return list(found.values()), [Call(part, name, number < last) for number, (part, name) in enumerate(seen)], list(raw.values())


def parts_of(view: Supervised) -> list[Part]:
    """What the tape calls, each once."""
    return list(dict.fromkeys(node.call for node in view.tape.nodes if isinstance(node.call, Part)))


def _shape(tree: Any) -> tuple[int, ...] | None:
    if isinstance(tree, Tensor):
        return tuple(tree.shape)
    if isinstance(tree, tuple | list) and tree:
        return _shape(tree[0])
    return None


def repeated(case: Case) -> list[Layer]:
    """Layers or blocks that may be left out: of three or more of one kind in one place, each of which makes the shape that it takes, all but the first."""
    return _outermost([layer for group in _alike(case) for layer in group[1:]])


def blocks(case: Case) -> list[Layer]:
    """The same with the first of each kind: what a shortcut may be put around."""
    return _outermost([layer for group in _alike(case) for layer in group])


def _alike(case: Case) -> list[list[Layer]]:
    found: dict[tuple[int, str, type, tuple[int, ...]], list[Layer]] = {}
    for layer in modules(case):
        if (
            layer.path
            and layer.calls == 1
            and layer.given == layer.made
            and not isinstance(layer.module, NORMS)
            and _has_weights(layer.module)
        ):
            found.setdefault((layer.network, layer.path.rpartition(".")[0], type(layer.module), layer.made), []).append(layer)
    return [group for group in found.values() if len(group) >= 3]


def _outermost(found: list[Layer]) -> list[Layer]:
    return [layer for layer in found if not any(layer is not other and layer.path.startswith(other.path + ".") for other in found)]


def _has_weights(module: nn.Module) -> bool:
    return any(weight.dim() > 1 for weight in module.parameters())


def spread_over_rows(answers: Tensor) -> float:
    """How much answers differ between rows, against their size: about 0.1 to 1 for a fresh network, 0 where it does not see its input."""
    flat = answers.detach().float().reshape(len(answers), -1)
    size = float(flat.square().mean().sqrt())
    return float(flat.std(0, unbiased=False).square().mean().sqrt()) / max(size, 1e-12)


def owner(case: Case) -> str:
    """The class of the network that is called first, as edits of the source name it."""
    parts = parts_of(case.view)
    return type(case.program.networks[parts[0].network]).__name__ if parts else "Sequential"


def file_of(case: Case) -> str | None:
    """Where the network was made."""
    place = case.program.places.get("model")
    return place.file if place else None
