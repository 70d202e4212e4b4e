"""Residual networks of any depth, and the plain networks that they were compared with (He, Zhang, Ren and Sun, Deep Residual Learning, 2016).

B images, C channels, H and W pixels, U channels of the stem, O outputs. Stages of equal blocks; channels double where sides halve. Without
`residual` a block's input is not added to its output, and nothing else changes: the paper's plain network of the same depth.
Where this departs from the paper: a bottleneck halves the sides in its 3 x 3 convolution, not in the 1 x 1 before it, which would pass over three
quarters of the pixels (torch's and transformers' ResNet-50 do the same).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.conv import ConvNorm
from goodfit.nn.dropout import Dropout
from goodfit.nn.pool import pixel_mean
from goodfit.nn.shapes import expect, required

# Table 1 of the paper: blocks of each stage, and whether they are bottlenecks.
IMAGENET = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
EXPANSION = 4  # a bottleneck's output against the width of its middle, the paper's
STEMS = ("small", "imagenet")
SHORTCUTS = ("projection", "padding")
SMALL_SIDE = 64  # pixels: up to here the ImageNet stem, which leaves a quarter of each side, would throw away more than it saves


class BasicBlock(nn.Module):
    """relu(x + f(x)), f two 3 x 3 convolutions: [B, C, H, W] -> [B, U, H / stride, W / stride]."""

    def __init__(self, inputs: int, width: int, *, stride: int, shortcut: str, residual: bool) -> None:
        super().__init__()
        self.shortcut = _shortcut(shortcut, inputs, width, stride) if residual else None
        self.layers = nn.Sequential(ConvNorm(inputs, width, stride=stride), ConvNorm(width, width, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return F.relu(out if self.shortcut is None else self.shortcut(x) + out, inplace=True)


class Bottleneck(nn.Module):
    """relu(x + f(x)), f a 3 x 3 convolution between two of 1 x 1: [B, C, H, W] -> [B, 4 U, H / stride, W / stride]."""

    def __init__(self, inputs: int, width: int, *, stride: int, shortcut: str, residual: bool) -> None:
        super().__init__()
        self.shortcut = _shortcut(shortcut, inputs, EXPANSION * width, stride) if residual else None
        self.layers = nn.Sequential(
            ConvNorm(inputs, width, 1), ConvNorm(width, width, stride=stride), ConvNorm(width, EXPANSION * width, 1, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.layers(x)
        return F.relu(out if self.shortcut is None else self.shortcut(x) + out, inplace=True)


class PaddedShortcut(nn.Module):
    """Every `stride`-th pixel, and channels of zeros: [B, C, H, W] -> [B, C', H / stride, W / stride], without weights (the paper's option A)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


def _shortcut(kind: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    if kind == "padding":
        return PaddedShortcut(inputs, outputs, stride)
    return ConvNorm(inputs, outputs, 1, stride=stride, relu=False)


class ResNet(nn.Module):
    """Images [B, C, H, W], of any size -> [B, O].

    image: (C, H, W). blocks: of each stage; the first keeps the sides, the others halve them. bottleneck: blocks of three convolutions and four
    times the channels. width: U, the stem's channels and those of the first stage's 3 x 3 convolutions. stem: imagenet, a 7 x 7 convolution and
    pooling, which leave a quarter of each side; small, a 3 x 3 convolution, which leaves all; by the size of the images where None. shortcut, where
    a block's shape changes: projection (a 1 x 1 convolution, option B) or padding (option A). residual: without, the plain network of the same
    depth. dropout: of the features before the head.
    Raises InputError for images without pixels, SettingError for an unknown name.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        bottleneck: bool = False,
        width: int = 64,
        stem: str | None = None,
        shortcut: str = "projection",
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(image) < 1:
            raise InputError(f"resnet needs images of at least one channel and one pixel; got {image[0]} x {image[1]} x {image[2]}")
        stem = stem_for(image) if stem is None else stem
        for what, given, known in (("stem", stem, STEMS), ("shortcut", shortcut, SHORTCUTS)):
            if given not in known:
                raise SettingError(
                    f"resnet's {what} must be {' or '.join(known)}; {given!r} was given{did_you_mean(given, known)}", value=given
                )
        self.image = image
        self.stem = (
            nn.Sequential(ConvNorm(image[0], width, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
            if stem == "imagenet"
            else nn.Sequential(ConvNorm(image[0], width))
        )
        kind = Bottleneck if bottleneck else BasicBlock
        channels = width
        self.stages = nn.ModuleList()
        for index, count in enumerate(blocks):
            middle = width * 2**index
            stage = nn.Sequential()
            for place in range(count):
                stride = 2 if index > 0 and place == 0 else 1
                stage.append(kind(channels, middle, stride=stride, shortcut=shortcut, residual=residual))
                channels = EXPANSION * middle if bottleneck else middle
            self.stages.append(stage)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(channels, outputs)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        x = required("image", image)
        expect("resnet", x, "B", *self.image)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.dropout(pixel_mean(x)))  # B C H W -> B C -> B O


def imagenet_resnet(
    image: tuple[int, int, int],
    outputs: int,
    *,
    depth: int = 18,
    width: int = 64,
    stem: str | None = None,
    residual: bool = True,
    dropout: float = 0.0,
) -> ResNet:
    """The paper's network for ImageNet of 18, 34, 50, 101 or 152 layers with weights. Raises SettingError for another depth."""
    if depth not in IMAGENET:
        raise SettingError(
            f"the depth of a residual network for large images must be one of {', '.join(map(str, IMAGENET))}; {depth} was given",
            value=depth,
        )
    blocks, bottleneck = IMAGENET[depth]
    return ResNet(image, outputs, blocks=blocks, bottleneck=bottleneck, width=width, stem=stem, residual=residual, dropout=dropout)


def cifar_resnet(
    image: tuple[int, int, int],
    outputs: int,
    *,
    depth: int = 20,
    width: int = 16,
    stem: str | None = None,
    residual: bool = True,
    dropout: float = 0.0,
) -> ResNet:
    """The paper's network for small images, of depth 6 n + 2 (20, 32, 44, 56, 110, ...): three stages of n blocks with U, 2 U and 4 U channels,
    and shortcuts without weights. Raises SettingError for another depth."""
    blocks = cifar_blocks(depth)
    return ResNet(image, outputs, blocks=blocks, width=width, stem=stem, shortcut="padding", residual=residual, dropout=dropout)


def cifar_blocks(depth: int) -> tuple[int, int, int]:
    """Blocks of the three stages at depth 6 n + 2; raises SettingError for another depth.

    >>> cifar_blocks(20)
    (3, 3, 3)
    """
    n, left = divmod(depth - 2, 6)
    if left or n < 1:
        near = 6 * max(1, round((depth - 2) / 6)) + 2
        raise SettingError(f"the depth of a residual network for small images must be 6 n + 2; {depth} was given, take {near}", value=depth)
    return n, n, n


def stem_for(image: tuple[int, int, int]) -> str:
    """The stem for images of this size: small up to 64 pixels, imagenet beyond.

    >>> stem_for((1, 28, 28)), stem_for((3, 224, 224))
    ('small', 'imagenet')
    """
    return "small" if max(image[1:]) <= SMALL_SIDE else "imagenet"
