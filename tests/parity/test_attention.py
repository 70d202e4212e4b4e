"""Attention against torch's scaled_dot_product_attention and nn.MultiheadAttention: results, weights and gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.attend import attend, attention_weights
from goodfit.nn.attention import Attention

MASKS = ["none", "causal", "padding", "any", "any and causal"]


def drawn(kind: str, B: int, T: int, S: int) -> tuple[Tensor | None, bool]:
    """A mask [B, 1, T, S] with a key for each query, and whether it is causal."""
    if kind == "padding":
        return (torch.arange(S) < torch.randint(1, S + 1, (B, 1)))[:, None, None], False
    if kind.startswith("any"):
        mask = torch.rand(B, 1, T, S) < 0.4
        mask[..., 0] = True
        return mask, kind.endswith("causal")
    return None, kind == "causal"


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("explicit", [False, True])
def test_attend_is_scaled_dot_product_attention(kind: str, explicit: bool) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, 2, T, 4, dtype=torch.float64, requires_grad=True) for T in (5, 6, 6))
    mask, causal = drawn(kind, 3, 5, 6)
    seen = torch.ones(3, 1, 5, 6, dtype=torch.bool) if mask is None else mask.expand(3, 1, 5, 6)
    seen = seen.tril() if causal else seen
    wanted = F.scaled_dot_product_attention(q, k, v, seen)
    given = attend(q, k, v, mask, causal=causal, p=1e-9 if explicit else 0.0, training=True)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-10)
    torch.testing.assert_close(attention_weights(q, k, mask, causal=causal) @ v, wanted, rtol=0, atol=1e-10)
    ours, theirs = (torch.autograd.grad(y.sin().sum(), (q, k, v)) for y in (given, wanted))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def carried_over(width: int, heads: int, context: int | None) -> tuple[Attention, nn.MultiheadAttention]:
    """Ours, and torch's with our weights."""
    ours = Attention(width, heads, context_width=context, bias=True).double()
    theirs = nn.MultiheadAttention(width, heads, batch_first=True, kdim=context, vdim=context).double()
    maps = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        if context is None:
            theirs.in_proj_weight.copy_(torch.cat([m.weight for m in maps]))
        else:
            for name, own in zip(("q", "k", "v"), maps, strict=True):
                theirs.get_parameter(f"{name}_proj_weight").copy_(own.weight)
        theirs.in_proj_bias.copy_(torch.cat([m.bias for m in maps]))
        theirs.out_proj.weight.copy_(ours.output.weight)
        theirs.out_proj.bias.copy_(ours.output.bias)
    return ours, theirs


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("context", [None, 5])
@pytest.mark.parametrize("heads", [1, 3])
def test_attention_is_multihead_attention(heads: int, context: int | None, kind: str) -> None:
    torch.manual_seed(0)
    ours, theirs = carried_over(12, heads, context)
    x = torch.randn(4, 7, 12, dtype=torch.float64, requires_grad=True)
    to = x if context is None else torch.randn(4, 9, context, dtype=torch.float64, requires_grad=True)
    S = to.shape[1]
    mask, causal = drawn(kind, 4, 7, S)
    seen = torch.ones(4, 1, 7, S, dtype=torch.bool) if mask is None else mask.expand(4, 1, 7, S)
    seen = seen.tril() if causal else seen
    wanted, looks = theirs(x, to, to, attn_mask=~seen.expand(4, heads, 7, S).flatten(0, 1), average_attn_weights=False)
    own = None if mask is None else mask[:, 0, 0] if kind == "padding" else mask[:, 0]
    given = ours(x, None if context is None else to, own, causal=causal)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours.weights(x, None if context is None else to, own, causal=causal), looks, rtol=0, atol=1e-10)
    mine = torch.autograd.grad(given.sin().sum(), (x, to, ours.query.weight, ours.key.weight, ours.value.bias, ours.output.weight))
    inputs = (
        (theirs.in_proj_weight,) if context is None else (theirs.q_proj_weight, theirs.k_proj_weight)
    )  # torch keeps the three maps in one where they are of one width
    gradients = torch.autograd.grad(wanted.sin().sum(), (x, to, *inputs, theirs.in_proj_bias, theirs.out_proj.weight))
    maps = (gradients[2][:12], gradients[2][12:24]) if context is None else gradients[2:4]
    for a, b in zip(mine, (*gradients[:2], *maps, gradients[-2][24:], gradients[-1]), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
