"""The networks of a program, each copied as it was when first called."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from goodfit.doctor.calls import Call, copy_of
from goodfit.doctor.program import Part, Place, Weight

_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


def bare(module: nn.Module) -> nn.Module:
    """The network inside of what torch wraps around it to compile or to spread it."""
    while type(module).__name__ in _WRAPPERS and isinstance(inner := getattr(module, _WRAPPERS[type(module).__name__], None), nn.Module):
        module = inner
    return module


def is_network(module: nn.Module) -> bool:
    """Whether a module's call is one node: it has parameters, or statistics of its own; a loss and an activation have neither."""
    return next(module.parameters(), None) is not None or any(
        isinstance(part, _NormBase) and part.running_mean is not None for part in module.modules()
    )


class Root:
    """A network that the program called.

    copy: as it was; None where it cannot be copied. settled: a backward has used it, so the copy stays as it is. parts: of each module in it its name.
    """

    def __init__(self, module: nn.Module, place: Place | None) -> None:
        self.module = module
        self.place = place
        self.copy: nn.Module | None = None
        self.settled = False
        self.call: weakref.ref[Call] | None = None
        self.learn()

    def learn(self) -> None:
        """Takes note of the parts and the parameters as they are now."""
        self._inner: dict[int, list[tuple[str, nn.Module]]] = {}
        self.parts = {id(part): (name, part) for name, part in self.module.named_modules()}
        self.weights = {id(weight): (name, weight) for name, weight in self.module.named_parameters()}
        trained = [weight for _, weight in self.weights.values() if weight.requires_grad and not nn.parameter.is_lazy(weight)]
        # Three weights stand for all where only a look is needed: the ends and the middle of the network.
        self.sample = [trained[number] for number in sorted({0, len(trained) // 2, len(trained) - 1})] if trained else []

    def inner(self, module: nn.Module) -> list[tuple[str, nn.Module]]:
        """The parts of a part, with their names in it."""
        if id(module) not in self._inner:
            self._inner[id(module)] = list(module.named_modules())
        return self._inner[id(module)]

    @property
    def exchanged(self) -> bool:
        """Whether it has weights now that it had not."""
        return self.settled and any(id(weight) not in self.weights for weight in self.module.parameters())

    @property
    def lazy(self) -> bool:
        return any(nn.parameter.is_lazy(tensor) for tensor in [*self.module.parameters(), *self.module.buffers()])


class Networks:
    """The roots among the networks that were called, in their order."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets all of them."""
        self.roots: list[Root] = []
        self.uncopied: list[str] = []
        self._where: dict[int, Root] = {}
        self._weights: dict[int, Root] = {}
        self._copies: dict[int, Any] = {}  # of modules, parameters and buffers, so that what roots share their copies share

    def find(self, module: nn.Module) -> Root | None:
        """The root that a module is, or is a part of."""
        return self._where.get(id(module))

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is a weight of a known network."""
        return id(tensor) in self._weights

    def admit(self, module: nn.Module, place: Place | None) -> Root:
        """A network that is called for the first time; copied now, or by `copied` after its call where its weights have no shape yet."""
        root = Root(module, place)
        self.roots.append(root)
        self._enter(root)
        if not root.lazy:
            self._copy(root)
        return root

    def copied(self, root: Root) -> None:
        """Copies a network whose weights took their shape in the call that has just ended."""
        if root.copy is None and not root.lazy:
            root.learn()
            self._enter(root)
            self._copy(root)

    @torch.inference_mode(False)
    def refresh(self, root: Root) -> None:
        """Before a call, as long as no backward used a network: a trial call came first, and weights were set, or parts exchanged, after it."""
        if root.settled or root.copy is None:
            return
        live, kept = dict(root.module.named_parameters()), dict(root.copy.named_parameters())
        if {id(weight) for weight in live.values()} != set(root.weights) or [w.shape for w in live.values()] != [
            w.shape for w in kept.values()
        ]:
            for number in [*root.parts, *root.weights, *(id(buffer) for buffer in root.module.buffers())]:
                self._copies.pop(number, None)
                self._weights.pop(number, None)
                self._where.pop(number, None)
            root.learn()
            self._enter(root)
            self._copy(root)
            return
        with torch.no_grad():
            for name, weight in live.items():
                if not torch.equal(weight, kept[name]):
                    kept[name].copy_(weight)
                kept[name].requires_grad_(weight.requires_grad)
            if (
                root.call is None or root.call() is None
            ):  # nothing of an earlier call is alive, so what it did to the buffers is part of the beginning
                for (_, buffer), (_, old) in zip(root.module.named_buffers(), root.copy.named_buffers(), strict=True):
                    if buffer.shape == old.shape:
                        old.copy_(buffer)

    def outermost(self) -> list[Root]:
        """The roots that are no parts of others: those become the networks of the program."""
        return [root for root in self.roots if not any(other is not root and id(root.module) in other.parts for other in self.roots)]

    def part(self, module: nn.Module, among: list[Root]) -> Part | None:
        """How a program names a module; None where its network could not be copied."""
        for number, root in enumerate(among):
            if id(module) in root.parts:
                return Part(number, root.parts[id(module)][0])
        return None

    def weight(self, tensor_id: int, among: list[Root]) -> Weight | None:
        """How a program names a weight of a network; None for a loose one."""
        for number, root in enumerate(among):
            if tensor_id in root.weights:
                return Weight(number, root.weights[tensor_id][0])
        return None

    def _enter(self, root: Root) -> None:
        for key in root.parts:
            self._where.setdefault(key, root)
        self._where[id(root.module)] = root
        for key in root.weights:
            self._weights[key] = root

    @torch.inference_mode(False)  # a first call may be an evaluation under it, and the copies are to be trained
    def _copy(self, root: Root) -> None:
        """A deep copy. What modules hold beside weights and cannot be copied (open files, locks, tensors with a graph) is shared, or copied as a value."""
        memo = dict(self._copies)
        for module in root.module.modules():
            for value in vars(module).values():
                if isinstance(value, Tensor) and not value.is_leaf:
                    memo[id(value)] = copy_of(value)
        made: nn.Module | None
        try:
            made = copy.deepcopy(root.module, memo)
        except Exception:  # whatever a user's class raises when it is copied: the part that does not allow it is looked for
            made = self._shared(root, dict(self._copies))
        if made is None:
            self.uncopied.append(type(root.module).__name__)
            return
        root.copy = made
        for one, other in zip(root.module.modules(), made.modules(), strict=True):
            self._copies[id(one)] = other
        for (_, weight), (_, again) in zip(root.module.named_parameters(), made.named_parameters(), strict=True):
            self._copies[id(weight)] = again
        for (_, buffer), (_, old) in zip(root.module.named_buffers(), made.named_buffers(), strict=True):
            self._copies[id(buffer)] = old

    def _shared(self, root: Root, memo: dict[int, Any]) -> nn.Module | None:
        for module in root.module.modules():
            for name, value in vars(module).items():
                if name in ("_parameters", "_buffers", "_modules"):
                    continue
                if isinstance(value, Tensor) and not value.is_leaf:
                    memo[id(value)] = copy_of(value)
                    continue
                try:
                    copy.deepcopy(value, dict(memo))
                except Exception:  # an attribute that cannot be copied is the same in the copy
                    memo[id(value)] = value
        try:
            return copy.deepcopy(root.module, memo)
        except Exception:  # the module itself does not allow it
            return None
