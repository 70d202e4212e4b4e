"""A graph network behind a first linear map, for the nodes that are asked for or for whole graphs.

N nodes, E edges, F numbers of a node, V words of a sparse description and Z held of all, K features of an edge, W width, S nodes asked for, G graphs, O outputs.

The first map lets numbers and sparse words of a node meet in one vector, so that every layer behind it is dense; "linear, then message passing" is
how tuned networks begin (Luo, Shi and Wu, Classic GNNs are Strong Baselines, NeurIPS 2024). Of whole graphs the numbers as they are given are summed
too, as Xu et al. (2019) read out every layer: what a count of the nodes already tells need not be learned through the others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.edges import Flow
from goodfit.nn.graph import readout
from goodfit.nn.prepared import prepared
from goodfit.nn.shapes import expect, required
from goodfit.nn.sparse import SparseRows, linear, sparse_dropout


class OverGraphs(nn.Module):
    """Nodes [N, F], words [Z] and edges [2, E] -> [S, O] of the nodes `rows`, or [G, O] of whole graphs.

    network: from [N, W] to [N, O], or to [G, O] where `whole`. features: F. words: V, 0 for none. edge_features: K that the network reads. outputs: O, of whole graphs.
    dropout: of the words. degrees: whether the network asks for those of the whole graph where it reads a sample of it.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        features: int,
        words: int,
        width: int,
        dropout: float,
        whole: bool,
        edge_features: int = 0,
        degrees: bool = False,
        outputs: int = 0,
    ) -> None:
        super().__init__()
        if not features:
            raise InputError("a graph's nodes need at least one number each; the network was built for none")
        self.features, self.edge_features = features, edge_features
        self.numbers = nn.Linear(features, width)
        self.words = nn.Linear(words, width, bias=False) if words else None
        self.activation = nn.ReLU()
        self.counts: nn.Linear | None = None
        if whole:
            self.counts = nn.Linear(features, outputs, bias=False)
            nn.init.zeros_(self.counts.weight)
        self.network = network
        self.dropout, self.degrees = dropout, degrees

    def forward(
        self,
        *,
        nodes: Tensor | None = None,
        words: Tensor | None = None,
        places: Tensor | None = None,
        edges: Tensor | None = None,
        edge_features: Tensor | None = None,
        sizes: Tensor | None = None,
        rows: Tensor | None = None,
        degrees: Tensor | None = None,
    ) -> Tensor:
        """places: int64 [2, Z], which word above which node, rising below. edges: int64 [2, E], sources above targets. edge_features: [E, K]. sizes: int64 [G], nodes of each graph, whose nodes follow each
        other. rows: int64 [S]. degrees: [N], in the whole graph."""
        nodes = required("nodes", nodes)
        x = self._first(nodes, words, places)
        given: dict[str, Any] = {"nodes": x, "edges": required("edges", edges)}
        if self.edge_features:
            given["edge_features"] = required("edge_features", edge_features)
        if self.degrees and degrees is not None:
            given["degrees"] = degrees
        if self.counts is None:
            return self.network(**given).index_select(0, required("rows", rows))  # N O -> S O
        sizes = required("sizes", sizes)
        graphs = sizes.shape[0]
        owner = torch.arange(graphs, device=sizes.device).repeat_interleave(sizes, output_size=x.shape[0])
        return self.network(**given, graph=owner, graphs=graphs) + self.counts(readout(nodes, owner, graphs, how="sum"))

    def _first(self, nodes: Tensor, words: Tensor | None, places: Tensor | None) -> Tensor:
        """What each node is, [N, W]."""
        expect("the numbers of a graph's nodes", nodes, "N", self.features)
        x = self.numbers(nodes)
        if self.words is None:
            return self.activation(x)
        words, places = required("words", words), required("places", places)
        V, N = self.words.in_features, nodes.shape[0]
        along = prepared(places, (V, N), lambda: Flow(places[0], places[1], V, N, ascending=True))
        sparse = sparse_dropout(SparseRows(words, along), self.dropout, self.training)
        return self.activation(x + linear(self.words, sparse))
