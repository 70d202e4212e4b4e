"""The main job from the file to the prediction, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.cli.main import main

FAST = ["--set", "train.epochs=4", "--set", "model.width=16", "--set", "model.members=4", "--set", "optim.lr=0.003"]


def table(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    x, z = random.normal(size=rows), random.normal(size=rows)
    city = random.choice(["Bonn", "Graz", "Bern"], rows)
    label = np.where(x + (city == "Graz") + 0.2 * random.normal(size=rows) > 0.3, "yes", "no")
    return pl.DataFrame({"x": x, "z": z, "city": city, "price": 100 + 30 * x + 5 * z, "label": label})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spine")
    table().drop("price").write_csv(folder / "train.csv")
    assert main(["train", str(folder / "train.csv"), "--target", "label", "--out", str(folder / "run"), *FAST]) == 0
    return folder / "run"


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_the_run_folder_is_whole(run: Path) -> None:
    for name in ("recipe.yaml", "schema.json", "data.json", "environment.json", "history.jsonl", "findings.json", "test-ledger.jsonl", "report.html",
                 "analysis.json", "network.json", "model/bundle.json", "checkpoints/last", "checkpoints/best"):  # fmt: skip
        assert (run / name).exists(), name
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert len((run / "test-ledger.jsonl").read_text().splitlines()) == 1
    assert not (run / "cache").exists()


def test_predict_writes_every_row_in_order(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = table(50, seed=1).drop("price", "label")
    new.write_csv(tmp_path / "new.csv")
    for ending in ("csv", "parquet", "jsonl"):
        assert main(["predict", str(run), str(tmp_path / "new.csv"), "--out", str(tmp_path / f"out.{ending}"), "--json"]) == 0
        assert document(capsys)["rows"] == 50
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.columns == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_allclose(out["probability_no"] + out["probability_yes"], 1, atol=1e-6)
    alone = pl.concat([gf.predict(run, new[i]) for i in range(5)])
    np.testing.assert_allclose(alone["probability_yes"], out["probability_yes"][:5], atol=1e-5)
    assert (out["prediction"] == "yes").to_list() == (out["probability_yes"] > 0.5).to_list()


def test_evaluate_on_labelled_rows(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(300, seed=2).drop("price").write_csv(tmp_path / "labelled.csv")
    assert main(["evaluate", str(run), str(tmp_path / "labelled.csv"), "--json"]) == 0
    result = document(capsys)
    assert result["rows"] == 300
    assert {"accuracy", "roc_auc", "log_loss"} <= set(result["metrics"])
    for score in result["metrics"].values():
        assert score["low"] <= score["value"] <= score["high"]
    predicted = gf.predict(run, tmp_path / "labelled.csv")["prediction"]
    accuracy = float((predicted == table(300, seed=2)["label"]).mean())  # type: ignore[arg-type]
    assert result["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert accuracy > 0.75


def test_the_test_set_is_sealed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = len((run / "test-ledger.jsonl").read_text().splitlines())
    assert main(["evaluate", str(run), "--json"]) == 0
    said = capsys.readouterr()
    trained = {name: score["value"] for name, score in gf.load(run).metrics.items()}
    assert {n: s["value"] for n, s in json.loads(said.out)["metrics"].items()} == pytest.approx(trained, rel=1e-5)
    assert len((run / "test-ledger.jsonl").read_text().splitlines()) == before + 1
    assert "opened" in said.err


def test_describe_models_settings_runs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(run), "--json"]) == 0
    account = document(capsys)
    assert account["parameters"] == sum(row["parameters"] for row in account["rows"])
    assert account["training_bytes"] > 4 * 4 * account["parameters"]
    assert main(["models", "--json"]) == 0
    assert {"linear", "mlp", "tabm", "resnet9", "transformer", "gru"} <= {entry["name"] for entry in document(capsys)}
    assert main(["settings", "--json"]) == 0
    assert "optim.lr" in {entry["name"] for entry in document(capsys)}
    assert main(["runs", str(run.parent), "--json"]) == 0
    assert document(capsys)[0]["status"] == "finished"
    for verb in (["describe", str(run)], ["models"], ["settings"], ["runs", str(run.parent)], ["evaluate", str(run)], ["report", str(run)]):
        assert main(verb) == 0


def test_a_missing_renamed_or_retyped_column(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = table(20).drop("price", "label")
    for frame, words in (
        (new.drop("x"), ["'x'"]),
        (new.rename({"city": "City"}), ["'city'", "City"]),
        (new.with_columns(x=pl.lit("much")), ["'x'", "much"]),
    ):
        frame.write_csv(tmp_path / "bad.csv")
        assert main(["predict", str(run), str(tmp_path / "bad.csv"), "--out", str(tmp_path / "o.csv"), "--json"]) == 2
        message = document(capsys)["error"]["message"]
        assert all(word in message for word in words), message
        assert not (tmp_path / "o.csv").exists()
    new.with_columns(extra=pl.lit(1)).write_csv(tmp_path / "extra.csv")
    assert main(["predict", str(run), str(tmp_path / "extra.csv"), "--out", str(tmp_path / "o.csv")]) == 0
    assert "extra" in capsys.readouterr().err


def test_same_seed_same_bits_another_seed_others(run: Path, tmp_path: Path) -> None:
    for name, seed in (("same", "0"), ("other", "1")):
        assert (
            main(["train", str(run.parent / "train.csv"), "--target", "label", "--out", str(tmp_path / name), "--seed", seed, *FAST]) == 0
        )
    weights = "model/0/network.safetensors"
    assert (run / weights).read_bytes() == (tmp_path / "same" / weights).read_bytes()
    assert (run / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_the_resolved_recipe_repeats_the_run(run: Path, tmp_path: Path) -> None:
    assert main(["train", str(run.parent / "train.csv"), "--recipe", str(run / "recipe.yaml"), "--out", str(tmp_path / "again")]) == 0
    weights = "model/0/network.safetensors"
    assert (run / weights).read_bytes() == (tmp_path / "again" / weights).read_bytes()
    assert (run / "recipe.yaml").read_text() == (tmp_path / "again" / "recipe.yaml").read_text()


def test_regression_with_intervals_and_several_targets(tmp_path: Path) -> None:
    frame = table(600)
    run = gf.train(
        frame.drop("label"), "price", out=tmp_path / "price", train__epochs=15, model__width=32, model__members=4, optim__lr=0.01
    )
    out = run.predict(table(400, seed=3).drop("price", "label"))
    truth = table(400, seed=3)["price"]
    covered = float(((out["low"] <= truth) & (truth <= out["high"])).mean())
    assert 0.8 <= covered <= 0.98  # 0.9 is claimed; 90 validation rows scatter it by 0.03
    assert run.metrics["r2"]["value"] > 0.9
    both = gf.train(frame, ["price", "label"], out=tmp_path / "both", train__epochs=3, model__width=16, model__members=4)
    assert {"price_prediction", "price_low", "label_prediction", "label_probability_yes"} <= set(both.predict(frame[:5]).columns)
    assert any(name.startswith("label/") for name in both.metrics)


def test_bad_input_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table().write_csv(tmp_path / "t.csv")
    out = tmp_path / "deep" / "run"
    for call in (["--target", "lable"], ["--target", "label", "--set", "optim.lr=-1"], ["--target", "label", "--set", "modle.width=3"],
                 ["--target", "label", "--set", "model.name=tabn"], ["--target", "label", "--set", "model.name=linear", "--set", "model.width=8"]):  # fmt: skip
        assert main(["train", str(tmp_path / "t.csv"), *call, "--out", str(out), "--json"]) == 2
        error = document(capsys)["error"]
        assert error["message"].count("\n") == 0
        assert not out.exists()
        assert not out.parent.exists()


def test_resume_of_a_finished_or_absent_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(run), "--json"]) == 0
    assert document(capsys)["run"] == str(run)
    assert main(["train", "--resume", str(tmp_path / "nowhere"), "--json"]) == 2
    assert "nowhere" in document(capsys)["error"]["message"]
