"""Forecasts: the rows are windows of series, each a stretch of the past and the steps that come after it.

n windows, T steps of all series together, W steps of a window, H steps ahead.

The last steps in time are the test, those before them are for validation. A window belongs to the part whose steps it is to forecast, and of the H steps
after it only those of its own part count: so every step of a part is forecast once from each of the H steps before it, at every distance
the same steps are scored, and no training window knows a value of the test. What it reads may lie in the parts before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.convert import named
from goodfit.data.course import Course, choose
from goodfit.data.dataset import TEST, TRAIN, VALID, Dataset, Note, Schema
from goodfit.data.timeline import Timeline, lay_out, readable, refuse

_MOST = 50_000  # windows of a part; of more, which overlap nearly whole, evenly spaced ones are taken


@dataclass(frozen=True)
class Windows:
    """Implements `data.dataset.Rows`: n windows over a timeline.

    origin: int64 [n], the last step that a window knows. low, high: int64 [n], the steps ahead that count lie from low to before high.
    A column of the target holds lists of the H values ahead, null where they do not count or are missing; other columns hold the value at the origin.
    """

    timeline: Timeline
    course: Course
    target: str
    time: str
    groups: tuple[str, ...]
    origin: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def slice(self, start: int, length: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        return self.take(np.arange(start, min(start + length, len(self.origin))), columns)

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pl.DataFrame:
        frame = self.timeline.frame
        there = frame.columns if columns is None else list(columns)
        others = [name for name in there if name != self.target]
        found = frame.select(others)[self.origin[rows]] if others else pl.DataFrame()
        if self.target in there:
            values = self.future(rows)
            some = pl.Series(np.isfinite(values).any(1))
            lists = pl.Series(self.target, values, dtype=pl.Array(pl.Float64, self.course.horizon)).arr.to_list()
            lists = pl.select(pl.when(some).then(lists)).to_series().alias(self.target)
            found = pl.DataFrame([lists, *found.get_columns()])
        return found.select(there)

    def future(self, rows: np.ndarray) -> np.ndarray:
        """float64 [b, H], NaN where a step does not count or its value is missing."""
        ahead = self.origin[rows, None] + np.arange(1, self.course.horizon + 1)  # b H
        counts = (ahead >= self.low[rows, None]) & (ahead < self.high[rows, None])
        return np.where(counts, self.values[np.where(counts, ahead, 0)], np.nan)

    def known(self, rows: np.ndarray) -> np.ndarray:
        """The target's past, float64 [b, W] without gaps."""
        return self.filled(self.target).take(self.origin[rows], self.course.window)

    def filled(self, name: str) -> Filled:
        """A column of numbers with its gaps bridged."""
        if name not in self._filled:
            self._filled[name] = Filled.of(numbers_of(self.timeline.frame[name]), self.timeline.starts)
        return self._filled[name]

    def ahead(self, rows: np.ndarray) -> pl.DataFrame:
        """The group and the times of the H steps after each window, window by window: b H rows."""
        H = self.course.horizon
        steps = (self.timeline.position[self.origin[rows], None] + np.arange(1, H + 1)).ravel()  # b H -> bH
        when, dtype = self.timeline.steps.times(steps), self.timeline.frame.schema[self.time]
        times = pl.Series(self.time, when).cast(dtype) if dtype.is_temporal() else pl.Series(self.time, when)
        if dtype.is_temporal() and (times.dt.time().cast(pl.Int64) == 0).all():
            times = times.cast(pl.Date)
        owners = [self.timeline.frame[name].gather(self.origin[np.repeat(rows, H)]) for name in self.groups]
        return pl.DataFrame([*owners, times])

    @cached_property
    def values(self) -> np.ndarray:
        """float64 [T], the target, NaN where it is missing."""
        return numbers_of(self.timeline.frame[self.target])

    @cached_property
    def _filled(self) -> dict[str, Filled]:
        return {}


@dataclass(frozen=True)
class Filled:
    """A column with its gaps bridged in two ways: by lines between known values, and by the last one that is known.

    line, held: float64 [T]. last: int64 [T], the last step with a value, up to and with each; -1 where a series has none yet.
    """

    line: np.ndarray
    held: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, starts: np.ndarray) -> Filled:
        gap = np.isnan(values)
        place = np.arange(values.size)
        owner = np.searchsorted(starts, place, side="right") - 1
        last = np.maximum.accumulate(np.where(gap, -1, place))
        last = np.where(last >= starts[owner], last, -1)
        held = np.where(last >= 0, values[last], np.nan)
        line = held.copy()
        for a, b in pairwise(starts):
            known = np.flatnonzero(~gap[a:b])
            if known.size:
                line[a:b] = np.interp(np.arange(b - a), known, values[a:b][known])
        return cls(line, held, last)

    def take(self, origin: np.ndarray, width: int) -> np.ndarray:
        """The `width` steps up to each origin, [b, width]. A gap lies on the line between the values around it; at the end, where the next is not known
        yet, the last value goes on: nothing here knows what comes after the origin. NaN where there is no value yet.
        """
        place = origin[:, None] + np.arange(1 - width, 1)  # b W
        return np.where(place <= self.last[origin][:, None], self.line[place], self.held[origin][:, None])


