"""Attention and positions step by step against the same on all tokens at once."""

from __future__ import annotations

import pytest
import torch

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.attention import Attention
from goodfit.nn.positions import LearnedPositions, Rotary, SinePositions, positions


@pytest.mark.parametrize("steps", [[1] * 9, [4, 1, 3, 1], [9], [2, 7]])
@pytest.mark.parametrize("window", [None, 0, 3, 50])
def test_extending_equals_causal_attention_on_all(window: int | None, steps: list[int]) -> None:
    torch.manual_seed(0)
    layer = Attention(8, 2, qk_norm=True, rotary=True, bias=True, window=window).double()
    x = torch.randn(3, 9, 8, dtype=torch.float64)
    k = v = torch.zeros(3, 2, 0, 4, dtype=torch.float64)
    parts, place = [], 0
    for length in steps:
        out, k, v = layer.extend(x[:, place : place + length], k, v, torch.full((3,), place))
        parts.append(out)
        place += length
        assert k.shape == v.shape == (3, 2, place if window is None else min(place, window), 4)
    torch.testing.assert_close(torch.cat(parts, 1), layer(x, causal=True), rtol=0, atol=1e-10)


def test_a_long_beginning_is_read_in_blocks() -> None:
    torch.manual_seed(0)
    layer = Attention(4, 2, rotary=True, window=20).double()
    x = torch.randn(2, 260, 4, dtype=torch.float64)
    start = torch.zeros(2, dtype=torch.int64)
    none = torch.zeros(2, 2, 0, 2, dtype=torch.float64)
    first, k, v = layer.extend(x[:, :230], none, none, start)
    second, _, _ = layer.extend(x[:, 230:], k, v, start + 230)
    torch.testing.assert_close(torch.cat([first, second], 1), layer(x, causal=True), rtol=0, atol=1e-10)


def test_recall_equals_attention_to_the_context() -> None:
    layer = Attention(8, 2, context_width=5, qk_norm=True).double()
    x, context = torch.randn(3, 4, 8, dtype=torch.float64), torch.randn(3, 6, 5, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([6, 2, 1])[:, None]
    k, v = layer.memory(context)
    torch.testing.assert_close(layer.recall(x, k, v, mask), layer(x, context, mask))
    torch.testing.assert_close(layer.recall(x[:, 1:2], k, v), layer(x, context)[:, 1:2])


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_weights_are_those_that_the_values_are_summed_with(window: int | None, causal: bool) -> None:
    layer = Attention(8, 2, qk_norm=True, rotary=True, window=window).double()
    x = torch.randn(2, 7, 8, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    weights = layer.weights(x, mask=mask, causal=causal)
    assert weights.shape == (2, 2, 7, 7)
    torch.testing.assert_close(weights.sum(3), torch.ones(2, 2, 7, dtype=torch.float64))
    values = layer.memory(x)[1]
    given = layer.output((weights @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(given, layer(x, mask=mask, causal=causal))
    assert weights[1, :, :4, 4:].count_nonzero() == 0


@pytest.mark.parametrize("kind", ["sine", "learned", "rotary"])
def test_positions_from_a_start(kind: str) -> None:
    layer = {"sine": SinePositions(6), "learned": LearnedPositions(20, 6), "rotary": Rotary(6)}[kind].double()
    x = torch.randn(3, 4, 6, dtype=torch.float64)
    start = torch.tensor([0, 5, 16])
    given = layer(x.unsqueeze(1), start).squeeze(1) if kind == "rotary" else layer(x, start)
    for row, first in enumerate(start.tolist()):
        whole = torch.zeros(1, 20, 6, dtype=torch.float64)
        whole[0, first : first + 4] = x[row]
        placed = layer(whole.unsqueeze(1)).squeeze(1) if kind == "rotary" else layer(whole)
        torch.testing.assert_close(given[row], placed[0, first : first + 4])


def test_learned_positions_say_how_far_they_reach() -> None:
    layer = LearnedPositions(5, 4)
    with pytest.raises(InputError, match="learned positions reach to 5 tokens and got 6; cut the text"):
        layer(torch.zeros(1, 6, 4))
    with pytest.raises(InputError, match="learned positions reach to 5 tokens and got 7; cut the text"):
        layer(torch.zeros(2, 2, 4), torch.tensor([0, 5]))
    assert layer(torch.zeros(0, 2, 4), torch.zeros(0, dtype=torch.int64)).shape == (0, 2, 4)


def test_positions_by_name() -> None:
    assert isinstance(positions("sine", 4, 9), SinePositions)
    assert isinstance(positions("learned", 4, 9), LearnedPositions)
    assert positions("rotary", 4, 9) is positions("none", 4, 9) is None
    with pytest.raises(SettingError, match="positions must be one of none, sine, learned, rotary; 'sin' was given; did you mean 'sine'"):
        positions("sin", 4, 9)
