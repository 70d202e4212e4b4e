"""Linear networks that are solved for, from the table to the prediction, beside scikit-learn on the same encoded rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.svm import SVC, SVR, LinearSVC

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.api.solving import features
from goodfit.base.errors import SettingError
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.target import detect
from goodfit.models.linear import Linear


def table(n: int = 400) -> pl.DataFrame:
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, n))
    kind = generator.choice(["x", "y", "z"], n)
    value = 2 * a - b + np.where(kind == "x", 1.0, 0.0) + 0.5 * generator.normal(size=n)
    a = np.where(generator.random(n) < 0.1, np.nan, a)
    return pl.DataFrame(
        {
            "a": a, "b": b, "kind": kind, "weight": generator.uniform(0.5, 2, n), "value": 40 + 7 * value,
            "class": np.where(value > 0.4, "high", "low"), "level": np.digitize(value, [-1, 1]).astype(str),
        }
    )  # fmt: skip


def solved(target: str, tmp_path: Path, *sets: str) -> gf.Run:
    drop = [name for name in ("value", "class", "level") if name != target]
    sets = (*sets, f"data.drop={','.join(drop)}", "data.weight=weight", "train.threads=1")
    return gf.train(table(), target, preset="fast", sets=sets, out=tmp_path / "run")


def matrices(run: gf.Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, Linear]:
    """The encoded training rows, their targets, their weights, and the network."""
    recipe, member = run.recipe, run.bundle.members[0]
    data = read(table(), settings=recipe.data)
    rows = split(data, detect(data, recipe.data), recipe.data, recipe.seed).train
    encoded, network = member.encoder.encode(data), member.network
    assert isinstance(network, Linear)
    at = torch.from_numpy(rows)
    assert encoded.target is not None
    assert encoded.weight is not None
    return features(network, encoded, rows).numpy(), encoded.target[at].numpy(), encoded.weight[at].double().numpy(), network


def check(network: Linear, coef: np.ndarray, intercept: Any) -> None:
    assert network.weight is not None
    coef, intercept = np.atleast_2d(coef), np.atleast_1d(intercept)
    largest = max(np.abs(coef).max(), np.abs(intercept).max())
    assert np.abs(network.weight.weight.detach().numpy() - coef).max() < 1e-3 * largest
    assert np.abs(network.bias.detach().numpy() - intercept).max() < 1e-3 * largest


CASES: dict[str, tuple[str, tuple[str, ...], Any]] = {
    "ridge, numbers": ("value", ("model.name=ridge", "model.penalty=5.0"), Ridge(alpha=5.0)),
    "lasso, numbers": ("value", ("model.name=lasso", "model.penalty=0.05"), Lasso(alpha=0.05, tol=1e-10)),
    "svm, numbers": ("value", ("model.name=svm", "model.penalty=2.0", "model.tube=0.3"), SVR(kernel="linear", C=0.5, epsilon=0.3, tol=1e-9)),
    "ridge, two classes": ("class", ("model.name=ridge", "model.penalty=1.0"), LogisticRegression(C=1.0, tol=1e-9, max_iter=10_000)),
    "ridge, classes": ("level", ("model.name=ridge", "model.penalty=10.0"), LogisticRegression(C=0.1, tol=1e-9, max_iter=10_000)),
    "svm, two classes": ("class", ("model.name=svm", "model.penalty=1.0"), SVC(kernel="linear", C=1.0, tol=1e-9)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_scikit_learns_weights(case: str, tmp_path: Path) -> None:
    target, sets, other = CASES[case]
    run = solved(target, tmp_path, *sets)
    x, y, w, network = matrices(run)
    other.fit(x, y, sample_weight=w)
    check(network, other.coef_, other.intercept_)
    assert run.about["model"] == sets[0].removeprefix("model.name=")


def test_the_penalty_is_found_by_the_validation_rows(tmp_path: Path) -> None:
    run = solved("level", tmp_path, "model.name=lasso")
    history = run.history
    assert len(history) == 7
    best = min(history, key=lambda line: line["score"])
    assert run.about["best_epoch"] - 1 == best["epoch"]
    assert run.recipe.model.penalty == pytest.approx([0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003][best["epoch"]])
    assert run.metrics["accuracy"]["value"] > 0.7


def test_from_training_to_predicting(tmp_path: Path) -> None:
    run = solved("class", tmp_path, "model.name=svm", "model.loss=squared_hinge")
    table().write_csv(tmp_path / "rows.csv")
    out, rows = predict_file(run.folder, tmp_path / "rows.csv", tmp_path / "said.csv")
    said = pl.read_csv(out)
    assert rows == said.height == 400
    assert (said["prediction"] == table()["class"]).mean() > 0.8
    assert said["probability_high"].is_between(0, 1).all()
    assert evaluate(run.folder, tmp_path / "rows.csv")["metrics"]["accuracy"]["value"] > 0.8
    assert describe(run.folder)["parameters"] == run.bundle.members[0].network.weight.weight.numel() + 1  # type: ignore[union-attr]
    assert (run.folder / "report.html").stat().st_size > 10_000


def test_resumed_and_repeated_in_the_same_bits(tmp_path: Path) -> None:
    from goodfit.base.protocols import Silent

    class Killed(Silent):
        def stage(self, name: str, total: float | None = None) -> None:
            if name.startswith("scoring"):
                raise KeyboardInterrupt

    path = tmp_path / "rows.csv"
    table().write_csv(path)
    sets = ("data.drop=class,level", "model.name=ridge", "train.threads=1")
    with pytest.raises(KeyboardInterrupt):
        gf.train(path, "value", preset="fast", sets=sets, out=tmp_path / "killed", progress=Killed())
    killed = gf.train(tmp_path / "killed", resume=True)
    whole = gf.train(path, "value", preset="fast", sets=sets, out=tmp_path / "whole")
    name = "model/0/network.safetensors"
    assert (killed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert [line["score"] for line in killed.history] == [line["score"] for line in whole.history]
    assert killed.about["best_epoch"] == whole.about["best_epoch"]


def test_in_scikit_learns_clothes() -> None:
    rows = table()
    x, y = rows.select("b", "weight").to_numpy(), (rows["class"] == "high").to_numpy()
    found = gf.Classifier(model="svm", settings={"model.penalty": 1.0}).fit(x, y)
    other = LinearSVC(loss="hinge", max_iter=100_000).fit(x, y)
    assert abs(found.score(x, y) - other.score(x, y)) < 0.05


@pytest.mark.parametrize(
    ("target", "sets", "words"),
    [
        ("value", ("model.name=ridge", "optim.lr=0.1"), r"optim\.lr has no effect on ridge"),
        ("value", ("model.name=lasso", "train.epochs=3"), r"train\.epochs has no effect on lasso"),
        ("value", ("model.name=svm", "model.penalty=0"), "the penalty of svm must be above 0"),
        ("value", ("model.name=ridge", "model.tube=0.2"), "tube"),
        ("value", ("model.name=svm", "model.loss=hinge"), r"model\.loss has no effect on numbers"),
        ("class", ("model.name=svm", "model.tube=0.2"), r"model\.tube has no effect on classes"),
        ("value", ("model.name=linear", "model.penalty=1"), "penalty"),
    ],
)
def test_settings_without_effect(target: str, sets: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=words):
        solved(target, tmp_path, *sets)
    assert not (tmp_path / "run").exists()


def test_several_targets_are_not_solved_for(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="ridge is solved for binary, multiclass, regression; the target is several"):
        gf.train(table(), ("value", "level"), sets=("model.name=ridge",), out=tmp_path / "run")
