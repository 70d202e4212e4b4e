"""Random draws of the members of a stack: each has a generator of its own and draws the very numbers that it draws when it is trained alone.

K members, n elements of one member's tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.nn.dropout import LEVELS, LOWEST, MANY, random_words
from goodfit.nn.mapped import Level


class Draws:
    """Generators of K members, seeded when something is drawn for the first time after `begin`.

    On a CPU the masks are those of `nn.dropout.dropout` and `torch.nn.Dropout` after `torch.manual_seed` with the member's seed, to the bit. On
    other devices, whose kernels draw from a state that no generator can stand for, they have the same distribution and other bits.
    """

    def __init__(self, members: int, device: torch.device) -> None:
        self.generators = [torch.Generator(device) for _ in range(members)]
        self.level: Level | None = None  # set while a stack runs under vmap
        self._seeds: Callable[[], Sequence[int]] | None = None
        self._drawn_from: list[int] = []
        self._buffer, self._begin = _NOTHING, 0
        self._taken = self._ahead = 0  # words
        self._only_words = True

    def begin(self, seeds: Callable[[], Sequence[int]]) -> None:
        """A new update. seeds: gives one for each member; called if anything is drawn."""
        self._seeds = seeds
        self._ahead = self._taken if self._only_words else 0  # as many words as were taken before: one call for all layers of a member
        self._buffer, self._begin, self._taken, self._only_words = _NOTHING, 0, 0, True

    def again(self) -> None:
        """The same update from its start."""
        if self._seeds is None:
            drawn = list(self._drawn_from)
            self.begin(lambda: drawn)

    def each(self, draw: Callable[[torch.Generator, int], Tensor]) -> Tensor:
        """[K, ...] of what each member draws: draw(its generator, its place)."""
        self._seeded()
        self._exact()
        return torch.stack([draw(generator, member) for member, generator in enumerate(self.generators)])

    def keep(self, indices: Sequence[int]) -> Draws:
        """Draws of these members alone, with the same generators."""
        kept = Draws(0, torch.device("cpu"))
        kept.generators = [self.generators[index] for index in indices]
        return kept

    def dropout(self, x: Tensor, p: float) -> Tensor:
        """What `nn.dropout.dropout` does with the batched x of one member."""
        found: Tensor = self.lowered(lambda stacked: self.dropped(stacked, [p] * len(self.generators)), x)
        return found

    def lowered(self, function: Callable[..., Any], *tensors: Tensor) -> Any:
        """See `nn.mapped.Level.lowered`."""
        assert self.level is not None
        return self.level.lowered(function, *tensors)

    def dropped(self, x: Tensor, p: Sequence[float]) -> Tensor:
        """x [K, ...] with the cheap masks of `nn.dropout`, each member's with its own probability."""
        if not any(p):
            return x
        if x.device.type != "cpu":
            return self.torch_dropped(x, p)
        if x[0].numel() == 0:
            return x
        dropped = [round(rate * LEVELS) for rate in p]
        if not any(dropped):
            return x
        n = x[0].numel()
        bits = self._words(-(-n // 4), [0 < d < LEVELS for d in dropped]).view(torch.int16)[:, :n]
        scales = [LEVELS / (LEVELS - d) if d < LEVELS else 0.0 for d in dropped]
        if len(set(dropped)) == 1 and dropped[0] < LEVELS:
            mask = bits.ge_(LOWEST + dropped[0]).to(x.dtype).mul_(scales[0])
        else:
            least = torch.tensor([LOWEST + min(d, LEVELS - 1) for d in dropped], dtype=torch.int16).unsqueeze(1)
            mask = bits.ge_(least).to(x.dtype).mul_(torch.tensor(scales, dtype=x.dtype).unsqueeze(1))
        return x * mask.reshape(x.shape)

    def torch_dropped(self, x: Tensor, p: Sequence[float], *, feature: bool = False) -> Tensor:
        """x [K, ...] with torch's own masks. feature: whole channels of [K, B, C, ...]."""
        if not any(p) or x[0].numel() == 0:
            return x
        self._seeded()
        self._exact()
        shape = (*x.shape[:3], *(1 for _ in x.shape[3:])) if feature else x.shape
        # Laid out as x is: torch draws in the order of memory.
        mask = torch.ones(shape, dtype=x.dtype, device=x.device) if feature else torch.ones_like(x)
        for member, rate in enumerate(p):
            if rate == 1.0:
                mask[member].zero_()
            elif rate:
                mask[member].bernoulli_(1.0 - rate, generator=self.generators[member]).div_(1.0 - rate)
        return x * mask

    def _words(self, count: int, who: list[bool]) -> Tensor:
        """int64 [K, count] of random bits; zeros for members that draw none."""
        self._seeded()
        if not all(who) or count >= MANY:  # many words come from a generator that is seeded from the member's own
            self._exact()
            drawn = [
                random_words(count, g) if w else torch.zeros(count, dtype=torch.int64) for g, w in zip(self.generators, who, strict=True)
            ]
            return torch.stack(drawn)
        left = self._buffer.shape[1] - self._begin
        if left < count:
            fresh = torch.empty(len(self.generators), max(count - left, self._ahead), dtype=torch.int64)
            self._ahead = 0
            for row, generator in zip(fresh, self.generators, strict=True):
                row.random_(-(1 << 63), None, generator=generator)
            self._buffer = torch.cat([self._buffer[:, self._begin :], fresh], 1) if left else fresh
            self._begin = 0
        self._begin, self._taken = self._begin + count, self._taken + count
        return self._buffer[:, self._begin - count : self._begin].contiguous()

    def _exact(self) -> None:
        """Bring each generator to where it stands alone: to the end of the words taken, not of those drawn ahead."""
        self._only_words = False
        if self._begin < self._buffer.shape[1]:  # then words are all that was drawn
            for generator, seed in zip(self.generators, self._drawn_from, strict=True):
                generator.manual_seed(seed)
                torch.empty(self._taken, dtype=torch.int64).random_(-(1 << 63), None, generator=generator)
        self._buffer, self._begin = _NOTHING, 0

    def _seeded(self) -> None:
        if self._seeds is not None:
            self._drawn_from, self._seeds = list(self._seeds()), None
            for generator, seed in zip(self.generators, self._drawn_from, strict=True):
                generator.manual_seed(seed)


_NOTHING = torch.empty(0, 0, dtype=torch.int64)
