"""What limits a run, from the networks that it has on other folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.api.test_spine import table

import goodfit as gf
from goodfit.evaluation.bias_variance import squared


def test_the_parts_are_those_of_the_members_on_the_test_rows(tmp_path: Path) -> None:
    """Straight lines for a target that has a curve: the same error on rows learned from, and hardly any variance."""
    frame = table(2000).drop("label")
    frame = frame.with_columns(price=(2 * frame["x"]).cos() + 0.1 * frame["z"])
    frame.write_csv(tmp_path / "train.csv")
    settings = {"model__name": "ridge", "model__penalty": 1.0, "train__members": 6}
    run = gf.train(tmp_path / "train.csv", "price", out=tmp_path / "run", doctor=False, **settings)
    found = run.analysis["targets"][0]["limits"]
    (parts,) = found["parts"]
    from goodfit.api.folder import RunFolder
    from goodfit.api.scoring import sealed

    data, rows = sealed(RunFolder(run.folder))
    said = np.stack([member.predict(data, rows=rows)["mean"] for member in run.bundle.members])
    wanted = squared(said, data.column("price").to_numpy()[rows])
    assert parts["bias"] == pytest.approx(wanted.bias, rel=1e-3)
    assert parts["variance"] == pytest.approx(wanted.variance, rel=1e-3)
    assert (found["networks"], found["rows"], found["metric"]) == (6, len(rows), "mean_squared_error")
    assert found["error"] == pytest.approx(wanted.error, rel=1e-3)
    assert parts["variance"] < 0.02 * parts["bias"]
    assert found["verdict"]["limit"] == "bias"
    page = (run.folder / "report.html").read_text()
    assert "What limits it" in page
    assert "more capacity" in page


def test_of_classes_and_several_targets_each_has_its_own(tmp_path: Path) -> None:
    settings = {"model__name": "mlp", "model__width": 16, "train__members": 2, "train__epochs": 2, "optim__lr": 0.01}
    table(300).write_csv(tmp_path / "train.csv")
    run = gf.train(tmp_path / "train.csv", ["price", "label"], out=tmp_path / "run", doctor=False, **settings)
    price, label = (entry["limits"] for entry in run.analysis["targets"])
    assert [part["loss"] for part in price["parts"]] == ["squared error"]
    assert [part["loss"] for part in label["parts"]] == ["log loss", "0-1 loss"]
    for part in (*price["parts"], *label["parts"]):
        assert part["error"] == pytest.approx(part["bias"] + part["variance"])
    assert label["learned"] > 0
    assert "What limits it" in (run.folder / "report.html").read_text()
