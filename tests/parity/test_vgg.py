"""VGG against its pattern written down as one nn.Sequential: [[convolution - ReLU] * n - pool] * m - [linear - ReLU] * k - linear."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.models.vgg import VGG


def pattern(image: tuple[int, int, int], outputs: int, m: int, n: int, k: int, width: int, pool: str, norm: str) -> nn.Sequential:
    channels, height, across = image
    layers: list[nn.Module] = []
    for block in range(m):
        filters = min(width * 2**block, 8 * width)
        for _ in range(n):
            layers.append(nn.Conv2d(channels, filters, 3, padding="same", bias=norm == "none"))
            layers += [nn.BatchNorm2d(filters)] if norm == "batch" else [nn.GroupNorm(1, filters)] if norm == "layer" else []
            layers.append(nn.ReLU())
            channels = filters
        if pool != "none":
            layers.append(nn.MaxPool2d(2, 2) if pool == "max" else nn.AvgPool2d(2, 2))
            height, across = height // 2, across // 2
    layers.append(nn.Flatten())
    features = channels * height * across
    for _ in range(k):
        layers += [nn.Linear(features, 8 * width), nn.ReLU()]
        features = 8 * width
    return nn.Sequential(*layers, nn.Linear(features, outputs))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("image", "m", "n", "k", "pool", "norm"),
    [
        ((1, 28, 28), 3, 2, 1, "max", "batch"),
        ((3, 17, 30), 2, 1, 0, "mean", "none"),
        ((3, 32, 33), 5, 1, 2, "max", "none"),  # the fifth block is no wider than the fourth
        ((2, 9, 8), 1, 3, 1, "none", "layer"),
        ((3, 5, 5), 0, 1, 2, "max", "batch"),
    ],
)
def test_outputs_and_gradients_are_the_patterns(
    image: tuple[int, int, int], m: int, n: int, k: int, pool: str, norm: str, training: bool
) -> None:
    torch.manual_seed(0)
    theirs = pattern(image, 5, m, n, k, 4, pool, norm).double()
    ours = VGG(image, 5, depth=m, convolutions=n, dense=k, width=4, pool=pool, norm=norm).double()
    x = torch.randn(6, *image, dtype=torch.float64)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        theirs(x)  # running statistics that are not 0 and 1
    values = list(theirs.state_dict().values())
    names = list(ours.state_dict())
    assert len(names) == len(values)
    ours.load_state_dict(dict(zip(names, values, strict=True)), strict=True)  # both in the order of the pattern
    theirs.train(training), ours.train(training)
    wanted, out = theirs(x), ours(image=x)
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-10)
    wanted.square().sum().backward()
    out.square().sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=1e-8, msg=name)


def test_signals_keep_their_size_through_many_layers_without_a_norm() -> None:
    """With torch's own weights the last block's would be a hundred-thousandth of the first's."""
    torch.manual_seed(0)
    network = VGG((3, 32, 32), 2, depth=5, convolutions=3, dense=0, width=8, pool="none", norm="none")
    x = torch.randn(4, 3, 32, 32)
    sizes = []
    for block in network.blocks:
        x = block(x)
        sizes.append(x.square().mean().sqrt().item())
    assert 0.2 < sizes[-1] / sizes[0] < 5
