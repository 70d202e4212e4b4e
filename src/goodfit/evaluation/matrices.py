"""Columns as the matrices that scikit-learn's estimators take, as plainly as can be: what a baseline would be given by hand.

n rows. Everything is learned from the training rows. Numbers, booleans and dates (seconds) are one column each.
Linear: median for missing, standardised; a column per frequent category; TF-IDF of texts; grey or colour pixels of small pictures.
Trees: missing stays missing, categories are codes. Series, for both: each channel at MOMENTS even moments, and its mean, deviation, least and most.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Column, Dataset
from goodfit.data.encode_image import fit as fit_images
from goodfit.data.encode_series import fit as fit_series
from goodfit.data.encode_series import raw_series

CATEGORIES = 50  # columns per category for the linear baseline; rarer ones share none
CODES = 254  # categories for trees: scikit-learn's histograms have 255 bins, one for all others
WORDS = 50_000  # of TF-IDF, the most frequent in the training rows
MOMENTS = 16  # of a series, whatever its length, by interpolation
PIXELS = 16  # side of a picture for the linear baseline: 256 numbers, in which digits are still read
ROWS = 100_000  # to learn from, and to score on: beyond, a baseline's score moves in the third digit
_LETTERS = 1_000_000  # of text for each second of the limit, a fifth of what is counted in one
_LEAST = 200  # rows: fewer make no baseline
_LOOKED = 24  # pictures that are decoded to see how long it takes
_PICTURES = 0.2  # of the time limit for decoding those to learn from, and as much for those to score on


@dataclass(frozen=True)
class Matrices:
    """train, on: matrices of the rows to learn from and to predict. categorical: [columns] bool, for trees. words: TF-IDF alone."""

    train: Any
    on: Any
    categorical: np.ndarray
    words: bool = False


def affordable(dataset: Dataset, train: np.ndarray, seconds: float) -> int:
    """Rows, to learn from and to score on, whose texts and pictures are read in a part of the time."""
    most = float(ROWS)
    few = train[:: max(1, train.size // 200)]
    for column in dataset.schema.features:
        if column.kind == "text":
            letters = dataset.take(few, [column.name]).to_series().str.len_chars().mean()
            most = min(most, seconds * _LETTERS / max(1.0, float(letters or 1)))  # type: ignore[arg-type]
        elif column.kind == "image":
            begun = time.monotonic()
            _pixels(dataset, column, few[:_LOOKED], few[:0])
            most = min(most, seconds * _PICTURES / max(1e-5, (time.monotonic() - begun) / (2 * min(few.size, _LOOKED))))
    return max(_LEAST, int(most))


def tabular(dataset: Dataset) -> list[Column]:
    """The features that are neither texts, pictures nor series."""
    return [column for column in dataset.schema.features if column.kind in ("number", "category", "boolean", "datetime")]


def for_linear(dataset: Dataset, train: np.ndarray, on: np.ndarray) -> Matrices:
    """All features in one matrix, sparse where there are texts or many categories."""
    from scipy import sparse

    blocks = [_linear(dataset, column, train, on) for column in tabular(dataset)]
    blocks += [_tf_idf(dataset, column, train, on) for column in dataset.schema.features if column.kind == "text"]
    blocks += [_pixels(dataset, column, train, on) for column in dataset.schema.features if column.kind == "image"]
    if any(column.kind == "series" for column in dataset.schema.features):
        blocks.append(standardised(*_summaries(dataset, train, on)))
    both = []
    for side in (0, 1):
        parts = [block[side] for block in blocks]
        thin = any(sparse.issparse(part) for part in parts)
        both.append(sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr") if thin else np.concatenate(parts, axis=1))
    words = all(column.kind == "text" for column in dataset.schema.features)
    return Matrices(both[0], both[1], np.zeros(both[0].shape[1], dtype=bool), words)


def for_trees(dataset: Dataset, train: np.ndarray, on: np.ndarray) -> Matrices:
    """The tabular features, a column each, and what sums up the series."""
    columns = tabular(dataset)
    learned, asked = [], []
    for column in columns:
        first, second = dataset.take(train, [column.name]).to_series(), dataset.take(on, [column.name]).to_series()
        if column.kind == "category":
            known = _frequent(first, CODES)
            learned.append(_codes(first, known))
            asked.append(_codes(second, known))
        else:
            learned.append(_numbers(first))
            asked.append(_numbers(second))
    categorical = [column.kind == "category" for column in columns]
    if any(column.kind == "series" for column in dataset.schema.features):
        summed, others = _summaries(dataset, train, on)
        learned, asked, categorical = [*learned, *summed.T], [*asked, *others.T], categorical + [False] * summed.shape[1]
    return Matrices(np.stack(learned, axis=1), np.stack(asked, axis=1), np.array(categorical))


def _linear(dataset: Dataset, column: Column, train: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n, 1] or [n, categories] of the training rows and of those to predict."""
    series = [dataset.take(rows, [column.name]).to_series() for rows in (train, on)]
    if column.kind == "category":
        known = _frequent(series[0], CATEGORIES)
        first, second = ((_codes(one, known)[:, None] == np.arange(len(known))).astype(np.float64) for one in series)
        return first, second
    learned, asked = (_numbers(one) for one in series)
    filled = learned[~np.isnan(learned)]
    middle = np.median(filled) if filled.size else 0.0
    # 1e150: the square of a larger number is no float, and a spread could not be taken
    learned, asked = (np.clip(np.where(np.isnan(one), middle, one), -1e150, 1e150) for one in (learned, asked))
    scale = learned.std() or 1.0
    return ((learned - learned.mean()) / scale)[:, None], ((asked - learned.mean()) / scale)[:, None]


