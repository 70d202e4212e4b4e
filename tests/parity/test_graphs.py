"""Graph layers against torch-geometric, weights carried over: outputs and gradients."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, nn

from goodfit.nn.edges import edge_softmax, flow
from goodfit.nn.graph import GATLayer, GATv2Layer, GCNLayer, GINELayer, SAGELayer, readout

with warnings.catch_warnings():  # of torch_geometric's own imports
    warnings.simplefilter("ignore")
    from torch_geometric.nn import (
        GATConv,
        GATv2Conv,
        GCNConv,
        GINConv,
        GINEConv,
        SAGEConv,
        global_add_pool,
        global_max_pool,
        global_mean_pool,
    )
    from torch_geometric.utils import softmax

NODES, INPUTS, OUTPUTS, HEADS = 40, 7, 6, 3


def graph(seed: int = 0, *, loops: bool = True) -> tuple[Tensor, Tensor]:
    """Nodes, and edges of which some come twice, some are loops, and which leave the last five nodes alone."""
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, NODES - 5, (2, 130), generator=generator)
    edges = edges[:, edges[0] != edges[1]]
    edges = torch.cat([edges, edges[:, :4]], 1)
    if loops:
        edges = torch.cat([edges, torch.tensor([[3, 8, NODES - 1], [3, 8, NODES - 1]])], 1)
    return torch.randn(NODES, INPUTS, generator=generator, dtype=torch.float64), edges[
        :, torch.randperm(edges.shape[1], generator=generator)
    ]


def stirred(layer: nn.Module) -> nn.Module:
    """Every parameter moved, in float64: biases that start at 0 would hide a mistake."""
    layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def equal(ours: nn.Module, theirs: nn.Module, pairs: dict[str, str], x: Tensor, edges: Tensor, *more: Tensor) -> None:
    """Outputs, and the gradients of x, of what else is given and of each pair of parameters, after theirs took our weights."""
    theirs.double()
    named = dict(theirs.named_parameters())
    with torch.no_grad():
        for mine, other in pairs.items():
            named[other].copy_(ours.get_parameter(mine).view_as(named[other]))
    results = []
    for layer in (ours, theirs):
        inputs = [t.clone().requires_grad_() for t in (x, *more)]
        out = layer(inputs[0], edges, *inputs[1:])
        out.sin().sum().backward()
        results.append((out, [t.grad for t in inputs]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-10)
    for mine, other in pairs.items():
        gradient = ours.get_parameter(mine).grad
        assert gradient is not None, mine
        torch.testing.assert_close(gradient, named[other].grad.view_as(gradient), rtol=1e-10, atol=1e-10, msg=lambda m, n=mine: f"{n}: {m}")
    assert len(pairs) == len(list(ours.parameters())) == len(named)
    single = copy.deepcopy(ours).float()(x.float(), edges, *(t.float() for t in more))
    torch.testing.assert_close(single, results[1][0].float(), rtol=1e-5, atol=1e-5)


GCN_PAIRS = {"linear.weight": "lin.weight", "bias": "bias"}


@pytest.mark.parametrize("loops", [False, True])
def test_gcn(loops: bool) -> None:
    equal(stirred(GCNLayer(INPUTS, OUTPUTS)), GCNConv(INPUTS, OUTPUTS), GCN_PAIRS, *graph(loops=loops))


@pytest.mark.parametrize("loops", [False, True])
def test_gcn_with_weights(loops: bool) -> None:
    x, edges = graph(loops=loops)
    weights = torch.rand(edges.shape[1], dtype=torch.float64) + 0.1
    equal(stirred(GCNLayer(INPUTS, OUTPUTS)), GCNConv(INPUTS, OUTPUTS), GCN_PAIRS, x, edges, weights)


def test_graphsage() -> None:
    pairs = {"neighbours.weight": "lin_l.weight", "own.bias": "lin_l.bias", "own.weight": "lin_r.weight"}
    equal(stirred(SAGELayer(INPUTS, OUTPUTS)), SAGEConv(INPUTS, OUTPUTS), pairs, *graph())


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("slope", [0.2, 0.05])
def test_gat(concat: bool, slope: float) -> None:
    ours = stirred(GATLayer(INPUTS, OUTPUTS, heads=HEADS, concat=concat, slope=slope))
    theirs = GATConv(INPUTS, OUTPUTS // HEADS if concat else OUTPUTS, heads=HEADS, concat=concat, negative_slope=slope)
    equal(ours, theirs, {"linear.weight": "lin.weight", "source": "att_src", "target": "att_dst", "bias": "bias"}, *graph())


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("slope", [0.2, 0.05])
def test_gat_v2(concat: bool, slope: float) -> None:
    ours = stirred(GATv2Layer(INPUTS, OUTPUTS, heads=HEADS, concat=concat, slope=slope))
    theirs = GATv2Conv(INPUTS, OUTPUTS // HEADS if concat else OUTPUTS, heads=HEADS, concat=concat, negative_slope=slope)
    pairs = {
        f"{mine}.{part}": f"{other}.{part}" for mine, other in (("source", "lin_l"), ("target", "lin_r")) for part in ("weight", "bias")
    }
    equal(ours, theirs, pairs | {"attention": "att", "bias": "bias"}, *graph())


def test_gin() -> None:
    ours = stirred(GINELayer(INPUTS, OUTPUTS))
    pairs = {name: name.replace("mlp", "nn") for name, _ in ours.named_parameters()}
    equal(ours, GINConv(copy.deepcopy(ours.mlp)), pairs, *graph())


def test_gin_with_edge_features() -> None:
    x, edges = graph()
    ours = stirred(GINELayer(INPUTS, OUTPUTS, edge_features=4))
    pairs = {name: name.replace("mlp", "nn").replace("edge", "lin") for name, _ in ours.named_parameters()}
    equal(ours, GINEConv(copy.deepcopy(ours.mlp), edge_dim=4), pairs, x, edges, torch.randn(edges.shape[1], 4, dtype=torch.float64))


def test_edge_softmax() -> None:
    _, edges = graph()
    along = flow(edges, NODES)
    scores = 30 * torch.randn(edges.shape[1], 2, dtype=torch.float64)
    torch.testing.assert_close(edge_softmax(along.arranged(scores), along), along.arranged(softmax(scores, edges[1], num_nodes=NODES)))


@pytest.mark.parametrize(("how", "theirs"), [("mean", global_mean_pool), ("sum", global_add_pool), ("max", global_max_pool)])
def test_readout(how: str, theirs: object) -> None:
    x, belongs = torch.randn(20, 3, dtype=torch.float64), torch.randint(0, 6, (20,))
    belongs[belongs == 2] = 3  # a graph without nodes
    torch.testing.assert_close(readout(x, belongs, 8, how=how), theirs(x, belongs, 8))  # type: ignore[operator]
    torch.testing.assert_close(readout(x, belongs, how=how), theirs(x, belongs))  # type: ignore[operator]
