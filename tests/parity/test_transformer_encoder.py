"""TransformerEncoder against transformers: BertModel (post-norm) and RobertaPreLayerNormModel (pre-norm), with their weights carried over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormModel,
)

from goodfit.models.transformer_encoder import TransformerEncoder

WIDTH, HEADS, DEPTH, VOCABULARY, LENGTH = 24, 3, 2, 40, 16
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": 50,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}


def ours_like(outputs: int | None = None, **settings: Any) -> TransformerEncoder:
    return TransformerEncoder(
        VOCABULARY,
        outputs,
        width=WIDTH,
        depth=DEPTH,
        heads=HEADS,
        hidden=50,
        positions="learned",
        length=LENGTH,
        token_types=2,
        embedding_norm=True,
        norm="layer",
        bias=True,
        qk_norm=False,
        zero_output=False,
        eps=1e-12,
        **settings,
    )


def stir(network: nn.Module) -> None:
    """Every weight away from where it starts; the vector of padding stays 0, as both keep it."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        network.get_parameter("embeddings.word_embeddings.weight")[0] = 0


def carry(ours: TransformerEncoder, theirs: nn.Module, first_position: int) -> None:
    """Their weights into ours; the norms of their blocks are found by the caller's names."""
    embeddings: Any = theirs.embeddings
    pairs: list[tuple[Tensor, Tensor]] = [
        (ours.tokens.table.weight, embeddings.word_embeddings.weight),
        (ours.positions.weight, embeddings.position_embeddings.weight[first_position : first_position + LENGTH]),  # type: ignore[union-attr, index]
        (ours.types, embeddings.token_type_embeddings.weight),  # type: ignore[list-item]
    ]
    layers: list[tuple[Any, Any]] = [(ours.embedding_norm, embeddings.LayerNorm)]
    if ours.norm is not None:
        layers.append((ours.norm, theirs.LayerNorm))
    if ours.pooler is not None:
        layers.append((ours.pooler, theirs.pooler.dense))  # type: ignore[union-attr]
    for own, block in zip(ours.blocks, theirs.encoder.layer, strict=True):  # type: ignore[union-attr, arg-type]
        attention = block.attention.self
        layers += [(own.attention.query, attention.query), (own.attention.key, attention.key), (own.attention.value, attention.value)]
        layers += [(own.attention.output, block.attention.output.dense), (own.up, block.intermediate.dense), (own.down, block.output.dense)]
        if own.norm_first:
            layers += [(own.attention_norm, block.attention.LayerNorm), (own.mlp_norm, block.intermediate.LayerNorm)]
        else:
            layers += [(own.attention_norm, block.attention.output.LayerNorm), (own.mlp_norm, block.output.LayerNorm)]
    for mine, other in layers:
        pairs += [(mine.weight, other.weight), (mine.bias, other.bias)]
    with torch.no_grad():
        for a, b in pairs:
            a.copy_(b)


def batch() -> dict[str, Tensor]:
    text = torch.randint(1, VOCABULARY, (4, 9))
    real = torch.arange(9) < torch.tensor([9, 4, 1, 7])[:, None]
    return {"text": text * real, "types": torch.randint(0, 2, (4, 9)), "real": real}


def reference(network: nn.Module, given: dict[str, Tensor]) -> Any:
    return network(given["text"], attention_mask=given["real"].long(), token_type_ids=given["types"])


@pytest.mark.parametrize("read", ["each", "first"])
def test_post_norm_is_bert(read: str) -> None:
    torch.manual_seed(0)
    theirs = BertModel(BertConfig(max_position_embeddings=LENGTH, **SIZES)).double().eval()
    stir(theirs)
    ours = ours_like(norm_first=False, read=read).double().eval()
    carry(ours, theirs, 0)
    given = batch()
    wanted = reference(theirs, given)
    out = ours(text=given["text"], types=given["types"])
    torch.testing.assert_close(out, wanted.pooler_output if read == "first" else wanted.last_hidden_state, rtol=0, atol=1e-10)
    if read == "first":
        assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
        weight = torch.randn_like(out)
        mine = torch.autograd.grad((out * weight).sum(), (ours.types, ours.blocks[0].attention.key.weight))
        other = (theirs.embeddings.token_type_embeddings.weight, theirs.encoder.layer[0].attention.self.key.weight)
        torch.testing.assert_close(mine, torch.autograd.grad((wanted.pooler_output * weight).sum(), other), rtol=0, atol=1e-10)
        mixed, plain = ours.float()(text=given["text"]), reference(theirs.float(), given | {"types": torch.zeros_like(given["types"])})
        torch.testing.assert_close(mixed, plain.pooler_output, rtol=0, atol=1e-5)


def test_scores_are_berts() -> None:
    torch.manual_seed(0)
    theirs = BertForSequenceClassification(BertConfig(max_position_embeddings=LENGTH, num_labels=3, **SIZES)).double().eval()
    stir(theirs.bert)
    ours = ours_like(3, norm_first=False, read="first").double().eval()
    carry(ours, theirs.bert, 0)
    assert ours.head is not None
    ours.head.load_state_dict(theirs.classifier.state_dict())
    given = batch()
    torch.testing.assert_close(ours(text=given["text"], types=given["types"]), reference(theirs, given).logits, rtol=0, atol=1e-10)


def test_pre_norm_is_roberta_pre_layer_norm() -> None:
    torch.manual_seed(0)
    config = RobertaPreLayerNormConfig(max_position_embeddings=LENGTH + 1, layer_norm_eps=1e-12, bos_token_id=1, eos_token_id=2, **SIZES)
    theirs = RobertaPreLayerNormModel(config).double().eval()
    stir(theirs)
    ours = ours_like(norm_first=True).double().eval()
    carry(ours, theirs, 1)  # their first position is that of padding
    given = batch()
    wanted = reference(theirs, given).last_hidden_state
    out = ours(text=given["text"], types=given["types"])
    torch.testing.assert_close(out[given["real"]], wanted[given["real"]], rtol=0, atol=1e-10)
