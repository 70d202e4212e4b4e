"""Raw columns as the few types that the rest of goodfit knows (see the table in `data.dataset`), as polars expressions."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.forms import Form
from goodfit.data.pictures import are_pictures

_EXACT = float(1 << 53)  # whole numbers up to here are exact in float64


def tidy(lazy: pl.LazyFrame, *, skip: frozenset[str] = frozenset(), file: Path | None = None) -> tuple[pl.LazyFrame, list[str]]:
    """The columns as numbers, texts, booleans, datetimes, lists or pictures; and what was changed, a sentence each.

    Raises DataError for columns that hold structures or bytes. skip: columns that are left out.
    """
    said, columns = [], []
    for name, dtype in lazy.collect_schema().items():
        if name in skip:
            continue
        column = pl.col(name)
        if isinstance(dtype, pl.Struct) or dtype in (pl.Binary, pl.Object):
            what = {pl.Struct: "structures", pl.Binary: "bytes"}.get(dtype.base_type(), "Python objects")
            raise DataError(
                f"column {name!r} holds {what}, which are no values; write it as numbers or texts, or leave it out with data.drop={name}",
                file=file,
                column=name,
            )
        if isinstance(dtype, pl.Decimal) or dtype == pl.Float16:
            column = column.cast(pl.Float64 if isinstance(dtype, pl.Decimal) else pl.Float32)
        elif dtype in (pl.Categorical, pl.Enum, pl.Null, pl.Int128, pl.UInt128):
            column = column.cast(pl.String)
        elif dtype == pl.Date:
            column = column.cast(pl.Datetime("us"))
        elif isinstance(dtype, pl.Datetime):
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else column
            column = column.cast(pl.Datetime("us"))
        elif dtype == pl.Time:
            column = column.cast(pl.Int64) / 1e9
            said.append(f"the times of day in {name!r} were read as seconds after midnight")
        elif isinstance(dtype, pl.Duration):
            column = column.dt.total_microseconds() / 1e6
            said.append(f"the durations in {name!r} were read as seconds")
        elif isinstance(dtype, pl.Array) and not are_pictures(dtype):
            column = column.arr.to_list()
        elif isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Array) and len(dtype.inner.shape) == 1:
            column = column.cast(pl.List(pl.List(dtype.inner.inner)))
        elif isinstance(dtype, pl.List) and dtype.inner in (pl.Categorical, pl.Enum):
            column = column.cast(pl.List(pl.String))
        columns.append(column.alias(name))
    return lazy.select(columns), said


def as_kind(name: str, dtype: pl.DataType, kind: str, form: Form | None = None, *, whole: bool = False) -> tuple[pl.Expr, pl.DataType]:
    """The tidy column `name` as `kind` holds it, and the type it then has; null where the value is none of that kind.

    form: how its texts are read, where they are. whole: all its numbers are whole.
    """
    raw = pl.col(name)
    text = dtype == pl.String
    value: pl.Expr
    if kind == "boolean":
        if text:
            read = (form or Form("number")).read(raw)
            value = pl.when(read == 1).then(True).when(read == 0).then(False) if form is None or form.kind == "number" else read
        else:
            value = raw if dtype == pl.Boolean else pl.when(raw == 1).then(True).when(raw == 0).then(False)
        return value.alias(name), pl.Boolean()
    if kind == "datetime":
        return (form.read(raw) if text and form else raw).alias(name), pl.Datetime("us")
    if kind == "number":
        if dtype.is_integer():
            return raw, dtype
        number = raw.cast(pl.Int64) if dtype == pl.Boolean else finite((form or Form("number")).read(raw)) if text else finite(raw)
        if whole or dtype == pl.Boolean:
            return number.cast(pl.Int64, strict=False).alias(name), pl.Int64()
        return number.alias(name), pl.Float64() if text else dtype
    if kind == "series":
        assert isinstance(dtype, pl.List)
        wanted = pl.List(pl.List(pl.Float32)) if isinstance(dtype.inner, pl.List) else pl.List(pl.Float32)  # Null inside: empty lists
        return raw.cast(wanted).alias(name), wanted
    if kind == "tokens":
        return raw, pl.List(pl.String)
    if kind in ("identifier", "constant") or isinstance(dtype, pl.List | pl.Array):
        return (written(raw) if text else raw).alias(name), dtype
    if text:
        return written(raw).alias(name), pl.String()
    if kind == "category" and (dtype.is_integer() or (dtype.is_float() and whole)):
        return raw.cast(pl.Int64, strict=False).alias(name), pl.Int64()
    return (numeral(raw) if dtype.is_float() else raw.cast(pl.String)).alias(name), pl.String()


def finite(column: pl.Expr) -> pl.Expr:
    """Null where a number is NaN or infinite."""
    return pl.when(column.is_finite()).then(column)


def numeral(number: pl.Expr) -> pl.Expr:
    """Floats as texts, whole ones without a point: 3.0 is the category 3, since pandas makes floats of whole numbers with gaps."""
    whole = (number == number.floor()) & (number.abs() <= _EXACT)
    text = pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(number.cast(pl.String))
    return pl.when(number.is_finite()).then(text)


def written(text: pl.Expr) -> pl.Expr:
    """Without the spaces around it; null where nothing else is there."""
    stripped = text.str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def named(dtype: pl.DataType) -> str:
    """The type as the schema writes it: `Float64`, `Datetime`, `List(String)`."""
    return "Datetime" if isinstance(dtype, pl.Datetime) else str(dtype)


def exact(low: float | None, high: float | None) -> bool:
    """Whether whole numbers in this range keep all their digits in float64."""
    return low is not None and high is not None and low >= -_EXACT and high <= _EXACT
