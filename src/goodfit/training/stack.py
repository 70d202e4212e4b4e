"""K networks of one structure as one: weights [K, ...], outputs [K, B, ...].

K members, P trainable weights of one network. All trainable weights lie in one tensor [K, P], so that an optimiser's update is a few operations for
all members and layers; each weight is a view of it. The network's own code runs once for all members, under vmap; layers that have a stacked
form (`nn.stacked`) run in it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._functorch.vmap import lazy_load_decompositions
from torch.nn.modules.batchnorm import _NormBase

from goodfit.base.errors import StackError
from goodfit.nn.draws import Draws
from goodfit.nn.mapped import DRAWS, Level
from goodfit.nn.stacked import LEFT_ALONE, Part, part_of
from goodfit.nn.stacked_functions import StackedFunctions, attention
from goodfit.nn.stacked_recurrent import cell, covered, recurrent
from goodfit.optim.groups import place
from goodfit.optim.stacked import Column
from goodfit.training.alike import refuse_difference

Slot = tuple[dict[str, Any], str, str]  # where a module looks a tensor up, the name there, and the tensor's name in the stack


@dataclass(frozen=True)
class Values:
    """What the members hold. flat: trainable weights [K, P]. others: frozen weights and buffers, each [K, ...]. rates: dropout probabilities by
    the layer's path, one a member. draws: the members' generators."""

    flat: Tensor
    others: dict[str, Tensor]
    rates: dict[str, list[float]]
    draws: Draws

    def picked(self, indices: Sequence[int]) -> Values:
        """A copy for these members."""
        rows = torch.tensor(list(indices), device=self.flat.device)
        return Values(
            self.flat[rows],
            {name: tensor[rows] for name, tensor in self.others.items()},
            {path: [rates[index] for index in indices] for path, rates in self.rates.items()},
            self.draws.keep(indices),
        )


class Stack:
    """K networks as one. Made by `Stack.of`; called with a mapping of inputs, each [K, B, ...], it gives [K, B, ...]."""

    def __init__(self, pattern: nn.Module, template: nn.Module, values: Values, columns: list[Column], shared: set[str]) -> None:
        self.pattern = pattern
        self.columns = columns
        self._template, self._values, self._shared = template, values, shared
        self._parts = _lowered(template, self)
        self._slots = _slots(template)
        self._functions = any(isinstance(module, nn.MultiheadAttention) for module in template.modules())
        self._rates = values.rates  # of all that the stack began with
        self.level: Level | None = None
        self.weights: list[Tensor] = []
        self._take(values)

    @classmethod
    def of(cls, networks: Sequence[nn.Module]) -> Stack:
        """A stack of copies of these networks, which stay as they are; in training mode if the first one is.

        Raises StackError, with the reason, where they are not of one structure. What only running them shows (operations that vmap has no rule
        for, random draws outside dropout layers) is raised as StackError by the first call.
        """
        if not networks:
            raise StackError("a stack needs at least one network; none was given")
        refuse_difference(networks)
        lazy_load_decompositions()
        pattern = copy.deepcopy(networks[0])
        template = copy.deepcopy(networks[0])
        placed = sorted(place(networks[0]), key=lambda placement: ("hidden", "weight", "free").index(placement.role))
        if not placed:
            raise StackError("a stack is trained, and these networks have no weight that can be; train something else")
        columns: list[Column] = []
        for placement in placed:
            start = columns[-1].stop if columns else 0
            shape = tuple(placement.parameter.shape)
            stop = start + placement.parameter.numel()
            columns.append(Column(placement.name, start, stop, shape, placement.incoming, placement.role != "free"))
        own = [dict(network.named_parameters()) for network in networks]
        with torch.no_grad():
            flat = torch.cat([torch.stack([o[c.name].detach().reshape(-1) for o in own]) for c in columns], 1)
            others = {name: torch.stack([o[name].detach() for o in own]) for name, p in own[0].items() if not p.requires_grad}
            buffers = [dict(network.named_buffers()) for network in networks]
            others |= {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        rates = {
            path: [float(dict(network.named_modules())[path].p) for network in networks]
            for path, module in networks[0].named_modules()
            if isinstance(module, nn.modules.dropout._DropoutNd)
        }
        rates |= {
            path: [float(dict(network.named_modules())[path].dropout) for network in networks]
            for path, module in networks[0].named_modules()
            if isinstance(module, nn.RNNBase)
        }
        shared = {name for name in _constant(networks[0]) if all(torch.equal(b[name], buffers[0][name]) for b in buffers[1:])}
        return cls(pattern, template, Values(flat, others, rates, Draws(len(networks), flat.device)), columns, shared)

    def __len__(self) -> int:
        """K."""
        return self._values.flat.shape[0]

    @property
    def flat(self) -> Tensor:
        """[K, P] the trainable weights, without a gradient of its own: `weights` are the views of it that gradients are taken for."""
        return self._values.flat

    @property
    def buffers(self) -> dict[str, Tensor]:
        """Frozen weights and buffers, each [K, ...]."""
        return self._values.others

    @property
    def draws(self) -> Draws:
        return self._values.draws

    @property
    def training(self) -> bool:
        return self._template.training

    def train(self, mode: bool = True) -> Stack:
        self._template.train(mode)
        return self

    def eval(self) -> Stack:
        return self.train(False)

    def __call__(self, inputs: Mapping[str, Tensor], *, shared: bool = False) -> Tensor:
        """inputs: by the names of the network's arguments, each [K, B, ...], or [B, ...] for all members if `shared`. Returns [K, B, ...].

        Raises StackError where the network does what cannot be computed for all members at once.
        """
        try:
            return self._run(inputs, shared)
        except StackError as error:
            if self._functions or not isinstance(error.__cause__, RuntimeError) or "random operation" not in str(error.__cause__):
                raise
        self._functions = True  # something draws: torch's functional dropout, perhaps
        self.draws.again()
        return self._run(inputs, shared)

    def why_not(self, inputs: Mapping[str, Tensor]) -> str:
        """Why these networks cannot be run stacked on such inputs ([K, B, ...]), as a sentence; empty where they can. Leaves buffers as they were."""
        with self.only(list(range(len(self)))) as stack, torch.no_grad():
            before = {name: tensor.clone() for name, tensor in stack.buffers.items()}
            try:
                stack.draws.begin(lambda: [0] * len(stack))
                stack(inputs)
            except StackError as error:
                return error.message
            finally:
                stack.buffers.update(before)
        return ""

    def _run(self, inputs: Mapping[str, Tensor], shared: bool) -> Tensor:
        token = DRAWS.set(self.draws)
        placed: list[tuple[dict[str, Any], str, Any]] = []
        try:
            with Level(len(self)) as level:
                self.level = self.draws.level = level
                stacked = dict(zip((column.name for column in self.columns), self.weights, strict=True)) | self.buffers
                inside = {name: tensor[0] if name in self._shared else level.inside(tensor) for name, tensor in stacked.items()}
                for where, local, name in self._slots:
                    placed.append((where, local, where[local]))
                    where[local] = inside[name]
                with StackedFunctions(self.draws) if self._functions else nullcontext():
                    out = self._template(**{name: tensor if shared else level.inside(tensor) for name, tensor in inputs.items()})
                if not isinstance(out, Tensor):
                    raise StackError(f"a network in a stack gives one tensor; this one gives a {type(out).__name__}; train it by itself")
                self._changed(inside, level)
                found = level.outside(out)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            if isinstance(error, StackError) or not (reason := _reason(error)):
                raise
            raise StackError(reason) from error
        finally:
            for where, local, before in placed:
                where[local] = before
            self.level = self.draws.level = None
            DRAWS.reset(token)
        return found

    def member(self, index: int) -> nn.Module:
        """The network at `index` (from 0 to K - 1), with its weights and buffers as they are now: a copy."""
        return self._network(self._values.rates, index, self.tensors(index)).train(self.training)

    def network(self, number: int, tensors: Mapping[str, Tensor]) -> nn.Module:
        """The network that stood at `number` when the stack began, with these weights and buffers."""
        return self._network(self._rates, number, tensors)

    @torch.no_grad()
    def _network(self, rates: Mapping[str, list[float]], index: int, tensors: Mapping[str, Tensor]) -> nn.Module:
        network = copy.deepcopy(self.pattern)
        named = dict(network.named_parameters()) | dict(network.named_buffers())
        for name, tensor in tensors.items():
            named[name].copy_(tensor)
        for path, own in rates.items():
            layer = network.get_submodule(path)
            setattr(layer, "dropout" if isinstance(layer, nn.RNNBase) else "p", own[index])
        return network

    def tensors(self, index: int, flat: Tensor | None = None) -> dict[str, Tensor]:
        """Weights and buffers of the network at `index`, by name. flat: other weights [K, P] than its own, such as averaged ones."""
        row = (self.flat if flat is None else flat)[index]
        own = {column.name: row[column.start : column.stop].view(column.shape) for column in self.columns}
        return own | {name: tensor[index] for name, tensor in self.buffers.items()}

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with the members at these places alone, in this order."""
        self._take(self._values.picked(indices))

    @contextmanager
    def only(self, indices: Sequence[int], flat: Tensor | None = None) -> Iterator[Stack]:
        """Within the context the stack is of these members alone; what they do to buffers stays. flat: with these weights [K, P] of all members."""
        whole = self._values
        held = whole if flat is None else replace(whole, flat=flat)
        everyone = list(indices) == list(range(len(self)))
        self._take(held if everyone else held.picked(indices))
        try:
            yield self
        finally:
            changed = self._values.others
            if not everyone:
                rows = torch.tensor(list(indices), device=whole.flat.device)
                for name, tensor in whole.others.items():
                    tensor[rows] = changed[name]
            self._take(whole)

    @torch.no_grad()
    def load(self, flat: Tensor, others: Mapping[str, Tensor]) -> None:
        """Take over weights and buffers of as many members."""
        self.flat.copy_(flat)
        for name, tensor in self.buffers.items():
            tensor.copy_(others[name])
        self._shared -= {name for name in self._shared if not bool((self.buffers[name] == self.buffers[name][:1]).all())}

    def _take(self, values: Values) -> None:
        self._values = values
        K = values.flat.shape[0]
        self.weights = [values.flat[:, c.start : c.stop].view(K, *c.shape).detach().requires_grad_() for c in self.columns]
        stacked = dict(zip((column.name for column in self.columns), self.weights, strict=True)) | values.others
        names = {(id(where), local): name for where, local, name in self._slots}
        for part in self._parts:
            part.draws, part.rates = values.draws, values.rates.get(part.path, [])
            for where in (part.layer._parameters, part.layer._buffers):
                for local in where:
                    if (name := names.get((id(where), local))) is not None:
                        part.own[local] = stacked[name]

    def _changed(self, inside: dict[str, Tensor], level: Level) -> None:
        """Keep the buffers that the network's code has put in the place of those it found."""
        for where, local, name in self._slots:
            if (now := where[local]) is not inside[name]:
                self.buffers[name] = level.outside(now).detach().clone()
                self._shared.discard(name)


