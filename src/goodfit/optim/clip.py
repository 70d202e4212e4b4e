"""Clipping by the norm of the whole gradient (Pascanu et al. 2013)."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-6  # as torch.nn.utils.clip_grad_norm_ has it: a gradient of zero stays zero


@torch.no_grad()
def clip_gradient(optimizer: torch.optim.Optimizer, largest: float) -> Tensor:
    """Scale all gradients so that their joint L2 norm is at most `largest`; returns the norm before, on its device.

    Nothing waits for the device. A norm that is not finite makes the gradients so too: look at the returned norm.
    """
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (largest / (norm + _TINY)).clamp(max=1.0))
    return norm
