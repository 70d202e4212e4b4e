"""Torch's calls while a tape runs, those inside the networks' own `forward` too: seen in their order, and changed one by one.

A call is known by its function's name and its number among the calls of that name in one run of the tape; a network that makes the same calls every time
makes them under the same numbers. What a call gives is followed through changes of shape, so that the layer behind an answer is found however it is written.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from goodfit.doctor.program import Part, Place
from goodfit.doctor.replay import Copies, run_tape
from goodfit.doctor.supervised import Supervised
from goodfit.doctor.task import LOSSES

# Calls that leave every number as it is and only change where it stands, or how many bits it has.
SHAPES = frozenset(
    {
        "squeeze", "unsqueeze", "view", "reshape", "flatten", "ravel", "__getitem__", "select", "narrow", "transpose", "permute", "swapaxes", "movedim", "t",
        "T", "mT", "contiguous", "float", "double", "to", "clone", "type", "view_as", "reshape_as", "expand", "cpu", "cuda", "unflatten", "squeeze_",
        "unsqueeze_", "requires_grad_", "type_as",
    }
)  # fmt: skip
SQUASHES = frozenset(
    {
        "softmax", "log_softmax", "softmin", "sigmoid", "logsigmoid", "tanh", "relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "softplus", "hardtanh",
        "hardsigmoid", "softsign", "clamp", "clip", "selu", "mish",
    }
)  # fmt: skip
_OURS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True, slots=True)
class Call:
    """One call. run: makes it as it was meant. number: among those of its name. args: as given."""

    name: str
    number: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    run: Callable[[], Any]

    def argument(self, name: str, position: int, default: Any = None) -> Any:
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    @property
    def first(self) -> Any:
        return self.args[0] if self.args else self.kwargs.get("input")


Change = Callable[[Call], Any]


class Changed(TorchFunctionMode):
    """Every call of torch goes through `change`, which gives its answer; `change(call)` may be `call.run()`."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self._change = change
        self._counts: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = name_of(func)
        given = kwargs or {}
        number = self._counts[name]
        self._counts[name] += 1
        return self._change(Call(name, number, args, given, lambda: func(*args, **given)))


def changing(change: Change) -> Callable[[], AbstractContextManager[Any]]:
    """For `Setup.around`: every run of the tape counts its calls anew."""
    return lambda: Changed(change)


def without(name: str, number: int) -> Change:
    """The call gives what went in: the activation is gone."""
    return lambda call: call.first if (call.name, call.number) == (name, number) else call.run()


def instead(name: str, number: int | None, by: Callable[[Call], Any]) -> Change:
    """Another call in place of one, or for None of all of that name."""
    return lambda call: by(call) if call.name == name and number in {None, call.number} else call.run()


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that gave a tensor. place: where in the user's files it stands; None for one of the tape itself, or of torch's own containers.
    owner: class of the module that called it. earlier: what had made the tensor before, where the call changed it in place."""

    name: str
    number: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: Place | None
    owner: str
    earlier: Seen | None = None


@dataclass(slots=True)
class Trail:
    """All calls of one run. answer: what `meeting.output` was."""

    answer: Tensor | None
    made: dict[int, Seen] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)  # so that no id is used twice

    def of(self, tensor: Any, through: frozenset[str] = SHAPES) -> Seen | None:
        """The call that made a tensor, changes of shape passed over."""
        return self._passed(self.made.get(id(tensor)), through)

    @property
    def loss(self) -> str:
        """Name of the loss that a network computes inside; empty where it calls none of torch's."""
        return next((seen.name for seen in self.made.values() if seen.name in LOSSES), "")

    def before(self, seen: Seen) -> Seen | None:
        """The call that made what went into this one, changes of shape passed over."""
        return self._passed(seen.earlier, SHAPES) if seen.earlier else self.of(seen.args[0] if seen.args else seen.kwargs.get("input"))

    def _passed(self, seen: Seen | None, through: frozenset[str]) -> Seen | None:
        while seen is not None and seen.name in through and seen.args:
            seen = seen.earlier or self.made.get(id(seen.args[0]))
        return seen


