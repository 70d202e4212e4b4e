"""What the values of each column are like: counts over all rows, taken for all columns in one pass.

Whether a table lies in memory or streams from the disk, the queries are the same; only the number of different values
is estimated for large ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from goodfit.data.forms import TRUE_FALSE, Form, date_forms, filled, infinite_word, missing_word, number_forms

_SAMPLE = 2_000  # rows from which the forms that texts may have are proposed; all rows then decide
_PROPOSED = 0.8  # share of the sample that a form must read to be tried on all rows
_ROW = "\x00row"  # a name that no file can give a column, since NUL bytes are refused
_EXACT = 2_000  # different values up to which an estimate is replaced by a count
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")


@dataclass(slots=True)
class Facts:
    """Counts over the rows of one column.

    filled: rows with a value. distinct: different values. low, high: of numbers (of texts where they are whole numbers).
    infinite: infinite numbers, not counted as filled.
    whole: values that are whole numbers. plain: texts that are plain finite numbers.
    Texts only: padded: whole numbers with leading zeros, such as 00123; wide: whole numbers of more than 15 digits, which float64
    cannot hold; longest: characters of the longest text.
    words, length: means over the texts there. images: texts that end like pictures. coded: texts of letters, digits and -_/.:@ alone.
    spaced: texts with spaces around them. missing: words for missing; infinity: words for infinity.
    reads: (form, rows that it reads), likeliest first.
    """

    name: str
    dtype: pl.DataType
    rows: int
    filled: int = 0
    distinct: int = 0
    low: float | None = None
    high: float | None = None
    infinite: int = 0
    whole: int = 0
    plain: int = 0
    padded: int = 0
    wide: int = 0
    longest: int = 0
    words: float = 0.0
    length: float = 0.0
    images: int = 0
    coded: int = 0
    spaced: int = 0
    missing: int = 0
    infinity: int = 0
    reads: list[tuple[Form, int]] = field(default_factory=list)


def survey(
    lazy: pl.LazyFrame, rows: int, *, huge: bool, separator: str, raw: Iterable[str] = (), dates: Iterable[str] = ()
) -> dict[str, Facts]:
    """Facts of every column. raw: text columns that are taken as they are. dates: columns whose eight digits may be dates."""
    schema = lazy.collect_schema()
    facts = {name: Facts(name, dtype, rows) for name, dtype in schema.items()}
    _fill(lazy, {name: _first(name, dtype, huge) for name, dtype in schema.items()}, facts, huge)
    if huge:
        few = {name: {"distinct": _distinct(_value(name, schema[name]))} for name, fact in facts.items() if fact.distinct <= _EXACT}
        _fill(lazy, few, facts, huge)
    texts = [name for name, dtype in schema.items() if dtype == pl.String and facts[name].filled]
    # Columns of fractions need no more than was counted; the range and the digits of whole numbers tell what they are.
    whole = [n for n in texts if facts[n].plain == facts[n].filled and (facts[n].whole == facts[n].filled or facts[n].longest > 15)]
    _fill(lazy, {name: _digits(pl.col(name)) for name in whole}, facts, huge)
    dated = {name for name in texts if name in set(dates) or _names_a_date(facts[name])}
    words = [name for name in texts if facts[name].plain < facts[name].filled or name in dated]
    if words:
        _fill(lazy, {name: _words(pl.col(name)) for name in words}, facts, huge)
        spaced = {name: {"distinct": _stripped_distinct(name, huge)} for name in words if facts[name].spaced}
        _fill(lazy, spaced, facts, huge)
        skip = set(raw)
        sample = lazy.select(words).gather_every(max(1, rows // _SAMPLE)).collect(engine=_engine(huge))
        proposed = {name: forms for name in words if name not in skip and (forms := _propose(sample[name], name in dated, separator))}
        _try_forms(lazy, proposed, facts, huge)
    return facts


def numbers_of(lazy: pl.LazyFrame, forms: dict[str, Form], facts: dict[str, Facts], huge: bool) -> None:
    """Set low, high, whole and distinct of text columns from the numbers that their forms read."""
    wanted = {}
    for name, form in forms.items():
        value = _finite(form.read(pl.col(name)))
        wanted[name] = {
            "low": value.min(),
            "high": value.max(),
            "whole": (value == value.floor()).sum(),
            "distinct": value.approx_n_unique() if huge else _distinct(value),
        }
    _fill(lazy, wanted, facts, huge)


def first_row(lazy: pl.LazyFrame, where: pl.Expr, column: str) -> tuple[int, Any] | None:
    """(0-based row, value of the column) of the first row where a condition holds, None when there is none."""
    query = lazy.with_row_index(_ROW).filter(where).select(_ROW, column).head(1)
    found = query.collect(engine="streaming")
    return (int(found[_ROW][0]), found[column][0]) if found.height else None


def read_values(form: Form, text: pl.Expr) -> pl.Expr:
    """What the form reads, without NaN and infinity."""
    return _finite(form.read(text)) if form.kind == "number" else form.read(text)


def _engine(huge: bool) -> Any:
    return "streaming" if huge else "auto"


def in_batches(lazy: pl.LazyFrame, queries: list[pl.Expr], huge: bool) -> list[Any]:
    """The value of each aggregate. In batches, since polars plans in the square of their number: in memory many small ones,
    from the disk few large ones, for each reads the file.
    """
    values: list[Any] = []
    size = 2_000 if huge else 100
    for start in range(0, len(queries), size):
        # Numbered aliases: a column may bear any name.
        part = [query.alias(str(i)) for i, query in enumerate(queries[start : start + size])]
        values += lazy.select(part).collect(engine=_engine(huge)).row(0)
    return values


def _fill(lazy: pl.LazyFrame, wanted: dict[str, dict[str, pl.Expr]], facts: dict[str, Facts], huge: bool) -> None:
    """Run the queries of all columns in one pass and store each under its name."""
    queries = [(name, key, query) for name, parts in wanted.items() for key, query in parts.items()]
    values = in_batches(lazy, [query for _, _, query in queries], huge)
    for (name, key, _), value in zip(queries, values, strict=True):
        setattr(facts[name], key, value if value is not None or key in ("low", "high") else 0)


def _value(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column with null for everything that is no value."""
    column = pl.col(name)
    if dtype == pl.String:
        return pl.when(column != "").then(column)
    return _finite(column) if dtype.is_float() else column