def _constant(network: nn.Module) -> list[str]:
    """Buffers that nobody writes to: those of goodfit's own layers, norms apart. Equal in all members, they need no place for each."""
    return [
        f"{path}.{name}" if path else name
        for path, module in network.named_modules()
        if type(module).__module__.startswith("goodfit.") and not isinstance(module, _NormBase)
        for name, buffer in module.named_buffers(recurse=False)
        if buffer is not None
    ]


def _lowered(template: nn.Module, stack: Stack) -> list[Part]:
    """Give the layers of the template their stacked forms; returns all of them, those inside chains too."""
    found: list[Part] = []

    def visit(module: nn.Module, path: str) -> None:
        if covered(module):
            part = Part(module, _none, path)
            found.append(part)
            module.forward = _recurrent_forward(part, stack)
            return
        if isinstance(module, nn.RNNCellBase):
            part = Part(module, _none, path)
            found.append(part)
            module.forward = _cell_forward(part, stack)
            return
        if type(module).forward is nn.MultiheadAttention.forward:
            module.forward = _attention_forward(module, stack)
            return
        part_here = None if isinstance(module, LEFT_ALONE) else part_of(module, path)
        if part_here is not None:
            found.extend(_all(part_here))
            module.forward = _forward(part_here, stack)
            return
        for name, child in module.named_children():
            visit(child, f"{path}.{name}" if path else name)

    visit(template, "")
    return found


