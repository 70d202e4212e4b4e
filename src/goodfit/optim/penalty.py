"""L1 and L2 penalties, as what they add to the gradient: the same update as a penalty in the loss, without its cost."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def add_penalty(optimizer: torch.optim.Optimizer, *, l1: float = 0.0, l2: float = 0.0) -> None:
    """Add the gradient of `l1 * sum |w| + l2 / 2 * sum w^2` to the gradients, in place.

    w: the parameters of the groups whose `role` is not "free" (no biases, norms or embeddings). A parameter without a
    gradient took no part in this update and stays as it is. At w = 0 the derivative of |w| is taken as 0.
    """
    weights = [w for group in optimizer.param_groups if group.get("role") != "free" for w in group["params"] if w.grad is not None]
    if not weights:
        return
    gradients: list[Tensor] = [w.grad for w in weights]
    if l2:
        torch._foreach_add_(gradients, weights, alpha=l2)
    if l1:
        torch._foreach_add_(gradients, torch._foreach_sign(weights), alpha=l1)
