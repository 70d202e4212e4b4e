"""Autoencoders: a network that gives back what it was given, through a code of few numbers (Hinton and Salakhutdinov 2006).

B rows, N numbers, M categories, D numbers in all, C channels, H and W pixels, Z numbers of the code. The linear one learns the space of the first Z principal components
(Baldi and Hornik 1989). A denoising one (Vincent et al. 2008) is given less than it has to give back, in training.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.activation import activation as activation_named
from goodfit.nn.categorical import OneHot
from goodfit.nn.conv import ConvBlock
from goodfit.nn.shapes import expect, required

SMALLEST = 4  # pixels: a side at which halving ends, as in DCGAN; of 2 x 2 pixels, 3 x 3 filters would mostly see the border


class Corrupt(nn.Module):
    """In training, adds normal noise of deviation `noise` and sets the share `masking` of the numbers to 0; in evaluation, nothing."""

    def __init__(self, noise: float, masking: float) -> None:
        super().__init__()
        if noise < 0 or not 0 <= masking < 1:
            raise SettingError(f"noise is a deviation from 0 on and masking a share below 1; {noise} and {masking} were given")
        self.noise, self.masking = noise, masking

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        if self.noise:
            x = x + self.noise * torch.randn_like(x)
        return x * (torch.rand_like(x) >= self.masking) if self.masking else x


class Autoencoder(nn.Module):
    """Numbers [B, N], categories [B, M] as one number a level, an image [B, C, H, W] as C * H * W numbers -> all of them, [B, D]; an image
    that stands alone is given back as one.

    shape: N, or (C, H, W). sizes: codes of each category column, code 0 included. beside: (C, H, W) of an image beside columns.
    code: Z, 32, with which digits of 28 x 28 pixels stay readable. width: 256 and depth: 1 hidden layers on either
    side. depth 0 is linear: code = E (x - m), answer = G code + m with one vector m, which a fit takes to the mean of the data; with biases
    on both sides infinitely many would do. tied: G and the layers on the way out are those of the way in, turned round, which halves the
    weights. noise and masking: how the input is corrupted in training, see `Corrupt`; Vincent et al. masked a quarter.
    `columns`: what an error is shared out among, a category being one whatever its levels, and each number of an image.
    """

    def __init__(
        self,
        shape: int | tuple[int, int, int],
        *,
        sizes: Sequence[int] = (),
        beside: tuple[int, int, int] | None = None,
        code: int = 32,
        width: int = 256,
        depth: int = 1,
        activation: str = "relu",
        tied: bool = False,
        noise: float = 0.0,
        masking: float = 0.0,
    ) -> None:
        super().__init__()
        self.image = None if isinstance(shape, int) else shape
        self.numbers = shape if isinstance(shape, int) else 0
        self.beside = self.image or beside
        self.one_hot = OneHot(sizes) if len(sizes) else None
        pixels = math.prod(self.beside) if self.beside else 0
        inputs = self.numbers + pixels + (self.one_hot.width if self.one_hot else 0)
        if code < 1 or depth < 0:
            raise SettingError(
                f"an autoencoder needs a code of at least 1 number and a depth of at least 0; got code={code}, depth={depth}"
            )
        self.inputs, self.code, self.tied, self.columns = inputs, code, tied, self.numbers + pixels + len(sizes)
        layers = [inputs] + [width] * depth + [code]
        self.corrupt, self.activation = Corrupt(noise, masking), activation_named(activation)
        self.centre = None if depth else nn.Parameter(torch.zeros(inputs))
        self.encoder = nn.ModuleList([nn.Linear(a, b, bias=depth > 0) for a, b in itertools.pairwise(layers)])
        back = list(itertools.pairwise(reversed(layers)))
        self.decoder = nn.ModuleList([] if tied else [nn.Linear(a, b, bias=depth > 0) for a, b in back])
        self.biases = nn.ParameterList([torch.zeros(b) for _, b in back] if tied and depth else [])

    def forward(self, *, numbers: Tensor | None = None, categories: Tensor | None = None, image: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(self.corrupt(self.given(numbers=numbers, categories=categories, image=image))))

    def given(self, *, numbers: Tensor | None = None, categories: Tensor | None = None, image: Tensor | None = None) -> Tensor:
        """What is to be given back: the image where it stands alone, else all numbers [B, D]."""
        if self.image is not None:
            return required("image", image)
        parts = [required("numbers", numbers)] if self.numbers else []
        if self.one_hot is not None:
            parts.append(self.one_hot(required("categories", categories)))
        if self.beside is not None:
            parts.append(required("image", image).flatten(1))  # B C H W -> B C*H*W
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def encode(self, x: Tensor) -> Tensor:
        """Numbers [B, D] or an image [B, C, H, W], as built for -> codes [B, Z]."""
        expect("autoencoder", x, "B", *(self.image or (self.inputs,)))
        x = x.flatten(1)  # B C H W -> B D
        x = x if self.centre is None else x - self.centre
        for index, layer in enumerate(self.encoder):
            x = layer(self.activation(x) if index else x)
        return x

    def decode(self, code: Tensor) -> Tensor:
        """Codes [B, Z] -> numbers [B, D] or an image [B, C, H, W], as built for."""
        expect("autoencoder's code", code, "B", self.code)
        x = code
        for index in range(len(self.encoder)):
            x = self._back(index, self.activation(x) if index else x)
        x = x if self.centre is None else x + self.centre
        return x if self.image is None else x.unflatten(1, self.image)  # B D -> B C H W

    def _back(self, index: int, x: Tensor) -> Tensor:
        if not self.tied:
            return self.decoder[index](x)
        weight = self.encoder[len(self.encoder) - 1 - index].get_parameter("weight")
        return F.linear(x, weight.t(), self.biases[index] if len(self.biases) else None)


class ConvAutoencoder(nn.Module):
    """An image [B, C, H, W] -> the same shape, through convolutions and a code of Z numbers.

    image: (C, H, W), of any sides from 4 pixels on. Each block halves the sides and doubles the channels, until the smaller side is 4 or
    less than 8; on the way back each doubles the pixels (nearest neighbour) before its convolution, which leaves no chequerboard
    (Odena, Dumoulin and Olah 2016). width: channels of the first block, 32. code: Z, 64. noise, masking: see `Corrupt`.
    """

    def __init__(self, image: tuple[int, int, int], *, code: int = 64, width: int = 32, noise: float = 0.0, masking: float = 0.0) -> None:
        super().__init__()
        channels, height, across = image
        if min(height, across) < SMALLEST:
            raise InputError(
                f"a convolutional autoencoder needs images of at least {SMALLEST} x {SMALLEST} pixels; got {height} x {across}"
            )
        self.image, self.code, self.columns = image, code, math.prod(image)
        self.corrupt = Corrupt(noise, masking)
        sides = [(height, across)]
        while min(sides[-1]) >= 2 * SMALLEST:
            sides.append(((sides[-1][0] + 1) // 2, (sides[-1][1] + 1) // 2))
        widths = [width * 2**level for level in range(len(sides))]
        self.sides = sides[-2::-1]  # on the way back
        down = [ConvBlock(a, b, stride=2) for a, b in itertools.pairwise(widths)]
        self.down = nn.Sequential(ConvBlock(channels, width), *down)
        self.inner = (widths[-1], *sides[-1])
        inner = widths[-1] * sides[-1][0] * sides[-1][1]
        self.to_code, self.from_code = nn.Linear(inner, code), nn.Linear(code, inner)
        self.up = nn.ModuleList([ConvBlock(a, b) for a, b in itertools.pairwise(reversed(widths))])
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(self.corrupt(self.given(image=image))))

    def given(self, *, image: Tensor | None = None) -> Tensor:
        """What is to be given back: the image."""
        return required("image", image)

    def encode(self, x: Tensor) -> Tensor:
        """An image [B, C, H, W] -> codes [B, Z]."""
        expect("convolutional autoencoder", x, "B", *self.image)
        return self.to_code(self.down(x).flatten(1))

    def decode(self, code: Tensor) -> Tensor:
        """Codes [B, Z] -> an image [B, C, H, W]."""
        expect("convolutional autoencoder's code", code, "B", self.code)
        x = F.relu(self.from_code(code)).unflatten(1, self.inner)  # B C*H*W -> B C H W
        for block, side in zip(self.up, self.sides, strict=True):
            x = block(F.interpolate(x, size=side))
        return self.last(x)
