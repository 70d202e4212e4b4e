"""Max-norm: each unit's incoming weights stay within a ball (Srebro and Shraibman 2005; Hinton et al. 2012, with dropout)."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from goodfit.optim.groups import place

_TINY = 1e-7  # against division by zero, as torch.renorm has it

# The weights of each network that was seen, with the dimensions of a unit's incoming weights: walking over the layers at
# every update would cost more than the limit itself.
_WEIGHTS: WeakKeyDictionary[nn.Module, list[tuple[Tensor, tuple[int, ...]]]] = WeakKeyDictionary()


@torch.no_grad()
def max_norm(network: nn.Module, largest: float) -> None:
    """Scale down, in place, every unit whose incoming weights have an L2 norm above `largest`.

    A unit is a row of a linear map, of each member of a stack [K, out, in], a filter of a convolution. Biases, norms,
    embeddings and adapters are left alone. The network's layers are looked up at the first call.
    """
    weights = _WEIGHTS.get(network)
    if weights is None:
        weights = _WEIGHTS[network] = [(p.parameter, p.incoming) for p in place(network) if p.role != "free" and p.incoming]
    if weights:
        norms = [torch.linalg.vector_norm(weight, dim=incoming, keepdim=True) for weight, incoming in weights]
        torch._foreach_add_(norms, _TINY)
        scales = torch._foreach_reciprocal(norms)
        torch._foreach_mul_(scales, largest)
        torch._foreach_clamp_max_(scales, 1.0)
        torch._foreach_mul_([weight for weight, _ in weights], scales)
