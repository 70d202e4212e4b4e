"""The block against formulas and against itself step by step; its parity with torch's is in tests/parity/test_seq2seq_transformer.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.block import TransformerBlock, advance, begin, sequence_norm
from goodfit.nn.norm import RMSNorm

FORMS: list[dict[str, Any]] = [
    {},
    {"norm_first": False, "norm": "layer", "activation": "relu", "bias": True},
    {"qk_norm": True, "rotary": True, "activation": "gelu_tanh", "hidden": 5},
    {"cross": True, "qk_norm": True, "rotary": True, "window": 3},
    {"cross": True, "norm_first": False},
]


def inputs(form: dict[str, Any], T: int = 7) -> tuple[Tensor, dict[str, Tensor]]:
    x = torch.randn(3, T, 8, dtype=torch.float64)
    if not form.get("cross"):
        return x, {}
    mask = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    return x, {"context": torch.randn(3, 5, 8, dtype=torch.float64), "context_mask": mask}


@pytest.mark.parametrize("first", [True, False])
def test_a_block_is_its_formula(first: bool) -> None:
    block = TransformerBlock(8, 2, cross=True, norm_first=first, activation="gelu_tanh").double()
    x, other = inputs({"cross": True})
    mask = torch.arange(7) < torch.tensor([7, 3, 5])[:, None]

    def mlp(y: Tensor) -> Tensor:
        return block.down(F.gelu(block.up(y), approximate="tanh"))

    wanted = x
    assert block.cross_norm is not None
    assert block.cross_attention is not None
    branches = (
        (block.attention_norm, lambda y: block.attention(y, mask=mask)),
        (block.cross_norm, lambda y: block.cross_attention(y, other["context"], other["context_mask"])),
        (block.mlp_norm, mlp),
    )
    for norm, branch in branches:
        wanted = wanted + branch(norm(wanted)) if first else norm(wanted + branch(wanted))
    torch.testing.assert_close(block(x, mask, **other), wanted)


@pytest.mark.parametrize("form", FORMS)
def test_step_by_step_equals_all_at_once(form: dict[str, Any]) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2, **form).double()
    x, other = inputs(form)
    state = block.begin(x, other.get("context"))
    assert all(tensor.shape[0] == 3 for tensor in state.values())
    for t, length in ((0, 2), (2, 1), (3, 4)):
        before = {name: tensor.clone() for name, tensor in state.items()}
        out, after = block.advance(x[:, t : t + length], state, torch.full((3,), t), other.get("context_mask"))
        torch.testing.assert_close(out, block(x, causal=True, **other)[:, t : t + length], rtol=0, atol=1e-10)
        assert all(torch.equal(tensor, before[name]) for name, tensor in state.items()), "the state that was given stays"
        assert after.keys() == state.keys()
        state = after


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_zero_output_starts_as_the_identity(first: bool, bias: bool) -> None:
    block = TransformerBlock(8, 2, cross=True, zero_output=True, norm_first=first, bias=bias).double()
    x, other = inputs({"cross": True})
    wanted = x
    for norm in (block.attention_norm, block.cross_norm, block.mlp_norm):
        assert norm is not None
        wanted = wanted if first else norm(wanted)
    torch.testing.assert_close(block(x, **other), wanted, rtol=0, atol=0)


def test_with_weights_gives_the_same_and_the_weights() -> None:
    block = TransformerBlock(8, 2, cross=True, rotary=True).double()
    x, other = inputs({"cross": True})
    out, weights = block.with_weights(x, causal=True, context=other["context"], context_mask=other["context_mask"])
    torch.testing.assert_close(out, block(x, causal=True, **other))
    assert weights.shape == (3, 2, 7, 5)
    torch.testing.assert_close(weights.sum(3), torch.ones(3, 2, 7, dtype=torch.float64))
    assert weights[1, :, :, 2:].count_nonzero() == 0


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form: dict[str, Any]) -> None:
    block = TransformerBlock(4, 2, hidden=3, **{key: value for key, value in form.items() if key != "hidden"}).double()
    x = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    context = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True) if form.get("cross") else None

    def run(*given: Tensor) -> Tensor:
        return block(given[0], causal=True, context=context)

    assert torch.autograd.gradcheck(run, (x, *block.parameters()) if context is None else (x, context, *block.parameters()), atol=1e-4)


def test_dropout_falls_on_each_branch_in_training_alone() -> None:
    block, x = TransformerBlock(8, 2, dropout=0.5), torch.randn(2, 5, 8)
    assert torch.equal(block.eval()(x), block(x))
    torch.manual_seed(0)
    block.train()
    assert not torch.equal(block(x), block(x))
    all_dropped = TransformerBlock(8, 2, dropout=1.0).train()
    assert torch.equal(all_dropped(x), x)


def test_norms_by_name_and_what_they_add() -> None:
    assert isinstance(sequence_norm("layer", 4, 1e-12), nn.LayerNorm)
    assert sequence_norm("layer", 4, 1e-12).eps == 1e-12
    assert isinstance(sequence_norm("rms", 4), RMSNorm)
    assert sequence_norm("rms", 4, 1e-3).eps == 1e-3
    with pytest.raises(SettingError, match="the norm of a transformer must be one of rms, layer; 'batch' was given"):
        sequence_norm("batch", 4)
    with pytest.raises(SettingError, match="activation must be one of"):
        TransformerBlock(8, 2, activation="gelo")
    with pytest.raises(InputError, match="built for context and the batch holds none"):
        TransformerBlock(8, 2, cross=True)(torch.zeros(1, 2, 8))


def test_a_stack_step_by_step_equals_its_blocks_one_after_the_other() -> None:
    torch.manual_seed(0)
    blocks = nn.ModuleList([TransformerBlock(4, 2, cross=True) for _ in range(12)]).double()
    x, context = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 5, 4, dtype=torch.float64)
    mask = torch.arange(5) < torch.tensor([[5], [2]])
    wanted = x
    for block in blocks:
        wanted = block(wanted, causal=True, context=context, context_mask=mask)
    state = begin(blocks, x, context) | {"other": mask}
    assert len(state) == 4 * 12 + 1
    first, state = advance(blocks, x[:, :2], state, torch.zeros(2), mask)
    second, state = advance(blocks, x[:, 2:], state, torch.full((2,), 2), mask)
    torch.testing.assert_close(torch.cat([first, second], 1), wanted, rtol=0, atol=1e-10)
    assert state["11.key"].shape == (2, 2, 3, 2)
    assert state["other"] is mask
