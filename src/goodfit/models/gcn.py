"""Graph convolutional network (Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, ICLR 2017).

N nodes, E edges, F features, O outputs, G graphs.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from goodfit.nn.graph import GCNLayer
from goodfit.nn.graph_stack import GraphStack, stack_widths
from goodfit.nn.shapes import required


class GCN(nn.Module):
    """Nodes [N, F] (dense or torch.sparse_csr) and edges [2, E] -> [N, O], or with a readout [G, O].

    features: F. width: 64, which the 16 of the paper's graphs of 3,000 nodes are few for. depth: 2 layers and dropout: 0.5, as in the paper.
    activation, norm (none, batch, layer), residual: of hidden layers. readout: none for nodes; mean, sum or max for whole graphs.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        width: int = 64,
        depth: int = 2,
        dropout: float = 0.5,
        activation: str = "relu",
        norm: str = "none",
        residual: bool = False,
        readout: str = "none",
    ) -> None:
        super().__init__()
        widths = stack_widths(features, outputs, width=width, depth=depth, readout=readout)
        self.stack = GraphStack(
            [GCNLayer(before, after) for before, after in itertools.pairwise(widths)],
            widths,
            outputs,
            activation=activation,
            norm=norm,
            residual=residual,
            dropout=dropout,
            readout=readout,
        )

    def forward(
        self,
        *,
        nodes: Tensor | None = None,
        edges: Tensor | None = None,
        weights: Tensor | None = None,
        degrees: Tensor | None = None,
        graph: Tensor | None = None,
        graphs: int | None = None,
    ) -> Tensor:
        """edges: int64 [2, E], sources above targets. weights: [E] of the edges, None for 1. degrees: [N] those of the whole graph where
        the edges are a sample of it (`nn.edges.degrees`). graph: int64 [N] of each node, graphs: G; for whole graphs."""
        edges = required("edges", edges)
        return self.stack(nodes, lambda layer, x: layer(x, edges, weights, degrees), graph, graphs)
