"""How good predictions are, each number with a 95 % bootstrap interval; scikit-learn's metric names and definitions.

n rows, C classes or labels, G groups of equal scores, r resamples at once.

| target | metrics |
|---|---|
| binary | accuracy, balanced_accuracy, f1_macro, roc_auc, average_precision (of the second class), log_loss (nats), brier |
| multiclass | accuracy, balanced_accuracy, f1_macro, log_loss (nats), roc_auc_ovr |
| multilabel | accuracy (all labels of a row right), hamming_loss, f1_macro, f1_micro, roc_auc_macro, log_loss (nats, mean over labels) |
| regression | r2, mean_absolute_error, root_mean_squared_error, median_absolute_error, in the target's unit |
| tagging | accuracy (of the tokens), sentence_accuracy (rows right throughout), f1_macro |
| sequence | token_error_rate (edits over units), accuracy (rows right throughout) |
| forecast | mean_absolute_error, root_mean_squared_error, in the target's unit, mean_absolute_scaled_error |
| caption | word_f1 (of the sets of words, the mean over rows), bleu (of all rows together) |
| language | bits_per_character |
| reconstruction | mean_squared_error, of pixels from 0 to 1 or of standardised columns |
| detection | map, map_50, map_75 (COCO's mean average precisions) |
| pointing | accuracy (rows right throughout), step_accuracy (places right at their turn) |
| several | those of each part, named `<target>/<metric>` |

A metric that the rows leave undefined (an AUC of one class, the R2 of one row) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from goodfit.base.protocols import Task
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.evaluation.structured import JUDGED

Totals = Callable[[np.ndarray], dict[str, np.ndarray]]
Prediction = dict[str, np.ndarray]

MAXIMISE = {
    "accuracy", "sentence_accuracy", "balanced_accuracy", "f1_macro", "f1_micro", "roc_auc", "roc_auc_ovr", "roc_auc_macro", "average_precision", "r2",
    "word_f1", "bleu", "step_accuracy", "map", "map_50", "map_75",
}  # fmt: skip
_RANKS = 2_048  # groups of scores inside a resample: moves an AUC by under 1e-6, and keeps a resample of any n below a millisecond
_COARSE = 256  # the same where C columns are ranked in every resample; the shift that it makes is taken off again
_MANY = 100  # classes above which the mean of one-against-rest AUCs says little and costs much
_WORK = 100_000_000  # drawn rows times classes for an AUC per class: about a second


def scores(
    target: TargetSpec,
    task: Task | None,
    prediction: Prediction,
    encoded_target: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    seed: int,
    resamples: int = 1_000,
) -> dict[str, dict[str, float | None]]:
    """Every metric of the target with its interval: {name: {"value", "low", "high"}}.

    prediction: as `Task.decode` gives it, {"probability": [n, C]} or {"mean": [n]} in the target's unit.
    encoded_target: as `TargetSpec.encode` gives it. weight: [n] not negative, or None.
    task: its further metrics are added, without an interval (None for none).
    """
    found = _scores(target, prediction, np.asarray(encoded_target), _weights(weight), seed, resamples)
    if task is not None and len(encoded_target):
        for name, value in task.metrics(prediction, encoded_target, weight).items():
            if name not in found and np.isfinite(value):
                found[name] = {"value": float(value), "low": None, "high": None}
    return found


def values(target: TargetSpec, prediction: Prediction, encoded_target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """The metrics alone: {name: value}."""
    found = scores(target, None, prediction, encoded_target, weight, seed=0, resamples=0)
    return {name: float(entry["value"]) for name, entry in found.items() if entry["value"] is not None}


def _weights(weight: np.ndarray | None) -> np.ndarray | None:
    """float64 [n], or None where all are alike."""
    if weight is None or len(weight) == 0 or np.ptp(weight) == 0:
        return None
    return np.asarray(weight, dtype=np.float64)


def _scores(
    target: TargetSpec, prediction: Prediction, y: np.ndarray, w: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    if len(y) == 0:
        return {}
    if target.kind == "several":
        found = {}
        for index, part in enumerate(target.parts):
            name = part.names[0]
            own = {key.removeprefix(f"{name}/"): value for key, value in prediction.items() if key.startswith(f"{name}/")}
            for metric, entry in _scores(part, own, part_codes(part, y[:, index]), w, seed, resamples).items():
                found[f"{name}/{metric}"] = entry
        return found
    if target.kind == "regression":
        actual = y.astype(np.float64) * target.std + target.mean
        return _regression(actual, np.asarray(prediction["mean"], np.float64), w, seed, resamples)
    if target.kind == "reconstruction":
        return _means({"mean_squared_error": prediction["error"]}, w, seed, resamples)
    if target.kind in JUDGED:
        return JUDGED[target.kind].scores(target, prediction, y, w, seed, resamples)
    given = prediction["probability"]
    # Clipped to the rounding of its type before a logarithm is taken, as scikit-learn does.
    eps = float(np.finfo(given.dtype).eps) if given.dtype.kind == "f" else float(np.finfo(np.float64).eps)
    if target.kind == "multilabel":
        return _multilabel(y, given.astype(np.float64), eps, w, seed, resamples)
    return _classes(y.astype(np.int64), given.astype(np.float64), eps, w, seed, resamples)


def part_codes(part: TargetSpec, column: np.ndarray) -> np.ndarray:
    """A part's column of the target of `several`, [n] float32, as the part alone is encoded."""
    return column if part.kind == "regression" else np.rint(column).astype(np.int64)


