"""Captions: scores with intervals over rows, what the likest picture's caption and the commonest words would score, and the worst rows.

n rows, T words of a caption, P pixels.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.data.encode_image import fit as fit_images
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.evaluation.thumbnails import thumbnails
from goodfit.tasks.bleu import bleu_of, ngram_counts
from goodfit.tasks.caption import word_f1

SIDE = 24  # pixels that pictures are compared by: what is drawn counts, not its grain
_AT_ONCE = 256  # pictures whose distances to all others are held
_WORDS = 6  # of the commonest, which a constant answer may have


def caption_scores(
    said: np.ndarray, right: np.ndarray, weight: np.ndarray | None, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """said [n, any], right [n, T] codes -> word_f1 (of the sets of words, the mean over rows) and bleu (of all rows together)."""
    w = np.ones(len(right)) if weight is None else weight
    table = np.concatenate([word_f1(said, right)[:, None], np.ones((len(right), 1)), ngram_counts(said, right)], axis=1) * w[:, None]
    total = table.sum(0, keepdims=True)
    drawn = bootstrap.sums(table, resamples, seed, "captions") if resamples else np.zeros((0, table.shape[1]))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "word_f1": bootstrap.summary(float(total[0, 0] / total[0, 1]), drawn[:, 0] / drawn[:, 1]),
            "bleu": bootstrap.summary(float(bleu_of(total[:, 2:])[0]), bleu_of(drawn[:, 2:])),
        }


def caption_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, on: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The caption of the training picture that differs least, and the commonest words of all captions."""
    found = []
    known = target.encode(dataset.take(train, target.names))
    for name, answer in (("the likest picture's caption", _nearest), ("the commonest words", _commonest)):
        begun = time.monotonic()
        said = answer(dataset, known, train, on)
        metrics = {metric: entry["value"] for metric, entry in caption_scores(said, right, None, 0, 0).items()}
        found.append({"name": name, "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(train.size)})
    return found


def _nearest(dataset: Dataset, known: np.ndarray, train: np.ndarray, on: np.ndarray) -> np.ndarray:
    column = next(column.name for column in dataset.schema.features if column.kind == "image")
    images = dataset.column(column)
    with_image = train[images.is_not_null().to_numpy()[train]]
    encoder = fit_images(column, images.gather(with_image), dataset.root, lambda i: dataset.place(int(with_image[i])), SIDE)

    def pixels(rows: np.ndarray) -> np.ndarray:
        out = np.zeros((rows.size, encoder.channels, SIDE, SIDE), np.uint8)
        encoder.encode_into(out, images.gather(rows), dataset.root, lambda i: dataset.place(int(rows[i])))
        return out.reshape(rows.size, -1).astype(np.float32) / 255

    learned = pixels(train)  # n P
    length = (learned**2).sum(1)
    nearest = [
        (length - 2 * pixels(on[start : start + _AT_ONCE]) @ learned.T).argmin(1)  # the asked picture's own length moves no minimum
        for start in range(0, on.size, _AT_ONCE)
    ]
    return known[np.concatenate(nearest)]


def _commonest(dataset: Dataset, known: np.ndarray, train: np.ndarray, on: np.ndarray) -> np.ndarray:
    """As many of the commonest words as have the highest F1 on the training rows."""
    often = np.bincount(known[known >= 0]).argsort(kind="stable")[::-1][:_WORDS]
    constant = [np.broadcast_to(often[:count], (len(known), count)) for count in range(1, len(often) + 1)]
    best = max(constant, key=lambda said: float(word_f1(said, known).mean()))
    return np.broadcast_to(best[0], (on.size, best.shape[1]))


def caption_mistakes(
    dataset: Dataset,
    target: TargetSpec,
    rows: np.ndarray,
    said: np.ndarray,
    right: np.ndarray,
    most: int,
) -> list[dict[str, Any]]:
    """The rows of the lowest F1 among those with the longest captions: most words missed."""
    f1 = word_f1(said, right)
    missed = (1 - f1) * (right >= 0).sum(1)
    worst = np.argsort(-missed, kind="stable")
    worst = worst[missed[worst] > 0][:most]
    small = thumbnails(dataset, dataset.schema.features[0].name, rows[worst])
    texts, given = target.texts(said[worst]), dataset.take(rows[worst], target.names)
    found = []
    for index, position in enumerate(worst):
        file, row = dataset.place(int(rows[position]))
        entry = {
            "row": row, "actual": given[target.names[0]][index], "predicted": texts[index], "probability": None,
            "loss": float(missed[position]), "values": {}, "image": small[index],
        }  # fmt: skip
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found
