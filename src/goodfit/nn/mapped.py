"""Where tensors of one network stand for those of K networks: in and out of torch's vmap, at the cost of one operation.

K members of a stack. Inside a `Level` a batched tensor has the shape of one member; what is computed is [K, ...]. `Level.lowered` runs a function
on the [K, ...] itself: a layer that knows its stacked form is spared the rules of vmap, and layers without a rule get one. The four functions
of functorch used here are what `torch.func.vmap` is made of; its public way to the same, an autograd.Function with a rule, takes thirty times
as long (300 us a call against 10).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack

_functorch: Any = torch._C._functorch


class Level:
    """The context within which `inside` tensors are those of one member, of K."""

    def __init__(self, members: int) -> None:
        self.members = members
        self._number: int | None = None

    def __enter__(self) -> Level:
        self._number = _functorch._vmap_increment_nesting(self.members, "error")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _functorch._vmap_decrement_nesting()
        self._number = None

    def inside(self, x: Tensor) -> Tensor:
        """[K, ...] -> a batched tensor [...]."""
        found: Tensor = _functorch._add_batch_dim(x, 0, self._number)
        return found

    def outside(self, x: Tensor) -> Tensor:
        """A batched tensor [...] -> [K, ...]; of one that is no member's own, K times the same, without a copy."""
        found: Tensor = _functorch._remove_batch_dim(x, self._number, self.members, 0)
        return found

    def lowered(self, function: Callable[..., Any], *tensors: Tensor) -> Any:
        """function of the [K, ...] behind batched tensors; its tensors [K, ...], in tuples or not, are batched again."""
        stacked = [self._behind(tensor) for tensor in tensors]
        with temporarily_pop_interpreter_stack():
            found = function(*stacked)
        return self._again(found)

    def _behind(self, x: Tensor) -> Tensor:
        if not _functorch.is_batchedtensor(x):
            return x.unsqueeze(0).expand(self.members, *x.shape)
        place: int = _functorch.maybe_get_bdim(x)
        found: Tensor = _functorch.get_unwrapped(x)
        return found if place == 0 else found.movedim(place, 0)

    def _again(self, found: Any) -> Any:
        return tuple(self._again(part) for part in found) if isinstance(found, tuple) else self.inside(found)


class Drawing(Protocol):
    """What the stack that runs does for all its members: draws, and functions of the [K, ...] behind batched tensors."""

    def dropout(self, x: Tensor, p: float) -> Tensor: ...

    def lowered(self, function: Callable[..., Any], *tensors: Tensor) -> Any: ...


# The draws of the stack that runs in this thread, for layers that draw; None where no stack runs.
DRAWS: ContextVar[Drawing | None] = ContextVar("goodfit_stacked_draws", default=None)
