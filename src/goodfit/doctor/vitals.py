"""Cheap signals from one copy of a program as it is: gradients and weights by parameter, activations by call, the answers at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from goodfit.doctor.program import Part
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.short import Setup, fresh, run
from goodfit.doctor.supervised import Supervised

LOOKED = 24  # updates of the copy: enough for weights to have moved, in about the time of a batch of scoring
BATCHES = 6  # batches over which activations are counted: one batch alone calls healthy units dead
RECTIFIERS = frozenset({"relu", "relu_", "threshold", "relu6"})
SQUASHERS = frozenset({"sigmoid", "tanh", "hardsigmoid", "hardtanh"})
NONLINEAR = frozenset(
    [
        "relu",
        "relu_",
        "relu6",
        "leaky_relu",
        "leaky_relu_",
        "elu",
        "elu_",
        "selu",
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
        "softmax",
        "log_softmax",
        "softmin",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "_max_pool1d",
        "_max_pool2d",
        "_max_pool3d",
        "adaptive_max_pool2d",
        "adaptive_max_pool1d",
        "max",
        "amax",
        "minimum",
        "maximum",
        "clamp",
        "abs",
        "square",
        "exp",
        "log",
        "sin",
        "cos",
        "sqrt",
        "pow",
        "scaled_dot_product_attention",
        "multi_head_attention_forward",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
        "layer_norm",
        "batch_norm",
        "group_norm",
        "instance_norm",
        "glu",
        "embedding",
        "where",
    ]
)


@dataclass(frozen=True, slots=True)
class Activation:
    """One call of an activation, in the order of the forward pass. dead: share of units that are zero for every row of all batches; off: share of zeros;
    saturated: share of values within 1 % of a bound; inputs: mean size of what came in; calls it was counted over."""

    name: str
    dead: float
    off: float
    saturated: float
    inputs: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """losses: of the first updates. gradients, weights, moves: by (network, parameter) at the first update and the last looked at: norms, and the norm of the change of one update.
    nonlinear: names of nonlinear functions that were called. norms: of all gradients together, by backward pass. answers: of one batch at the start. begun, later: activations before and after those updates.
    """

    losses: list[float]
    gradients: list[dict[str, float]]
    weights: list[dict[str, float]]
    moves: list[dict[str, float]]
    unused: list[str]
    frozen: list[str]
    answers: Tensor | None
    begun: list[Activation] = field(default_factory=list)
    later: list[Activation] = field(default_factory=list)
    nonlinear: list[str] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)


class _Watch(TorchFunctionMode):
    """Hands every torch function's name, first tensor and answer to `see`."""

    def __init__(self, see: Callable[[str, Tensor | None, Any], None]) -> None:
        super().__init__()
        self.see = see

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], Tensor) else None
        size = float(first.detach().abs().float().mean()) if first is not None and name in RECTIFIERS | SQUASHERS else 0.0
        answer = func(*args, **(kwargs or {}))
        self.see(name, torch.tensor(size), answer)
        return answer


