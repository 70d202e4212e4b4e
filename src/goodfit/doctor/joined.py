"""Graphs that are cut inside of a network, joined again while a tape runs: `detach`, `.data`, `no_grad`, a way through numpy and back."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.doctor.trail import Call, Changed

CUTS = frozenset({"detach", "detach_", "data", "numpy", "tensor", "as_tensor", "_set_grad_enabled"})


class Joined(Changed):
    """For `Setup.around`. Numbers that numpy has computed anew stay cut off: they are other numbers."""

    def __init__(self) -> None:
        super().__init__(self._join)
        self._arrays: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, Tensor]] = {}
        self._from_numpy: Callable[[Any], Tensor] = torch.from_numpy

    def _join(self, call: Call) -> Any:
        first = call.first
        match call.name:
            case "detach" | "detach_" | "data" if isinstance(first, Tensor):
                return first
            case "_set_grad_enabled" if call.args and call.args[0] is False:
                return None
            case "numpy" if isinstance(first, Tensor):
                array = first.detach().cpu().numpy()
                self._arrays[_key(array)] = (array, first)
                return array
            case "tensor" | "as_tensor":
                if isinstance(first, Tensor):
                    return first.clone()
                if isinstance(first, np.ndarray):
                    return self._back(first, call.run)
        return call.run()

    def _back(self, array: np.ndarray, make: Callable[[], Any]) -> Any:
        known = self._arrays.get(_key(array))
        made = make()
        return made if known is None else known[1].to(made.dtype)

    def __enter__(self) -> Joined:
        original = torch.from_numpy
        self._from_numpy = original
        torch.from_numpy = lambda ndarray: self._back(ndarray, lambda: original(ndarray))  # no mode of torch sees this function
        super().__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        torch.from_numpy = self._from_numpy  # type: ignore[assignment]
        super().__exit__(kind, error, trace)


def _key(array: np.ndarray) -> tuple[int, tuple[int, ...]]:
    return int(array.__array_interface__["data"][0]), array.shape
