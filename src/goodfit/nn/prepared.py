"""What was made of a tensor, kept for as long as the tensor lives.

Training on a whole graph hands in the same edges in every step; sorting them each time would take a quarter of a step. What is kept holds
nothing that could not be made again from the tensor, and is made again once the tensor has been changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_Made = TypeVar("_Made")
_MADE: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def prepared(tensor: Tensor, name: Hashable, make: Callable[[], _Made]) -> _Made:
    """make(), or what it gave before for this very tensor under this name. Under a transform it is always made."""
    if traced() or tensor.is_inference():
        return make()
    version, made = _MADE.get(tensor, (-1, {}))
    if version != tensor._version:
        made = {}
        _MADE[tensor] = (tensor._version, made)
    if name not in made:
        made[name] = make()
    found: Any = made[name]
    return found


def traced() -> bool:
    """Whether a transform (torch.compile, torch.export, torch.jit.trace, torch.func) follows the call: it cannot look at numbers."""
    fake = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None  # tensors of shapes alone
    return fake or torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active()
