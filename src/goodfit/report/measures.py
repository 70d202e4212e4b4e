"""What each metric is called, which way is better, how it is written, and how the network stands beside its baselines.

Names are scikit-learn's. Only comparisons happen here; every number was computed and recorded by the evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from goodfit.report.notation import decimals_of, is_number, listed, number, percent, words


@dataclass(frozen=True, slots=True)
class Measure:
    """title: how it is called. maximise: larger is better. share: written as a percentage.

    says: the sentence's verb phrase about the network; beside: the same about a baseline.
    """

    title: str
    maximise: bool
    share: bool = False
    says: str = "reaches {value} in {title} for {target} on {rows}"
    beside: str = "reaches {value}"


_OFF = "is off by {value} on average when it predicts {target} on {rows}"
MEASURES: dict[str, Measure] = {
    "accuracy": Measure("Accuracy", True, True, "predicts {target} correctly in {value} of {rows}", "in {value}"),
    "sentence_accuracy": Measure("Rows right throughout", True, True, "tags {value} of {rows} without a mistake", "{value}"),
    "token_error_rate": Measure("Token error rate", False, True, "writes {target} with {value} of the tokens wrong in {rows}", "{value}"),
    "word_f1": Measure("F1 of the words", True, False, "names {target} with an F1 of the words of {value} in {rows}", "{value}"),
    "bleu": Measure("BLEU", True),
    "bits_per_character": Measure(
        "Bits per character", False, False, "spends {value} bits on a character of {target} in {rows}", "{value}"
    ),
    "map": Measure("Mean average precision", True, says="finds {target} with a mean average precision of {value} in {rows}"),
    "map_50": Measure(
        "Mean average precision at half overlap",
        True,
        says="finds {target} with a mean average precision of {value} at half overlap in {rows}",
    ),
    "map_75": Measure("Mean average precision at 75 % overlap", True),
    "step_accuracy": Measure(
        "Places right at their turn", True, True, "names {value} of the places of {target} right in {rows}", "{value}"
    ),
    "balanced_accuracy": Measure(
        "Balanced accuracy", True, True, "predicts {target} correctly in {value} of {rows}, every class counting alike", "in {value}"
    ),
    "top_5_accuracy": Measure("Top-5 accuracy", True, True),
    "f1": Measure("F1", True),
    "f1_macro": Measure("F1, mean over classes", True),
    "f1_micro": Measure("F1, pooled", True),
    "f1_weighted": Measure("F1, weighted by class size", True),
    "precision": Measure("Precision", True, True),
    "precision_macro": Measure("Precision, mean over classes", True, True),
    "recall": Measure("Recall", True, True),
    "recall_macro": Measure("Recall, mean over classes", True, True),
    "roc_auc": Measure("ROC AUC", True),
    "roc_auc_ovr": Measure("ROC AUC, one class against the rest", True),
    "roc_auc_macro": Measure("ROC AUC, mean over labels", True),
    "average_precision": Measure("Average precision", True),
    "matthews_corrcoef": Measure("Matthews correlation", True),
    "cohen_kappa": Measure("Cohen's kappa", True),
    "jaccard": Measure("Jaccard index", True),
    "log_loss": Measure("Log loss", False),
    "smoothed_log_loss": Measure("Log loss of smoothed labels", False),
    "refinement": Measure("Log loss at the best temperature", False),
    "brier_loss": Measure("Brier score", False),
    "hamming_loss": Measure("Hamming loss", False, True),
    "zero_one_loss": Measure("Error rate", False, True),
    "r2": Measure("R²", True, False, "explains {value} of the variance of {target} (R²) on {rows}", "explains {value}"),
    "explained_variance": Measure("Explained variance", True),
    "mean_absolute_error": Measure("Mean absolute error", False, False, _OFF, "by {value}"),
    "mean_absolute_scaled_error": Measure("Scaled error (MASE)", False),
    "median_absolute_error": Measure("Median absolute error", False),
    "root_mean_squared_error": Measure(
        "Root mean squared error",
        False,
        False,
        "is typically off by {value} when it predicts {target}, by root mean squared error on {rows}",
        "by {value}",
    ),
    "mean_squared_error": Measure(
        "Mean squared error", False, False, "gives back {target} with a mean squared error of {value} on {rows}", "with one of {value}"
    ),
    "mean_absolute_percentage_error": Measure("Mean absolute percentage error", False, True),
    "d2_absolute_error": Measure("D² of absolute errors", True),
    "spearmanr": Measure("Spearman correlation", True),
    "pearsonr": Measure("Pearson correlation", True),
    "loss": Measure("Loss", False),
    "frechet_distance": Measure(
        "Fréchet distance", False, False, "makes {target} at a Fréchet distance of {value} from {rows}", "at one of {value}"
    ),
    "diversity": Measure("Diversity, real pictures 1", True),
    "confidence": Measure("Mean confidence of the judge", True, True),
    "believed": Measure("Believed with a confidence above 90\u202f%", True, True),
    "classes_present": Measure("Classes present", True, True),
}

# What a reader outside the field understands, in the order of preference, where the deciding metric is none of these.
_READABLE = (
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "f1",
    "roc_auc",
    "mean_absolute_error",
    "root_mean_squared_error",
    "r2",
    "average_precision",
    "map_50",
)


def _key(name: str) -> str:
    """scikit-learn has `accuracy` among its scorers and `accuracy_score` among its functions; both mean one measure."""
    bare = name.removesuffix("_score").removeprefix("neg_")
    return {"brier": "brier_loss", "brier_score_loss": "brier_loss"}.get(bare, bare)


def measure(name: str) -> Measure:
    """What is known of a metric; an unknown one is better when larger unless it is called a loss or an error."""
    known = MEASURES.get(_key(name))
    if known is not None:
        return known
    return Measure(words(name), maximise=not any(part in name for part in ("loss", "error", "deviance", "perplexity")))


def written(name: str, value: Any, decimals: int | None = None) -> str:
    """A metric's value; `decimals` counts digits of the plain number, also where it is written as a percentage."""
    if not measure(name).share:
        return number(value, decimals)
    return percent(value, 1 if decimals is None else max(0, decimals - 2))


