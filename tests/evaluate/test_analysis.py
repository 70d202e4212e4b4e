"""The document that the report reads: its form for every kind of target, and numbers that can be checked by hand."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Column, Dataset, Note, Schema, in_memory
from goodfit.data.splits import Split, split
from goodfit.data.target import TargetSpec, detect
from goodfit.evaluation.analysis import analyse
from goodfit.evaluation.mistakes import mistakes

TARGET = {
    "name", "kind", "classes", "scores", "baselines", "confusion", "residuals", "calibration", "coverage", "importance", "importance_metric",
    "mistakes",
}  # fmt: skip


def dataset(columns: dict[str, Any], targets: tuple[str, ...] = ("y",), root: Path | None = None, **kinds: str) -> Dataset:
    frame = pl.DataFrame(columns)
    described = []
    for name in frame.columns:
        series = frame[name]
        kind = kinds.get(name, "number" if series.dtype.is_numeric() else "category")
        role = "target" if name in targets else "feature"
        described.append(Column(name, kind, role, str(series.dtype), series.null_count(), series.n_unique(), "in the test"))  # type: ignore[arg-type]
    return in_memory(frame, Schema(tuple(described)), root=root)


def prepared(data: Dataset, **settings: Any) -> tuple[Dataset, TargetSpec, Split]:
    recipe = DataPart(**settings)
    target = detect(data, recipe)
    parts = split(data, target, recipe, 0)
    return data, target.fit(data, parts.train), parts


def table(n: int = 500) -> dict[str, Any]:
    stream = np.random.default_rng(0)
    a, b = stream.normal(size=(2, n))
    return {
        "a": a,
        "b": b,
        "kind": stream.choice(["u", "v"], n).tolist(),
        "y": np.where(a + 0.3 * stream.normal(size=n) > 0, "yes", "no").tolist(),
    }


def by_a(data: Dataset) -> dict[str, np.ndarray]:
    """A model that reads the column `a` alone."""
    p = 1 / (1 + np.exp(-4 * data.column("a").to_numpy()))
    return {"probability": np.stack([1 - p, p], axis=1)}


def rows_of(prediction: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[rows] for name, values in prediction.items()}


def test_two_classes() -> None:
    data, target, parts = prepared(dataset(table()))
    prediction = rows_of(by_a(data), parts.test)
    document = analyse(data, target, parts, by_a, part="test", prediction=prediction, seed=0, seconds=60)
    json.dumps(document, allow_nan=False)
    (entry,) = document["targets"]
    assert set(entry) == TARGET
    assert (entry["name"], entry["kind"], entry["classes"]) == ("y", "binary", ["no", "yes"])
    assert (entry["scores"]["part"], entry["scores"]["rows"]) == ("test", parts.test.size)
    assert set(entry["scores"]["metrics"]["roc_auc"]) == {"value", "low", "high"}
    assert [baseline["name"] for baseline in entry["baselines"]] == ["majority", "linear", "boosted trees"]
    actual, predicted = data.column("y").to_numpy()[parts.test], np.array(["no", "yes"])[prediction["probability"].argmax(1)]
    assert entry["confusion"] == {"classes": ["no", "yes"], "counts": confusion_matrix(actual, predicted).tolist()}
    assert entry["residuals"] is None
    assert entry["coverage"] is None
    assert entry["calibration"]["bins"]
    assert entry["importance_metric"] == "roc_auc"
    drops = {item["column"]: item for item in entry["importance"]}
    assert set(drops) == {"a", "b", "kind"}
    assert drops["a"]["low"] > 0.3
    assert drops["b"] == {"column": "b", "drop": 0.0, "low": 0.0, "high": 0.0}
    wrong = int((actual != predicted).sum())
    assert len(entry["mistakes"]) == min(20, wrong)
    worst = entry["mistakes"][0]
    assert set(worst) == {"row", "actual", "predicted", "probability", "loss", "values", "image"}
    assert worst["actual"] == data.column("y")[worst["row"] - 1] != worst["predicted"]
    assert worst["values"]["a"] == data.column("a")[worst["row"] - 1]
    assert set(worst["values"]) == {"a", "b", "kind"}
    assert worst["loss"] == pytest.approx(-np.log(1 - worst["probability"]))
    assert [item["loss"] for item in entry["mistakes"]] == sorted((item["loss"] for item in entry["mistakes"]), reverse=True)
    about = document["data"]
    assert set(about) == {"files", "rows", "fingerprint", "columns", "notes", "split"}
    assert about["columns"][0] == {"name": "a", "kind": "number", "role": "feature", "missing": 0, "distinct": 500, "reason": "in the test"}
    assert about["split"] == {"train": 350, "valid": 75, "test": 75, "how": parts.how}
    again = analyse(data, target, parts, by_a, part="test", prediction=prediction, seed=0, seconds=60)
    for one in (document, again):
        for baseline in one["targets"][0]["baselines"]:
            del baseline["seconds"]
    assert again == document


def test_of_more_classes_than_a_matrix_shows_the_confused_pairs_are_kept() -> None:
    stream = np.random.default_rng(0)
    names = [f"class {i:03}" for i in range(150)]
    truth = np.concatenate([np.arange(150), stream.integers(0, 150, 2_850)])
    guess = np.where(stream.random(3_000) < 0.7, truth, (truth + stream.integers(1, 4, 3_000) ** 2) % 150)
    data, target, parts = prepared(dataset({"a": stream.normal(size=3_000), "y": [names[i] for i in truth]}))
    rows = parts.test
    prediction = {"probability": np.eye(150)[guess[rows]] * 0.85 + 0.001}
    (entry,) = analyse(data, target, parts, None, part="test", prediction=prediction, seed=0, seconds=60, baseline=False)["targets"]
    expected = Counter((names[i], names[j]) for i, j in zip(truth[rows], guess[rows], strict=True) if i != j)
    found = entry["confusion"]
    assert (found["rows"], found["wrong"]) == (rows.size, expected.total())
    assert [pair["count"] for pair in found["pairs"]] == [n for _, n in expected.most_common(20)]
    for pair in found["pairs"]:
        assert expected[pair["actual"], pair["predicted"]] == pair["count"]
        assert pair["of"] == (truth[rows] == names.index(pair["actual"])).sum()
    assert len(json.dumps(found)) < 2_500


def test_a_number_with_its_interval() -> None:
    columns = table(3_000)
    columns["y"] = 100 + 10 * columns["a"] + np.random.default_rng(1).normal(size=3_000)
    data, target, parts = prepared(dataset(columns), test_fraction=0.8, valid_fraction=0.1)

    def predict(given: Dataset) -> dict[str, np.ndarray]:
        return {"mean": 100 + 10 * given.column("a").to_numpy()}

    arguments = {"part": "test", "prediction": rows_of(predict(data), parts.test), "half_widths": {"y": 1.645}, "baseline": False}
    (entry,) = analyse(data, target, parts, predict, **arguments, seconds=60)["targets"]
    assert entry["classes"] is None
    assert entry["confusion"] is None
    assert entry["calibration"] is None
    assert entry["baselines"] == []
    assert entry["coverage"]["claimed"] == 0.9
    assert entry["coverage"]["observed"] == pytest.approx(0.9, abs=0.02)
    assert len(entry["residuals"]["actual"]) == len(entry["residuals"]["predicted"]) == 2_000
    assert np.std(np.subtract(entry["residuals"]["actual"], entry["residuals"]["predicted"])) == pytest.approx(1, abs=0.1)
    assert entry["importance"][0]["column"] == "a"
    assert entry["importance_metric"] == "r2"
    worst = entry["mistakes"][0]
    assert worst["actual"] == data.column("y")[worst["row"] - 1]
    assert worst["probability"] is None
    assert abs(worst["actual"] - worst["predicted"]) == pytest.approx(worst["loss"] * target.std)


def test_several_targets_have_an_entry_each() -> None:
    columns = table() | {"z": np.random.default_rng(2).normal(size=500)}
    data, target, parts = prepared(dataset(columns, ("y", "z")))
    assert target.kind == "several"
    calls = []

    def predict(given: Dataset) -> dict[str, np.ndarray]:
        calls.append(given.rows)
        return {"y/probability": by_a(given)["probability"], "z/mean": given.column("b").to_numpy()}

    document = analyse(
        data, target, parts, predict, part="valid", prediction=rows_of(predict(data), parts.valid), half_widths={"z": 2.0}, seconds=60
    )
    first, second = document["targets"]
    assert (first["name"], first["kind"], second["name"], second["kind"]) == ("y", "binary", "z", "regression")
    assert "accuracy" in first["scores"]["metrics"]
    assert "r2" in second["scores"]["metrics"]
    assert first["scores"]["part"] == "valid"
    assert first["importance"][0]["column"] == "a"
    assert {item["column"] for item in second["importance"] if item["drop"] != 0} == {"b"}
    assert len(calls) == 1 + 1 + 3 * 5  # shuffled columns are predicted once for both
    assert second["coverage"]["half_width"] == 2.0
    assert [baseline["name"] for baseline in second["baselines"]][:2] == ["mean", "linear"]
    assert "z" not in first["mistakes"][0]["values"]


def test_labels() -> None:
    stream = np.random.default_rng(0)
    columns = table() | {"y": stream.integers(0, 2, 500), "z": stream.integers(0, 2, 500)}
    data, target, parts = prepared(dataset(columns, ("y", "z")), task="multilabel")

    def predict(given: Dataset) -> dict[str, np.ndarray]:
        return {"probability": np.tile(by_a(given)["probability"][:, 1:], (1, 2))}

    prediction = rows_of(predict(data), parts.test)
    (entry,) = analyse(data, target, parts, predict, part="test", prediction=prediction, seconds=60)["targets"]
    assert set(entry) == TARGET | {"labels"}
    assert entry["confusion"] is None
    truth, chosen = target.encode(data)[parts.test] > 0.5, prediction["probability"] >= 0.5
    assert [label["name"] for label in entry["labels"]] == ["y", "z"]
    assert [label["f1_score"] for label in entry["labels"]] == pytest.approx(f1_score(truth, chosen, average=None).tolist())
    assert [label["support"] for label in entry["labels"]] == truth.sum(0).tolist()
    assert entry["name"] == "y, z"
    assert entry["mistakes"][0]["actual"] in ("none", "y", "z", "y, z")


def test_where_there_is_no_time_only_the_scores_remain() -> None:
    data, target, parts = prepared(dataset(table()))
    (entry,) = analyse(data, target, parts, by_a, part="test", prediction=rows_of(by_a(data), parts.test), seconds=0.0)["targets"]
    assert entry["scores"]["metrics"]["accuracy"]["low"] is not None
    assert entry["baselines"] == []
    assert entry["importance"] == []
    assert entry["mistakes"]


def test_no_test_rows_of_a_class_and_no_rows_at_all() -> None:
    data, target, parts = prepared(dataset(table()))
    no = np.flatnonzero(data.column("y").to_numpy() == "no")[:10]
    one = Split(parts.train, parts.valid, no)
    (entry,) = analyse(data, target, one, by_a, part="test", prediction=rows_of(by_a(data), no), seconds=60, baseline=False)["targets"]
    assert "roc_auc" not in entry["scores"]["metrics"]
    assert entry["importance_metric"] == "log_loss"
    assert entry["importance"][0]["column"] == "a"
    none = Split(parts.train, parts.valid, np.empty(0, np.int64))
    (entry,) = analyse(data, target, none, by_a, part="test", prediction=rows_of(by_a(data), none.test), seconds=60)["targets"]
    assert entry["scores"] == {"part": "test", "rows": 0, "metrics": {}}
    assert entry["mistakes"] == []


def test_notes_are_sentences() -> None:
    data, target, parts = prepared(dataset(table()))
    object.__setattr__(data, "notes", (Note("2 rows were left out", row=7), Note("dates in 'when' were read as day first")))
    document = analyse(data, target, parts, None, part="test", prediction=rows_of(by_a(data), parts.test), baseline=False)
    assert document["data"]["notes"] == ["2 rows were left out (row 7)", "dates in 'when' were read as day first"]
    assert document["targets"][0]["importance"] == []


def test_mistakes_show_the_picture(tmp_path: Path) -> None:
    from PIL import Image

    y = np.arange(20) % 2
    for index in range(20):
        Image.new("RGB", (300, 200), (255, 0, 0) if y[index] else (0, 0, 255)).save(tmp_path / f"{index}.png")
    columns = {"picture": [f"{index}.png" for index in range(19)] + [None], "y": y}
    data = dataset(columns, root=tmp_path, picture="image")
    target = detect(data, DataPart())
    p = np.where(np.arange(20) >= 17, y, 1 - y)  # the first 17 are wrong, surer and surer
    sure = (0.55 + 0.02 * np.arange(20))[:, None]
    probability = np.where(np.eye(2)[p] == 1, sure, 1 - sure)
    found = mistakes(data, target, np.arange(20), {"probability": probability}, y)
    assert [item["row"] for item in found] == list(range(17, 0, -1))
    head, _, content = found[0]["image"].partition(",")
    assert head == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    assert max(image.size) == 96
    assert image.getpixel((48, 48)) in ((0, 0, 255), (255, 0, 0))
    assert found[0]["values"] == {"picture": "16.png"}
    swapped = mistakes(data, target, np.array([19, 3]), {"probability": np.eye(2)[1 - y[[19, 3]]]}, y[[19, 3]])
    assert [item["image"] is None for item in swapped] == [True, False]
    (tmp_path / "3.png").unlink()
    gone = mistakes(data, target, np.array([3]), {"probability": np.eye(2)[1 - y[[3]]]}, y[[3]])
    assert gone[0]["image"] is None


def test_long_values_are_cut_and_odd_ones_become_text() -> None:
    long = ["x" * 5_000] * 20
    data = dataset({"text": long, "list": [[1, 2]] * 20, "y": np.arange(20) % 2}, text="text", list="category")
    target = detect(data, DataPart())
    (found, *_) = mistakes(data, target, np.arange(20), {"probability": np.eye(2)[1 - np.arange(20) % 2]}, np.arange(20) % 2)
    assert len(found["values"]["text"]) == 501
    assert isinstance(found["values"]["list"], str)
