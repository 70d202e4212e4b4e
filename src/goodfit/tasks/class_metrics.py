"""Metrics of classes: scikit-learn's names and values, fast enough for every epoch.

n rows, C classes. Probabilities [n, C], codes [n] int64, weights [n] or None for all 1.
Where a metric is undefined (an AUC of rows of one class) it is not a number, as in scikit-learn, but without a warning.
"""

from __future__ import annotations

import numpy as np

RANKED = 100  # classes up to which the AUC is computed: at 5,000 rows a sort of each costs 15 ms in all


def class_metrics(probability: np.ndarray, code: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """accuracy, balanced_accuracy, f1_macro, log_loss (nats), and roc_auc (two classes) or roc_auc_ovr.

    roc_auc_ovr: mean over the classes that some rows have and some have not. The predicted class is the most probable one.
    """
    n, C = probability.shape
    code = code.astype(np.int64, copy=False)
    predicted = probability.argmax(1)
    right = (predicted == code).astype(np.float64)
    hits = np.bincount(code, weights=right if weight is None else right * weight, minlength=C)
    true = np.bincount(code, weights=weight, minlength=C)
    chosen = np.bincount(predicted, weights=weight, minlength=C)
    seen = true > 0
    either = seen | (chosen > 0)
    metrics = {
        "accuracy": average(right, weight),
        "balanced_accuracy": average(hits[seen] / true[seen]),
        "f1_macro": average(2 * hits[either] / (true + chosen)[either]),
        "log_loss": average(surprise(probability[np.arange(n), code]), weight),
    }
    if C == 2:
        metrics["roc_auc"] = roc_auc(probability[:, 1], code == 1, weight)
    elif C <= RANKED:
        areas = [roc_auc(probability[:, c], code == c, weight) for c in np.flatnonzero(seen)]
        metrics["roc_auc_ovr"] = mean_defined(areas)
    return metrics


def surprise(probability: np.ndarray) -> np.ndarray:
    """-log p in nats, p clipped as scikit-learn clips: to the rounding of its dtype."""
    eps = np.finfo(probability.dtype).eps
    return -np.log(np.clip(probability, eps, 1 - eps).astype(np.float64))


def roc_auc(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties counting half.

    score [n], positive [n] bool. Not a number where there are no positives or no negatives.
    """
    if not len(score):
        return float("nan")
    order = np.argsort(score)
    ranked = score[order]
    good = positive[order].astype(np.float64)
    bad = 1.0 - good
    if weight is not None:
        good, bad = good * weight[order], bad * weight[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)  # the last row of each group of equal scores
    below, above = np.cumsum(bad)[last], np.cumsum(good)[last]
    if below[-1] <= 0 or above[-1] <= 0:
        return float("nan")
    gained = np.diff(above, prepend=0.0)
    return float(np.sum(gained * (below - np.diff(below, prepend=0.0) / 2)) / (below[-1] * above[-1]))


def average(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The (weighted) mean; not a number of no rows or no weight."""
    total = len(values) if weight is None else float(weight.sum())
    return float(values.sum() if weight is None else values @ weight) / total if total else float("nan")


def mean_defined(values: list[float]) -> float:
    """The mean of the numbers among `values`; not a number where there are none."""
    defined = [value for value in values if value == value]
    return sum(defined) / len(defined) if defined else float("nan")
