"""The same row more than once: in training and in what tests it (a leak), or with another label (noise).

Rows of few coarse columns repeat by nature: two people of the same age, trade and town. Then nothing leaks, since new rows will repeat
the training rows just as often. Copies are told from them by their neighbours: for rows that repeat by nature there are many more
that differ in one column alone, while a copy has no such neighbours. Of the pairs of rows that are equal in all other columns, the share
that are equal in this one too is 1 for copies; `copied` is the smallest over columns, with chance taken off: (share - chance) / (1 - chance),
where chance is the share of all pairs that are equal in the column. Measured on healthy tables: 0 to 0.5.

n rows, m columns.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.records import Finding
from goodfit.base.streams import numpy_stream
from goodfit.data.checks.sample import MEASURED, SHOWN, Sample
from goodfit.data.dataset import Dataset
from goodfit.data.target import STRUCTURED, UNLABELLED

_ROWS = 500_000  # whose hashes are compared: seconds; a share of rows found in a sample of training is a lower bound
_PICTURES = 20_000  # the same where a file is opened for each
_SHARE, _LEAST = 0.01, 5  # of the rows that test, and rows: below them a score hardly moves
_COPIED = 0.7
_EVEN = 0.9  # of all pairs equal in a column: more, and it hardly tells rows apart
_Z = 4.0  # standard errors: repeats across parts above those inside training by so much are no chance
_COLUMNS = 48  # left out one by one; each costs a sort
_NOISE = 0.01  # of the training rows are copies with another label


def check_repeats(sample: Sample) -> list[Finding]:
    names = [column.name for column in sample.features]
    if not names or sample.dataset.rows < 2 * _LEAST:
        return []
    most = _PICTURES if any(column.kind == "image" for column in sample.features) else _ROWS
    train = sample.some(sample.split.train, most, "repeats")
    parts = {
        "validation": sample.some(sample.split.valid, most // 4, "repeats"),
        "test": sample.some(sample.split.test, most // 4, "repeats"),
    }
    rows = np.concatenate([train, *parts.values()])
    key = _hashes(sample, rows, names)
    inside = key[: train.size]
    found: list[Finding] = []
    copied: float | None = None
    position = train.size
    across = np.sort(inside)
    for part, positions in parts.items():
        own = key[position : position + positions.size]
        position += positions.size
        shared = np.isin(own, across)
        count = int(shared.sum())
        if count < _LEAST or count < _SHARE * positions.size:
            continue
        copied = _copied(sample, rows, names) if copied is None else copied
        here, usual = _beside(sample, own, inside)
        if copied < _COPIED and not _above(here, usual, own.size):
            continue
        twin = np.argsort(inside, kind="stable")[np.searchsorted(across, own[shared][:SHOWN])]
        told = sample.numbered(positions[np.flatnonzero(shared)[:SHOWN]])
        found.append(
            Finding(
                "data.leak",
                "warning",
                f"{count:,} of {positions.size:,} {part} rows ({100 * count / positions.size:.1f} %) are copies of training rows, such as"
                f" row {told[0]} of row {sample.numbered(train[twin])[0]}: the score on them tells what was memorised",
                evidence={
                    "part": part,
                    "rows": count,
                    "share": round(count / positions.size, 4),
                    "copied": round(copied, 3),
                    "share_of_training_rows_set_aside": round(usual, 4),
                },
                rows=told,
                remedy="leave the copies out, or name a column whose rows belong together with data.group",
                confidence=0.9,
            )
        )
    return found + _conflicts(sample, names, copied)


def _beside(sample: Sample, own: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """The shares of a part's rows, and of as many training rows that are set aside, that are found among the remaining training rows."""
    order = numpy_stream(sample.seed, "split", "checks", "aside").permutation(inside.size)
    size = min(own.size, inside.size // 2)
    remaining = inside[order[size:]]
    return float(np.isin(own, remaining).mean()), float(np.isin(inside[order[:size]], remaining).mean())


def _above(share: float, usual: float, size: int) -> bool:
    """Whether a share of repeats is above the usual one by more than chance and by enough to matter."""
    pooled = (share + usual) / 2
    return share - usual >= max(_SHARE, _Z * math.sqrt(2 * pooled * (1 - pooled) / size))


def _conflicts(sample: Sample, names: list[str], copied: float | None) -> list[Finding]:
    """Training rows that are the same in every feature and differ in their class."""
    if sample.target.kind in ("regression", "multilabel", "several", *STRUCTURED, *UNLABELLED):
        return []
    codes = np.rint(sample.encoded).astype(np.int64)
    key = _hashes(sample, sample.rows, names)
    _, group, size = np.unique(key, return_inverse=True, return_counts=True)
    cells, count = np.unique(group * (int(codes.max()) + 1) + codes, return_counts=True)
    most = np.zeros(size.size, dtype=np.int64)
    np.maximum.at(most, cells // (int(codes.max()) + 1), count)
    wrong = int((size - most).sum())  # rows that no function of the features can get right
    if wrong < _LEAST or wrong < _NOISE * codes.size:
        return []
    copied = _copied(sample, sample.rows, names) if copied is None else copied
    mixed = np.flatnonzero((size > most)[group])
    mixed = mixed[np.argsort(group[mixed], kind="stable")]
    ceiling = 100 * (1 - wrong / codes.size)
    evidence = {
        "rows": int(mixed.size),
        "wrong_at_least": wrong,
        "copied": round(copied, 3),
        "best_possible_accuracy": round(ceiling / 100, 4),
    }
    told = sample.numbered(sample.rows[mixed[:SHOWN]])
    same = (
        f"{mixed.size:,} of {codes.size:,} training rows are equal in every feature to a row of another class,"
        f" such as rows {told[0]} and {told[1]}"
    )
    if copied >= _COPIED:
        return [
            Finding(
                "data.label-noise",
                "warning",
                f"{same}: their labels contradict each other",
                evidence=evidence,
                columns=sample.target.names,
                rows=told,
                remedy="find out which label is right; where none is, leave both rows out",
                confidence=0.9,
            )
        ]
    return [
        Finding(
            "data.label-noise",
            "remark",
            f"{same}: the columns do not hold all that decides, and no model can be right in more than {ceiling:.1f} % of all",
            evidence=evidence,
            columns=sample.target.names,
            rows=told,
            remedy="add columns that tell these rows apart, where there are any",
        )
    ]


def _hashes(sample: Sample, rows: np.ndarray, names: list[str]) -> np.ndarray:
    """[n] uint64: equal for rows with equal features. Images are compared by their bytes."""
    found = np.zeros(rows.size, dtype=np.uint64)
    for start, frame in _frames(sample.dataset, rows, names):
        for name in names:
            found[start : start + frame.height] += _column_hash(sample, frame[name])
    return found


def _frames(dataset: Dataset, rows: np.ndarray, names: list[str], size: int = 100_000) -> Iterator[tuple[int, pl.DataFrame]]:
    for start in range(0, rows.size, size):
        yield start, dataset.take(rows[start : start + size], names)


def _column_hash(sample: Sample, series: pl.Series) -> np.ndarray:
    """[n] uint64, another function for each column, so that sums of them are hashes of rows."""
    if sample.dataset.schema.column(series.name).kind == "image":
        series = pl.Series(series.name, [_content(image, sample.dataset.root) for image in series], dtype=pl.String)
    elif series.dtype.is_float():
        series = series + 0.0  # -0.0 and 0.0 are equal
    salt = numpy_stream(0, "split", "hash", series.name).integers(1 << 62)
    return series.hash(seed=int(salt)).to_numpy()


def _content(image: Any, root: Path | None, block: int = 4096) -> str | None:
    """What stands for a picture: the size of its file and its first and last 4 KiB, or all its pixels."""
    if image is None:
        return None
    if not isinstance(image, str):
        return hashlib.blake2b(np.asarray(image).tobytes(), digest_size=16).hexdigest()
    path = image
    try:
        with open(os.path.join(root or "", path), "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            content = handle.read(block)
            if size > block:
                handle.seek(max(block, size - block))
                content += handle.read(block)
    except OSError:  # the encoder says what is wrong with it
        return path
    return f"{size} {hashlib.blake2b(content, digest_size=16).hexdigest()}"


def _copied(sample: Sample, rows: np.ndarray, names: list[str]) -> float:
    """How much the equal rows look like copies, see above; 1 for texts and pictures, which no chance repeats."""
    rows = sample.some(np.sort(rows), 100_000, "copied")
    frame = sample.dataset.take(rows, names)
    columns = [name for name in names if sample.dataset.schema.column(name).kind in MEASURED]
    if not columns:
        return 1.0
    if len(columns) > _COLUMNS:
        columns = [columns[i] for i in sorted(numpy_stream(sample.seed, "split", "copied").choice(len(columns), _COLUMNS, replace=False))]
    total = np.zeros(rows.size, dtype=np.uint64)
    own = {}
    for name in names:
        hashed = _column_hash(sample, frame[name])
        total += hashed
        if name in columns:
            own[name] = hashed
    equal, all_pairs = _pairs(total), rows.size * (rows.size - 1) / 2
    if not equal:
        return 1.0
    chance = {name: _pairs(hashed) / all_pairs for name, hashed in own.items()}
    # A column of one value almost says nothing of copies, unless there is no other.
    telling = [name for name in own if chance[name] <= _EVEN] or [name for name in own if chance[name] < 1]
    shares = ((equal / _pairs(total - own[name]) - chance[name]) / (1 - chance[name]) for name in telling)
    return float(min(shares, default=1.0))


def _pairs(key: np.ndarray) -> float:
    """How many pairs of rows have equal keys."""
    count = np.unique(key, return_counts=True)[1].astype(np.float64)
    return float((count * (count - 1) / 2).sum())