def numbers_of(column: pl.Series) -> np.ndarray:
    """float64, NaN for missing and infinite."""
    values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values


def windowed(dataset: Dataset, settings: DataPart) -> Dataset:
    """The rows of a table as windows with their parts, for training. Raises DataError where there are too few steps, or nothing to forecast."""
    refuse(dataset, settings)
    schema, notes = readable(dataset, dataset.rows)
    timeline = lay_out(dataset, schema)
    target = schema.targets[0].name
    values = numbers_of(timeline.frame[target])
    cuts = _cuts(timeline, settings)
    known = np.where(timeline.position < cuts[0], values, np.nan)  # what may be looked at for choosing
    course = choose(timeline, known, settings, target)
    if np.nanmin(known, initial=np.inf) == np.nanmax(known, initial=-np.inf):
        raise DataError(f"the target {target!r} has one value in all training rows; there is nothing to learn", column=target)
    edges, parts = [np.iinfo(np.int64).min, *cuts, np.iinfo(np.int64).max], []
    for part, low, high in zip((TRAIN, VALID, TEST), edges[:-1], edges[1:], strict=True):
        found = _origins(timeline, course, values, low, high)
        if not len(found):
            if part == TEST and not settings.test_fraction:
                continue
            name = {TRAIN: "training", VALID: "validation", TEST: "test"}[part]
            raise DataError(
                f"the {name} part holds no window of {course.window} steps with a value among the {course.horizon} after it; give more rows, or a smaller "
                "data.horizon or data.season",
                column=target,
            )
        parts.append((part, found))
    table = np.concatenate([found for _, found in parts])
    windows = _store(timeline, course, schema, table)
    return replace(
        dataset,
        schema=_typed(schema, windows),
        rows=len(table),
        notes=dataset.notes + tuple(notes) + tuple(_said(timeline, course, values, target)),
        part=np.concatenate([np.full(len(found), part, np.int8) for part, found in parts]),
        store=windows,
        origin=_rows_in_source(dataset, timeline, windows),
    )


def follow(dataset: Dataset, schema: Schema, course: Course, *, truth: bool) -> Dataset:
    """New rows as windows. truth: every window that has values ahead; else of each series the one that ends at its last value.

    Raises DataError where no series is as long as a window.
    """
    timeline = lay_out(dataset, schema, course.steps)
    target = schema.targets[0].name
    values = numbers_of(timeline.frame[target])
    if truth:
        table = _origins(timeline, course, values, np.iinfo(np.int64).min, np.iinfo(np.int64).max)
    else:
        ends = Filled.of(values, timeline.starts).last[timeline.starts[1:] - 1]  # rows without a value at the end are to be forecast too
        ends = ends[ends - timeline.starts[:-1] >= course.window - 1]
        table = np.stack([ends, ends + 1, ends + 1], 1)
    if not len(table):
        more = " and what came after it" if truth else ""
        raise DataError(
            f"a forecast reads the last {course.window} steps ({course.steps.named(course.window)}) of {target!r}{more}; the rows hold fewer: "
            "give the rows before them too",
            column=target,
        )
    windows = _store(timeline, course, schema, table)
    origin = _rows_in_source(dataset, timeline, windows)
    return replace(dataset, schema=_typed(schema, windows), rows=len(table), part=None, store=windows, origin=origin)


def as_features(schema: Schema) -> Schema:
    """The schema that new rows of a forecast are read by: time, group and target must be there, all with their kinds."""
    for column in schema.columns:
        if column.role in ("time", "group", "target"):
            schema = schema.changed(column.name, role="feature")
    return schema


def _cuts(timeline: Timeline, settings: DataPart) -> list[int]:
    """The steps at which validation and test begin, by the shares of all steps; the same times in all series."""
    ordered = np.sort(timeline.position)
    test = round(settings.test_fraction * ordered.size)
    valid = max(1, round(settings.valid_fraction * ordered.size))
    cut = [ordered[max(0, ordered.size - test - valid)], ordered[ordered.size - test] if test else ordered[-1] + 1]
    return [int(place) for place in cut]


