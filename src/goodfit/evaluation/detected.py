"""Objects that were found: average precision with intervals over pictures, a baseline, the worst pictures, and pictures with their boxes drawn.

n pictures, M places for objects, Q found boxes, K classes.
"""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.base.errors import DataError
from goodfit.base.streams import numpy_stream
from goodfit.data.dataset import Dataset
from goodfit.data.encode_image import upright
from goodfit.data.folder import IMAGE
from goodfit.data.objects import HEIGHT, WIDTH, pixels
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.tasks.detection import found_in, true_in
from goodfit.tasks.detection_metrics import THRESHOLDS, Judged, judged, overlaps, precision

SURE = 0.5  # score from which a found box is drawn and counts as one that was meant
_RESAMPLES = 100  # each reads as many curves as there are classes and overlaps: a second or two for ten classes
_HALF = 0.5  # overlap from which a box is found
_DRAWN = 12  # pictures that a reader looks through
_SIDE = 240  # pixels of a drawn picture's longer side
_TRUE, _FOUND = "#2b5f9e", "#e07b00"


def detected_scores(
    prediction: dict[str, np.ndarray], encoded: np.ndarray, classes: int, seed: int, resamples: int
) -> dict[str, dict[str, float | None]]:
    """Decoded predictions and targets [n, M, 5] -> map, map_50 and map_75 (see tasks.detection_metrics). Nothing where no picture has an object."""
    found, true = found_in(prediction), true_in(encoded)
    every = [one for kind in range(classes) if (one := judged(found, true, kind, THRESHOLDS)).objects.any()]
    if not every:
        return {}
    drawn = [_means(every, weight) for part in bootstrap.draws(len(true), min(resamples, _RESAMPLES), seed, "boxes") for weight in part]
    samples = np.array(drawn).reshape(-1, 3)
    return {
        name: bootstrap.summary(value, samples[:, index])
        for index, (name, value) in enumerate(zip(("map", "map_50", "map_75"), _means(every, None), strict=True))
    }


def _means(every: list[Judged], weight: np.ndarray | None) -> tuple[float, float, float]:
    """map, map_50 and map_75 over the classes that the weighted pictures have."""
    table = np.array([precision(one, weight) for one in every])  # K T
    table = table[np.isfinite(table).all(1)]
    by_overlap = table.mean(0) if len(table) else np.full(len(THRESHOLDS), np.nan)
    return float(by_overlap.mean()), float(by_overlap[0]), float(by_overlap[5])


def detected_classes(prediction: dict[str, np.ndarray], encoded: np.ndarray, target: TargetSpec) -> list[dict[str, Any]]:
    """Of each class that is there: average precision at an overlap of a half, and how many objects there are."""
    found, true = found_in(prediction), true_in(encoded)
    listed = []
    for kind, name in enumerate(target.classes or ()):
        one = judged(found, true, kind, THRESHOLDS[:1])
        if one.objects.any():
            listed.append({"label": str(name), "ap_50": float(precision(one)[0]), "support": int(one.objects.sum())})
    return listed