def interval(name: str, entry: dict[str, Any], extra: int = 0) -> tuple[str, str]:
    """A metric's value and its interval, with the digits that the interval's width warrants plus `extra`."""
    value, low, high = entry.get("value"), entry.get("low"), entry.get("high")
    if not (is_number(low) and is_number(high)):
        return written(
            name, value, None if not is_number(value) or float(value).is_integer() else 3 + extra if abs(value) < 10 else None
        ), ""
    decimals = decimals_of(low, high) + extra
    if measure(name).share:
        decimals = max(3, decimals)  # tenths of a percent at least, as people write them
    first = written(name, low, decimals).removesuffix("\u202f%")
    return written(name, value, decimals), f"{first} to {written(name, high, decimals)}"


# Baselines that know nothing of the row, and how each baseline is called in a sentence.
CONSTANT = frozenset({"majority", "mean", "median", "prior", "constant", "dummy", "mean boxes"})
_CALLED = {
    "majority": "always naming the most frequent class",
    "prior": "always naming the most frequent class",
    "mean": "always naming the mean",
    "median": "always naming the median",
    "mean boxes": "the mean box of each class in every picture",
    "linear": "a linear model",
    "logistic": "a logistic regression",
    "linear on pixels": "a linear model on pixels",
    "TF-IDF and linear": "a linear model on TF-IDF",
    "trees": "gradient-boosted trees",
    "boosted trees": "gradient-boosted trees",
    "normal pixels": "normal noise in the principal components of pixels",
    "PCA": "PCA with a code of the same size",
}


def called(baseline: str | None) -> str:
    """A baseline as a sentence names it."""
    return _CALLED.get(baseline or "", words(baseline or ""))


Outcome = Literal["beats", "level", "behind", "alone"]


@dataclass(frozen=True, slots=True)
class Standing:
    """The network beside its best baseline by one metric. outcome `alone`: there is no baseline or no interval to compare with."""

    metric: str
    entry: dict[str, Any]
    baseline: str | None
    baseline_value: float | None
    outcome: Outcome


def headline_metric(target: dict[str, Any], score: str | None) -> str | None:
    """The metric of the headline: the one that decided in training where people can read it, else the first that they can."""
    names = list(_scores(target))
    keys = {_key(name): name for name in reversed(names)}
    for candidate in (_key(score) if score else None, *_READABLE):
        if candidate in keys and (candidate in _READABLE or measure(candidate).maximise):
            return keys[candidate]
    return keys.get(_key(score)) if score and _key(score) in keys else (names[0] if names else None)


def standing(target: dict[str, Any], metric: str) -> Standing | None:
    """How the network stands by `metric`; None where the evaluation has no such metric."""
    entry = _scores(target).get(metric)
    if entry is None or not is_number(entry.get("value")):
        return None
    best = best_baseline(target, metric)
    if best is None:
        return Standing(metric, entry, None, None, "alone")
    name, value = best
    low, high = entry.get("low"), entry.get("high")
    if not (is_number(low) and is_number(high)):
        return Standing(metric, entry, name, value, "alone")
    below, above = value < low, value > high
    ahead, behind = (below, above) if measure(metric).maximise else (above, below)
    return Standing(metric, entry, name, value, "beats" if ahead else "behind" if behind else "level")


def best_baseline(target: dict[str, Any], metric: str) -> tuple[str, float] | None:
    """Name and value of the best baseline by `metric`."""
    found = [
        (str(b.get("name")), b["metrics"][metric]) for b in target.get("baselines") or [] if is_number((b.get("metrics") or {}).get(metric))
    ]
    if not found:
        return None
    return (max if measure(metric).maximise else min)(found, key=lambda pair: pair[1])


def verdict(place: Standing, short_of_time: bool) -> str:
    """The outcome as it may be said aloud: `nothing` was learned where a constant is as good, `hasty` where baselines had no time for all rows."""
    if place.outcome in ("level", "behind") and place.baseline in CONSTANT:
        return "nothing"
    return "hasty" if place.outcome == "beats" and short_of_time else place.outcome


def starved(target: dict[str, Any], train: Any) -> str:
    """A sentence on baselines that had no time for all training rows and might be better with them; empty where there are none."""
    found = [
        (str(b.get("name")), b["rows"])
        for b in target.get("baselines") or []
        if is_number(b.get("rows")) and is_number(train) and b["rows"] < 0.9 * train
    ]
    if not found:
        return ""
    told = listed([f"{called(name)} from {rows:,.0f}" for name, rows in found])
    return f"Of {train:,.0f} training rows there was time to learn {told} only."


def _scores(target: dict[str, Any]) -> dict[str, Any]:
    return (target.get("scores") or {}).get("metrics") or {}
