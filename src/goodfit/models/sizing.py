"""How large a network to take: what a row costs, against what the time allows.

N numbers, L levels of categories. Everything here is arithmetic on the shape of the data, never a measurement: a machine that happens to be
busy must not change the network, and the same call must give the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from goodfit.models import resnet, vgg
from goodfit.models.resnet9 import FULL_SIZE
from goodfit.nn.columns import ONE_HOT_LEVELS

# Multiply-adds a second of one thread in training (forward and backward, with all that is no product): TabM's blocks made 19e9 to 25e9 in
# float32 and 45e9 to 50e9 in bfloat16 on a 2026 server core with AVX-512, half of that on older ones. Nominal on purpose.
THROUGHPUT = 15e9
# A backward pass makes two products for each of the forward pass.
PASSES = 3
# Share of the time limit that an average run may plan on: the rest goes to reading, encoding, measuring, and to runs that need more epochs.
SHARE = 0.7

# TabM's sizes, from the paper's (512 units, 32 members) down: below 256 units it is the members that are halved first. Measured on bikeshare (test RMSE,
# riders; CPU seconds in bfloat16): 256 units and 16 members 27.7 (100), 192 and 16 28.4 (53), 128 and 32 28.8 (86), 128 and 16 29.5 (39), 64 and 32
# 30.4 (41); satellite and ames (one or two seeds) agree or cannot tell them apart.
TABM_SIZES = (
    (512, 32, 16), (384, 32, 16), (256, 32, 16), (256, 16, 16), (192, 16, 16), (128, 16, 16), (128, 16, 8), (96, 16, 8), (64, 16, 8), (64, 8, 4), (32, 8, 2)
)  # fmt: skip
# Where each preset begins: fast at 192 units, good at 256, best at the paper's own size.
TABM_LARGEST = {"fast": 4, "good": 2, "best": 0}
# Epochs that a table's network takes until it has stopped gaining, patience included; more rows gain more in each.
EPOCHS = ((10_000, 60), (100_000, 40), (1_000_000, 20), (None, 8))
# Below this many rows the paper's 512 units bring nothing that 256 do not.
FEW_ROWS = 2_000

# Convolutions run faster than TabM's blocks, whose adapters move memory: 42e9 in float32 and 65e9 in bfloat16 on the same core.
CONVOLUTIONS = 50e9
RESNET_WIDTHS = (64, 48, 32, 24, 16, 12, 8)  # 64 is ResNet-9's own, for 50,000 colour images
RESNET_EPOCHS = 16  # with these, width 16 has 0.990 on mnist_5k (4,000 images)
# A vision transformer from scratch learns what a convolution knows: it needs more passes, each with less of a network where the time is short.
VIT_SIZES = ((128, 6), (96, 6), (64, 6), (64, 4), (48, 4), (32, 4))  # (width, depth); each a multiple of four heads
VIT_EPOCHS = 40  # CCT's 300 on 50,000 images are for the last per cent
# Multiply-adds a second of a thread in its matrices, in float32: 10e9 at width 32 and 21e9 at 96 on a busy core of 2023; nominal, as above.
PRODUCTS = 25e9

Size = TypeVar("Size")


def epochs(rows: int) -> int:
    """Passes over a table of this many training rows that training is expected to take."""
    return next(count for below, count in EPOCHS if below is None or rows < below)


def budget(rows: int, passes: float, time_limit: float | None, threads: int, throughput: float = THROUGHPUT) -> float:
    """Multiply-adds that a row's forward pass may cost, for `passes` epochs within `time_limit` seconds; infinite without a limit."""
    if time_limit is None:
        return math.inf
    return SHARE * time_limit * threads * throughput / (PASSES * passes * max(rows, 1))


def tabm_cost(
    numbers: int, sizes: Iterable[int], outputs: int, *, width: int, depth: int, members: int, dim: int, bins: int, extra: int = 0
) -> float:
    """Multiply-adds of a row's forward pass. extra: features from encoders."""
    features = numbers * dim + sum(size - 1 if size - 1 <= ONE_HOT_LEVELS else dim for size in sizes) + extra
    hidden = features * width + max(depth - 1, 0) * width * width + width * outputs if depth else features * outputs
    return members * hidden + numbers * dim * bins


def tabm_size(
    numbers: int,
    sizes: Sequence[int],
    outputs: int,
    *,
    rows: int,
    time_limit: float | None,
    threads: int,
    largest: int,
    depth: int,
    bins: int,
    extra: int = 0,
) -> tuple[int, int, int]:
    """(width, members, embedding_dim): the largest of TABM_SIZES, from index `largest` on, that the time allows."""
    allowed = budget(rows, epochs(rows), time_limit, threads)
    start = max(largest, 2 if rows < FEW_ROWS else 0)
    for width, members, dim in TABM_SIZES[start:]:
        cost = tabm_cost(numbers, sizes, outputs, width=width, depth=depth, members=members, dim=dim, bins=bins, extra=extra)
        if cost <= allowed:
            break
    return width, members, dim