def _classes(
    y: np.ndarray, p: np.ndarray, eps: float, w: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    n, C = p.shape
    code = y * C + p.argmax(axis=1)  # cell of the confusion matrix
    drawn = (
        _stack(_confusion(t.reshape(-1, C, C)) for t in bootstrap.cells(code, w, C * C, resamples, seed, "confusion")) if C <= 512 else {}
    )
    found = _summaries(_confusion(np.bincount(code, weights=w, minlength=C * C).reshape(1, C, C)), drawn)
    _honest_when_perfect(found, np.bincount(y, minlength=C), n)
    picked = np.clip(p[np.arange(n), y], eps, 1 - eps)
    columns = {"log_loss": -np.log(picked)}
    if C == 2:
        columns["brier"] = (p[:, 1] - y) ** 2
    found |= _means(columns, w, seed, resamples)
    if C == 2:
        found |= _two_classes(y, p[:, 1], w, seed, resamples)
    elif C <= _MANY:
        found |= _auc_per_column(np.eye(C, dtype=bool)[y], p, w, seed, resamples, "roc_auc_ovr")
    return found


def _confusion(counts: np.ndarray) -> dict[str, np.ndarray]:
    """[r, C, C] weights of (true, predicted) -> metrics [r]; classes that no row has are left out of means."""
    true, predicted, hit = counts.sum(2), counts.sum(1), np.einsum("rcc->rc", counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(true > 0, hit / true, 0)
        f1 = np.where(true + predicted > 0, 2 * hit / (true + predicted), 0)
        return {
            "accuracy": hit.sum(1) / true.sum(1),
            "balanced_accuracy": recall.sum(1) / (true > 0).sum(1),
            "f1_macro": f1.sum(1) / (true + predicted > 0).sum(1),
        }


def _honest_when_perfect(found: dict[str, dict[str, float | None]], rows: np.ndarray, n: int) -> None:
    """Where every row is right, resampling cannot see a mistake and would claim certainty.

    The exact (Clopper-Pearson 1934) lower limit of a share of n right ones in n is (alpha / 2)^(1 / n); class means take it per class.
    """
    lower = lambda count: ((1 - bootstrap.LEVEL) / 2) ** (1 / count)  # noqa: E731
    limits = {"accuracy": float(lower(n)), "balanced_accuracy": float(lower(rows[rows > 0]).mean())}
    limits["f1_macro"] = limits["balanced_accuracy"]
    for name, low in limits.items():
        if found[name]["value"] == 1 and found[name]["low"] is not None:
            found[name]["low"] = low


def _two_classes(y: np.ndarray, score: np.ndarray, w: np.ndarray | None, seed: int, resamples: int) -> dict[str, dict[str, float | None]]:
    """Metrics of the order of the scores [n] of class 1."""
    rank = np.unique(score, return_inverse=True)[1]
    exact = _ranks(np.bincount(rank * 2 + y, weights=w, minlength=2 * (rank.max() + 1)).reshape(1, -1, 2))
    group = _grouped(rank, _RANKS)
    size = int(group.max()) + 1
    shape = (-1, size, 2)
    near = _ranks(np.bincount(group * 2 + y, weights=w, minlength=2 * size).reshape(shape))
    drawn = _stack(_ranks(t.reshape(shape)) for t in bootstrap.cells(group * 2 + y, w, 2 * size, resamples, seed, "ranks"))
    return _summaries(exact, {name: drawn[name] + exact[name] - near[name] for name in drawn})


def _grouped(rank: np.ndarray, groups: int) -> np.ndarray:
    """Ranks [n] as at most `groups` groups of about equally many rows, in the same order."""
    if rank.max() < groups:
        return rank
    below = np.cumsum(np.bincount(rank))
    return np.unique(((below - 1) * groups // len(rank))[rank], return_inverse=True)[1]


def _ranks(counts: np.ndarray) -> dict[str, np.ndarray]:
    """[r, G, 2] weights of both classes by rising score -> metrics [r]."""
    negative, positive = counts[:, :, 0], counts[:, :, 1]
    below = np.cumsum(negative, axis=1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (positive * below).sum(1) / (positive.sum(1) * negative.sum(1))
        positive, negative = positive[:, ::-1], negative[:, ::-1]
        hits = np.cumsum(positive, axis=1)
        chosen = hits + np.cumsum(negative, axis=1)
        precision = np.where(chosen > 0, hits / chosen, 0)
        average = (precision * positive).sum(1) / positive.sum(1)
    return {"roc_auc": auc, "average_precision": average}


def _auc_per_column(
    y: np.ndarray, p: np.ndarray, w: np.ndarray | None, seed: int, resamples: int, name: str
) -> dict[str, dict[str, float | None]]:
    """Mean over C columns of the AUC of scores p [n, C] for labels y [n, C], where a column has both."""
    n, C = p.shape
    ones = np.ones(n) if w is None else w
    value = _mean_auc(y, p, [ones[None]])
    rows = bootstrap.subset(n, seed, name)
    resamples = min(resamples, max(100, _WORK // (rows.size * C)))
    if not resamples or not np.isfinite(value[0]):
        return _summaries({name: value}, {})
    y, p, ones = y[rows], p[rows], ones[rows]
    near = _mean_auc(y, p, [ones[None]], _COARSE)
    drawn = _mean_auc(y, p, (d * ones for d in bootstrap.draws(rows.size, resamples, seed, name)), _COARSE)
    return _summaries({name: value}, {name: drawn + value - near}, scale=(rows.size / n) ** 0.5)


def _mean_auc(y: np.ndarray, p: np.ndarray, weights: Iterable[np.ndarray], groups: int | None = None) -> np.ndarray:
    """[R], for weights [r, n] at a time; with `groups`, scores of each column are first put into so many."""
    layout = []
    for c in range(p.shape[1]):
        rank = np.unique(p[:, c], return_inverse=True)[1]
        rank = rank if groups is None else _grouped(rank, groups)
        cell = 2 * rank + y[:, c]
        order = np.argsort(cell, kind="stable")
        starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
        layout.append((order, starts, cell[order][starts], int(rank.max()) + 1))
    found = []
    for weight in weights:
        auc = []
        for order, starts, kinds, size in layout:
            totals = np.zeros((weight.shape[0], 2 * size))
            totals[:, kinds] = np.add.reduceat(weight[:, order], starts, axis=1)
            auc.append(_ranks(totals.reshape(-1, size, 2))["roc_auc"])
        defined = np.isfinite(auc).sum(0)
        found.append(np.where(defined > 0, np.nansum(auc, axis=0) / np.maximum(defined, 1), np.nan))
    return np.concatenate(found) if found else np.empty(0)


def _multilabel(
    y: np.ndarray, p: np.ndarray, eps: float, w: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """y [n, C] of 0 and 1, p [n, C]."""
    C = p.shape[1]
    truth, chosen = y > 0.5, p >= 0.5
    clipped = np.clip(p, eps, 1 - eps)
    losses = -np.where(truth, np.log(clipped), np.log1p(-clipped)).mean(1)
    columns = {"accuracy": (truth == chosen).all(1), "hamming_loss": (truth != chosen).mean(1), "log_loss": losses}
    found = _means(columns, w, seed, resamples)

    def f1(totals: np.ndarray) -> dict[str, np.ndarray]:
        hit, either = totals[:, :C], totals[:, C:]  # r C: true positives; true plus predicted positives
        with np.errstate(invalid="ignore", divide="ignore"):
            each = np.where(either > 0, 2 * hit / either, 0)
            return {"f1_macro": each.mean(1), "f1_micro": np.where(either.sum(1) > 0, 2 * hit.sum(1) / either.sum(1), 0)}

    found |= _of_sums(np.concatenate([truth & chosen, truth.astype(int) + chosen], axis=1).astype(float), f1, w, seed, resamples)
    return found | (_auc_per_column(truth, p, w, seed, resamples, "roc_auc_macro") if C <= _MANY else {})


def _regression(
    actual: np.ndarray, mean: np.ndarray, w: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    error, centred = actual - mean, actual - actual.mean()

    def of_sums(totals: np.ndarray) -> dict[str, np.ndarray]:
        absolute, squared, first, second, total = totals.T
        spread = second - first**2 / total  # around the mean of the resample
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = np.where(spread > 1e-12 * second, 1 - squared / spread, np.nan)
        return {"r2": r2, "mean_absolute_error": absolute / total, "root_mean_squared_error": np.sqrt(squared / total)}

    columns = np.stack([np.abs(error), error**2, centred, centred**2, np.ones_like(error)], axis=1)
    return _of_sums(columns, of_sums, w, seed, resamples) | _median(np.abs(error), w, seed, resamples)


def _median(error: np.ndarray, w: np.ndarray | None, seed: int, resamples: int) -> dict[str, dict[str, float | None]]:
    """The weighted median of errors [n]; the mean of both middle ones where weights meet half exactly."""

    def medians(error: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
        order = np.argsort(error)
        ranked = error[order]
        found = []
        for drawn in weights:
            below = np.cumsum(drawn[:, order], axis=1)  # r n
            half = below[:, -1:] / 2
            tie = 1e-12 * half
            low, high = (below < half - tie).sum(1), (below <= half + tie).sum(1)
            found.append((ranked[low] + ranked[np.minimum(high, ranked.size - 1)]) / 2)
        return np.concatenate(found) if found else np.empty(0)

    name, n = "median_absolute_error", len(error)
    ones = np.ones(n) if w is None else w
    value, rows = medians(error, [ones[None]]), bootstrap.subset(n, seed, name)
    near = value if rows.size == n else medians(error[rows], [ones[None, rows]])
    drawn = medians(error[rows], (d * ones[rows] for d in bootstrap.draws(rows.size, resamples, seed, name)))
    return _summaries({name: value}, {name: drawn + value - near}, scale=(rows.size / n) ** 0.5)


def _means(columns: dict[str, np.ndarray], w: np.ndarray | None, seed: int, resamples: int) -> dict[str, dict[str, float | None]]:
    """Metrics that are weighted means of a number per row [n]."""
    stacked = np.stack([*columns.values(), np.ones(len(next(iter(columns.values()))))], axis=1).astype(np.float64)

    def ratio(totals: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of rows that weigh nothing has no mean
            return {name: totals[:, index] / totals[:, -1] for index, name in enumerate(columns)}

    return _of_sums(stacked, ratio, w, seed, resamples)


def _of_sums(columns: np.ndarray, metrics: Totals, w: np.ndarray | None, seed: int, resamples: int) -> dict[str, dict[str, float | None]]:
    """Metrics that are functions of the totals of columns [n, M]."""
    columns = columns if w is None else columns * w[:, None]
    drawn = metrics(bootstrap.sums(columns, resamples, seed, "sums")) if resamples else {}
    return _summaries(metrics(columns.sum(0, keepdims=True)), drawn)


def _stack(parts: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    listed: list[dict[str, np.ndarray]] = list(parts)
    return {name: np.concatenate([part[name] for part in listed]) for name in listed[0]} if listed else {}


def _summaries(value: dict[str, np.ndarray], drawn: dict[str, np.ndarray], *, scale: float = 1.0) -> dict[str, Any]:
    """Point values [1] and resampled ones [R] by name -> {"value", "low", "high"}; what is undefined is left out."""
    none = np.empty(0)
    return {
        name: bootstrap.summary(float(point[0]), drawn.get(name, none), scale=scale)
        for name, point in value.items()
        if np.isfinite(point[0])
    }