def activations(view: Supervised, copies: Copies, setup: Setup | None = None) -> tuple[list[Activation], list[str]]:
    """Counts over some batches in training order, in eval mode: each rectifier and squasher by its place in the forward pass, and all nonlinear names."""
    copies.set_modes(view.tape, False)
    on: list[Tensor] = []
    off: list[list[float]] = []
    saturated: list[list[float]] = []
    sizes: list[list[float]] = []
    names: list[str] = []
    nonlinear: dict[str, None] = {}
    place = 0

    def see(name: str, size: Tensor | None, answer: Any) -> None:
        nonlocal place
        if name in NONLINEAR:
            nonlinear[name] = None
        if name not in RECTIFIERS | SQUASHERS or not isinstance(answer, Tensor) or answer.dim() < 2:
            return
        value = answer.detach().float()
        units = value.movedim(1, -1).flatten(0, -2) if value.dim() == 4 else value.flatten(0, -2)
        alive = (units != 0).any(0)
        if place == len(names):
            names.append(name)
            on.append(alive)
            off.append([])
            saturated.append([])
            sizes.append([])
        elif names[place] == name and on[place].shape == alive.shape:
            on[place] = on[place] | alive
        low = 0.0 if "sigmoid" in name else -1.0
        if place < len(names):
            off[place].append(float((units == 0).float().mean()))
            saturated[place].append(float(((units > 0.99) | (units < low + 0.01)).float().mean()) if name in SQUASHERS else 0.0)
            sizes[place].append(float(size) if size is not None else 0.0)
        place += 1

    with torch.no_grad():
        for rows in view.batches[:BATCHES]:
            place = 0
            data = view.data(rows)
            if setup is not None and setup.prepare is not None:
                data = setup.prepare(data)
            last = max(number for number, node in enumerate(view.tape.nodes) if isinstance(node.call, Part))
            until = view.meeting.output if view.meeting else None
            with _Watch(see):
                if until is not None and until.node <= last:
                    run_tape(view.tape, copies, data, until=until)
                else:
                    run_tape(view.tape, copies, data)
    found = [
        Activation(
            names[number], 1 - float(on[number].float().mean()) if names[number] in RECTIFIERS else 0.0,
            _mean(off[number]), _mean(saturated[number]), _mean(sizes[number]),
        )
        for number in range(len(names))
    ]  # fmt: skip
    return found, list(nonlinear)


def vitals(view: Supervised, setup: Setup | None = None) -> Vitals:
    """Runs a copy, as it is or as the setup has it, for some updates and looks."""
    setup = Setup() if setup is None else setup
    norms: list[float] = []
    gradients: list[dict[str, float]] = []
    weights: list[dict[str, float]] = []
    moves: list[dict[str, float]] = []
    unused: list[str] = []
    before: dict[str, Tensor] = {}
    length = min(LOOKED, max(view.program.updates, 1))

    def look(done: int, copies: Copies, loss: Tensor) -> None:
        norms.append(
            float(
                torch.stack(
                    [weight.grad.norm() for weight in copies.parameters() if weight.grad is not None] or [loss.new_zeros(())]
                ).norm()
            )
        )
        if done not in {0, 1, length - 1}:
            return
        named = list(_named(copies))
        if done == 0:
            before.update({name: weight.detach().clone() for name, weight in named})
            unused.extend(name for name, weight in named if weight.requires_grad and weight.grad is None)
        if done == 1:
            moves.append({name: float((weight.detach() - before[name]).norm()) for name, weight in named})
        if done in {0, length - 1}:
            gradients.append({name: float(weight.grad.norm()) if weight.grad is not None else 0.0 for name, weight in named})
            weights.append({name: float(weight.detach().norm()) for name, weight in named})

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first = fresh(view, setup)
    begun, nonlinear = activations(view, first, setup)
    answers = None
    if view.meeting is not None:
        with torch.no_grad():
            data = view.data(view.batches[0])
            answers = run_tape(view.tape, first, setup.prepare(data) if setup.prepare else data, until=view.meeting.output)
    done = run(view, setup, updates=length, watch=look, keep=True)
    assert done.copies is not None
    later, _ = activations(view, done.copies, setup)
    frozen = [name for name, weight in _named(first) if not weight.requires_grad]
    return Vitals(
        done.losses, gradients, weights, moves, unused, frozen, answers if isinstance(answers, Tensor) else None, begun, later, nonlinear,
        norms,
    )  # fmt: skip


def _named(copies: Copies) -> list[tuple[str, Tensor]]:
    several = len(copies.networks) > 1
    found = [
        (f"{number}.{name}" if several else name, weight)
        for number, network in enumerate(copies.networks)
        for name, weight in network.named_parameters()
    ]
    return found + [(f"loose {number}", weight) for number, weight in enumerate(copies.loose)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
