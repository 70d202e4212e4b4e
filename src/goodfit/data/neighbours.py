"""Mini-batches of a large graph: seed nodes, sampled neighbours of theirs, sampled neighbours of those (Hamilton, Ying and Leskovec 2017).

N nodes, E edges, n nodes and e edges of a batch, S seeds, F features. `edges` is int64 [2, E], sources above, targets below; the
neighbours of a node are the sources of the edges that end in it. numpy does the work: a batch of 512 seeds with 10 and 10 neighbours takes
milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from goodfit.base.errors import InputError, SettingError
from goodfit.base.streams import numpy_stream, torch_stream


@dataclass(frozen=True)
class Neighbourhood:
    """Part of a graph. nodes: int64 [n], their numbers in the graph, the seeds first, in their order. edges: int64 [2, e] between places in
    `nodes`, sorted by target. edge_rows: int64 [e], which edges of the graph they are. seeds: S."""

    nodes: Tensor
    edges: Tensor
    edge_rows: Tensor
    seeds: int


class NeighbourBatches:
    """The seeds of a graph, batch by batch, each with what a network of as many layers as `fanout` has entries needs to know.

    edges: int64 [2, E]. nodes: N. rows: int64, the seeds. fanout: the most neighbours that are drawn, first of each seed, then of each
    node that was drawn, and so on; without replacement, each as likely; None for all. With all, a network's outputs at the seeds are those
    it has on the whole graph (GCN: with the `degrees` of the whole graph).
    shuffle: a new order of seeds in every epoch. What is drawn is a pure function of seed, epoch and position.

    Raises InputError for edges or seeds that do not fit, SettingError for a batch size or fan-out below 1.
    """

    def __init__(
        self, edges: Tensor, nodes: int, rows: Tensor, *, fanout: Sequence[int | None], batch_size: int, seed: int, shuffle: bool
    ) -> None:
        if batch_size < 1:
            raise SettingError(f"train.batch_size must be at least 1; {batch_size} was given", value=batch_size)
        if not fanout or any(most is not None and most < 1 for most in fanout):
            raise SettingError(
                f"fanout needs a number of at least 1, or None for all, for each layer; {list(fanout)} was given", value=fanout
            )
        if edges.dim() != 2 or edges.shape[0] != 2 or edges.dtype != torch.int64:
            raise InputError(f"a graph's edges are int64 [2, E]; {edges.dtype} {list(edges.shape)} was given", value=list(edges.shape))
        _within("edge", edges, nodes)
        _within("seed", rows, nodes)
        self.batch_size, self.rows = batch_size, rows.to(torch.int64).cpu()
        self._fanout, self._seed, self._shuffle, self._nodes = tuple(fanout), seed, shuffle, nodes
        source, target = edges.cpu().numpy()
        self._edge_rows = np.argsort(target, kind="stable")  # E
        self._source = source[self._edge_rows]
        self._start = np.searchsorted(target[self._edge_rows], np.arange(nodes + 1))  # N + 1

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows.numel() // self.batch_size)

    def order(self, epoch: int) -> Tensor:
        """The seeds in the order of the epoch; batch b holds those from b * batch_size on."""
        if not self._shuffle:
            return self.rows
        return self.rows[torch.randperm(self.rows.numel(), generator=torch_stream(self._seed, "order", epoch))]

    def batch(self, epoch: int, position: int) -> Neighbourhood:
        """The batch at `position` (from 0) of `epoch`; any, in any order."""
        seeds = self.order(epoch)[position * self.batch_size : (position + 1) * self.batch_size].numpy()
        stream = numpy_stream(self._seed, "neighbours", epoch, position)
        nodes, fresh = np.unique(seeds, return_index=True)
        if nodes.size != seeds.size:
            raise InputError(
                f"each seed must occur once in a batch; node {seeds[np.setdiff1d(np.arange(seeds.size), fresh)[0]]} occurs twice"
            )
        place = np.full(self._nodes, -1)  # N, where each node of the graph stands in the batch
        place[seeds] = np.arange(seeds.size)
        layers, frontier, count = [seeds], seeds, seeds.size
        drawn, ends = [], []
        for most in self._fanout:
            edge, owner = self._draw(frontier, most, stream)
            drawn.append(edge)
            ends.append(place[frontier][owner])
            source = np.unique(self._source[edge])
            frontier = source[place[source] < 0]
            place[frontier] = np.arange(count, count + frontier.size)
            layers.append(frontier)
            count += frontier.size
        edge = np.concatenate(drawn)
        local = np.stack([place[self._source[edge]], np.concatenate(ends)])
        rows = self._edge_rows[edge]
        return Neighbourhood(torch.from_numpy(np.concatenate(layers)), torch.from_numpy(local), torch.from_numpy(rows), int(seeds.size))

    def _draw(self, nodes: np.ndarray, most: int | None, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Up to `most` edges of each node: which they are in sorted order, and at which place of `nodes` their target stands; both [e]."""
        start, degree = self._start[nodes], self._start[nodes + 1] - self._start[nodes]
        taken = degree if most is None else np.minimum(degree, most)
        owner = np.repeat(np.arange(nodes.size), taken)
        rank = np.arange(owner.size) - np.repeat(np.cumsum(taken) - taken, taken)  # 0, 1, ... within each node
        if most is not None:
            many = np.flatnonzero(degree > most)
            row = np.full(nodes.size, -1)
            row[many] = np.arange(many.size)
            some = row[owner] >= 0
            rank[some] = _subsets(degree[many], most, stream)[row[owner[some]], rank[some]]
        return start[owner] + rank, owner


def rows_of(x: Tensor, rows: Tensor) -> Tensor:
    """The rows int64 [n] of x [N, F], dense or torch.sparse_csr, in their order -> [n, F] in the same layout."""
    if x.layout != torch.sparse_csr:
        return x.index_select(0, rows)
    start, count = x.crow_indices()[rows], x.crow_indices().diff()[rows]
    ends = torch.cat([count.new_zeros(1), count.cumsum(0)])
    held = torch.arange(int(ends[-1]), device=x.device) + (start - ends[:-1]).repeat_interleave(count)
    return torch.sparse_csr_tensor(ends, x.col_indices()[held], x.values()[held], (rows.numel(), x.shape[1]), check_invariants=False)


def _subsets(sizes: np.ndarray, count: int, stream: np.random.Generator) -> np.ndarray:
    """`count` different numbers below each of the sizes, every set of them as likely, in rising order: [rows] -> [rows, count].

    Floyd's method (Bentley and Floyd 1987), row beside row: the j-th draw is below size - count + j + 1, and gives way to that limit where it
    was drawn before. No list of all neighbours of a node is shuffled, so that a node with a million costs what one with a hundred does.
    """
    chosen = np.empty((sizes.size, count), dtype=np.int64)
    for j in range(count):
        last = sizes - count + j
        drawn = stream.integers(0, last + 1)
        again = (chosen[:, :j] == drawn[:, None]).any(1)
        chosen[:, j] = np.where(again, last, drawn)
    chosen.sort(1)
    return chosen


def _within(what: str, numbers: Tensor, nodes: int) -> None:
    if not numbers.numel():
        return
    low, high = (int(end) for end in numbers.aminmax())
    if low < 0 or high >= nodes:
        worst = low if low < 0 else high
        raise InputError(f"each {what} of a graph must name nodes 0 to {nodes - 1}; {worst} is named", value=worst)
