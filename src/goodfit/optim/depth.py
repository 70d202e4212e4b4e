"""Rates that differ within a network: those that fall by depth, each layer's a share of the one behind it, and those that a module asks for.

What lies near the input of a network that was trained before is of use to every task and should move least; what lies near the answer is of use to its
own (Howard and Ruder 2018, "discriminative fine-tuning"; Clark et al. 2020, one factor for all layers). Layers are found from the order of children, so
that any network has them.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from goodfit.optim.groups import HEADS


def layers(network: nn.Module) -> list[list[nn.Module]]:
    """The layers of a network from the input to the answer, each as the modules that it is made of.

    A list of blocks (nn.Sequential, nn.ModuleList) is as many layers as it has blocks, wherever it lies, and other modules are opened down to it; a head is
    one. What has nothing but scales and biases, such as a norm, belongs to the layer before it.

    >>> stack = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    >>> [[type(module).__name__ for module in layer] for layer in layers(stack)]
    [['Conv2d', 'BatchNorm2d'], ['Linear']]
    """
    found: list[list[nn.Module]] = []
    for module in _opened(network) or [network]:
        if found and all(parameter.dim() <= 1 for parameter in module.parameters()):
            found[-1].append(module)
        else:
            found.append([module])
    return found


def depths(network: nn.Module) -> tuple[dict[str, int], int]:
    """For each parameter its layer, from 0 at the input, and the number of layers. A parameter beside the layers, such as a class token, is of layer 0."""
    found = layers(network)
    owner: dict[int, int] = {}
    for place, layer in enumerate(found):
        for module in layer:
            for parameter in module.parameters():
                owner.setdefault(id(parameter), place)
    return {name: owner.get(id(parameter), 0) for name, parameter in network.named_parameters()}, len(found)


def by_depth(groups: list[dict[str, Any]], network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """The groups of an optimiser, split by depth: `lr_factor` in layer d of L is the group's own times decay ** (L - 1 - d).

    groups: with params as (name, parameter), and lists beside them that have an entry for each parameter.
    """
    place, count = depths(network)
    return _split(groups, {name: decay ** (count - 1 - depth) for name, depth in place.items()})


def by_rate(groups: list[dict[str, Any]], network: nn.Module) -> list[dict[str, Any]]:
    """The groups of an optimiser, split where a module of the network says in an attribute `lr_factor` at how many times the rate of the rest it learns."""
    factors = dict.fromkeys((name for name, _ in network.named_parameters()), 1.0)
    for path, module in network.named_modules():
        if (rate := getattr(module, "lr_factor", None)) is not None:
            for name, _ in module.named_parameters(prefix=path):
                factors[name] *= rate
    return groups if set(factors.values()) <= {1.0} else _split(groups, factors)


def _split(groups: list[dict[str, Any]], factors: dict[str, float]) -> list[dict[str, Any]]:
    """A group for each factor, the largest first: `lr_factor` is the group's own times it."""
    split = []
    for group in groups:
        own = [factors[name] for name, _ in group["params"]]
        for factor in sorted(set(own), reverse=True):
            part = {
                key: [item for item, at in zip(value, own, strict=True) if at == factor] if isinstance(value, list) else value
                for key, value in group.items()
            }
            split.append(part | {"lr_factor": group.get("lr_factor", 1.0) * factor})
    return split


def _opened(module: nn.Module) -> list[nn.Module]:
    """The children that have parameters, those that hold blocks opened in their place."""
    found = []
    for name, child in module.named_children():
        if next(child.parameters(), None) is None:
            continue
        blocks = isinstance(module, nn.Sequential | nn.ModuleList) and len(module) > 1
        found += _opened(child) if not blocks and name not in HEADS and _holds_blocks(child) else [child]
    return found


def _holds_blocks(module: nn.Module) -> bool:
    """Whether the module is a list of two blocks or more, or has one inside."""
    return any(
        isinstance(part, nn.Sequential | nn.ModuleList) and sum(next(child.parameters(), None) is not None for child in part.children()) > 1
        for part in module.modules()
    )
