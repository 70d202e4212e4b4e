"""What simple predictors reach on the same rows: always the same answer, a linear model, boosted trees.

A network that does not beat them has learned nothing that they do not know. They get what anyone would give them by hand (see
`matrices`), scikit-learn's defaults, and a time limit: each is fitted on 1,000 rows, then on up to eight times as many as long as the
measured times say that the next fit ends within the limit, so that the last one is on all rows, or on as many as there was time for.

n rows, C classes.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.streams import derive, numpy_stream
from goodfit.data.dataset import Dataset
from goodfit.data.graph_columns import rows_of
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation.graphs import counted, described, spread_labels
from goodfit.evaluation.matrices import Matrices, affordable, for_linear, for_trees, standardised, tabular
from goodfit.evaluation.scores import Prediction, values
from goodfit.evaluation.structured import JUDGED

LABELS = 20  # of a multilabel target for which trees are grown, one ensemble each
_FIRST, _GROWTH = 1_000, 8.0
_MARGIN = 0.8  # of the time left is planned for
_COST = 0.7  # time grows as this power of the rows, until two fits have been measured: below 1, since small fits are all overhead
_MANY, _ROUNDS, _RATE = 10, 40, 0.2  # classes above which trees get fewer and larger steps: on 26 classes 0.961 for 0.969 in half the time

Fit = Callable[[np.ndarray], Prediction]


def baselines(
    dataset: Dataset, target: TargetSpec, split: Split, seed: int, on: np.ndarray | None = None, *, seconds: float = 30.0
) -> list[dict[str, Any]]:
    """[{"name", "metrics": {name: value}, "seconds", "rows"}] on the rows `on` (those of test, or validation, when None).

    target: one target; each part of several is asked for alone. seconds: for all of them together, kept to within a fit of 1,000 rows.
    rows: how many training rows the baseline was fitted on.
    """
    assert target.kind != "several", "the parts of several targets have baselines of their own"
    deadline = time.monotonic() + seconds
    on = (split.test if split.test.size else split.valid) if on is None else on
    if not on.size:
        return []
    judged = JUDGED.get(target.kind)
    if judged is not None and judged.baselines_of_split is not None:
        return judged.baselines_of_split(dataset, target, split, on)
    most = affordable(dataset, split.train, seconds)
    train, on = _some(split.train, most, seed, "train"), _some(on, most, seed, "on")
    target = target.fit(dataset.take(split.train, target.names))
    y, truth = (target.encode(dataset.take(rows, target.names)) for rows in (train, on))
    if judged is not None and judged.baselines is not None:
        return judged.baselines(dataset, target, train, on, truth)
    w, w_on = _weight(dataset, train), _weight(dataset, on)

    found = []

    def add(name: str, fit: Fit, share: float) -> None:
        begun = time.monotonic()
        left = deadline - begun
        if left <= 0:
            return
        prediction, rows = _within(fit, train.size, left * share, seed)
        took = round(time.monotonic() - begun, 3)
        found.append({"name": name, "metrics": values(target, prediction, truth, w_on), "seconds": took, "rows": rows})

    always = "mean" if target.kind == "regression" else "majority"
    found.append(
        {"name": always, "metrics": values(target, _constant(target, y, w, on.size), truth, w_on), "seconds": 0.0, "rows": train.size}
    )
    state = derive(seed, "bootstrap", "baselines") % 2**32
    graph = rows_of(dataset.schema)
    if graph == "nodes":
        known, inputs = described(dataset, target, train)
        alone = Matrices(known[train], known[on], np.zeros(known.shape[1], dtype=bool))
        add("linear, without edges", lambda rows: _linear(target, alone, y, w, rows, state), 0.5)
        if "known" in inputs:
            share = _constant(target, y, w, 1).get("probability", np.zeros(1))
            add("neighbours' labels, spread", lambda rows: spread_labels(inputs, target, on, share), 0.5)
        return found
    if graph == "graphs":
        counts = counted(dataset, train, on)
        plain, scaled = (Matrices(*values, np.zeros(counts[0].shape[1], dtype=bool)) for values in (counts, standardised(*counts)))
        add("linear on counts", lambda rows: _linear(target, scaled, y, w, rows, state), 0.5)
        add("boosted trees on counts", lambda rows: _trees(target, plain, y, w, rows, state), 1.0)
        return found
    if dataset.schema.features:
        matrices = for_linear(dataset, train, on)
        add(_linear_name(dataset), lambda rows: _linear(target, matrices, y, w, rows, state), 0.5)
    columns = tabular(dataset) or [column for column in dataset.schema.features if column.kind == "series"]
    if columns and (target.kind != "multilabel" or len(target.classes or ()) <= LABELS):
        trees = for_trees(dataset, train, on)
        add("boosted trees", lambda rows: _trees(target, trees, y, w, rows, state), 1.0)
    return found


def _linear_name(dataset: Dataset) -> str:
    kinds = {column.kind for column in dataset.schema.features}
    if "image" in kinds:
        return "linear on pixels"
    return "TF-IDF and linear" if "text" in kinds else "linear"


def _within(fit: Fit, n: int, seconds: float, seed: int) -> tuple[Prediction, int]:
    """The prediction of the largest fit that the time allows, and its rows."""
    order = numpy_stream(seed, "bootstrap", "baselines", "order").permutation(n)
    deadline = time.monotonic() + seconds
    size, power, before = min(n, _FIRST), _COST, (0, 0.0)
    while True:
        begun = time.monotonic()
        prediction = fit(np.sort(order[:size]))
        took = max(time.monotonic() - begun, 1e-3)
        if before[0]:
            power = float(np.clip(math.log(took / before[1]) / math.log(size / before[0]), 0.3, 1.3))
        before = (size, took)
        growth = min(_GROWTH, n / size, max(0.0, _MARGIN * (deadline - time.monotonic()) / took) ** (1 / power))
        if size == n or growth < min(1.5, n / size):  # a fit on a few more rows would teach nothing new
            return prediction, size
        size = min(n, math.ceil(size * growth))


def _constant(target: TargetSpec, y: np.ndarray, w: np.ndarray | None, n: int) -> Prediction:
    """The mean of the training rows, or the shares of their classes."""
    if target.kind == "regression":
        return {"mean": np.full(n, np.average(y, weights=w) * target.std + target.mean)}
    C = len(target.classes or ())
    share = (
        np.average(y, axis=0, weights=w)
        if target.kind == "multilabel"
        else np.bincount(y, weights=w, minlength=C) / (len(y) if w is None else w.sum())
    )
    return {"probability": np.tile(share, (n, 1))}


def _linear(target: TargetSpec, matrices: Matrices, y: np.ndarray, w: np.ndarray | None, rows: np.ndarray, state: int) -> Prediction:
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier

    x, weight = matrices.train[rows], None if w is None else w[rows]
    if target.kind == "regression":
        fitted = Ridge().fit(x, y[rows], sample_weight=weight)
        return {"mean": fitted.predict(matrices.on).astype(np.float64) * target.std + target.mean}
    if matrices.words:
        # On 20 newsgroups 0.849 in a sixth of the time that L-BFGS takes for 0.844.
        return _by_class(
            target, lambda: SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=20, random_state=state), x, matrices.on, y[rows], weight
        )
    # Rows of TF-IDF have norm 1, far below that of standardised numbers, and need a weaker penalty.
    strength = 10.0 if sparse.issparse(x) else 1.0
    return _by_class(target, lambda: LogisticRegression(C=strength, max_iter=300), x, matrices.on, y[rows], weight)


def _trees(target: TargetSpec, matrices: Matrices, y: np.ndarray, w: np.ndarray | None, rows: np.ndarray, state: int) -> Prediction:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    settings: dict[str, Any] = {"categorical_features": matrices.categorical, "random_state": state}
    x, weight = matrices.train[rows], None if w is None else w[rows]
    if target.kind == "regression":
        fitted = HistGradientBoostingRegressor(**settings).fit(x, y[rows], sample_weight=weight)
        return {"mean": fitted.predict(matrices.on) * target.std + target.mean}
    if target.kind == "multiclass":
        # scikit-learn holds out rows to stop by, which needs two of each class. A round grows a tree for each of the C classes.
        settings["early_stopping"] = bool(rows.size > 10_000 and np.bincount(y[rows])[np.unique(y[rows])].min() > 1)
        if len(target.classes or ()) > _MANY:
            settings |= {"max_iter": _ROUNDS, "learning_rate": _RATE}
    return _by_class(target, lambda: HistGradientBoostingClassifier(**settings), x, matrices.on, y[rows], weight)


def _by_class(target: TargetSpec, build: Callable[[], Any], x: Any, on: Any, y: np.ndarray, weight: np.ndarray | None) -> Prediction:
    """Probabilities [n, C] of one classifier, or of one per label; classes that the rows do not have get 0."""
    from sklearn.exceptions import ConvergenceWarning

    C = len(target.classes or ())
    probability = np.zeros((on.shape[0], C))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 300 steps are what a baseline gets
        if target.kind == "multilabel":
            for label in range(C):
                own = np.rint(y[:, label]).astype(np.int64)
                if own.min() == own.max():
                    probability[:, label] = own[0]
                else:
                    probability[:, label] = build().fit(x, own, sample_weight=weight).predict_proba(on)[:, 1]
        elif y.min() == y.max():
            probability[:, y[0]] = 1
        else:
            fitted = build().fit(x, y, sample_weight=weight)
            probability[:, fitted.classes_] = fitted.predict_proba(on)
    return {"probability": probability}


def _weight(dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    columns = dataset.schema.with_role("weight")
    return dataset.take(rows, [columns[0].name]).to_series().cast(pl.Float64).to_numpy() if columns else None


def _some(rows: np.ndarray, most: int, seed: int, name: str) -> np.ndarray:
    if rows.size <= most:
        return rows
    return np.sort(numpy_stream(seed, "bootstrap", "baselines", name).choice(rows, most, replace=False))
