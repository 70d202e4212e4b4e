"""Language models: bits per character with an interval over pieces, what counting gives, and the passages that surprised most.

n pieces.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from goodfit.data.dataset import Dataset
from goodfit.data.encode_stream import FIRST, UNKNOWN, StreamEncoder
from goodfit.data.encode_stream import fit as fit_stream
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.evaluation.ngrams import ORDER, witten_bell_bits
from goodfit.tasks.language import UNICODE, spent

_SHORT = 40  # characters of a piece below which its bits say little


def language_scores(bits: np.ndarray, weight: np.ndarray | None, seed: int, resamples: int) -> dict[str, dict[str, float | None]]:
    """bits [n, any] of characters, below 0 behind a piece's last -> bits_per_character."""
    table = np.stack(spent(bits), axis=1).astype(np.float64)
    table = table if weight is None else table * weight[:, None]
    total = table.sum(0)
    drawn = bootstrap.sums(table, resamples, seed, "language") if resamples else np.zeros((0, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"bits_per_character": bootstrap.summary(total[0] / total[1], drawn[:, 0] / drawn[:, 1])}


def language_baselines(dataset: Dataset, target: TargetSpec, split: Split, on: np.ndarray) -> list[dict[str, Any]]:
    """Counts of runs of ORDER characters, and of single ones, of all that comes before the rows `on`."""
    learned = np.concatenate([split.train, split.valid]) if not np.isin(on, split.valid).any() else split.train
    texts = dataset.column(target.names[0])
    encoder: StreamEncoder = fit_stream(texts.gather(learned), 30_000, 1)
    train, asked = encoder.ids("".join(texts.gather(learned))), encoder.ids("".join(texts.gather(on)))
    unknown = math.log2(UNICODE - len(encoder.characters)) * (asked == UNKNOWN)
    past = train[-ORDER:]
    found = []
    for name, order in (("single characters", 1), (f"runs of {ORDER} characters", ORDER)):
        begun = time.monotonic()
        bits = witten_bell_bits(train, np.concatenate([past, asked]), len(past), FIRST + len(encoder.characters), order) + unknown
        metrics = {"bits_per_character": float(bits.mean())}
        found.append({"name": name, "metrics": metrics, "seconds": round(time.monotonic() - begun, 3), "rows": int(learned.size)})
    return found


def language_mistakes(dataset: Dataset, target: TargetSpec, rows: np.ndarray, bits: np.ndarray, most: int) -> list[dict[str, Any]]:
    """The pieces with the most bits per character."""
    total, characters = spent(bits)
    mean = np.where(characters >= min(_SHORT, int(characters.max(initial=0))), total / np.maximum(characters, 1), -1.0)
    worst = np.argsort(-mean, kind="stable")
    worst = worst[mean[worst] > 0][:most]
    texts = dataset.take(rows[worst], target.names).to_series()
    found = []
    for index, position in enumerate(worst):
        file, row = dataset.place(int(rows[position]))
        hardest = int(bits[position].argmax())
        entry = {
            "row": row, "actual": f"{texts[index][hardest]!r} for {bits[position][hardest]:.1f} bits", "predicted": "", "probability": None,
            "loss": float(mean[position]), "values": {"passage": texts[index]}, "image": None,
        }  # fmt: skip
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found
