"""GraphSAGE with the mean aggregator (Hamilton, Ying and Leskovec, Inductive Representation Learning on Large Graphs, NeurIPS 2017).

N nodes, E edges, F features, O outputs, G graphs. Each node's own features keep weights of their own, apart from those of its neighbours,
so that a network serves graphs it has not seen, and samples of a graph (`data.neighbours`).
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from goodfit.nn.graph import SAGELayer
from goodfit.nn.graph_stack import GraphStack, stack_widths
from goodfit.nn.shapes import required


class GraphSAGE(nn.Module):
    """Nodes [N, F] (dense or torch.sparse_csr) and edges [2, E] -> [N, O], or with a readout [G, O].

    features: F. width: 64, half of the paper's 128, for half the time. depth: 2, as in the paper, beyond which it found little gain.
    dropout: 0.5, as GCN's. activation, norm (none, batch, layer), residual: of hidden layers. readout: none for nodes; mean, sum or max.
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
            [SAGELayer(before, after) for before, after in itertools.pairwise(widths)],
            widths,
            outputs,
            activation=activation,
            norm=norm,
            residual=residual,
            dropout=dropout,
            readout=readout,
        )

    def forward(
        self, *, nodes: Tensor | None = None, edges: Tensor | None = None, graph: Tensor | None = None, graphs: int | None = None
    ) -> Tensor:
        """edges: int64 [2, E], sources above targets. graph: int64 [N] of each node, graphs: G; for whole graphs."""
        edges = required("edges", edges)
        return self.stack(nodes, lambda layer, x: layer(x, edges), graph, graphs)
