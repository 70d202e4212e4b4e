"""What all tasks do with a network's output: full precision, and the members dimension.

B rows, K members, O outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor


def widened(output: Tensor) -> Tensor:
    """The output in float32 where it is of half precision: losses and probabilities need the digits, networks do not."""
    return output if output.dtype in (torch.float32, torch.float64) else output.float()


def for_members(target: Tensor, output: Tensor) -> Tensor:
    """target [B, ...] as [B, K, ...] where the output [B, K, O] has members, without a copy."""
    if output.ndim == 2:
        return target
    return target.unsqueeze(1).expand(-1, output.shape[1], *target.shape[1:])


def mean_of_members(values: Tensor, output: Tensor) -> Tensor:
    """values [B, K, ...] -> [B, ...] where the output had members."""
    return values.mean(1) if output.ndim == 3 else values
