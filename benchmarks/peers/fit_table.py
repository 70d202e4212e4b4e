"""One cell of the comparison on tables: one learner, one set, one seed. Prints one line of JSON.

Run by `tables.py`, in the learner's own environment.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import table_goodfit
import table_networks
import table_trees
from sets import load

LEARNERS = {
    "goodfit-fast": functools.partial(table_goodfit.goodfit, "fast"),
    "goodfit-good": functools.partial(table_goodfit.goodfit, "good"),
    "goodfit-best": functools.partial(table_goodfit.goodfit, "best"),
    "HistGradientBoosting": table_trees.hist_gradient_boosting,
    "LightGBM": table_trees.lightgbm,
    "CatBoost": table_trees.catboost,
    "sklearn-MLP": table_networks.sklearn_mlp,
    "RealMLP-TD": table_networks.realmlp,
    "TabM-D": table_networks.tabm,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("learner", choices=LEARNERS)
    parser.add_argument("set")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--time-limit", type=float, required=True)
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()

    if given.learner.startswith(("goodfit", "RealMLP", "TabM")):
        import torch

        torch.set_num_threads(given.threads)
    table = load(given.set, given.data, given.seed)
    begun = time.monotonic()
    prediction, classes, remarks = LEARNERS[given.learner](table, given.seed, given.threads, given.time_limit)
    seconds = time.monotonic() - begun  # fitting and predicting the test rows
    values = scores(table.y_test, prediction, classes) | remarks
    used = resource.getrusage(resource.RUSAGE_SELF)
    costs = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "memory_mib": round(used.ru_maxrss / 1024),
    }
    print(json.dumps(values | costs | {"rows": len(table.y_train)}))


def scores(y: np.ndarray, prediction: np.ndarray, classes: np.ndarray | None) -> dict[str, Any]:
    """The metrics; `error` is the one that is compared: RMSE, 1 - AUC for two classes, 1 - accuracy for more."""
    from sklearn import metrics

    prediction = np.asarray(prediction, dtype=np.float64)
    if not np.isfinite(prediction).all():
        raise ValueError("the prediction holds values that are not finite")
    if classes is None:
        rmse = float(metrics.root_mean_squared_error(y, prediction))
        found = {"rmse": rmse, "r2": float(metrics.r2_score(y, prediction)), "mae": float(metrics.mean_absolute_error(y, prediction))}
        return {"error": rmse} | found
    codes = {str(name): i for i, name in enumerate(classes)}
    target = np.array([codes[name] for name in y])
    probability = prediction / prediction.sum(axis=1, keepdims=True)
    accuracy = float((probability.argmax(axis=1) == target).mean())
    log_loss = float(metrics.log_loss(target, np.clip(probability, 1e-15, 1), labels=np.arange(len(classes))))
    if len(classes) == 2:
        auc = float(metrics.roc_auc_score(target, probability[:, 1]))
        return {"error": 1 - auc, "auc": auc, "accuracy": accuracy, "log_loss": log_loss}
    return {"error": 1 - accuracy, "accuracy": accuracy, "log_loss": log_loss}


if __name__ == "__main__":
    main()
