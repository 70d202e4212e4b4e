"""Sequences that were written: scores with intervals over rows, a baseline, and the worst rows.

n rows, T units of a row.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.tasks.sequence import edited


def written_scores(
    said: np.ndarray, right: np.ndarray, weight: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """said [n, any], right [n, T] codes -> token_error_rate (edits over units) and accuracy (rows right throughout)."""
    w = np.ones(len(right)) if weight is None else weight
    edits, units = edited(said, right)
    table = np.stack([w * edits, w * units, w * (edits == 0), w], axis=1)
    total = table.sum(0)
    drawn = bootstrap.sums(table, resamples, seed, "written") if resamples else np.zeros((0, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "token_error_rate": bootstrap.summary(total[0] / total[1], drawn[:, 0] / drawn[:, 1]),
            "accuracy": bootstrap.summary(total[2] / total[3], drawn[:, 2] / drawn[:, 3]),
        }


def written_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, on: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The answer of the training row whose source begins alike, the longest beginning first: what looking it up would give."""
    begun = time.monotonic()
    source = next(column.name for column in dataset.schema.features)
    learned = dataset.take(train, [source, *target.names]).drop_nulls().sort(source)
    known, answers = learned[source].to_numpy(), target.encode(learned)
    asked = dataset.take(on, [source]).to_series().fill_null("").to_numpy()
    place = np.searchsorted(known, asked)
    before, after = np.maximum(place - 1, 0), np.minimum(place, len(known) - 1)
    nearer = np.array([_alike(one, known[a]) > _alike(one, known[b]) for one, a, b in zip(asked, after, before, strict=True)], dtype=bool)
    said = answers[np.where(nearer, after, before)]
    metrics = {name: entry["value"] for name, entry in written_scores(said, right, None, 0, 0).items()}
    return [
        {"name": "nearest in the dictionary", "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(train.size)}
    ]


def _alike(a: str, b: str) -> int:
    """Letters with which both begin."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def written_mistakes(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, said: np.ndarray, right: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """The rows with the most edits."""
    edits, _ = edited(said, right)
    worst = np.argsort(-edits, kind="stable")
    worst = worst[edits[worst] > 0][:most]
    source = next(column.name for column in dataset.schema.features)
    texts, given = target.texts(said[worst]), dataset.take(rows[worst], [source, *target.names])
    found = []
    for index, position in enumerate(worst):
        file, row = dataset.place(int(rows[position]))
        entry = {
            "row": row, "actual": given[target.names[0]][index], "predicted": texts[index], "probability": None, "loss": float(edits[position]),
            "values": {source: given[source][index]}, "image": None,
        }  # fmt: skip
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found
