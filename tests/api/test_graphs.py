"""Graphs from the file to the prediction: the nodes of one, and rows that are graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, SettingError
from goodfit.base.protocols import Silent

FAST = ("optim.lr=0.01", "train.threads=1", "model.width=16")


def communities(folder: Path, n: int = 240) -> Path:
    """Three groups that keep to themselves, with features that hardly tell them apart."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, n)
    ends = generator.integers(0, n, (2, 12 * n))
    kept = (labels[ends[0]] == labels[ends[1]]) | (generator.random(ends.shape[1]) < 0.05)
    x = generator.normal(size=(n, 5)).astype(np.float32)
    x[:, 0] += labels
    part = generator.permutation(n)
    masks = {"train_mask": part < n // 4, "val_mask": (part >= n // 4) & (part < n // 2), "test_mask": part >= n // 2}
    path = folder / "groups.npz"
    np.savez(path, edge_index=ends[:, kept][:, : 3 * n], x=x, labels=labels, class_names=np.array(["red", "green", "blue"]), **masks)
    return path


def rings(folder: Path, rows: int = 240) -> Path:
    """Paths and rings of two kinds of atom; what is asked is a sum over atoms, and more for a ring."""
    generator = np.random.default_rng(0)
    made = []
    for index in range(rows):
        n = int(generator.integers(3, 9))
        closed = bool(generator.random() < 0.5)
        atoms = generator.choice(["C", "O"], n).tolist()
        bonds = [[i, i + 1, 1] for i in range(n - 1)] + ([[0, n - 1, 2]] if closed else [])
        value = atoms.count("O") - 0.3 * n + 2.0 * closed
        made.append({"name": f"molecule {index} of {n}", "atoms": atoms, "bonds": bonds, "value": value, "ring": "yes" if closed else "no"})
    path = folder / "rings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


@pytest.mark.parametrize("name", ["graphsage", "gcn", "gat"])
def test_nodes(name: str, tmp_path: Path) -> None:
    path = communities(tmp_path)
    run = gf.train(path, preset="fast", sets=(*FAST, "train.epochs=60", f"model.name={name}"), out=tmp_path / "run")
    assert run.about["task"] == "multiclass"
    assert run.metrics["accuracy"]["value"] > 0.75
    baselines = {entry["name"]: entry["metrics"]["accuracy"] for entry in run.analysis["targets"][0]["baselines"]}
    assert baselines["linear, without edges"] < 0.65 < 0.7 < baselines["neighbours' labels, spread"]
    graph = run.analysis["data"]["graph"]
    assert graph["nodes"] == 240
    assert graph["homophily"] > 0.8
    page = (tmp_path / "run/report.html").read_text()
    assert "says much of what it is" in page
    out, rows = predict_file(tmp_path / "run", path, tmp_path / "said.csv")
    said = pl.read_csv(out)
    assert rows == 240
    assert said.columns == ["prediction", "probability_blue", "probability_green", "probability_red"]
    stored = np.load(path)
    test = stored["test_mask"]
    right = (said["prediction"].to_numpy() == stored["class_names"][stored["labels"]])[test]
    assert right.mean() == pytest.approx(run.metrics["accuracy"]["value"])
    assert evaluate(tmp_path / "run")["metrics"]["accuracy"]["value"] == pytest.approx(right.mean())
    assert describe(tmp_path / "run")["parameters"] > 0


def test_nodes_whose_label_the_network_was_told_are_not_scored(tmp_path: Path) -> None:
    path, told = communities(tmp_path), []

    class Listening(Silent):
        def say(self, message: str) -> None:
            told.append(message)

    gf.train(path, preset="fast", sets=(*FAST, "train.epochs=2"), out=tmp_path / "run")
    assert evaluate(tmp_path / "run", path, progress=Listening())["rows"] == 180
    assert any("60 nodes" in message for message in told)


def test_a_graph_that_was_not_there_in_training(tmp_path: Path) -> None:
    gf.train(communities(tmp_path), preset="fast", sets=(*FAST, "train.epochs=2"), out=tmp_path / "run")
    (tmp_path / "other").mkdir()
    other = communities(tmp_path / "other", 90)
    assert predict_file(tmp_path / "run", other, tmp_path / "said.csv")[1] == 90
    assert evaluate(tmp_path / "run", other)["rows"] == 90


@pytest.mark.parametrize("target", ["value", "ring"])
def test_rows_that_are_graphs(target: str, tmp_path: Path) -> None:
    path = rings(tmp_path)
    other = "ring" if target == "value" else "value"
    sets = (*FAST, "train.epochs=30", "train.batch_size=32", f"data.drop={other}")
    run = gf.train(path, target, preset="fast", sets=sets, out=tmp_path / "run")
    if target == "value":
        assert run.metrics["r2"]["value"] > 0.9
    else:
        assert run.metrics["accuracy"]["value"] > 0.95
    assert [entry["name"] for entry in run.analysis["targets"][0]["baselines"]][1:] == ["linear on counts", "boosted trees on counts"]
    assert run.analysis["data"]["graph"]["graphs"] == 240
    if target == "value":
        assert "molecule" in (tmp_path / "run/report.html").read_text()  # the worst mistakes bear their names
    new = [
        {"atoms": ["C", "C", "O"], "bonds": [[0, 1, 1], [1, 2, 1]]},
        {"atoms": ["C", "N", "O"], "bonds": [[0, 1, 1], [1, 2, 1], [0, 2, 2]]},
    ]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
    out, rows = predict_file(tmp_path / "run", tmp_path / "new.jsonl", tmp_path / "said.csv")
    assert rows == 2
    said = pl.read_csv(out)["prediction"].to_list()
    assert said[0] < said[1]  # no ring and a ring, in numbers and in words
    assert evaluate(tmp_path / "run", path)["rows"] == 240
    assert describe(tmp_path / "run")["parameters"] > 0


class Stopping(Silent):
    """Ends a training at its seventh update, as a kill would."""

    def __init__(self) -> None:
        self.updates = 0

    def advance(self, amount: float = 1.0, **values: Any) -> None:
        self.updates += amount == 1.0
        if self.updates == 7:
            raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["whole graph", "sampled", "graphs"])
