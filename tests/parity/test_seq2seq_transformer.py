"""Seq2SeqTransformer against torch.nn.Transformer with its weights carried over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.models.seq2seq_transformer import Seq2SeqTransformer
from goodfit.nn.attention import Attention

WIDTH, HEADS, HIDDEN, SOURCE, TARGET = 12, 3, 20, 17, 13


def torchs(norm_first: bool, activation: str, encoder_depth: int, decoder_depth: int) -> nn.Transformer:
    """Its blocks, and the last norm where the blocks do not end with one (torch adds it to both kinds, the paper does not)."""
    sizes: dict[str, Any] = {
        "dim_feedforward": HIDDEN,
        "activation": activation,
        "norm_first": norm_first,
        "batch_first": True,
        "dropout": 0.1,
    }
    last = [nn.LayerNorm(WIDTH) if norm_first else None for _ in range(2)]
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, HEADS, **sizes), encoder_depth, last[0], enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, HEADS, **sizes), decoder_depth, last[1])
    return nn.Transformer(WIDTH, HEADS, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)


def attention_pairs(ours: Attention, theirs: nn.MultiheadAttention) -> list[tuple[Tensor, Tensor]]:
    maps = (ours.query, ours.key, ours.value)
    pairs: list[tuple[Tensor, Tensor]] = [(m.weight, w) for m, w in zip(maps, theirs.in_proj_weight.chunk(3), strict=True)]
    pairs += [(m.bias, b) for m, b in zip(maps, theirs.in_proj_bias.chunk(3), strict=True)]
    return [*pairs, (ours.output.weight, theirs.out_proj.weight), (ours.output.bias, theirs.out_proj.bias)]


def carry(ours: Seq2SeqTransformer, theirs: nn.Transformer) -> None:
    pairs: list[tuple[Tensor, Tensor]] = []
    layers: list[tuple[Any, Any]] = []
    for own, block in zip(ours.encoder, theirs.encoder.layers, strict=True):
        pairs += attention_pairs(own.attention, block.self_attn)
        layers += [(own.attention_norm, block.norm1), (own.mlp_norm, block.norm2), (own.up, block.linear1), (own.down, block.linear2)]
    for own, block in zip(ours.decoder, theirs.decoder.layers, strict=True):
        pairs += attention_pairs(own.attention, block.self_attn) + attention_pairs(own.cross_attention, block.multihead_attn)
        layers += [(own.attention_norm, block.norm1), (own.cross_norm, block.norm2), (own.mlp_norm, block.norm3)]
        layers += [(own.up, block.linear1), (own.down, block.linear2)]
    if ours.encoder_norm is not None:
        layers += [(ours.encoder_norm, theirs.encoder.norm), (ours.decoder_norm, theirs.decoder.norm)]
    for mine, other in layers:
        pairs += [(mine.weight, other.weight), (mine.bias, other.bias)]
    with torch.no_grad():
        for a, b in pairs:
            a.copy_(b)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_it_is_torchs(norm_first: bool, activation: str) -> None:
    torch.manual_seed(0)
    theirs = torchs(norm_first, activation, 2, 3).double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours = Seq2SeqTransformer(
        SOURCE, TARGET, width=WIDTH, depth=2, decoder_depth=3, heads=HEADS, hidden=HIDDEN, norm="layer", norm_first=norm_first,
        activation=activation, bias=True, qk_norm=False, zero_output=False, tied=True,
    ).double()  # fmt: skip
    carry(ours, theirs)
    blocks = [p for name, p in ours.named_parameters() if "tokens" not in name]
    assert sum(p.numel() for p in blocks) == sum(p.numel() for p in theirs.parameters())

    real = torch.arange(8) < torch.tensor([8, 3, 1, 6])[:, None]
    source = torch.randint(1, SOURCE, (4, 8)) * real
    target = torch.randint(1, TARGET, (4, 6))
    sines = torch.zeros(8, WIDTH, dtype=torch.float64)
    angle = torch.arange(8, dtype=torch.float64)[:, None] / 10_000 ** (torch.arange(0, WIDTH, 2, dtype=torch.float64) / WIDTH)
    sines[:, 0::2], sines[:, 1::2] = angle.sin(), angle.cos()

    ours.eval()
    theirs.eval()
    x = ours.source_tokens.table.weight[source] * WIDTH**0.5 + sines
    y = ours.target_tokens.weight[target] * WIDTH**0.5 + sines[:6]
    future = torch.ones(6, 6, dtype=torch.bool).triu(1)
    out = theirs(x, y, tgt_mask=future, src_key_padding_mask=~real, memory_key_padding_mask=~real)
    wanted = F.linear(out, ours.target_tokens.weight)
    given = ours(source=source, target=target)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-10)

    weight = torch.randn_like(given)
    own = (ours.source_tokens.table.weight, ours.encoder[0].up.weight, ours.decoder[1].cross_attention.output.weight)
    other = (
        ours.source_tokens.table.weight,
        theirs.encoder.layers[0].linear1.weight,
        theirs.decoder.layers[1].multihead_attn.out_proj.weight,
    )
    mine = torch.autograd.grad((given * weight).sum(), own)
    torch.testing.assert_close(mine[1:], torch.autograd.grad((wanted * weight).sum(), other)[1:], rtol=0, atol=1e-10)
    single = ours.float()(source=source, target=target)
    torch.testing.assert_close(single, wanted.float(), rtol=0, atol=1e-5)
