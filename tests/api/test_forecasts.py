"""A series from the file to its forecast."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import goodfit as gf
from goodfit.api.scoring import describe, evaluate, predict_file
from goodfit.base.errors import DataError, InputError, SettingError
from goodfit.cli.main import main

SMALL = ("model.width=8", "optim.lr=0.01", "train.threads=1", "train.epochs=6", "train.precision=float32")


def wave(n: int = 700, seed: int = 0) -> pl.DataFrame:
    """Hours with a day's course that a column knows the strength of, a trend, and noise."""
    generator = np.random.default_rng(seed)
    t = np.arange(n)
    heat = np.repeat(generator.normal(size=n // 24 + 1), 24)[:n]
    values = 3 * np.sin(2 * np.pi * t / 24) + 0.02 * t + 0.3 * generator.normal(size=n)
    when = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=int(i)) for i in t]
    return pl.DataFrame({"when": when, "heat": heat, "riders": values})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wave") / "riders.csv"
    frame = wave()
    frame.filter(pl.int_range(pl.len()) % 97 != 5).write_csv(path)  # some hours are missing
    return path


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> gf.Run:
    return gf.train(table, "riders", task="forecast", preset="fast", sets=SMALL, out=tmp_path_factory.mktemp("run") / "run")


def test_it_beats_the_naive_forecasts(run: gf.Run) -> None:
    assert run.about["task"] == "forecast"
    assert run.about["model"] == "forecast_lstm"
    entry = run.analysis["targets"][0]
    others = {baseline["name"]: baseline["metrics"]["mean_absolute_error"] for baseline in entry["baselines"]}
    assert set(others) == {"seasonal naive, 24 steps", "seasonal naive, 168 steps", "last value", "linear"} or set(others) == {
        "seasonal naive", "last value", "linear"
    }  # fmt: skip
    score = run.metrics["mean_absolute_error"]
    assert score["value"] < min(value for name, value in others.items() if name != "linear")
    assert score["low"] < score["value"] < score["high"]
    assert run.metrics["mean_absolute_scaled_error"]["value"] < 1
    assert entry["coverage"]["observed"] > 0.7
    assert [row["step"] for row in entry["forecast"]["by_step"]] == list(range(1, 25))
    notes = " ".join(run.analysis["data"]["notes"])
    assert "steps of 1 hour, repeating after 24 hours" in notes
    assert "without a row" in notes
    assert "'heat' are read up to the moment" in notes


def test_the_score_is_that_of_the_naive_forecast_by_hand(run: gf.Run, table: Path) -> None:
    """Every test step at every distance: the seasonal naive forecast's error is that of the value a season before, step by step."""
    frame = wave().with_columns(pl.when(pl.int_range(pl.len()) % 97 != 5).then("riders").alias("known"))
    known = frame["known"].to_numpy()
    bridged = np.interp(np.arange(700), np.flatnonzero(~np.isnan(known)), known[~np.isnan(known)])
    test = np.arange(700 - 105, 700)
    test = test[~np.isnan(known[test])]
    by_hand = np.abs(known[test] - bridged[test - 24]).mean()
    season = next(b for b in run.analysis["targets"][0]["baselines"] if b["name"].startswith("seasonal naive"))
    assert season["metrics"]["mean_absolute_error"] == pytest.approx(by_hand, rel=0.01)  # where a gap ends a window, its last value goes on


def test_the_steps_after_the_end(run: gf.Run, table: Path, tmp_path: Path) -> None:
    out, rows = predict_file(run.folder, None, tmp_path / "ahead.csv")
    ahead = pl.read_csv(out, try_parse_dates=True)
    assert rows == ahead.height == 24
    assert ahead.columns == ["when", "prediction", "low", "high"]
    begin = dt.datetime(2024, 1, 1) + dt.timedelta(hours=700)
    assert ahead["when"].to_list() == [begin + dt.timedelta(hours=i) for i in range(24)]
    assert (ahead["low"] < ahead["prediction"]).all()
    wanted = 3 * np.sin(2 * np.pi * np.arange(700, 724) / 24) + 0.02 * np.arange(700, 724)
    assert np.abs(ahead["prediction"].to_numpy() - wanted).mean() < 1.0
    assert run.predict()["prediction"].to_list() == pytest.approx(ahead["prediction"].to_list())
    blank = wave(730).with_columns(riders=pl.when(pl.int_range(pl.len()) < 700).then("riders"))
    assert run.predict(blank)["when"][0] == begin  # rows that wait for their values are what is asked for
    later = run.predict(wave(730).tail(400))
    assert later["when"][0] == dt.datetime(2024, 1, 1) + dt.timedelta(hours=730)


