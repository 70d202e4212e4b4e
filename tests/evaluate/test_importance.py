"""Permutation importance against scikit-learn's, and within its time."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from goodfit.data.target import TargetSpec
from goodfit.evaluation import importance as module
from goodfit.evaluation.importance import importance
from goodfit.evaluation.scores import values
from goodfit.evaluation.single import METRICS, single


def linear(n: int = 1_500, m: int = 5) -> tuple[pl.DataFrame, np.ndarray, LinearRegression]:
    stream = np.random.default_rng(0)
    x = stream.normal(size=(n, m))
    y = 3 * x[:, 0] + x[:, 1] + 0.1 * stream.normal(size=n)
    return pl.DataFrame(x, schema=[f"f{i}" for i in range(m)]), y, LinearRegression().fit(x, y)


def test_drops_are_those_of_scikit_learn() -> None:
    frame, y, model = linear()
    (found,) = importance(
        frame,
        frame.columns,
        lambda table: {"mean": model.predict(table.to_numpy())},
        lambda prediction, rows: [r2_score(y[rows], prediction["mean"])],
        maximise=[True],
        seed=0,
        repeats=10,
    )
    wanted = permutation_importance(model, frame.to_numpy(), y, scoring="r2", n_repeats=10, random_state=0).importances_mean
    drops = {entry["column"]: entry["drop"] for entry in found}
    assert [entry["column"] for entry in found[:2]] == ["f0", "f1"]
    for index, column in enumerate(frame.columns):
        assert drops[column] == pytest.approx(wanted[index], abs=0.03 + 0.03 * wanted[index])
    for entry in found:
        assert entry["low"] <= entry["drop"] <= entry["high"]
    useless = [entry for entry in found if entry["column"] not in ("f0", "f1")]
    assert all(entry["low"] <= 0.001 and abs(entry["drop"]) < 0.001 for entry in useless)


def test_a_loss_that_rises_is_a_drop_and_several_scores_share_predictions() -> None:
    frame, y, model = linear(400)
    calls = []

    def predict(table: pl.DataFrame) -> dict[str, np.ndarray]:
        calls.append(table.height)
        return {"mean": model.predict(table.to_numpy())}

    error, other = importance(
        frame,
        frame.columns,
        predict,
        lambda prediction, rows: [float(np.abs(prediction["mean"] - y[rows]).mean()), float("nan")],
        maximise=[False, True],
        seed=0,
        repeats=2,
    )
    assert error[0]["column"] == "f0"
    assert error[0]["drop"] > 1
    assert other == []  # undefined everywhere
    assert len(calls) == 1 + 2 * 5


def test_it_is_the_same_again_and_takes_a_sample() -> None:
    frame, y, model = linear(3_000)
    sizes = set()

    def predict(table: pl.DataFrame) -> dict[str, np.ndarray]:
        sizes.add(table.height)
        return {"mean": model.predict(table.to_numpy())}

    run = [
        importance(frame, ["f1", "f0"], predict, lambda p, rows: [r2_score(y[rows], p["mean"])], maximise=[True], seed=4) for _ in range(2)
    ]
    assert run[0] == run[1]
    assert sizes == {2_000}


def test_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, y, model = linear(1_500)
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])

    def predict(table: pl.DataFrame) -> dict[str, np.ndarray]:
        clock[0] += 1e-3 * table.height
        return {"mean": model.predict(table.to_numpy())}

    def run(seconds: float) -> list[dict[str, float]]:
        return importance(
            frame, frame.columns, predict, lambda p, rows: [r2_score(y[rows], p["mean"])], maximise=[True], seed=0, seconds=seconds
        )[0]

    assert len(run(100.0)) == 5
    clock[0] = 0.0
    assert len(run(4.0)) == 5  # fewer rows, all columns
    assert clock[0] <= 4 + 1.5 + 0.5
    clock[0] = 0.0
    assert 1 <= len(run(0.0)) < 5
    assert importance(frame[:0], frame.columns, predict, lambda p, rows: [0.0], maximise=[True], seed=0) == [[]]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_single_metrics_are_those_of_scores(kind: str, weighted: bool) -> None:
    stream = np.random.default_rng(0)
    w = stream.uniform(0.1, 2, 200) if weighted else None
    if kind == "regression":
        spec, y = TargetSpec("regression", ("y",), mean=4.0, std=2.0), stream.normal(size=200)
        prediction = {"mean": y * 2 + 4 + stream.normal(size=200)}
    elif kind == "multilabel":
        spec, y = TargetSpec("multilabel", ("y",), ("a", "b", "c")), (stream.random((200, 3)) < 0.4).astype(np.float32)
        prediction = {"probability": np.clip(0.4 * y + 0.5 * stream.random((200, 3)), 0, 1).astype(np.float32)}
    else:
        C = 2 if kind == "binary" else 4
        spec, y = TargetSpec(kind, ("y",), tuple(range(C))), stream.integers(0, C, 200)  # type: ignore[arg-type]
        p = stream.random((200, C)) + np.eye(C)[y]
        prediction = {"probability": (p / p.sum(1, keepdims=True)).astype(np.float32)}
    wanted = values(spec, prediction, y, w)
    for metric in METRICS[kind]:
        assert single(metric, spec, prediction, y, w) == pytest.approx(wanted[metric], rel=1e-6)
