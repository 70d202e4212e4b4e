"""Running a tape again: the same calls, with copies of the networks and, where asked, with other data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor.program import Data, Node, Part, Tape, Value, Weight

# Called inside a network's own forward, or around it, they were told by a word whether to drop.
_DROPS = frozenset({"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"})


class ReplayError(Exception):
    """A tape could not be run again as it was; the message says where. Never reaches a user: the examination says what it could not see."""


class Copies:
    """Fresh copies of a program's networks and loose parameters. What they share stays shared."""

    def __init__(self, networks: Sequence[nn.Module], loose: Sequence[Tensor] = ()) -> None:
        both = copy.deepcopy((list(networks), [weight.detach() for weight in loose]))
        self.networks: list[nn.Module] = both[0]
        self.loose: list[Tensor] = [weight.requires_grad_() for weight in both[1]]

    @property
    def judged(self) -> bool:
        """Whether all networks are in eval mode."""
        return bool(self.networks) and not any(network.training for network in self.networks)

    def weight(self, at: Weight) -> Tensor | None:
        """The parameter or buffer that is meant, None where an edit took it away."""
        if at.network < 0:
            return self.loose[int(at.name)]
        found: Any = self.networks[at.network]
        for name in at.name.split("."):
            found = getattr(found, name, None)
            if found is None:
                return None
        return found if isinstance(found, Tensor) else None

    def parameters(self) -> list[Tensor]:
        """All that can be trained, each once."""
        every: list[Tensor] = [p for network in self.networks for p in network.parameters()] + self.loose
        return list({id(p): p for p in every}.values())

    def set_modes(self, tape: Tape, training: bool | None = None) -> None:
        """Every network in the mode that the tape recorded, or all in the mode given."""
        if training is not None:
            for network in self.networks:
                if network.training != training or any(part.training != training for part in network.modules()):
                    network.train(training)
            return
        for node in tape.nodes:
            if isinstance(node.call, Part) and node.training is not None:
                self.part(node.call).train(node.training)
        for (number, path), mode in tape.modes.items():
            self.networks[number].get_submodule(path).training = mode

    def part(self, at: Part) -> nn.Module:
        return self.networks[at.network].get_submodule(at.path)


def run_tape(
    tape: Tape,
    copies: Copies,
    data: Sequence[Tensor] | None = None,
    *,
    until: Value | None = None,
    watch: Callable[[Node, Any], None] | None = None,
    known: dict[int, Any] | None = None,
    instead: Callable[[Node, tuple[Any, ...]], Any] | None = None,
) -> Any:
    """The tape's root, or the value `until`, computed with these networks and with `data` in place of the tape's own.

    known: answers by the numbers of their calls, which are taken and not computed again; what is computed is put there.
    instead: gives a call's answer in place of the call, or None.
    Raises ReplayError where a call fails or gives another structure than it did.
    """
    goal = until if until is not None else tape.root
    given = tape.data if data is None else data
    values: list[Any] = []
    last = len(tape.nodes) - 1 if goal is None else goal.node
    for node in tape.nodes[: last + 1]:
        if known is not None and node.serial in known:
            values.append(known[node.serial])
            continue
        args = _filled(node.args, values, given, copies)
        kwargs = _filled(dict(node.kwargs), values, given, copies)
        call = copies.part(node.call) if isinstance(node.call, Part) else node.call
        other = instead(node, args) if instead is not None else None
        if node.name in _DROPS and not isinstance(node.call, Part) and copies.judged:
            other = args[0] if args else kwargs["input"]
        try:
            precision = torch.autocast(*node.autocast) if node.autocast is not None else nullcontext()
            with torch.set_grad_enabled(node.grad and torch.is_grad_enabled()), precision:
                values.append(call(*args, **kwargs) if other is None else other)
        except Exception as error:  # a network of the user's may raise anything; the probe that asked is given up, no more
            raise ReplayError(f"{node.name} fails when it is repeated: {type(error).__name__}: {error}") from error
        if known is not None:
            known[node.serial] = values[-1]
        if watch is not None:
            watch(node, values[-1])
    return None if goal is None else at_path(values[goal.node], goal.path)


def at_path(tree: Any, path: Sequence[int | str]) -> Any:
    """What lies at the end of a path through tuples, lists, dicts and objects with such names.

    >>> at_path(({"a": [5, 6]},), (0, "a", 1))
    6
    """
    for step in path:
        if isinstance(step, str) and not isinstance(tree, Mapping):
            tree = getattr(tree, step)
        else:
            try:
                tree = tree[step]
            except (KeyError, IndexError, TypeError) as error:
                raise ReplayError(f"an answer has no part {step!r} any more") from error
    return tree


def _filled(tree: Any, values: list[Any], data: Sequence[Tensor], copies: Copies) -> Any:
    match tree:
        case Value():
            return at_path(values[tree.node], tree.path)
        case Data():
            return data[tree.number]
        case Weight():
            weight = copies.weight(tree)
            if weight is None:
                raise ReplayError(f"the weight {tree.name} is gone")
            return weight
        case dict():
            return {key: _filled(inner, values, data, copies) for key, inner in tree.items()}
        case tuple() if hasattr(tree, "_fields"):  # a named tuple is made of its parts, one by one
            return type(tree)(*(_filled(inner, values, data, copies) for inner in tree))
        case tuple() | list():
            return type(tree)(_filled(inner, values, data, copies) for inner in tree)
    return tree
