"""Scores against scikit-learn, and their intervals against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from goodfit.data.target import TargetSpec
from goodfit.evaluation.scores import scores, values

BINARY = TargetSpec("binary", ("y",), ("no", "yes"))
REGRESSION = TargetSpec("regression", ("y",), mean=100.0, std=7.0)


def multiclass(C: int) -> TargetSpec:
    return TargetSpec("multiclass", ("y",), tuple(range(C)))


def drawn(n: int, C: int, seed: int, digits: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y [n], probabilities [n, C] that know something and repeat (rounded), weights [n]."""
    stream = np.random.default_rng(seed)
    y = np.concatenate([np.arange(C), stream.integers(0, C, n - C)]) if n >= C else stream.integers(0, C, n)
    logits = stream.normal(size=(n, C)) + 1.5 * np.eye(C)[y]
    p = np.round(np.exp(logits), digits) + 1e-3
    return y, p / p.sum(1, keepdims=True), stream.uniform(0.1, 3, n)


@given(n=st.integers(6, 300), seed=st.integers(0, 10_000), weighted=st.booleans(), digits=st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_binary_scores_are_those_of_scikit_learn(n: int, seed: int, weighted: bool, digits: int) -> None:
    y, p, w = drawn(n, 2, seed, digits)
    w = w if weighted else None
    found = values(BINARY, {"probability": p}, y, w)
    label = p.argmax(1)
    wanted = {
        "accuracy": metrics.accuracy_score(y, label, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, label, sample_weight=w),
        "f1_macro": metrics.f1_score(y, label, average="macro", sample_weight=w, zero_division=0),
        "roc_auc": metrics.roc_auc_score(y, p[:, 1], sample_weight=w),
        "average_precision": metrics.average_precision_score(y, p[:, 1], sample_weight=w),
        "log_loss": metrics.log_loss(y, p, sample_weight=w),
        "brier": metrics.brier_score_loss(y, p[:, 1], sample_weight=w),
    }
    assert found == pytest.approx(wanted, rel=1e-6)


@given(n=st.integers(12, 300), C=st.integers(3, 7), seed=st.integers(0, 10_000), weighted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_multiclass_scores_are_those_of_scikit_learn(n: int, C: int, seed: int, weighted: bool) -> None:
    y, p, w = drawn(n, C, seed)
    w = w if weighted else None
    found = values(multiclass(C), {"probability": p}, y, w)
    label = p.argmax(1)
    wanted = {
        "accuracy": metrics.accuracy_score(y, label, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, label, sample_weight=w),
        "f1_macro": metrics.f1_score(y, label, average="macro", sample_weight=w, zero_division=0),
        "log_loss": metrics.log_loss(y, p, sample_weight=w),
        "roc_auc_ovr": np.mean([metrics.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in range(C)]),
    }
    assert found == pytest.approx(wanted, rel=1e-6)
    if w is None:
        assert found["roc_auc_ovr"] == pytest.approx(metrics.roc_auc_score(y, p, multi_class="ovr"))


@given(n=st.integers(3, 300), seed=st.integers(0, 10_000), weighted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_regression_scores_are_those_of_scikit_learn(n: int, seed: int, weighted: bool) -> None:
    stream = np.random.default_rng(seed)
    encoded = stream.normal(size=n)
    actual = encoded * REGRESSION.std + REGRESSION.mean
    mean = actual + stream.normal(size=n)
    w = stream.integers(1, 5, n).astype(float) if weighted else None
    found = values(REGRESSION, {"mean": mean}, encoded, w)
    assert found["r2"] == pytest.approx(metrics.r2_score(actual, mean, sample_weight=w))
    assert found["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(actual, mean, sample_weight=w))
    assert found["root_mean_squared_error"] == pytest.approx(metrics.root_mean_squared_error(actual, mean, sample_weight=w))
    # Whole weights are repetitions, so the weighted median is that of the repeated rows.
    repeated = np.repeat(np.abs(actual - mean), 1 if w is None else w.astype(int))
    assert found["median_absolute_error"] == pytest.approx(np.median(repeated))


@given(n=st.integers(8, 200), C=st.integers(2, 5), seed=st.integers(0, 10_000), weighted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_multilabel_scores_are_those_of_scikit_learn(n: int, C: int, seed: int, weighted: bool) -> None:
    stream = np.random.default_rng(seed)
    y = (stream.random((n, C)) < 0.4).astype(int)
    y[0], y[1] = 0, 1  # both sides in every label
    p = np.round(np.clip(0.5 * y + stream.random((n, C)) * 0.6, 0.01, 0.99), 2)
    w = stream.uniform(0.1, 2, n) if weighted else None
    found = values(TargetSpec("multilabel", ("y",), tuple("abcde"[:C])), {"probability": p}, y.astype(np.float32), w)
    label = (p >= 0.5).astype(int)
    wanted = {
        "accuracy": metrics.accuracy_score(y, label, sample_weight=w),
        "hamming_loss": metrics.hamming_loss(y, label, sample_weight=w),
        "f1_macro": metrics.f1_score(y, label, average="macro", sample_weight=w, zero_division=0),
        "f1_micro": metrics.f1_score(y, label, average="micro", sample_weight=w, zero_division=0),
        "roc_auc_macro": metrics.roc_auc_score(y, p, average="macro", sample_weight=w),
        "log_loss": np.mean([metrics.log_loss(y[:, c], p[:, c], sample_weight=w) for c in range(C)]),
    }
    assert found == pytest.approx(wanted, rel=1e-6)


def test_several_targets_have_scores_by_name() -> None:
    y, p, _ = drawn(50, 2, 0)
    spec = TargetSpec(
        "several",
        ("sold", "price"),
        parts=(BINARY.__class__("binary", ("sold",), (0, 1)), TargetSpec("regression", ("price",), mean=5, std=2)),
    )
    encoded = np.stack([y, np.linspace(-1, 1, 50)], axis=1).astype(np.float32)
    found = values(spec, {"sold/probability": p, "price/mean": encoded[:, 1] * 2 + 5}, encoded)
    assert found["sold/accuracy"] == values(BINARY, {"probability": p}, y)["accuracy"]
    assert found["price/r2"] == pytest.approx(1)


def test_what_the_rows_leave_undefined_is_left_out() -> None:
    y = np.zeros(5, dtype=np.int64)
    found = scores(BINARY, None, {"probability": np.tile([0.8, 0.2], (5, 1))}, y, seed=0, resamples=50)
    assert "roc_auc" not in found
    assert "average_precision" not in found
    assert found["accuracy"]["value"] == 1
    one = scores(REGRESSION, None, {"mean": np.array([101.0])}, np.array([0.0]), seed=0, resamples=50)
    assert "r2" not in one
    assert one["mean_absolute_error"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert scores(BINARY, None, {"probability": np.zeros((0, 2))}, np.zeros(0, np.int64), seed=0) == {}
    assert scores(BINARY, None, {}, np.zeros(0, np.int64), seed=0) == {}


def test_all_rows_right_is_not_certainty() -> None:
    y = np.array([0, 1] * 5)
    found = scores(BINARY, None, {"probability": np.eye(2)[y]}, y, seed=0, resamples=100)
    # Of 10 right ones in 10, the exact lower limit at 97.5 % is 0.6915 (Clopper-Pearson tables).
    assert found["accuracy"]["low"] == pytest.approx(0.6915, abs=1e-4)
    assert found["balanced_accuracy"]["low"] == pytest.approx(0.025 ** (1 / 5))


def test_a_perfect_and_a_constant_prediction_raise_no_warning() -> None:
    for C in (2, 4):
        y = np.arange(40) % C
        spec = BINARY if C == 2 else multiclass(C)
        for p in (np.eye(C)[y], np.full((40, C), 1 / C)):
            found = scores(spec, None, {"probability": p}, y, seed=1, resamples=100)
            assert all(entry["low"] is not None and entry["low"] <= entry["value"] <= entry["high"] for entry in found.values())


def test_the_same_seed_gives_the_same_interval_and_another_one_another() -> None:
    y, p, w = drawn(400, 3, 0)
    first, again, other = (scores(multiclass(3), None, {"probability": p}, y, w, seed=s, resamples=200) for s in (1, 1, 2))
    assert first == again
    assert first["accuracy"] != other["accuracy"]
    assert first["log_loss"]["value"] == other["log_loss"]["value"]


def naive(metric: object, n: int, resamples: int, *arrays: np.ndarray) -> tuple[float, float]:
    """A bootstrap written out: draw rows, compute the metric."""
    stream = np.random.default_rng(99)
    found = []
    for _ in range(resamples):
        rows = stream.integers(0, n, n)
        found.append(metric(*(a[rows] for a in arrays)))  # type: ignore[operator]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_equal_a_bootstrap_written_out(weighted: bool) -> None:
    n = 500
    y, p, w = drawn(n, 2, 3)
    ones = w if weighted else np.ones(n)
    found = scores(BINARY, None, {"probability": p}, y, w if weighted else None, seed=0, resamples=2_000)
    wanted = {
        "accuracy": lambda a, b, c: metrics.accuracy_score(a, b.argmax(1), sample_weight=c),
        "f1_macro": lambda a, b, c: metrics.f1_score(a, b.argmax(1), average="macro", sample_weight=c),
        "roc_auc": lambda a, b, c: metrics.roc_auc_score(a, b[:, 1], sample_weight=c),
        "average_precision": lambda a, b, c: metrics.average_precision_score(a, b[:, 1], sample_weight=c),
        "log_loss": lambda a, b, c: metrics.log_loss(a, b, sample_weight=c),
    }
    for name, metric in wanted.items():
        low, high = naive(metric, n, 600, y, p, ones)
        tolerance = 0.15 * (high - low)  # both are noisy: 600 resamples place a limit to about 6 % of the width
        assert found[name]["low"] == pytest.approx(low, abs=tolerance), name
        assert found[name]["high"] == pytest.approx(high, abs=tolerance), name


def test_intervals_of_regression_equal_a_bootstrap_written_out() -> None:
    stream = np.random.default_rng(5)
    n = 400
    encoded = stream.normal(size=n)
    actual = encoded * 7 + 100
    mean = actual + stream.standard_t(4, n) * 3
    found = scores(REGRESSION, None, {"mean": mean}, encoded, seed=0, resamples=2_000)
    wanted = {
        "r2": metrics.r2_score,
        "root_mean_squared_error": metrics.root_mean_squared_error,
        "median_absolute_error": metrics.median_absolute_error,
    }
    for name, metric in wanted.items():
        low, high = naive(metric, n, 1_000, actual, mean)
        assert found[name]["low"] == pytest.approx(low, abs=0.15 * (high - low)), name
        assert found[name]["high"] == pytest.approx(high, abs=0.15 * (high - low)), name


def test_many_rows_take_short_cuts_that_keep_the_width() -> None:
    n = 45_000  # above the rows that are drawn one by one
    y, p, _ = drawn(n, 3, 7, digits=6)
    found = scores(multiclass(3), None, {"probability": p}, y, seed=0, resamples=400)
    accuracy = found["accuracy"]["value"]
    width = 2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / n)
    assert found["accuracy"]["high"] - found["accuracy"]["low"] == pytest.approx(width, rel=0.2)
    losses = -np.log(p[np.arange(n), y])
    assert found["log_loss"]["high"] - found["log_loss"]["low"] == pytest.approx(2 * 1.96 * losses.std() / np.sqrt(n), rel=0.2)
    label = (y > 0).astype(np.int64)
    two = np.stack([p[:, 0], 1 - p[:, 0]], axis=1)
    auc = scores(BINARY, None, {"probability": two}, label, seed=0, resamples=400)["roc_auc"]
    ranks = np.argsort(np.argsort(two[:, 1]))
    positive, negative = ranks[label == 1], ranks[label == 0]
    # DeLong (1988): the variance of placements
    v1 = (positive - np.argsort(np.argsort(positive))) / negative.size
    v0 = 1 - (negative - np.argsort(np.argsort(negative))) / positive.size
    se = np.sqrt(v1.var() / positive.size + v0.var() / negative.size)
    assert auc["high"] - auc["low"] == pytest.approx(2 * 1.96 * se, rel=0.2)
    # The mean of three AUCs: the influence of each row on each of them, averaged (DeLong's placements, centred).
    influence = np.zeros(n)
    for c in range(3):
        rank = np.argsort(np.argsort(p[:, c]))
        own, other = np.flatnonzero(y == c), np.flatnonzero(y != c)
        v1 = (rank[own] - np.argsort(np.argsort(rank[own]))) / other.size
        v0 = 1 - (rank[other] - np.argsort(np.argsort(rank[other]))) / own.size
        influence[own] += (v1 - v1.mean()) * n / own.size / 3
        influence[other] += (v0 - v0.mean()) * n / other.size / 3
    width = 2 * 1.96 * influence.std() / np.sqrt(n)
    assert found["roc_auc_ovr"]["high"] - found["roc_auc_ovr"]["low"] == pytest.approx(width, rel=0.2)


def test_intervals_cover_the_truth_as_often_as_they_claim() -> None:
    stream = np.random.default_rng(0)
    # The truth, from a population; 300 samples of 300 rows.
    population = 200_000
    y = stream.integers(0, 2, population)
    score = stream.normal(size=population) + 1.2 * y
    p = 1 / (1 + np.exp(-(1.2 * score - 0.72)))
    both = np.stack([1 - p, p], axis=1)
    truth = values(BINARY, {"probability": both}, y)
    encoded = stream.normal(size=population)
    mean = (encoded + stream.normal(size=population) * 0.5) * 7 + 100
    truth |= values(REGRESSION, {"mean": mean}, encoded)
    inside = dict.fromkeys(truth, 0)
    trials = 300
    for trial in range(trials):
        rows = stream.integers(0, population, 300)
        found = scores(BINARY, None, {"probability": both[rows]}, y[rows], seed=trial, resamples=400)
        found |= scores(REGRESSION, None, {"mean": mean[rows]}, encoded[rows], seed=trial, resamples=400)
        for name, entry in found.items():
            inside[name] += entry["low"] <= truth[name] <= entry["high"]
    for name, count in inside.items():
        # 95 % claimed; the standard error of 300 trials is 1.3 %, and percentile intervals are a little narrow at n = 300.
        assert 0.91 <= count / trials <= 0.985, (name, count / trials)