def _finite(column: pl.Expr) -> pl.Expr:
    return pl.when(column.is_finite()).then(column)


def _distinct(value: pl.Expr) -> pl.Expr:
    return value.n_unique() - value.is_null().any().cast(pl.UInt32)


def _stripped_distinct(name: str, huge: bool) -> pl.Expr:
    value = pl.when(filled(pl.col(name))).then(pl.col(name).str.strip_chars())
    return value.approx_n_unique() if huge else _distinct(value)


def _first(name: str, dtype: pl.DataType, huge: bool) -> dict[str, pl.Expr]:
    value = _value(name, dtype)
    queries = {"filled": value.count()}
    if isinstance(dtype, pl.List | pl.Array):
        return queries
    queries["distinct"] = value.approx_n_unique() if huge else _distinct(value)
    if dtype == pl.String:
        number = _finite(pl.col(name).cast(pl.Float64, strict=False))
        queries |= {
            "plain": number.count(),
            "whole": pl.col(name).cast(pl.Int64, strict=False).count(),
            "longest": pl.col(name).str.len_bytes().max(),
        }
    elif dtype.is_numeric():
        queries |= {"low": value.min(), "high": value.max()}
        if dtype.is_float():
            queries |= {"infinite": pl.col(name).is_infinite().sum(), "whole": (value == value.floor()).sum()}
        else:
            queries |= {"whole": value.count()}
    return queries


def _digits(text: pl.Expr) -> dict[str, pl.Expr]:
    number = _finite(text.cast(pl.Float64, strict=False))
    return {
        "low": number.min(),
        "high": number.max(),
        # Two digits with a zero are hours and months; three and more are codes.
        "padded": text.str.contains(r"^[+-]?0\d{2,}$").sum(),
        "wide": text.str.contains(r"^[+-]?\d{16,}$").sum(),
    }


def _words(text: pl.Expr) -> dict[str, pl.Expr]:
    there = filled(text)
    value = pl.when(there).then(text)
    ending = "|".join(ending[1:] for ending in IMAGES)
    return {
        "filled": there.sum(),
        "missing": missing_word(value).sum(),
        "infinity": infinite_word(value).sum(),
        "words": value.str.count_matches(r"\S+").mean(),
        "length": value.str.len_chars().mean(),
        "longest": value.str.len_chars().max(),
        "images": value.str.contains(rf"(?i)\.(?:{ending})\s*$").sum(),
        "spaced": (value != value.str.strip_chars()).sum(),
        "coded": value.str.contains(r"^[\w\-./:@#+=]+$").sum(),
    }


def _propose(sample: pl.Series, dated: bool, separator: str) -> list[Form]:
    """The forms worth trying on all rows."""
    texts = sample.to_frame("text").filter(filled(pl.col("text")) & ~missing_word(pl.col("text")) & ~infinite_word(pl.col("text")))["text"]
    if texts.is_empty() or float(texts.str.len_chars().median() or 0) > 60:  # type: ignore[arg-type]
        return []  # no number or date is that long
    words = set(texts.str.strip_chars().str.to_lowercase().unique().head(3).to_list())
    forms = [Form("boolean", true=true, false=false) for true, false in TRUE_FALSE if words <= {true, false}]
    if texts.str.contains(r"\d").mean() < _PROPOSED:  # type: ignore[operator]
        return forms  # numbers and dates have digits
    numbers, need = number_forms(texts, separator), _PROPOSED * len(texts)
    reads = (
        texts.to_frame("text").select([_finite(form.read(pl.col("text"))).count().alias(str(i)) for i, form in enumerate(numbers)]).row(0)
    )
    forms += [form for form, count in zip(numbers, reads, strict=True) if count >= need]
    dates = [Form("datetime", formats=(form,)) for form in date_forms(texts, dated)]
    if dates:
        counts = texts.to_frame("text").select([form.read(pl.col("text")).count().alias(str(i)) for i, form in enumerate(dates)]).row(0)
        forms += dates if sum(counts) >= need else []
    return forms


def _names_a_date(facts: Facts) -> bool:
    """Whole numbers such as 20240131 in a column whose name says date."""
    named = any(word in facts.name.lower() for word in ("date", "datum", "fecha"))
    return named and facts.whole == facts.filled and facts.low is not None and facts.low >= 19e6 and (facts.high or 0) < 21e6


def _try_forms(lazy: pl.LazyFrame, proposed: dict[str, list[Form]], facts: dict[str, Facts], huge: bool) -> None:
    flat = [(name, form) for name, forms in proposed.items() for form in forms]
    counts = in_batches(lazy, [read_values(form, pl.col(name)).count() for name, form in flat], huge)
    for (name, form), count in zip(flat, counts, strict=True):
        facts[name].reads.append((form, count))
