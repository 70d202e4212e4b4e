"""The rows with the largest loss, as they stood in the data: the first place to look for wrong labels and missing columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.graph_columns import KINDS as GRAPH
from goodfit.data.graph_columns import beside
from goodfit.data.target import TargetSpec
from goodfit.evaluation.structured import JUDGED
from goodfit.evaluation.thumbnails import thumbnails

MOST = 20  # rows: what a reader looks through
_LETTERS = 500  # of a text
_COLUMNS = 60  # values of a row; the rest of a wide table tells a reader nothing
_EPS = 1e-7  # probability below which a loss grows no more: float32 has no digits there


def losses(target: TargetSpec, prediction: dict[str, np.ndarray], encoded: np.ndarray) -> np.ndarray:
    """[n] loss of each row: nats for classes (the mean over labels), for numbers the absolute error in standard deviations."""
    if target.kind == "regression":
        return np.abs(prediction["mean"] - (encoded.astype(np.float64) * target.std + target.mean)) / target.std
    p = np.clip(prediction["probability"].astype(np.float64), _EPS, 1 - _EPS)
    if target.kind == "multilabel":
        return -np.where(encoded > 0.5, np.log(p), np.log1p(-p)).mean(1)
    return -np.log(p[np.arange(len(p)), np.rint(encoded).astype(np.int64)])


def mistakes(
    dataset: Dataset,
    target: TargetSpec,
    rows: np.ndarray,
    prediction: dict[str, np.ndarray],
    encoded: np.ndarray,
    *,
    most: int = MOST,
    columns: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """[{"row", "actual", "predicted", "probability", "loss", "values", "image"}], the largest loss first; right classes are no mistakes.

    rows: [n] positions in the data that prediction and encoded target belong to. row: 1-based in its file, the header not counted.
    probability: that the model gave to what it predicted, None for numbers. columns: features whose values are shown (all when None).
    """
    if target.kind in JUDGED:
        return JUDGED[target.kind].mistakes(dataset, target, rows, prediction, encoded, most)
    loss = losses(target, prediction, encoded)
    wrong = _wrong(target, prediction, encoded)
    order = np.argsort(-loss, kind="stable")
    worst = order[wrong[order]][:most]
    if not worst.size:
        return []
    features = [c for c in dataset.schema.features if columns is None or c.name in columns]
    shown = [column.name for column in [*features, *beside(dataset.schema)] if column.kind not in ("image", *GRAPH)][:_COLUMNS]
    pictures = next((column.name for column in features if column.kind == "image"), None)
    frame = dataset.take(rows[worst], [*shown, *([pictures] if pictures else []), *target.names])
    small = thumbnails(dataset, pictures, rows[worst]) if pictures else [None] * worst.size
    found = []
    for index, position in enumerate(worst):
        file, row = dataset.place(int(rows[position]))
        actual, predicted, probability = _said(target, prediction, encoded, int(position))
        if target.kind == "regression":
            actual = float(frame[target.names[0]][index])  # as it stood, without the rounding of float32
        entry = {
            "row": row,
            "actual": actual,
            "predicted": predicted,
            "probability": probability,
            "loss": float(loss[position]),
            "values": {name: _plain(frame[name][index]) for name in shown},
            "image": small[index],
        }
        if pictures and frame[pictures].dtype == pl.String:
            entry["values"][pictures] = frame[pictures][index]
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found


def _wrong(target: TargetSpec, prediction: dict[str, np.ndarray], encoded: np.ndarray) -> np.ndarray:
    """[n] bool: another class than the actual one, another set of labels, any other number."""
    if target.kind == "regression":
        return np.ones(len(encoded), dtype=bool)
    p = prediction["probability"]
    if target.kind == "multilabel":
        return ((p >= 0.5) != (encoded > 0.5)).any(1)
    return p.argmax(1) != np.rint(encoded).astype(np.int64)


def _said(target: TargetSpec, prediction: dict[str, np.ndarray], encoded: np.ndarray, i: int) -> tuple[Any, Any, float | None]:
    """What it is, what was predicted, and with which probability."""
    if target.kind == "regression":
        return float(encoded[i]) * target.std + target.mean, float(prediction["mean"][i]), None
    classes, p = target.classes or (), prediction["probability"][i].astype(np.float64)
    if target.kind == "multilabel":
        names = [", ".join(str(classes[c]) for c in np.flatnonzero(mask)) or "none" for mask in (encoded[i] > 0.5, p >= 0.5)]
        return names[0], names[1], float(np.where(p >= 0.5, p, 1 - p).prod())
    predicted = int(p.argmax())
    return classes[round(float(encoded[i]))], classes[predicted], float(p[predicted])


def _plain(value: Any) -> Any:
    """A value of a row as JSON: numbers and booleans as they are, a series as its length, the rest as text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, pl.Series):
        return f"{len(value)} steps"
    text = str(value)
    return text if len(text) <= _LETTERS else text[:_LETTERS] + "…"
