"""Pictures with objects changed at random in training, and their boxes with them.

B images, C channels, H height, W width, M places for objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from goodfit.base.boxes import area, centres, corners
from goodfit.base.streams import torch_stream

_LEFT = 0.3  # of an object's area must be left within the picture; of less nobody could say what it is
_SIDED = (
    "left",
    "right",
    "links",
    "rechts",
    "text",
    "sign",
    "plate",
    "letter",
    "digit",
)  # in names of what is another thing, or none, in a mirror


@dataclass(frozen=True)
class BoxAugment:
    """How pictures are changed; each is drawn uniformly from minus to plus the limit.

    shift: share of the sides. scale: share of the size. light: share of the contrast, and of a standard deviation in brightness.
    flip: mirrored left to right, every second picture. What comes in from outside has the mean colour; objects of which less than 0.3 is left are gone.
    """

    shift: float = 0.15
    scale: float = 0.2
    light: float = 0.2
    flip: bool = False

    @classmethod
    def chosen(cls, names: Sequence[str]) -> BoxAugment:
        """What suits objects of these names: not mirrored where one is a single letter or digit, or named after a side or a writing.

        >>> BoxAugment.chosen(["3", "7"]).flip, BoxAugment.chosen(["cat", "dog"]).flip
        (False, True)
        """
        sided = any(len(name) == 1 or any(word in name.lower() for word in _SIDED) for name in names)
        return cls(flip=not sided)

    def changed(self, images: Tensor, target: Tensor, rows: Tensor, seed: int, epoch: int, position: int) -> tuple[Tensor, Tensor]:
        """Normalised images float [B, C, H, W] and targets [B, M, 5] (see tasks.matching), changed; a pure function of the arguments.

        rows: [B]; where they are empty, and so the target, the images alone count.
        """
        B, _, H, W = images.shape
        drawn = torch.rand(6, B, generator=torch_stream(seed, "augmentation", epoch, position)).to(images.device)
        signed = 2 * drawn - 1
        size = 1 + self.scale * signed[0]  # B
        right, down = self.shift * signed[1], self.shift * signed[2]
        turn = torch.where(drawn[5] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(size)
        # A place u of the new picture, -1 to 1, shows the place (turn u - 2 shift) / size of the old one.
        x = (turn.unsqueeze(1) * _places(W, images) - 2 * right.unsqueeze(1)) / size.unsqueeze(1)  # B W
        y = (_places(H, images) - 2 * down.unsqueeze(1)) / size.unsqueeze(1)  # B H
        grid = torch.stack([x.unsqueeze(1).expand(-1, H, -1), y.unsqueeze(2).expand(-1, -1, W)], 3)
        images = functional.grid_sample(images, grid.to(images.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
        gain, offset = 1 + self.light * signed[3], self.light * signed[4]
        images = images * gain.view(B, 1, 1, 1) + offset.view(B, 1, 1, 1)
        return images, self._moved(target, size, right, down, turn)

    def _moved(self, target: Tensor, size: Tensor, right: Tensor, down: Tensor, turn: Tensor) -> Tensor:
        size, right, down, turn = (value.unsqueeze(1) for value in (size, right, down, turn))  # B 1
        x = turn * ((target[..., 1] - 0.5) * size + right) + 0.5  # B M
        y = (target[..., 2] - 0.5) * size + down + 0.5
        whole = corners(torch.stack([x, y, target[..., 3] * size, target[..., 4] * size], 2))
        cut = whole.clamp(0, 1)
        gone = area(cut) < _LEFT * area(whole)
        kind = target[..., 0].masked_fill(gone, -1.0)
        return torch.cat([kind.unsqueeze(2), centres(cut)], 2)


def _places(count: int, like: Tensor) -> Tensor:
    """Middles of `count` pixels, from -1 to 1."""
    return (2 * torch.arange(count, device=like.device, dtype=torch.float32) + 1) / count - 1
