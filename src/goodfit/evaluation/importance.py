"""What a model relies on: how far its score falls when the values of one column are shuffled among rows.

Breiman, "Random forests" (2001); Fisher, Rudin and Dominici, JMLR 2019. Columns that say the same share their importance: shuffling
one leaves the other. n rows, S scores (one per target).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.streams import numpy_stream
from goodfit.evaluation.bootstrap import LEVEL

ROWS = 2_000  # predicted for each column and repeat: places a drop of accuracy to within one per cent
REPEATS = 5
_LEAST = 200  # rows, when there are so many columns that the time would not do for more
_DRAWS = 20  # resamples of the rows for each repeat, so that the interval knows of the rows too

Prediction = dict[str, np.ndarray]
Predict = Callable[[pl.DataFrame], Prediction]
Score = Callable[[Prediction, np.ndarray], Sequence[float]]


def importance(
    frame: pl.DataFrame,
    columns: Sequence[str],
    predict: Predict,
    score: Score,
    *,
    maximise: Sequence[bool],
    seed: int,
    seconds: float = 20.0,
    rows: int = ROWS,
    repeats: int = REPEATS,
) -> list[list[dict[str, Any]]]:
    """For each of S scores: [{"column", "drop", "low", "high"}], the largest drop first.

    frame: rows as `predict` takes them. score(prediction, positions): S scores of rows, given the prediction of exactly these rows
    and their positions in `frame` (repetitions allowed); maximise: of each score, whether larger is better.
    drop: how much worse the score gets, positive where the column helps; low and high: its 95 % interval over repeats and rows.
    seconds: about how long it takes; columns that it does not reach are left out, and where it would not do for one pass over all,
    fewer rows are taken.
    """
    deadline = time.monotonic() + seconds
    stream = numpy_stream(seed, "bootstrap", "importance")
    chosen = np.sort(stream.permutation(frame.height)[:rows])
    if not chosen.size or not columns:
        return [[] for _ in maximise]
    begun = time.monotonic()
    base = predict(frame[chosen])
    took, left = time.monotonic() - begun, deadline - time.monotonic()
    if took * len(columns) > left and chosen.size > _LEAST:
        kept = np.sort(stream.permutation(chosen.size)[: max(_LEAST, int(chosen.size * left / (took * len(columns))))])
        chosen, base = chosen[kept], {name: values[kept] for name, values in base.items()}
    table = frame[chosen]
    draws = [np.arange(chosen.size), *(stream.integers(0, chosen.size, chosen.size) for _ in range(_DRAWS))]

    def scored(prediction: Prediction) -> np.ndarray:
        """[1 + draws, S]"""
        return np.array([score({name: values[draw] for name, values in prediction.items()}, chosen[draw]) for draw in draws], np.float64)

    before, sign = scored(base), np.where(maximise, 1.0, -1.0)
    drops: dict[str, list[np.ndarray]] = {}
    for repeat in range(repeats):
        for name in columns:
            if time.monotonic() >= deadline and drops:
                break
            order = numpy_stream(seed, "bootstrap", "importance", name, repeat).permutation(chosen.size)
            shuffled = table.with_columns(table[name].gather(order).alias(name))
            drops.setdefault(name, []).append(sign * (before - scored(predict(shuffled))))
    return [_summaries({name: np.stack(measured)[:, :, index] for name, measured in drops.items()}) for index in range(len(maximise))]


def _summaries(drops: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Drops [repeats, 1 + draws] by column, the first of each repeat on the rows themselves."""
    found = []
    for name, samples in drops.items():
        own, defined = samples[:, 0], samples[np.isfinite(samples)]
        if not np.isfinite(own).any():
            continue
        drop = float(own[np.isfinite(own)].mean())
        low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found.append({"column": name, "drop": drop, "low": float(min(low, drop)), "high": float(max(high, drop))})
    return sorted(found, key=lambda entry: -float(entry["drop"]))
