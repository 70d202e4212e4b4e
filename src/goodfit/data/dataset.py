"""What was read: columns with their kinds and roles, and the rows, in memory or on the disk.

n rows. After reading, a missing value is null, never NaN, and these hold for every kind:

| kind | polars type |
|---|---|
| number | any integer or float, finite |
| category | String or Int64 |
| boolean | Boolean |
| datetime | Datetime("us"), UTC where a zone was given |
| text | String |
| image | String, or arrays of UInt8 [H, W] or [H, W, C] |
| tokens | List(String) |
| series | List(Float32) of the T steps, or List(List(Float32)) [T, C] |
| nodes | lists with an entry for each node of a row's graph, texts or numbers |
| edges | lists of lists: the two nodes that an edge of a row's graph joins, and what is known of it |
| neighbours | List(Int64): where rows are nodes, the rows that each is joined to |
| vector | List(Float32): where rows are nodes, many numbers of each; or List(List(Float32)), pairs of place and number of those not 0 |
| identifier, constant | whatever the source held |
| category as a target of lists | List(String): labels, or a tag for each token |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, did_you_mean, printable

Kind = Literal[
    "number",
    "category",
    "boolean",
    "datetime",
    "text",
    "identifier",
    "image",
    "series",
    "tokens",
    "constant",
    "nodes",
    "edges",
    "neighbours",
    "vector",
]
Role = Literal["feature", "target", "label", "weight", "split", "group", "time", "ignored"]
KINDS: tuple[str, ...] = get_args(Kind)
ROLES: tuple[str, ...] = get_args(Role)
CHUNK = 262_144  # rows read at once from the disk: 60 MiB of 30 float64 columns
TRAIN, VALID, TEST, NO_PART = 0, 1, 2, 3  # the values of Dataset.part; the last of nodes whose label is not looked at


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it was understood.

    dtype: the polars type after reading. missing: rows without a value. distinct: different values, missing not counted
    (above 2,000 an estimate that may be 15 % off in tables that are read from the disk).
    reason: why this kind, one clause. form: how its texts are read, so that new rows are read alike (data.forms.Form.parse).
    """

    name: str
    kind: Kind
    role: Role
    dtype: str
    missing: int
    distinct: int
    reason: str
    form: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Column:
        return cls(**document)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns in the order of the source."""

    columns: tuple[Column, ...]

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns to learn from."""
        return self.with_role("feature")

    @property
    def targets(self) -> tuple[Column, ...]:
        """The columns to predict, in the order of the source."""
        return self.with_role("target")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def with_role(self, role: Role) -> tuple[Column, ...]:
        """The columns of this role."""
        return tuple(column for column in self.columns if column.role == role)

    def column(self, name: str) -> Column:
        """The column of this name. Raises DataError with the nearest name when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise DataError(
            f"there is no column {name!r}{did_you_mean(name, self.names) or '; the columns are ' + listed(self.names)}", column=name
        )

    def changed(self, name: str, **fields: Any) -> Schema:
        """A copy with some fields of one column changed."""
        return Schema(tuple(replace(column, **fields) if column.name == name else column for column in self.columns))

    def to_json(self) -> list[dict[str, Any]]:
        return [column.to_json() for column in self.columns]

    @classmethod
    def from_json(cls, document: list[dict[str, Any]]) -> Schema:
        return cls(tuple(Column.from_json(column) for column in document))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was used although it was not quite right, in one sentence. `row` is 1-based, the header not counted."""

    message: str
    file: str | None = None
    row: int | None = None
    column: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


class Rows(Protocol):
    """Where the values lie. `columns` None means all."""

    def slice(self, start: int, length: int, columns: Sequence[str] | None = None) -> pl.DataFrame: ...

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pl.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Memory:
    """Rows in memory."""

    frame: pl.DataFrame

    def slice(self, start: int, length: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        return (self.frame if columns is None else self.frame.select(columns)).slice(start, length)

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pl.DataFrame:
        return (self.frame if columns is None else self.frame.select(columns))[rows]


@dataclass(frozen=True)
class Dataset:
    """A table that was read, with what was understood of it.

    rows: n. files: where the rows came from, none for a frame. fingerprint: SHA-256 of the content (sampled for huge files).
    notes: what was used although not quite right. root: folder that image paths are relative to.
    part: [n] int8 given split (0 train, 1 valid, 2 test), None when neither files nor a column say so.
    origin: [n] int64 0-based row in the source that each row came from, counted through all files; None when none was left out.
    starts: the first row of each file, counted in the same way. A part that no row is given to is cut from the training rows.
    """

    schema: Schema
    rows: int
    files: tuple[Path, ...]
    fingerprint: str
    notes: tuple[Note, ...]
    root: Path | None
    part: np.ndarray | None
    store: Rows
    origin: np.ndarray | None = None
    starts: tuple[int, ...] = (0,)

    def __len__(self) -> int:
        return self.rows

    def column(self, name: str) -> pl.Series:
        """[n] the values of one column."""
        self.schema.column(name)
        return self.store.slice(0, self.rows, [name]).to_series()

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows at these 0-based positions, in this order, repetitions allowed; [m] int64 -> m rows."""
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= self.rows):
            raise IndexError(f"positions lie from 0 to {self.rows - 1}; {rows.min()} to {rows.max()} were asked for")
        return self.store.take(rows, columns)

    def chunks(self, size: int = CHUNK, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pl.DataFrame]]:
        """(position of the first row, frame) over all rows in order, `size` rows at a time."""
        for start in range(0, self.rows, size):
            yield start, self.store.slice(start, min(size, self.rows - start), columns)

    def place(self, position: int) -> tuple[str | None, int]:
        """The file and the 1-based row in it (header not counted) that the row at this 0-based position came from."""
        row = int(position if self.origin is None else self.origin[position])
        index = int(np.searchsorted(np.asarray(self.starts), row, side="right")) - 1
        return (str(self.files[index]) if index < len(self.files) else None), row - self.starts[index] + 1


def listed(names: Sequence[str], limit: int = 10) -> str:
    """The first names for a message; ten fit into a sentence."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown or "none"


def in_memory(frame: pl.DataFrame, schema: Schema, *, root: Path | None = None, part: np.ndarray | None = None) -> Dataset:
    """A Dataset over a frame whose columns already have the types of their kinds (see the table above)."""
    digest = fingerprint_of(frame)
    return Dataset(schema, frame.height, (), digest, (), root, part, Memory(frame))


def fingerprint_of(frame: pl.DataFrame) -> str:
    """SHA-256 over names, types and the row hashes of polars (stable within one version of polars)."""
    import hashlib

    digest = hashlib.sha256(repr([(name, str(dtype)) for name, dtype in frame.schema.items()]).encode())
    for start in range(0, frame.height, CHUNK):
        digest.update(frame.slice(start, CHUNK).hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()