def _all(part: Part) -> list[Part]:
    return [part, *(inner for child in part.parts for inner in _all(child))]


def _none(part: Part, x: Tensor) -> Tensor:
    raise AssertionError("a recurrent layer has a form of its own")


def _forward(part: Part, stack: Stack) -> Callable[..., Tensor]:
    def forward(input: Tensor) -> Tensor:
        assert stack.level is not None
        found: Tensor = stack.level.lowered(part, input)
        return found

    return forward


def _attention_forward(layer: nn.Module, stack: Stack) -> Callable[..., Any]:
    def forward(*args: Any, **settings: Any) -> Any:
        assert isinstance(layer, nn.MultiheadAttention)
        return attention(layer, stack.draws, *args, **settings)

    return forward


def _recurrent_forward(part: Part, stack: Stack) -> Callable[..., Any]:
    layer = part.layer

    def forward(input: Tensor, hx: Tensor | tuple[Tensor, Tensor] | None = None) -> Any:
        assert stack.level is not None
        if not isinstance(input, Tensor):
            raise StackError("a stack has no form of recurrent layers over packed sequences; pad them, or train these networks one by one")
        start = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
        out, *ends = stack.level.lowered(lambda *given: recurrent(layer, part.own, part.rates, part.draws, *given), input, *start)
        return out, tuple(ends) if isinstance(layer, nn.LSTM) else ends[0]

    return forward


