"""Inputs and settings for the suite over the whole catalogue: one row for each network and each choice that changes its graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goodfit.models import catalogue

BINS = [torch.linspace(-2, 2, 9), torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.0, 1.0])]
NUMBERS: dict[str, Any] = {"numbers": {"names": ["a", "b", "c"], "bins": BINS}}
CATEGORIES: dict[str, Any] = {"categories": {"names": ["d", "e"], "sizes": [4, 90]}}
TEXT: dict[str, Any] = {"text": {"columns": ["t"], "vocabulary": 30, "max_tokens": 11}}
IMAGE: dict[str, Any] = {"image": {"column": "i", "channels": 3, "height": 12, "width": 13}}
SERIES: dict[str, Any] = {"series": {"columns": ["s"], "channels": 2, "length": 7}}
TOKENS: dict[str, Any] = {"tokens": {"column": "w", "vocabulary": 30, "alphabet": 20, "letters": 5, "length": 6}}
SOURCE: dict[str, Any] = {"source": {"column": "q", "vocabulary": 20, "length": 6}}
WINDOW: dict[str, Any] = {"window": {"columns": ["v", "u"], "length": 7, "channels": 4, "plain": 2, "horizon": 4, "season": 3}}
GRAPH: dict[str, Any] = {
    "graph": {"rows": "graphs", "columns": ["g"], "features": 5, "words": 0, "edge_features": 2, "nodes": 4, "edges": 6}
}
PICTURE: dict[str, Any] = {"image": {"column": "i", "channels": 3, "height": 16, "width": 24}}  # of several places
CAPTION: dict[str, Any] = {"caption": {"length": 5}}
STREAM: dict[str, Any] = {"stream": {"column": "t", "vocabulary": 30, "length": 11}}
NOISE: dict[str, Any] = {"noise": {"size": 6, "channels": 3, "height": 12, "width": 12}}
TABLE = NUMBERS | CATEGORIES
POINTS: dict[str, Any] = {"points": {"columns": ["p"], "channels": 2, "length": 6, "visits": "once"}}
BOXES: dict[str, Any] = {"boxes": {"classes": 4, "most": 3}}
ALL = TABLE | TEXT | IMAGE | SERIES | TOKENS | SOURCE | WINDOW | GRAPH | STREAM | CAPTION | NOISE | POINTS | BOXES
SMALL = {"width": 8, "members": 3}

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "linear": ("linear", TABLE | TEXT | IMAGE, {}),
    "linear, numbers": ("linear", NUMBERS, {}),
    "ridge": ("ridge", TABLE, {}),
    "lasso": ("lasso", NUMBERS, {"penalty": 0.1}),
    "svm": ("svm", CATEGORIES, {"penalty": 1.0, "loss": "squared_hinge"}),
    "mlp": ("mlp", TABLE | IMAGE, {"width": 8}),
    "mlp, batch norm": ("mlp", TABLE, {"width": 8, "norm": "batch", "activation": "silu", "dropout": 0.0}),
    "mlp, layer norm": ("mlp", TABLE, {"width": 8, "norm": "layer", "activation": "selu", "embedding": "piecewise"}),
    "mlp, depth 0": ("mlp", NUMBERS, {"depth": 0}),
    "tabm": ("tabm", TABLE, SMALL),
    "tabm, periodic": ("tabm", TABLE, SMALL | {"embedding": "periodic", "activation": "gelu"}),
    "tabm, categories": ("tabm", CATEGORIES, SMALL | {"depth": 3}),
    "tabm, depth 0": ("tabm", NUMBERS, SMALL | {"depth": 0, "embedding": "none"}),
    "realmlp": ("realmlp", TABLE, {"width": 8}),
    "resnet9": ("resnet9", IMAGE, {"width": 4}),
    "resnet9, dropout": ("resnet9", IMAGE, {"width": 4, "dropout": 0.3}),
    "lenet5": ("lenet5", IMAGE, {}),
    "lenet5, max": ("lenet5", IMAGE, {"activation": "relu", "pool": "max"}),
    "vgg": ("vgg", IMAGE, {"width": 4}),
    "vgg, no norm": ("vgg", IMAGE, {"width": 4, "norm": "none", "pool": "mean", "dropout": 0.3, "convolutions": 1, "dense": 0}),
    "vgg, layer norm": ("vgg", IMAGE, {"width": 4, "norm": "layer", "pool": "none", "depth": 1}),
    "resnet18": ("resnet18", IMAGE, {"width": 4, "dropout": 0.3}),
    "resnet18, imagenet": ("resnet18", IMAGE, {"width": 4, "stem": "imagenet"}),
    "resnet34": ("resnet34", IMAGE, {"width": 4}),
    "resnet50": ("resnet50", IMAGE, {"width": 4}),
    "resnet20": ("resnet20", IMAGE, {"width": 4}),
    "resnet20, plain": ("resnet20", IMAGE, {"width": 4, "residual": False}),
    "resnet56": ("resnet56", IMAGE, {"width": 4}),
    "vit": ("vit", IMAGE, {"width": 8, "heads": 2, "depth": 2}),
    "vit, original": ("vit", IMAGE, {"width": 8, "heads": 2, "depth": 2, "patch": 4, "stem": "patch", "pool": "class", "dropout": 0.1}),
    "vit, sine": ("vit", IMAGE, {"width": 8, "heads": 2, "depth": 1, "positions": "sine", "pool": "class"}),
    "vit, rotary": ("vit", IMAGE, {"width": 8, "heads": 2, "depth": 1, "positions": "rotary"}),
    "bag": ("bag", TEXT, {}),
    "bag, hidden": ("bag", TEXT, {"width": 8}),
    "transformer": ("transformer", TEXT, {"width": 8, "heads": 2}),
    "transformer, without words": ("transformer", TEXT, {"width": 8, "heads": 2, "words": False}),
    "gru": ("gru", TEXT, {"width": 5, "embedding_dim": 6, "depth": 2}),
    "gru, one way": ("gru", TEXT, {"width": 5, "embedding_dim": 6, "bidirectional": False}),
    "series_rnn": ("series_rnn", SERIES, {"width": 5, "depth": 1, "bidirectional": False}),
    "series_lstm": ("series_lstm", SERIES, {"width": 5}),
    "series_gru": ("series_gru", SERIES, {"width": 5}),
    "forecast_rnn": ("forecast_rnn", WINDOW, {"width": 5}),
    "forecast_lstm": ("forecast_lstm", WINDOW, {"width": 5, "depth": 2, "bidirectional": True}),
    "forecast_gru": ("forecast_gru", {"window": WINDOW["window"] | {"season": 1}}, {"width": 5}),
    "lstm_tagger": ("lstm_tagger", TOKENS, {"width": 5, "embedding_dim": 6}),
    "lstm_tagger, chain": ("lstm_tagger", TOKENS, {"width": 5, "embedding_dim": 6, "crf": True}),
    "transformer_tagger": ("transformer_tagger", TOKENS, {"width": 8, "heads": 2, "embedding_dim": 6}),
    "seq2seq_transformer": ("seq2seq_transformer", SOURCE, {"width": 8, "heads": 2, "depth": 1}),
    "attention_rnn": ("attention_rnn", SOURCE, {"width": 8, "embedding_dim": 6}),
    "captioner": ("captioner", PICTURE | CAPTION, {"width": 8, "heads": 2, "depth": 1}),
    "caption_rnn": ("caption_rnn", PICTURE | CAPTION, {"width": 8, "embedding_dim": 6}),
    "gpt": ("gpt", STREAM, {"width": 8, "heads": 2, "depth": 2, "grams": 3}),
    "gpt, characters alone": ("gpt", STREAM, {"width": 8, "heads": 2, "depth": 1, "grams": 0, "dropout": 0.2}),
    "lstm_language": ("lstm_language", STREAM, {"width": 5, "embedding_dim": 6, "depth": 2, "dropout": 0.2}),
    "autoencoder": ("autoencoder", TABLE, {"width": 8, "latent_dim": 3}),
    "autoencoder, image": ("autoencoder", IMAGE, {"width": 8}),
    "autoencoder, linear": ("autoencoder", NUMBERS, {"depth": 0}),
    "autoencoder, categories": ("autoencoder", CATEGORIES, {"width": 8, "activation": "tanh", "depth": 2}),
    "conv_autoencoder": ("conv_autoencoder", IMAGE, {"width": 4}),
    "dcgan": ("dcgan", NOISE, {"width": 4}),
    "pointer_transformer": ("pointer_transformer", POINTS, {"width": 8, "heads": 2, "depth": 1}),
    "pointer": ("pointer", POINTS, {"width": 8}),
    "anchor_detr": ("anchor_detr", IMAGE | BOXES, {"width": 16, "heads": 2, "depth": 1, "queries": 4, "patch": 4}),
    "detr": ("detr", IMAGE | BOXES, {"width": 16, "heads": 2, "depth": 2, "queries": 5, "patch": 4}),
    "mixed": ("mixed", TABLE | TEXT | IMAGE, SMALL),
    "mixed, text": ("mixed", TEXT | CATEGORIES, SMALL),
    "mixed, image": ("mixed", IMAGE | NUMBERS, SMALL | {"embedding": "none"}),
}
OUTPUTS = 4
# Before the first layer every query of DETR is 0: what they tell each other there is one and the same vector, whatever they ask.
IDLE = {"detr": {f"decoder.0.among.{name}" for name in ("query.weight", "query.bias", "key.weight", "key.bias", "value.weight")}}


def build(case: str, seed: int = 0) -> nn.Module:
    name, inputs, settings = CASES[case]
    torch.manual_seed(seed)
    return catalogue.build(name, inputs, OUTPUTS, settings)


def stirred(case: str) -> nn.Module:
    """The network with every parameter moved: what starts at zero would hide what lies behind it."""
    network = build(case)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def batch(case: str, rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    inputs = CASES[case][1]
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}
    if "numbers" in inputs:
        made["numbers"] = torch.randn(rows, 3, generator=generator)
    if "categories" in inputs:
        sizes = inputs["categories"]["sizes"]
        made["categories"] = torch.stack([torch.randint(0, size, (rows,), generator=generator, dtype=torch.int32) for size in sizes], 1)
    if "text" in inputs:
        tokens = torch.randint(1, 30, (rows, 11), generator=generator, dtype=torch.int32)
        lengths = torch.randint(1, 12, (rows, 1), generator=generator)
        made["text"] = torch.where(torch.arange(11) < lengths, tokens, 0).to(torch.int32)
    if "caption" in inputs:
        made["target"] = torch.cat([torch.full((rows, 1), 2), torch.randint(1, OUTPUTS, (rows, 4), generator=generator)], 1)
    if "stream" in inputs:
        made["text"] = torch.randint(1, 30, (rows, 11), generator=generator, dtype=torch.int32)
    if "image" in inputs:
        made["image"] = torch.randn(rows, 3, inputs["image"]["height"], inputs["image"]["width"], generator=generator)
    if "series" in inputs:
        made["series"] = torch.randn(rows, 7, 2, generator=generator)
        made["lengths"] = torch.randint(1, 8, (rows,), generator=generator)
    if "window" in inputs:
        made["window"] = torch.randn(rows, 7, 4, generator=generator)
    if "source" in inputs:
        read = torch.randint(2, 20, (rows, 6), generator=generator, dtype=torch.int32)
        made["source"] = torch.where(torch.arange(6) < torch.randint(1, 7, (rows, 1), generator=generator), read, 0).to(torch.int32)
        made["target"] = torch.cat([torch.full((rows, 1), 2), torch.randint(1, OUTPUTS, (rows, 4), generator=generator)], 1)
    if "noise" in inputs:
        made["noise"] = torch.randn(rows, 6, generator=generator)
    if "points" in inputs:
        made["points"] = torch.randn(rows, 6, 2, generator=generator)
        made["lengths"] = torch.randint(1, 7, (rows,), generator=generator)
        made["target"] = torch.randint(0, 7, (rows, 5), generator=generator)
    if "tokens" in inputs:
        real = torch.arange(6) < torch.randint(1, 7, (rows, 1), generator=generator)
        made["tokens"] = torch.where(real, torch.randint(1, 30, (rows, 6), generator=generator, dtype=torch.int32), 0).to(torch.int32)
        letters = torch.randint(1, 20, (rows, 6, 5), generator=generator, dtype=torch.int32)
        made["letters"] = torch.where(real.unsqueeze(2), letters, 0).to(torch.int32)
    return made


def shape(case: str, rows: int) -> tuple[int, ...]:
    """[B, O], or [B, K, O] of a network with members, [B, T, O] of a tagger and, V for O, of a language model, [B, T, O, O] with a chain; what is
    given back or made; [B, T, N + 1] of a pointer, [B, L, Q, K + 5] of boxes."""
    if "stream" in CASES[case][1]:
        return (rows, 11, 30)
    if "noise" in CASES[case][1]:
        return (rows, 3, 12, 12)
    if "autoencoder" in CASES[case][0]:
        own = CASES[case][1]
        return (rows, 3, 12, 13) if "image" in own else (rows, 3 * ("numbers" in own) + 92 * ("categories" in own))
    if CASES[case][1].keys() & {"source", "caption"}:
        return (rows, 5, OUTPUTS)
    if "points" in CASES[case][1]:
        return (rows, 5, 7)
    if "boxes" in CASES[case][1]:
        return (rows, 2, CASES[case][2]["queries"], 4 + 1 + 4)
    if "tokens" in CASES[case][1]:
        return (rows, 6, OUTPUTS, OUTPUTS) if CASES[case][2].get("crf") else (rows, 6, OUTPUTS)
    return (rows, 3, OUTPUTS) if CASES[case][0] in ("tabm", "mixed") else (rows, OUTPUTS)
