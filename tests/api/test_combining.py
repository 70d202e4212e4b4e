"""`goodfit combine`: several runs as one that predicts like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.api.test_spine import document, table

import goodfit as gf
from goodfit.api.folder import RunFolder
from goodfit.api.kept import kept
from goodfit.api.scoring import sealed
from goodfit.base.errors import InputError
from goodfit.cli.main import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A straight line, a network, and a line that was hardly allowed a slope, for a target that is partly a line and partly not."""
    folder = tmp_path_factory.mktemp("combined")
    frame = table(600).drop("label")
    frame = frame.with_columns(price=100 + 3 * frame["z"] + (2 * frame["x"]).cos())
    frame.write_csv(folder / "train.csv")
    for name, settings in (
        ("line", {"model__name": "ridge", "model__penalty": 1.0}),
        ("network", {"model__name": "mlp", "model__width": 32, "train__epochs": 30, "optim__lr": 0.01}),
        ("useless", {"model__name": "ridge", "model__penalty": 1e9}),
    ):
        gf.train(folder / "train.csv", "price", out=folder / name, doctor=False, train__members=2, **settings)
    return folder


def test_it_is_a_run_that_is_better_than_its_parts_and_leaves_out_what_does_not_help(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [str(place / name) for name in ("line", "network", "useless")]
    assert main(["combine", *parts, "--out", str(place / "all"), "--json"]) == 0
    found = document(capsys)
    about = gf.load(place / "all").about
    assert about["score"] <= min(entry["score"] for entry in about["combined"])
    assert found["combined"][2]["weight"] == 0
    assert sum(entry["weight"] for entry in found["combined"]) == pytest.approx(1)
    assert len((place / "all" / "test-ledger.jsonl").read_text().splitlines()) == 1

    run = gf.load(place / "all")
    data, rows = sealed(RunFolder(run.folder))
    each = [gf.load(part).bundle.decoded(data, rows=rows)["mean"] for part in parts]
    wanted = np.average(each, axis=0, weights=[entry["weight"] for entry in about["combined"]])
    np.testing.assert_allclose(run.bundle.decoded(data, rows=rows)["mean"], wanted, rtol=1e-5)
    truth = data.column("price").to_numpy()[rows]
    assert run.metrics["root_mean_squared_error"]["value"] == pytest.approx(np.sqrt(np.mean((wanted - truth) ** 2)), rel=1e-4)

    new = table(40, seed=3).drop("label", "price")
    assert {"prediction", "low", "high"} <= set(run.predict(new).columns)
    assert main(["evaluate", str(run.folder), "--json"]) == 0
    assert document(capsys)["rows"] == len(rows)
    assert main(["describe", str(run.folder)]) == 0
    assert "Train again" not in (run.folder / "report.html").read_text()
    assert "combines others" in str(run.examine().examined["not_seen"])


def test_it_can_be_compared_with_its_parts(place: Path) -> None:
    made = gf.combine(place / "line", place / "network", out=place / "two")
    found = gf.compare(made, place / "line", on="valid")
    assert len(found["sides"]) == 2
    a, b = kept(made.folder), kept(place / "line")
    assert (a.rows == b.rows).all()
    assert (a.fold == b.fold).all()
    assert found["sides"][0]["metrics"]["mean_squared_error"] <= found["sides"][1]["metrics"]["mean_squared_error"]


def test_probabilities_are_averaged_before_they_are_cooled(tmp_path: Path) -> None:
    table(600).drop("price").write_csv(tmp_path / "train.csv")
    for name, penalty in (("a", 1e-3), ("b", 1e4)):
        gf.train(
            tmp_path / "train.csv",
            "label",
            out=tmp_path / name,
            doctor=False,
            model__name="ridge",
            model__penalty=penalty,
            train__members=4,
        )
    made = gf.combine(tmp_path / "a", tmp_path / "b", out=tmp_path / "both")
    found, data = made.bundle, sealed(RunFolder(made.folder))[0]
    own = kept(made.folder)
    assert found.temperatures
    assert own.prediction["probability"].sum(1) == pytest.approx(1)
    log_loss = -np.log(own.prediction["probability"][np.arange(len(own.rows)), own.truth]).mean()
    assert log_loss == pytest.approx(made.about["score"], rel=1e-3)  # the refinement is the log loss at the best temperature
    assert found.decoded(data)["probability"].shape == (600, 2)


def test_what_does_not_belong_together_is_one_sentence(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ridge = {"model__name": "ridge", "model__penalty": 1.0, "doctor": False}
    gf.train(place / "train.csv", "price", out=place / "other-seed", seed=1, **ridge)
    gf.train(place / "train.csv", "price", out=place / "other-split", data__test_fraction=0.3, **ridge)
    gf.train(place / "train.csv", "city", out=place / "city", **ridge)
    gf.train(table(100).drop("label"), "price", out=place / "frame", **ridge)
    line = str(place / "line")
    for call, words in (
        ([line], ["at least two runs", "1 given"]),
        ([line, line], ["each named once"]),
        ([line, str(place / "other-seed")], ["test rows are the same", "differ in seed"]),
        ([line, str(place / "other-split")], ["differ in data.test_fraction"]),
        ([line, str(place / "city")], ["same target"]),
        ([line, str(place / "frame")], ["same data"]),
    ):
        assert main(["combine", *call, "--out", str(tmp_path / "out"), "--json"]) == 2, call
        message = json.loads(capsys.readouterr().out)["error"]["message"]
        assert all(word in message for word in words), message
        assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="holds a run"):
        gf.combine(line, place / "network", out=line)
