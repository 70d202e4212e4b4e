"""The scikit-learn estimators: every check of scikit-learn's own suite, none skipped, and the ways people use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import goodfit as gf

_CHECKS = """
import json, sys, warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
import goodfit as gf
results = check_estimator(getattr(gf, sys.argv[1])(), on_fail=None)
print(json.dumps([[r["check_name"], r["status"], str(r["exception"])[:500]] for r in results]))
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["Classifier", "Regressor"])
def test_every_check_of_scikit_learn(name: str) -> None:
    environment = os.environ | {"SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"}  # else scikit-learn skips a check
    done = subprocess.run([sys.executable, "-c", _CHECKS, name], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(done.stdout.splitlines()[-1])
    assert len(results) > 40
    assert [result for result in results if result[1] != "passed"] == []


def test_pipeline_grid_search_and_cross_validation() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), gf.Classifier(model="mlp", epochs=8, lr=0.003, settings={"model.width": 32}))
    search = GridSearchCV(pipeline, {"classifier__lr": [1e-5, 3e-3]}, cv=3).fit(x, y)
    assert search.best_params_ == {"classifier__lr": 3e-3}
    assert search.best_score_ > 0.93
    x, y = load_diabetes(return_X_y=True)
    scores = cross_val_score(gf.Regressor(model="mlp", epochs=25, lr=0.003, batch_size=32, settings={"model.width": 32}), x, y, cv=3)
    assert scores.mean() > 0.35  # ridge has 0.48, the mean of the targets 0


def test_a_weight_is_a_number_of_copies_and_order_is_nothing() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 3))
    y = (x[:, 0] + 0.5 * random.normal(size=80) > 0).astype(int)
    weight = random.integers(0, 4, 80)
    options = {"model": "mlp", "epochs": 4, "lr": 0.01, "random_state": 3}
    weighted = gf.Classifier(**options).fit(x, y, sample_weight=weight).predict_proba(x)
    order = random.permutation(int(weight.sum()))
    copies = gf.Classifier(**options).fit(np.repeat(x, weight, 0)[order], np.repeat(y, weight)[order]).predict_proba(x)
    np.testing.assert_array_equal(weighted, copies)


def test_frames_keep_their_kinds() -> None:
    pd = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    city = random.choice(["Bonn", "Graz"], 200)
    frame = pd.DataFrame({"city": city, "x": random.normal(size=200)})
    model = gf.Classifier(model="mlp", epochs=10, lr=0.01).fit(frame, np.where(city == "Graz", "a", "b"))
    assert list(model.classes_) == ["a", "b"]
    assert model.score(frame, np.where(city == "Graz", "a", "b")) == 1.0
    assert list(model.feature_names_in_) == ["city", "x"]
