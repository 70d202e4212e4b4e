"""Folders as save_pretrained writes them: tiny networks of transformers with random weights, and a tokenizer of a few words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("good", "fine", "great", "bad", "poor", "awful", "film", "book", "the", "was", "a")
SIDE = 16  # pixels of the tiny networks' pictures


def resnet(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    return _saved(transformers.ResNetModel(config), folder, pictures=True)


def vit(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, image_size=SIDE, patch_size=4
    )
    return _saved(transformers.ViTModel(config), folder, pictures=True)


def bert(folder: Path) -> Path:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=24,
    )
    saved = _saved(transformers.BertModel(config), folder)
    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    vocabulary = {word: index for index, word in enumerate((*marks, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    )
    fast.save_pretrained(saved)
    return saved


def gpt(folder: Path) -> Path:
    """A decoder, whose tokenizer sets no marks."""
    saved = bert(folder / "vocabulary")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=5 + len(WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=24, eos_token_id=3, bos_token_id=2
    )
    transformers.GPT2Model(config).save_pretrained(folder)
    tokenizer = json.loads((saved / "tokenizer.json").read_text()) | {"post_processor": None}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text((saved / "tokenizer_config.json").read_text())
    return folder


def _saved(network: Any, folder: Path, *, pictures: bool = False) -> Path:
    network.save_pretrained(folder)
    if pictures:
        about = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
        (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return folder
