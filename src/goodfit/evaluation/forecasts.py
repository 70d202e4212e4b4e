"""Forecasts: scores with intervals over blocks of time, naive forecasts beside them, the error at each distance, and windows to look at.

n windows, H steps ahead, W steps of a window. Windows overlap, so that neighbours err alike: what is resampled are blocks of consecutive windows as long as the
horizon and the season (Kuensch, "The jackknife and the bootstrap for general stationary observations", 1989), not windows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.target import TargetSpec
from goodfit.data.windows import Windows
from goodfit.evaluation import bootstrap

SHOWN = 3  # windows in the report
_PAST = 2  # horizons of the past that are drawn before each, where the window is as long
_LINEAR = 20_000  # windows that the linear forecast learns from

Metrics = dict[str, dict[str, float | None]]


def forecast_scores(target: TargetSpec, mean: np.ndarray, encoded: np.ndarray, seed: int, resamples: int) -> Metrics:
    """mean [n, H] in the target's unit, encoded [n, H] -> mean_absolute_error, root_mean_squared_error, mean_absolute_scaled_error."""
    course = target.course
    assert course is not None
    actual = encoded.astype(np.float64) * target.std + target.mean
    counts = np.isfinite(actual)
    error = np.where(counts, mean - np.where(counts, actual, 0.0), 0.0)
    table = np.stack([np.abs(error).sum(1), (error**2).sum(1), counts.sum(1)], 1)
    if not table[:, 2].sum():
        return {}
    block = np.arange(len(table)) // max(course.horizon, course.season)
    blocks = np.stack([np.bincount(block, column) for column in table.T], 1)
    drawn = bootstrap.sums(blocks, resamples, seed, "forecast") if resamples else np.zeros((0, 3))

    def of_sums(totals: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            absolute = totals[:, 0] / totals[:, 2]
            found = {"mean_absolute_error": absolute, "root_mean_squared_error": np.sqrt(totals[:, 1] / totals[:, 2])}
        return found | ({"mean_absolute_scaled_error": absolute / course.naive} if course.naive > 0 else {})

    exact, samples = of_sums(table.sum(0, keepdims=True)), of_sums(drawn)
    if len(blocks) < 2:  # one block cannot be drawn otherwise
        return {name: {"value": float(value[0]), "low": None, "high": None} for name, value in exact.items()}
    return {name: bootstrap.summary(float(value[0]), samples[name]) for name, value in exact.items()}


def forecast_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, on: np.ndarray) -> list[dict[str, Any]]:
    """The seasonal naive forecast (the steps a season before), the last value, and a linear map of the window, on the same steps at the same distances."""
    windows = _windows(dataset)
    course = windows.course
    target = target.fit(dataset, train)
    encoded = target.encode(dataset.take(on, target.names))
    past = windows.known(on)  # n W
    seasons = sorted({course.season, *(s for s in course.steps.seasons if s <= course.window)} - {1})
    found = []

    def add(name: str, mean: np.ndarray, begun: float, rows: int) -> None:
        metrics = {key: entry["value"] for key, entry in forecast_scores(target, mean, encoded, 0, 0).items()}
        found.append({"name": name, "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": rows})

    for season in seasons:
        begun = time.monotonic()
        name = "seasonal naive" if len(seasons) == 1 else f"seasonal naive, {season} steps"
        add(name, seasonal_naive(past, season, course.horizon), begun, int(train.size))
    begun = time.monotonic()
    add("last value", seasonal_naive(past, 1, course.horizon), begun, int(train.size))
    begun = time.monotonic()
    some = train[np.unique(np.linspace(0, len(train) - 1, _LINEAR).astype(np.int64))]
    mean, rows = _linear(windows.known(some), windows.future(some), past)
    if rows:
        add("linear", mean, begun, int(train.size) if len(some) == len(train) else rows)
    return found