def resnet_cost(image: tuple[int, int, int], width: int) -> float:
    """Multiply-adds of an image's forward pass through resnet9."""
    channels, height, across = image
    stride = 1
    while max(height, across) > FULL_SIZE * stride:
        stride *= 2
    pixels = height * across / stride**2
    first = pixels * max(9, stride * stride) * channels * width
    # The other convolutions, and each pair of them in a residual block, cost 18 width^2 a pixel of the first: channels double as sides halve.
    return first + 5 * 18 * width * width * pixels


def resnet_width(image: tuple[int, int, int], *, rows: int, time_limit: float | None, threads: int, largest: int) -> int:
    """The largest of RESNET_WIDTHS, at most `largest`, that the time allows."""
    allowed = budget(rows, RESNET_EPOCHS, time_limit, threads, CONVOLUTIONS)
    for width in RESNET_WIDTHS:
        if width <= largest and resnet_cost(image, width) <= allowed:
            break
    return width


def largest(sizes: Sequence[Size], cost: Callable[[Size], float], allowed: float) -> Size:
    """The first of `sizes`, which fall, whose cost is allowed; the last where none is.

    >>> largest((64, 32, 16), lambda width: width**2, 1_500)
    32
    """
    return next((size for size in sizes if cost(size) <= allowed), sizes[-1])


def residual_cost(image: tuple[int, int, int], width: int, *, blocks: Sequence[int], bottleneck: bool, stem: str, projected: bool) -> float:
    """Multiply-adds of an image's forward pass through models.resnet.ResNet without its head. projected: shortcuts are convolutions."""
    channels, height, across = image
    if stem == "imagenet":
        height, across = _half(height), _half(across)
    cost: float = height * across * (49 if stem == "imagenet" else 9) * channels * width
    if stem == "imagenet":
        height, across = _half(height), _half(across)
    inputs = width
    for index, count in enumerate(blocks):
        middle = width * 2**index
        outputs = resnet.EXPANSION * middle if bottleneck else middle
        for place in range(count):
            before = height * across
            if index and not place:
                height, across = _half(height), _half(across)
            after = height * across
            if bottleneck:
                cost += before * inputs * middle + after * (9 * middle * middle + middle * outputs)
            else:
                cost += after * 9 * (inputs * middle + middle * middle)
            if projected and (inputs != outputs or before != after):
                cost += after * inputs * outputs
            inputs = outputs
    return cost


def vgg_cost(image: tuple[int, int, int], width: int, *, depth: int, convolutions: int, dense: int, outputs: int) -> float:
    """Multiply-adds of an image's forward pass through models.vgg.VGG with pooling."""
    inputs, height, across = image
    cost = 0.0
    for index in range(depth):
        filters = width * min(2**index, vgg.WIDEST)
        for _ in range(convolutions):
            cost += height * across * 9 * inputs * filters
            inputs = filters
        height, across = height // 2, across // 2
    features = inputs * height * across
    for _ in range(dense):
        cost, features = cost + features * vgg.WIDEST * width, vgg.WIDEST * width
    return cost + features * outputs


def vit_cost(image: tuple[int, int, int], width: int, *, depth: int, patch: int) -> float:
    """Multiply-adds of an image's forward pass through models.vit.ViT with a stem of convolutions and no class token, without its head."""
    inputs, height, across = image
    cost = 0.0
    for left in reversed(range(patch.bit_length() - 1)):
        outputs = max(1, width >> left)
        cost += height * across * 9 * inputs * outputs
        inputs, height, across = outputs, _half(height), _half(across)
    tokens = height * across
    return cost + depth * tokens * (
        12 * width * width + 2 * tokens * width
    )  # four maps of attention, two of the MLP; scores, sums of values


def boxes_cost(image: tuple[int, int, int], width: int, *, patch: int) -> float:
    """Multiply-adds of a picture's forward pass through the backbone of models.detr, width / 4 channels in its first block, and two layers of its encoder."""
    inputs, height, across = image
    cost, outputs = 0.0, width // 4
    for index in range(patch.bit_length() - 1):
        cost += height * across * 9 * inputs * outputs
        height, across = height // 2, across // 2
        cost += (2 * height * across * 9 * outputs * outputs) if index else 0
        inputs, outputs = outputs, min(2 * outputs, 2 * width)
    tokens = height * across
    return cost + 2 * tokens * (12 * width * width + 2 * tokens * width)


def _half(side: int) -> int:
    """Of a side that is halved with a frame around it."""
    return (side + 1) // 2
