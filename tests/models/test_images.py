"""Image networks beyond what all networks promise: sizes of images, refusals, what the settings build, defaults that fit the time."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import goodfit.models
from goodfit.api.plan import HABITS
from goodfit.base.errors import InputError, SettingError
from goodfit.models import catalogue, sizing
from goodfit.models.account import describe
from goodfit.models.lenet import LeNet5
from goodfit.models.resnet import PaddedShortcut, ResNet, cifar_resnet, imagenet_resnet
from goodfit.models.vgg import VGG
from goodfit.models.vit import ViT
from goodfit.nn.conv import ConvNorm
from goodfit.nn.norm import BatchNorm2d, image_norm
from goodfit.nn.patch import RotaryGrid
from goodfit.nn.pool import halving

NAMES = ("lenet5", "vgg", "resnet18", "resnet34", "resnet50", "resnet20", "resnet56", "vit")
SMALL: dict[str, dict[str, Any]] = {"lenet5": {}, "vit": {"width": 8, "heads": 2, "depth": 1}}


def spec(channels: int, height: int, width: int) -> dict[str, Any]:
    return {"image": {"column": "i", "channels": channels, "height": height, "width": width}}


def size(name: str, image: tuple[int, int, int], **changes: Any) -> dict[str, Any]:
    given = {"rows": 4_000, "outputs": 10, "time_limit": 60.0, "threads": 2, "preset": "good", "numeric": False} | changes
    return catalogue.defaults(name, spec(*image), **given)


@pytest.mark.parametrize("image", [(1, 12, 12), (3, 28, 28), (3, 16, 200), (1, 65, 64), (3, 96, 128)])
@pytest.mark.parametrize("name", NAMES)
def test_images_of_many_sizes(name: str, image: tuple[int, int, int]) -> None:
    network = catalogue.build(name, spec(*image), 5, SMALL.get(name, {"width": 4}))
    out = network(image=torch.randn(2, *image))
    out.square().sum().backward()
    assert out.shape == (2, 5)
    with pytest.raises(InputError, match=rf" expects \[B, {image[0]}, {image[1]}, {image[2]}\] and got \[2, 2, 12, 12\]"):
        network(image=torch.zeros(2, 2, 12, 12))


@pytest.mark.parametrize("stem", ["small", "imagenet"])
def test_residual_networks_and_vit_take_a_single_pixel(stem: str) -> None:
    assert ResNet((1, 1, 1), 2, width=4, stem=stem)(image=torch.randn(1, 1, 1, 1)).shape == (1, 2)
    assert ViT((1, 1, 1), 2, width=8, depth=1)(image=torch.randn(1, 1, 1, 1)).shape == (1, 2)


REFUSED = [
    (lambda: LeNet5((1, 28, 11), 2), r"lenet5 needs images of at least 12 x 12 pixels for its second convolution; got 28 x 11; set data\.image_size"),
    (lambda: LeNet5((1, 4, 9), 2, pool="none"), r"at least 5 x 5 pixels .* got 4 x 9"),
    (lambda: VGG((3, 7, 40), 2, depth=3, width=4), r"vgg's block 3 would pool 1 x 10 pixels to nothing; set model\.depth to at most 2, model\.pool=none"),
    (lambda: VGG((3, 1, 40), 2, width=4), r"vgg's block 1 would pool 1 x 40 pixels to nothing; set model\.depth to at most 0"),
    (lambda: ResNet((0, 0, 0), 2), r"resnet needs images of at least one channel and one pixel; got 0 x 0 x 0"),
    (lambda: ViT((1, 8, 8), 2, width=10, heads=4), r"the width must be a multiple of heads=4; got width=10"),
    (lambda: ViT((1, 8, 8), 2, width=24, heads=4, positions="rotary"), r"a head must have a multiple of 4; got 6"),
    (lambda: ViT((1, 8, 8), 2, patch=3), r"the patch must be 2, 4, 8 or another power of two; got 3"),
    (lambda: ConvNorm(3, 4)(torch.zeros(1, 2, 8, 8)), r"convolution with batch norm expects \[B, 3, H, W\] and got \[1, 2, 8, 8\]"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_cannot_be_built_is_refused_in_one_sentence(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]


UNKNOWN = [
    (lambda: LeNet5((1, 28, 28), 2, pool="avg"), r"pool must be one of max, mean, none between convolutions; 'avg' was given"),
    (lambda: VGG((1, 28, 28), 2, norm="group"), r"norm must be one of none, batch, layer; 'group' was given"),
    (lambda: ResNet((1, 28, 28), 2, stem="smal"), r"resnet's stem must be small or imagenet; 'smal' was given; did you mean 'small'\?"),
    (lambda: ResNet((1, 28, 28), 2, shortcut="none"), r"resnet's shortcut must be projection or padding; 'none' was given"),
    (lambda: imagenet_resnet((1, 28, 28), 2, depth=20), r"one of 18, 34, 50, 101, 152; 20 was given"),
    (lambda: cifar_resnet((1, 28, 28), 2, depth=55), r"must be 6 n \+ 2; 55 was given, take 56"),
    (lambda: cifar_resnet((1, 28, 28), 2, depth=2), r"must be 6 n \+ 2; 2 was given, take 8"),
    (lambda: ViT((1, 28, 28), 2, stem="imagenet"), r"vit's stem must be convolution or patch; 'imagenet' was given"),
    (lambda: ViT((1, 28, 28), 2, pool="max"), r"vit's pool must be mean or class; 'max' was given"),
    (lambda: ViT((1, 28, 28), 2, positions="learnt"), r"vit's positions must be learned or sine or rotary; 'learnt' was given; did you mean 'learned'"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), UNKNOWN)
def test_unknown_names_and_depths_are_refused_with_what_there_is(make: object, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make()  # type: ignore[operator]


def test_plain_networks_have_no_shortcut_and_otherwise_the_same_weights() -> None:
    torch.manual_seed(0)
    residual = cifar_resnet((1, 12, 12), 3, depth=8, width=4)
    torch.manual_seed(0)
    plain = cifar_resnet((1, 12, 12), 3, depth=8, width=4, residual=False)
    assert residual.state_dict().keys() == plain.state_dict().keys()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in residual.state_dict().items())
    assert sum(isinstance(module, PaddedShortcut) for module in residual.modules()) == 2
    assert not any(isinstance(module, PaddedShortcut | nn.Identity) for module in plain.modules())


def test_a_shortcut_without_weights_keeps_every_second_pixel_and_adds_channels_of_zeros() -> None:
    x = torch.arange(2.0 * 3 * 5).view(1, 2, 3, 5)
    out = PaddedShortcut(2, 4, 2)(x)
    assert out[0, 0].tolist() == [[0, 2, 4], [10, 12, 14]]
    assert out.shape == (1, 4, 2, 3)
    assert out[:, 2:].count_nonzero() == 0


@pytest.mark.parametrize(("stem", "side"), [("small", 28), ("imagenet", 7)])
def test_a_stem_leaves_all_or_a_quarter_of_each_side(stem: str, side: int) -> None:
    network = ResNet((1, 28, 28), 2, width=4, stem=stem)
    assert network.stem(torch.randn(1, 1, 28, 28)).shape == (1, 4, side, side)


def test_a_vision_transformer_starts_as_its_stem_and_head() -> None:
    """Each block is the identity at first, so that depth does not matter yet."""
    network = ViT((1, 12, 12), 3, width=8, heads=2, depth=4)
    image = torch.randn(2, 1, 12, 12)
    tokens = network.positions(network.patches(image))
    torch.testing.assert_close(network(image=image), network.head(network.norm(tokens).mean(1)))


@pytest.mark.parametrize("pool", ["mean", "class"])
def test_rotary_positions_turn_the_queries_and_keys_of_every_block(pool: str) -> None:
    """Without positions the mean over the tokens would not see that squares change places."""
    torch.manual_seed(0)
    outputs = {}
    for positions in ("rotary", "learned", "sine"):
        network = ViT((1, 8, 8), 3, width=8, heads=2, depth=2, stem="patch", patch=4, pool=pool, positions=positions).double()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.normal_(0, 0.5) if "positions" not in name else parameter.zero_()
        image = torch.randn(2, 1, 8, 8, dtype=torch.float64)
        moved = image.roll((4, 4), (2, 3))  # whole squares
        outputs[positions] = (network(image=image) - network(image=moved)).abs().max().item()
        if positions == "rotary":
            assert all(isinstance(block.attention.rotary, RotaryGrid) for block in network.blocks)
    assert outputs["learned"] < 1e-12  # zeroed here: nothing else tells the places
    assert min(outputs["rotary"], outputs["sine"]) > 1e-4


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("side", [(1, 1), (2, 1), (5, 1), (1, 2), (6, 5)])
def test_a_convolution_that_halves_the_sides_has_torchs_gradient_in_bfloat16_too(size: int, side: tuple[int, int]) -> None:
    """oneDNN's reads memory that was never written; here it is full of nan."""
    torch.manual_seed(0)
    layer = ConvNorm(16, 32, size, stride=2, relu=False)
    layer.norm = nn.Identity()
    x = torch.randn(6, 16, *side, requires_grad=True)
    wanted = F.conv2d(x.double(), layer.conv.weight.double(), stride=2, padding=size // 2)
    given = torch.randn_like(wanted)
    gradients = torch.autograd.grad(wanted, (x, layer.conv.weight), given)
    torch.testing.assert_close(layer(x), wanted.float())
    for _ in range(5):
        for dtype in (torch.float32, torch.bfloat16):
            used = [torch.full_like(layer.conv.weight, math.nan, dtype=dtype) for _ in range(8)]
            del used
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x)
        found = torch.autograd.grad(out, (x, layer.conv.weight), given.to(out.dtype))
        for mine, exact in zip(found, gradients, strict=True):
            assert (mine - exact).abs().max() <= 0.03 * exact.abs().max()  # eight bits


