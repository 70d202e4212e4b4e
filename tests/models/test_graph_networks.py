"""Every graph network keeps the promises of the catalogue's networks, and those of graphs: no order of nodes, no word between graphs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.data.blocks import Graphs, join
from goodfit.data.neighbours import NeighbourBatches, rows_of
from goodfit.models.gat import GAT
from goodfit.models.gcn import GCN
from goodfit.models.gin import GIN
from goodfit.models.graphsage import GraphSAGE
from goodfit.nn.edges import degrees

FEATURES, OUTPUTS = 5, 4
SMALL = {"width": 8}

CASES: dict[str, tuple[type[nn.Module], dict[str, Any]]] = {
    "gcn": (GCN, SMALL),
    "gcn, deep": (GCN, SMALL | {"depth": 4, "norm": "layer", "residual": True}),
    "gcn, linear": (GCN, {"depth": 1}),
    "gcn, graphs": (GCN, SMALL | {"readout": "mean"}),
    "graphsage": (GraphSAGE, SMALL),
    "graphsage, deep": (GraphSAGE, SMALL | {"depth": 3, "norm": "batch", "residual": True, "activation": "gelu"}),
    "graphsage, graphs": (GraphSAGE, SMALL | {"readout": "max"}),
    "gat": (GAT, SMALL | {"heads": 2}),
    "gat, second": (GAT, SMALL | {"heads": 2, "version": 2, "norm": "batch", "output_heads": 3}),
    "gat, graphs": (GAT, SMALL | {"heads": 4, "readout": "sum", "residual": True}),
    "gin": (GIN, SMALL | {"depth": 2}),
    "gin, edges": (GIN, SMALL | {"depth": 2, "edge_features": 3, "readout": "sum"}),
    "gin, nodes": (GIN, SMALL | {"depth": 2, "readout": "none"}),
}
BY_GRAPH = [case for case, (network, settings) in CASES.items() if settings.get("readout", "mean" if network is GIN else "none") != "none"]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def build(case: str, seed: int = 0) -> nn.Module:
    network, settings = CASES[case]
    torch.manual_seed(seed)
    return network(FEATURES, OUTPUTS, **settings)


def small_graphs(count: int, seed: int = 0) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Nodes, edges and edge features of each: from 1 to 7 nodes, some without edges, one loop."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for index in range(count):
        nodes = 1 + (3 * index + seed) % 7
        pairs = torch.randint(0, nodes, (2, (2 * nodes) if index % 3 else 0), generator=generator)
        made.append((torch.randn(nodes, FEATURES, generator=generator), pairs, torch.randn(pairs.shape[1], 3, generator=generator)))
    return made


def batch(case: str, graphs: int = 6, seed: int = 0, start: int = 0) -> dict[str, Tensor]:
    chosen = small_graphs(graphs + start, seed)[start:]
    if not chosen:
        whole, given = small_graphs(1, seed)[0], torch.zeros(0, dtype=torch.int64)
        inputs = {"nodes": whole[0][:0], "edges": whole[1][:, :0], "graph": given, "edge_features": whole[2][:0]}
    else:
        blocks = join(*map(list, zip(*chosen, strict=True)))
        assert blocks.edge_features is not None
        inputs = {"nodes": blocks.nodes, "edges": blocks.edges, "graph": blocks.graph, "edge_features": blocks.edge_features}
    wanted = {"nodes", "edges"} | ({"graph"} if case in BY_GRAPH else set()) | ({"edge_features"} if "edges" in case else set())
    return {name: tensor for name, tensor in inputs.items() if name in wanted}


def trained(case: str) -> nn.Module:
    network = build(case)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    network.train()
    for seed in range(3):
        network(**batch(case, 8, seed))
    return network.eval()


def rows(case: str, inputs: dict[str, Tensor]) -> int:
    return int(inputs["graph"].max()) + 1 if case in BY_GRAPH else len(inputs["nodes"])


@pytest.mark.parametrize("graphs", [1, 2, 6])
def test_shape_and_finite(case: str, graphs: int) -> None:
    inputs = batch(case, graphs)
    out = trained(case)(**inputs)
    assert out.shape == (rows(case, inputs), OUTPUTS)
    assert out.isfinite().all()


def test_nothing_at_all(case: str) -> None:
    assert trained(case)(**batch(case, 0)).shape == (0, OUTPUTS)


def test_a_single_node_can_be_trained_on(case: str) -> None:
    network = build(case).train()
    network(**batch(case, 1)).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_gradients_reach_every_parameter(case: str) -> None:
    network = build(case).train()
    for seed in range(4):
        network(**batch(case, 30, seed)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_a_graphs_output_depends_on_that_graph_alone(case: str) -> None:
    network, single = trained(case).double(), []
    for index in range(6):
        inputs = batch(case, 1, start=index)
        single.append(network(**{name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}))
    inputs = batch(case, 6)
    whole = network(**{name: t.double() if t.is_floating_point() else t for name, t in inputs.items()})
    torch.testing.assert_close(whole, torch.cat(single))


def test_the_order_of_nodes_and_edges_says_nothing(case: str) -> None:
    network, inputs = trained(case).double(), batch(case)
    inputs = {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}
    whole = network(**inputs)
    order = torch.randperm(len(inputs["nodes"]))
    mixed = torch.randperm(inputs["edges"].shape[1])
    turned = {"nodes": inputs["nodes"][order], "edges": order.argsort()[inputs["edges"]][:, mixed]}
    turned |= {name: inputs[name][order] for name in ("graph",) if name in inputs}
    turned |= {name: inputs[name][mixed] for name in ("edge_features",) if name in inputs}
    torch.testing.assert_close(network(**turned), whole if case in BY_GRAPH else whole[order])


def test_edges_are_heard_from_source_to_target(case: str) -> None:
    if case in BY_GRAPH:
        return
    network = trained(case)
    nodes, edges = torch.randn(3, FEATURES), torch.tensor([[0, 1], [1, 2]])
    before = network(nodes=nodes, edges=edges)
    nodes[2] += 1
    after = network(nodes=nodes, edges=edges)
    torch.testing.assert_close(after[:2], before[:2])
    assert not torch.equal(after[2], before[2])
    nodes[0] += 1
    changed = (network(nodes=nodes, edges=edges) - after).abs().sum(1) > 0
    assert changed.tolist() == [True, True, case != "gcn, linear"]  # two steps away


def test_training_differs_from_evaluation_only_by_dropout_and_batch_norm(case: str) -> None:
    network, inputs = trained(case), batch(case)
    quiet = network(**inputs)
    network.train()
    assert not torch.equal(network(**inputs), quiet)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    # the test above moved running means
    network.load_state_dict(trained(case).state_dict())
    assert torch.equal(network(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = trained(case), batch(case)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    given = {name: tensor.clone() for name, tensor in inputs.items()}
    assert torch.equal(network(**inputs), network(**inputs))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(inputs[name], tensor) for name, tensor in given.items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = build(case, seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(2):
            network(**batch(case)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(0), run(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(run(0), run(1), strict=True))


def test_weights_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = trained(case), batch(case)
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = build(case, seed=9).eval()
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))
    assert torch.equal(copy.deepcopy(network)(**inputs), network(**inputs))


def test_double_precision_agrees_with_single(case: str) -> None:
    network, inputs = trained(case), batch(case)
    doubled = copy.deepcopy(network).double()(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), doubled.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = trained(case), batch(case)
    exact = network(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs)
    assert (rough.float() - exact).abs().max() <= 0.04 * exact.abs().max() + 0.02
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(**inputs).float().square().mean()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_export(case: str) -> None:
    network, inputs = trained(case), batch(case)
    nodes, edges = torch.export.Dim("nodes", min=2, max=4096), torch.export.Dim("edges", min=2, max=4096)
    sizes = {"nodes": {0: nodes}, "edges": {1: edges}, "graph": {0: nodes}, "edge_features": {0: edges}}
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: sizes[name] for name in inputs})
    other = batch(case, 9, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other))


@pytest.mark.parametrize("case", ["gcn", "graphsage", "gat", "gat, second"])
def test_stacked_networks_equal_each_alone(case: str) -> None:
    inputs, members = batch(case), [build(case, seed).eval() for seed in range(3)]
    parameters, buffers = torch.func.stack_module_state(members)

    def run(*state: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(members[0], state, kwargs=inputs)

    stacked = torch.func.vmap(run)(parameters, buffers)
    torch.testing.assert_close(stacked, torch.stack([member(**inputs) for member in members]))


@pytest.mark.parametrize("network", [GCN, GraphSAGE, GAT])
@pytest.mark.parametrize("residual", [False, True])
def test_sparse_nodes_give_what_dense_ones_give(network: type[nn.Module], residual: bool) -> None:
    torch.manual_seed(0)
    model = network(8, OUTPUTS, width=8, residual=residual).eval()
    nodes, edges = torch.randn(20, 8).relu(), torch.randint(0, 20, (2, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        held = nodes.to_sparse_csr()
    results = []
    for given in (nodes, held):
        out = model(nodes=given, edges=edges)
        results.append((out, torch.autograd.grad(out.square().sum(), list(model.parameters()))))
    torch.testing.assert_close(results[0], results[1])
    model.train()(nodes=held, edges=edges).sum().backward()


@pytest.mark.parametrize("case", ["gcn", "graphsage, deep", "gat", "gat, second", "gin, nodes"])
@pytest.mark.parametrize("sparse", [False, True])
def test_all_neighbours_of_a_batch_give_the_outputs_of_the_whole_graph(case: str, sparse: bool) -> None:
    if sparse and "gin" in case:
        return
    generator = torch.Generator().manual_seed(3)
    N = 60
    nodes = torch.randn(N, FEATURES, generator=generator, dtype=torch.float64).relu()
    edges = torch.cat([torch.randint(0, N, (2, 100), generator=generator), torch.tensor([[5, 9], [5, 9]])], 1)
    network = trained(case).double()
    depth = CASES[case][1].get("depth", 2)
    whole = network(nodes=nodes, edges=edges)
    held = nodes
    if sparse:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = nodes.to_sparse_csr()
    seeds = torch.randperm(N, generator=generator)[:23]
    batches = NeighbourBatches(edges, N, seeds, fanout=[None] * depth, batch_size=5, seed=0, shuffle=True)
    around = degrees(edges, N)
    for position in range(len(batches)):
        part = batches.batch(1, position)
        more = {"degrees": around[part.nodes]} if case == "gcn" else {}
        out = network(nodes=rows_of(held, part.nodes), edges=part.edges, **more)
        torch.testing.assert_close(out[: part.seeds], whole[part.nodes[: part.seeds]], rtol=1e-12, atol=1e-12)
        assert len(part.nodes) < N


def test_graphs_without_nodes_count_where_their_number_is_given() -> None:
    network = build("graphsage, graphs").eval()
    out = network(**batch("graphsage, graphs", 2), graphs=5)
    assert out.shape == (5, OUTPUTS)
    torch.testing.assert_close(out[2:], network.get_parameter("stack.head.bias").expand(3, OUTPUTS))


def test_a_batch_of_graphs_gathered_is_one_joined() -> None:
    made = small_graphs(9)
    held = Graphs(join(*map(list, zip(*made, strict=True))))
    ids = torch.tensor([7, 2, 2, 0, 8])
    taken, wanted = held.take(ids), join(*map(list, zip(*(made[i] for i in ids.tolist()), strict=True)))
    for name in ("nodes", "edges", "graph", "edge_features"):
        assert torch.equal(getattr(taken, name), getattr(wanted, name)), name
    assert taken.graphs == wanted.graphs == 5
    assert len(held) == 9
    assert held.take(ids[:0]).nodes.shape == (0, FEATURES)


def test_a_missing_input_is_named(case: str) -> None:
    network, inputs = build(case), batch(case)
    for name in set(inputs) - {"edge_features"}:
        with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
            network(**{other: tensor for other, tensor in inputs.items() if other != name})


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="residual and norm are of hidden layers, and a depth of 1 has none"):
        GCN(3, 2, depth=1, residual=True)
    with pytest.raises(SettingError, match="depth of at least 1; 0 was given"):
        GraphSAGE(3, 2, depth=0)
    with pytest.raises(SettingError, match="readout must be one of none, mean, sum, max; 'last' was given"):
        GCN(3, 2, readout="last")
    with pytest.raises(SettingError, match="version of a graph attention network must be 1 or 2; 3 was given"):
        GAT(3, 2, version=3)
    with pytest.raises(InputError, match="60 must be a multiple of heads=8"):
        GAT(3, 2, width=60)
    with pytest.raises(InputError, match=r"was built for nodes and got graph=\.\.\.; build it with readout=mean"):
        GCN(3, 2)(nodes=torch.zeros(1, 3), edges=torch.zeros(2, 0, dtype=torch.int64), graph=torch.zeros(1, dtype=torch.int64))
    with pytest.raises(InputError, match=r"a graph network expects \[N, 3\] and got \[1, 4\]"):
        GCN(3, 2)(nodes=torch.zeros(1, 4), edges=torch.zeros(2, 0, dtype=torch.int64))