def test_evaluated_on_other_rows(run: gf.Run) -> None:
    found = evaluate(run.folder, wave(900, seed=3).tail(400))
    assert found["rows"] > 150
    assert found["metrics"]["mean_absolute_error"]["value"] < 2
    assert evaluate(run.folder)["metrics"]["mean_absolute_error"]["value"] == pytest.approx(run.metrics["mean_absolute_error"]["value"])


def test_described_and_reported(run: gf.Run) -> None:
    assert describe(run.folder)["parameters"] > 0
    page = (run.folder / "report.html").read_text()
    for words in (
        "Mean absolute error by steps ahead",
        "what came",
        "seasonal naive",
        "each forecast from every one of the 24 steps before it",
    ):
        assert words in page


def test_rows_that_cannot_be_followed(run: gf.Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a forecast reads the last .* the rows hold fewer"):
        run.predict(wave(20))
    with pytest.raises(DataError, match=r"'riders' .* missing"):
        run.predict(wave(400).drop("riders"))
    moved = wave(400).with_columns(pl.col("when").dt.offset_by("20m"))
    with pytest.raises(DataError, match="lies between two"):
        run.predict(moved)
    shutil.copytree(run.folder / "model", tmp_path / "model")
    with pytest.raises(InputError, match="nobody knows the rows"):
        gf.api.predict(tmp_path / "model")


@pytest.mark.parametrize("name", ["forecast_gru", "forecast_rnn"])
def test_several_series_of_every_cell(name: str, tmp_path: Path) -> None:
    frame = pl.concat(
        [wave(400, seed).with_columns(pl.lit(f"s{seed}").alias("station"), riders=pl.col("riders") + 10 * seed) for seed in range(2)]
    )
    sets = (*SMALL[1:], "model.width=4", f"model.name={name}", "data.group=station", "data.horizon=6", "data.season=24", "train.epochs=1")
    run = gf.train(frame, "riders", task="forecast", preset="fast", sets=sets, out=tmp_path / "run")
    assert np.isfinite(run.metrics["mean_absolute_error"]["value"])
    ahead = run.predict(frame)
    assert ahead["station"].to_list() == ["s0"] * 6 + ["s1"] * 6
    with pytest.raises(InputError, match="nobody knows the rows"):
        run.predict()


def test_resumed_in_the_same_bits(run: gf.Run, table: Path, tmp_path: Path) -> None:
    from goodfit.base.protocols import Silent

    class Killed(Silent):
        seen = 0

        def advance(self, amount: float = 1.0, **values: Any) -> None:
            self.seen += 1
            if self.seen == 20:
                raise KeyboardInterrupt

    sets = (*SMALL, "train.checkpoint_every=0")
    with pytest.raises(KeyboardInterrupt):
        gf.train(table, "riders", task="forecast", preset="fast", sets=sets, out=tmp_path / "run", progress=Killed())
    gf.train(tmp_path / "run", resume=True)
    name = "model/0/network.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (run.folder / name).read_bytes()


def test_settings_without_effect(table: Path, tmp_path: Path) -> None:
    for sets, words in (
        (("data.task=forecast", "data.weight=heat"), "data.weight has no effect on a forecast"),
        (("data.horizon=3",), "data.horizon has no effect"),
        (("data.task=forecast", "model.name=tabm"), "the data have window; take forecast_lstm"),
    ):
        with pytest.raises(SettingError, match=words):
            gf.train(table, "riders", sets=sets, out=tmp_path / "run")
    with pytest.raises(DataError, match="cut from one file by time"):
        gf.train(table, "riders", task="forecast", test=table, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_from_the_command_line(run: gf.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(run.folder)]) == 0
    assert (tmp_path / "riders.predictions.csv").exists()
    assert "24 predictions in" in capsys.readouterr().out
