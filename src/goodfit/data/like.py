"""New rows read as the training rows were: each column by its kind and form in the schema, whatever type it comes in."""

from __future__ import annotations

import polars as pl

from goodfit.base.errors import DataError, did_you_mean
from goodfit.data.convert import as_kind, finite, numeral, written
from goodfit.data.dataset import Column, listed
from goodfit.data.forms import Form, filled, infinite_word, missing_word

_ISO = Form("datetime", formats=("%Y-%m-%d", "%Y/%m/%d"))
_TRUE, _FALSE = ["true", "1", "1.0"], ["false", "0", "0.0"]


def like(column: Column, dtype: pl.DataType) -> pl.Expr | None:
    """The values of a tidy column of type `dtype` as `column` held them in training; None when no value of this type can be one.

    Null where a value is of another kind (see `offends`). Numbers may come as Float64 where training had Int64.
    """
    raw, name = pl.col(column.name), column.name
    text = dtype == pl.String
    form = Form.parse(column.form) if column.form else None
    wanted = column.dtype
    if column.kind == "tokens":
        return raw.cast(pl.List(pl.String)) if dtype in (pl.List(pl.String), pl.List(pl.Null)) else None
    if column.kind == "series":
        return _series(raw, column, dtype)
    if column.kind in ("nodes", "edges", "neighbours", "vector"):
        return raw if isinstance(dtype, pl.List) else None
    for nested in (pl.List, pl.Array):
        if wanted.startswith(nested.__name__) or isinstance(dtype, nested):
            return raw if wanted.startswith(nested.__name__) and isinstance(dtype, nested) else None
    if column.kind == "number" or (column.kind in ("category", "constant", "identifier") and wanted.startswith(("Int", "UInt", "Float"))):
        return _number(raw, dtype, form if form and form.kind == "number" else None, integers=column.kind == "category")
    if column.kind == "boolean" or wanted == "Boolean":
        return _boolean(raw, dtype, form)
    if column.kind == "datetime":
        if text:
            return (pl.coalesce([form.read(raw), _ISO.read(raw)]) if form else _ISO.read(raw)).alias(name)
        return raw if dtype.is_temporal() else None
    if text:
        return written(raw).alias(name)
    if dtype.is_float():
        return numeral(raw).alias(name)
    return None if dtype.is_temporal() else raw.cast(pl.String).alias(name)


def offends(column: Column, dtype: pl.DataType, value: pl.Expr) -> pl.Expr:
    """Whether a value is there, and is none of the column's kind. Words for missing and infinite numbers do not offend."""
    raw = pl.col(column.name)
    if dtype == pl.String:
        lenient = column.kind in ("number", "datetime", "boolean") or not column.dtype.startswith(("String", "List"))
        there = filled(raw) & ~(missing_word(raw) | infinite_word(raw)) if lenient else filled(raw)
    elif dtype.is_float():
        there = raw.is_finite()
    else:
        there = raw.is_not_null()
    return there.fill_null(False) & value.is_null()


def missing_column(missing: list[Column], others: list[str], file: str | None) -> DataError:
    """The error for columns that the new rows lack; `others` are columns that training did not have."""
    column = missing[0]
    hint = did_you_mean(column.name, others)
    if not hint:
        same = [other for other in others if other.lower().strip() == column.name.lower().strip()]
        hint = f"; did you mean {same[0]!r}?" if same else ""
    renamed = hint.removeprefix("; did you mean ").removesuffix("?")
    instead = (
        f"{renamed} is there: was it renamed?"
        if hint
        else "give every column that training had" + (f"; {listed(others, 5)} are new" if others else "")
    )
    if len(missing) > 1:
        what = f"the columns {listed([one.name for one in missing], 5)} of the training data are missing"
    else:
        what = f"the {'target' if column.role == 'target' else 'column'} {column.name!r} ({column.kind}) of the training data is missing"
    return DataError(f"{what}; {instead}", file=file, column=column.name)


def _number(raw: pl.Expr, dtype: pl.DataType, form: Form | None, *, integers: bool) -> pl.Expr | None:
    if dtype == pl.String:
        value = finite((form or Form("number")).read(raw))
        return value.cast(pl.Int64, strict=False) if integers else value
    if dtype == pl.Boolean:
        return raw.cast(pl.Int64)
    if not dtype.is_numeric():
        return None
    if integers:
        return pl.when(raw == raw.floor()).then(raw.cast(pl.Int64, strict=False)) if dtype.is_float() else raw.cast(pl.Int64, strict=False)
    return finite(raw) if dtype.is_float() else raw


def _series(raw: pl.Expr, column: Column, dtype: pl.DataType) -> pl.Expr | None:
    """Lists of numbers nested as deeply as in training."""
    deep, inner = 0, dtype
    while isinstance(inner, pl.List):
        deep, inner = deep + 1, inner.inner  # type: ignore[assignment]
    if not deep or deep != column.dtype.count("List") or not (inner.is_numeric() or inner == pl.Null):
        return None
    return as_kind(column.name, dtype, "series")[0]


def _boolean(raw: pl.Expr, dtype: pl.DataType, form: Form | None) -> pl.Expr | None:
    if dtype == pl.Boolean:
        return raw
    if dtype == pl.String:
        words = form if form and form.kind == "boolean" else Form("boolean", true="true", false="false")
        word = raw.str.strip_chars().str.to_lowercase()
        return pl.when(word.is_in([words.true, *_TRUE])).then(True).when(word.is_in([words.false, *_FALSE])).then(False)
    if dtype.is_numeric():
        return pl.when(raw == 1).then(True).when(raw == 0).then(False)
    return None
