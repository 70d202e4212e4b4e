"""LeNet-5 against its layers written down as one nn.Sequential."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.models.lenet import LeNet5


def layers(features: int, channels: int, activation: type[nn.Module], pool: type[nn.Module] | None) -> nn.Sequential:
    """C1, S2, C3, S4, C5, F6 and the outputs."""
    between = [] if pool is None else [pool(2)]
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), activation(), *between,
        nn.Conv2d(6, 16, 5), activation(), *between,
        nn.Flatten(),
        nn.Linear(features, 120), activation(),
        nn.Linear(120, 84), activation(),
        nn.Linear(84, 10),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("image", "features", "activation", "pool"),
    [
        ((1, 28, 28), 16 * 5 * 5, "tanh", "mean"),
        ((3, 32, 32), 16 * 6 * 6, "tanh", "mean"),
        ((3, 12, 19), 16 * 1 * 2, "relu", "max"),
        ((1, 5, 7), 16 * 1 * 3, "sigmoid", "none"),
    ],
)
def test_outputs_and_gradients_are_the_layers(image: tuple[int, int, int], features: int, activation: str, pool: str) -> None:
    torch.manual_seed(0)
    kinds = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
    pools = {"mean": nn.AvgPool2d, "max": nn.MaxPool2d, "none": None}
    theirs = layers(features, image[0], kinds[activation], pools[pool]).double()
    ours = LeNet5(image, 10, activation=activation, pool=pool).double()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), strict=True)
    x = torch.randn(4, *image, dtype=torch.float64)
    wanted, out = theirs(x), ours(image=x)
    torch.testing.assert_close(out, wanted, rtol=0, atol=1e-10)
    wanted.square().sum().backward()
    out.square().sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=1e-8, msg=name)


def test_digits_have_the_known_number_of_weights() -> None:
    assert sum(p.numel() for p in LeNet5((1, 28, 28), 10).parameters()) == 61_706
