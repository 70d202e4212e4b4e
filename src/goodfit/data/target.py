"""The target: what is to be learned, found from its column, and its values as numbers.

n rows, C classes or labels.

| column | target |
|---|---|
| two different values | binary |
| texts, booleans, few different whole numbers | multiclass |
| lists of texts, as long as those of the one column of tokens | tagging |
| texts, where `data.source` or the task says so | sequence |
| numbers, where the task says so | forecast |
| boxes of COCO's annotations | detection (see `data.objects`) |
| lists of places in the list of the same row | pointing (see `data.positions`) |
| lists, or texts such as `a;b;c` and `a|b` whose parts repeat | multilabel |
| other numbers | regression |
| several columns of booleans or of 0 and 1 | multilabel, a label per column |
| several other columns | several |
| none, running text | language |
| texts, of a column of pictures (data.source) | caption |
| none, where the task says so | reconstruction, generation: `names` are the features |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, SettingError
from goodfit.base.parts import TaskName
from goodfit.base.recipe import DataPart
from goodfit.data import objects, positions
from goodfit.data.course import Course
from goodfit.data.dataset import Dataset, listed
from goodfit.data.encode_sequence import Unit, cut, joined, unit_of, word_codes
from goodfit.data.stream import BEGINS, LANGUAGE
from goodfit.data.windows import Windows, moments, standardised

TargetKind = TaskName
UNLABELLED = ("reconstruction", "generation")  # tasks that learn from the features alone
STRUCTURED = ("tagging", "sequence", "caption", "pointing", "detection")  # a row's answer has parts: no mean, and no share of one
Values = str | int | float | bool

_FEW = 20  # different whole numbers up to which they are classes: digits, grades and ratings have fewer, counts and ages more
_SPREAD = 5  # more than ten whole numbers that fill less than a fifth of their range are amounts, not classes
_REPEATS = 3  # rows that a whole number must have on average to be a class
_SEPARATORS = (";", "|")
_LARGEST = 1e18  # predictions are float32 in the target's unit, whose squares must stay below 3e38


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """What is to be learned, and how its values become numbers.

    names: the columns. classes: the C original values (or labels), sorted; None for regression and several.
    mean, std: of the training rows, in the target's unit; regression is learned standardised.
    parts: one specification per column for `several`. separator: between the labels of a text, or the units
    of a sequence, "" where there are lists, columns or letters. longest: units of the longest sequence of the training rows, or places of the
    longest answer, or boxes of the picture that has most; of a language the characters that are read at once. course: of a forecast.
    visits: of pointing, how answers go over their lists (see data.positions).
    """

    kind: TargetKind
    names: tuple[str, ...]
    classes: tuple[Values, ...] | None = None
    mean: float = 0.0
    std: float = 1.0
    parts: tuple[TargetSpec, ...] = ()
    separator: str = ""
    longest: int = 0
    course: Course | None = None
    visits: str = ""

    @property
    def numeric(self) -> bool:
        """Whether all that is to be learned are numbers, rather than classes or labels."""
        return all(part.numeric for part in self.parts) if self.parts else self.kind in ("regression", "forecast")

    @property
    def _unit(self) -> Unit:
        return "word" if self.separator else "letter"

    def encode(self, source: Dataset | pl.DataFrame | pl.Series) -> np.ndarray:
        """The target of each row as numbers.

        binary, multiclass: int64 [n] positions in `classes`; regression: float32 [n], (value - mean) / std;
        multilabel: float32 [n, C] of 0 and 1; several: float32 [n, parts], class codes as floats.
        forecast: float32 [n, H], (value - mean) / std, NaN where a step is missing or does not count.
        tagging, sequence, caption: int32 [n, T] positions in `classes`, -1 behind a row's last token or unit; T of the longest row here.
        language: int64 [n] characters.
        detection: float32 [n, M, 5] a class and a box (see `data.objects.codes`). pointing: int32 [n, T] places in the row's list, -1 behind its last.
        Raises DataError with the row where a value is missing, infinite or of no known class.
        """
        if self.kind in UNLABELLED:
            return np.zeros(len(source), np.float32)  # the features say what is right
        columns = _columns(source, self.names)
        if self.kind == "pointing":
            return positions.codes(columns[self.names[0]], source if isinstance(source, Dataset) else None)
        if self.kind == "detection":
            return objects.codes(columns[self.names[0]], self.classes or ())
        if self.kind == "several":
            return np.stack([part._codes(columns[part.names[0]], source) for part in self.parts], axis=1).astype(np.float32)
        if self.kind == "multilabel" and len(self.names) > 1:
            return np.stack([_flags(columns[name], source) for name in self.names], axis=1)
        return self._codes(columns[self.names[0]], source)

    def fit(self, source: Dataset | pl.DataFrame | pl.Series, rows: np.ndarray | None = None) -> TargetSpec:
        """A copy whose mean and std are those of these rows (the training rows; all when None)."""
        if self.kind == "several":
            return replace(self, parts=tuple(part.fit(source, rows) for part in self.parts))
        if self.kind in ("sequence", "caption"):
            texts = _columns(source, self.names)[self.names[0]]
            lengths = cut(texts if rows is None else texts.gather(rows), self._unit).list.len()
            return replace(self, longest=int(lengths.max() or 1))  # type: ignore[arg-type]
        if self.kind == "forecast":
            mean, std = moments(source, rows, self.names[0])
            return replace(self, mean=mean, std=std)
        if self.kind == "pointing" and isinstance(source, Dataset):
            column = source.column(self.names[0])
            longest = (column if rows is None else column.gather(rows)).list.len().max()
            return replace(self, longest=int(longest or 1), visits=positions.visits(source, column, rows))  # type: ignore[arg-type]
        if self.kind == "detection":
            boxes = _columns(source, self.names)[self.names[0]]
            return replace(self, longest=int((boxes if rows is None else boxes.gather(rows)).list.len().max() or 1))  # type: ignore[arg-type]
        if self.kind != "regression":
            return self
        values = _numbers(_columns(source, self.names)[self.names[0]], source)
        values = values if rows is None else values[rows]
        # Summed in float64, so that 10 M large values keep their digits. A constant target has no scale: 1 leaves it as it is. So does one whose
        # scale float32, in which the network predicts, cannot hold.
        std = float(values.std()) if values.size else 0.0
        std = std if std >= np.finfo(np.float32).tiny and math.isfinite(std) else 1.0
        return replace(self, mean=float(values.mean()) if values.size else 0.0, std=std)

    def _codes(self, column: pl.Series, source: Any) -> np.ndarray:
        if self.kind == "regression":
            scaled = (_numbers(column, source) - self.mean) / self.std
            return scaled.clip(-_LARGEST, _LARGEST).astype(np.float32)
        if self.kind == "forecast":
            assert self.course is not None
            return standardised(column, self.course.horizon, self.mean, self.std)
        if self.kind == "language":
            return column.str.len_chars().fill_null(0).to_numpy().astype(np.int64)
        assert self.classes is not None
        if self.kind == "multilabel":
            return _label_matrix(column, self.classes, self.separator, source)
        if self.kind == "tagging":
            return _tag_codes(column, self.classes, source)
        if self.kind == "sequence":
            _refuse_missing(column, source)
            return _tag_codes(cut(column.cast(pl.String), self._unit).alias(column.name), self.classes, source)
        if self.kind == "caption":
            _refuse_missing(column, source)
            return word_codes(cut(column.cast(pl.String), self._unit), self.classes)
        return _class_codes(column, self.classes, source)

    def texts(self, codes: np.ndarray) -> list[str]:
        """Of a sequence: codes [n, any], -1 behind the last unit of a row, as texts."""
        units = [str(unit) for unit in self.classes or ()]
        return [joined([units[code] for code in row[row >= 0]], self._unit) for row in codes]

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON types; `from_json` gives an equal one."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "classes": None if self.classes is None else list(self.classes),
            "mean": self.mean,
            "std": self.std,
            "parts": [part.to_json() for part in self.parts],
            "separator": self.separator,
            "longest": self.longest,
            "course": self.course.to_json() if self.course else None,
            "visits": self.visits,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TargetSpec:
        if document.get("kind") not in get_args(TargetKind):
            raise DataError(f"a target is one of {', '.join(get_args(TargetKind))}; {document.get('kind')!r} was found")
        return cls(
            kind=document["kind"],
            names=tuple(document["names"]),
            classes=None if document["classes"] is None else tuple(document["classes"]),
            mean=float(document["mean"]),
            std=float(document["std"]),
            parts=tuple(cls.from_json(part) for part in document["parts"]),
            separator=document["separator"],
            longest=int(document.get("longest", 0)),
            course=Course.from_json(document["course"]) if document.get("course") else None,
            visits=str(document.get("visits", "")),
        )


def detect(dataset: Dataset, settings: DataPart) -> TargetSpec:
    """What is to be learned, from the target columns of the schema; `settings.task` and `settings.kinds` overrule.

    Mean and std are still 0 and 1: `TargetSpec.fit` takes them from the training rows.
    Raises DataError when the target cannot be learned: constant, all different texts, infinite, dates.
    """
    if settings.task == LANGUAGE or BEGINS in dataset.schema.names:  # every character is asked for: the text is its own target
        return TargetSpec("language", (dataset.schema.features[0].name,), longest=settings.max_tokens)
    if settings.task in UNLABELLED:
        return _unlabelled(dataset, settings.task)
    names = tuple(column.name for column in dataset.schema.targets)
    if not names:
        columns = listed([c.name for c in dataset.schema.columns])
        raise DataError(f"a target is needed: name the column to predict with --target; the columns are {columns}")
    if isinstance(dataset.store, Windows):
        return TargetSpec("forecast", names, course=dataset.store.course)
    if objects.detects(dataset.schema):
        return TargetSpec("detection", names, classes=objects.classes(dataset.schema))
    if settings.task in ("sequence", "caption") or settings.source:
        return _sequence(dataset, names, settings)
    if len(names) == 1:
        if settings.task == "several":
            raise SettingError(f"data.task=several needs at least two targets; only {names[0]!r} was given", value=names[0])
        return _one(dataset, names[0], settings.task, settings.kinds.get(names[0]))
    series = {name: dataset.column(name) for name in names}
    if settings.task == "multilabel" or (settings.task is None and all(_is_flag(column) for column in series.values())):
        for name, column in series.items():
            if not _is_flag(column):
                raise DataError(
                    f"with data.task=multilabel each of several targets holds true and false or 0 and 1; {name!r} holds {_sample(column)}",
                    column=name,
                )
        return TargetSpec("multilabel", names, classes=names)
    task = None if settings.task == "several" else settings.task
    parts = tuple(_one(dataset, name, task, settings.kinds.get(name)) for name in names)
    for part in parts:
        if part.kind == "multilabel":
            raise DataError(
                f"of several targets each has one value a row; {part.names[0]!r} holds lists of labels: predict it alone",
                column=part.names[0],
            )
    return TargetSpec("several", names, parts=parts)


def _unlabelled(dataset: Dataset, task: str) -> TargetSpec:
    """The columns that are given back or generated: pictures alone, or for reconstruction numbers and categories."""
    read = [column for column in dataset.schema.features if column.kind not in ("identifier", "constant")]
    pictures = [column.name for column in read if column.kind == "image"]
    if task == "generation" and len(pictures) != 1:
        raise DataError(
            f"data.task=generation makes pictures and needs one column of them; there {'are ' + listed(pictures) if pictures else 'is none'}"
        )
    others = [column for column in read if column.kind in ("text", "series", "tokens") or (pictures and column.name != pictures[0])]
    if others:
        raise DataError(
            f"data.task={task} is of one column of pictures{'' if task == 'generation' else ' or of numbers and categories'}; {others[0].name!r} "
            f"holds {others[0].kind}{' beside pictures' if pictures else ''}: leave it out with data.drop={others[0].name}",
            column=others[0].name,
        )
    # In the network pixels lie from -1 to 1, in the data from 0 to 1; columns are standardised.
    return TargetSpec(
        "reconstruction" if task == "reconstruction" else "generation", tuple(c.name for c in read), std=0.5 if pictures else 1.0
    )


def _one(dataset: Dataset, name: str, task: str | None, kind: str | None) -> TargetSpec:
    column = dataset.column(name)
    distinct = column.n_unique() - int(column.null_count() > 0)
    if column.len() - column.null_count() == 0:
        raise DataError(f"the target {name!r} has no value in any row; give rows with a known target", column=name)
    if task == "tagging" or (task is None and _untagged(dataset, column) is not None):
        return _tagging(dataset, column)
    if task == "pointing" or (task is None and positions.points(dataset, column)):
        positions.refuse(dataset, column)
        return TargetSpec("pointing", (name,))
    if isinstance(column.dtype, pl.List | pl.Array) or task == "multilabel":
        return _multilabel(column, name, task)
    if column.dtype.is_temporal():
        raise DataError(
            f"the target {name!r} holds dates, which goodfit does not predict; write it as a number, such as days until then", column=name
        )
    if (
        task == "regression"
        or (task is None and kind == "number")
        or (task is None and kind is None and _looks_continuous(column, distinct))
    ):
        return _regression(column, name, dataset)
    if column.dtype == pl.String and task is None and kind is None and (separator := _separator(column, distinct)):
        return _multilabel(column, name, task, separator)
    return _classes(column, name, distinct, task)


def _regression(column: pl.Series, name: str, dataset: Dataset) -> TargetSpec:
    values = _numbers(column, dataset)
    largest = float(np.abs(values).max())
    if largest > _LARGEST:
        row = int(np.abs(values).argmax())
        file, place = dataset.place(row)
        raise DataError(
            f"the target {name!r} holds {largest:g} (row {place}), too large for 32-bit numbers; give it in a larger unit or as a logarithm",
            file=file, row=place, column=name, value=largest,
        )  # fmt: skip
    if values.min() == values.max():
        raise DataError(
            f"the target {name!r} has the one value {values[0]:g} in every row; there is nothing to learn", column=name, value=values[0]
        )
    return TargetSpec("regression", (name,))


def _classes(column: pl.Series, name: str, distinct: int, task: str | None) -> TargetSpec:
    rows = column.len() - column.null_count()
    values = column.drop_nulls()
    if distinct == 1:
        raise DataError(
            f"the target {name!r} has the one value {values[0]!r} in every row; classification needs at least two classes",
            column=name,
            value=values[0],
        )
    # Classes are learned from rows that share them. Half of the rows being alone in their class is no classification.
    if distinct > 2 and distinct > rows / 2:
        raise DataError(
            f"the target {name!r} has {distinct:,} different values in {rows:,} rows; classes must repeat, so name another column"
            " or set data.task=regression where they are numbers",
            column=name,
            value=values[0],
        )
    if task == "binary" and distinct != 2:
        raise DataError(
            f"data.task=binary needs two classes; the target {name!r} has {distinct:,}: {listed(values.unique().sort().to_list(), 5)}",
            column=name,
        )
    classes = tuple(values.unique().sort().to_list())
    return TargetSpec("binary" if distinct == 2 and task != "multiclass" else "multiclass", (name,), classes=classes)


def _multilabel(column: pl.Series, name: str, task: str | None, separator: str | None = None) -> TargetSpec:
    if column.dtype == pl.String:
        # A comma separates labels only where the user says that these are labels: texts have commas of their own.
        separator = separator or next((s for s in (*_SEPARATORS, ",") if column.str.contains(s, literal=True).any()), ";")
    elif not isinstance(column.dtype, pl.List | pl.Array):
        raise DataError(
            f"data.task=multilabel needs lists or texts such as 'a;b' in {name!r}, or several targets; {_sample(column)} was found",
            column=name,
        )
    labels = _exploded(column, separator or "")["label"]
    classes = tuple(labels.drop_nulls().unique().sort().to_list())
    if not classes:
        raise DataError(f"the target {name!r} holds empty lists only; at least one row needs a label", column=name)
    if any(not isinstance(label, str | int | bool) for label in classes):
        raise DataError(f"labels are texts or whole numbers; the lists in {name!r} hold {classes[0]!r}", column=name, value=classes[0])
    if len(classes) > 2 and task is None and len(labels) < 2 * len(classes):
        raise DataError(
            f"the {len(classes):,} labels in the target {name!r} hardly repeat in {len(column):,} rows; labels must repeat to be learned",
            column=name,
        )
    return TargetSpec("multilabel", (name,), classes=classes, separator=separator or "")


def _untagged(dataset: Dataset, column: pl.Series) -> int | None:
    """Rows whose tags are not as many as their tokens; None where there is no column of tokens to be tagged, or no lists of tags."""
    tokens = [c.name for c in dataset.schema.features if c.kind == "tokens"]
    if len(tokens) != 1 or column.dtype != pl.List(pl.String):
        return None
    return int((dataset.column(tokens[0]).list.len().fill_null(0) != column.list.len().fill_null(0)).sum())


def _sequence(dataset: Dataset, names: tuple[str, ...], settings: DataPart) -> TargetSpec:
    pictures = dataset.schema.features[0].kind == "image"
    if settings.task not in (None, "sequence", "caption") or (settings.task == "caption" and not pictures):
        raise SettingError(
            f"data.source is for data.task=sequence{', or caption with pictures' if settings.task == 'caption' else ''}; data.task={settings.task} was given: leave one out",
            value=settings.task,
        )
    column = dataset.column(names[0])
    if len(names) > 1 or column.dtype != pl.String:
        raise DataError(
            f"a sequence is one target of texts; {f'{len(names)} targets were given' if len(names) > 1 else f'{names[0]!r} holds {_sample(column)}'}",
            column=names[0],
        )
    unit = "word" if pictures else unit_of(column)
    units = cut(column.drop_nulls(), unit).explode().drop_nulls().unique().sort().to_list()
    if len(units) < 2:
        raise DataError(
            f"the target {names[0]!r} must hold at least two different {unit}s; it has {listed(units) or 'none'}", column=names[0]
        )
    return TargetSpec("caption" if pictures else "sequence", names, classes=tuple(units), separator=" " if unit == "word" else "")


def _tagging(dataset: Dataset, column: pl.Series) -> TargetSpec:
    tokens, name = [c.name for c in dataset.schema.features if c.kind == "tokens"], column.name
    wrong = _untagged(dataset, column)
    if wrong is None:
        raise DataError(
            f"tagging needs lists of texts in the target {name!r} and one column of tokens, lists of texts too; "
            + (
                f"the target holds {_sample(column)}"
                if column.dtype != pl.List(pl.String)
                else f"there are {len(tokens)} columns of tokens"
            ),
            column=name,
        )
    if wrong:
        have, need = column.list.len().fill_null(0).to_numpy(), dataset.column(tokens[0]).list.len().fill_null(0).to_numpy()
        first = int((have != need).argmax())
        file, row = dataset.place(first)
        raise DataError(
            f"each token needs a tag; row {row} has {need[first]} tokens in {tokens[0]!r} and {have[first]} tags in {name!r}",
            file=file, row=row, column=name,
        )  # fmt: skip
    tags = column.drop_nulls().explode().drop_nulls().unique().sort().to_list()
    if len(tags) < 2:
        raise DataError(f"tagging needs at least two different tags; {name!r} has {listed(tags) or 'none'}", column=name)
    return TargetSpec("tagging", (name,), classes=tuple(tags))


def _tag_codes(column: pl.Series, classes: Sequence[Values], source: Any) -> np.ndarray:
    """int32 [n, T], -1 behind the last tag of a row; raises DataError for a tag that training did not have, or a list without one."""
    _refuse_missing(column, source)
    lengths = column.list.len().to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(column)), lengths)
    tags = column.filter(pl.Series(lengths > 0)).explode() if lengths.any() else pl.Series([], dtype=pl.String)
    codes = np.full((len(column), max(1, int(lengths.max(initial=0)))), -1, np.int32)
    if tags.null_count():
        file, place = _place(source, int(row[int(tags.is_null().arg_max())]))  # type: ignore[arg-type]
        raise DataError(
            f"a tag is missing in {column.name!r} in row {place}; give each token its tag", file=file, row=place, column=column.name
        )
    position = np.arange(row.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    codes[row, position] = _class_codes(tags.alias(column.name), classes, source, row)
    return codes


def _looks_continuous(column: pl.Series, distinct: int) -> bool:
    if not column.dtype.is_numeric():
        return False
    low, high = float(column.min()), float(column.max())  # type: ignore[arg-type]
    if column.dtype.is_float():
        if not math.isfinite(high - low):
            return True
        whole = bool((column.drop_nulls() == column.drop_nulls().floor()).all())
        # Whole numbers written as floats are what pandas makes of classes with gaps: 0.0, 1.0, 2.0 without holes.
        if not whole or (distinct > 2 and high - low + 1 != distinct):
            return True
    if distinct <= 2:
        return False
    rows = column.len() - column.null_count()
    sparse = distinct > 10 and high - low > _SPREAD * distinct
    return distinct > _FEW or sparse or rows < _REPEATS * distinct


def _separator(column: pl.Series, distinct: int) -> str:
    """The separator of labels in texts, "" when the texts are single classes.

    Labels are told from classes with a separator in their name by there being fewer labels than combinations, each seen
    several times; one row in twenty must have two labels, or it is punctuation.
    """
    filled = column.drop_nulls()
    for separator in _SEPARATORS:
        if filled.str.contains(separator, literal=True).sum() < max(1, len(filled) / 20):
            continue
        labels = _exploded(filled, separator)["label"].drop_nulls()
        kinds = labels.n_unique()
        if kinds < distinct and len(labels) >= _REPEATS * kinds and labels.str.len_chars().max() <= 60:  # type: ignore[operator]
            return separator
    return ""


def _exploded(column: pl.Series, separator: str) -> pl.DataFrame:
    """One row per label: `row` (position, uint32) and `label`; texts are cut at the separator and trimmed."""
    frame = pl.DataFrame({"row": np.arange(len(column), dtype=np.int64), "label": column})
    if column.dtype == pl.String:
        frame = frame.with_columns(pl.col("label").str.split(separator))
    elif isinstance(column.dtype, pl.Array):
        frame = frame.with_columns(pl.col("label").arr.to_list())
    frame = frame.explode("label", empty_as_null=False).drop_nulls()
    if frame["label"].dtype == pl.String:
        frame = frame.with_columns(pl.col("label").str.strip_chars()).filter(pl.col("label") != "")
    return frame


def _label_matrix(column: pl.Series, classes: Sequence[Values], separator: str, source: Any) -> np.ndarray:
    _refuse_missing(column, source)
    exploded = _exploded(column, separator)
    codes = _class_codes(exploded["label"].alias(column.name), classes, source, exploded["row"].to_numpy())
    matrix = np.zeros((len(column), len(classes)), dtype=np.float32)
    matrix[exploded["row"].to_numpy(), codes] = 1
    return matrix


def _class_codes(column: pl.Series, classes: Sequence[Values], source: Any, rows: np.ndarray | None = None) -> np.ndarray:
    """int64 positions in `classes`; `rows` are the positions of the values in the source where they differ."""
    _refuse_missing(column, source)
    try:
        known = pl.Series(classes).cast(column.dtype) if not isinstance(classes[0], str) else pl.Series(classes, dtype=pl.String)
        values = column.cast(pl.String) if isinstance(classes[0], str) and column.dtype != pl.String else column
    except pl.exceptions.PolarsError:
        raise DataError(
            f"the target {column.name!r} holds {listed([str(c) for c in classes], 5)}; values of the type {column.dtype} were given",
            column=column.name,
        ) from None
    codes = values.replace_strict(known, pl.Series(range(len(classes)), dtype=pl.Int64), default=None, return_dtype=pl.Int64)
    if codes.null_count():
        first = int(codes.is_null().arg_max())  # type: ignore[arg-type]
        file, row = _place(source, int(rows[first]) if rows is not None else first)
        known_ones = listed([str(c) for c in classes], 5)
        raise DataError(
            f"the target {column.name!r} has the value {values[first]!r} in row {row}, which is none of the classes {known_ones}",
            file=file,
            row=row,
            column=column.name,
            value=values[first],
        )
    return codes.to_numpy().astype(np.int64, copy=False)


def _numbers(column: pl.Series, source: Any) -> np.ndarray:
    """float64 [n], all finite."""
    _refuse_missing(column, source)
    values = column if column.dtype.is_numeric() or column.dtype == pl.Boolean else column.cast(pl.Float64, strict=False)
    numbers = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
    if not np.isfinite(numbers).all():
        first = int(np.argmin(np.isfinite(numbers)))
        file, row = _place(source, first)
        raise DataError(
            f"the target {column.name!r} must be a finite number for regression; row {row} holds {column[first]!r}",
            file=file,
            row=row,
            column=column.name,
            value=column[first],
        )
    return numbers


def _flags(column: pl.Series, source: Any) -> np.ndarray:
    _refuse_missing(column, source)
    if not _is_flag(column):
        raise DataError(f"the target {column.name!r} holds only true and false or 0 and 1; {_sample(column)} was found", column=column.name)
    return column.cast(pl.Float32).to_numpy()


def _is_flag(column: pl.Series) -> bool:
    return column.dtype == pl.Boolean or (column.dtype.is_numeric() and bool(((column == 0) | (column == 1)).all()))


def _refuse_missing(column: pl.Series, source: Any) -> None:
    if column.null_count():
        file, row = _place(source, int(column.is_null().arg_max()))  # type: ignore[arg-type]
        raise DataError(
            f"the target {column.name!r} is missing in row {row}; fill it or leave the row out", file=file, row=row, column=column.name
        )


def _columns(source: Dataset | pl.DataFrame | pl.Series, names: Sequence[str]) -> dict[str, pl.Series]:
    if isinstance(source, pl.Series):
        return {names[0]: source.alias(names[0])}
    if isinstance(source, pl.DataFrame):
        for name in names:
            if name not in source.columns:
                raise DataError(f"the target {name!r} is not among the columns {listed(source.columns)}", column=name)
        return {name: source[name] for name in names}
    return {name: source.column(name) for name in names}


def _place(source: Any, position: int) -> tuple[str | None, int]:
    return source.place(position) if isinstance(source, Dataset) else (None, position + 1)


def _sample(column: pl.Series) -> str:
    return listed([str(value) for value in column.drop_nulls().unique(maintain_order=True).head(3).to_list()], 3)
