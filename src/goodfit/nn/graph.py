"""Layers over graphs: each node hears its neighbours. N nodes, E edges, F features in, D out, H heads, C features of a head, K of an edge.

`edges` is int64 [2, E]: sources above, targets below; a node hears the sources of the edges that end in it. `x` is [N, F], dense or
torch.sparse_csr. Linear maps come before the sums wherever that is the same, so that what is summed is D wide.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.dropout import dropout
from goodfit.nn.edges import edge_softmax, flow, symmetric, weighted_total
from goodfit.nn.norm import BatchNorm1d
from goodfit.nn.shapes import expect
from goodfit.nn.sparse import SparseRows, features, linear

READOUTS = ("mean", "sum", "max")


def readout(x: Tensor, graph: Tensor, graphs: int | None = None, *, how: str = "mean") -> Tensor:
    """The mean, sum or largest of each graph's nodes: [N, D] and the graph of each node, int64 [N] -> [G, D]; 0 for a graph without nodes.

    graphs: G; None for one more than the largest number in `graph`, which an accelerator has to be waited for.

    >>> readout(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 1]))
    tensor([[2.],
            [5.]])
    """
    expect("the graph of each node", graph, x.shape[0])
    if how not in READOUTS:
        raise SettingError(f"readout must be one of {', '.join(READOUTS)}; {how!r} was given{did_you_mean(how, READOUTS)}", value=how)
    if graphs is None:
        graphs = _count(graph)
    if how == "max":
        place = graph.unsqueeze(1).expand_as(x)
        return x.new_zeros(graphs, x.shape[1]).scatter_reduce(0, place, x, "amax", include_self=False)
    total = x.new_zeros(graphs, x.shape[1]).index_add(0, graph, x)
    if how == "sum":
        return total
    return total / x.new_zeros(graphs).index_add(0, graph, x.new_ones(x.shape[0])).clamp_min(1).unsqueeze(1)


class GCNLayer(nn.Module):
    """D^-1/2 (A + I) D^-1/2 x W + b (Kipf and Welling 2017): [N, F] -> [N, D]. W starts as Glorot's uniform, b at 0, as there."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: Tensor | SparseRows, edges: Tensor, weights: Tensor | None = None, degrees: Tensor | None = None) -> Tensor:
        """weights: [E], None for 1. degrees: [N] those of the whole graph, where the edges are a sample of it; see `edges.degrees`."""
        x = features("gcn", x, self.inputs)
        along = flow(edges, x.shape[0], loops=True)
        x = linear(self.linear, x)
        return weighted_total(x, symmetric(along, weights, degrees, x.dtype), along) + self.bias


