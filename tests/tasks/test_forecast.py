"""The task of several steps ahead: unknown steps count nowhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from goodfit.data.target import TargetSpec
from goodfit.evaluation.forecasts import forecast_scores, half_widths, seasonal_naive
from goodfit.tasks.forecast import Forecast


def test_loss_is_the_mean_absolute_error_of_what_counts() -> None:
    task = Forecast(3, 5.0, 2.0, 1.0)
    generator = torch.Generator().manual_seed(0)
    output, target = torch.randn(4, 3, generator=generator, requires_grad=True), torch.randn(4, 3, generator=generator)
    target[0, 1:] = torch.nan
    target[2] = torch.nan
    loss = task.loss(output, target)
    known = target.isfinite()
    torch.testing.assert_close(loss.mean(), (output - target)[known].abs().mean())
    assert loss[2] == 0
    loss.sum().backward()
    assert output.grad.isfinite().all()
    assert (output.grad[~known] == 0).all()


def test_metrics_are_scikit_learns() -> None:
    task = Forecast(3, 5.0, 2.0, 0.5)
    generator = np.random.default_rng(0)
    said, target = generator.normal(5, 2, (6, 3)), generator.normal(size=(6, 3)).astype(np.float32)
    target[1:3, 2] = np.nan
    known = np.isfinite(target)
    actual = target.astype(np.float64)[known] * 2 + 5
    found = task.metrics({"mean": said}, target)
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(actual, said[known]))
    assert found["root_mean_squared_error"] == pytest.approx(root_mean_squared_error(actual, said[known]))
    assert found["mean_absolute_scaled_error"] == pytest.approx(found["mean_absolute_error"] / 0.5)


def test_decoding_brings_back_the_unit() -> None:
    assert Forecast(2, 5.0, 2.0, 1.0).decode(torch.tensor([[0.0, 1.0]]))["mean"].tolist() == [[5, 7]]


def course(horizon: int, season: int) -> TargetSpec:
    from goodfit.data.course import Course
    from goodfit.data.steps import Steps

    return TargetSpec("forecast", ("v",), mean=5.0, std=2.0, course=Course(Steps("number", 1.0, 0.0), horizon, season, season, 0.5))


def test_intervals_of_overlapping_windows_are_as_wide_as_blocks_make_them() -> None:
    generator = np.random.default_rng(0)
    said = np.full((600, 2), 5.0)
    alone = generator.normal(size=(600, 2)).astype(np.float32)
    alike = np.repeat(generator.normal(size=(20, 2)), 30, axis=0).astype(np.float32)  # neighbours err alike
    widths = []
    for target in (alone, alike):
        found = forecast_scores(course(2, 30), said, target, 0, 500)["mean_absolute_error"]
        widths.append(found["high"] - found["low"])  # type: ignore[operator]
    assert widths[1] > 3 * widths[0]


def test_naive_forecasts() -> None:
    past = np.array([[1.0, 2, 3, 4]])
    assert seasonal_naive(past, 4, 3).tolist() == [[1, 2, 3]]
    assert seasonal_naive(past, 1, 3).tolist() == [[4, 4, 4]]


def test_each_distance_has_its_width() -> None:
    generator = np.random.default_rng(0)
    target = (generator.normal(size=(4000, 2)) * [1, 3]).astype(np.float32)
    widths = half_widths(course(2, 1), np.full((4000, 2), 5.0), target, 0.9)
    assert widths["1"] == pytest.approx(2 * 1.645, rel=0.05)
    assert widths["2"] == pytest.approx(6 * 1.645, rel=0.05)
