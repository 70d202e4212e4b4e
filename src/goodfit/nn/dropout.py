"""Dropout whose masks come from cheap random bits.

On a CPU `torch.nn.functional.dropout` draws one double per element on one thread, 6 ns each, which is a third of the time of a
small transformer. Here one 64-bit draw serves four elements: each takes 16 bits and is kept when they reach a threshold, 1 ns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.base.errors import SettingError

# 16 bits an element: the probability is met to 2^-17, below what 10^9 elements could tell apart at p = 0.1. Eight would save a
# quarter of the time and miss p = 0.1 by 0.002.
_LEVELS = 1 << 16
_LOWEST = -(1 << 15)  # the bits are read as int16


def dropout(x: Tensor, p: float, training: bool = True, generator: torch.Generator | None = None) -> Tensor:
    """Zero each element with probability `p` and scale the others so that the expectation is `x`.

    x: any shape, floating. p: within [0, 1], met to 2^-17; the scale is that of the probability used, so the expectation is exact.
    generator: on the device of `x`; None takes torch's default one. The same state gives the same mask. The backward pass keeps one
    byte per element. On other devices, and under torch.compile, torch.export, torch.jit.trace and torch.func, it is torch's dropout.

    Raises SettingError when `p` is outside [0, 1], or when a generator meets a transform, which cannot carry it.

    >>> dropout(torch.ones(3), 0.0), dropout(torch.ones(2), 1.0)
    (tensor([1., 1., 1.]), tensor([0., 0.]))

    Source: Srivastava et al. 2014, "Dropout", in the inverted form of torch.
    """
    if not 0.0 <= p <= 1.0:
        raise SettingError(f"the dropout probability must be within 0 and 1; {p} was given, write 0.1", value=p)
    if not training or p == 0.0:
        return x
    if _transformed():
        if generator is not None:
            raise SettingError("dropout takes no generator under torch.compile, torch.export and torch.func; leave it out and seed torch")
        return functional.dropout(x, p, True)
    if x.device.type != "cpu":
        if generator is None:
            return functional.dropout(x, p, True)
        mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1.0 - p, generator=generator)
        return x.mul(1.0 / (1.0 - p) if p < 1.0 else 0.0).mul_(mask)
    dropped = round(p * _LEVELS)  # of the 2^16 equally likely values
    if dropped == 0:
        return x
    scale = _LEVELS / (_LEVELS - dropped) if dropped < _LEVELS else 0.0
    # Two products rather than a function of our own: torch saves the mask alone, and derivatives of every order and mode work.
    return x.mul(scale).mul_(_keep_mask(x, dropped, generator))


class Dropout(nn.Dropout):
    """Module form of `dropout`; takes the place of `torch.nn.Dropout`. p: probability of zeroing an element, within [0, 1]."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise SettingError(f"the dropout probability must be within 0 and 1; {p} was given, write 0.1", value=p)
        super().__init__(p)

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)


def _transformed() -> bool:
    """Whether a transform traces or batches the call: then the mask must be one random operation that the transform knows."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or torch._C._are_functorch_transforms_active()


def _keep_mask(x: Tensor, dropped: int, generator: torch.Generator | None) -> Tensor:
    """Int8 mask in the shape of `x`, 1 with probability 1 - dropped / 2^16.

    Int8 and not bool, since torch converts int8 to floats in vectors, bool one by one (measured: four times the time of the product).
    """
    n = x.numel()
    words = torch.empty((n + 3) // 4, dtype=torch.int64, device=x.device)
    words.random_(-(1 << 63), None, generator=generator)  # all 64 bits; plain random_() leaves the sign bit 0
    bits = words.view(torch.int16)[:n]
    if dropped == _LEVELS:
        return torch.zeros_like(x, dtype=torch.int8)
    keep = bits.ge_(_LOWEST + dropped).to(torch.int8)  # in place, in 16 bits: a comparison into bool is four times slower
    if x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        B, C, H, W = x.shape
        return keep.view(B, H, W, C).permute(0, 3, 1, 2)  # laid out as x is, so that the product runs straight through memory
    return keep.view(x.shape)
