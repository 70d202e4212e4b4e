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
IMAGE: dict[str, Any] = {"image": {"column": "i", "channels": 3, "height": 12, "width": 9}}
TABLE = NUMBERS | CATEGORIES
ALL = TABLE | TEXT | IMAGE
SMALL = {"width": 8, "members": 3}

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "linear": ("linear", ALL, {}),
    "linear, numbers": ("linear", NUMBERS, {}),
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
    "bag": ("bag", TEXT, {}),
    "bag, hidden": ("bag", TEXT, {"width": 8}),
    "transformer": ("transformer", TEXT, {"width": 8, "heads": 2}),
    "gru": ("gru", TEXT, {"width": 5, "embedding_dim": 6, "depth": 2}),
    "gru, one way": ("gru", TEXT, {"width": 5, "embedding_dim": 6, "bidirectional": False}),
    "mixed": ("mixed", ALL, SMALL),
    "mixed, text": ("mixed", TEXT | CATEGORIES, SMALL),
    "mixed, image": ("mixed", IMAGE | NUMBERS, SMALL | {"embedding": "none"}),
}
OUTPUTS = 4


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
    if "image" in inputs:
        made["image"] = torch.randn(rows, 3, 12, 9, generator=generator)
    return made


def shape(case: str, rows: int) -> tuple[int, ...]:
    """[B, O], or [B, K, O] of a network with members."""
    return (rows, 3, OUTPUTS) if CASES[case][0] in ("tabm", "mixed") else (rows, OUTPUTS)