def _origins(timeline: Timeline, course: Course, values: np.ndarray, low: int, high: int) -> np.ndarray:
    """int64 [n, 3] origin, low and high of the windows that forecast the steps from position low to before high."""
    found = []
    for a, b in pairwise(timeline.starts):
        first, end = a + np.searchsorted(timeline.position[a:b], (low, high))
        origin = np.arange(max(a + course.window - 1, first - course.horizon), end - 1)
        if origin.size:
            found.append(np.stack([origin, np.full(origin.size, first), np.full(origin.size, end)], 1))
    table = np.concatenate(found) if found else np.zeros((0, 3), np.int64)
    if not len(table):
        return table
    coming = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    some = coming[np.minimum(table[:, 0] + 1 + course.horizon, table[:, 2])] > coming[np.maximum(table[:, 0] + 1, table[:, 1])]
    table = table[some & _knows(values, table[:, 0], course.window)]
    return table[np.unique(np.linspace(0, len(table) - 1, _MOST).astype(np.int64))] if len(table) > _MOST else table


def _knows(values: np.ndarray, origin: np.ndarray, window: int) -> np.ndarray:
    """Whether a window up to each origin holds any value."""
    total = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    return total[origin + 1] > total[origin + 1 - window]


def _store(timeline: Timeline, course: Course, schema: Schema, table: np.ndarray) -> Windows:
    time, groups = schema.with_role("time")[0].name, tuple(column.name for column in schema.with_role("group"))
    return Windows(timeline, course, schema.targets[0].name, time, groups, *table.T.astype(np.int64))


def _typed(schema: Schema, windows: Windows) -> Schema:
    """The schema with the types of the grid, but the target's as the table holds it: new rows are read by it."""
    types, kept = windows.timeline.frame.schema, {name for name in schema.names if name in windows.timeline.frame.columns}
    for name in kept:
        schema = schema.changed(name, dtype=named(types[name]))
    return schema


def _rows_in_source(dataset: Dataset, timeline: Timeline, windows: Windows) -> np.ndarray:
    rows = timeline.row[windows.origin]
    return rows if dataset.origin is None else dataset.origin[rows]


def _said(timeline: Timeline, course: Course, values: np.ndarray, target: str) -> list[Note]:
    """The rhythm that was found, and the gaps that were bridged."""
    steps, series = course.steps, len(timeline.starts) - 1
    season = f"repeating after {steps.named(course.season)}" if course.season > 1 else "without a season"
    many = f"{series:,} series" if series > 1 else "one series"
    notes = [
        Note(
            f"{target!r} was read as {many} in steps of {steps.named()}, {season}: windows of {course.window} steps, forecasts of {course.horizon}"
            " (data.season and data.horizon change that)"
        )
    ]
    missing = int(np.isnan(values).sum())
    if missing:
        gaps = f", {timeline.gaps:,} of them without a row," if timeline.gaps else ""
        notes.append(
            Note(
                f"{missing:,} of {len(timeline):,} steps{gaps} have no {target!r}: they are bridged by lines where they are read, and not scored"
            )
        )
    return notes


def how_by_time(dataset: Dataset) -> str:
    """How the parts came about, as the end of the sentence "The rows were split ..."."""
    windows = dataset.store
    assert isinstance(windows, Windows)
    assert dataset.part is not None
    sizes = []
    for part in (VALID, TEST):
        own = dataset.part == part
        sizes.append(sum(high - low for low, high in set(zip(windows.low[own].tolist(), windows.high[own].tolist(), strict=True))))
    return (
        f"by the time in {windows.time!r}: the last {sizes[1]:,} steps are the test and the {sizes[0]:,} before them for validation, each forecast from every "
        f"one of the {windows.course.horizon} steps before it"
    )


def moments(source: Dataset | pl.DataFrame | pl.Series, rows: np.ndarray | None, name: str) -> tuple[float, float]:
    """Mean and standard deviation of the values that some windows are to forecast; a constant has no scale, and 1 leaves it as it is."""
    if isinstance(source, Dataset):
        source = source.take(np.arange(source.rows) if rows is None else rows, [name])
        rows = None
    lists = source if isinstance(source, pl.Series) else source[name]
    values = (lists if rows is None else lists.gather(rows)).explode().drop_nulls().drop_nans()
    mean, std = float(values.mean() or 0.0), float(values.std(ddof=0) or 0.0)  # type: ignore[arg-type]
    return mean, std if std >= np.finfo(np.float32).tiny else 1.0


def standardised(lists: pl.Series, horizon: int, mean: float, std: float) -> np.ndarray:
    """Lists of the values ahead, null for none -> float32 [n, H], (value - mean) / std, NaN for missing."""
    out = np.full((len(lists), horizon), np.nan, np.float32)
    there = lists.is_not_null()
    if there.any():
        values = lists.filter(there).explode().fill_null(float("nan")).to_numpy().reshape(-1, horizon)
        out[there.to_numpy()] = (values - mean) / std
    return out
