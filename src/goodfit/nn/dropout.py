"""Dropout whose masks come from cheap random bits.

On a CPU `torch.nn.functional.dropout` draws one double per element on one thread, 6 ns each, which is a third of the time of a
small transformer. Here one 64-bit draw serves four elements: each takes 16 bits and is kept when they reach a threshold. The draws are
SFC64's, half a nanosecond an element (torch's Mersenne Twister takes twice that). Forward and backward together take a fifth of torch's time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from goodfit.base.errors import SettingError
from goodfit.nn.mapped import DRAWS

# 16 bits an element: the probability is met to 2^-17, below what 10^9 elements could tell apart at p = 0.1. Eight would save a
# quarter of the time and miss p = 0.1 by 0.002.
LEVELS = 1 << 16
LOWEST = -(1 << 15)  # the bits are read as int16
MANY = 1 << 14  # words: from here on a generator of its own, which takes 24 us to seed, is faster than torch's


def dropout(x: Tensor, p: float, training: bool = True, generator: torch.Generator | None = None) -> Tensor:
    """Zero each element with probability `p` and scale the others so that the expectation is `x`.

    x: any shape, floating. p: within [0, 1], met to 2^-17; the scale is that of the probability used, so the expectation is exact (to the rounding of the type of `x`).
    generator: on the device of `x`; None takes torch's default one. The same state gives the same mask. The backward pass keeps a
    mask of the type of `x`: a byte an element would have to be widened again, which costs more than the product. On other devices, and under torch.compile, torch.export, torch.jit.trace and torch.func, it is torch's dropout.

    Raises SettingError when `p` is outside [0, 1], or when a generator meets a transform, which cannot carry it.

    >>> dropout(torch.ones(3), 0.0), dropout(torch.ones(2), 1.0)
    (tensor([1., 1., 1.]), tensor([0., 0.]))

    Source: Srivastava et al. 2014, "Dropout", in the inverted form of torch.
    """
    if not 0.0 <= p <= 1.0:
        raise SettingError(f"the dropout probability must be within 0 and 1; {p} was given, write 0.1", value=p)
    if not training or p == 0.0:
        return x
    if (draws := DRAWS.get()) is not None:  # for each member of a stack what it draws alone
        return draws.dropout(x, p)
    if _transformed():
        if generator is not None:
            raise SettingError("dropout takes no generator under torch.compile, torch.export and torch.func; leave it out and seed torch")
        return functional.dropout(x, p, True)
    if x.device.type != "cpu":
        if generator is None:
            return functional.dropout(x, p, True)
        mask = torch.empty_like(x, dtype=torch.bool).bernoulli_(1.0 - p, generator=generator)
        return x.mul(1.0 / (1.0 - p) if p < 1.0 else 0.0).mul_(mask)
    dropped = round(p * LEVELS)  # of the 2^16 equally likely values
    if dropped == 0:
        return x
    scale = LEVELS / (LEVELS - dropped) if dropped < LEVELS else 0.0
    return x.mul(_mask(x, dropped, scale, generator))


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


def _mask(x: Tensor, dropped: int, scale: float, generator: torch.Generator | None) -> Tensor:
    """Mask in the shape, type and layout of `x`: `scale`, or 0 with probability dropped / 2^16."""
    if dropped == LEVELS:
        return torch.zeros_like(x)
    bits = random_words(-(-x.numel() // 4), generator).view(torch.int16)[: x.numel()]
    mask = bits.ge_(LOWEST + dropped).to(x.dtype).mul_(scale)  # compared in place, in 16 bits: into bool is four times slower
    if x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        B, C, H, W = x.shape
        return mask.view(B, H, W, C).permute(0, 3, 1, 2)  # laid out as x is, so that the product runs straight through memory
    return mask.view(x.shape)


def random_words(count: int, generator: torch.Generator | None) -> Tensor:
    """int64 [count] of random bits, all 64 of them."""
    seed = torch.empty((), dtype=torch.int64)
    if count < MANY or type(seed) is not Tensor:  # a fake tensor, which has a shape and no numbers
        return torch.empty(count, dtype=torch.int64).random_(-(1 << 63), None, generator=generator)
    stream = np.random.Generator(np.random.SFC64(int(seed.random_(generator=generator))))
    return torch.from_numpy(stream.integers(0, 1 << 64, count, dtype=np.uint64).view(np.int64))
