"""GPT against transformers.GPT2LMHeadModel with our weights carried over."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from goodfit.models.generate import generate
from goodfit.models.gpt import GPT

WIDTH, HEADS, DEPTH, VOCABULARY, LENGTH = 24, 3, 2, 40, 16


@pytest.fixture(scope="module")
def both() -> tuple[GPT, GPT2LMHeadModel]:
    """Ours and theirs in float64, with the same weights."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS, bos_token_id=0, eos_token_id=0
    )
    theirs = GPT2LMHeadModel(config).double().eval()
    ours = GPT(
        VOCABULARY,
        width=WIDTH,
        depth=DEPTH,
        heads=HEADS,
        positions="learned",
        length=LENGTH,
        norm="layer",
        activation="gelu_tanh",
        bias=True,
        qk_norm=False,
        zero_output=False,
    )
    ours = ours.double().eval()
    body = theirs.transformer
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        pairs = [(ours.tokens.weight, body.wte.weight), (ours.positions.weight, body.wpe.weight)]
        pairs += [(ours.norm.weight, body.ln_f.weight), (ours.norm.bias, body.ln_f.bias)]
        for own, block in zip(ours.blocks, body.h, strict=True):
            maps = (own.attention.query, own.attention.key, own.attention.value)
            # transformers keeps its maps as [in, out], those of queries, keys and values side by side.
            pairs += [(m.weight, w.T) for m, w in zip(maps, block.attn.c_attn.weight.split(WIDTH, 1), strict=True)]
            pairs += [(m.bias, b) for m, b in zip(maps, block.attn.c_attn.bias.split(WIDTH), strict=True)]
            linear = ((own.attention.output, block.attn.c_proj), (own.up, block.mlp.c_fc), (own.down, block.mlp.c_proj))
            pairs += [(m.weight, theirs_.weight.T) for m, theirs_ in linear] + [(m.bias, theirs_.bias) for m, theirs_ in linear]
            for norm, theirs_ in ((own.attention_norm, block.ln_1), (own.mlp_norm, block.ln_2)):
                pairs += [(norm.weight, theirs_.weight), (norm.bias, theirs_.bias)]
        for mine, other in pairs:
            mine.copy_(other)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    return ours, theirs


def test_logits_and_gradients(both: tuple[GPT, GPT2LMHeadModel]) -> None:
    ours, theirs = both
    text = torch.randint(0, VOCABULARY, (3, 11))
    given, wanted = ours(text=text), theirs(text).logits
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-10)
    weight = torch.randn_like(given)
    mine = torch.autograd.grad((given * weight).sum(), (ours.tokens.weight, ours.positions.weight, ours.blocks[0].up.weight))
    body = theirs.transformer
    other = torch.autograd.grad((wanted * weight).sum(), (body.wte.weight, body.wpe.weight, body.h[0].mlp.c_fc.weight))
    torch.testing.assert_close(mine, (*other[:2], other[2].T), rtol=0, atol=1e-10)


def test_in_single_precision(both: tuple[GPT, GPT2LMHeadModel]) -> None:
    text = torch.randint(0, VOCABULARY, (3, LENGTH))
    ours, theirs = (network.float() for network in both)
    try:
        torch.testing.assert_close(ours(text=text), theirs(text).logits, rtol=0, atol=1e-5)
    finally:
        ours.double()
        theirs.double()


def test_greedy_text(both: tuple[GPT, GPT2LMHeadModel]) -> None:
    ours, theirs = both
    prompt = torch.randint(1, VOCABULARY, (3, 4))
    wanted = theirs.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=9, eos_token_id=None, pad_token_id=0
    )
    given = generate(ours, prompt, 9, torch.Generator(), temperature=0)
    assert torch.equal(given, wanted[:, 4:])
