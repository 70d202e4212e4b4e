"""Tables that are handed over in Python: polars and pandas frames, dicts of arrays, structured numpy arrays.

pandas is read through its numpy arrays, so that neither pandas nor pyarrow needs to be installed. A column of pictures is an array [n, H, W]
or [n, H, W, C], or n arrays [H, W] or [H, W, C] of one shape; see `data.pictures` for its pixels. A column of series holds lists of numbers, or lists or
arrays [T, C] of T steps, of any lengths.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import Note
from goodfit.data.delimited import refuse_duplicates
from goodfit.data.pictures import picture_column, picture_objects, picture_series

Notes = list[Note]
_MAX_INT64 = (1 << 63) - 1


def is_frame(source: Any) -> bool:
    """Whether this is a table in memory rather than a path."""
    return isinstance(source, pl.DataFrame | pl.LazyFrame | Mapping) or (
        not isinstance(source, str | PurePath)
        and (_is_pandas(source) or isinstance(source, np.ndarray) or hasattr(source, "__arrow_c_stream__"))
    )


def from_frame(source: Any) -> tuple[pl.DataFrame, list[Note]]:
    """A polars frame of the same columns and rows, and what was changed on the way.

    Raises DataError when columns differ in length, have two dimensions, or hold what no table can.
    """
    notes: Notes = []
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        frame = source
    elif _is_pandas(source):
        frame = _from_pandas(source, notes)
    elif isinstance(source, np.ndarray):
        if source.dtype.names is None:
            raise DataError(f"an array of shape {source.shape} has no column names; hand over a dict such as {{'age': ages}} or a frame")
        frame = _from_columns({name: source[name] for name in source.dtype.names}, notes)
    elif isinstance(source, Mapping):
        frame = _from_columns(source, notes)
    else:
        frame = pl.DataFrame(source)
    frame = frame.with_columns(picture_series(s) for s in frame if isinstance(s.dtype, pl.Array) and len(s.dtype.shape) > 1)
    if frame.width == 0:
        raise DataError("the table has no columns; hand over at least a feature and a target")
    if frame.height == 0:
        raise DataError("the table has no rows; hand over at least two")
    return frame, notes


def _is_pandas(source: Any) -> bool:
    return type(source).__module__.split(".")[0] == "pandas" and hasattr(source, "iloc") and hasattr(source, "columns")


def _from_pandas(source: Any, notes: Notes) -> pl.DataFrame:
    if getattr(source.columns, "nlevels", 1) > 1:
        raise DataError("columns must have one name each; this frame has names in several levels: flatten them first")
    names = [_name(name) for name in source.columns]
    refuse_duplicates(names, None)
    return _assembled({name: _pandas_series(name, source.iloc[:, index], notes) for index, name in enumerate(names)})


def _pandas_series(name: str, series: Any, notes: Notes) -> pl.Series:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _series(name, series.to_numpy(), notes)
    kind = getattr(dtype, "kind", "O")
    if getattr(dtype, "tz", None) is not None:
        return _series(name, series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(), notes)
    if kind in "iub" and hasattr(series, "isna") and not hasattr(series, "sparse") and not hasattr(series, "cat"):
        # Nullable whole numbers and booleans: values and mask apart, so that large ones keep their digits.
        missing = series.isna().to_numpy()
        plain = np.bool_ if kind == "b" else np.uint64 if kind == "u" else np.int64
        values = pl.Series(name, series.to_numpy(dtype=plain, na_value=0))
        return values.set(pl.Series(missing), None) if missing.any() else values
    objects = np.array(series.astype(object), dtype=object)  # a copy: pandas hands out its own memory, write-protected
    objects[np.asarray(series.isna())] = None
    return _series(name, objects, notes)


def _from_columns(source: Mapping[Any, Any], notes: Notes) -> pl.DataFrame:
    names = [_name(name) for name in source]
    refuse_duplicates(names, None)
    return _assembled({name: _series(name, values, notes) for name, values in zip(names, source.values(), strict=True)})


def _assembled(columns: dict[str, pl.Series]) -> pl.DataFrame:
    lengths = {name: len(series) for name, series in columns.items()}
    if len(set(lengths.values())) > 1:
        first, *rest = lengths.items()
        other = next(item for item in rest if item[1] != first[1])
        raise DataError(
            f"columns must have equally many rows; {first[0]!r} has {first[1]:,} and {other[0]!r} has {other[1]:,}",
            column=other[0],
            value=other[1],
        )
    return pl.DataFrame(list(columns.values()))


def _name(name: Any) -> str:
    return name if isinstance(name, str) else str(name)


def _series(name: str, values: Any, notes: Notes) -> pl.Series:
    if isinstance(values, pl.Series):
        return values.alias(name)
    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu().numpy()
    if type(values).__module__.startswith("pandas") and hasattr(values, "iloc"):
        return _pandas_series(name, values, notes)
    if isinstance(values, np.ma.MaskedArray):
        objects = np.ma.getdata(values).astype(object)
        objects[np.ma.getmaskarray(values)] = None
        values = objects
    if not isinstance(values, np.ndarray):
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
            raise DataError(f"each column must be an array or a list; {name!r} is a {type(values).__name__}", column=name, value=values)
        return _from_objects(name, list(values), notes)
    if values.ndim != 1:
        return picture_column(name, values)
    kind = values.dtype.kind
    if kind in "biuf":
        if values.dtype.itemsize not in (1, 2, 4, 8) or not values.dtype.isnative:
            values = values.astype(np.float64 if kind == "f" else values.dtype.newbyteorder("="))
        return pl.Series(name, values.astype(np.float32) if values.dtype == np.float16 else values)
    if kind in "Mm":
        return pl.Series(name, values.astype("datetime64[us]" if kind == "M" else "timedelta64[us]"))
    if kind == "U":
        return pl.Series(name, values.tolist(), dtype=pl.String)
    if kind in "SO":
        return _from_objects(name, values.tolist(), notes)
    raise DataError(f"column {name!r} holds {values.dtype}, which is no kind of table column; write it as numbers or texts", column=name)


def _from_objects(name: str, values: Sequence[Any], notes: Notes) -> pl.Series:
    """A typed series from Python objects; single values of several types become texts, with a note."""
    clean = [None if _is_missing(value) else value for value in values]
    types = {type(value) for value in clean if value is not None}
    if not types:
        return pl.Series(name, clean, dtype=pl.String)
    if types == {str}:
        return pl.Series(name, [None if v is None else _as_text(v) for v in clean], dtype=pl.String)
    if all(issubclass(t, bool | np.bool_) for t in types):
        return pl.Series(name, [None if v is None else bool(v) for v in clean], dtype=pl.Boolean)
    if all(issubclass(t, int | np.integer) and not issubclass(t, bool) for t in types):
        whole = [None if v is None else int(v) for v in clean]
        if all(v is None or abs(v) <= _MAX_INT64 for v in whole):
            return pl.Series(name, whole, dtype=pl.Int64)
        return pl.Series(name, [None if v is None else str(v) for v in whole], dtype=pl.String)
    if all(issubclass(t, int | float | np.integer | np.floating | decimal.Decimal) and not issubclass(t, bool) for t in types):
        return pl.Series(name, [None if v is None else float(v) for v in clean], dtype=pl.Float64)
    if all(issubclass(t, dt.date | np.datetime64) for t in types):
        return pl.Series(name, [None if v is None else _moment(v) for v in clean], dtype=pl.Datetime("us"))
    if all(issubclass(t, dt.timedelta | np.timedelta64) for t in types):
        spans = [None if v is None else np.timedelta64(v).astype("timedelta64[us]").astype(int) for v in clean]
        return pl.Series(name, spans, dtype=pl.Int64).cast(pl.Duration("us"))
    if types == {dt.time}:
        return pl.Series(name, clean, dtype=pl.Time)
    if types == {np.ndarray} and any(value.ndim > 1 for value in clean if value is not None):
        return _from_steps(name, clean) if _are_series(clean) else picture_objects(name, clean)
    if all(issubclass(t, list | tuple | set | frozenset | np.ndarray) for t in types):
        return _from_lists(name, clean)
    for row, value in enumerate(clean, 1):
        if isinstance(value, Mapping | list | tuple | set | frozenset | np.ndarray | complex | np.complexfloating):
            raise DataError(
                f"column {name!r} holds a {type(value).__name__} in row {row}; a column holds single numbers, texts or dates",
                row=row, column=name, value=value,
            )  # fmt: skip
    if len(types) > 1:
        named = " and ".join(sorted(t.__name__ for t in types)[:4])
        notes.append(Note(f"{name!r} mixes values of the types {named}, which were written as texts", column=name))
    return pl.Series(name, [None if v is None else _as_text(v) for v in clean], dtype=pl.String)


def _from_lists(name: str, values: Sequence[Any]) -> pl.Series:
    lists = [None if v is None else sorted(v, key=str) if isinstance(v, set | frozenset) else list(v) for v in values]
    types = {type(item) for v in lists if v is not None for item in v if item is not None}
    if not types:
        return pl.Series(name, lists, dtype=pl.List(pl.Null))
    if all(issubclass(t, list | tuple | np.ndarray) for t in types):
        return _from_steps(name, lists)
    of: Callable[[Any], Any] = str
    dtype: Any = pl.String
    if all(issubclass(t, int | np.integer) and not issubclass(t, bool) for t in types):
        of, dtype = int, pl.Int64
    elif all(issubclass(t, float | np.floating | int | np.integer) for t in types):
        of, dtype = float, pl.Float64
    try:
        values = [None if v is None else [None if item is None else of(item) for item in v] for v in lists]
        return pl.Series(name, values, dtype=pl.List(dtype))
    except OverflowError:
        raise DataError(f"the lists in column {name!r} hold numbers beyond 64 bits; write them as texts", column=name) from None


def _are_series(values: Sequence[Any]) -> bool:
    """Arrays [T, C] of fractions that are no pictures: of different shapes, or beyond 0 to 1."""
    there = [value for value in values if value is not None]
    if any(value.ndim != 2 or value.dtype.kind != "f" for value in there):
        return False
    return len({value.shape for value in there}) > 1 or any(bool(((value < 0) | (value > 1) | np.isnan(value)).any()) for value in there)


def _from_steps(name: str, values: Sequence[Any]) -> pl.Series:
    """Lists or arrays of T steps, each of C numbers, one object a row and None where there is none."""
    try:
        steps = [
            None if v is None else [None if s is None else [float(x) if x is not None else None for x in s] for s in v] for v in values
        ]
    except (TypeError, ValueError):
        raise DataError(
            f"the lists in column {name!r} hold lists of what are no numbers; give each step of a series as its numbers", column=name
        ) from None
    return pl.Series(name, steps, dtype=pl.List(pl.List(pl.Float64)))


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, np.datetime64 | np.timedelta64) and bool(np.isnat(value)))


def _moment(value: Any) -> dt.datetime:
    """A date or time stamp as a naive one in UTC."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    elif hasattr(value, "to_pydatetime"):  # pandas' own, whose nanoseconds would raise a warning
        value = value.to_pydatetime(warn=False)
    if not isinstance(value, dt.datetime):
        value = dt.datetime.combine(value, dt.time())
    return value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)


def _as_text(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
    return _without_surrogates(text)


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else text.encode(errors="replace").decode()
