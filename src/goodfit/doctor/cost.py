"""What an update costs, counted and not timed, so that copies have the same length on a busy machine as on a quiet one and findings are the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

CALL = 1.2e-5  # seconds of one operation of torch beside its arithmetic, with autograd and Python around it, on a core of 2020
VALUE = 0.6e-9  # seconds to write one number: a few bytes at the speed of main memory
FLOP = 1 / 2.5e10  # seconds of one operation of a product of matrices on one core, 25 GFLOP/s in small ones


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        self.calls += 1
        for one in answer if isinstance(answer, tuple | list) else (answer,):
            if isinstance(one, Tensor):
                self.values += one.numel()
        return answer


class _Whole:
    """In place of the counter's own tracker of modules, whose hooks fail where a network is handed a weight or leaves an input out: everything counts to the whole."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


def seconds_of(work: Callable[[], Any]) -> float:
    """About how long `work` takes on one core: calls, numbers written and products of matrices counted while it runs once."""
    flops = FlopCounterMode(display=False)
    flops.mod_tracker = _Whole()  # type: ignore[assignment]
    with flops, _Count() as count:
        work()
    return count.calls * CALL + count.values * VALUE + flops.get_total_flops() * FLOP
