"""How the answers of each task are judged that are no class and no number: lists, texts, boxes, steps ahead.

n rows. Classes, labels and numbers share what `scores`, `baselines` and `mistakes` do themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation.captioned import caption_baselines, caption_mistakes, caption_scores
from goodfit.evaluation.detected import detected_baselines, detected_mistakes, detected_scores
from goodfit.evaluation.forecasts import forecast_baselines, forecast_mistakes, forecast_scores
from goodfit.evaluation.pointed import pointed_baselines, pointed_mistakes, pointed_scores
from goodfit.evaluation.surprise import language_baselines, language_mistakes, language_scores
from goodfit.evaluation.tagged import tag_baselines, tag_mistakes, tag_scores
from goodfit.evaluation.written import written_baselines, written_mistakes, written_scores

Prediction = dict[str, np.ndarray]
Metrics = dict[str, dict[str, float | None]]
Entries = list[dict[str, Any]]


@dataclass(frozen=True)
class Judged:
    """What is asked of a task.

    scores: target, decoded predictions, encoded targets, weights [n] or None, seed, resamples -> {name: {value, low, high}}.
    mistakes: data, target, rows [n], decoded predictions, encoded targets, entries at most. baselines: data, target, training rows, rows [n] to score,
    their encoded targets -> entries as in `baselines`; the rows may be a sample. baselines_of_split: in their place where no row can be left out.
    """

    scores: Callable[[TargetSpec, Prediction, np.ndarray, np.ndarray | None, int, int], Metrics]
    mistakes: Callable[[Dataset, TargetSpec, np.ndarray, Prediction, np.ndarray, int], Entries]
    baselines: Callable[[Dataset, TargetSpec, np.ndarray, np.ndarray, np.ndarray], Entries] | None = None
    baselines_of_split: Callable[[Dataset, TargetSpec, Split, np.ndarray], Entries] | None = None


JUDGED: dict[str, Judged] = {
    "tagging": Judged(
        lambda target, said, true, w, seed, resamples: tag_scores(said["tag"], true, len(target.classes or ()), w, seed, resamples),
        lambda data, target, rows, said, true, most: tag_mistakes(data, target, rows, said["tag"], true, most),
        tag_baselines,
    ),
    "sequence": Judged(
        lambda target, said, true, w, seed, resamples: written_scores(said["unit"], true, w, seed, resamples),
        lambda data, target, rows, said, true, most: written_mistakes(data, target, rows, said["unit"], true, most),
        written_baselines,
    ),
    "caption": Judged(
        lambda target, said, true, w, seed, resamples: caption_scores(said["unit"], true, w, seed, resamples),
        lambda data, target, rows, said, true, most: caption_mistakes(data, target, rows, said["unit"], true, most),
        caption_baselines,
    ),
    "pointing": Judged(
        lambda target, said, true, w, seed, resamples: pointed_scores(said["place"], true, w, seed, resamples),
        lambda data, target, rows, said, true, most: pointed_mistakes(data, target, rows, said["place"], true, most),
        pointed_baselines,
    ),
    "detection": Judged(
        lambda target, said, true, w, seed, resamples: detected_scores(said, true, len(target.classes or ()), seed, resamples),
        detected_mistakes,
        lambda data, target, train, on, true: detected_baselines(data, target, train, true),
    ),
    "language": Judged(
        lambda target, said, true, w, seed, resamples: language_scores(said["bits"], w, seed, resamples),
        lambda data, target, rows, said, true, most: language_mistakes(data, target, rows, said["bits"], most),
        baselines_of_split=language_baselines,
    ),
    "forecast": Judged(
        lambda target, said, true, w, seed, resamples: forecast_scores(target, said["mean"].astype(np.float64), true, seed, resamples),
        lambda data, target, rows, said, true, most: forecast_mistakes(data, target, rows, said["mean"], true, most),
        baselines_of_split=lambda data, target, split, on: forecast_baselines(data, target, split.train, on),
    ),
}