def seasonal_naive(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """[n, W] -> [n, H]: the last `season` steps, again and again.

    >>> seasonal_naive(np.array([[9.0, 1.0, 2.0]]), 2, 5)
    array([[1., 2., 1., 2., 1.]])
    """
    return np.asarray(past[:, past.shape[1] - season + np.arange(horizon) % season])


def _linear(past: np.ndarray, future: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, int]:
    """Ridge regression from the changes against the last value (Zeng et al. 2023, NLinear), and the windows that it learned from."""
    from sklearn.linear_model import Ridge

    whole = np.isfinite(future).all(1)
    if whole.sum() < 2:
        return np.zeros((len(asked), future.shape[1])), 0
    x, last = past[whole], past[whole, -1:]
    scale = float((x - last).std()) or 1.0
    fitted = Ridge().fit((x - last) / scale, (future[whole] - last) / scale)
    said = fitted.predict((asked - asked[:, -1:]) / scale).reshape(len(asked), -1)
    return np.asarray(said * scale + asked[:, -1:]), int(whole.sum())


def forecast_record(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, mean: np.ndarray, encoded: np.ndarray, widths: Mapping[str, float]
) -> dict[str, Any]:
    """What the report draws: {"horizon", "season", "step", "naive", "by_step": [{"step", "error", "naive"}], "windows": [{"times", "past", "actual",
    "predicted", "low", "high"}]}; times of the past and of the steps ahead, as texts. widths: see `half_widths`."""
    windows = _windows(dataset)
    course = windows.course
    actual = encoded.astype(np.float64) * target.std + target.mean
    naive = seasonal_naive(windows.known(rows), course.season, course.horizon)
    own, other = (_by_step(np.abs(said - actual)) for said in (mean, naive))
    by_step = [{"step": h + 1, "error": a, "naive": b} for h, (a, b) in enumerate(zip(own, other, strict=True))]
    whole = np.flatnonzero(np.isfinite(actual).sum(1) == np.isfinite(actual).sum(1).max())
    picked = whole[:: -max(1, course.horizon)][:SHOWN][::-1]
    half = np.array([widths.get(str(h + 1), np.nan) for h in range(course.horizon)])
    back = min(course.window, _PAST * course.horizon)
    shown = []
    for index in picked:
        origin = int(windows.origin[rows[index]])
        before = windows.timeline.frame[windows.time][origin - back + 1 : origin + 1]
        after = windows.ahead(rows[[index]])[windows.time]
        shown.append(
            {
                "times": _written(before.append(after.cast(before.dtype))),
                "past": windows.values[origin - back + 1 : origin + 1],
                "actual": actual[index],
                "predicted": mean[index],
                "low": mean[index] - half,
                "high": mean[index] + half,
            }
        )
    about = {"horizon": course.horizon, "season": course.season, "step": course.steps.named()}
    return about | {"by_step": by_step, "windows": shown}


def half_widths(target: TargetSpec, mean: np.ndarray, encoded: np.ndarray, coverage: float) -> dict[str, float]:
    """{"1": w, ... "H": w}: for each distance half the width of an interval that holds `coverage` of new steps, from windows that nothing learned from.

    Split conformal, as `calibration.interval`. Neighbouring windows err alike, so that the promise is weaker than its number of windows sounds.
    """
    from goodfit.evaluation.calibration import interval

    residual = encoded.astype(np.float64) * target.std + target.mean - mean
    widths = {str(h + 1): interval(column[np.isfinite(column)], coverage) for h, column in enumerate(residual.T)}
    return {step: width for step, width in widths.items() if np.isfinite(width)}


def coverage_of(
    mean: np.ndarray, encoded: np.ndarray, target: TargetSpec, widths: Mapping[str, float], claimed: float
) -> dict[str, Any] | None:
    """The share of the steps that lie in their intervals, of those that have one."""
    half = np.array([widths.get(str(h + 1), np.nan) for h in range(mean.shape[1])])
    error = np.abs(encoded.astype(np.float64) * target.std + target.mean - mean)
    there = np.isfinite(error) & np.isfinite(half)
    if not there.any():
        return None
    return {"claimed": claimed, "observed": float((error <= half)[there].mean()), "half_width": float(np.nanmean(half))}


def forecast_mistakes(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, mean: np.ndarray, encoded: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """The steps that were missed by most, on average over the distances at which they were forecast."""
    windows = _windows(dataset)
    row, ahead = np.nonzero(np.isfinite(encoded))
    step = windows.origin[rows[row]] + 1 + ahead
    said = mean[row, ahead]
    times = np.bincount(step)
    total = np.bincount(step, said)
    off = np.bincount(step, np.abs(said - windows.values[step]))
    there = np.flatnonzero(times)
    worst = there[np.argsort(-off[there] / times[there], kind="stable")][:most]
    when = windows.timeline.frame[windows.time]
    return [
        {
            "row": int(windows.timeline.row[at]) + 1, "actual": float(windows.values[at]), "predicted": float(total[at] / times[at]), "probability": None,
            "loss": float(off[at] / times[at]), "values": {windows.time: str(when[int(at)])}, "image": None,
        }
        for at in worst
    ]  # fmt: skip


def pairs(target: TargetSpec, mean: np.ndarray, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Actual and predicted values of all steps that count, at every distance."""
    row, step = np.nonzero(np.isfinite(encoded))
    return encoded[row, step].astype(np.float64) * target.std + target.mean, mean[row, step]


def _written(times: pl.Series) -> list[str]:
    """Times as texts, without what is 0 in all of them."""
    texts = times.cast(pl.String).str.strip_suffix(".000000")
    return (texts.str.strip_suffix(" 00:00:00") if texts.str.ends_with(" 00:00:00").all() else texts).to_list()


def _by_step(error: np.ndarray) -> list[float | None]:
    """[n, H] -> the mean of each distance, None where no step counts."""
    counts = np.isfinite(error).sum(0)
    return [float(total / n) if n else None for total, n in zip(np.nansum(error, 0), counts, strict=True)]


def _windows(dataset: Dataset) -> Windows:
    assert isinstance(dataset.store, Windows)
    return dataset.store