def _tf_idf(dataset: Dataset, column: Column, train: np.ndarray, on: np.ndarray) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    learned, asked = (dataset.take(rows, [column.name]).to_series().fill_null("").to_list() for rows in (train, on))
    vectorizer = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, min_df=2 if len(learned) > 100 else 1, token_pattern=r"(?u)\b\w+\b")
    try:
        return vectorizer.fit_transform(learned), vectorizer.transform(asked)
    except ValueError:  # "empty vocabulary": no word is in the texts
        return np.zeros((len(learned), 1)), np.zeros((len(asked), 1))


def _pixels(dataset: Dataset, column: Column, train: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    paths = dataset.take(train, [column.name]).to_series()
    encoder = fit_images(column.name, paths.head(512), dataset.root, lambda i: dataset.place(int(train[i])), PIXELS)
    found = []
    for rows in (train, on):
        values = dataset.take(rows, [column.name]).to_series()
        pixels = np.empty((rows.size, encoder.channels, PIXELS, PIXELS), np.uint8)
        encoder.encode_into(pixels, values, dataset.root, lambda i, rows=rows: dataset.place(int(rows[i])))  # type: ignore[misc]
        found.append(pixels.reshape(rows.size, encoder.channels * PIXELS * PIXELS) / 255.0)  # n C S S -> n CSS
    middle = found[0].mean(0)
    return found[0] - middle, found[1] - middle


def _summaries(dataset: Dataset, train: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n, C * (MOMENTS + 4) + 1] of the training rows and of those to predict, NaN where a channel has no value."""
    names = [column.name for column in dataset.schema.features if column.kind == "series"]
    channels = fit_series(dataset.take(train, names), names, lambda i: dataset.place(int(train[i]))).channels
    found = []
    for rows in (train, on):
        raw, lengths = raw_series(dataset.take(rows, names), names, channels, lambda i, rows=rows: dataset.place(int(rows[i])))  # type: ignore[misc]
        found.append(np.stack([_summary(part) for part in np.split(raw, np.cumsum(lengths)[:-1])]))
    return found[0], found[1]


def _summary(series: np.ndarray) -> np.ndarray:
    """[T, C] -> each channel at even moments, its mean, deviation, least and most; and T."""
    parts: list[Any] = []
    for channel in series.T:
        known = np.flatnonzero(~np.isnan(channel))
        if not known.size:
            parts.append(np.full(MOMENTS + 4, np.nan))
            continue
        values = channel[known]
        moments = np.interp(np.linspace(0, len(channel) - 1, MOMENTS), known, values)
        parts += [moments, [values.mean(), values.std(), values.min(), values.max()]]
    return np.concatenate([*parts, [len(series)]])


def standardised(learned: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Missing values become 0, the mean of the training rows."""
    known = ~np.isnan(learned)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, learned, 0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, (learned - mean) ** 2, 0).sum(axis=0) / count)
    scale[scale == 0] = 1.0
    first, second = (np.nan_to_num((values - mean) / scale) for values in (learned, asked))
    return first, second


def _frequent(series: pl.Series, most: int) -> list[Any]:
    """The most frequent values, the most frequent first."""
    counts = series.drop_nulls().value_counts(sort=True).head(most)
    return counts[counts.columns[0]].to_list()


def _codes(series: pl.Series, known: list[Any]) -> np.ndarray:
    """[n] float64 positions in `known`, NaN for others and for missing."""
    if not known:
        return np.full(series.len(), np.nan)
    codes = series.replace_strict(known, pl.Series(range(len(known)), dtype=pl.Float64), default=None, return_dtype=pl.Float64)
    return codes.fill_null(float("nan")).to_numpy()


def _numbers(series: pl.Series) -> np.ndarray:
    """[n] float64, NaN for missing; dates in seconds."""
    if series.dtype.is_temporal():
        return series.dt.epoch("s").cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
