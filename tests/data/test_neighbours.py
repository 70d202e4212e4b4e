"""Sampled neighbours: bounds, whose they are, each as likely, the same for the same seed, epoch and position."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from goodfit.base.errors import InputError, SettingError
from goodfit.data.blocks import join
from goodfit.data.neighbours import NeighbourBatches, _subsets, rows_of

NODES = 50


def graph(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    edges = torch.randint(0, NODES, (2, 300), generator=generator)
    edges[1, :80] = 7  # a hub
    return edges


def batches(**changed: object) -> NeighbourBatches:
    kept: dict = {"fanout": [4, 3], "batch_size": 8, "seed": 0, "shuffle": True} | changed
    return NeighbourBatches(graph(), NODES, torch.arange(NODES), **kept)


@given(
    nodes=st.integers(1, 12),
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40),
    fanout=st.lists(st.one_of(st.none(), st.integers(1, 4)), min_size=1, max_size=3),
    seed=st.integers(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_a_sample_is_a_part_of_the_graph(nodes: int, pairs: list[tuple[int, int]], fanout: list[int | None], seed: int) -> None:
    edges = torch.tensor([pair for pair in pairs if max(pair) < nodes], dtype=torch.int64).view(-1, 2).t()
    made = NeighbourBatches(edges, nodes, torch.arange(nodes), fanout=fanout, batch_size=5, seed=seed, shuffle=True)
    seen = []
    for position in range(len(made)):
        part = made.batch(0, position)
        seen += part.nodes[: part.seeds].tolist()
        assert len(set(part.nodes.tolist())) == part.nodes.numel()
        assert len(set(part.edge_rows.tolist())) == part.edge_rows.numel()
        assert torch.equal(part.nodes[part.edges], edges[:, part.edge_rows])
        assert (part.edges[1].diff() >= 0).all()
        # Each node, by its distance from the seeds, has as many neighbours as the fan-out of its layer allows.
        near, done = set(part.nodes[: part.seeds].tolist()), set()
        for most in fanout:
            for node in near:
                drawn = part.edge_rows[part.edges[1] == int((part.nodes == node).nonzero())]
                degree = int((edges[1] == node).sum())
                assert drawn.numel() == (degree if most is None else min(degree, most))
            done |= near
            near = {int(edges[0, row]) for row in part.edge_rows if int(edges[1, row]) in near} - done
        assert set(part.nodes.tolist()) == done | near
    assert sorted(seen) == list(range(nodes))


def test_batches_are_a_function_of_seed_epoch_and_position() -> None:
    made, again, other = batches(), batches(), batches(seed=1)
    for epoch, position in itertools.product((3, 0), (6, 0, 2)):
        first, second = made.batch(epoch, position), again.batch(epoch, position)
        for name in ("nodes", "edges", "edge_rows"):
            assert torch.equal(getattr(first, name), getattr(second, name))
        assert first.seeds == second.seeds
        assert not torch.equal(first.nodes, other.batch(epoch, position).nodes)
    assert not torch.equal(made.batch(0, 1).nodes, made.batch(1, 1).nodes)
    assert not torch.equal(made.order(0), made.order(1))
    assert len(made) == 7
    assert made.batch(0, 6).seeds == 2


def test_without_shuffling_seeds_keep_their_order_and_neighbours_differ_by_epoch() -> None:
    made = batches(shuffle=False)
    assert torch.equal(made.batch(4, 1).nodes[:8], torch.arange(8, 16))
    assert any(not torch.equal(made.batch(0, p).edge_rows, made.batch(1, p).edge_rows) for p in range(len(made)))


@pytest.mark.parametrize(("size", "count"), [(5, 2), (6, 3), (4, 4), (9, 1)])
def test_every_set_of_neighbours_is_as_likely(size: int, count: int) -> None:
    draws = 40_000
    chosen = _subsets(np.full(draws, size), count, np.random.default_rng(0))
    assert (np.diff(chosen, axis=1) > 0).all()
    sets, seen = np.unique(chosen, axis=0, return_counts=True)
    assert sets.tolist() == [list(one) for one in itertools.combinations(range(size), count)]
    expected = draws / len(sets)
    assert (np.abs(seen - expected) < 5 * expected**0.5).all()


def test_rows_of_dense_and_sparse_features() -> None:
    x, rows = torch.randn(9, 6).relu(), torch.tensor([4, 0, 4, 8])
    x[4] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sparse = x.to_sparse_csr()
    assert torch.equal(rows_of(x, rows), x[rows])
    assert rows_of(sparse, rows).layout == torch.sparse_csr
    assert torch.equal(rows_of(sparse, rows).to_dense(), x[rows])
    assert rows_of(sparse, rows[:0]).shape == (0, 6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "train.batch_size must be at least 1; 0 was given"),
        ({"fanout": []}, r"fanout needs a number .* for each layer; \[\] was given"),
        ({"fanout": [3, 0]}, r"\[3, 0\] was given"),
    ],
)
def test_impossible_settings_are_refused(changed: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        batches(**changed)


def test_what_is_no_graph_is_refused() -> None:
    made = {"fanout": [1], "batch_size": 4, "seed": 0, "shuffle": False}
    with pytest.raises(InputError, match=r"int64 \[2, E\]; torch.float32 \[2, 3\] was given"):
        NeighbourBatches(torch.zeros(2, 3), 5, torch.arange(5), **made)
    with pytest.raises(InputError, match="each edge of a graph must name nodes 0 to 4; 5 is named"):
        NeighbourBatches(torch.tensor([[0], [5]]), 5, torch.arange(5), **made)
    with pytest.raises(InputError, match="each seed of a graph must name nodes 0 to 4; -1 is named"):
        NeighbourBatches(torch.tensor([[0], [4]]), 5, torch.tensor([-1]), **made)
    with pytest.raises(InputError, match="node 3 occurs twice"):
        NeighbourBatches(torch.tensor([[0], [4]]), 5, torch.tensor([1, 3, 3]), **made).batch(0, 0)


def test_graphs_that_do_not_fit_are_refused() -> None:
    nodes, edges = [torch.zeros(2, 1), torch.zeros(1, 1)], [torch.tensor([[0], [1]]), torch.tensor([[0], [1]])]
    with pytest.raises(InputError, match="the edges of graph 1 must join its nodes 0 to 0; up to 1 are named"):
        join(nodes, edges)
    with pytest.raises(InputError, match="got 2 of nodes and 1 of edges"):
        join(nodes, edges[:1])
    with pytest.raises(InputError, match="graph 0 has 1 edges and features of 2"):
        join(nodes, [edges[0], edges[1][:, :0]], [torch.zeros(2, 1), torch.zeros(0, 1)])
    with pytest.raises(InputError, match=r"graph 0 has torch.float32 \[2, 1\]"):
        join(nodes, [edges[0].float(), edges[1]])
