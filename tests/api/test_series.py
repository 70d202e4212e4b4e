"""Series and tagged sentences from the file to the prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 series of two channels and 12 to 24 steps: slow or fast waves."""
    generator = np.random.default_rng(0)
    n, longest = 120, 24
    y = np.arange(n) % 2
    lengths = generator.integers(12, longest + 1, n)
    time = np.arange(longest)
    phase = generator.uniform(0, 6, (n, 1))
    wave = np.sin(time * np.where(y, 1.3, 0.5)[:, None] + phase)
    values = np.stack([wave, generator.normal(size=wave.shape)], axis=1).astype(np.float32) + generator.normal(0, 0.1, (n, 2, longest))
    values[np.broadcast_to((time >= lengths[:, None])[:, None], values.shape)] = np.nan
    path = tmp_path_factory.mktemp("waves") / "waves.npz"
    parts = {"train": slice(0, 90), "test": slice(90, n)}
    arrays = {f"{name}_{part}": array[rows] for part, rows in parts.items() for name, array in (("X", values), ("y", y), ("len", lengths))}
    np.savez(path, class_names=np.array(["slow", "fast"]), **arrays)
    return path


SMALL = ("model.width=16", "model.depth=1", "optim.lr=0.01", "train.threads=1")


def test_a_file_of_series(waves: Path, tmp_path: Path) -> None:
    run = gf.train(waves, preset="fast", sets=(*SMALL, "train.epochs=25"), out=tmp_path / "run")
    assert run.about["model"] == "series_lstm"
    assert run.about["task"] == "binary"
    assert run.metrics["accuracy"]["value"] > 0.9
    assert [entry["name"] for entry in run.analysis["targets"][0]["baselines"]] == ["majority", "linear", "boosted trees"]
    out, rows = predict_file(tmp_path / "run", waves, tmp_path / "said.csv")
    frame = pl.read_csv(out)
    assert rows == frame.height == 120
    assert set(frame["prediction"]) == {"slow", "fast"}
    assert evaluate(tmp_path / "run", waves)["rows"] == 120
    account = describe(tmp_path / "run")
    assert account["parameters"] > 0
    page = (tmp_path / "run/report.html").read_text()
    assert "series" in page
    assert (tmp_path / "run/test-ledger.jsonl").exists()


@pytest.mark.parametrize("name", ["series_rnn", "series_gru"])
def test_lists_in_python_of_every_cell(name: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    rows = [generator.normal(size=(int(n), 2)) + (i % 2) for i, n in enumerate(generator.integers(3, 9, 80))]
    data = {"walk": rows, "size": [float(row.mean()) for row in rows]}
    run = gf.train(data, "size", preset="fast", sets=(*SMALL, f"model.name={name}", "train.epochs=20"), out=tmp_path / "run")
    assert run.metrics["r2"]["value"] > 0.6
    assert run.predict({"walk": rows[:3]}).columns == ["prediction", "low", "high"]


SUBJECTS, VERBS, OBJECTS = ["dog", "cat", "Ann", "Bob"], ["sees", "likes", "bites"], ["dog", "cat", "bird", "Ann"]


def sentences(n: int) -> list[dict[str, Any]]:
    """A word's tag depends on its place: subject or object."""
    generator = np.random.default_rng(2)
    rows = []
    for _ in range(n):
        words, tags = [str(generator.choice(SUBJECTS)), str(generator.choice(VERBS))], ["subject", "verb"]
        for _ in range(int(generator.integers(1, 4))):
            words, tags = [*words, "the", str(generator.choice(OBJECTS))], [*tags, "article", "object"]
        rows.append({"words": words, "tags": tags})
    return rows


@pytest.mark.parametrize("sets", [(), ("model.crf=true",), ("model.name=transformer_tagger", "model.heads=2")])
def test_tagged_sentences(sets: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "sentences.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sentences(200)))
    small = ("model.width=16", "model.embedding_dim=8", "optim.lr=0.02", "train.threads=1", "train.epochs=8")
    run = gf.train(path, "tags", preset="fast", sets=(*small, *sets), out=tmp_path / "run")
    assert run.about["task"] == "tagging"
    assert run.metrics["accuracy"]["value"] > 0.97
    assert run.metrics["accuracy"]["low"] <= run.metrics["accuracy"]["value"] <= run.metrics["accuracy"]["high"]
    assert {"sentence_accuracy", "f1_macro"} <= set(run.metrics)
    names = [entry["name"] for entry in run.analysis["targets"][0]["baselines"]]
    assert names == ["commonest tag", "each word's commonest tag"]
    new = tmp_path / "new.jsonl"
    new.write_text('{"words": ["Bob", "sees", "the", "bird"]}\n{"words": []}\n{"words": ["Zoe", "sees", "the", "zebu", "the", "cat"]}\n')
    out, rows = predict_file(tmp_path / "run", new, tmp_path / "said.jsonl")
    said = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == 3
    assert said[0] == {"words": ["Bob", "sees", "the", "bird"], "prediction": ["subject", "verb", "article", "object"]}
    assert said[1] == {"words": [], "prediction": []}
    assert len(said[2]["prediction"]) == 6
    assert (
        predict_file(tmp_path / "run", new, tmp_path / "said.csv")[0].read_text().splitlines()[1]
        == "Bob sees the bird,subject verb article object"
    )
    assert evaluate(tmp_path / "run", path)["metrics"]["accuracy"]["value"] > 0.97
    assert "sentence" in (tmp_path / "run/report.html").read_text()
