"""Graphs from the file to the batches: edges made sound, encoders equal to the definition, and no node told its own label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data import encode_graphs, encode_traits
from goodfit.data.dataset import Dataset
from goodfit.data.encoder import Encoder
from goodfit.data.graph_batches import GraphBatches
from goodfit.data.graph_edges import sound
from goodfit.data.node_batches import NodeBatches
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.spread import ALPHA, STEPS, Spreader
from goodfit.data.target import detect

RNG = np.random.RandomState(0)
PAIRS = RNG.randint(0, 30, (2, 60))
LABELS = RNG.randint(0, 3, 30)


def written(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "g.npz", **arrays)
    return folder / "g.npz"


def graph(folder: Path, **more: Any) -> Path:
    train = np.arange(30) < 12
    masks = {"train_mask": train, "val_mask": (np.arange(30) >= 12) & (np.arange(30) < 20), "test_mask": np.arange(30) >= 24}
    return written(folder, **({"edge_index": PAIRS, "x": RNG.rand(30, 4).astype(np.float32), "labels": LABELS} | masks | more))


def molecules(rows: int = 40) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    made = []
    for index in range(rows):
        n = int(generator.integers(2, 7))
        ring = [[i, (i + 1) % n, int(generator.integers(1, 3))] for i in range(n - (index % 2))] if n > 2 else [[0, 1, 1]]
        atoms = generator.choice(["C", "N", "O"], n).tolist()
        made.append(
            {
                "id": f"m{index}",
                "atoms": atoms,
                "charge": [0] * (n - 1) + [int(index % 3 == 0)],
                "bonds": ring,
                "y": float(atoms.count("O")) + index % 2,
            }
        )
    return made


def lines(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pl.DataFrame(rows).write_ndjson(folder / "m.jsonl")
    return folder / "m.jsonl"


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
    )
)
def test_sound_edges(given_: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = given_
    made = sound(np.array(pairs, np.int64).reshape(-1, 2), n)
    wanted = {(i, j) for i, j in pairs if i != j} | {(j, i) for i, j in pairs if i != j}
    assert [tuple(edge) for edge in made.ends] == sorted(wanted, key=lambda edge: (edge[1], edge[0]))
    assert made.loops == sum(i == j for i, j in pairs)
    assert made.twice == sum(i != j for i, j in pairs) - len({(i, j) for i, j in pairs if i != j})
    for edge, row in zip(made.ends, made.kept, strict=True):
        same = [index for index, pair in enumerate(pairs) if set(pair) == set(edge)]
        exact = [index for index in same if pairs[index] == tuple(edge)]
        assert row == (exact or same)[0]


def test_one_graph_in_every_form(tmp_path: Path) -> None:
    from scipy import sparse

    x = (RNG.rand(30, 50) < 0.1) * RNG.rand(30, 50)
    rows, adjacency = sparse.csr_matrix(x), sparse.csr_matrix((np.ones(60), tuple(PAIRS)), shape=(30, 30))
    thin = {f"x_{name}": getattr(rows, name) for name in ("data", "indices", "indptr", "shape")}
    adj = {f"adj_{name}": getattr(adjacency, name) for name in ("data", "indices", "indptr", "shape")}
    forms = [{"edge_index": PAIRS, "x": x}, {"edges": PAIRS.T, "x": x}, {"edge_index": PAIRS} | thin, adj | thin]
    seen = []
    for index, form in enumerate(forms):
        (tmp_path / str(index)).mkdir()
        data = read(written(tmp_path / str(index), labels=LABELS, **form), settings=DataPart())
        encoder = Encoder.fit(data, data.schema, detect(data, DataPart()), np.arange(30), DataPart(), 0)
        encoded = encoder.encode(data)
        batch = NodeBatches(
            encoded, np.arange(30), inputs=encoder.inputs["graph"], batch_size=30, seed=0, shuffle=False, neighbours=0, layers=2
        )
        seen.append(batch.batch(0, 0).inputs)
    ends = {(i, j) for i, j in PAIRS.T.tolist() if i != j}
    assert {tuple(edge) for edge in seen[0]["edges"].T.tolist()} == ends | {(j, i) for i, j in ends}
    for other in seen[1:]:
        for name in ("edges", "nodes", "words", "places"):
            assert torch.equal(other[name], seen[0][name]), name
    scale = np.sqrt((x**2).sum(1))[(x != 0).any(1)].mean()
    word, node = seen[0]["places"]
    np.testing.assert_allclose(seen[0]["words"], x[node, word] / scale, rtol=1e-5)


def test_nodes_without_label_or_part_stay_neighbours(tmp_path: Path) -> None:
    data = read(graph(tmp_path, labels=np.where(np.arange(30) % 7 == 0, -1, LABELS), class_names=np.array(["a", "b", "c"])))
    assert data.rows == 30
    target = detect(data, DataPart())
    assert target.classes == ("a", "b", "c")
    parts = split(data, target, DataPart(), 0)
    assert parts.train.tolist() == [row for row in range(12) if row % 7]
    assert parts.test.tolist() == [row for row in range(24, 30) if row % 7]
    whole = read(written(tmp_path, edge_index=PAIRS, labels=np.where(np.arange(30) < 10, -1, LABELS)))
    chosen = split(whole, detect(whole, DataPart()), DataPart(), 0)
    assert min(np.concatenate([chosen.train, chosen.valid, chosen.test])) == 10


def _nodes(path: Path, **settings: Any) -> tuple[Dataset, Encoder, NodeBatches]:
    data = read(path)
    target = detect(data, DataPart())
    rows = split(data, target, DataPart(), 0).train
    encoder = Encoder.fit(data, data.schema, target, rows, DataPart(), 0)
    given = {"batch_size": 3, "seed": 5, "shuffle": True, "neighbours": 0, "layers": 2} | settings
    return data, encoder, NodeBatches(encoder.encode(data), rows, inputs=encoder.inputs["graph"], **given)


@pytest.mark.parametrize("neighbours", [0, 2, None])
def test_no_node_is_told_its_own_label(neighbours: int | None, tmp_path: Path) -> None:
    """Other labels at the nodes of a batch change nothing of what the batch holds."""
    _, _, batches = _nodes(graph(tmp_path), neighbours=neighbours)
    for position in range(len(batches)):
        batch = batches.batch(0, position)
        swapped = LABELS.copy()
        swapped[batch.rows] = (swapped[batch.rows] + 1) % 3
        (tmp_path / str(position)).mkdir()
        RNG_x = np.load(tmp_path / "g.npz")["x"]
        _, _, others = _nodes(graph(tmp_path / str(position), labels=swapped, x=RNG_x), neighbours=neighbours)
        other = others.batch(0, position)
        assert torch.equal(other.rows, batch.rows)
        assert not torch.equal(other.target, batch.target)
        assert all(torch.equal(other.inputs[name], batch.inputs[name]) for name in batch.inputs)


def test_labels_of_the_training_nodes_alone_are_told(tmp_path: Path) -> None:
    path = graph(tmp_path)
    x = np.load(path)["x"]
    _, first, batches = _nodes(path, shuffle=False)
    assert batches.batch(0, 0).inputs["nodes"][:, -4:].abs().sum() > 0
    (tmp_path / "b").mkdir()
    changed = np.where(np.arange(30) < 12, LABELS, (LABELS + 1) % 3)
    _, _, others = _nodes(graph(tmp_path / "b", labels=changed, x=x), shuffle=False)
    assert torch.equal(batches.batch(0, 0).inputs["nodes"], others.batch(0, 0).inputs["nodes"])
    other = np.roll(PAIRS, 1, axis=1)
    other[0, 0] = (other[0, 0] + 7) % 30
    (tmp_path / "c").mkdir()
    elsewhere = read(graph(tmp_path / "c", edge_index=other, x=x))
    told = first.encode(elsewhere).inputs["known"]
    assert isinstance(told, torch.Tensor)
    assert told.isnan().all()  # in another graph, nobody is known


@pytest.mark.parametrize("neighbours", [0, 2])
def test_a_batch_is_a_function_of_seed_epoch_and_position(neighbours: int, tmp_path: Path) -> None:
    path = graph(tmp_path)
    _, _, one = _nodes(path, neighbours=neighbours)
    wanted = [[one.batch(epoch, position) for position in range(len(one))] for epoch in range(3)]
    _, _, other = _nodes(path, neighbours=neighbours)
    for epoch, position in ((2, 1), (0, 0), (2, 0), (1, 2)):
        again, before = other.batch(epoch, position), wanted[epoch][position]
        assert torch.equal(again.rows, before.rows)
        assert again.inputs.keys() == before.inputs.keys()
        assert all(torch.equal(again.inputs[name], before.inputs[name]) for name in before.inputs)


@pytest.mark.parametrize("name", ["gcn", "graphsage", "gat", "gatv2", "gin"])
def test_all_neighbours_in_parts_say_what_the_whole_graph_does(name: str, tmp_path: Path) -> None:
    from goodfit.models import catalogue

    path = graph(tmp_path)
    data, encoder, _ = _nodes(path)
    torch.manual_seed(0)
    network = catalogue.build(name, encoder.inputs, 3, {"width": 8}).double().eval()
    encoded, rows = encoder.encode(data), np.arange(30)
    seen = []
    for size, neighbours in ((30, 0), (7, None)):
        batches = NodeBatches(
            encoded, rows, inputs=encoder.inputs["graph"], batch_size=size, seed=0, shuffle=False, neighbours=neighbours, layers=2
        )
        made = [batches.batch(0, position).inputs for position in range(len(batches))]
        seen.append(torch.cat([network(**{k: t.double() if t.is_floating_point() else t for k, t in inputs.items()}) for inputs in made]))
    torch.testing.assert_close(seen[1], seen[0])


def test_spreading_is_what_the_paper_writes() -> None:
    ends = sound(PAIRS.T, 30).ends
    counts = np.bincount(ends[:, 1], minlength=30)
    values = RNG.rand(30, 2)
    S = np.zeros((30, 30))
    for source, target in ends:
        S[target, source] = 1 / np.sqrt(counts[source] * counts[target])
    wanted = values
    for _ in range(STEPS):
        wanted = ALPHA * S @ wanted + (1 - ALPHA) * values
    spreader = Spreader(torch.from_numpy(ends[:, 0]), torch.from_numpy(np.concatenate([[0], counts.cumsum()])))
    np.testing.assert_allclose(spreader.spread(torch.from_numpy(values).float()), wanted, atol=1e-6)


def test_rows_that_are_graphs_are_found(tmp_path: Path) -> None:
    rows = molecules()
    data = read(lines(tmp_path, rows), settings=DataPart(target=("y",)))
    kinds = {column.name: (column.kind, column.role) for column in data.schema.columns}
    assert kinds["bonds"] == ("edges", "feature")
    assert kinds["atoms"] == kinds["charge"] == ("nodes", "feature")
    assert kinds["id"][1] == "ignored"
    said = " ".join(note.message for note in data.notes)
    assert "each row was read as a graph: edges in 'bonds', nodes in 'atoms', 'charge'" in said
    assert "'id' is no part of the graph and left out" in said


def test_series_of_two_channels_are_no_edges(tmp_path: Path) -> None:
    rows = [{"x": [[t, 1] for t in range(5)], "z": [0.5] * 5, "y": float(i)} for i in range(30)]
    data = read(lines(tmp_path, rows), settings=DataPart(target=("y",)))
    assert {column.kind for column in data.schema.features} == {"series"}


def test_a_graph_s_tensors_by_hand() -> None:
    frame = pl.DataFrame(
        {
            "atoms": [["C", "O", "C"], ["C", "O"], []],
            "bonds": [[[0, 1, 1], [1, 2, 2]], [[1, 0, 2]], []],
        }
    )
    encoder = encode_graphs.fit(frame, "bonds", ["atoms"], lambda i: (None, i + 1))
    found = encoder.encode(frame, lambda i: (None, i + 1))
    nodes, sizes = found["nodes"]
    edges, counts = found["edges"]
    told, _ = found["edge_features"]
    assert sizes.tolist() == [3, 2, 1]  # a row without nodes is one of which nothing is known
    assert counts.tolist() == [4, 2, 0]
    assert edges.tolist() == [[1, 0], [0, 1], [2, 1], [1, 2], [1, 0], [0, 1]]
    assert told[:, :2].tolist() == [[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 1]]  # order 1 or 2
    degree, atom = nodes[:, 1:4], nodes[:, 5:7]
    assert degree.argmax(1).tolist() == [1, 2, 1, 1, 1, 0]
    assert atom.tolist() == [[1, 0], [0, 1], [1, 0], [1, 0], [0, 1], [0, 0]]
    assert nodes.shape[1] == encoder.inputs()["features"]
    walks = nodes[:, -(encode_graphs.WALKS - 1) :]
    path = np.array([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]])
    wanted = [np.diag(np.linalg.matrix_power(path, step)) for step in range(2, encode_graphs.WALKS + 1)]
    np.testing.assert_allclose(walks[:3], np.stack(wanted, 1), atol=1e-6)
    again = encode_graphs.GraphEncoder.from_json(encoder.to_json()).encode(frame, lambda i: (None, i + 1))
    assert all(np.array_equal(again[name][0], found[name][0]) for name in found)


def test_walks_are_the_same_however_many_graphs_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame(molecules())
    encoder = encode_graphs.fit(frame, "bonds", ["atoms", "charge"], lambda i: (None, i))
    whole = encoder.encode(frame, lambda i: (None, i))["nodes"][0]
    monkeypatch.setattr(encode_graphs, "_AT_ONCE", 50)
    assert np.array_equal(encoder.encode(frame, lambda i: (None, i))["nodes"][0], whole)


def test_graph_batches_are_the_rows_alone(tmp_path: Path) -> None:
    data = read(lines(tmp_path, molecules()), settings=DataPart(target=("y",)))
    encoder = Encoder.fit(data, data.schema, detect(data, DataPart(target=("y",))), np.arange(40), DataPart(), 0)
    encoded = encoder.encode(data)
    batches = GraphBatches(encoded, np.arange(40), batch_size=7, seed=1, shuffle=True)
    rows = torch.cat([batches.batch(0, position).rows for position in range(len(batches))])
    assert sorted(rows.tolist()) == list(range(40))
    single = {
        int(batch.rows[0]): batch
        for batch in (GraphBatches(encoded, [i], batch_size=1, seed=0, shuffle=False).batch(0, 0) for i in range(40))
    }
    batch = batches.batch(0, 2)
    assert torch.equal(batch.inputs["nodes"], torch.cat([single[row].inputs["nodes"] for row in batch.rows.tolist()]))
    assert torch.equal(batch.inputs["sizes"], torch.tensor([len(single[row].inputs["nodes"]) for row in batch.rows.tolist()]))
    assert torch.equal(batch.target, torch.cat([single[row].target for row in batch.rows.tolist()]))


def test_traits() -> None:
    few = encode_traits.fit("h", pl.Series([0, 1, 1, 2]))
    assert few is not None
    assert few.encode(pl.Series([1, None, 7])).tolist() == [
        pytest.approx(row, abs=1e-3) for row in ([0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 8.485])
    ]
    words = encode_traits.fit("w", pl.Series(["b", "a", "b"]))
    assert words is not None
    assert words.encode(pl.Series(["a", "x", None])).tolist() == [[0, 1], [0, 0], [0, 0]]
    assert encode_traits.fit("c", pl.Series([3, 3])) is None


def test_another_width_is_refused(tmp_path: Path) -> None:
    data = read(graph(tmp_path))
    encoder = Encoder.fit(data, data.schema, detect(data, DataPart()), np.arange(12), DataPart(), 0)
    (tmp_path / "b").mkdir()
    other = read(graph(tmp_path / "b", x=np.zeros((30, 5), np.float32)))
    with pytest.raises(DataError, match=r"each node must have 4 numbers in 'x'; node 0 has 5"):
        encoder.encode(other)
