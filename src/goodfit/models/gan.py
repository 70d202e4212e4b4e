"""Generator and discriminator of a generative adversarial network: convolutional (Radford, Metz and Chintala, DCGAN, 2016) and, for numbers
and tiny images, of linear layers (Goodfellow et al. 2014).

B rows, Z numbers of noise, C channels, H and W pixels, U channels of the widest image. A generator's answer lies within -1 and 1 for
images; a discriminator's is one logit, above 0 for "real". The losses are in `tasks.adversarial`.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.norm import BatchNorm2d
from goodfit.nn.shapes import expect, required

SLOPE = 0.2  # of leaky ReLU below 0, in every discriminator, as in DCGAN
LARGEST = 64  # pixels of a side that is chosen: DCGAN's own
SPREAD = 0.02  # standard deviation that DCGAN's weights start with


def halvings(image: tuple[int, int, int]) -> int:
    """How often both sides of (C, H, W) can be halved down to 4 pixels or more: 28 x 28 twice, 32 x 32 three times, 64 x 64 four times.

    Raises InputError where they cannot be.
    """
    _, height, across = image
    count = 0
    while height % 2 == 0 and across % 2 == 0 and min(height, across) >= 8:
        height, across, count = height // 2, across // 2, count + 1
    if not count:
        raise InputError(
            f"dcgan halves images: their sides must be even and at least 8; got {image[1]} x {image[2]}; set 28, 32 or 64 pixels"
        )
    if max(height, across) > 7:  # what a single filter would have to see at once, as its weights are H * W * channels
        raise InputError(
            f"dcgan halves images down to 4 to 7 pixels; {image[1]} x {image[2]} ends at {height} x {across}; set 28, 32 or 64 pixels"
        )
    return count


def fitting_side(side: int) -> int:
    """The least side of a square image from `side` up that both networks can halve, 64 at most.

    >>> fitting_side(28), fitting_side(30), fitting_side(33), fitting_side(100)
    (28, 32, 40, 64)
    """
    for wanted in range(min(max(side, 8), LARGEST), LARGEST + 1):
        inner = wanted
        while inner % 2 == 0 and inner >= 8:
            inner //= 2
        if inner <= 7 and inner < wanted:
            return wanted
    return LARGEST


class DCGenerator(nn.Module):
    """Noise [B, Z] -> images [B, C, H, W] within -1 and 1, each transposed convolution doubling the sides and halving the channels.

    noise: Z, 100 as in the paper. width: U, 64 as in the paper for 64 x 64 pixels; digits do with 32.
    """

    def __init__(self, image: tuple[int, int, int], *, noise: int = 100, width: int = 64) -> None:
        super().__init__()
        channels, height, across = image
        count = halvings(image)
        self.noise = noise
        sizes = [width * 2**level for level in reversed(range(count))]
        first = nn.ConvTranspose2d(noise, sizes[0], (height >> count, across >> count), bias=False)
        layers: list[nn.Module] = [first, BatchNorm2d(sizes[0]), nn.ReLU()]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False), BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1), nn.Tanh())
        self.apply(_started)

    def forward(self, *, noise: Tensor | None = None) -> Tensor:
        noise = required("noise", noise)
        expect("dcgan's generator", noise, "B", self.noise)
        return self.layers(noise[:, :, None, None])  # B Z -> B Z 1 1


class DCDiscriminator(nn.Module):
    """Images [B, C, H, W] -> logits [B, 1], each convolution halving the sides and doubling the channels.

    width: U. norm: batch, as in the paper (not in the first layer); layer or none where the loss has a gradient penalty, which is of each
    image by itself (Gulrajani et al. 2017).
    """

    def __init__(self, image: tuple[int, int, int], *, width: int = 64, norm: str = "batch") -> None:
        super().__init__()
        channels, height, across = image
        count = halvings(image)
        self.image = image
        sizes = [width * 2**level for level in range(count)]
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=norm == "none"), *_norm(norm, after), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(sizes[-1], 1, (height >> count, across >> count)))
        self.apply(_started)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        image = required("image", image)
        expect("dcgan's discriminator", image, "B", *self.image)
        return self.layers(image).flatten(1)  # B 1 1 1 -> B 1


class MLPGenerator(nn.Module):
    """Noise [B, Z] -> numbers [B, D], or images [B, C, H, W] within -1 and 1.

    shape: D, or (C, H, W). noise: Z, 16. width: 128 and depth: 2 hidden layers, enough for a few clusters in the plane.
    """

    def __init__(self, shape: int | tuple[int, int, int], *, noise: int = 16, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        self.noise, self.image = noise, None if isinstance(shape, int) else shape
        self.layers = _mlp(noise, _numbers(shape), width, depth, nn.ReLU())

    def forward(self, *, noise: Tensor | None = None) -> Tensor:
        noise = required("noise", noise)
        expect("the generator", noise, "B", self.noise)
        out = self.layers(noise)
        return out if self.image is None else out.tanh().unflatten(1, self.image)  # B D -> B C H W


class MLPDiscriminator(nn.Module):
    """Numbers [B, D] or images [B, C, H, W] -> logits [B, 1]. shape: D, or (C, H, W). width and depth as of the generator."""

    def __init__(self, shape: int | tuple[int, int, int], *, width: int = 128, depth: int = 2) -> None:
        super().__init__()
        self.inputs, self.image = _numbers(shape), None if isinstance(shape, int) else shape
        self.layers = _mlp(self.inputs, 1, width, depth, nn.LeakyReLU(SLOPE))

    def forward(self, *, numbers: Tensor | None = None, image: Tensor | None = None) -> Tensor:
        x = required("numbers", numbers) if self.image is None else required("image", image)
        expect("the discriminator", x, "B", *(self.image or (self.inputs,)))
        return self.layers(x.flatten(1))  # B C H W -> B D


def _numbers(shape: int | tuple[int, int, int]) -> int:
    return shape if isinstance(shape, int) else shape[0] * shape[1] * shape[2]


def _mlp(inputs: int, outputs: int, width: int, depth: int, hidden: nn.Module) -> nn.Sequential:
    sizes = [inputs] + [width] * depth
    blocks = [layer for before, after in itertools.pairwise(sizes) for layer in (nn.Linear(before, after), hidden)]
    return nn.Sequential(*blocks, nn.Linear(sizes[-1], outputs))


def _norm(name: str, channels: int) -> list[nn.Module]:
    if name == "batch":
        return [BatchNorm2d(channels)]
    if name == "layer":
        return [nn.GroupNorm(1, channels)]  # over all channels and pixels of an image
    if name == "none":
        return []
    raise SettingError(f"norm of a discriminator must be batch, layer or none; {name!r} was given", value=name)


@torch.no_grad()
def _started(module: nn.Module) -> None:
    """DCGAN's start: weights of convolutions normal around 0, of norms around 1."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0, SPREAD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1, SPREAD)
