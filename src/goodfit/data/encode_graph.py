"""The encoder of a graph, whether rows are graphs or the nodes of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.recipe import DataPart
from goodfit.base.streams import numpy_stream
from goodfit.data import encode_graphs, encode_nodes
from goodfit.data.dataset import Column, Dataset
from goodfit.data.encode_graphs import GraphEncoder
from goodfit.data.encode_nodes import NodeEncoder
from goodfit.data.encoded import Ragged
from goodfit.data.target import TargetSpec

Place = Callable[[int], tuple[str | None, int]]


def fit_graph(
    dataset: Dataset, columns: Sequence[Column], target: TargetSpec, rows: np.ndarray, settings: DataPart, seed: int
) -> GraphEncoder | NodeEncoder | None:
    """What the training rows are like; None where the columns hold no graph."""
    kinds = {column.kind for column in columns}
    if "neighbours" in kinds:
        return encode_nodes.fit(dataset, columns, target, rows, settings.spread_labels)
    if "edges" not in kinds:
        return None
    edges = next(column.name for column in columns if column.kind == "edges")
    nodes = [column.name for column in columns if column.kind == "nodes"]
    some = rows
    if rows.size > encode_graphs.SAMPLE:
        some = np.sort(numpy_stream(seed, "sample", "graphs").choice(rows, encode_graphs.SAMPLE, replace=False))
    return encode_graphs.fit(dataset.take(some, [*nodes, edges]), edges, nodes, lambda i: dataset.place(int(some[i])))


def encoded_graph(encoder: GraphEncoder | NodeEncoder, frame: pl.DataFrame, place: Place) -> dict[str, Tensor | Ragged]:
    """The inputs of all rows of a frame."""
    if isinstance(encoder, NodeEncoder):
        return encoder.encode(frame)
    found = encoder.encode(frame, place)
    return {
        name: Ragged(torch.from_numpy(values), torch.from_numpy(np.concatenate([[0], counts.cumsum()]).astype(np.int64)))
        for name, (values, counts) in found.items()
    }


def graph_encoder(document: dict[str, Any]) -> GraphEncoder | NodeEncoder:
    """The encoder of `to_json()`."""
    return NodeEncoder.from_json(document) if document["rows"] == "nodes" else GraphEncoder.from_json(document)
