"""Metrics of classes: scikit-learn's names and values, fast enough for every epoch.

n rows, C classes. Probabilities [n, C], codes [n] int64, weights [n] or None for all 1.
Where a metric is undefined (an AUC of rows of one class) it is not a number, as in scikit-learn, but without a warning.
"""

from __future__ import annotations

import numpy as np

from goodfit.tasks.cooling import refinement

RANKED = 100  # classes up to which the AUC is computed: at 5,000 rows a sort of each costs about 20 ms in all


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
        columns = np.ascontiguousarray(probability.T)  # n C -> C n
        areas = [roc_auc(columns[c], code == c, weight) for c in np.flatnonzero(seen)]
        metrics["roc_auc_ovr"] = mean_defined(areas)
    return metrics


def score_only(
    score: str, probability: np.ndarray, code: np.ndarray, smoothing: float, weight: np.ndarray | None = None
) -> dict[str, float]:
    """What is computed only where it is the score: refinement (see cooling) or smoothed_log_loss."""
    if score == "refinement":
        return {score: refinement(probability, code, weight)}
    if score == "smoothed_log_loss":
        return {score: smoothed_log_loss(probability, code, smoothing, weight)}
    return {}


def smoothed_log_loss(probability: np.ndarray, code: np.ndarray, smoothing: float, weight: np.ndarray | None = None) -> float:
    """Cross-entropy in nats with the targets of label smoothing, of which the share `smoothing` is spread evenly over the classes."""
    own = surprise(probability[np.arange(len(code)), code.astype(np.int64)])
    return average((1 - smoothing) * own + smoothing * surprise(probability).mean(1), weight)


def surprise(probability: np.ndarray) -> np.ndarray:
    """-log p in nats, p clipped as scikit-learn clips: to the rounding of its dtype."""
    eps = np.finfo(probability.dtype).eps
    return -np.log(np.clip(probability, eps, 1 - eps).astype(np.float64))


def roc_auc(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties counting half.

    score [n], positive [n] bool. Not a number where there are no positives or no negatives.
    """
    # Mann and Whitney 1947: the weight below each positive row, half of that level with it, less what positives have of one another.
    if weight is None:
        ranked, below = np.sort(score), np.arange(len(score) + 1, dtype=np.float64)
        own, bad = np.ones(int(positive.sum())), float(len(score) - positive.sum())
    else:
        order = np.argsort(score)
        ranked, below = score[order], np.append(0.0, np.cumsum(weight[order]))
        own, bad = weight[positive], float(weight[~positive].sum())
    good, chosen = float(own.sum()), score[positive]
    if good <= 0 or bad <= 0:
        return float("nan")
    level = below[np.searchsorted(ranked, chosen, "left")] + below[np.searchsorted(ranked, chosen, "right")]
    return float((own @ level - good**2) / (2 * good * bad))


def average(values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The (weighted) mean; not a number of no rows or no weight."""
    total = len(values) if weight is None else float(weight.sum())
    return float(values.sum() if weight is None else values @ weight) / total if total else float("nan")


def mean_defined(values: list[float]) -> float:
    """The mean of the numbers among `values`; not a number where there are none."""
    defined = [value for value in values if value == value]
    return sum(defined) / len(defined) if defined else float("nan")
