"""An optimiser's state as named tensors and a JSON document, and back with equal bits: no pickle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from goodfit.base.errors import CheckpointError

_OF_THE_DEVICE = ("params", "fused", "foreach", "capturable")  # belong to the machine that goes on, not to the one that saved


def flatten(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by `parameter/key`, and a document of the groups' settings and of state that is no tensor.

    Parameters have the names they were given to the optimiser with, else their positions.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    names = _names(optimizer)
    for parameter, name in names.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"{name}/{key}"] = value.detach()
            else:
                values.setdefault(name, {})[key] = value
    groups = [{key: value for key, value in group.items() if key not in _OF_THE_DEVICE} for group in optimizer.param_groups]
    shapes = {name: list(parameter.shape) for parameter, name in names.items()}
    return tensors, {"kind": type(optimizer).__name__, "shapes": shapes, "groups": groups, "values": values}


def restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Give `optimizer`, built anew for the same network and settings, the state that `flatten` took.

    Raises CheckpointError when it is of another optimiser or network; `optimizer` is then as it was.
    """
    names = {name: parameter for parameter, name in _names(optimizer).items()}
    shapes = {name: list(parameter.shape) for name, parameter in names.items()}
    groups, values = document.get("groups"), document.get("values")
    if document.get("kind") != type(optimizer).__name__:
        had, has = document.get("kind"), type(optimizer).__name__
        raise CheckpointError(f"the checkpoint is of the optimiser {had}, the recipe asks for {has}; resume with the recipe of the run")
    same = document.get("shapes") == shapes and isinstance(groups, list) and len(groups) == len(optimizer.param_groups)
    if not same or not isinstance(values, dict) or not values.keys() <= names.keys():
        raise CheckpointError("the optimiser's state in the checkpoint is of another network; resume with the recipe and data of the run")
    group_of = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    state: dict[Tensor, dict[str, Any]] = {}
    for path, tensor in tensors.items():
        name, _, key = path.rpartition("/")
        if name not in names or tensor.shape not in (names[name].shape, ()):
            raise CheckpointError(f"the checkpoint holds {path!r}, which this network has no place for; resume with the recipe of the run")
        state.setdefault(names[name], {})[key] = _laid_out_like(names[name], tensor, key, group_of[names[name]])
    for name, extra in values.items():
        state.setdefault(names[name], {}).update(extra)
    optimizer.state.clear()
    optimizer.state.update(state)
    assert groups is not None
    for group, saved in zip(optimizer.param_groups, groups, strict=True):
        for key, value in saved.items():
            if key not in _OF_THE_DEVICE:
                group[key] = tuple(value) if isinstance(group.get(key), tuple) else value


def _names(optimizer: torch.optim.Optimizer) -> dict[Tensor, str]:
    names: dict[Tensor, str] = {}
    for group in optimizer.param_groups:
        given = group.get("param_names") or [str(len(names) + index) for index in range(len(group["params"]))]
        names |= dict(zip(group["params"], given, strict=True))
    return names


def _laid_out_like(parameter: Tensor, tensor: Tensor, key: str, group: dict[str, Any]) -> Tensor:
    """The tensor on the device and in the memory layout that the optimiser's kernels expect.

    Fused kernels walk over memory, so the state of a channels_last weight must be channels_last too; they keep the count
    of steps on the weight's device, all others on the CPU.
    """
    if tensor.shape == parameter.shape and key != "step":
        return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)
    on_device = key != "step" or group.get("fused") or group.get("capturable")
    return tensor.detach().to(parameter.device if on_device else "cpu", copy=True)
