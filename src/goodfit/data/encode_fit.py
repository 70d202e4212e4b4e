"""What the encoder learns from the training rows: one pass that gathers, then a fit for each kind of column.

n rows, N numbers, F numbers before those that do not vary are left out, S rows sampled for order statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import DataPart
from goodfit.base.streams import numpy_stream
from goodfit.data import (
    encode_category,
    encode_datetime,
    encode_image,
    encode_number,
    encode_sequence,
    encode_series,
    encode_stream,
    encode_text,
    encode_tokens,
)
from goodfit.data.dataset import CHUNK, Column, Dataset, Note, Schema, listed
from goodfit.data.encode_image import ImageEncoder
from goodfit.data.encode_number import NumberScaler, Scaling
from goodfit.data.encode_sequence import SequenceEncoder
from goodfit.data.encode_series import SeriesEncoder
from goodfit.data.encode_stream import StreamEncoder
from goodfit.data.encode_text import TextEncoder
from goodfit.data.encode_tokens import TokenEncoder
from goodfit.data.preparation import Pictures, image_encoder
from goodfit.data.target import TargetSpec

SAMPLE_ROWS = 1_000_000  # for order statistics: their rank is then known to 0.05 %, half of one of 1,000 quantiles
_SAMPLE_CELLS = 1 << 26  # numbers sampled over all columns, 512 MiB: a table of 1,500 columns gets 44,000 rows
_CHUNK_CELLS = 1 << 22  # cells of a chunk, 32 MiB: wide tables are read in fewer rows at once
# Settings, and the kinds that they are of.
_OF_KIND = {
    "image_size": ("image",),
    "augment": ("image",),
    "normalise": ("image",),
    "vocabulary": ("text", "tokens"),
    "tokens": ("text",),
    "spread_labels": ("neighbours",),
}
# Pixels: of pictures with objects at most, and of which their side is a multiple, so that halving it four times is even.
_OBJECTS_SIDE, _PLACES = 128, 16
_PAIR_TEXTS = 100_000  # texts that a byte-pair vocabulary is learned from; more change its merges little and cost minutes


@dataclass(frozen=True)
class Numbers:
    """The number inputs in order: the scaled columns, then an indicator for each source column that had missing values.

    plain: columns of the kind number. dated: columns of the kind datetime, each giving several numbers.
    names: the N inputs. kept: [F] which of the F numbers vary. flagged: the source columns with an indicator.
    """

    plain: tuple[str, ...]
    dated: tuple[str, ...]
    kept: tuple[bool, ...]
    flagged: tuple[str, ...]
    names: tuple[str, ...]
    scaler: NumberScaler

    def encode_into(self, out: np.ndarray, frame: pl.DataFrame) -> None:
        """frame of n rows -> out float32 [n, N]."""
        values = _matrix(frame, self.plain, self.dated)
        if not all(self.kept):
            values = values[torch.tensor(self.kept)]
        out[:, : values.shape[0]] = self.scaler.encode(values).T.float().numpy()
        for place, name in enumerate(self.flagged, start=values.shape[0]):
            out[:, place] = frame[name].is_null().to_numpy()


@dataclass(frozen=True)
class Weights:
    """How rows are weighted: a column of weights, and the inverse frequency of classes, both with mean 1 in the training rows."""

    column: str | None
    scale: float
    classes: tuple[float, ...] | None


@dataclass
class Seen:
    """What one pass over the training rows has gathered: a sample of the numbers [F, S], who had missing values, counts of texts."""

    numbers: Tensor
    missing: dict[str, int]
    levels: dict[str, encode_category.Tally]
    words: encode_category.Tally


def observe(dataset: Dataset, columns: list[Column], rows: np.ndarray, seed: int, text: Sequence[str]) -> Seen:
    """One pass over the data that looks at the sorted `rows` alone. text: the columns whose words are counted."""
    plain, dated = named(columns, "number"), named(columns, "datetime")
    levels = {name: encode_category.Tally() for name in named(columns, "category", "boolean")}
    words, missing = encode_category.Tally(), dict.fromkeys([*plain, *dated], 0)
    names = [*plain, *dated, *levels, *text]
    width = len(plain) + encode_datetime.PARTS * len(dated)
    sample, filled = _sampled(rows, width, seed), 0
    numbers = torch.empty(width, sample.size if width else 0, dtype=torch.float64)
    if names:
        for start, whole in dataset.chunks(chunk_rows(len(names)), names):
            frame = _within(whole, rows, start)
            for name, tally in levels.items():
                tally.add(encode_category.as_text(frame[name]))
            for name in missing:
                missing[name] += frame[name].null_count()
            for first in range(0, frame.height if text else 0, encode_text.TEXTS):
                for name in text:
                    split = encode_text.split_words(frame[name].slice(first, encode_text.TEXTS).fill_null(""))
                    words.add(split.filter(split.list.len() > 0).explode())
            if missing:
                part = _matrix(_within(whole, sample, start), plain, dated)
                numbers[:, filled : filled + part.shape[1]] = part
                filled += part.shape[1]
    return Seen(numbers, missing, levels, words)


def fit_numbers(seen: Seen, columns: list[Column], scaling: Scaling, rows: int, seed: int, notes: list[Note]) -> Numbers | None:
    plain, dated = named(columns, "number"), named(columns, "datetime")
    if not plain and not dated:
        return None
    every = [*plain, *(expression.meta.output_name() for name in dated for expression in encode_datetime.parts(name))]
    scaler, varies = encode_number.fit(seen.numbers, every, scaling, rows, seed)
    per_date = (len(every) - len(plain)) // max(1, len(dated))
    dead = [name for name, lives in zip(plain, varies, strict=False) if not lives]
    dead += [name for place, name in enumerate(dated) if not varies[len(plain) + place * per_date :][:per_date].any()]
    if dead:
        notes.append(_left_out(dead, ("does not vary in the training rows and is", "do not vary in the training rows and are")))
    flagged = tuple(name for name, count in seen.missing.items() if 0 < count < rows)
    names = [name for name, lives in zip(every, varies, strict=True) if lives] + [f"{name} (missing)" for name in flagged]
    if not names:
        return None
    return Numbers(plain, dated, tuple(varies.tolist()), flagged, tuple(names), scaler.select(varies))


def fit_categories(seen: Seen, columns: list[Column], notes: list[Note]) -> dict[str, tuple[str, ...]]:
    """Booleans are categories of two levels: a missing one then has a code of its own, and no quantile stretches 0 and 1."""
    chosen: dict[str, tuple[str, ...]] = {}
    empty = []
    for name, tally in seen.levels.items():
        levels, rare = encode_category.choose_levels(tally)
        if not levels:
            empty.append(name)
            continue
        chosen[name] = tuple(levels)
        if rare:
            notes.append(
                Note(f"{rare:,} rare levels of {name!r} share the code of unknown ones; {len(levels):,} levels are told apart", column=name)
            )
    if empty:
        notes.append(_left_out(empty, ("is empty in the training rows and is", "are empty in the training rows and are")))
    return chosen


def fit_text(dataset: Dataset, seen: Seen, text: tuple[str, ...], rows: np.ndarray, settings: DataPart, seed: int) -> TextEncoder | None:
    if not text:
        return None
    if settings.tokens == "word":
        return TextEncoder(text, "word", encode_text.words_from(seen.words, settings.vocabulary), settings.max_tokens, settings.grams or 0)
    some = rows
    if rows.size > _PAIR_TEXTS:
        some = np.sort(numpy_stream(seed, "sample", "texts").choice(rows, _PAIR_TEXTS, replace=False))
    frames = (dataset.take(some[start : start + encode_text.TEXTS], text) for start in range(0, some.size, encode_text.TEXTS))
    model = encode_text.pairs_from((frame[name] for frame in frames for name in text), settings.vocabulary)
    return TextEncoder(text, "bpe", model, settings.max_tokens, settings.grams or 0)


def fit_image(
    dataset: Dataset,
    name: str,
    rows: np.ndarray,
    settings: DataPart,
    seed: int,
    notes: list[Note],
    pictures: Pictures | None = None,
    *,
    objects: bool = False,
) -> ImageEncoder:
    """objects: whether objects are looked for, which are smaller than the pictures that they are in."""
    paths = dataset.column(name)
    with_image = rows[paths.is_not_null().to_numpy()[rows]]
    if 0 < with_image.size < rows.size:
        notes.append(
            Note(f"{rows.size - with_image.size:,} training rows have no image in {name!r}; they see its mean colour", column=name)
        )
    some = with_image
    if with_image.size > encode_image.SAMPLE:
        some = np.sort(numpy_stream(seed, "sample", "images").choice(with_image, encode_image.SAMPLE, replace=False))
    sides = {"largest": _OBJECTS_SIDE, "multiple": _PLACES} if objects else {}
    return image_encoder(name, paths.gather(some), dataset.root, lambda i: dataset.place(int(some[i])), settings, pictures, **sides)


def fit_series(dataset: Dataset, names: tuple[str, ...], rows: np.ndarray, seed: int) -> SeriesEncoder:
    some = rows
    if rows.size > encode_series.SAMPLE:
        some = np.sort(numpy_stream(seed, "sample", "series").choice(rows, encode_series.SAMPLE, replace=False))
    return encode_series.fit(dataset.take(some, names), names, lambda i: dataset.place(int(some[i])))


def fit_tokens(dataset: Dataset, name: str, rows: np.ndarray, settings: DataPart) -> TokenEncoder:
    return encode_tokens.fit(dataset.take(rows, [name]).to_series(), settings.vocabulary)


def fit_source(dataset: Dataset, name: str, rows: np.ndarray) -> SequenceEncoder:
    return encode_sequence.fit(dataset.take(rows, [name]).to_series())


def fit_stream(dataset: Dataset, name: str, rows: np.ndarray, settings: DataPart) -> StreamEncoder:
    return encode_stream.fit(dataset.take(rows, [name]).to_series(), settings.vocabulary, settings.max_tokens)


def refuse_without_effect(settings: DataPart, columns: Sequence[Column]) -> None:
    """Raises SettingError for a setting of images or texts where the data have none. A default that is written out has no effect either way."""
    for name, kinds in _OF_KIND.items():
        if getattr(settings, name) != DataPart.model_fields[name].default and not named(columns, *kinds):
            raise SettingError(
                f"data.{name} has no effect, since no column is read as {kinds[0]}; leave it out, or set data.kinds.NAME={kinds[0]} for one that is",
                value=getattr(settings, name),
            )


def fit_weights(dataset: Dataset, schema: Schema, target: TargetSpec, rows: np.ndarray, settings: DataPart) -> Weights:
    roles = schema.with_role("weight")
    column = roles[0].name if roles else None
    weight = np.ones(rows.size) if column is None else weights_of(dataset, column)[rows]
    if not weight.any():
        raise DataError(f"some weight in {column!r} must be above 0 in the training rows; all are 0", column=column, value=0)
    classes = None
    if settings.balance == "classes":
        if target.kind not in ("binary", "multiclass") or target.classes is None:
            raise SettingError(
                f"data.balance=classes needs one target of classes; the target is {target.kind}: leave it out", value="classes"
            )
        mass = np.bincount(target.encode(dataset.take(rows, target.names)), weights=weight, minlength=len(target.classes))
        share = np.divide(weight.sum(), mass, out=np.zeros_like(mass), where=mass > 0)
        classes = tuple((share / max(1, np.count_nonzero(mass))).tolist())  # every class present weighs the same, the mean weight is 1
    return Weights(column, 1.0 if column is None else float(1 / weight.mean()), classes)


def weights_of(source: Dataset | pl.DataFrame, name: str) -> np.ndarray:
    """float64 [n], finite and not negative. Raises DataError with the first row that is not."""
    if isinstance(source, pl.DataFrame) and name not in source.columns:
        raise DataError(f"the column of weights {name!r} is not among {listed(source.columns)}", column=name)
    column = source[name] if isinstance(source, pl.DataFrame) else source.column(name)
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    wrong = ~(np.isfinite(values) & (values >= 0))
    if wrong.any():
        first = int(wrong.argmax())
        file, row = source.place(first) if isinstance(source, Dataset) else (None, first + 1)
        raise DataError(
            f"weights must be finite and not negative; {name!r} holds {column[first]!r} in row {row}",
            file=file,
            row=row,
            column=name,
            value=column[first],
        )
    return values


def _matrix(frame: pl.DataFrame, plain: Sequence[str], dated: Sequence[str]) -> Tensor:
    """The numbers of a frame, float64 [F, n], NaN where missing."""
    numbers = [pl.col(name).cast(pl.Float64) for name in plain]
    every = frame.select(*numbers, *(part for name in dated for part in encode_datetime.parts(name)))
    if frame.height == 0:
        return torch.zeros(every.width, 0, dtype=torch.float64)
    values = every.to_numpy(order="fortran").T  # F n, contiguous
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def _within(frame: pl.DataFrame, rows: np.ndarray, start: int) -> pl.DataFrame:
    """Those of the sorted `rows` that lie in the chunk beginning at `start`."""
    first, last = np.searchsorted(rows, (start, start + frame.height))
    return frame if last - first == frame.height else frame[rows[first:last] - start]


def _sampled(rows: np.ndarray, numbers: int, seed: int) -> np.ndarray:
    """A sorted sample of the rows for order statistics; all rows where they are few enough."""
    most = min(SAMPLE_ROWS, _SAMPLE_CELLS // max(1, numbers))
    return rows if rows.size <= most else np.sort(numpy_stream(seed, "sample", "numbers").choice(rows, most, replace=False))


def chunk_rows(columns: int) -> int:
    return int(np.clip(_CHUNK_CELLS // max(1, columns), 4_096, CHUNK))


def named(columns: Sequence[Column], *kinds: str) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.kind in kinds)


def _left_out(names: list[str], verbs: tuple[str, str]) -> Note:
    return Note(f"{listed(names)} {verbs[len(names) > 1]} left out", column=names[0])
