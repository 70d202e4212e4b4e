"""Reliability, conformal intervals and temperatures, against what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from goodfit.evaluation.calibration import interval, reliability
from goodfit.tasks.cooling import cooled, temperature


def test_bins_are_those_of_scikit_learn_where_no_probability_repeats() -> None:
    stream = np.random.default_rng(0)
    p = stream.random(1_000)
    y = (stream.random(1_000) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    found = reliability(np.stack([1 - p, p], axis=1), y)
    assert [b["observed"] for b in found["bins"]] == pytest.approx(observed.tolist(), abs=0.011)  # sklearn's edges move a row
    assert [b["predicted"] for b in found["bins"]] == pytest.approx(predicted.tolist(), abs=0.002)
    assert found["error"] == pytest.approx(np.abs(observed - predicted).mean(), abs=0.005)
    assert sum(b["count"] for b in found["bins"]) == 1_000


def test_honest_probabilities_have_a_small_error_and_bold_ones_a_large_one() -> None:
    stream = np.random.default_rng(1)
    p = stream.dirichlet(np.ones(4), 4_000)
    y = (stream.random((4_000, 1)) > p.cumsum(1)).sum(1)
    assert reliability(p, y)["error"] < 0.03
    assert reliability(cooled(p, 0.3), y)["error"] > 0.15


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=0, max_size=80), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_equal_probabilities_share_a_bin_and_every_row_is_in_one(p: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 2, len(p))
    found = reliability(np.stack([1 - np.array(p), np.array(p)], axis=1).reshape(-1, 2), y)
    assert sum(b["count"] for b in found["bins"]) == len(p)
    for one, other in zip(found["bins"], found["bins"][1:], strict=False):
        assert one["high"] < other["low"]
    assert found["error"] is None if not p else 0 <= found["error"] <= 1


def test_weights_count_as_repetitions() -> None:
    p = np.array([[0.4, 0.6], [0.4, 0.6], [0.4, 0.6]])
    weighted = reliability(p, np.array([1, 0, 0]), np.array([3.0, 1.0, 0.0]))
    assert weighted["bins"][0]["observed"] == pytest.approx(0.75)
    assert weighted["error"] == pytest.approx(0.15)


def test_the_interval_is_the_right_order_statistic() -> None:
    assert interval(-np.arange(1, 100), 0.9) == 90
    assert interval(np.arange(1, 20), 0.95) == 19
    assert interval(np.array([]), 0.9) == math.inf
    assert interval(np.ones(8), 0.9) == math.inf
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(np.ones(3), 1.0)


@pytest.mark.parametrize(("n", "coverage"), [(19, 0.9), (50, 0.9), (200, 0.8)])
def test_the_interval_holds_what_it_claims_for_any_distribution(n: int, coverage: float) -> None:
    stream = np.random.default_rng(2)
    trials, inside = 4_000, 0
    for _ in range(trials):
        draw = stream.standard_cauchy(n + 1)
        inside += abs(draw[-1]) <= interval(draw[:-1], coverage)
    expected = math.ceil((n + 1) * coverage) / (n + 1)  # exact for exchangeable rows without ties
    assert inside / trials == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / trials))


@given(C=st.integers(2, 6), sharp=st.floats(0.3, 4), seed=st.integers(0, 1_000), weighted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_temperature_has_the_least_log_loss(C: int, sharp: float, seed: int, weighted: bool) -> None:
    stream = np.random.default_rng(seed)
    z = stream.normal(size=(300, C)) * 2
    honest = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    y = np.minimum((stream.random((300, 1)) > honest.cumsum(1)).sum(1), C - 1)
    p = cooled(honest, 1 / sharp)
    w = stream.uniform(0.1, 2, 300) if weighted else None
    found = temperature(p, y, w)
    loss = lambda t: log_loss(y, cooled(p, t), labels=range(C), sample_weight=w)  # noqa: E731
    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6})
    assert loss(found) <= best.fun + 1e-7
    assert found == pytest.approx(sharp, rel=0.5)


def test_temperatures_stay_within_reason() -> None:
    y = np.array([0, 1, 1, 0])
    right, wrong = np.eye(2)[y] * 0.8 + 0.1, np.eye(2)[1 - y] * 0.8 + 0.1
    assert 0.05 <= temperature(right, y) < 0.1  # separable: the sharper the better
    assert 10 < temperature(wrong, y) <= 20.001
    assert temperature(np.full((4, 2), 0.5), y) > 0
    assert temperature(np.zeros((0, 2)), np.zeros(0, int)) == 1
    assert temperature(np.eye(2)[y], y) >= 0.049  # zeros and ones
    p = np.random.default_rng(0).dirichlet(np.ones(3), 10)
    assert np.allclose(cooled(p, 1.0), p)
    assert np.array_equal(cooled(p, 7.0).argmax(1), p.argmax(1))