def trail(view: Supervised, rows: Tensor | None = None, *, around: Sequence[Callable[[], AbstractContextManager[Any]]] = ()) -> Trail:
    """One run of the program's tape up to its answer, in the modes that it recorded, with its networks as they began."""
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape)
    found = Trail(None)

    def see(call: Call) -> Any:
        answer = call.run()
        if isinstance(answer, Tensor):
            if not (call.name in SHAPES and answer is call.first):  # `x.float()` of floats is x itself
                earlier = found.made.get(id(answer)) if answer is call.first else None
                found.made[id(answer)] = Seen(call.name, call.number, call.args, call.kwargs, *user_frame(), earlier)
            found.kept.append((answer, call.args))
        return answer

    data = view.data(view.batches[0] if rows is None else rows)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        with Changed(see):
            answer = run_tape(view.tape, copies, data, until=view.meeting.output if view.meeting else None)
    found.answer = answer if isinstance(answer, Tensor) else None
    found.kept.append(copies)
    return found


@dataclass(frozen=True, slots=True)
class Head:
    """The layer behind the answer. at: its network and name; units: of its output; number: of its call of `linear`; squash: the activation after it."""

    at: Part
    units: int
    features: int
    number: int
    squash: Seen | None


def head_of(view: Supervised, seen: Trail) -> Head | None:
    """The linear layer that an answer comes from, through shapes and one activation; None where it comes from anything else."""
    last = seen.of(seen.answer)
    squash = None
    if last is not None and last.name.removesuffix("_") in SQUASHES:
        squash, last = last, seen.before(last)
    if last is None or last.name != "linear" or len(last.args) < 2:
        return None
    copies = next(one for one in seen.kept if isinstance(one, Copies))
    for number, network in enumerate(copies.networks):
        for path, part in network.named_modules():
            if isinstance(part, nn.Linear) and part.weight is last.args[1]:
                return Head(Part(number, path), part.out_features, part.in_features, last.number, squash)
    return None


def bare(head: Head) -> Change:
    """What follows the head, changes of shape and its activation, is left out: the answer is the linear layer's own, [B, ..., units]."""
    marked: list[Tensor] = []

    def change(call: Call) -> Any:
        if call.name == "linear" and call.number == head.number:
            marked[:] = [call.run()]
            return marked[0]
        if marked and call.first is marked[0] and (call.name in SHAPES or call.name.removesuffix("_") in SQUASHES):
            return marked[0]
        return call.run()

    return change


def with_units(head: Head, units: int) -> Callable[[list[nn.Module]], None]:
    """For `Setup.surgery`: the head made anew, with another number of outputs."""

    def change(networks: list[nn.Module]) -> None:
        old = networks[head.at.network].get_submodule(head.at.path)
        assert isinstance(old, nn.Linear)
        new = nn.Linear(old.in_features, units, old.bias is not None, old.weight.device, old.weight.dtype)
        place(networks, head.at, new)

    return change


def place(networks: list[nn.Module], at: Part, part: nn.Module) -> None:
    """`part` in place of what stands there."""
    if not at.path:
        networks[at.network] = part
        return
    outer, _, name = at.path.rpartition(".")
    setattr(networks[at.network].get_submodule(outer), name, part)


def name_of(func: Any) -> str:
    """`softmax`; of a property such as `x.T`, its own name."""
    name = str(getattr(func, "__name__", ""))
    if name == "__get__":
        return str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name


def user_frame() -> tuple[Place | None, str]:
    """The innermost frame of a file of the user's above the tape, and the class of the innermost module on the way there."""
    frame = sys._getframe(2)
    owner = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS) and not file.endswith("trail.py"):
            return None, owner
        if (
            not owner
            and isinstance(module := frame.f_locals.get("self"), nn.Module)
            and not type(module).__module__.startswith("torch.nn.modules.act")
        ):
            owner = type(module).__name__
        if not file.startswith((_TORCH, _OURS, "<")) and "-packages" not in file:
            return Place(file, frame.f_lineno, frame.f_code.co_name), owner
        frame = frame.f_back  # type: ignore[assignment]
    return None, owner
