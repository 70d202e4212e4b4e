"""Rows that are windows: what they know, what counts for them, and that no part knows what it is to forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from goodfit.base.errors import InputError
from goodfit.base.recipe import DataPart
from goodfit.data.course import find_seasons
from goodfit.data.dataset import TEST, VALID, Dataset
from goodfit.data.encode_window import fit as fit_windows
from goodfit.data.read import read, read_like
from goodfit.data.splits import split
from goodfit.data.steps import Steps
from goodfit.data.target import detect
from goodfit.data.windows import Filled, Windows, as_features, follow


def settings(**given: Any) -> DataPart:
    return DataPart(**({"target": ("v",), "task": "forecast"} | given))


def hours(n: int, values: np.ndarray | None = None, **columns: Any) -> pl.DataFrame:
    when = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2034, 1, 1), "1h", eager=True)[:n]
    return pl.DataFrame({"when": when, "v": np.arange(n, dtype=np.float64) if values is None else values} | columns)


def windows_of(data: Dataset) -> Windows:
    assert isinstance(data.store, Windows)
    return data.store


def test_every_step_of_a_part_is_forecast_once_at_each_distance() -> None:
    data = read(hours(400), settings=settings(horizon=5, season=3))
    windows, spec = windows_of(data), detect(data, settings())
    parts = split(data, spec, settings(), 0)
    assert spec.kind == "forecast"
    assert parts.by == "time"
    assert "the last 60 steps are the test and the 60 before" in parts.how
    for part, rows, steps in ((VALID, parts.valid, range(280, 340)), (TEST, parts.test, range(340, 400))):
        assert (data.part[rows] == part).all()  # type: ignore[index]
        future = windows.future(rows)
        for distance in range(5):
            found = future[:, distance]
            assert sorted(found[np.isfinite(found)]) == [float(step) for step in steps]


def test_no_part_knows_what_it_is_to_forecast_and_training_knows_no_later_part() -> None:
    data = read(hours(400), settings=settings(horizon=5, season=3))
    windows, parts = windows_of(data), split(data, detect(data, settings()), settings(), 0)
    for rows in (parts.train, parts.valid, parts.test):
        past, future = windows.known(rows), windows.future(rows)
        assert np.array_equal(past[:, -1], windows.values[windows.origin[rows]])
        assert (np.nan_to_num(future, nan=np.inf) > past.max(1, keepdims=True)).all()
    assert windows.known(parts.train).max() < 280
    assert np.nanmax(windows.future(parts.train)) < 280
    encoder = fit_windows(data, detect(data, settings()).fit(data, parts.train), parts.train)
    changed = hours(400, np.where(np.arange(400) < 280, np.arange(400.0), 1e6))
    other = read(changed, settings=settings(horizon=5, season=3))
    assert fit_windows(other, detect(other, settings()).fit(other, parts.train), parts.train) == encoder


def test_a_gap_is_bridged_without_knowing_what_comes() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, np.nan, np.nan, 9.0])
    filled = Filled.of(values, np.array([0, 7]))
    assert filled.take(np.array([6]), 6)[0].tolist() == [1, 2, 3, 5, 7, 9]
    assert filled.take(np.array([5]), 6)[0].tolist() == [1, 1, 2, 3, 3, 3]  # 9 is not known yet
    assert np.isnan(filled.take(np.array([0]), 1)[0]).all()


def test_changing_the_future_changes_no_window() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=300)
    values[generator.random(300) < 0.2] = np.nan
    later = values.copy()
    later[250:] = generator.normal(size=50)
    one, other = (windows_of(read(hours(300, v), settings=settings(horizon=4, season=1, test_fraction=0.3))) for v in (values, later))
    rows = np.flatnonzero(one.origin < 250)
    kept = np.isin(one.origin[rows], other.origin)
    again = np.searchsorted(other.origin, one.origin[rows][kept])
    np.testing.assert_array_equal(one.known(rows[kept]), other.known(again))


def test_missing_steps_and_rows_out_of_order() -> None:
    frame = hours(300)
    shuffled = frame.filter(~pl.col("v").is_in([50.0, 51.0, 200.0])).sample(fraction=1.0, shuffle=True, seed=1)
    data = read(shuffled, settings=settings(horizon=3, season=1))
    windows = windows_of(data)
    assert len(windows.timeline) == 300
    assert np.flatnonzero(np.isnan(windows.values)).tolist() == [50, 51, 200]
    at = int(np.flatnonzero(windows.origin == 52)[0])
    assert windows.known(np.array([at]))[0, -4:].tolist() == [49, 50, 51, 52]
    assert any("3 of 300 steps, 3 of them without a row" in note.message for note in data.notes)
    row = data.place(at)[1] - 1
    assert shuffled["v"][row] == 52


def test_several_series_do_not_touch() -> None:
    frame = pl.concat([hours(120).with_columns(pl.lit(name).alias("of"), v=pl.col("v") + add) for name, add in (("a", 0.0), ("b", 1000.0))])
    data = read(frame, settings=settings(horizon=4, season=1, group="of"))
    windows = windows_of(data)
    rows = np.arange(data.rows)
    past, future = windows.known(rows), windows.future(rows)
    assert (np.ptp(past, axis=1) == past.shape[1] - 1).all()
    assert (np.nanmax(np.abs(future - past[:, -1:] - np.arange(1, 5)), axis=1) < 1e-9).all()
    spec = detect(data, settings())
    ahead = follow(read_like(frame, as_features(data.schema)), data.schema, spec.course, truth=False)  # type: ignore[arg-type]
    table = windows_of(ahead).ahead(np.arange(2))
    assert table["of"].to_list() == ["a"] * 4 + ["b"] * 4
    assert table["when"][0] == table["when"][4]


@pytest.mark.parametrize(("period", "dates"), [(24, True), (168, True), (13, False)])
def test_seasons_are_found_under_a_trend(period: int, dates: bool) -> None:
    generator = np.random.default_rng(0)
    t = np.arange(1200)
    shape = generator.normal(size=period)
    values = shape[t % period] + 0.3 * generator.normal(size=1200) + 0.02 * t
    steps = Steps("time", 3600 * 10**6, 0) if dates else Steps("number", 1.0, 0.0)
    assert find_seasons(values, np.array([0, 1200]), steps)[0] == period


def test_a_window_of_hours_holds_the_week_that_their_days_differ_in() -> None:
    generator = np.random.default_rng(0)
    t = np.arange(3000)
    values = np.sin(2 * np.pi * t / 24) * np.where((t // 24) % 7 < 5, 1.0, 0.6) + 0.1 * generator.normal(size=3000)
    course = windows_of(read(hours(3000, values), settings=settings())).course
    assert (course.season in (24, 168), course.window, course.horizon) == (True, 168, 24)
    assert windows_of(read(hours(3000, values), settings=settings(season=course.season, horizon=course.horizon))).course == course


def test_no_season_in_a_random_walk() -> None:
    walk = np.random.default_rng(0).normal(size=2000).cumsum()
    assert find_seasons(walk, np.array([0, 2000]), Steps("time", 3600 * 10**6, 0)) == (1,)
    assert find_seasons(walk, np.array([0, 2000]), Steps("number", 1.0, 0.0)) == (1,)


def test_other_columns_are_channels_of_the_past() -> None:
    generator = np.random.default_rng(0)
    frame = hours(300, kind=generator.choice(["x", "y"], 300), heat=generator.normal(size=300), name=[f"n{i}" for i in range(300)], same=1)
    data = read(frame, settings=settings(horizon=3))
    parts, spec = split(data, detect(data, settings()), settings(), 0), detect(data, settings())
    encoder = fit_windows(data, spec.fit(data, parts.train), parts.train)
    assert encoder.numbers == ("v", "heat")
    assert encoder.levels == {"kind": ("x", "y")}
    assert encoder.plain == 4 + 2
    out = encoder.encode(data, parts.test[:2], None)
    assert out.shape == (2, encoder.length, encoder.channels)
    origin = windows_of(data).origin[parts.test[0]]
    seen = frame["heat"][int(origin) - encoder.length + 1 : int(origin) + 1].to_numpy()
    np.testing.assert_allclose(out[0, :, 1] * encoder.std[1] + encoder.mean[1], seen, atol=1e-5)
    assert (out[0, -1, -2:] == [frame["kind"][int(origin)] == "x", frame["kind"][int(origin)] == "y"]).all()
    assert any("are read up to the moment of the forecast" in note.message for note in data.notes)


@pytest.mark.parametrize(
    ("frame", "given", "words"),
    [
        (hours(200).with_columns(other=pl.col("when")), {}, "name it with --set data.time=COLUMN: .* hold dates"),
        (hours(200).drop("when"), {}, "no column holds dates"),
        (pl.concat([hours(200), hours(3)]), {}, "has one row for a time; .* occurs twice"),
        (hours(200).with_columns(when=pl.when(pl.col("v") == 9).then(pl.col("when").dt.offset_by("7m")).otherwise("when")), {}, "1 hour apart; .* lies between"),
        (hours(2000).filter((pl.col("v") < 50) | (pl.col("v") > 1950)), {}, "of the 2,000 steps of 1 hour"),
        (hours(200).with_columns(v=pl.lit(None, pl.Float64)), {}, "no value|nothing"),
        (hours(200).with_columns(v=pl.lit(2.0)), {}, "one value"),
        (hours(40), {"horizon": 30}, "smaller|give more rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_forecast(frame: pl.DataFrame, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(frame, settings=settings(**given))
