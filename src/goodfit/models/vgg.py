"""A network of the pattern [[convolution - ReLU] * n - pool] * m - [linear - ReLU] * k - linear: VGG (Simonyan and Zisserman 2015), at any size.

B images, C channels, H and W pixels, U channels of the first block, O outputs. All filters are 3 x 3: two have the view of one of 5 x 5, for fewer
weights and with one more ReLU between them.
"""

from __future__ import annotations

from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import image_norm
from goodfit.nn.pool import halving
from goodfit.nn.shapes import expect, required

MOST_BLOCKS = 5  # the paper's, for 224 pixels
SMALL_SIDE = 4  # pixels: what is left at the end needs no more pooling (CIFAR's 32 after three)
WIDEST = 8  # times the first block's channels: the paper's 64 become 512, and no more


class VGG(nn.Module):
    """Images [B, C, H, W] -> [B, O].

    image: (C, H, W). depth: m blocks; where None, until the shorter side has at most 4 pixels. convolutions: n of each block. dense: k hidden
    linear layers, of 8 U units each: the paper's 4,096 hold most of its weights. width: U; channels double with each block, up to 8 U.
    pool: max (the paper's), mean or none, at the end of each block. norm: batch (Ioffe and Szegedy 2015, before each ReLU), layer or none (the
    paper's). dropout: before every linear layer.
    Raises InputError where pooling leaves nothing, SettingError for an unknown name.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        depth: int | None = None,
        convolutions: int = 2,
        dense: int = 1,
        width: int = 32,
        pool: str = "max",
        norm: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image = image
        channels, height, across = image
        self.blocks = nn.Sequential()
        for index in range(blocks_for(image) if depth is None else depth):
            filters = width * min(2**index, WIDEST)
            layers: list[nn.Module] = []
            for _ in range(convolutions):
                layers.append(_convolution(channels, filters, bias=norm == "none"))
                if norm != "none":
                    layers.append(image_norm(norm, filters))
                layers.append(nn.ReLU(inplace=True))
                channels = filters
            if pool != "none":
                if min(height, across) < 2:
                    raise InputError(
                        f"vgg's block {index + 1} would pool {height} x {across} pixels to nothing; set model.depth to at most {index}, "
                        "model.pool=none, or a larger data.image_size"
                    )
                layers.append(halving(pool))
                height, across = height // 2, across // 2
            self.blocks.append(nn.Sequential(*layers))
        self.units = nn.Sequential()
        features = channels * height * across
        for _ in range(dense):
            self.units.extend([Dropout(dropout), nn.Linear(features, WIDEST * width), nn.ReLU(inplace=True)])
            features = WIDEST * width
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(features, outputs)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        x = required("image", image)
        expect("vgg", x, "B", *self.image)
        x = self.blocks(x).flatten(1)  # B C H W -> B CHW
        return self.head(self.dropout(self.units(x)))


def blocks_for(image: tuple[int, int, int]) -> int:
    """m for images of this size: halvings until the shorter side has at most 4 pixels, 1 to 5.

    >>> blocks_for((1, 28, 28)), blocks_for((3, 32, 32)), blocks_for((3, 224, 224))
    (3, 3, 5)
    """
    count, side = 1, min(image[1:]) // 2
    while side > SMALL_SIDE and count < MOST_BLOCKS:
        count, side = count + 1, side // 2
    return count


def _convolution(inputs: int, outputs: int, *, bias: bool) -> nn.Conv2d:
    """3 x 3, at the size of the image. Weights start so that a ReLU's output is as large as its input (He et al. 2015): torch's own halve it with
    each layer and more, and ten layers without a norm learn nothing. bias: none before a norm, which has one."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
