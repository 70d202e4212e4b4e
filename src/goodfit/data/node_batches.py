"""Batches of nodes of one graph: the whole graph with some nodes to answer for, or these nodes and a sample of those around them.

n nodes, E edges, S nodes of a batch, F numbers of a node, V words, C values of a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.data.encoded import Encoded, Ragged
from goodfit.data.neighbours import NeighbourBatches
from goodfit.data.spread import Spreader, told

WHOLE = 3_000_000  # nodes and edges up to which a graph is read at once: 64 units wide, what is kept for the gradient stays below 4 GiB
GROUPS = 4  # of the batches of an epoch, for each of which known labels are spread anew, its own left out
AT_ONCE = 4_096  # nodes answered for at a time where the graph is read in parts


class NodeBatches:
    """The nodes of one graph, batch by batch. Implements `base.protocols.Batches`.

    rows: int64 [m], the nodes to answer for. inputs: the specification "graph". neighbours: the most that are drawn of each node for each of
    `layers` layers; None for all of them, 0 for the whole graph at once. shuffle: a new order in every epoch.

    While it is learned from, a node's label is never among those that the network is told: the batches of an epoch are put into groups, and to
    each the labels of all others are told. What a batch holds is a function of seed, epoch and position.
    """

    def __init__(
        self,
        encoded: Encoded,
        rows: Tensor | np.ndarray,
        *,
        inputs: Mapping[str, Any],
        batch_size: int,
        seed: int,
        shuffle: bool,
        neighbours: int | None,
        layers: int,
        device: str | torch.device = "cpu",
    ) -> None:
        self.rows = torch.as_tensor(rows, dtype=torch.int64)
        self._seed, self._shuffle, self._device = seed, shuffle, torch.device(device)
        nodes, given = encoded.inputs["nodes"], encoded.inputs["neighbours"]
        assert isinstance(nodes, Tensor)
        assert isinstance(given, Ragged)
        n = len(nodes)
        self._nodes, self._words = nodes, _words(encoded)
        self._target, self._weight = encoded.target, encoded.weight
        self._sources, self._start = given.values.long(), given.offsets
        self._edges = torch.stack([self._sources, torch.arange(n).repeat_interleave(given.lengths)])  # 2 E
        self._degrees = given.lengths.to(torch.float32) + 1  # with the loop that a GCN adds
        labels = int(inputs["labels"])
        self._known, self._values = _known(encoded, labels, bool(inputs["coded"]), n)
        self._spreader = Spreader(self._sources, self._start) if labels else None
        # Two batches at least where labels are told: of one alone, all would be left out.
        self.batch_size = min(batch_size, -(-self.rows.numel() // 2)) if labels and shuffle else batch_size
        self._told: tuple[tuple[int, int] | None, Tensor] | None = None
        self._sent: dict[str, Tensor] | None = None
        self._epoch: int | None = None
        self._order = self.rows
        self._sampler: NeighbourBatches | None = None
        if neighbours != 0:
            self._sampler = NeighbourBatches(
                self._edges, n, self.rows, fanout=[neighbours] * layers, batch_size=self.batch_size, seed=seed, shuffle=shuffle
            )

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows.numel() // self.batch_size)

    def batch(self, epoch: int, position: int) -> Batch:
        """The batch at `position` (from 0) of `epoch`; any, in any order. Without a target, `Batch.target` is empty."""
        if self._shuffle and epoch != self._epoch:
            self._order = self.rows[torch.randperm(self.rows.numel(), generator=torch_stream(self._seed, "order", epoch))]
            self._epoch = epoch
        rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        nodes = self._described(epoch, position)
        if self._sampler is None:
            inputs = self._everywhere() | {"nodes": nodes.to(self._device), "rows": rows.to(self._device)}
        else:
            part = self._sampler.batch(epoch, position)
            inputs = {
                "nodes": nodes[part.nodes],
                "edges": part.edges,
                "rows": torch.arange(part.seeds),
                "degrees": self._degrees[part.nodes],
            }
            if self._words is not None:
                inputs |= _of_nodes(self._words, part.nodes)
            inputs = {name: tensor.to(self._device) for name, tensor in inputs.items()}
        target = torch.empty(0) if self._target is None else self._target[rows]
        weight = None if self._weight is None else self._weight[rows].to(self._device)
        return Batch(inputs, target.to(self._device), weight, rows.to(self._device))

    def _everywhere(self) -> dict[str, Tensor]:
        """What every batch of the whole graph shares, on the device: the very same tensors each time, of which layers keep what they sorted."""
        if self._sent is None:
            shared = {"edges": self._edges} | (_of_nodes(self._words, torch.arange(len(self._nodes))) if self._words is not None else {})
            self._sent = {name: tensor.to(self._device) for name, tensor in shared.items()}
        return self._sent

    def _described(self, epoch: int, position: int) -> Tensor:
        """What is known of each node, float32 [n, F], labels among it."""
        if self._spreader is None:
            return self._nodes
        groups = min(GROUPS, len(self))
        group = position * groups // len(self) if self._shuffle else None
        key = None if group is None else (epoch, group)
        if self._told is None or self._told[0] != key:
            known = self._known
            if group is not None:
                first, last = (-(-edge * len(self) // groups) * self.batch_size for edge in (group, group + 1))
                known = known.clone()
                known[self._order[first:last]] = False
            self._told = (key, torch.cat([self._nodes, told(self._values, known, self._spreader)], 1))
        return self._told[1]


def fits(nodes: int, edges: int) -> bool:
    """Whether a graph is read at once."""
    return nodes + edges <= WHOLE


def _words(encoded: Encoded) -> tuple[Ragged, Ragged] | None:
    """The numbers and places of the sparse descriptions."""
    values, columns = encoded.inputs.get("words"), encoded.inputs.get("columns")
    return (values, columns) if isinstance(values, Ragged) and isinstance(columns, Ragged) else None


def _of_nodes(words: tuple[Ragged, Ragged], nodes: Tensor) -> dict[str, Tensor]:
    """The words of these nodes: float32 [Z] "words", and int64 [2, Z] "places", which word above which of `nodes`."""
    values, columns = words
    counts = values.lengths_of(nodes)
    owner = torch.arange(len(nodes)).repeat_interleave(counts)
    held = torch.arange(len(owner)) + (values.offsets[nodes] - (counts.cumsum(0) - counts))[owner]
    return {"words": values.values[held], "places": torch.stack([columns.values[held].long(), owner])}


def _known(encoded: Encoded, labels: int, coded: bool, n: int) -> tuple[Tensor, Tensor]:
    """Whose labels are told, bool [n], and what they are: one-hot or standardised, float32 [n, C]."""
    given = encoded.inputs.get("known")
    if not labels or not isinstance(given, Tensor):
        return torch.zeros(n, dtype=torch.bool), torch.zeros(n, max(1, labels))
    known, filled = ~given.isnan(), given.nan_to_num()
    return known, F.one_hot(filled.long(), labels).float() if coded else filled.unsqueeze(1)
