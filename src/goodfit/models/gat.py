"""Graph attention network (Veličković et al., ICLR 2018), and its second version (Brody, Alon and Yahav, How Attentive Are Graph Attention
Networks?, ICLR 2022).

N nodes, E edges, F features, H heads, O outputs, G graphs.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from goodfit.base.errors import SettingError
from goodfit.nn.graph import GATLayer, GATv2Layer
from goodfit.nn.graph_stack import GraphStack, stack_widths
from goodfit.nn.shapes import required

LAYERS: dict[int, type[GATLayer] | type[GATv2Layer]] = {1: GATLayer, 2: GATv2Layer}


class GAT(nn.Module):
    """Nodes [N, F] (dense or torch.sparse_csr) and edges [2, E] -> [N, O], or with a readout [G, O].

    features: F. version: 1, or 2, which can prefer different neighbours for different nodes and takes three times as long. width: 64, of
    8 heads side by side, depth: 2, activation: ELU's smooth neighbour silu; dropout: 0.6, of features and, as attention_dropout, of
    neighbours; all as in the paper but the activation. The last layer of a network for nodes is the mean of its heads. norm (none, batch,
    layer), residual: of hidden layers. readout: none for nodes; mean, sum or max for whole graphs.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        version: int = 1,
        width: int = 64,
        heads: int = 8,
        depth: int = 2,
        dropout: float = 0.6,
        attention_dropout: float = 0.6,
        activation: str = "silu",
        norm: str = "none",
        residual: bool = False,
        readout: str = "none",
    ) -> None:
        super().__init__()
        if version not in LAYERS:
            raise SettingError(f"version of a graph attention network must be 1 or 2; {version} was given", value=version)
        widths = stack_widths(features, outputs, width=width, depth=depth, readout=readout)
        last = depth - 1 if readout == "none" else depth  # whose heads are averaged
        self.stack = GraphStack(
            [
                LAYERS[version](before, after, heads=heads, concat=index != last, dropout=attention_dropout)
                for index, (before, after) in enumerate(itertools.pairwise(widths))
            ],
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