def test_norm_and_pooling_of_images() -> None:
    assert isinstance(image_norm("none", 3), nn.Identity)
    assert isinstance(image_norm("batch", 3), BatchNorm2d)
    x = torch.randn(4, 3, 5, 6)
    torch.testing.assert_close(image_norm("layer", 3)(x), F.layer_norm(x, (3, 5, 6)))
    assert [halving(name)(x).shape[2:] for name in ("max", "mean", "none")] == [(2, 3), (2, 3), (5, 6)]


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 64, 64), (3, 96, 130)])
def test_the_cost_models_are_the_networks_products(image: tuple[int, int, int]) -> None:
    def counted(name: str, settings: dict[str, Any]) -> int:
        network = catalogue.build(name, spec(*image), 3, settings)
        return describe(network, catalogue.example(spec(*image), 1), 1, "sgd").multiply_adds

    chosen = size("vgg", image, time_limit=None)
    cost = sizing.vgg_cost(image, 12, depth=chosen["depth"], convolutions=2, dense=1, outputs=3)
    assert cost == counted("vgg", {"width": 12})
    for name, (blocks, bottleneck) in catalogue.RESIDUAL.items():
        if name in ("resnet18", "resnet50", "resnet20"):
            stem = size(name, image)["stem"]
            cost = sizing.residual_cost(image, 8, blocks=blocks, bottleneck=bottleneck, stem=stem, projected=name != "resnet20")
            expansion = 4 if bottleneck else 1
            assert cost + 3 * expansion * 8 * 2 ** (len(blocks) - 1) == counted(name, {"width": 8})
    patch = size("vit", image)["patch"]
    assert sizing.vit_cost(image, 24, depth=3, patch=patch) + 3 * 24 == counted("vit", {"width": 24, "depth": 3})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "lenet5"])