def test_interrupted_and_resumed_ends_in_the_same_bits(what: str, tmp_path: Path) -> None:
    sets = [*FAST, "train.epochs=4", "train.checkpoint_every=0", "train.precision=float32"]
    if what == "graphs":
        source, target = rings(tmp_path, 80), "value"
        sets += ["data.drop=ring", "train.batch_size=16"]
    else:
        source, target = communities(tmp_path), "labels"
        sets += ["train.batch_size=15", "train.neighbours=2" if what == "sampled" else "train.neighbours=0"]
    gf.train(source, target, preset="fast", sets=sets, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        gf.train(source, target, preset="fast", sets=sets, out=tmp_path / "cut", progress=Stopping())
    gf.train(resume=True, out=tmp_path / "cut")
    weights = [(tmp_path / name / "model/0/network.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_refused(tmp_path: Path) -> None:
    nodes, graphs = communities(tmp_path), rings(tmp_path)
    for source, target, sets, said in (
        (graphs, "value", (), r"'ring' \(boolean\) stands beside it; leave it out with data\.drop=ring"),
        (graphs, "value", ("data.drop=ring,bonds",), "tokens|lists of texts"),
    ):
        with pytest.raises(DataError, match=said):
            gf.train(source, target, sets=sets, out=tmp_path / "run")
    for source, target, sets, said in (
        (graphs, "value", ("data.drop=ring", "train.neighbours=3"), r"train\.neighbours is for rows that are nodes"),
        (nodes, "labels", ("train.mixup=0.2",), r"train\.mixup mixes rows"),
        (nodes, "labels", ("train.accumulate=2",), r"train\.accumulate cuts a batch"),
        (nodes, "labels", ("model.name=tabm",), "the data have graph; take gcn or graphsage"),
        (graphs, "value", ("data.drop=ring", "data.spread_labels=false"), r"data\.spread_labels has no effect"),
    ):
        with pytest.raises(SettingError, match=said):
            gf.train(source, target, sets=sets, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
