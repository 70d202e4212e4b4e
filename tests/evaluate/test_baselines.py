"""Baselines reach what scikit-learn reaches by hand, keep their time, and take every kind of column and target."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Column, Dataset, Schema, in_memory
from goodfit.data.splits import Split, split
from goodfit.data.target import TargetSpec, detect
from goodfit.evaluation import baselines as module
from goodfit.evaluation.baselines import baselines


def dataset(columns: dict[str, Any], targets: tuple[str, ...] = ("y",), root: Path | None = None, **kinds: str) -> Dataset:
    frame = pl.DataFrame(columns)
    described = []
    for name in frame.columns:
        series = frame[name]
        guess = (
            "number"
            if series.dtype.is_numeric()
            else "datetime"
            if series.dtype.is_temporal()
            else "boolean"
            if series.dtype == pl.Boolean
            else "category"
        )
        role = "target" if name in targets else "weight" if kinds.get(name) == "weight" else "feature"
        kind = guess if kinds.get(name) in (None, "weight") else kinds[name]
        described.append(Column(name, kind, role, str(series.dtype), series.null_count(), series.n_unique(), "in the test"))  # type: ignore[arg-type]
    return in_memory(frame, Schema(tuple(described)), root=root)


def prepared(data: Dataset, **settings: Any) -> tuple[Dataset, TargetSpec, Split]:
    recipe = DataPart(**settings)
    target = detect(data, recipe)
    return data, target, split(data, target, recipe, 0)


def mixed(n: int = 900, seed: int = 0) -> dict[str, Any]:
    """Numbers with gaps, a category, a date and a flag, all of which say something of `y`."""
    stream = np.random.default_rng(seed)
    x = stream.normal(size=(n, 3))
    kind = stream.integers(0, 4, n)
    y = (x[:, 0] + (kind == 2) * 2 - 0.5 + 0.5 * stream.normal(size=n) > 0).astype(int)
    return {
        "a": pl.Series(x[:, 0]),
        "b": pl.Series([None if stream.random() < 0.2 else float(v) for v in x[:, 1]], dtype=pl.Float64),
        "kind": [["red", "blue", None, "old"][k] for k in kind],
        "when": pl.Series(1_600_000_000_000_000 + stream.integers(0, 10**13, n)).cast(pl.Datetime("us")),
        "flag": stream.random(n) < 0.5,
        "y": y,
    }


def by_name(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in found}


def test_numbers_give_what_scikit_learn_gives_by_hand() -> None:
    stream = np.random.default_rng(0)
    x = stream.normal(size=(800, 4)) * [1, 10, 0.1, 3] + 5
    y = (x @ [1, 0.1, 10, 0] + stream.normal(size=800) > np.median(x @ [1, 0.1, 10, 0])).astype(int)
    data, target, parts = prepared(dataset({f"f{i}": x[:, i] for i in range(4)} | {"y": y}))
    found = by_name(baselines(data, target, parts, 0))
    assert list(found) == ["majority", "linear", "boosted trees"]
    by_hand = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(x[parts.train], y[parts.train])
    assert found["linear"]["metrics"]["accuracy"] == pytest.approx(accuracy_score(y[parts.test], by_hand.predict(x[parts.test])))
    trees = HistGradientBoostingClassifier().fit(x[parts.train], y[parts.train])
    assert found["boosted trees"]["metrics"]["accuracy"] == pytest.approx(
        accuracy_score(y[parts.test], trees.predict(x[parts.test])), abs=0.02
    )
    most = np.bincount(y[parts.train]).argmax()
    assert found["majority"]["metrics"]["accuracy"] == pytest.approx((y[parts.test] == most).mean())
    assert found["majority"]["metrics"]["roc_auc"] == 0.5
    assert all(entry["rows"] == parts.train.size for entry in found.values())


def test_every_kind_of_column_is_used() -> None:
    columns = mixed()
    data, target, parts = prepared(dataset(columns))
    found = by_name(baselines(data, target, parts, 0))
    assert found["linear"]["metrics"]["roc_auc"] > 0.93
    assert found["boosted trees"]["metrics"]["roc_auc"] > 0.93
    del columns["kind"]
    less = by_name(baselines(*prepared(dataset(columns)), 0))
    assert less["linear"]["metrics"]["roc_auc"] < found["linear"]["metrics"]["roc_auc"] - 0.03


def test_a_number_is_predicted_in_its_own_unit() -> None:
    stream = np.random.default_rng(0)
    x = stream.normal(size=(600, 2))
    price = 5_000 + 300 * x[:, 0] + 20 * stream.normal(size=600)
    data, target, parts = prepared(dataset({"a": x[:, 0], "b": x[:, 1], "y": price}))
    found = by_name(baselines(data, target, parts, 0))
    assert list(found) == ["mean", "linear", "boosted trees"]
    assert found["linear"]["metrics"]["r2"] > 0.98
    assert 10 < found["linear"]["metrics"]["mean_absolute_error"] < 25
    mean = price[parts.train].mean()
    assert found["mean"]["metrics"]["r2"] == pytest.approx(r2_score(price[parts.test], np.full(parts.test.size, mean)), abs=1e-6)


def test_labels_texts_and_rare_classes() -> None:
    stream = np.random.default_rng(0)
    columns = mixed()
    columns["z"] = (columns["a"].to_numpy() > 0.5).astype(int)
    several = dataset(columns, ("y", "z"))
    found = by_name(baselines(*prepared(several, task="multilabel"), 0))
    assert found["linear"]["metrics"]["f1_macro"] > 0.8
    assert found["boosted trees"]["metrics"]["roc_auc_macro"] > 0.9
    words = np.array(["good", "fine", "bad", "poor"])
    y = stream.integers(0, 2, 400)
    texts = [" ".join([*stream.choice(["the", "a", "film", "was"], 5), words[2 * v + stream.integers(2)]]) for v in y]
    texts[3] = None  # type: ignore[call-overload]
    found = by_name(baselines(*prepared(dataset({"text": texts, "y": y}, text="text")), 0))
    assert list(found) == ["majority", "TF-IDF and linear"]
    assert found["TF-IDF and linear"]["metrics"]["accuracy"] > 0.97
    empty = by_name(baselines(*prepared(dataset({"text": ["..."] * 40, "y": np.arange(40) % 2}, text="text")), 0))
    assert empty["TF-IDF and linear"]["metrics"]["accuracy"] == pytest.approx(0.5, abs=0.2)
    rare = mixed() | {"y": ["often"] * 500 + ["also"] * 398 + ["once"] * 2}
    found = by_name(baselines(*prepared(dataset(rare)), 0))
    assert "boosted trees" in found


def test_pictures_get_a_linear_model_on_pixels(tmp_path: Path) -> None:
    from PIL import Image

    stream = np.random.default_rng(0)
    y = stream.integers(0, 2, 160)
    for index, label in enumerate(y):
        pixels = stream.integers(0, 120, (20, 20), dtype=np.uint8)
        pixels[:, 10 * label : 10 * label + 10] += 120
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    data = dataset({"picture": [f"{index}.png" for index in range(160)], "y": y}, root=tmp_path, picture="image")
    found = by_name(baselines(*prepared(data), 0))
    assert list(found) == ["majority", "linear on pixels"]
    assert found["linear on pixels"]["metrics"]["accuracy"] > 0.95


def test_weights_count() -> None:
    columns = mixed() | {"w": np.random.default_rng(0).uniform(0.0, 1.0, 900)}
    columns["w"][np.asarray(columns["y"]) == 0] *= 0.01
    found = by_name(baselines(*prepared(dataset(columns, w="weight")), 0))
    assert found["majority"]["metrics"]["accuracy"] > 0.95  # of the weight, not of the rows


def test_it_is_the_same_again_where_time_does_not_press() -> None:
    arguments = prepared(dataset(mixed()))
    first, again = (baselines(*arguments, 3) for _ in range(2))
    assert [entry["metrics"] for entry in first] == [entry["metrics"] for entry in again]


def test_as_many_rows_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])

    def fit_of(cost: float) -> Any:
        def fit(rows: np.ndarray) -> dict[str, np.ndarray]:
            clock[0] += cost * rows.size
            return {"size": np.array(rows.size)}

        return fit

    for seconds, cost, least in ((100.0, 1e-3, 20_000), (10.0, 1e-3, 4_000), (2.0, 1e-3, 1_000), (0.0, 1.0, 1_000)):
        clock[0] = 0.0
        prediction, rows = module._within(fit_of(cost), 20_000, seconds, 0)
        assert rows == int(prediction["size"])
        assert rows >= least
        assert clock[0] <= max(2.2 * seconds, 1_000 * cost)  # the second fit is planned by an assumed power of the rows
    assert module._within(fit_of(1e-9), 700, 1.0, 0)[1] == 700


def test_no_time_leaves_the_constant_alone() -> None:
    begun = time.monotonic()
    found = baselines(*prepared(dataset(mixed())), 0, seconds=0.0)
    assert [entry["name"] for entry in found] == ["majority"]
    assert time.monotonic() - begun < 60


def test_a_handful_of_rows() -> None:
    for n in (5, 8):
        columns = {"a": np.arange(n) * 1.0, "k": ["x", "y"] * (n // 2) + ["x"] * (n % 2), "y": np.arange(n) % 2}
        assert baselines(*prepared(dataset(columns)), 0)[0]["name"] == "majority"
        assert baselines(*prepared(dataset(columns | {"y": np.arange(n) * 0.7}), task="regression"), 0)[0]["name"] == "mean"
