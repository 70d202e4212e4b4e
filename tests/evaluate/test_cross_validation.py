"""Scores over folds: the values are scikit-learn's, and the interval holds what it claims where the plain one does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from goodfit.base.errors import InputError
from goodfit.data.target import TargetSpec
from goodfit.evaluation.cross_validation import Judged, cross_validated

TARGET = TargetSpec("binary", ("y",), (0, 1))


def test_the_mean_over_folds_is_scikit_learn_s() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    model, splits = make_pipeline(StandardScaler(), LogisticRegression()), RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=0)
    folds = []
    for train, valid in splits.split(x, y):
        folds.append(Judged({"probability": model.fit(x[train], y[train]).predict_proba(x[valid])}, y[valid], len(train)))
    found = cross_validated(TARGET, folds)
    for name, theirs in (("accuracy", "accuracy"), ("roc_auc", "roc_auc"), ("log_loss", "neg_log_loss")):
        each = np.abs(cross_val_score(model, x, y, cv=splits, scoring=theirs))
        assert found[name]["value"] == pytest.approx(each.mean())
        assert found[name]["std"] == pytest.approx(each.std(ddof=1))
        half = stats.t.ppf(0.975, 9) * np.sqrt((1 / 10 + np.mean([len(f.truth) / f.learned for f in folds])) * each.var(ddof=1))
        assert found[name]["high"] == pytest.approx(each.mean() + half)


def test_the_interval_holds_the_accuracy_that_it_is_about() -> None:
    """300 samples of 120 rows, 5 folds x 4 repeats of a nearest-mean rule, whose mean accuracy over samples is known from new rows."""
    rng = np.random.default_rng(5)

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, 2, n)
        return rng.normal(size=(n, 3)) + 0.5 * y[:, None], y

    def learned(x: np.ndarray, y: np.ndarray):
        low, high = x[y == 0].mean(0), x[y == 1].mean(0)
        return lambda given: ((given - (low + high) / 2) @ (high - low) > 0).astype(int)

    new_x, new_y = sample(20_000)
    true, corrected, plain = [], [], []
    for _ in range(300):
        x, y = sample(120)
        folds, scores = [], []
        for _ in range(4):
            fold = rng.permutation(120) % 5
            for number in range(5):
                rule, valid = learned(x[fold != number], y[fold != number]), fold == number
                said = rule(x[valid])
                folds.append(Judged({"probability": np.eye(2)[said]}, y[valid], int((~valid).sum())))
                scores.append((said == y[valid]).mean())
        true.append((learned(x[:96], y[:96])(new_x) == new_y).mean())
        found = cross_validated(TARGET, folds)["accuracy"]
        corrected.append((found["low"], found["high"]))
        half = stats.t.ppf(0.975, 19) * np.std(scores, ddof=1) / np.sqrt(20)
        plain.append((np.mean(scores) - half, np.mean(scores) + half))
    wanted = np.mean(true)
    held = [np.mean([low <= wanted <= high for low, high in intervals]) for intervals in (corrected, plain)]
    assert held[0] > 0.9
    assert held[1] < 0.85


def test_what_is_no_cross_validation_is_refused() -> None:
    fold = Judged({"probability": np.eye(2)}, np.array([0, 1]), 4)
    with pytest.raises(InputError, match="at least 2 of them; 1 was given"):
        cross_validated(TARGET, [fold])
    with pytest.raises(InputError, match="fold 2 has none"):
        cross_validated(TARGET, [fold, Judged({"probability": np.eye(2)}, np.array([0, 1]), 0)])
