"""The padded GRU against torch.nn.GRU on each sequence alone, pooling and tokens against loops."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.nn.pool import masked_last, masked_max, masked_mean, pixel_max, pixel_mean, token_mask
from goodfit.nn.recurrent import PaddedGRU, turned
from goodfit.nn.tokens import TokenEmbedding

LENGTHS = torch.tensor([5, 1, 3, 5, 2])
MASK = torch.arange(6) < LENGTHS[:, None]


def torchs(layer: PaddedGRU, depth: int) -> nn.GRU:
    """torch's GRU with our weights."""
    theirs = nn.GRU(layer.inputs, layer.units, depth, batch_first=True, bidirectional=layer.bidirectional).to(
        next(layer.parameters()).dtype
    )
    with torch.no_grad():
        for level in range(depth):
            for suffix, ways in (("", layer.ahead), ("_reverse", layer.back)):
                if suffix and not layer.bidirectional:
                    continue
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(theirs, f"{name}_l{level}{suffix}").copy_(getattr(ways[level], f"{name}_l0"))
    return theirs


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_equals_torchs_on_each_sequence_without_padding(bidirectional: bool, depth: int) -> None:
    layer = PaddedGRU(4, 3, depth=depth, bidirectional=bidirectional).double()
    theirs = torchs(layer, depth)
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    out = layer(x, MASK)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(out[row, :length], theirs(x[row : row + 1, :length])[0][0])
    assert out[~MASK].count_nonzero() == 0


def test_gradients_equal_those_of_packed_sequences() -> None:
    layer = PaddedGRU(4, 3, depth=2, bidirectional=True).double()
    theirs = torchs(layer, 2)
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    layer(x, MASK).square().sum().backward()
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    theirs(packed)[0].data.square().sum().backward()
    for level in range(2):
        for suffix, ways in (("", layer.ahead), ("_reverse", layer.back)):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                torch.testing.assert_close(getattr(ways[level], f"{name}_l0").grad, getattr(theirs, f"{name}_l{level}{suffix}").grad)


def test_turning_twice_changes_nothing() -> None:
    place = turned(MASK)
    assert place[2].tolist() == [2, 1, 0, 3, 4, 5]
    assert torch.equal(place.gather(1, place), torch.arange(6).expand(5, 6))


def test_pooling_is_a_loop_over_rows() -> None:
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    for row, length in enumerate(LENGTHS.tolist()):
        real = x[row, :length]
        torch.testing.assert_close(masked_mean(x, MASK)[row], real.mean(0))
        assert torch.equal(masked_max(x, MASK)[row], real.amax(0))
        assert torch.equal(masked_last(x, MASK)[row], real[-1])


def test_pooling_of_nothing_is_zero_and_finite() -> None:
    x, none = torch.randn(2, 3, 4), torch.zeros(2, 3, dtype=torch.bool)
    assert masked_mean(x, none).count_nonzero() == 0
    assert torch.equal(masked_last(x, none), x[:, 0])


def test_pixels() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(pixel_max(x), x.flatten(2).amax(2))
    torch.testing.assert_close(pixel_mean(x), x.flatten(2).mean(2))


def test_a_text_without_tokens_keeps_one_place() -> None:
    texts = torch.tensor([[4, 5, 0], [0, 0, 0], [0, 0, 4]])
    assert token_mask(texts).tolist() == [[True, True, False], [True, False, False], [False, False, True]]


def test_token_embedding() -> None:
    layer = TokenEmbedding(9, 5)
    tokens = torch.tensor([[3, 8, 0]], dtype=torch.int32)
    x, mask = layer(tokens)
    assert torch.equal(x[0, :2], layer.table.weight[[3, 8]])
    assert x[0, 2].count_nonzero() == 0
    assert mask.tolist() == [[True, True, False]]
    x, mask = layer(torch.zeros(2, 0, dtype=torch.int32))
    assert x.shape == (2, 1, 5)
    assert x.count_nonzero() == 0
    assert mask.all()
    layer(tokens)[0].sum().backward()
    assert layer.table.weight.grad is not None
    assert layer.table.weight.grad[0].count_nonzero() == 0


def test_token_vectors_start_at_length_one() -> None:
    torch.manual_seed(0)
    assert TokenEmbedding(500, 64).table.weight[1:].norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)
