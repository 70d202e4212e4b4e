"""Metrics against scikit-learn's, weighted or not, with ties and in degenerate cases."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from goodfit.tasks.binary import Binary
from goodfit.tasks.catalogue import SCORES
from goodfit.tasks.class_metrics import class_metrics, roc_auc
from goodfit.tasks.cooling import refinement, softmax
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.multilabel import Multilabel
from goodfit.tasks.regression import Regression
from goodfit.tasks.several import Several


def quiet(metric: Callable[..., Any], *args: Any, **settings: Any) -> float:
    """scikit-learn's value without its warnings for what is undefined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(metric(*args, **settings))


def drawn(rows: int, classes: int, seed: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities with ties, codes, weights."""
    random = np.random.default_rng(seed)
    raw = np.round(random.dirichlet(np.ones(classes), rows), 2) + 0.01
    weight = random.integers(0, 4, rows) * 0.5 + (np.arange(rows) == 0)
    return (raw / raw.sum(1, keepdims=True)).astype(dtype), random.integers(0, classes, rows), weight


def expected_classes(p: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> dict[str, float]:
    classes = p.shape[1]
    predicted = p.argmax(1)
    seen = np.unique(y if w is None else y[w > 0])
    expected = {
        "accuracy": quiet(sk.accuracy_score, y, predicted, sample_weight=w),
        "balanced_accuracy": quiet(sk.balanced_accuracy_score, y, predicted, sample_weight=w),
        "f1_macro": quiet(sk.f1_score, y, predicted, average="macro", sample_weight=w),
        "log_loss": quiet(sk.log_loss, y, p, labels=range(classes), sample_weight=w),
    }
    if classes == 2:
        expected["roc_auc"] = quiet(sk.roc_auc_score, y == 1, p[:, 1], sample_weight=w)
    elif classes <= 100:
        areas = [quiet(sk.roc_auc_score, y == c, p[:, c], sample_weight=w) for c in seen]
        areas = [area for area in areas if not math.isnan(area)]
        expected["roc_auc_ovr"] = sum(areas) / len(areas) if areas else math.nan
    return expected


@settings(max_examples=150, deadline=None)
@given(rows=st.integers(2, 60), classes=st.integers(2, 8), seed=st.integers(0, 10_000), weighted=st.booleans())
def test_classes_are_scikit_learn_s(rows: int, classes: int, seed: int, weighted: bool) -> None:
    p, y, w = drawn(rows, classes, seed)
    weight = w if weighted else None
    if weighted:  # scikit-learn counts a class whose rows all weigh nothing, at a recall of 0 / 0
        p, y, w = p[w > 0], y[w > 0], w[w > 0]
    ours = class_metrics(p, y, w if weighted else None)
    assert ours == pytest.approx(expected_classes(p, y, w if weighted else None), rel=1e-9, abs=1e-12, nan_ok=True)
    if weighted:
        p, y, _ = drawn(rows, classes, seed)
        assert class_metrics(p, y, weight)["log_loss"] == pytest.approx(ours["log_loss"])
        assert class_metrics(p, y, weight)["balanced_accuracy"] == pytest.approx(ours["balanced_accuracy"])


def test_a_multiclass_auc_is_scikit_learn_s_own() -> None:
    p, y, w = drawn(300, 6, 0)
    for weight in (None, w):
        expected = sk.roc_auc_score(y, p, multi_class="ovr", sample_weight=weight)
        assert class_metrics(p, y, weight)["roc_auc_ovr"] == pytest.approx(expected)


def test_certain_and_wrong_in_float32() -> None:
    p = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    y = np.array([0, 0, 1])
    ours = class_metrics(p, y)["log_loss"]
    assert ours == pytest.approx(float(sk.log_loss(y, p)), rel=1e-6)
    assert ours < 16


@pytest.mark.parametrize("code", [0, 1])
def test_rows_of_one_class(code: int) -> None:
    """Accuracy and log loss are defined; balanced accuracy and F1 are those of the classes there are; the AUC is not."""
    p, _, _ = drawn(20, 2, 0)
    y = np.full(20, code)
    ours = Binary().metrics({"probability": p}, y)
    assert ours == pytest.approx(expected_classes(p, y, None), nan_ok=True)
    assert math.isnan(ours["roc_auc"])
    assert ours["balanced_accuracy"] == ours["accuracy"]
    p, _, _ = drawn(1000, 2, 0)
    for seed in range(5):  # sums of weights in different orders differ in their last digits, which must not pass for a class
        y, weight = np.full(1000, code), np.random.default_rng(seed).random(1000) / 3
        assert math.isnan(Binary().metrics({"probability": p}, y, weight)["roc_auc"])
        y[0], weight[0] = 1 - code, 0.0
        assert math.isnan(Binary().metrics({"probability": p}, y, weight)["roc_auc"])


def test_a_class_that_no_row_has() -> None:
    p, y, _ = drawn(50, 5, 0)
    y[y == 3] = 2
    ours = Multiclass(5).metrics({"probability": p}, y)
    assert ours == pytest.approx(expected_classes(p, y, None))
    assert math.isfinite(ours["roc_auc_ovr"])


def test_many_classes_have_no_auc() -> None:
    p, y, _ = drawn(500, 150, 0)
    ours = Multiclass(150).metrics({"probability": p}, y)
    assert ours == pytest.approx(expected_classes(p, y, None))
    assert "roc_auc_ovr" not in ours


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(2, 40), labels=st.integers(1, 5), seed=st.integers(0, 1000), weighted=st.booleans())
def test_labels_are_scikit_learn_s(rows: int, labels: int, seed: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    p, y = random.uniform(0.02, 0.98, (rows, labels)).round(2), random.integers(0, 2, (rows, labels))
    w = random.integers(1, 4, rows) * 0.5 if weighted else None
    ours = Multilabel(labels).metrics({"probability": p}, y.astype(np.float32), w)
    chosen = (p >= 0.5).astype(int)
    losses = [quiet(sk.log_loss, y[:, c], p[:, c], labels=[0, 1], sample_weight=w) for c in range(labels)]
    areas = [quiet(sk.roc_auc_score, y[:, c], p[:, c], sample_weight=w) for c in range(labels)]
    areas = [area for area in areas if not math.isnan(area)]
    wide = {"average": "macro", "sample_weight": w} if labels > 1 else {"sample_weight": w}
    expected = {
        "accuracy": quiet(sk.accuracy_score, y, chosen, sample_weight=w),
        "hamming_loss": quiet(sk.hamming_loss, y, chosen, sample_weight=w),
        "f1_macro": quiet(sk.f1_score, y, chosen, **wide),
        "f1_micro": quiet(sk.f1_score, y.ravel(), chosen.ravel(), sample_weight=None if w is None else np.repeat(w, labels)),
        "log_loss": float(np.mean(losses)),
        "roc_auc_macro": float(np.mean(areas)) if areas else math.nan,
    }
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(2, 40), seed=st.integers(0, 1000), weighted=st.booleans(), scale=st.sampled_from([1e-3, 1.0, 1e6]))
def test_regression_is_scikit_learn_s_in_the_target_s_unit(rows: int, seed: int, weighted: bool, scale: float) -> None:
    random = np.random.default_rng(seed)
    standard = random.standard_normal(rows)
    actual, mean = 7 * scale + scale * standard, 7 * scale + scale * random.standard_normal(rows)
    w = random.integers(1, 4, rows) * 0.5 if weighted else None
    ours = Regression(7 * scale, scale).metrics({"mean": mean}, standard, w)
    assert ours == pytest.approx(
        {
            "r2": sk.r2_score(actual, mean, sample_weight=w),
            "mean_absolute_error": sk.mean_absolute_error(actual, mean, sample_weight=w),
            "root_mean_squared_error": sk.root_mean_squared_error(actual, mean, sample_weight=w),
        }
    )


@pytest.mark.parametrize(("mean", "r2"), [([3.0, 3.0], 1.0), ([3.0, 4.0], 0.0)])
def test_r2_of_rows_that_are_all_alike(mean: list[float], r2: float) -> None:
    ours = Regression().metrics({"mean": np.array(mean)}, np.array([3.0, 3.0], dtype=np.float32))
    assert ours["r2"] == r2 == sk.r2_score([3.0, 3.0], mean)


def test_one_row_and_none() -> None:
    assert math.isnan(Regression().metrics({"mean": np.array([1.0])}, np.array([0.5], dtype=np.float32))["r2"])
    nothing = [
        Regression().metrics({"mean": np.empty(0)}, np.empty(0, dtype=np.float32)),
        Binary().metrics({"probability": np.empty((0, 2))}, np.empty(0, dtype=np.int64)),
        Multiclass(3).metrics({"probability": np.empty((0, 3))}, np.empty(0, dtype=np.int64)),
        Multilabel(3).metrics({"probability": np.empty((0, 3))}, np.empty((0, 3))),
    ]
    assert all(math.isnan(value) for metrics in nothing for value in metrics.values())
    p, y, w = drawn(9, 3, 0)
    weightless = [
        Regression().metrics({"mean": p[:, 0]}, p[:, 1], 0 * w),
        Multiclass(3).metrics({"probability": p}, y, 0 * w),
        Multilabel(3).metrics({"probability": p}, np.eye(3)[y], 0 * w),
    ]
    assert all(math.isnan(value) for metrics in weightless for value in metrics.values())


@settings(deadline=None)
@given(scores=st.lists(st.integers(0, 5), min_size=2, max_size=30), data=st.data())
def test_auc_is_the_chance_to_rank_right(scores: list[int], data: st.DataObject) -> None:
    positive = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    score = np.array(scores, dtype=float)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    area = roc_auc(score, positive)
    assert area == pytest.approx(np.mean(pairs)) if pairs else math.isnan(area)


def test_several_parts_and_their_mean() -> None:
    random = np.random.default_rng(0)
    p, y, w = drawn(40, 3, 0)
    number = random.standard_normal(40).astype(np.float32)
    task = Several({"kind": Multiclass(3), "price": Regression(10.0, 2.0)})
    target = np.stack([y.astype(np.float32), number], 1)
    prediction = {"kind/probability": p, "price/mean": 10 + 2 * number + random.standard_normal(40)}
    ours = task.metrics(prediction, target, w)
    for name, own in (("kind", Multiclass(3).metrics({"probability": p}, y, w)),):
        assert {key: ours[f"{name}/{key}"] for key in own} == own
    assert ours["mean_score"] == pytest.approx((ours["kind/accuracy"] + ours["price/r2"]) / 2)
    assert set(ours) == {
        *(f"kind/{key}" for key in ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc_ovr")),
        *(f"price/{key}" for key in ("r2", "mean_absolute_error", "root_mean_squared_error")),
        "mean_score",
    }


def test_every_score_is_among_the_metrics() -> None:
    p, y, _ = drawn(30, 2, 0)
    found = {
        "binary": Binary(score="refinement").metrics({"probability": p}, y),
        "multiclass": Multiclass(3, score="refinement").metrics({"probability": drawn(30, 3, 0)[0]}, drawn(30, 3, 0)[1]),
        "multilabel": Multilabel(2).metrics({"probability": p}, np.eye(2)[y]),
        "regression": Regression().metrics({"mean": p[:, 0]}, p[:, 1]),
    }
    for kind, task in (("binary", Binary(score="smoothed_log_loss")), ("multiclass", Multiclass(3, score="smoothed_log_loss"))):
        probability, code, _ = drawn(30, max(task.outputs, 2), 0)
        found[kind] |= task.metrics({"probability": probability}, code)
    for kind, metrics in found.items():
        assert set(SCORES[kind]) <= set(metrics)


@given(seed=st.integers(0, 2**31), C=st.integers(2, 6), weighted=st.booleans())
@settings(deadline=None, max_examples=30)
def test_the_refinement_is_the_least_log_loss_over_temperatures(seed: int, C: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(300, C)) * random.uniform(0.2, 3)
    code = np.where(random.random(300) < 0.6, logits.argmax(1), random.integers(C, size=300))
    weight = random.random(300) + 0.1 if weighted else None
    found = refinement(softmax(logits), code, weight)
    by_hand = minimize_scalar(
        lambda t: sk.log_loss(code, softmax(logits / np.exp(t)), labels=range(C), sample_weight=weight),
        bounds=(-2.9, 2.9),
        method="bounded",
    ).fun
    assert found == pytest.approx(by_hand, rel=1e-4)
    assert found <= class_metrics(softmax(logits), code, weight)["log_loss"] + 1e-9


def test_being_too_sure_is_no_loss_of_refinement() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(500, 3)) * 2
    code = np.array([random.choice(3, p=p) for p in softmax(logits)])
    honest, sure = refinement(softmax(logits), code), refinement(softmax(4 * logits), code)
    assert honest == pytest.approx(sure, rel=1e-3)
    assert class_metrics(softmax(4 * logits), code)["log_loss"] > 1.5 * honest
    task = Multiclass(3, score="refinement")
    assert task.metrics({"probability": softmax(logits)}, code)[task.score] == honest
    assert not task.maximise


def test_the_temperature_of_many_rows_is_found_on_some_of_them() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(3_000_000, 2)) * 3
    code = (random.random(len(logits)) < softmax(logits)[:, 1]).astype(np.int64)
    assert refinement(softmax(2 * logits), code) == pytest.approx(class_metrics(softmax(logits), code)["log_loss"], rel=1e-3)


@pytest.mark.parametrize("kind", [partial(Multiclass, 4), Binary], ids=["multiclass", "binary"])
def test_with_smoothing_the_score_can_be_what_is_trained(kind: Any) -> None:
    task = kind(label_smoothing=0.2, score="smoothed_log_loss")
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(50, task.outputs, generator=random, dtype=torch.float64)
    codes = torch.randint(max(task.outputs, 2), (50,), generator=random)
    weight = np.arange(1.0, 51.0)
    metrics = task.metrics({"probability": task.decode(logits)["probability"].numpy()}, codes.numpy(), weight)
    assert not task.maximise
    assert metrics[task.score] == pytest.approx(np.average(task.loss(logits, codes).numpy(), weights=weight))
