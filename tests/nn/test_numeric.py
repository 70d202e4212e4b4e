"""Embeddings of numbers against the formulas of their papers, number by number."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.nn.numeric import PeriodicEmbedding, PiecewiseLinearEmbedding, PiecewiseLinearEncoding, RawNumbers

BINS = [torch.tensor([-1.0, 0.0, 0.5, 3.0]), torch.tensor([0.0, 1.0]), torch.tensor([-2.0, -1.0, 4.0]), torch.tensor([0.0, 1.0, 2.0, 3.0])]


def naive(x: float, edges: list[float]) -> list[float]:
    """Equation 1 of Gorishniy et al. 2022 for one number; the first bin open below, the last one above."""
    last = len(edges) - 2
    encoded = []
    for q, (a, b) in enumerate(itertools.pairwise(edges)):
        share = (x - a) / (b - a)
        if q < last:
            share = min(share, 1.0)
        if q > 0:
            share = max(share, 0.0)
        encoded.append(share)
    return encoded


def naive_table(x: Tensor, bins: list[Tensor]) -> Tensor:
    most = max(len(edges) - 1 for edges in bins)
    rows = []
    for row in x.tolist():
        encoded = [naive(value, edges.tolist()) for value, edges in zip(row, bins, strict=True)]
        rows.append([values + [0.0] * (most - len(values)) for values in encoded])
    return torch.tensor(rows, dtype=x.dtype)


def test_encoding_is_the_papers_with_unequal_bins() -> None:
    x = torch.randn(200, 4, dtype=torch.float64) * 3
    torch.testing.assert_close(PiecewiseLinearEncoding(BINS).double()(x), naive_table(x, BINS))


@given(st.lists(st.lists(st.integers(-50, 50), min_size=2, max_size=9, unique=True), min_size=1, max_size=4), st.floats(-100, 100))
@settings(max_examples=60, deadline=None)
def test_encoding_of_any_bins(edges: list[list[int]], value: float) -> None:
    bins = [torch.tensor(sorted(column), dtype=torch.float32) for column in edges]
    x = torch.full((1, len(bins)), value, dtype=torch.float64)
    encoded = PiecewiseLinearEncoding(bins).double()(x)
    torch.testing.assert_close(encoded, naive_table(x, bins))
    # It loses nothing: widths times shares, added up, give the number back.
    for number, column in enumerate(bins):
        widths = column.double().diff()
        back = column[0].double() + (encoded[0, number, : len(widths)] * widths).sum()
        assert back.item() == pytest.approx(value, abs=1e-4)  # slopes are kept in float32


def test_narrow_bins_keep_their_precision_in_float32() -> None:
    bins = [torch.tensor([3.0, 3.0 + 2**-18, 4.0])]
    assert PiecewiseLinearEncoding(bins)(torch.tensor([[3.0 + 2**-19]]))[0, 0].tolist() == [0.5, 0.0]


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0], [0.0, math.nan], [0.0, math.inf]])
def test_edges_must_increase(edges: list[float]) -> None:
    with pytest.raises(InputError, match="bins of number 2 must be two or more finite, increasing edges"):
        PiecewiseLinearEncoding([torch.tensor([0.0, 1.0]), torch.tensor(edges)])


def test_piecewise_embedding_is_a_line_plus_the_encodings_curve() -> None:
    layer = PiecewiseLinearEmbedding(BINS, 5).double()
    torch.nn.init.normal_(layer.curve)
    x = torch.randn(20, 4, dtype=torch.float64) * 2
    encoded = naive_table(x, BINS)
    wanted = torch.zeros(20, 4, 5, dtype=torch.float64)
    for row in range(20):
        for number in range(4):
            wanted[row, number] = layer.bias[number] + layer.weight[number] * x[row, number] + encoded[row, number] @ layer.curve[number]
    torch.testing.assert_close(layer(x), wanted.flatten(1))
    assert layer.width == 20
    assert layer.sections == [5] * 4


def test_piecewise_embedding_begins_linear() -> None:
    layer = PiecewiseLinearEmbedding(BINS, 3)
    low, middle, high = (layer(torch.full((1, 4), value)) for value in (-1.0, 1.0, 3.0))
    torch.testing.assert_close(middle, (low + high) / 2)


def test_periodic_embedding_is_the_papers() -> None:
    layer = PeriodicEmbedding(3, 4).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    wanted = []
    for number in range(3):
        wave = torch.cos(2 * math.pi * x[:, number : number + 1] * layer.frequency[number] + layer.phase[number])
        wanted.append(torch.cat([wave @ layer.weight[number] + layer.bias[number], x[:, number : number + 1]], 1))
    torch.testing.assert_close(layer(x), torch.cat(wanted, 1))


def test_pace_scales_steps_and_not_the_start() -> None:
    torch.manual_seed(0)
    plain = PeriodicEmbedding(3, 4)
    torch.manual_seed(0)
    slow = PeriodicEmbedding(3, 4, pace=0.1)
    x = torch.randn(7, 3)
    torch.testing.assert_close(plain(x), slow(x))
    for layer in (plain, slow):
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3, eps=0.0)
        layer(x).square().sum().backward()
        optimizer.step()
    torch.manual_seed(0)
    start = PeriodicEmbedding(3, 4)
    for name, before in start.named_parameters():
        moved, slowly = plain.get_parameter(name) - before, slow.get_parameter(name) * 0.1 - before
        torch.testing.assert_close(slowly, moved * 0.1, rtol=0.05, atol=2e-6)


@pytest.mark.parametrize(
    "layer", [PiecewiseLinearEmbedding(BINS, 3), PeriodicEmbedding(4, 3), RawNumbers(4)], ids=lambda x: type(x).__name__
)
def test_gradcheck(layer: torch.nn.Module) -> None:
    layer = layer.double()
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *layer.parameters()))