def _cell_forward(part: Part, stack: Stack) -> Callable[..., Any]:
    def forward(input: Tensor, hx: Tensor | tuple[Tensor, Tensor] | None = None) -> Any:
        assert stack.level is not None
        start = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
        return stack.level.lowered(lambda *given: cell(part.layer, part.own, *given), input, *start)

    return forward


def _slots(template: nn.Module) -> list[Slot]:
    """Every place in which a module of the template holds a weight or buffer; tied weights have several places and one name."""
    names = {id(tensor): name for name, tensor in [*template.named_parameters(), *template.named_buffers()]}
    return [
        (where, local, names[id(tensor)])
        for module in template.modules()
        for where in (module._parameters, module._buffers)
        for local, tensor in where.items()
        if tensor is not None
    ]


def _reason(error: Exception) -> str:
    """Why vmap refused, as a sentence; empty where it is another error."""
    text = str(error)
    if "random operation" in text:
        return "the network draws random numbers in a way that a stack cannot follow for each member; train these networks one by one"
    if ".item()" in text or "data-dependent" in text:
        return "the network decides by the numbers it sees (.item(), if on a tensor), which differ between members; train these networks one by one"
    if "inplace" in text and "vmap" in text:
        return "the network writes a member's numbers into a tensor of all members in place; write y = x + a for x += a, or train these networks one by one"
    if "vmap" in text or "atching rule" in text or "functorch" in text:
        first = text.strip().splitlines()[0][:200]
        return f"torch cannot compute the network for all members at once ({first}); train these networks one by one"
    return ""
