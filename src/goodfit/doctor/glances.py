"""What a recorder sees of losses, weights and gradients at a glance: a few numbers of each stand for all."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer

_LOOKED_AT = 256  # numbers of a weight that are looked at first: one that moved, or has a slope, shows it there


def losses_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[Tensor, Tensor | None]]:
    """Of the arguments of `torch.autograd.backward`."""
    return pairs_of(*args[:2], **{name: kwargs[name] for name in ("tensors", "grad_tensors") if name in kwargs})


def pairs_of(tensors: Any, grad_tensors: Any = None) -> list[tuple[Tensor, Tensor | None]]:
    """The losses of a backward, each with the gradient that it was given."""
    losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    gradients = [grad_tensors] * len(losses) if grad_tensors is None or isinstance(grad_tensors, Tensor) else list(grad_tensors)
    return [(loss, gradient) for loss, gradient in zip(losses, gradients, strict=False) if isinstance(loss, Tensor)]


def slope(weight: Tensor) -> bool:
    """Whether a weight has a gradient that is not zero."""
    gradient = weight.grad
    if gradient is None:
        return False
    if gradient.is_sparse:
        return bool(gradient._values().any())
    if gradient.numel() <= _LOOKED_AT:
        return bool(gradient.any())
    return bool(glance(gradient).any()) or bool(gradient.any())


def still(weight: Tensor, gradient: Tensor, version: int) -> bool:
    """Whether a weight has a gradient as it had: the same, or another one that is not zero."""
    return weight.grad is not None and ((weight.grad is gradient and gradient._version == version) or slope(weight))


def ends_of(optimizer: Optimizer) -> list[Tensor]:
    """Of the weights that have a gradient, the first, the middle and the last."""
    moved = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
    return [moved[number] for number in sorted({0, len(moved) // 2, len(moved) - 1})] if moved else []


def glance(weight: Tensor) -> Tensor:
    """Its first numbers; all of them where they do not lie in a row."""
    flat = weight.detach()
    return flat.view(-1)[:_LOOKED_AT] if flat.is_contiguous() else flat
