"""Errors of shape name the layer, what it expects and what it got."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.activation import ACTIVATIONS, activation
from goodfit.nn.attention import Attention
from goodfit.nn.categorical import CategoryEmbedding, OneHot
from goodfit.nn.conv import ConvBlock
from goodfit.nn.ensemble import EnsembleHead, EnsembleLinear
from goodfit.nn.norm import RMSNorm, norm
from goodfit.nn.numeric import PeriodicEmbedding, PiecewiseLinearEmbedding, RawNumbers
from goodfit.nn.positions import LearnedPositions, Rotary, SinePositions
from goodfit.nn.recurrent import PaddedGRU
from goodfit.nn.shapes import expect, required

WRONG: list[tuple[nn.Module, tuple[torch.Tensor, ...], str]] = [
    (RawNumbers(3), (torch.zeros(2, 4),), r"numbers expects \[B, 3\] and got \[2, 4\]"),
    (PiecewiseLinearEmbedding([torch.arange(3.0)] * 3, 2), (torch.zeros(2, 4),), r"piecewise-linear encoding expects \[B, 3\]"),
    (PeriodicEmbedding(3, 2), (torch.zeros(3),), r"periodic embedding expects \[B, 3\] and got \[3\]"),
    (OneHot([3, 2]), (torch.zeros(2, 3, dtype=torch.int32),), r"one-hot encoding expects \[B, 2\] and got \[2, 3\]"),
    (CategoryEmbedding([3], 2), (torch.zeros(2, 3, dtype=torch.int32),), r"category embedding expects \[B, 1\]"),
    (EnsembleLinear(4, 5, 3), (torch.zeros(2, 3, 5),), r"ensemble linear expects \[B, K, 4\] and got \[2, 3, 5\]"),
    (EnsembleHead(4, 5, 3), (torch.zeros(2, 2, 4),), r"ensemble head expects \[B, 3, 4\] and got \[2, 2, 4\]"),
    (RMSNorm(4), (torch.zeros(2, 5),), r"rms norm expects \[B, 4\] and got \[2, 5\]"),
    (Attention(4, 2), (torch.zeros(2, 3, 5),), r"attention expects \[B, T, 4\] and got \[2, 3, 5\]"),
    (Attention(4, 2, context_width=6), (torch.zeros(2, 3, 4), torch.zeros(2, 3, 5)), r"attention's context expects \[B, S, 6\]"),
    (Rotary(4), (torch.zeros(2, 1, 3, 6),), r"rotary positions expects \[B, H, T, 4\]"),
    (SinePositions(4), (torch.zeros(2, 4),), r"sine positions expects \[B, T, 4\] and got \[2, 4\]"),
    (LearnedPositions(2, 4), (torch.zeros(2, 3, 4),), "reach to 2 tokens and got 3"),
    (PaddedGRU(4, 3), (torch.zeros(2, 3, 5), torch.ones(2, 3, dtype=torch.bool)), r"gru expects \[B, T, 4\] and got \[2, 3, 5\]"),
    (ConvBlock(3, 4), (torch.zeros(2, 1, 8, 8),), r"convolution block expects \[B, 3, H, W\] and got \[2, 1, 8, 8\]"),
]


@pytest.mark.parametrize(("layer", "inputs", "message"), WRONG, ids=[type(layer).__name__ for layer, _, _ in WRONG])
def test_wrong_shape_is_named(layer: nn.Module, inputs: tuple[torch.Tensor, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer(*inputs)


def test_expect_lets_letters_stand_for_any_size() -> None:
    expect("x", torch.zeros(2, 0, 3), "B", "T", 3)
    with pytest.raises(InputError, match=r"x expects \[B, 3\] and got \[2, 0, 3\]"):
        expect("x", torch.zeros(2, 0, 3), "B", 3)


def test_required_input() -> None:
    x = torch.zeros(1)
    assert required("text", x) is x
    with pytest.raises(InputError, match=r"built for text and the batch holds none; pass text="):
        required("text", None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(6, 4), "6 must be a multiple of heads=4"),
        (lambda: Rotary(3), "even number of them; 3 was given"),
        (lambda: SinePositions(3), "must be even; 3 was given"),
        (lambda: PeriodicEmbedding(2, 1), "at least 2 dimensions"),
    ],
)
def test_impossible_sizes(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"activation must be one of relu, .*; 'rellu' was given; did you mean 'relu'\?"):
        activation("rellu")
    with pytest.raises(SettingError, match="norm must be one of none, batch, layer; 'group' was given"):
        norm("group", 3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_place_and_not_are_equal(name: str) -> None:
    x = torch.randn(50, dtype=torch.float64, requires_grad=True)
    plain, inplace = activation(name)(x * 1.0), activation(name, inplace=True)(x * 1.0)
    assert torch.equal(plain, inplace)
    first, second = (torch.autograd.grad(y.square().sum(), x)[0] for y in (plain, inplace))
    assert torch.equal(first, second)


def test_rms_norm_by_hand() -> None:
    layer = RMSNorm(4).double()
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * layer.weight)


def test_norms_are_torchs() -> None:
    assert isinstance(norm("batch", 3), nn.BatchNorm1d)
    assert isinstance(norm("layer", 3), nn.LayerNorm)
    assert isinstance(norm("none", 3), nn.Identity)
