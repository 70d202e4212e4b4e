"""What an update costs, counted and not timed, so that copies have the same length on a busy machine as on a quiet one and findings are the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

CALL = 1.2e-5  # seconds of one operation of torch beside its arithmetic, with autograd and Python around it, on a core of 2020
VALUE = 0.6e-9  # seconds to write one number: a few bytes at the speed of main memory
FLOP = 1 / 2.5e10  # seconds of one operation of a product of matrices on one core, 25 GFLOP/s in small ones
# An LSTM's layer on a processor is one operation, which torch counts as free: the passes through its weights, forward and back.
_RECURRENT = {torch.ops.aten.mkldnn_rnn_layer: 1, torch.ops.aten.mkldnn_rnn_layer_backward: 2}


def _steps(inputs: Tensor, *weights: Tensor) -> int:
    """Products of a recurrent layer, inputs [steps, rows, width], each weight [4 * size, width or size]: two operations a weight, row and step."""
    return 2 * inputs.shape[0] * inputs.shape[1] * sum(weight.numel() for weight in weights)


class _Count(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.values = 0
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        self.calls += 1
        # Not torch's FlopCounterMode: it hooks every module for names that nobody reads here, and fails on views of a weight made without gradients.
        packet = getattr(func, "_overloadpacket", None)
        if packet in _RECURRENT:
            self.flops += _RECURRENT[packet] * _steps(*args[:3])
            self.calls += args[0].shape[0]
        elif packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=answer)
        for one in answer if isinstance(answer, tuple | list) else (answer,):
            if isinstance(one, Tensor):
                self.values += one.numel()
        return answer


def seconds_of(work: Callable[[], Any]) -> float:
    """About how long `work` takes on one core: calls, numbers written and products of matrices counted while it runs once."""
    with _Count() as count:
        work()
    return count.calls * CALL + count.values * VALUE + count.flops * FLOP