class SAGELayer(nn.Module):
    """mean of the neighbours W + x W' + b (Hamilton, Ying and Leskovec 2017, mean aggregator): [N, F] -> [N, D]. Starts as torch's Linear."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inputs = inputs
        self.neighbours = nn.Linear(inputs, outputs, bias=False)
        self.own = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor | SparseRows, edges: Tensor) -> Tensor:
        x = features("graphsage", x, self.inputs)
        along = flow(edges, x.shape[0])
        own, x = linear(self.own, x), linear(self.neighbours, x)
        count = along.target.total(torch.ones(edges.shape[1], device=x.device))
        return own + weighted_total(x, None, along) / count.clamp_min(1).to(x.dtype).unsqueeze(1)


class GATLayer(nn.Module):
    """Sum of the neighbours' and its own W x_j, by softmax over j of leaky_relu(a . W x_j + a' . W x_i), in each of H heads, + b
    (Veličković et al. 2018): [N, F] -> [N, D].

    concat: the D features are the H heads' side by side, else their mean. slope: of leaky_relu below 0, 0.2 as in the paper.
    dropout: share of the neighbours that a node does not hear in training.
    """

    def __init__(self, inputs: int, outputs: int, *, heads: int = 1, concat: bool = True, slope: float = 0.2, dropout: float = 0.0) -> None:
        super().__init__()
        self.inputs, self.heads, self.concat, self.slope, self.dropout = inputs, heads, concat, slope, dropout
        self.head_dim = _head_dim(outputs, heads, concat)
        self.linear = nn.Linear(inputs, heads * self.head_dim, bias=False)
        self.source = nn.Parameter(torch.empty(heads, self.head_dim))
        self.target = nn.Parameter(torch.empty(heads, self.head_dim))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for weight in (self.linear.weight, self.source, self.target):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor | SparseRows, edges: Tensor) -> Tensor:
        x = features("gat", x, self.inputs)
        along = flow(edges, x.shape[0], loops=True)
        heard = linear(self.linear, x).unflatten(1, (self.heads, self.head_dim))  # N H*C -> N H C
        source, target = (heard * self.source).sum(2), (heard * self.target).sum(2)  # N H
        scores = F.leaky_relu(along.source.take(source) + along.target.take(target), self.slope)  # E H
        share = dropout(edge_softmax(scores, along), self.dropout, self.training)
        return _heads_joined(weighted_total(heard, share, along), self.concat) + self.bias


class GATv2Layer(nn.Module):
    """As `GATLayer`, by softmax over j of a . leaky_relu(W x_j + W' x_i), whose order of the neighbours may differ from node to node
    (Brody, Alon and Yahav 2022): [N, F] -> [N, D]."""

    def __init__(self, inputs: int, outputs: int, *, heads: int = 1, concat: bool = True, slope: float = 0.2, dropout: float = 0.0) -> None:
        super().__init__()
        self.inputs, self.heads, self.concat, self.slope, self.dropout = inputs, heads, concat, slope, dropout
        self.head_dim = _head_dim(outputs, heads, concat)
        self.source = nn.Linear(inputs, heads * self.head_dim)
        self.target = nn.Linear(inputs, heads * self.head_dim)
        self.attention = nn.Parameter(torch.empty(heads, self.head_dim))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for weight in (self.source.weight, self.target.weight, self.attention):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.source.bias)
        nn.init.zeros_(self.target.bias)

    def forward(self, x: Tensor | SparseRows, edges: Tensor) -> Tensor:
        x = features("gat v2", x, self.inputs)
        along = flow(edges, x.shape[0], loops=True)
        source = linear(self.source, x).unflatten(1, (self.heads, self.head_dim))  # N H*C -> N H C
        target = linear(self.target, x).unflatten(1, (self.heads, self.head_dim))
        both = F.leaky_relu(along.source.take(source) + along.target.take(target), self.slope)  # E H C
        scores = (both * self.attention).sum(2)  # E H
        share = dropout(edge_softmax(scores, along), self.dropout, self.training)
        return _heads_joined(weighted_total(source, share, along), self.concat) + self.bias


class GINELayer(nn.Module):
    """MLP(x_i + sum of the neighbours' messages): [N, F] -> [N, D]. The message is x_j (Xu et al. 2019, GIN-0), and with edge features
    [E, K] relu(x_j + W e_ji + b) (Hu et al. 2020). The MLP is linear, batch norm, ReLU, linear, D wide, as in both.

    edge_features: K, 0 for none.
    """

    def __init__(self, inputs: int, outputs: int, *, edge_features: int = 0) -> None:
        super().__init__()
        self.inputs, self.edge_features = inputs, edge_features
        self.edge = nn.Linear(edge_features, inputs) if edge_features else None
        self.mlp = nn.Sequential(nn.Linear(inputs, outputs), BatchNorm1d(outputs), nn.ReLU(), nn.Linear(outputs, outputs))

    def forward(self, x: Tensor, edges: Tensor, edge_features: Tensor | None = None) -> Tensor:
        if not isinstance(x, Tensor) or x.layout != torch.strided:
            raise InputError("gin adds nodes before its first linear map, so they must be dense; pass nodes.to_dense()")
        expect("gin", x, "N", self.inputs)
        along = flow(edges, x.shape[0])
        if self.edge is None:
            if edge_features is not None:
                raise InputError("gin was built without edge features and got some; build it with edge_features=K")
            return self.mlp(x + weighted_total(x, None, along))
        if edge_features is None:
            raise InputError(f"gin was built for {self.edge_features} features of an edge and got none; pass edge_features=...")
        expect("gin's edge features", edge_features, edges.shape[1], self.edge_features)
        messages = F.relu(along.source.take(x) + self.edge(along.arranged(edge_features)))  # E F
        return self.mlp(x + along.target.total(messages))


def _count(graph: Tensor) -> int:
    if not graph.numel():
        return 0
    last = graph.max().item()
    if torch.compiler.is_compiling():  # which would ask whether the number read is one of a size
        torch._check(last >= 0)
    return last + 1  # type: ignore[return-value]


def _head_dim(outputs: int, heads: int, concat: bool) -> int:
    if heads < 1 or (concat and outputs % heads):
        raise InputError(f"graph attention lays its heads side by side: {outputs} must be a multiple of heads={heads}")
    return outputs // heads if concat else outputs


def _heads_joined(x: Tensor, concat: bool) -> Tensor:
    return x.flatten(1) if concat else x.mean(1)  # N H C -> N H*C or N C
