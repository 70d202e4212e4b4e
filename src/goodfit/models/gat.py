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

    features: F. version: 1, or 2, which can prefer different neighbours for different nodes and takes two to three times as long. width: 64, of 8
    heads side by side, depth: 2, dropout: 0.6, of features and, as attention_dropout, of neighbours: as in the paper for Cora. output_heads:
    of the last layer of a network for nodes, which is their mean; 1, as there (8 for Pubmed). activation: silu, the smooth neighbour of the
    paper's ELU. norm (none, batch, layer), residual: of hidden layers. readout: none for nodes; mean, sum or max for whole graphs.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        version: int = 1,
        width: int = 64,
        heads: int = 8,
        output_heads: int = 1,
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
        layer, pairs = LAYERS[version], list(itertools.pairwise(widths))
        hidden = depth if readout != "none" else depth - 1
        self.stack = GraphStack(
            [
                *(layer(before, after, heads=heads, dropout=attention_dropout) for before, after in pairs[:hidden]),
                *(layer(a, b, heads=output_heads, concat=False, dropout=attention_dropout) for a, b in pairs[hidden:]),
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
