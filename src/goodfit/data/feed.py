"""The batches that suit the encoded rows: of tables, texts, pictures and series, of graphs, or of the nodes of one graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.base import protocols
from goodfit.data.augment import Augment
from goodfit.data.augment_boxes import BoxAugment
from goodfit.data.batches import Batches, rows_at_once
from goodfit.data.encoded import Encoded, Ragged
from goodfit.data.graph_batches import GraphBatches
from goodfit.data.node_batches import AT_ONCE, NodeBatches, fits


def for_training(
    encoded: Encoded,
    rows: Tensor | np.ndarray,
    *,
    inputs: Mapping[str, Any],
    batch_size: int,
    seed: int,
    device: str | torch.device,
    augment: Augment | BoxAugment | None,
    neighbours: int | None,
    layers: int | None,
) -> protocols.Batches:
    """In a new order in every epoch. neighbours, layers: see NodeBatches."""
    size = min(batch_size, len(rows))
    lonely = len(rows) % size == 1  # a batch of one row has no spread for batch norm
    graph = inputs.get("graph")
    if graph is None:
        return Batches(
            encoded, rows, batch_size=size, seed=seed, shuffle=True, device=device, augment=augment, drop_last=lonely, inputs=inputs
        )
    if graph["rows"] == "graphs":
        return GraphBatches(encoded, rows, batch_size=size, seed=seed, shuffle=True, device=device, drop_last=lonely)
    return NodeBatches(
        encoded, rows, inputs=graph, batch_size=size, seed=seed, shuffle=True, neighbours=neighbours or 0, layers=layers or 1, device=device
    )


def in_order(
    encoded: Encoded, rows: Tensor | np.ndarray, *, inputs: Mapping[str, Any], device: str | torch.device, layers: int | None
) -> protocols.Batches:
    """Each row once, for predictions; all neighbours of a node are read."""
    graph = inputs.get("graph")
    if graph is None:
        return Batches(encoded, rows, batch_size=rows_at_once(inputs), seed=0, shuffle=False, device=device, inputs=inputs)
    if graph["rows"] == "graphs":
        return GraphBatches(encoded, rows, batch_size=rows_at_once(inputs), seed=0, shuffle=False, device=device)
    given = encoded.inputs["neighbours"]
    whole = isinstance(given, Ragged) and fits(encoded.rows, len(given.values))
    size, neighbours = (max(1, len(rows)), 0) if whole else (AT_ONCE, None)
    return NodeBatches(
        encoded, rows, inputs=graph, batch_size=size, seed=0, shuffle=False, neighbours=neighbours, layers=layers or 1, device=device
    )
