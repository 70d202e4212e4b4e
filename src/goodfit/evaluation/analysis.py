"""Everything that the report shows of the targets and the data, as one document of JSON types.

n rows, C classes. The form, which the report reads:

{"targets": [{"name", "kind", "classes"|None,
   "scores": {"part": "test"|"valid", "rows", "metrics": {name: {"value", "low", "high"}}},
   "baselines": [{"name", "metrics": {name: value}, "seconds", "rows"}],
   "confusion": {"classes": [str], "counts": [[int]]}|None, where C > 100 {"rows", "wrong", "pairs": [{"actual", "predicted", "count", "of"}]},
   "residuals": {"actual": [], "predicted": []}|None,
   "calibration": {"bins": [{"low", "high", "predicted", "observed", "count"}], "error"}|None,
   "coverage": {"claimed", "observed", "half_width"}|None,
   "importance": [{"column", "drop", "low", "high"}], "importance_metric", "mistakes": [see `mistakes`],
   "limits": of classes and numbers, see `api.limits`, "forecast": of a forecast alone, see `forecasts.forecast_record`,
   "labels": [{"name", "label", "f1_score", "support"}] of multilabel,
   "boxes": [{"label", "ap_50", "support"}], "pictures": [{"name", "true", "found", "image"}] of detection}],
 "data": {"files", "rows", "fingerprint", "columns": [{"name", "kind", "role", "missing", "distinct", "reason"}], "notes": [str],
   "split": {"train", "valid", "test", "how"}, "graph": see `graphs.facts`, where there is one}}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.files import plain
from goodfit.base.streams import numpy_stream
from goodfit.data.dataset import Dataset, Memory
from goodfit.data.splits import Split
from goodfit.data.target import STRUCTURED, TargetSpec
from goodfit.evaluation.baselines import baselines
from goodfit.evaluation.calibration import reliability
from goodfit.evaluation.detected import detected_classes, detected_pictures, some_pictures
from goodfit.evaluation.forecasts import coverage_of, forecast_record, pairs
from goodfit.evaluation.graphs import facts
from goodfit.evaluation.importance import importance
from goodfit.evaluation.mistakes import mistakes
from goodfit.evaluation.scores import MAXIMISE, Prediction, part_codes, scores
from goodfit.evaluation.single import METRICS, single
from goodfit.evaluation.tagged import tag_codes

Predict = Callable[[Dataset], Prediction]

SECONDS = 60.0  # for everything, where no limit is given
_CLASSES = 100  # of a confusion matrix: 10,000 numbers; of more, the pairs that are confused most are kept
_PAIRS = 20
_POINTS = 2_000  # residuals that a picture shows
_HASTE = 5.0  # seconds below which 200 resamples and fewer mistakes must do
_SHARE = 0.6  # of the time left is for baselines, the rest for importance


def analyse(
    dataset: Dataset,
    target: TargetSpec,
    split: Split,
    predict: Predict | None,
    *,
    part: str,
    prediction: Prediction,
    weight: np.ndarray | None = None,
    half_widths: Mapping[str, float] | None = None,
    coverage: float = 0.9,
    seed: int = 0,
    seconds: float | None = None,
    baseline: bool = True,
) -> dict[str, Any]:
    """Scores, baselines, errors, calibration, importance and mistakes on the rows of `part` ("test" or "valid").

    prediction: decoded predictions of exactly the rows `split.<part>`, in their order. weight: [n] of these rows.
    predict: decodes predictions of a Dataset of the same columns (rows of `dataset` with one column shuffled); None for no importance.
    half_widths: of the predicted intervals by target, which claim to hold `coverage` of the rows.
    seconds: for everything together, about; scores come first, what there is no time for stays empty.
    """
    deadline = time.monotonic() + (SECONDS if seconds is None else seconds)
    rows = split.test if part == "test" else split.valid
    encoded = target.encode(dataset.take(rows, target.names))
    resamples = 1_000 if deadline - time.monotonic() > _HASTE else 200
    specs = target.parts or (target,)
    found = []
    for index, spec in enumerate(specs):
        own, codes = (prediction, encoded) if not target.parts else (_own(prediction, spec), part_codes(spec, encoded[:, index]))
        found.append(_measured(dataset, spec, rows, part, own, codes, weight, half_widths or {}, coverage, seed, resamples))
    # What takes time, shared out evenly among the targets; what one does not use is there for the next.
    for index, spec in enumerate(specs):
        if baseline:
            left = (deadline - time.monotonic()) * _SHARE / (len(specs) - index)
            if left > 0:
                found[index]["baselines"] = baselines(dataset, spec, split, seed, on=rows, seconds=left)
    graph = facts(dataset, target, split)
    lonely = target.kind in ("forecast", *STRUCTURED) or graph is not None  # one column, which all rests on
    if predict is not None and len(dataset.schema.features) > 1 and not lonely:
        _rely(found, dataset, target, rows, encoded, predict, weight, seed, deadline)
    document = {"targets": found, "data": data_section(dataset, split) | ({} if graph is None else {"graph": graph})}
    return dict(plain(document))


def _own(prediction: Prediction, spec: TargetSpec) -> Prediction:
    """The predictions of one of several targets, under the names that it has alone."""
    prefix = f"{spec.names[0]}/"
    return {name.removeprefix(prefix): array for name, array in prediction.items() if name.startswith(prefix)}


def _measured(
    dataset: Dataset,
    target: TargetSpec,
    rows: np.ndarray,
    part: str,
    prediction: Prediction,
    encoded: np.ndarray,
    weight: np.ndarray | None,
    half_widths: Mapping[str, float],
    coverage: float,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """All of a target that needs its predictions alone."""
    name = ", ".join(target.names)
    classes = target.classes
    entry: dict[str, Any] = {
        "name": name,
        "kind": target.kind,
        "classes": None if classes is None else list(classes),
        "scores": {
            "part": part,
            "rows": int(rows.size),
            "metrics": scores(target, None, prediction, encoded, weight, seed=seed, resamples=resamples),
        },
        "baselines": [],
        "confusion": None,
        "residuals": None,
        "calibration": None,
        "coverage": None,
        "importance": [],
        "importance_metric": METRICS[target.kind][0],
        "mistakes": mistakes(dataset, target, rows, prediction, encoded),
    }
    if target.kind in ("binary", "multiclass"):
        entry["calibration"] = reliability(prediction["probability"], encoded, weight)
        if classes is not None:
            record = _confusion if len(classes) <= _CLASSES else _confused
            entry["confusion"] = record(classes, encoded, prediction["probability"].argmax(1))
    elif target.kind == "detection":
        entry["boxes"] = detected_classes(prediction, encoded, target)
        entry["pictures"] = detected_pictures(dataset, target, rows, prediction, encoded, some_pictures(rows.size, seed))
    elif target.kind == "tagging":
        record = _confusion if len(classes or ()) <= _CLASSES else _confused
        entry["confusion"] = record(classes or (), *tag_codes(prediction["tag"], encoded))
    elif target.kind == "multilabel":
        entry["labels"] = _labels(classes or (), encoded, prediction["probability"])
    elif target.kind == "forecast":
        mean = prediction["mean"]
        entry["forecast"] = forecast_record(dataset, target, rows, mean, encoded, half_widths)
        entry["coverage"] = coverage_of(mean, encoded, target, half_widths, coverage)
        actual, said = pairs(target, mean, encoded)
        few = np.sort(numpy_stream(seed, "bootstrap", "residuals").permutation(actual.size)[:_POINTS])
        entry["residuals"] = {"actual": actual[few], "predicted": said[few]}
    elif target.kind == "regression":
        actual = dataset.take(rows, target.names).to_series().cast(pl.Float64).to_numpy()
        few = np.sort(numpy_stream(seed, "bootstrap", "residuals").permutation(rows.size)[:_POINTS])
        entry["residuals"] = {"actual": actual[few], "predicted": prediction["mean"][few]}
        width = half_widths.get(target.names[0])
        if width is not None and rows.size:
            inside = np.abs(actual - prediction["mean"]) <= width
            entry["coverage"] = {"claimed": coverage, "observed": float(np.average(inside, weights=weight)), "half_width": width}
    return entry


def _confusion(classes: tuple[Any, ...], actual: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    C = len(classes)
    counts = np.bincount(actual * C + predicted, minlength=C * C).reshape(C, C)
    return {"classes": [str(label) for label in classes], "counts": counts}


def _confused(classes: tuple[Any, ...], actual: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """The pairs of classes that are confused most. of: rows of the actual class."""
    C, wrong = len(classes), actual != predicted
    cells, counts = np.unique(actual[wrong] * C + predicted[wrong], return_counts=True)
    support = np.bincount(actual, minlength=C)
    most = np.argsort(-counts, kind="stable")[:_PAIRS]
    pairs = [
        {"actual": str(classes[cell // C]), "predicted": str(classes[cell % C]), "count": int(n), "of": int(support[cell // C])}
        for cell, n in zip(cells[most], counts[most], strict=True)
    ]
    return {"rows": int(actual.size), "wrong": int(wrong.sum()), "pairs": pairs}


def _labels(classes: tuple[Any, ...], encoded: np.ndarray, probability: np.ndarray) -> list[dict[str, Any]]:
    truth, chosen = encoded > 0.5, probability >= 0.5
    hit, support, either = (truth & chosen).sum(0), truth.sum(0), truth.sum(0) + chosen.sum(0)
    return [
        {"name": str(label), "label": str(label), "f1_score": float(2 * h / e) if e else 0.0, "support": int(s)}
        for label, h, s, e in zip(classes, hit, support, either, strict=True)
    ]


def _rely(
    found: list[dict[str, Any]],
    dataset: Dataset,
    target: TargetSpec,
    rows: np.ndarray,
    encoded: np.ndarray,
    predict: Predict,
    weight: np.ndarray | None,
    seed: int,
    deadline: float,
) -> None:
    """Add the importance of every feature to each target."""
    features = [column.name for column in dataset.schema.features]
    chosen = np.sort(numpy_stream(seed, "bootstrap", "importance", "rows").permutation(rows.size)[:_POINTS])
    left = deadline - time.monotonic()
    if not chosen.size or left <= 0:
        return
    specs = target.parts or (target,)
    codes = [encoded] if not target.parts else [part_codes(spec, encoded[:, index]) for index, spec in enumerate(specs)]
    # Rows of one class have no AUC; what is defined without a second one serves then.
    metrics = [
        METRICS[spec.kind][0 if METRICS[spec.kind][0] in entry["scores"]["metrics"] else 1]
        for spec, entry in zip(specs, found, strict=True)
    ]

    def predicted(table: pl.DataFrame) -> Prediction:
        return predict(replace(dataset, store=Memory(table), rows=table.height, part=None, origin=None))

    def score(prediction: Prediction, positions: np.ndarray) -> list[float]:
        at = chosen[positions]
        w = None if weight is None else weight[at]
        return [
            single(metric, spec, prediction if not target.parts else _own(prediction, spec), own[at], w)
            for metric, spec, own in zip(metrics, specs, codes, strict=True)
        ]

    measured = importance(
        dataset.take(rows[chosen]), features, predicted, score, maximise=[m in MAXIMISE for m in metrics], seed=seed, seconds=left
    )
    for entry, metric, drops in zip(found, metrics, measured, strict=True):
        entry |= {"importance_metric": metric, "importance": drops}


def data_section(dataset: Dataset, split: Split) -> dict[str, Any]:
    """The data as they were understood, of the document above."""
    fields = ("name", "kind", "role", "missing", "distinct", "reason")
    return {
        "files": [path.name for path in dataset.files],
        "rows": dataset.rows,
        "fingerprint": dataset.fingerprint,
        "columns": [{name: getattr(column, name) for name in fields} for column in dataset.schema.columns],
        "notes": [_note(note) for note in dataset.notes],
        "split": {"train": int(split.train.size), "valid": int(split.valid.size), "test": int(split.test.size), "how": split.how},
    }


def _note(note: Any) -> str:
    where = f" (row {note.row})" if note.row is not None and f"row {note.row}" not in note.message else ""
    return f"{note.message}{where}"
