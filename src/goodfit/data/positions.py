"""Targets that name places of the list in the same row, counted from 0: the order of numbers, the corners of a hull, a tour.

Answers are compared as they are given. Where one could be written in several ways, as a hull that begins at any of its corners, the data must keep to
one way, or the network is taught to guess which.

n rows, N entries of a row's list, T places named in a row.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import Dataset, listed

NONE = -1  # behind the last place of a row
_MOSTLY = 0.95  # of the rows name places of their list; the others are then mistakes, which are said
_REACH = 0.5  # of the rows name a place in the second half of their list: labels of a long series, such as 0 and 2, do not


def lists_of(dataset: Dataset) -> list[str]:
    """The columns that a target can point into: lists of numbers, or of points, equally long in a row."""
    return [column.name for column in dataset.schema.features if column.kind == "series"]


def points(dataset: Dataset, column: pl.Series) -> bool:
    """Whether a target, nobody having said what it is, holds places of the list in its row."""
    lists = lists_of(dataset)
    if not lists or len(lists) != len(dataset.schema.features) or not _whole(column.dtype):
        return False
    low, high = column.list.min().fill_null(0).to_numpy(), column.list.max().fill_null(NONE).to_numpy()
    lengths = dataset.column(lists[0]).list.len().fill_null(0).to_numpy()
    inside = (low >= 0) & (high < lengths)
    return bool(inside.mean() >= _MOSTLY and (2 * (high + 1) > lengths).mean() >= _REACH)


def refuse(dataset: Dataset, column: pl.Series) -> None:
    """Raises DataError where the target cannot point: no list, other columns beside it, or no places."""
    lists, name = lists_of(dataset), column.name
    others = [feature.name for feature in dataset.schema.features if feature.name not in lists]
    if not lists or others:
        raise DataError(
            "pointing needs lists of numbers or of points to point into, as JSON lines and Parquet have them, and nothing beside them; "
            + (f"{listed(others, 3)} hold something else: leave them out with data.drop" if lists else f"{listed(others, 3)} hold none"),
            column=others[0] if others else name,
        )
    if not _whole(column.dtype):
        raise DataError(
            f"pointing needs lists of places, whole numbers from 0, in the target {name!r}; it holds {column.dtype}", column=name
        )
    codes(column, dataset)
    if not column.list.len().sum():
        raise DataError(f"the target {name!r} holds empty lists only; at least one row must name a place", column=name)


def codes(column: pl.Series, source: Dataset | None) -> np.ndarray:
    """Lists of places -> int32 [n, T], NONE behind a row's last.

    source: the data of the column, where they are known: then a place beyond the list of its row is a DataError with the row, as a missing one is always.
    """
    if column.null_count():
        raise _wrong(column.name, source, int(column.is_null().arg_max()), "is missing; fill it or leave the row out")  # type: ignore[arg-type]
    if not _whole(column.dtype) and column.dtype.inner != pl.Null:  # type: ignore[attr-defined]
        raise DataError(
            f"the target {column.name!r} holds lists of places, whole numbers from 0; {column.dtype} was given", column=column.name
        )
    lengths = column.list.len().to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(column)), lengths)
    places = column.filter(pl.Series(lengths > 0)).explode() if lengths.any() else pl.Series([], dtype=pl.Int64)
    if places.null_count():
        raise _wrong(column.name, source, int(row[int(places.is_null().arg_max())]), "holds an empty place; write whole numbers")  # type: ignore[arg-type]
    values = places.to_numpy().astype(np.int64)
    if source is not None and (lists := lists_of(source)):
        most = source.column(lists[0]).list.len().fill_null(0).to_numpy().astype(np.int64)[row]
        if (wrong := (values < 0) | (values >= most)).any():
            first = int(wrong.argmax())
            raise _wrong(
                column.name, source, int(row[first]), f"names {values[first]} in a list of {most[first]}; places are counted from 0"
            )
    found = np.full((len(column), max(1, int(lengths.max(initial=0)))), NONE, np.int32)
    found[row, np.arange(row.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)] = values
    return found


def visits(dataset: Dataset, column: pl.Series, rows: np.ndarray | None) -> str:
    """How the answers of these rows go over their lists: "all" places once each, no place twice ("once"), or "free"."""
    chosen = np.arange(dataset.rows) if rows is None else rows
    own, lengths = column.gather(chosen), dataset.column(lists_of(dataset)[0]).gather(chosen).list.len().fill_null(0)
    if not (own.list.n_unique() == own.list.len()).all():
        return "free"
    return "all" if (own.list.len() == lengths).all() else "once"


def _whole(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType) and dtype.inner.is_integer()


def _wrong(name: str, source: Dataset | None, position: int, what: str) -> DataError:
    file, row = source.place(position) if source is not None else (None, position + 1)
    return DataError(f"the target {name!r} in row {row} {what}", file=file, row=row, column=name)
