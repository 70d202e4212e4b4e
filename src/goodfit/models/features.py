"""From whatever a backbone returns to one vector a row.

B rows, F features, C channels, H and W pixels, T tokens or places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from goodfit.base.errors import InputError

# What an output object is asked for, in this order: everything that was found first, then what a pre-training task made of it.
_NAMES = ("last_hidden_state", "pooler_output", "logits")


def features_of(output: Any, mask: Tensor | None = None, pool: str = "mean") -> Tensor:
    """A backbone's output -> [B, F].

    [B, F] stays; [B, C, H, W] becomes the mean over the picture; [B, T, F] the mean over the tokens that `mask` [B, T] marks (all when None or of
    another length), or the first token with pool="class". An object, mapping or tuple gives its last_hidden_state, pooler_output, logits or first
    tensor. Raises InputError for anything else.

    >>> features_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    found = _tensor(output)
    if found.dim() == 3 and pool == "class":
        return found[:, 0]
    if pool == "class":
        raise InputError(f"model.pool=class takes the first of a row's tokens [B, T, F]; the backbone gives {_said(found)}: leave it out")
    if found.dim() == 4:
        return found.mean((2, 3))  # B C H W -> B C
    if found.dim() == 3:
        if mask is None or mask.shape != found.shape[:2]:
            return found.mean(1)
        share = mask.to(found.dtype).unsqueeze(2)  # B T 1
        return (found * share).sum(1) / share.sum(1).clamp_min(1.0)
    if found.dim() == 2:
        return found
    raise InputError(f"a backbone must give features [B, F], [B, C, H, W] or [B, T, F]; this one gives {_said(found)}")


def places_of(output: Any) -> Tensor:
    """A backbone's output -> the features of its places [B, S, F]: of [B, C, H, W] row by row, of [B, T, F] without a first token that is no place.

    Raises InputError where it gives one vector for the whole picture.

    >>> places_of(torch.zeros(2, 5, 3)).shape, places_of(torch.zeros(2, 3, 4, 4)).shape
    (torch.Size([2, 4, 3]), torch.Size([2, 16, 3]))
    """
    found = _tensor(output)
    if found.dim() == 4:
        return found.flatten(2).transpose(1, 2)  # B C H W -> B HW C
    if found.dim() == 3:
        places = found.shape[1]
        return found[:, 1:] if math.isqrt(places) ** 2 != places and math.isqrt(places - 1) ** 2 == places - 1 else found
    raise InputError(f"captions look at places: the backbone must give [B, C, H, W] or [B, T, F]; this one gives {_said(found)}")


def _tensor(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    for name in _NAMES:
        value = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(value, Tensor):
            return value
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    for value in values:
        if isinstance(value, Tensor):
            return value
    raise InputError(
        f"a backbone must give a tensor, or an object with {', '.join(_NAMES)}; this one gives {type(output).__name__}", value=type(output)
    )


def _said(found: Tensor) -> str:
    return f"{list(found.shape)} for {found.shape[0]} rows" if found.dim() else "one number"


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """features [n, F] -> mean and deviation [F], the deviation of what does not vary 1.

    However small features are, they count by how they vary: a network with random weights has features of 1e-9 that tell classes apart.
    """
    std, mean = torch.std_mean(features.double(), dim=0, correction=0)
    varies = std > torch.clamp(
        1e-6 * mean.abs(), min=1e-30
    )  # 1e-6: float32's rounding, beside which nothing is known; 1e-30: near its smallest
    return mean.float(), torch.where(varies, std, 1.0).float()
