"""Batches of rows that are graphs: those of a batch stand side by side as one graph without edges between them, so that nothing is padded.

n rows, B of a batch, N nodes and E edges of a batch, F numbers of a node, K of an edge.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.data.blocks import Blocks, Graphs
from goodfit.data.encoded import Encoded, Ragged


class GraphBatches:
    """The graphs of an encoded data set, batch by batch. Implements `base.protocols.Batches`.

    rows: int64 [n], positions in `encoded`. shuffle: a new order in every epoch, a function of seed and epoch. drop_last: leave out the last batch
    where it is short, unless it is the only one. device: where batches lie.
    """

    def __init__(
        self,
        encoded: Encoded,
        rows: Tensor | np.ndarray,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        device: str | torch.device = "cpu",
        drop_last: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.rows = torch.as_tensor(rows, dtype=torch.int64)
        self._seed, self._shuffle, self._device = seed, shuffle, torch.device(device)
        n = self.rows.numel()
        self._count = n // batch_size if drop_last and n >= batch_size else -(-n // batch_size)
        self._target, self._weight = encoded.target, encoded.weight
        self._graphs = Graphs(_joined(encoded))
        self._epoch: int | None = None
        self._order = self.rows

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self._count

    def batch(self, epoch: int, position: int) -> Batch:
        """The batch at `position` (from 0) of `epoch`; any, in any order. Without a target, `Batch.target` is empty."""
        if self._shuffle and epoch != self._epoch:
            self._order = self.rows[torch.randperm(self.rows.numel(), generator=torch_stream(self._seed, "order", epoch))]
            self._epoch = epoch
        rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        blocks = self._graphs.take(rows)
        inputs = {"nodes": blocks.nodes, "edges": blocks.edges, "sizes": torch.bincount(blocks.graph, minlength=rows.numel())}
        if blocks.edge_features is not None:
            inputs["edge_features"] = blocks.edge_features
        target = torch.empty(0) if self._target is None else self._target[rows]
        weight = None if self._weight is None else self._weight[rows]
        if self._device.type != "cpu":
            inputs = {name: tensor.to(self._device) for name, tensor in inputs.items()}
            target, rows = target.to(self._device), rows.to(self._device)
            weight = None if weight is None else weight.to(self._device)
        return Batch(inputs, target, weight, rows)


def _joined(encoded: Encoded) -> Blocks:
    """All rows as one graph."""
    nodes, edges = encoded.inputs["nodes"], encoded.inputs["edges"]
    assert isinstance(nodes, Ragged)
    assert isinstance(edges, Ragged)
    told = encoded.inputs.get("edge_features")
    ends = edges.values.long() + nodes.offsets[:-1].repeat_interleave(edges.lengths).unsqueeze(1)  # E 2
    owner = torch.arange(encoded.rows).repeat_interleave(nodes.lengths)
    return Blocks(nodes.values, ends.t().contiguous(), owner, encoded.rows, told.values if isinstance(told, Ragged) else None)
