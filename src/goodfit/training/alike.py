"""Whether networks are of one structure: the same modules with weights of the same shapes and the same settings, dropout rates apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from goodfit.base.errors import StackError


def refuse_difference(networks: Sequence[nn.Module]) -> None:
    """Raise StackError where the networks differ in more than the values of weights, buffers and dropout rates; the message says where."""
    first = networks[0]
    kinds = {p.dtype for p in first.parameters() if p.requires_grad}
    if len(kinds) > 1:
        raise StackError(f"the trainable weights of a stack have one type; these networks have {_words(kinds)}; train them one by one")
    devices = {tensor.device for network in networks for tensor in [*network.parameters(), *network.buffers()]}
    if len(devices) > 1:
        raise StackError(f"the networks of a stack lie on one device; these lie on {_words(devices)}; move them to one")
    if lazy := [path for path, module in first.named_modules() if isinstance(module, nn.modules.lazy.LazyModuleMixin)]:
        raise StackError(f"the layer {lazy[0]} has no weights before its first use; call each network once before stacking them")
    for number, network in enumerate(networks[1:], 2):
        _refuse(first, network, number)


def _refuse(first: nn.Module, other: nn.Module, number: int) -> None:
    ours, theirs = dict(first.named_modules()), dict(other.named_modules())
    if ours.keys() != theirs.keys():
        name = min(ours.keys() ^ theirs.keys())
        raise StackError(f"networks of a stack have one structure; the layer {name!r} is in only one of network 1 and network {number}")
    for path, module in ours.items():
        twin, where = theirs[path], f"layer {path!r}" if path else "the network"
        if type(module) is not type(twin):
            raise StackError(
                f"networks of a stack have one structure; {where} is a {type(module).__name__} in network 1 and a {type(twin).__name__} in network {number}"
            )
        for name in ("_parameters", "_buffers"):
            if (a := _shapes(getattr(module, name))) != (b := _shapes(getattr(twin, name))):
                raise StackError(f"networks of a stack have one shape; {where} holds {a} in network 1 and {b} in network {number}")
        for name, value in _settings(module).items():
            if name in twin.__dict__ and twin.__dict__[name] != value and not _free(module, name):
                raise StackError(
                    f"networks of a stack have the same settings, dropout rates apart; {name} of {where} is {value!r} in network 1 and "
                    f"{twin.__dict__[name]!r} in network {number}"
                )


def _shapes(held: dict[str, Any]) -> dict[str, Any]:
    return {name: None if t is None else (tuple(t.shape), t.dtype, bool(t.requires_grad)) for name, t in held.items()}


def _settings(module: nn.Module) -> dict[str, Any]:
    plain = (bool, int, float, str, tuple, type(None), torch.Size)
    return {name: value for name, value in module.__dict__.items() if isinstance(value, plain) and name != "training"}


def _free(module: nn.Module, name: str) -> bool:
    """Whether members may differ in it: they keep their own."""
    return (isinstance(module, nn.modules.dropout._DropoutNd) and name == "p") or (isinstance(module, nn.RNNBase) and name == "dropout")


def _words(values: set[Any]) -> str:
    return " and ".join(sorted(map(str, values)))
