"""Networks for images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goodfit.models import sizing
from goodfit.models.entry import Entry, Setting, Settings, image_of
from goodfit.models.lenet import LeNet5
from goodfit.models.resnet import IMAGENET, ResNet, cifar_blocks, cifar_resnet, imagenet_resnet, stem_for
from goodfit.models.resnet9 import ResNet9
from goodfit.models.vgg import VGG, blocks_for
from goodfit.models.vit import ViT, patch_for

# Blocks of each stage of the residual networks, and whether they are bottlenecks.
RESIDUAL: dict[str, tuple[tuple[int, ...], bool]] = {f"resnet{depth}": IMAGENET[depth] for depth in (18, 34, 50)} | {
    f"resnet{depth}": (cifar_blocks(depth), False) for depth in (20, 56)
}


def _residual(make: Callable[..., ResNet], depth: int, width: int, purpose: str) -> Entry:
    """A residual network of the paper's, with its width."""
    return Entry(
        lambda inputs, outputs, settings: make(image_of(inputs) or (0, 0, 0), outputs, depth=depth, **settings),
        ("image",),
        {
            "width": Setting(width, "the paper's, channels of the first stage; fewer where the time limit asks for it"),
            "stem": Setting(None, "by the size: small (3 x 3) up to 64 pixels, imagenet (7 x 7, a quarter of each side) beyond"),
            "residual": Setting(True, "without, the paper's plain network, which learns worse the deeper it is"),
            "dropout": Setting(0.0, "the paper's: batch norm and augmentation regularise it"),
        },
        purpose,
        "He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, 2016",
    )


ENTRIES: dict[str, Entry] = {
    "resnet9": Entry(
        lambda inputs, outputs, settings: ResNet9(image_of(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(16, "channels of the first block, by images and time limit; 16 has 0.990 on mnist_5k in a minute of one core"),
            "dropout": Setting(0.0, "augmentation and label smoothing regularise it better"),
        },
        "the default for images: a small residual network",
        "Page, How to Train Your ResNet, DAWNBench 2018; He et al. 2016; Jordan, airbench, 2024",
    ),
    "lenet5": Entry(
        lambda inputs, outputs, settings: LeNet5(image_of(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "activation": Setting("tanh", "the paper's; relu learns several times faster (Krizhevsky et al. 2012)"),
            "pool": Setting("mean", "the paper's; max keeps that a feature is there, not how much of it"),
        },
        "small images, the network that convolutions became known by",
        "LeCun, Bottou, Bengio and Haffner 1998",
    ),
    "vgg": Entry(
        lambda inputs, outputs, settings: VGG(image_of(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(32, "channels of the first block, by images and time limit; the paper's 64 are for a million of them"),
            "depth": Setting(None, "blocks: until the shorter side has at most 4 pixels, 5 at most as in the paper"),
            "convolutions": Setting(2, "of a block: the paper's least deep blocks"),
            "dense": Setting(1, "hidden linear layers: the paper's two hold most of its weights"),
            "pool": Setting("max", "the paper's, at the end of each block"),
            "norm": Setting("batch", "allows 5 to 30 times the rate (Ioffe and Szegedy 2015); the paper, of 2014, has none"),
            "dropout": Setting(0.0, "batch norm and augmentation regularise it; the paper's 0.5 without a norm"),
        },
        "images, convolutions and pooling in turn without anything else",
        "Simonyan and Zisserman 2015",
    ),
    "resnet18": _residual(imagenet_resnet, 18, 64, "images, the usual residual network, for thousands of them and more"),
    "resnet34": _residual(imagenet_resnet, 34, 64, "images, a residual network of twice the depth of resnet18"),
    "resnet50": _residual(imagenet_resnet, 50, 64, "images, a deep residual network with bottlenecks, for tens of thousands and more"),
    "resnet20": _residual(cifar_resnet, 20, 16, "small images, a narrow residual network of 0.27 million weights"),
    "resnet56": _residual(
        cifar_resnet, 56, 16, "small images, a narrow residual network so deep that a plain one learns less than one of 20 layers"
    ),
    "vit": Entry(
        lambda inputs, outputs, settings: ViT(image_of(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(128, "a token's vector, by images and time limit; half of CCT-7's, which learns from 50,000 images"),
            "depth": Setting(6, "blocks, by images and time limit; CCT's 7 less one"),
            "heads": Setting(4, "32 dimensions a head, CCT's has 64"),
            "patch": Setting(None, "pixels between tokens, by the size: a power of two that leaves at most 8 x 8 tokens"),
            "stem": Setting("convolution", "overlapping tokens teach what neighbours are, which few images do not (Hassani et al. 2021)"),
            "pool": Setting("mean", "each token has a say; a class token has to learn where to look first"),
            "positions": Setting("learned", "the original's"),
            "dropout": Setting(0.0, "CCT's for tokens and branches: augmentation, label smoothing and decay regularise it"),
        },
        "images by attention, behind a few convolutions; it needs more images or more passes than a residual network",
        "Dosovitskiy et al. 2021 (ViT); Hassani et al. 2021 (convolutional stem)",
    ),
}


def image_defaults(
    name: str,
    image: tuple[int, int, int],
    settings: Settings,
    *,
    rows: int,
    outputs: int,
    time_limit: float | None,
    threads: int,
    preset: str,
) -> dict[str, Any]:
    """What an image network takes from the size of the images and from the time: its width, and what is None in the catalogue."""
    allowed = sizing.budget(rows, sizing.RESNET_EPOCHS, time_limit, threads, sizing.CONVOLUTIONS)
    if name == "resnet9":
        few = rows < 20_000  # below, twice the default's width learns no more: mnist_5k has 0.990 at 16
        most = {"fast": 16, "good": 32 if few else 64, "best": 64}[preset]
        return {"width": sizing.resnet_width(image, rows=rows, time_limit=time_limit, threads=threads, largest=most)}
    widths = [width for width in sizing.RESNET_WIDTHS if width <= (settings.get("width") or 0)]
    if name == "vgg":
        depth = blocks_for(image)

        def vgg(width: int) -> float:
            return sizing.vgg_cost(
                image, width, depth=depth, convolutions=settings["convolutions"], dense=settings["dense"], outputs=outputs
            )

        return {"depth": depth, "width": sizing.largest(widths, vgg, allowed)}
    if name in RESIDUAL:
        counts, bottleneck, stem = (*RESIDUAL[name], stem_for(image))

        def residual(width: int) -> float:
            return sizing.residual_cost(image, width, blocks=counts, bottleneck=bottleneck, stem=stem, projected=len(counts) == 4)

        return {"stem": stem, "width": sizing.largest(widths, residual, allowed)}
    if name == "vit":
        patch = patch_for(image)
        allowed = sizing.budget(rows, sizing.VIT_EPOCHS, time_limit, threads, sizing.PRODUCTS)
        size = sizing.largest(sizing.VIT_SIZES, lambda size: sizing.vit_cost(image, size[0], depth=size[1], patch=patch), allowed)
        return {"patch": patch, "width": size[0], "depth": size[1]}
    return {}
