"""Inputs of the graph networks of the catalogue: rows that are graphs, and rows that are nodes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goodfit.models import catalogue
from goodfit.models.entries import graphs

OUTPUTS = 3
GRAPHS: dict[str, Any] = {
    "graph": {"rows": "graphs", "columns": ["a"], "features": 5, "words": 0, "edge_features": 2, "nodes": 4, "edges": 6}
}
NODES: dict[str, Any] = {
    "graph": {
        "rows": "nodes", "columns": ["x"], "features": 4, "words": 7, "held": 20, "edge_features": 0, "nodes": 12, "edges": 30, "labels": 2,
        "coded": True,
    }
}  # fmt: skip
CASES = {f"{name}, {what}": (name, inputs) for name in graphs.ENTRIES for what, inputs in (("graphs", GRAPHS), ("nodes", NODES))}
SMALL = {"width": 8, "heads": 2, "dropout": 0.2}


def build(case: str, seed: int = 0) -> nn.Module:
    name, inputs = CASES[case]
    torch.manual_seed(seed)
    settings = {key: value for key, value in SMALL.items() if key in catalogue.entry(name).settings}
    settings |= {"norm": "batch", "residual": True} if case.endswith("graphs") else {}
    return catalogue.build(name, inputs, OUTPUTS, settings)


def batch(case: str, rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    """`rows` graphs of 1 to 4 nodes, or a graph of 12 nodes of which `rows` are asked for."""
    generator = torch.Generator().manual_seed(seed)
    if case.endswith("graphs"):
        return joined([one(index + seed) for index in range(rows)])
    ends = torch.randint(0, 12, (2, 15), generator=generator)
    above = torch.randint(0, 7, (20,), generator=generator)
    return {
        "nodes": torch.randn(12, 4, generator=generator),
        "words": torch.rand(20, generator=generator) + 0.5,
        "places": torch.stack([above, torch.randint(0, 12, (20,), generator=generator).sort().values]),
        "edges": torch.cat([ends, ends.flip(0)], 1),
        "rows": torch.arange(rows) % 12,
    }


def one(index: int) -> dict[str, Tensor]:
    """A graph of its own."""
    generator = torch.Generator().manual_seed(100 + index)
    nodes = 1 + index % 4
    ends = torch.randint(0, nodes, (2, index % 5), generator=generator)
    return {
        "nodes": torch.randn(nodes, 5, generator=generator),
        "edges": torch.cat([ends, ends.flip(0)], 1),
        "edge_features": torch.randn(2 * ends.shape[1], 2, generator=generator),
        "sizes": torch.tensor([nodes]),
    }


def joined(each: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Graphs side by side."""
    sizes = torch.cat([graph["sizes"] for graph in each])
    first = sizes.cumsum(0) - sizes
    return {
        "nodes": torch.cat([graph["nodes"] for graph in each]),
        "edges": torch.cat([graph["edges"] + begin for graph, begin in zip(each, first, strict=True)], 1),
        "edge_features": torch.cat([graph["edge_features"] for graph in each]),
        "sizes": sizes,
    }
