"""Small graphs side by side as one: the adjacency matrix of a batch is block-diagonal, and nothing travels from graph to graph.

G graphs, N nodes, E edges, F features of a node, K of an edge, B graphs of a batch. Edges are int64 [2, E], sources above, targets below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.base.errors import InputError


@dataclass(frozen=True)
class Blocks:
    """Graphs as one. nodes: [N, F]. edges: int64 [2, E] between places in `nodes`. graph: int64 [N], the graph of each node, rising.
    graphs: G. edge_features: [E, K] or None."""

    nodes: Tensor
    edges: Tensor
    graph: Tensor
    graphs: int
    edge_features: Tensor | None = None


def join(nodes: Sequence[Tensor], edges: Sequence[Tensor], edge_features: Sequence[Tensor] | None = None) -> Blocks:
    """Graphs [N_g, F] with edges [2, E_g] between their own nodes 0 to N_g - 1, and edge features [E_g, K] -> one.

    Raises InputError for edges that do not fit their graph. A graph may have no edges, and no nodes.

    >>> join([torch.zeros(2, 1), torch.zeros(1, 1)], [torch.tensor([[0], [1]]), torch.tensor([[0], [0]])]).edges
    tensor([[0, 2],
            [1, 2]])
    """
    if not nodes or len(edges) != len(nodes) or (edge_features is not None and len(edge_features) != len(nodes)):
        raise InputError(f"each graph needs its nodes and its edges; got {len(nodes)} of nodes and {len(edges)} of edges")
    for place, (own, pairs) in enumerate(zip(nodes, edges, strict=True)):
        if pairs.dim() != 2 or pairs.shape[0] != 2 or pairs.dtype != torch.int64:
            raise InputError(f"a graph's edges are int64 [2, E]; graph {place} has {pairs.dtype} {list(pairs.shape)}", value=place)
        if pairs.numel() and (int(pairs.min()) < 0 or int(pairs.max()) >= len(own)):
            raise InputError(
                f"the edges of graph {place} must join its nodes 0 to {len(own) - 1}; up to {int(pairs.max())} are named", value=place
            )
        if edge_features is not None and len(edge_features[place]) != pairs.shape[1]:
            raise InputError(f"graph {place} has {pairs.shape[1]} edges and features of {len(edge_features[place])}", value=place)
    sizes = torch.tensor([len(own) for own in nodes])
    first = sizes.cumsum(0) - sizes
    along = torch.tensor([pairs.shape[1] for pairs in edges])
    return Blocks(
        torch.cat(list(nodes)),
        torch.cat(list(edges), 1) + first.repeat_interleave(along),
        torch.arange(len(nodes)).repeat_interleave(sizes),
        len(nodes),
        None if edge_features is None else torch.cat(list(edge_features)),
    )


class Graphs:
    """Graphs held as one, from which any batch of them is gathered without a loop over graphs: take(ids) equals `join` of those."""

    def __init__(self, whole: Blocks) -> None:
        self.whole = whole
        self._nodes = torch.bincount(whole.graph, minlength=whole.graphs)  # G, nodes of each
        self._first = self._nodes.cumsum(0) - self._nodes
        home = whole.graph[whole.edges[0]]  # E, the graph of each edge
        self._home = home.argsort(stable=True)
        self._edges = torch.bincount(home, minlength=whole.graphs)
        self._first_edge = self._edges.cumsum(0) - self._edges

    def __len__(self) -> int:
        return self.whole.graphs

    def take(self, ids: Tensor) -> Blocks:
        """The graphs `ids` int64 [B], in their order, as one."""
        whole = self.whole
        nodes, graph = _ranges(self._first[ids], self._nodes[ids])
        edges, owner = _ranges(self._first_edge[ids], self._edges[ids])
        edges = self._home[edges]
        now = self._nodes[ids].cumsum(0) - self._nodes[ids]  # B, where each graph begins in the batch
        shift = (now - self._first[ids])[owner]
        features = None if whole.edge_features is None else whole.edge_features[edges]
        return Blocks(whole.nodes[nodes], whole.edges[:, edges] + shift, graph, ids.numel(), features)


def _ranges(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """first[b], first[b] + 1, ... count[b] of them, for each b in turn; and b itself, beside each."""
    owner = torch.arange(count.numel()).repeat_interleave(count)
    return torch.arange(owner.numel()) + (first - (count.cumsum(0) - count))[owner], owner