def detected_baselines(dataset: Dataset, target: TargetSpec, train: np.ndarray, encoded: np.ndarray) -> list[dict[str, Any]]:
    """The mean box of each class in every picture, as sure as the class is frequent: what can be said without a look at a picture."""
    begun = time.monotonic()
    learned = target.encode(dataset.take(train, target.names))
    boxes, kinds = (np.concatenate(parts) for parts in zip(*true_in(learned), strict=True))
    there = np.unique(kinds)
    mean = np.array([boxes[kinds == kind].mean(0) for kind in there])
    share = np.array([(kinds == kind).mean() for kind in there])
    n = len(encoded)
    said = {name: np.broadcast_to(values, (n, *values.shape)) for name, values in (("box", mean), ("class", there), ("score", share))}
    scores = detected_scores(said, encoded, len(target.classes or ()), 0, 0)
    metrics = {name: entry["value"] for name, entry in scores.items()}
    return [{"name": "mean boxes", "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(train.size)}]


def detected_mistakes(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, prediction: dict[str, np.ndarray], encoded: np.ndarray, most: int
) -> list[dict[str, Any]]:
    """The pictures with the most objects that were missed and boxes that are none."""
    lost = np.array([_lost(prediction, encoded, i) for i in range(len(encoded))]).reshape(-1, 2)
    worst = np.argsort(-lost.sum(1), kind="stable")
    worst = worst[lost[worst].sum(1) > 0][:most]
    entries = []
    for entry, position in zip(detected_pictures(dataset, target, rows, prediction, encoded, worst), worst, strict=True):
        missed, wrong = (int(count) for count in lost[position])
        file, row = dataset.place(int(rows[position]))
        entries.append(
            {"row": row, "actual": entry["true"], "predicted": entry["found"], "probability": None, "loss": float(missed + wrong),
             "values": {IMAGE: entry["name"], "missed": missed, "wrong": wrong}, "image": entry["image"]}
            | ({"file": file} if len(dataset.files) > 1 else {})
        )  # fmt: skip
    return entries


def some_pictures(rows: int, seed: int) -> np.ndarray:
    """Positions of pictures to be drawn, by chance, sorted."""
    return np.sort(numpy_stream(seed, "bootstrap", "pictures").permutation(rows)[:_DRAWN])


def detected_pictures(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, prediction: dict[str, np.ndarray], encoded: np.ndarray, chosen: np.ndarray
) -> list[dict[str, Any]]:
    """{"name", "true", "found", "image"} of the chosen rows: what is there and what was found, in words, and the picture with both drawn, as a data URI."""
    frame = dataset.take(rows[chosen], [IMAGE, WIDTH, HEIGHT])
    names = [str(name) for name in target.classes or ()]
    drawn = []
    for index, position in enumerate(chosen):
        boxes, kinds = true_in(encoded[position : position + 1])[0]
        sure = prediction["score"][position] >= SURE
        width, height = int(frame[WIDTH][index]), int(frame[HEIGHT][index])
        true = [(names[kind], box) for kind, box in zip(kinds, pixels(boxes, width, height), strict=True)]
        found = [
            (f"{names[kind]} {score:.2f}", box)
            for kind, score, box in zip(
                prediction["class"][position][sure],
                prediction["score"][position][sure],
                pixels(prediction["box"][position][sure], width, height),
                strict=True,
            )
        ]
        name = str(frame[IMAGE][index])
        entry: dict[str, Any] = {
            "name": name,
            "true": _words(true),
            "found": _words([(label.rpartition(" ")[0], box) for label, box in found]),
        }
        drawn.append(entry | {"image": _drawn(dataset.root or Path(), name, true, found)})
    return drawn


def _words(boxes: list[tuple[str, np.ndarray]]) -> str:
    return ", ".join(sorted(label for label, _ in boxes)) or "nothing"


def _lost(prediction: dict[str, np.ndarray], encoded: np.ndarray, i: int) -> tuple[int, int]:
    """Objects of a picture that were missed, and sure boxes that are none of them."""
    boxes, kinds = true_in(encoded[i : i + 1])[0]
    sure = prediction["score"][i] >= SURE
    own, classes = prediction["box"][i][sure], prediction["class"][i][sure]
    near = overlaps(own.astype(np.float64), boxes.astype(np.float64)) * (classes[:, None] == kinds)
    hits = 0
    while near.size and near.max() >= _HALF:
        row, column = np.unravel_index(near.argmax(), near.shape)
        near[row], near[:, column] = 0, 0
        hits += 1
    return len(kinds) - hits, len(own) - hits


def _drawn(root: Path, name: str, true: list[tuple[str, np.ndarray]], found: list[tuple[str, np.ndarray]]) -> str | None:
    """The picture with true and found boxes as a JPEG in a data URI; None where it cannot be read any more."""
    from PIL import Image, ImageDraw

    try:
        image = upright(name, root)
    except DataError:
        return None
    zoom = _SIDE / max(image.size)
    image = image.convert("RGB").resize((max(1, round(image.width * zoom)), max(1, round(image.height * zoom))), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for colour, thick, boxes in ((_TRUE, 3, true), (_FOUND, 1, found)):
        for label, (x, y, width, height) in boxes:
            corner = (zoom * x, zoom * y, max(zoom * (x + width), zoom * x + 1), max(zoom * (y + height), zoom * y + 1))
            draw.rectangle(corner, outline=colour, width=thick)
            if colour == _FOUND:
                text = draw.textbbox((corner[0] + 2, corner[1] + 1), label)
                draw.rectangle(text, fill=colour)
                draw.text((corner[0] + 2, corner[1] + 1), label, fill="white")
    content = io.BytesIO()
    image.save(content, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
