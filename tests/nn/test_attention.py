"""Attention against torch.nn.MultiheadAttention, positions against complex numbers and formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from goodfit.nn.attention import Attention, attend
from goodfit.nn.positions import LearnedPositions, Rotary, SinePositions


def carried_over(width: int, heads: int, context: int | None = None, p: float = 0.0) -> tuple[Attention, nn.MultiheadAttention]:
    """Ours, and torch's with our weights."""
    ours = Attention(width, heads, context_width=context, bias=True, dropout=p).double()
    kdim = width if context is None else context
    theirs = nn.MultiheadAttention(width, heads, dropout=p, batch_first=True, kdim=kdim, vdim=kdim).double()
    maps = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        if theirs.in_proj_weight is not None:
            theirs.in_proj_weight.copy_(torch.cat([m.weight for m in maps]))
        else:
            theirs.q_proj_weight.copy_(ours.query.weight)
            theirs.k_proj_weight.copy_(ours.key.weight)
            theirs.v_proj_weight.copy_(ours.value.weight)
        theirs.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    return ours, theirs


def test_self_attention_with_padding_is_torchs() -> None:
    ours, theirs = carried_over(12, 3)
    x = torch.randn(4, 7, 12, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([7, 1, 3, 5])[:, None]
    torch.testing.assert_close(ours(x, mask=mask), theirs(x, x, x, key_padding_mask=~mask, need_weights=False)[0])


def test_causal_attention_with_padding_is_torchs() -> None:
    ours, theirs = carried_over(12, 3)
    x = torch.randn(4, 7, 12, dtype=torch.float64)
    future = torch.ones(7, 7, dtype=torch.bool).triu(1)
    torch.testing.assert_close(ours(x, causal=True), theirs(x, x, x, attn_mask=future, need_weights=False)[0])
    mask = torch.arange(7) < torch.tensor([7, 1, 3, 5])[:, None]
    wanted = theirs(x, x, x, attn_mask=future, key_padding_mask=~mask, need_weights=False)[0]
    torch.testing.assert_close(ours(x, mask=mask, causal=True), wanted)


def test_cross_attention_is_torchs() -> None:
    ours, theirs = carried_over(8, 2, context=5)
    x, context = torch.randn(3, 4, 8, dtype=torch.float64), torch.randn(3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x, context), theirs(x, context, context, need_weights=False)[0])
    mask = torch.rand(3, 4, 6) < 0.5
    mask[..., 0] = True
    wanted = theirs(x, context, context, attn_mask=~mask.repeat_interleave(2, 0), need_weights=False)[0]
    torch.testing.assert_close(ours(x, context, mask), wanted)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_explicit_form_equals_the_fused_one(causal: bool, masked: bool) -> None:
    """With a probability too small to drop anything, only the scaling of 1 / (1 - p) is left."""
    q, k, v = (torch.randn(2, 3, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    mask = (torch.arange(5) < torch.tensor([5, 2])[:, None])[:, None, None] if masked else None
    fused = attend(q, k, v, mask, causal=causal)
    explicit = attend(q, k, v, mask, causal=causal, p=1e-9, training=True)
    torch.testing.assert_close(explicit, fused)
    first, second = (torch.autograd.grad(y.square().sum(), (q, k, v)) for y in (fused, explicit))
    torch.testing.assert_close(first, second)


def test_dropout_falls_on_attention_weights_in_training_alone() -> None:
    q = torch.zeros(1, 1, 1, 2)
    v = torch.ones(1, 1, 400, 1)
    k = torch.zeros(1, 1, 400, 2)
    assert attend(q, k, v, p=0.5).item() == pytest.approx(1)
    torch.manual_seed(0)
    values = [attend(q, k, v, p=0.5, training=True).item() for _ in range(20)]
    assert len(set(values)) > 5
    assert sum(values) / 20 == pytest.approx(1, abs=0.05)


def test_zero_output_and_normalised_queries() -> None:
    layer = Attention(8, 2, qk_norm=True, zero_output=True)
    x = torch.randn(2, 3, 8)
    assert layer(x).count_nonzero() == 0
    assert layer.query_norm is not None
    assert layer.query_norm(x.unflatten(2, (2, 4))).square().mean(-1).sub(1).abs().max() < 1e-3


def test_rotary_is_multiplication_by_complex_numbers() -> None:
    B, H, T, E = 2, 3, 9, 8
    x = torch.randn(B, H, T, E, dtype=torch.float64)
    z = torch.complex(x[..., : E // 2], x[..., E // 2 :])
    rate = torch.tensor([10_000.0 ** (-2 * i / E) for i in range(E // 2)], dtype=torch.float64)
    turned = z * torch.exp(1j * torch.arange(T, dtype=torch.float64)[:, None] * rate)
    torch.testing.assert_close(Rotary(E)(x), torch.cat([turned.real, turned.imag], -1))


def test_rotary_products_depend_on_distance_alone() -> None:
    layer = Rotary(6)
    q, k = torch.randn(6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    scores = layer(q.expand(1, 1, 20, 6)) @ layer(k.expand(1, 1, 20, 6)).transpose(-1, -2)
    for distance in range(-5, 6):
        diagonal = scores[0, 0].diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))


def test_rotary_angles_stay_exact_in_bfloat16() -> None:
    x = torch.randn(1, 1, 1_000, 8)
    error = (Rotary(8)(x.bfloat16()).float() - Rotary(8)(x)).abs().max()
    assert error < 0.05  # angles counted in bfloat16 would be off by whole radians


def test_sine_positions_are_the_papers() -> None:
    x = torch.zeros(1, 11, 6, dtype=torch.float64)
    out = SinePositions(6)(x)[0]
    for t in range(11):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert out[t, 2 * i].item() == pytest.approx(math.sin(angle))
            assert out[t, 2 * i + 1].item() == pytest.approx(math.cos(angle))


def test_learned_positions_are_added() -> None:
    layer = LearnedPositions(5, 4)
    x = torch.randn(2, 3, 4)
    assert torch.equal(layer(x), x + layer.weight[:3])


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_gradcheck(kind: str) -> None:
    layer = Attention(4, 2, context_width=None if kind == "self" else 3, qk_norm=True, rotary=kind == "self", bias=True).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    context = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True) if kind == "cross" else None
    mask = torch.tensor([[True, True, False], [True, False, False]]) if kind == "self" else None

    def run(*given: Tensor) -> Tensor:
        return layer(given[0], given[1] if kind == "cross" else None, mask)

    assert torch.autograd.gradcheck(run, (x, context, *layer.parameters()) if context is not None else (x, *layer.parameters()))
