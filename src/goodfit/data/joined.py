"""The rows of several files below each other, with one schema and a place in their file for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.data.convert import named, tidy
from goodfit.data.dataset import Note, listed
from goodfit.data.table import Table


@dataclass(frozen=True)
class Joined:
    """The rows of all files, tidy. counts and starts: number of rows and first row of each file."""

    lazy: pl.LazyFrame
    counts: tuple[int, ...]
    starts: tuple[int, ...]
    tables: tuple[Table, ...]

    @property
    def rows(self) -> int:
        return sum(self.counts)

    @property
    def huge(self) -> bool:
        return any(table.huge for table in self.tables)

    def place(self, row: int) -> tuple[str | None, int]:
        """The file of a 0-based row, and its 1-based row there."""
        index = int(np.searchsorted(np.asarray(self.starts), row, side="right")) - 1
        file = self.tables[index].file
        return (str(file) if file else None), row - self.starts[index] + 1

    @classmethod
    def of(cls, tables: Sequence[Table], skip: frozenset[str], notes: list[Note]) -> Joined:
        """The tables below each other without the columns in `skip`; what was changed is added to `notes`."""
        first = tables[0]
        names = [name for name in first.names if name not in skip]
        parts = []
        for table in tables:
            present, expected = set(table.names), set(names)
            if missing := [name for name in names if name not in present]:
                others = [name for name in table.names if name not in expected]
                raise DataError(
                    f"all files must have the same columns; {_title(table)} has no {missing[0]!r}{did_you_mean(missing[0], others)}",
                    file=table.file,
                    column=missing[0],
                )
            others = [name for name in table.names if name not in expected and name not in skip]
            if others:
                notes.append(
                    Note(f"columns of {_title(table)} that the training data lack ({listed(others, 3)}) were left out", _file(table))
                )
            lazy, said = tidy(table.lazy, skip=skip | frozenset(others), file=table.file)
            notes += [Note(sentence, _file(table)) for sentence in said]
            parts.append(lazy.select(names))
        counts = tuple(table.rows for table in tables)
        starts = tuple(int(start) for start in np.cumsum([0, *counts[:-1]]))
        lazy = parts[0] if len(parts) == 1 else pl.concat(_aligned(parts, tables), how="vertical_relaxed")
        return cls(lazy, counts, starts, tuple(tables))


def _aligned(parts: list[pl.LazyFrame], tables: Sequence[Table]) -> list[pl.LazyFrame]:
    """The same types in all parts: texts where one of them is a text file, else numbers with numbers."""
    schemas = [part.collect_schema() for part in parts]
    texts = any(table.texts for table in tables)
    for name, dtype in schemas[0].items():
        for index, schema in enumerate(schemas[1:], 1):
            if schema[name] != dtype and not texts and not (schema[name].is_numeric() and dtype.is_numeric()):
                raise DataError(
                    f"column {name!r} holds {named(dtype)} in {_title(tables[0])} and {named(schema[name])} in {_title(tables[index])}; give one type",
                    file=tables[index].file,
                    column=name,
                )
    if not texts:
        return parts
    for schema in schemas:
        if lists := [name for name, dtype in schema.items() if isinstance(dtype, pl.List)]:
            raise DataError(f"column {lists[0]!r} holds lists in one file and texts in another; give files of one format", column=lists[0])
    return [part.with_columns(pl.all().cast(pl.String)) for part in parts]


def _title(table: Table) -> str:
    return table.file.name if table.file else "the frame"


def _file(table: Table) -> str | None:
    return str(table.file) if table.file else None
