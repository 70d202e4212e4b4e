"""Sums over edges against dense matrices, on both ways they are computed; sparse features against dense ones; readouts and errors."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn import edges as module
from goodfit.nn import prepared as prepared_module
from goodfit.nn.edges import Ends, degrees, edge_softmax, flow, symmetric, weighted_total
from goodfit.nn.graph import GATLayer, GATv2Layer, GCNLayer, GINELayer, SAGELayer, readout
from goodfit.nn.prepared import prepared
from goodfit.nn.sparse import SparseRows, linear, sparse_dropout, sparse_rows

NODES = 12


@pytest.fixture(params=["sorted", "traced"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test runs on sorted sums, and on those that a transform can follow."""
    if request.param == "traced":
        monkeypatch.setattr(module, "traced", lambda: True)
        monkeypatch.setattr(prepared_module, "traced", lambda: True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def pairs() -> Tensor:
    edges = torch.randint(0, NODES - 2, (2, 30))
    return torch.cat([edges, torch.tensor([[1, 1, 4], [1, 1, 4]])], 1)


def adjacency(edges: Tensor, weights: Tensor) -> Tensor:
    dense = torch.zeros(NODES, NODES, dtype=weights.dtype)
    for source, target, weight in zip(*edges.tolist(), weights, strict=True):
        dense[target, source] += weight
    return dense


def csr(dense: Tensor) -> Tensor:
    with warnings.catch_warnings():  # torch says that these are new
        warnings.simplefilter("ignore")
        return dense.to_sparse_csr()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_take_and_total_are_each_others_gradient(shape: tuple[int, ...]) -> None:
    ends = Ends(torch.randint(0, NODES - 1, (20,)), NODES)
    x = torch.randn(NODES, *shape, dtype=torch.float64, requires_grad=True)
    messages = torch.randn(20, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.equal(ends.take(x), x[ends.index])
    wanted = torch.stack([messages[ends.index == node].sum(0) for node in range(NODES)])
    torch.testing.assert_close(ends.total(messages), wanted)
    for run, given in ((ends.take, x), (ends.total, messages)):
        assert torch.autograd.gradcheck(run, (given,))
        assert torch.autograd.gradgradcheck(run, (given,))


def test_weighted_total_is_a_product_with_the_adjacency_matrix() -> None:
    edges = pairs()
    weights = torch.randn(edges.shape[1], dtype=torch.float64, requires_grad=True)
    x = torch.randn(NODES, 4, dtype=torch.float64, requires_grad=True)
    along = flow(edges, NODES)
    torch.testing.assert_close(weighted_total(x, along.arranged(weights), along), adjacency(edges, weights) @ x)
    torch.testing.assert_close(weighted_total(x, None, along), adjacency(edges, torch.ones_like(weights)) @ x)
    assert torch.autograd.gradcheck(lambda x, w: weighted_total(x, along.arranged(w), along), (x, weights))
    assert torch.autograd.gradcheck(lambda x: weighted_total(x, None, along), (x,))


def test_weighted_total_by_heads() -> None:
    edges = pairs()
    weights = torch.randn(edges.shape[1], 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(NODES, 3, 2, dtype=torch.float64, requires_grad=True)
    along = flow(edges, NODES)
    wanted = torch.stack([adjacency(edges, weights[:, head]) @ x[:, head] for head in range(3)], 1)
    torch.testing.assert_close(weighted_total(x, along.arranged(weights), along), wanted)
    assert torch.autograd.gradcheck(lambda x, w: weighted_total(x, along.arranged(w), along), (x, weights))


def test_symmetric_normalisation_is_the_papers() -> None:
    edges = torch.tensor([[0, 1, 2, 2, 5], [1, 0, 1, 2, 5]])
    weights = torch.tensor([2.0, 1.0, 3.0, 0.5, 4.0], dtype=torch.float64)
    full = adjacency(edges, weights) + torch.diag(torch.tensor([1.0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1], dtype=torch.float64))
    root = full.sum(1).rsqrt()
    x = torch.eye(NODES, dtype=torch.float64)
    along = flow(edges, NODES, loops=True)
    out = weighted_total(x, symmetric(along, weights, None, x.dtype), along)
    torch.testing.assert_close(out, root[:, None] * full * root[None])
    torch.testing.assert_close(degrees(edges, NODES, weights).double(), full.sum(1))
    given = torch.rand(NODES, dtype=torch.float64)
    out = weighted_total(x, symmetric(along, weights, given, x.dtype), along)
    torch.testing.assert_close(out, given.rsqrt()[:, None] * full * given.rsqrt()[None])


def test_a_degree_that_is_not_positive_counts_as_none() -> None:
    edges, weights = torch.tensor([[0, 1], [1, 0]]), torch.tensor([-1.0, -3.0])
    assert symmetric(flow(edges, 2, loops=True), weights, None, torch.float32).tolist() == [0.0, 0.0, 0.0, 0.0]


def test_edge_softmax_adds_up_to_one_whatever_the_scores() -> None:
    edges = pairs()
    along = flow(edges, NODES, loops=True)
    scores = torch.randn(along.source.index.numel(), 2) * 200
    share = edge_softmax(scores, along)
    torch.testing.assert_close(along.target.total(share), torch.ones(NODES, 2))
    assert along.replaced is not None
    assert share[along.replaced].count_nonzero() == 0
    assert edge_softmax(scores.bfloat16(), along).dtype == torch.float32


def test_sparse_features_are_dense_ones() -> None:
    dense = torch.randn(NODES, 9, dtype=torch.float64) * (torch.rand(NODES, 9) < 0.3)
    dense[4] = 0
    x, layer = sparse_rows(csr(dense)), nn.Linear(9, 5).double()
    assert list(x.shape) == [NODES, 9]
    gradients = []
    for out in (linear(layer, x), layer(dense)):
        gradients.append((out, torch.autograd.grad(out.sin().sum(), list(layer.parameters()))))
    torch.testing.assert_close(gradients[0], gradients[1])
    bare = nn.Linear(9, 5, bias=False).double()
    torch.testing.assert_close(linear(bare, x), bare(dense))


def test_dropout_of_sparse_features_falls_on_what_is_held() -> None:
    x = sparse_rows(csr(torch.eye(200)))
    assert torch.equal(sparse_dropout(x, 0.5, False).values, x.values)  # type: ignore[union-attr]
    dropped = sparse_dropout(x, 0.5, True)
    assert isinstance(dropped, SparseRows)
    assert 60 < (dropped.values == 2).sum() < 140
    assert set(dropped.values.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("make", [GCNLayer, SAGELayer, GATLayer, GATv2Layer])
def test_layers_read_sparse_nodes(make: type[nn.Module]) -> None:
    dense, edges, layer = torch.randn(NODES, 9).relu(), pairs(), make(9, 4)
    torch.testing.assert_close(layer(csr(dense), edges), layer(dense, edges))


@pytest.mark.parametrize("make", [GCNLayer, SAGELayer, GATLayer, GATv2Layer, GINELayer])
@pytest.mark.parametrize(("nodes", "count"), [(0, 0), (1, 0), (3, 0)])
def test_graphs_without_nodes_or_edges(make: type[nn.Module], nodes: int, count: int) -> None:
    layer, x = make(4, 3).eval(), torch.randn(nodes, 4, requires_grad=True)
    out = layer(x, torch.zeros(2, count, dtype=torch.int64))
    assert out.shape == (nodes, 3)
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("make", [GATLayer, GATv2Layer])
def test_attention_dropout_falls_in_training_alone(make: type[nn.Module]) -> None:
    x, edges = torch.randn(NODES, 4), pairs()
    layer = make(4, 4, heads=2, dropout=0.5)  # type: ignore[call-arg]
    assert not torch.equal(layer(x, edges), layer(x, edges))
    layer.eval()
    assert torch.equal(layer(x, edges), layer(x, edges))
    mean = torch.stack([layer.train()(x, edges) for _ in range(800)]).mean(0)
    torch.testing.assert_close(mean, layer.eval()(x, edges), rtol=0, atol=0.25)


def test_readout_by_hand() -> None:
    x, graph = torch.tensor([[1.0], [-3.0], [5.0]]), torch.tensor([0, 0, 2])
    assert readout(x, graph, 4, how="mean").tolist() == [[-1.0], [0.0], [5.0], [0.0]]
    assert readout(x, graph, how="sum").tolist() == [[-2.0], [0.0], [5.0]]
    assert readout(-x, graph, how="max").tolist() == [[3.0], [0.0], [-5.0]]
    assert readout(x[:0], graph[:0]).shape == (0, 1)
    with pytest.raises(SettingError, match=r"readout must be one of mean, sum, max; 'means' was given; did you mean 'mean'\?"):
        readout(x, graph, how="means")
    with pytest.raises(InputError, match=r"the graph of each node expects \[3\] and got \[2\]"):
        readout(x, graph[:2])


WRONG = [
    (GCNLayer(4, 2), (torch.zeros(3, 5), torch.zeros(2, 1, dtype=torch.int64)), r"gcn expects \[N, 4\] and got \[3, 5\]"),
    (SAGELayer(4, 2), (torch.zeros(3), torch.zeros(2, 1, dtype=torch.int64)), r"graphsage expects \[N, 4\] and got \[3\]"),
    (GATLayer(4, 2), (torch.zeros(3, 5), torch.zeros(2, 1, dtype=torch.int64)), r"gat expects \[N, 4\] and got \[3, 5\]"),
    (GATv2Layer(4, 2), (torch.zeros(3, 5), torch.zeros(2, 1, dtype=torch.int64)), r"gat v2 expects \[N, 4\] and got \[3, 5\]"),
    (GCNLayer(4, 2), (torch.zeros(3, 4), torch.zeros(1, 2, dtype=torch.int64)), r"a graph's edges expects \[2, E\] and got \[1, 2\]"),
    (GCNLayer(4, 2), (torch.zeros(3, 4), torch.zeros(2, 1)), "numbers of nodes in int64; torch.float32 was given"),
    (
        GCNLayer(4, 2),
        (torch.zeros(3, 4), torch.zeros(2, 1, dtype=torch.int64), torch.ones(2)),
        r"the weights of a graph's edges expects \[1\] and got \[2\]",
    ),
    (GINELayer(4, 2), (torch.zeros(3, 5), torch.zeros(2, 1, dtype=torch.int64)), r"gin expects \[N, 4\] and got \[3, 5\]"),
    (GINELayer(4, 2), (torch.zeros(3, 4), torch.zeros(2, 1, dtype=torch.int64), torch.zeros(1, 2)), "built without edge features"),
    (
        GINELayer(4, 2, edge_features=3),
        (torch.zeros(3, 4), torch.zeros(2, 1, dtype=torch.int64)),
        "built for 3 features of an edge and got none",
    ),
    (
        GINELayer(4, 2, edge_features=3),
        (torch.zeros(3, 4), torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 3)),
        r"gin's edge features expects \[1, 3\] and got \[2, 3\]",
    ),
]


@pytest.mark.parametrize(("layer", "inputs", "message"), WRONG)
def test_wrong_shape_is_named(layer: nn.Module, inputs: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer(*inputs)


def test_sparse_nodes_of_gin_are_refused() -> None:
    with pytest.raises(InputError, match=r"must be dense; pass nodes.to_dense\(\)"):
        GINELayer(3, 2)(csr(torch.eye(3)), torch.zeros(2, 1, dtype=torch.int64))


@pytest.mark.parametrize("bad", [-1, 3])
def test_edges_to_nodes_that_do_not_exist_are_refused(bad: int, request: pytest.FixtureRequest) -> None:
    if "traced" in request.node.name:
        return  # a trace holds no numbers
    with pytest.raises(InputError, match=f"must join nodes 0 to 2; {bad} is named"):
        GCNLayer(4, 2)(torch.zeros(3, 4), torch.tensor([[0], [bad]]))


@pytest.mark.parametrize("make", [GATLayer, GATv2Layer])
def test_heads_must_divide_the_width(make: type[nn.Module]) -> None:
    with pytest.raises(InputError, match="6 must be a multiple of heads=4"):
        make(3, 6, heads=4)  # type: ignore[call-arg]


def test_what_is_prepared_lives_and_changes_with_its_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_module, "traced", lambda: False)
    tensor, made = torch.zeros(3), []

    class Made:
        pass

    def make() -> Made:
        made.append(Made())
        return made[-1]

    first = prepared(tensor, "a", make)
    assert prepared(tensor, "a", make) is first
    assert prepared(tensor, "b", make) is not first
    assert prepared(tensor.clone(), "a", make) is not first
    tensor += 1
    assert prepared(tensor, "a", make) is not first
    left = weakref.ref(made[-1])
    made.clear()
    assert left() is not None
    del tensor, first
    gc.collect()
    assert left() is None
    with torch.inference_mode():
        plain = torch.zeros(2)
    assert prepared(plain, "a", make) is not prepared(plain, "a", make)


def test_edges_changed_in_place_are_sorted_anew() -> None:
    x, edges = torch.randn(NODES, 4), pairs()
    layer = SAGELayer(4, 3)
    layer(x, edges)
    edges.copy_(edges.flip(0))
    assert torch.equal(layer(x, edges), layer(x, edges.clone()))
