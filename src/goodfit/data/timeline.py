"""From rows with times to series on a regular grid: sorted, one row a step, with empty rows where steps are missing.

n rows of the table, T steps of all series together, S series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset, Note, Schema, listed
from goodfit.data.kinds import Choice
from goodfit.data.steps import Steps, find

_THERE = 0.5  # of a series' steps that must have a row: with fewer, the commonest distance is no rhythm
READ = ("number", "boolean", "category")  # kinds of columns that are read beside the target
_CATEGORIES = 20  # different ones of a column: each becomes a channel of every step


@dataclass(frozen=True)
class Timeline:
    """Series end to end, each with a row for every step from its first time to its last.

    frame: T rows; null where the table has no row or no value. starts: int64 [S + 1], where each series begins, and T.
    position: int64 [T], the step by `steps`, the same for the same time in all series. row: int64 [T], the row of the table, of a gap the last one
    before it. gaps: steps without a row.
    """

    frame: pl.DataFrame
    starts: np.ndarray
    position: np.ndarray
    row: np.ndarray
    steps: Steps
    gaps: int

    def __len__(self) -> int:
        return self.frame.height


def choose_time(choices: dict[str, Choice], settings: DataPart) -> dict[str, Choice]:
    """The columns with the role of the time given to the one column of dates, where the user named none."""
    if settings.time is not None:
        return choices
    dates = [name for name, choice in choices.items() if choice.column.kind == "datetime" and choice.column.role == "feature"]
    if len(dates) != 1:
        what = f"{listed(dates)} hold dates" if dates else f"no column holds dates; the columns are {listed(list(choices), 5)}"
        raise DataError(f"a forecast needs the one column that says when; name it with --set data.time=COLUMN: {what}")
    choice = choices[dates[0]]
    return choices | {dates[0]: replace(choice, column=replace(choice.column, role="time"))}


def refuse(dataset: Dataset, settings: DataPart) -> None:
    """Raises SettingError or DataError for what a forecast has no use for."""
    for name, value in (("weight", settings.weight), ("split", settings.split)):
        if value is not None:
            raise SettingError(f"data.{name} has no effect on a forecast, whose parts are cut by time; leave it out", value=value)
    if settings.balance != "none":
        raise SettingError("data.balance=classes needs one target of classes; a forecast has numbers: leave it out", value=settings.balance)
    if dataset.part is not None:
        raise DataError(
            "the parts of a forecast are cut from one file by time; give all rows in it, and the share of the test with data.test_fraction"
        )
    targets = dataset.schema.targets
    if not targets:
        raise DataError(f"a target is needed: name the column to forecast with --target; there are {listed(dataset.schema.names)}")
    if len(targets) > 1:
        raise DataError(
            f"one column is forecast at a time; {listed([c.name for c in targets])} were given: the others are read as inputs unless dropped"
        )
    target = targets[0]
    if dataset.column(target.name).null_count() == dataset.rows:
        raise DataError(f"the target {target.name!r} has no value in any row; give rows with a known target", column=target.name)
    if target.kind != "number" and not target.dtype.startswith(("Int", "UInt", "Float")):
        raise DataError(f"a forecast is of numbers; the target {target.name!r} holds others ({target.dtype})", column=target.name)


def readable(dataset: Dataset, rows: int) -> tuple[Schema, list[Note]]:
    """The schema without the features that a forecast does not read, and what is said of those that it does."""
    schema, left, read = dataset.schema, [], []
    for column in schema.features:
        many = column.kind == "category" and column.distinct > min(_CATEGORIES, rows / 10)
        if column.kind not in READ or many:
            schema = schema.changed(column.name, role="ignored")
            left.append(column.name)
        else:
            read.append(column.name)
    notes = []
    if left:
        notes.append(Note(f"{listed(left, 5)} were left out: a forecast reads numbers, and categories of up to {_CATEGORIES} kinds"))
    if read:
        notes.append(
            Note(f"{listed(read, 5)} are read up to the moment of the forecast, as nobody knows them ahead; the calendar is known")
        )
    return schema, notes


def lay_out(dataset: Dataset, schema: Schema, steps: Steps | None = None) -> Timeline:
    """The rows of `dataset` by series and time. steps: those of the training, where new rows are laid out; found from the times when None.

    Raises DataError with the row where a time is missing, occurs twice in a series, or is no whole number of steps after the first.
    """
    time, groups = schema.with_role("time")[0].name, [column.name for column in schema.with_role("group")]
    names = [time, *groups, schema.targets[0].name, *(column.name for column in schema.features)]
    table = dataset.store.slice(0, dataset.rows, names)
    for name in (time, *groups):
        if table[name].null_count():
            raise _wrong(dataset, int(table[name].is_null().arg_max() or 0), name, f"a forecast needs a value of {name!r} in every row")
    numbers = _numbers(table[time])
    group = np.zeros(table.height, np.int64) if not groups else table[groups[0]].rank("dense").to_numpy().astype(np.int64) - 1
    order = np.lexsort((numbers, group))
    when, who = numbers[order], group[order]
    twice = (np.diff(when) == 0) & (np.diff(who) == 0)
    if twice.any():
        row = int(order[int(twice.argmax()) + 1])
        of = f" of one {groups[0]!r}" if groups else "; name the column that tells the series apart with data.group"
        raise _wrong(dataset, row, time, f"a series has one row for a time; {table[time][row]} occurs twice{of}")
    edges = np.flatnonzero(np.diff(who, prepend=-1, append=-1))
    parts = [slice(a, b) for a, b in pairwise(edges)]
    if max((part.stop - part.start for part in parts), default=0) < 2:
        raise DataError(f"a series has at least two times; {time!r} has {table.height} in all", column=time)
    steps = steps or find([when[part] for part in parts], dates=table[time].dtype.is_temporal())
    place = steps.positions(when)
    off = ~(place == np.rint(place))
    if off.any():
        row = int(order[int(off.argmax())])
        raise _wrong(
            dataset,
            row,
            time,
            f"the times of a forecast are regular, here {steps.named()} apart; {table[time][row]} lies between two: bring the rows to equal steps",
        )
    whole = place.astype(np.int64)
    return _gridded(table, order, whole, parts, steps, time, dataset)


def _gridded(
    table: pl.DataFrame, order: np.ndarray, place: np.ndarray, parts: Sequence[slice], steps: Steps, time: str, dataset: Dataset
) -> Timeline:
    """One row a step. order: rows by series and time; place: their steps, in that order."""
    spans = [int(place[part.stop - 1] - place[part.start]) + 1 for part in parts]
    if len(place) < _THERE * sum(spans):
        raise DataError(
            f"the times of a forecast are regular; {time!r} has {len(place):,} of the {sum(spans):,} steps of {steps.named()} between its first "
            "and its last: bring the rows to equal steps",
            column=time,
        )
    starts = np.concatenate([[0], np.cumsum(spans)])
    position, row = np.zeros(starts[-1], np.int64), np.full(starts[-1], -1, np.int64)
    for part, start, span in zip(parts, starts[:-1], spans, strict=True):
        begin = place[part.start]
        position[start : start + span] = begin + np.arange(span)
        row[start + place[part] - begin] = order[part]
    gaps = row < 0
    frame = table.with_row_index("row").join(
        pl.DataFrame({"row": np.where(gaps, table.height, row).astype(np.uint32)}), on="row", how="right", maintain_order="right"
    )
    known = np.maximum.accumulate(np.where(gaps, -1, np.arange(row.size)))  # of a series at least its first step is no gap
    when = steps.times(position)
    stamped = pl.Series(time, when).cast(table[time].dtype) if table[time].dtype.is_temporal() else pl.Series(time, when)
    return Timeline(frame.drop("row").with_columns(stamped), starts, position, row[known], steps, int(gaps.sum()))


def _numbers(times: pl.Series) -> np.ndarray:
    """Microseconds of dates, else the numbers themselves."""
    if times.dtype.is_temporal():
        return times.cast(pl.Datetime("us")).to_physical().to_numpy().astype(np.int64)
    return times.cast(pl.Float64).to_numpy()


def _wrong(dataset: Dataset, position: int, column: str, message: str) -> DataError:
    file, row = dataset.place(position)
    return DataError(f"{message} (row {row})", file=file, row=row, column=column)
