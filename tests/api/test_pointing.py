"""Answers that are places of the list in the row, from the file to the prediction."""

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

SMALL = ("model.width=32", "optim.lr=0.003", "train.threads=1", "train.epochs=12", "train.batch_size=64", "train.precision=float32")


def unsorted(n: int, longest: int = 5, seed: int = 0) -> list[dict[str, Any]]:
    """Lists of two to `longest` numbers, and the order in which they rise."""
    generator = np.random.default_rng(seed)
    made = [generator.random(generator.integers(2, longest + 1)).round(4) for _ in range(n)]
    return [{"numbers": row.tolist(), "order": row.argsort().tolist()} for row in made]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["pointer_transformer", "pointer"])
def test_sorting(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "sort.jsonl", unsorted(2000))
    sets = (*SMALL, f"model.name={name}", *(["model.depth=1"] if name == "pointer_transformer" else []))
    run = gf.train(path, "order", preset="fast", sets=sets, out=tmp_path / "run")
    assert run.about["task"] == "pointing"
    assert run.bundle.target.visits == "all"
    assert run.metrics["accuracy"]["value"] > 0.6
    assert run.metrics["step_accuracy"]["value"] > 0.8
    baselines = {entry["name"]: entry["metrics"]["accuracy"] for entry in run.analysis["targets"][0]["baselines"]}
    assert baselines.keys() == {"the list as it stands", "nearest training row"}
    assert baselines["the list as it stands"] < 0.3
    new = write(tmp_path / "new.jsonl", [{"numbers": [0.9, 0.1]}, {"numbers": [0.8, 0.2, 0.9, 0.1, 0.5, 0.65, 0.35]}])
    out, rows = predict_file(tmp_path / "run", new, tmp_path / "said.csv")
    said = pl.read_csv(out)
    assert rows == 2
    assert said["prediction"][0] == "1 0"
    assert [float(number) for number in said["numbers_named"][0].split()] == pytest.approx([0.1, 0.9], abs=1e-6)
    assert sorted(said["prediction"][1].split()) == list("0123456"), "a list that is longer than any in training"
    assert evaluate(tmp_path / "run", path)["metrics"]["accuracy"]["value"] > 0.6
    assert describe(tmp_path / "run")["parameters"] > 0
    assert "Places right at their turn" in (tmp_path / "run/report.html").read_text()


def test_predictions_keep_their_lists(tmp_path: Path) -> None:
    rows = [{"points": [[i / 9, 1 - i / 9], [0.5, 0.5], [0.1, i / 9]], "first": [i % 3]} for i in range(60)]
    run = gf.train(write(tmp_path / "points.jsonl", rows), "first", sets=(*SMALL, "train.epochs=1", "model.depth=1"), out=tmp_path / "run")
    assert run.bundle.target.visits == "once"
    said = run.predict({"points": [row["points"] for row in rows[:5]]})
    for row, places, named in zip(rows, said["prediction"].to_list(), said["points_named"].to_list(), strict=False):
        assert np.allclose(named, [row["points"][place] for place in places])
    out, _ = predict_file(tmp_path / "run", tmp_path / "points.jsonl", tmp_path / "said.jsonl")
    assert json.loads(out.read_text().splitlines()[0])["prediction"] == said["prediction"][0].to_list()


def test_labels_of_long_lists_are_no_places(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [{"x": generator.random(20).tolist(), "labels": sorted(generator.choice(4, 2, replace=False).tolist())} for _ in range(60)]
    path = write(tmp_path / "data.jsonl", rows)
    run = gf.train(path, "labels", sets=("train.epochs=1", "train.threads=1", "optim.lr=0.01", "model.width=4"), out=tmp_path / "run")
    assert run.about["task"] == "multilabel"


def test_refused(tmp_path: Path) -> None:
    rows = unsorted(60)
    plain = {"x": list(range(60)), "order": [row["order"] for row in rows]}
    beside = {"numbers": [row["numbers"] for row in rows], "age": [i * 0.7 for i in range(60)], "order": plain["order"]}
    lists = {"numbers": beside["numbers"], "order": plain["order"]}
    beyond = lists | {"order": [[len(row["order"])] if i == 6 else row["order"] for i, row in enumerate(rows)]}
    for table, task, words in (
        (plain, "pointing", "pointing needs lists of numbers or of points to point into"),
        (beside, "pointing", "'age' hold something else: leave them out with data.drop"),
        (beyond, None, r"in row 7 names \d in a list of \d; places are counted from 0"),
        (lists | {"order": [["a"]] * 60}, "pointing", "whole numbers from 0"),
        (lists | {"order": [[]] * 60}, "pointing", "empty lists only|whole numbers from 0"),
    ):
        with pytest.raises(DataError, match=words):
            gf.train(table, "order", task=task, sets=SMALL, out=tmp_path / "run")
    with pytest.raises(SettingError, match="label_smoothing"):
        gf.train(lists, "order", sets=(*SMALL, "train.label_smoothing=0.1"), out=tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
