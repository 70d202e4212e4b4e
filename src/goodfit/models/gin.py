"""Graph isomorphism network (Xu, Hu, Leskovec and Jegelka, How Powerful are Graph Neural Networks?, ICLR 2019), with features of the edges
(Hu et al., Strategies for Pre-training Graph Neural Networks, ICLR 2020).

N nodes, E edges, F features, K features of an edge, O outputs, G graphs.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from goodfit.nn.graph import GINELayer
from goodfit.nn.graph_stack import GraphStack, stack_widths
from goodfit.nn.shapes import required


class GIN(nn.Module):
    """Nodes [N, F], edges [2, E] and, where it was built for them, edge_features [E, K] -> [G, O], or without a readout [N, O].

    features: F, dense. edge_features: K, 0 for none. depth: 5 layers, as in both papers; width: 64, the largest of Xu et al.'s, where Hu et al.
    take 300 for two million molecules. dropout: 0.5 and norm: batch, as Hu et al. fine-tune. readout: mean, as there; Xu et al.'s sum tells
    more graphs apart, and grows with a graph, so that larger ones than in training lead astray.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        edge_features: int = 0,
        width: int = 64,
        depth: int = 5,
        dropout: float = 0.5,
        activation: str = "relu",
        norm: str = "batch",
        residual: bool = False,
        readout: str = "mean",
    ) -> None:
        super().__init__()
        widths = stack_widths(features, outputs, width=width, depth=depth, readout=readout)
        self.stack = GraphStack(
            [GINELayer(before, after, edge_features=edge_features) for before, after in itertools.pairwise(widths)],
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
        edge_features: Tensor | None = None,
        graph: Tensor | None = None,
        graphs: int | None = None,
    ) -> Tensor:
        """edges: int64 [2, E], sources above targets. graph: int64 [N] of each node, graphs: G; for whole graphs."""
        edges = required("edges", edges)
        return self.stack(nodes, lambda layer, x: layer(x, edges, edge_features), graph, graphs)
