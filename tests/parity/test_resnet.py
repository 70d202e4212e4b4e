"""Residual networks against transformers' ResNetForImageClassification, and the networks for small images against the paper written down naively."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetForImageClassification

from goodfit.models.resnet import ResNet, cifar_resnet, imagenet_resnet
from goodfit.nn.conv import ConvNorm


def reference(width: int, depths: tuple[int, ...], bottleneck: bool, channels: int) -> ResNetForImageClassification:
    """transformers' network with random weights, scales and running statistics."""
    config = ResNetConfig(
        num_channels=channels,
        embedding_size=width,
        hidden_sizes=[(4 if bottleneck else 1) * width * 2**stage for stage in range(len(depths))],
        depths=list(depths),
        layer_type="bottleneck" if bottleneck else "basic",
        num_labels=5,
    )
    network = ResNetForImageClassification(config)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for statistic in (module.weight, module.running_var):
                    statistic.uniform_(0.5, 1.5)
                for statistic in (module.bias, module.running_mean):
                    statistic.normal_(0, 0.3)
    return network


def renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their names as ours."""
    words = {
        "resnet.embedder.embedder.": "stem.0.",
        "resnet.encoder.stages.": "stages.",
        ".layers.": ".",
        ".layer.": ".layers.",
        "convolution.": "conv.",
        "normalization.": "norm.",
        "classifier.1.": "head.",
    }
    ours = {}
    for name, value in theirs.items():
        for theirs_word, our_word in words.items():
            name = name.replace(theirs_word, our_word)
        ours[name] = value
    return ours


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("bottleneck", "depths"), [(False, (2, 1, 2)), (True, (2, 2, 1))])
def test_outputs_and_gradients_are_transformers(bottleneck: bool, depths: tuple[int, ...], training: bool) -> None:
    torch.manual_seed(0)
    theirs = reference(8, depths, bottleneck, 3).double().train(training)
    ours = ResNet((3, 45, 38), 5, blocks=depths, bottleneck=bottleneck, width=8, stem="imagenet").double().train(training)
    ours.load_state_dict(renamed(theirs.state_dict()), strict=True)
    image = torch.randn(4, 3, 45, 38, dtype=torch.float64)
    wanted, out = theirs(pixel_values=image).logits, ours(image=image)
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-10)
    assert wanted.abs().max() > 0.1
    wanted.square().sum().backward()
    out.square().sum().backward()
    gradients = renamed({name: parameter.grad for name, parameter in theirs.named_parameters()})
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-6, atol=1e-8, msg=name)


def test_resnet18_in_single_precision_is_transformers() -> None:
    torch.manual_seed(0)
    theirs = reference(16, (2, 2, 2, 2), False, 1).eval()
    ours = imagenet_resnet((1, 64, 64), 5, depth=18, width=16, stem="imagenet").eval()
    ours.load_state_dict(renamed(theirs.state_dict()), strict=True)
    image = torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(ours(image=image), theirs(pixel_values=image).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("depth", "parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_557_032), (101, 44_549_160), (152, 60_192_808)]
)
def test_networks_for_imagenet_have_the_known_number_of_weights(depth: int, parameters: int) -> None:
    """As torchvision's pretrained weights have them for 1,000 classes."""
    with torch.device("meta"):
        network = imagenet_resnet((3, 224, 224), 1_000, depth=depth)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_networks_for_small_images_have_the_papers_number_of_weights(depth: int, millions: float) -> None:
    """Table 6 of the paper; the plain network has as many, since the shortcuts have none."""
    with torch.device("meta"):
        networks = [cifar_resnet((3, 32, 32), 10, depth=depth, residual=residual) for residual in (True, False)]
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts[0] == counts[1]
    assert counts[0] / 1e6 == pytest.approx(millions, abs=0.05 if depth == 110 else 0.006)
    layers = [module for module in networks[0].modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def naive(network: ResNet, x: Tensor, residual: bool) -> Tensor:
    """Section 4.2 of the paper: 3 x 3 convolutions with batch norm in pairs, 16, 32, 64 channels, sides halved in between; zeros fill the shortcut."""

    def normed(layer: ConvNorm, x: Tensor, stride: int) -> Tensor:
        x = F.conv2d(x, layer.conv.weight, stride=stride, padding=1)
        mean, var = layer.norm.running_mean[:, None, None], layer.norm.running_var[:, None, None]
        return (x - mean) / (var + 1e-5).sqrt() * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]

    x = normed(network.stem[0], x, 1).relu()
    for index, stage in enumerate(network.stages):
        for place, block in enumerate(stage):
            stride = 2 if index and not place else 1
            out = normed(block.layers[1], normed(block.layers[0], x, stride).relu(), 1)
            short = x[:, :, ::stride, ::stride]
            short = torch.cat([short, torch.zeros_like(short)], 1) if stride == 2 else short
            x = (out + short if residual else out).relu()
    return x.mean((2, 3)) @ network.head.weight.T + network.head.bias


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("side", [15, 16])
def test_networks_for_small_images_are_the_papers(residual: bool, side: int) -> None:
    torch.manual_seed(0)
    network = cifar_resnet((3, side, side), 4, depth=14, width=6, residual=residual).double()
    image = torch.randn(5, 3, side, side, dtype=torch.float64)
    for _ in range(3):
        network(image=image)  # running statistics that are not 0 and 1
    network.eval()
    torch.testing.assert_close(network(image=image), naive(network, image, residual), rtol=0, atol=1e-10)
