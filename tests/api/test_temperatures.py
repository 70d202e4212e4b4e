"""Probabilities of a finished run are as sure as they are right, and the temperature that makes them so travels with the bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

import goodfit as gf
from goodfit.api.review import CALIBRATED
from goodfit.base.errors import BundleError
from goodfit.bundle.bundle import Bundle, _seal
from goodfit.tasks.cooling import cooled

ROWS = 2_000


def _table(rows: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    names = np.array(["low", "middle", "high"])
    return {f"x{i}": x[:, i] for i in range(3)} | {"y": names[np.digitize(x @ [1.0, -1.0, 0.5] + 0.3 * random.normal(size=rows), [-1, 1])]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Far too unsure: trained with much label smoothing."""
    sets = ("model.name=mlp", "train.epochs=15", "train.label_smoothing=0.5", "optim.lr=0.003", "train.members=2")
    return gf.train(_table(ROWS, 0), "y", sets=sets, out=tmp_path_factory.mktemp("cool") / "run")


def test_what_smoothing_made_unsure_is_sharpened(run: Any) -> None:
    bundle = run.bundle
    assert bundle.temperatures.keys() == {"y"}
    assert 0.05 < bundle.temperatures["y"] < 0.7
    new = _table(ROWS, 1)
    data, y = bundle.read(new), new["y"]
    sure = bundle.decoded(data)["probability"]
    plain = Bundle(bundle.target, bundle.schema, bundle.members, bundle.weights).decoded(data)["probability"]
    classes = list(bundle.target.classes)
    codes = [classes.index(label) for label in y]
    losses = [log_loss(codes, p.astype(float) / p.astype(float).sum(1, keepdims=True)) for p in (sure, plain)]
    assert losses[0] < 0.8 * losses[1]
    assert np.array_equal(sure.argmax(1), plain.argmax(1))
    assert sure.dtype == plain.dtype
    np.testing.assert_allclose(sure, cooled(plain, bundle.temperatures["y"]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(sure.sum(1), 1, rtol=1e-5)
    assert json.loads((run.folder / "network.json").read_text())["temperatures"] == bundle.temperatures
    assert "Temperature of the probabilities" in (run.folder / "report.html").read_text()


def test_few_rows_and_numbers_have_none(tmp_path: Path) -> None:
    quick = ("model.name=linear", "train.epochs=2", "optim.lr=0.01")
    assert CALIBRATED > 30
    assert gf.train(_table(200, 0), "y", sets=quick, out=tmp_path / "few").bundle.temperatures == {}
    assert (
        gf.train(_table(ROWS, 0) | {"y": np.arange(ROWS) % 97 + 0.5}, "y", sets=quick, out=tmp_path / "numbers").bundle.temperatures == {}
    )


def test_of_several_targets_each_class_has_its_own(tmp_path: Path) -> None:
    table = _table(ROWS, 0)
    table |= {"z": table["x0"] * 2, "w": np.where(table["x1"] > 0, "p", "q")}
    run = gf.train(table, ["y", "z", "w"], sets=("model.name=mlp", "train.epochs=3", "optim.lr=0.003"), out=tmp_path / "run")
    assert run.bundle.temperatures.keys() == {"y", "w"}
    decoded = run.bundle.decoded(run.bundle.read(_table(50, 1)))
    for name in ("y", "w"):
        np.testing.assert_allclose(decoded[f"{name}/probability"].sum(1), 1, rtol=1e-5)


def test_rows_that_are_all_predicted_right_do_not_make_everything_certain(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(-4, 1, ROWS // 2), random.normal(4, 1, ROWS // 2)])
    run = gf.train(
        {"x": x, "y": np.where(x > 0, "p", "q")}, "y", sets=("model.name=mlp", "train.epochs=5", "optim.lr=0.003"), out=tmp_path / "run"
    )
    worst = run.predict({"x": [-4.0, 4.0]})
    assert max(worst["probability_p"][0], worst["probability_q"][1]) > 1e-9


@pytest.mark.parametrize("value", [0, -1, float("inf"), "warm"])
def test_a_temperature_that_cannot_be_is_refused(run: Any, value: Any, tmp_path: Path) -> None:
    shutil.copytree(run.folder / "model", tmp_path / "model")
    path = tmp_path / "model" / "bundle.json"
    document = json.loads(path.read_text())
    document.pop("sha256")
    document["temperatures"] = {"y": value}
    path.write_text(json.dumps(document | {"sha256": _seal(document)}))
    with pytest.raises(BundleError, match=r"temperatures|does not describe"):
        Bundle.load(tmp_path / "model")
