"""Places of a list: scores with intervals over rows, baselines, and the worst rows.

n rows, T places of a row.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.encode_series import fit
from goodfit.data.positions import lists_of
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.tasks.pointing import NONE, followed

_LEARNED = 20_000  # training rows among which the nearest is looked for: a second or two
_SHOWN = 40  # entries of a list that a reader looks through


def pointed_scores(
    said: np.ndarray, right: np.ndarray, weight: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """said [n, any], right [n, T] places -> accuracy (rows right throughout) and step_accuracy (places right at their turn)."""
    w = np.ones(len(right)) if weight is None else weight
    exact, hits, steps = followed(said, right)
    table = np.stack([w * exact, w, w * hits, w * steps], axis=1)
    total = table.sum(0)
    drawn = bootstrap.sums(table, resamples, seed, "pointed") if resamples else np.zeros((0, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": bootstrap.summary(total[0] / total[1], drawn[:, 0] / drawn[:, 1]),
            "step_accuracy": bootstrap.summary(total[2] / total[3], drawn[:, 2] / drawn[:, 3]),
        }


def pointed_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, on: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The list as it stands, as far as the commonest answer is long; and the answer of the training row whose list is nearest."""
    from sklearn.neighbors import NearestNeighbors

    begun = time.monotonic()
    learned = train[-_LEARNED:]
    answers = target.encode(dataset.take(learned, target.names))
    lengths = (answers != NONE).sum(1)
    most, own = int(np.bincount(lengths).argmax()), _lists(dataset, on)
    steps = np.arange(max(own[1].max(initial=1), 1))
    ends = own[1] if target.visits == "all" else np.minimum(own[1], most)
    found = [_scored("the list as it stands", np.where(steps < ends[:, None], steps, NONE), right, begun, train.size)]
    begun = time.monotonic()
    values, sizes = _lists(dataset, np.concatenate([learned, on]))
    # The length is a coordinate of its own, far larger than any other, so that lists of one length are neighbours.
    table = np.concatenate([values, 1e3 * sizes[:, None]], axis=1).astype(np.float32)
    nearest = NearestNeighbors(n_neighbors=1).fit(table[: len(learned)]).kneighbors(table[len(learned) :], return_distance=False)[:, 0]
    return [*found, _scored("nearest training row", answers[nearest], right, begun, len(learned))]


def _scored(name: str, said: np.ndarray, right: np.ndarray, begun: float, rows: int) -> dict[str, Any]:
    metrics = {key: entry["value"] for key, entry in pointed_scores(said, right, None, 0, 0).items()}
    return {"name": name, "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(rows)}


def _lists(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lists of these rows as numbers, standardised and filled up with 0: [n, longest x channels], and the length of each."""
    names = lists_of(dataset)
    frame = dataset.take(rows, names)
    encoder = fit(frame, names, lambda i: dataset.place(int(rows[i])))
    flat, lengths = encoder.encode(frame, lambda i: dataset.place(int(rows[i])))
    filled = np.zeros((len(rows), int(lengths.max(initial=1)), encoder.width), np.float32)
    filled[np.arange(filled.shape[1]) < lengths[:, None]] = flat
    return filled.reshape(len(rows), -1), lengths


def pointed_mistakes(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, said: np.ndarray, right: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """The rows with the most places that are not right at their turn."""
    exact, hits, steps = followed(said, right)
    lost = np.where(exact, 0, np.maximum(steps - hits, 1))
    worst = np.argsort(-lost, kind="stable")
    worst = worst[lost[worst] > 0][:most]
    names = lists_of(dataset)
    frame = dataset.take(rows[worst], names)
    found = []
    for index, position in enumerate(worst):
        file, row = dataset.place(int(rows[position]))
        entry = {
            "row": row, "actual": _told(right[position]), "predicted": _told(said[position]), "probability": None, "loss": float(lost[position]),
            "values": {name: _list(frame[name][index]) for name in names}, "image": None,
        }  # fmt: skip
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found


def _told(places: np.ndarray) -> str:
    return " ".join(str(place) for place in places[places != NONE]) or "none"


def _list(values: pl.Series | None) -> str:
    """The entries of a row's list, with the digits that a reader needs."""
    entries = [] if values is None else values.to_list()[:_SHOWN]
    return " ".join(
        "(" + ", ".join(_digits(number) for number in entry) + ")" if isinstance(entry, list) else _digits(entry) for entry in entries
    )


def _digits(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"
