"""Tags of tokens: scores with intervals over whole rows, what a word's own tag would have reached, and what is confused.

n rows, T tokens of a row, C tags. Tokens of one row depend on each other, so that rows are what is drawn anew for the intervals.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.tasks.tagging import NONE, counted

_CELLS = 40_000_000  # counts by row and tag held at once, 320 MB; beyond, f1_macro has no interval
_SHOWN = 12  # tokens around a mistake


def tag_scores(
    tags: np.ndarray, actual: np.ndarray, classes: int, weight: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """tags [n, any], actual [n, T] -> accuracy (of tokens), sentence_accuracy (rows right throughout), f1_macro (mean over tags that occur)."""
    w = np.ones(len(actual)) if weight is None else weight
    right, tokens = counted(tags, actual)
    table = np.stack([w * right, w * tokens, w * (right == tokens), w], axis=1)
    total = table.sum(0)
    drawn = bootstrap.sums(table, resamples, seed, "tags") if resamples else np.zeros((0, 4))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "accuracy": bootstrap.summary(total[0] / total[1], drawn[:, 0] / drawn[:, 1]),
            "sentence_accuracy": bootstrap.summary(total[2] / total[3], drawn[:, 2] / drawn[:, 3]),
        }
    row, true, said = _flat(tags, actual)
    each = w[row]
    sums = np.stack([np.bincount(codes, each * on, minlength=classes) for codes, on in ((true, true == said), (true, 1.0), (said, 1.0))])
    value = float(_f1_macro(sums[None])[0])
    if not resamples or 3 * classes * len(actual) > _CELLS:
        return found | {"f1_macro": {"value": value, "low": None, "high": None}}
    cells = np.zeros((3, len(actual) * classes))
    for index, (codes, on) in enumerate(((true, each * (true == said)), (true, each), (said, each))):
        cells[index] = np.bincount(row * classes + codes, on, minlength=len(actual) * classes)
    by_row = cells.reshape(3, len(actual), classes).transpose(1, 0, 2).reshape(len(actual), 3 * classes)  # 3 nC -> n 3C
    samples = _f1_macro(bootstrap.sums(by_row, resamples, seed, "tags", "f1").reshape(-1, 3, classes))  # R 3C -> R 3 C
    return found | {"f1_macro": bootstrap.summary(value, samples)}


def _f1_macro(sums: np.ndarray) -> np.ndarray:
    """[R, 3, C] right, actual and predicted tokens of each tag -> [R], the mean over tags that occur or are predicted."""
    either = sums[:, 1] + sums[:, 2]
    f1 = np.divide(2 * sums[:, 0], either, out=np.zeros_like(either), where=either > 0)
    return np.asarray(f1.sum(1) / np.maximum((either > 0).sum(1), 1))


def _flat(tags: np.ndarray, actual: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each token its row, its tag, and what was said, int64."""
    row, place = np.nonzero(actual != NONE)
    said = tags[row, np.minimum(place, tags.shape[1] - 1)].astype(np.int64) if len(row) else np.zeros(0, np.int64)
    return row, actual[row, place].astype(np.int64), said


def tag_codes(tags: np.ndarray, actual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(actual, predicted) of all tokens, for a table of what is confused."""
    _, true, said = _flat(tags, actual)
    return true, said


def tag_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, on: np.ndarray, actual: np.ndarray) -> list[dict[str, Any]]:
    """The commonest tag for every token; and for each word the tag that it had most often, the commonest for unknown words."""
    found = []
    begun = time.monotonic()
    tokens = _tokens(dataset)
    learned = dataset.take(train, [tokens, *target.names])
    pairs = pl.DataFrame({"word": learned[tokens].explode(), "tag": learned[target.names[0]].explode()}).drop_nulls()
    common = _codes(pairs["tag"], target).mode().sort()[0]
    counts = pairs.group_by("word", "tag").len().sort("len", "tag", descending=[True, False]).unique("word", keep="first")
    usual = dict(zip(counts["word"], _codes(counts["tag"], target), strict=True))
    asked = dataset.take(on, [tokens]).to_series().to_list()
    classes = len(target.classes or ())
    for name, own in (("commonest tag", {}), ("each word's commonest tag", usual)):
        tags = np.full((len(on), max(1, actual.shape[1])), NONE, np.int64)
        for row, words in enumerate(asked):
            said = [own.get(word, common) for word in words or ()]
            tags[row, : len(said)] = said
        metrics = {key: entry["value"] for key, entry in tag_scores(tags, actual, classes, None, 0, 0).items()}
        found.append({"name": name, "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(train.size)})
    return found


def tag_mistakes(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, tags: np.ndarray, actual: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """The words that are tagged wrongly most often, each with its first row and what stands around it there."""
    classes, tokens = target.classes or (), _tokens(dataset)
    row, place = np.nonzero(actual != NONE)
    true, said = tag_codes(tags, actual)
    wrong = np.flatnonzero(true != said)
    sentences = dataset.take(rows[np.unique(row[wrong])], [tokens]).to_series().to_list()
    where = {int(r): sentence for r, sentence in zip(np.unique(row[wrong]), sentences, strict=True)}
    keys = [(where[int(row[i])][place[i]], int(true[i]), int(said[i])) for i in wrong]
    first = dict(reversed(list(zip(keys, wrong, strict=True))))
    found = []
    for key, count in Counter(keys).most_common(most):
        word, right, given = key
        i = first[key]
        sentence, at = where[int(row[i])], int(place[i])
        around = sentence[max(0, at - _SHOWN // 2) : at + _SHOWN // 2 + 1]
        file, number = dataset.place(int(rows[row[i]]))
        entry = {
            "row": number, "actual": str(classes[right]), "predicted": str(classes[given]), "probability": None, "loss": float(count),
            "values": {"token": word, "times": count, "around": " ".join(str(token) for token in around)}, "image": None,
        }  # fmt: skip
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found


def _tokens(dataset: Dataset) -> str:
    return next(column.name for column in dataset.schema.features if column.kind == "tokens")


def _codes(tags: pl.Series, target: TargetSpec) -> pl.Series:
    return tags.replace_strict(
        pl.Series(target.classes), pl.Series(range(len(target.classes or ())), dtype=pl.Int64), return_dtype=pl.Int64
    )