def test_defaults_follow_the_time_and_never_grow_with_less_of_it(name: str) -> None:
    widths = [size(name, (1, 28, 28), time_limit=limit)["width"] for limit in (1.0, 10.0, 60.0, 600.0, 6_000.0, None)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1] == catalogue.entry(name).defaults["width"]
    rows = [size(name, (1, 28, 28), rows=rows)["width"] for rows in (1_000, 10_000, 100_000)]
    assert rows == sorted(rows, reverse=True)
    settings = size(name, (3, 224, 224))
    assert all(value is not None for value in settings.values())
    catalogue.build(name, spec(3, 224, 224), 2, settings)


def test_defaults_follow_the_size_of_the_images() -> None:
    assert [size("resnet18", (3, side, side))["stem"] for side in (28, 64, 65, 224)] == ["small", "small", "imagenet", "imagenet"]
    assert [size("vgg", (3, side, side))["depth"] for side in (8, 12, 28, 32, 64, 224)] == [1, 2, 3, 3, 4, 5]
    assert [size("vit", (3, side, side))["patch"] for side in (12, 28, 32, 64, 224)] == [2, 4, 4, 8, 32]
    largest = size("vit", (1, 28, 28), time_limit=None)
    assert (largest["width"], largest["depth"], largest["heads"], largest["stem"], largest["pool"]) == (128, 6, 4, "convolution", "mean")


def test_the_package_names_its_networks_and_the_command_line_needs_none_of_them() -> None:
    assert {getattr(goodfit.models, name).__name__ for name in goodfit.models.__all__} == set(goodfit.models.__all__)
    code = "import sys, goodfit.cli.main; print([name for name in sys.modules if name == 'torch' or name.startswith('goodfit.models')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_every_image_network_has_habits() -> None:
    assert set(NAMES) <= set(HABITS)
