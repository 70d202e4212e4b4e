"""The kind of each column, from the counts of `data.survey`, and how its raw values become values of that kind.

The thresholds are rules of thumb, each with its reason; `data.kinds` overrules them column by column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.convert import as_kind, exact, named, written
from goodfit.data.dataset import Column, Kind, Role
from goodfit.data.forms import TRUE_FALSE, TWINS, Form, filled, missing_word
from goodfit.data.survey import Facts, first_row, numbers_of, survey

_ENOUGH = 20  # rows below which nothing can be said about values that are all different
_MOSTLY = 0.95  # share of the values that a form must read; the rest is then an accident, taken as missing and said
_FEW_NUMBERS = 20  # different numbers up to which words beside them are taken for categories and not for accidents
_ESTIMATE = 0.8  # different values over rows from which an estimate (huge tables) is taken for "all different"
_CODES = 10_000  # different codes above which a column named like one is not a category any more
_PLAIN = Form("number")
Place = Callable[[int], tuple[str | None, int]]

_IDENTIFIERS = {
    "id",
    "ids",
    "uuid",
    "guid",
    "uid",
    "pid",
    "key",
    "index",
    "idx",
    "nr",
    "no",
    "number",
    "order",
    "row",
    "rowid",
    "serial",
    "record",
}
_CODED = {"code", "zip", "zipcode", "postcode", "postal", "plz", "fips", "id", "class", "subclass", "type", "category", "sku", "iso"}
_CALENDAR = {"year", "month", "day", "week", "hour", "minute", "date", "time", "yr", "mo", "mnth", "hr", "period"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A column as it is to be read: `value` maps the raw column to it.

    form: how texts are read, None where they are not. lost: rows whose text the form cannot read. words: rows with a word for
    missing. infinite: rows with an infinite number. spaced: texts with spaces around. longest: characters of the longest text.
    doubt: what could have been read otherwise.
    """

    column: Column
    value: pl.Expr
    form: Form | None = None
    lost: int = 0
    words: int = 0
    infinite: int = 0
    spaced: int = 0
    longest: int = 0
    doubt: str = ""


def find(
    lazy: pl.LazyFrame,
    rows: int,
    *,
    roles: Mapping[str, Role],
    asked: Mapping[str, str],
    huge: bool = False,
    separator: str = ",",
    root: Path | None = None,
    place: Place = lambda row: (None, row + 1),
) -> dict[str, Choice]:
    """How each column of a tidy frame is to be read.

    roles: of all columns. asked: kinds that the user set. root: of pictures. place: file and row of a position, for messages.
    """
    raw = [name for name in roles if roles[name] == "split" or asked.get(name) in ("category", "text", "identifier", "image")]
    facts = survey(lazy, rows, huge=huge, separator=separator, raw=raw, dates=[name for name, kind in asked.items() if kind == "datetime"])
    found = {name: form_of(fact) for name, fact in facts.items() if fact.dtype == pl.String and name not in raw}
    partial = {
        name: form[0] for name, form in found.items() if form and form[0].kind == "number" and facts[name].plain < facts[name].filled
    }
    numbers_of(lazy, partial, facts, huge)
    several = sum(role == "target" for role in roles.values()) > 1
    choices = {}
    for name, fact in facts.items():
        role, kind = roles[name], asked.get(name)
        if isinstance(fact.dtype, pl.Array):
            choices[name] = _of_arrays(fact, role, kind)
        elif role == "target":
            choices[name] = _target(fact, kind, several)
        elif isinstance(fact.dtype, pl.List):
            choices[name] = _of_lists(fact, role, kind)
        elif role == "split":
            choices[name] = _choice(fact, "category", role, "given split")
        elif role == "weight" or kind is not None:
            try:
                choices[name] = _as_asked(fact, role, kind or "number")
            except DataError as error:
                _locate(error, lazy, fact, kind or "number", place)
                raise
        else:
            pictures = role == "feature" and _are_pictures(lazy, fact, root)
            choices[name] = _choose(fact, role, huge, pictures)
    return choices


def form_of(facts: Facts, kinds: tuple[str, ...] = ("boolean", "number", "datetime")) -> tuple[Form, int] | None:
    """The form that reads the texts of a column and the number of texts that it does not read, None when they are words.

    Words for missing and for infinity count neither way.
    """
    dates = _dates(facts) if "datetime" in kinds else None
    if facts.plain and facts.plain == facts.filled and "number" in kinds and not (dates and dates[1] == facts.filled):
        return _PLAIN, 0
    there = facts.filled - facts.missing - facts.infinity
    # The words of a boolean are all its texts; only numbers and dates leave words for missing aside.
    read = [(f, n) for f, n in facts.reads if f.kind in kinds and f.kind != "datetime" and (f.kind == "number" or n == facts.filled)]
    best = max([dates, *read] if dates else read, key=lambda pair: pair[1], default=None)
    # Values in a tenth of the fields at least: a single 7 among words for missing makes no column of numbers.
    if there <= 0 or best is None or best[1] < _MOSTLY * there or best[1] < 0.1 * facts.filled:
        return None
    return best[0], there - best[1]


def _dates(facts: Facts) -> tuple[Form, int] | None:
    counts = {form.formats[0]: count for form, count in facts.reads if form.kind == "datetime" and count}
    for first, second in TWINS:
        if first in counts and second in counts:
            counts.pop(second if counts[first] >= counts[second] else first)
    formats = sorted(counts, key=lambda name: -counts[name])
    return (Form("datetime", formats=tuple(formats)), sum(counts.values())) if formats else None


def _doubt(facts: Facts, form: Form) -> str:
    """Whether day or month stands first, where no date tells."""
    counts = {f.formats[0]: count for f, count in facts.reads if f.kind == "datetime"}
    for first, second in TWINS:
        if first in form.formats and counts.get(first) == counts.get(second):
            return f"day and month could stand either way, read as {first}; write dates as 2024-01-31 if that is wrong"
    return ""


def _of_arrays(facts: Facts, role: Role, asked: str | None) -> Choice:
    """A column of pictures, which can be nothing else."""
    if role != "feature" or asked not in (None, "image"):
        given = f"it is the {role}" if role != "feature" else f"data.kinds sets it to {asked}"
        raise DataError(
            f"column {facts.name!r} holds pictures, which are a feature of the kind image; {given}: leave that out", column=facts.name
        )
    return _choice(facts, "image", role, "arrays of pixels")


def _of_lists(facts: Facts, role: Role, asked: str | None) -> Choice:
    """A column of series: lists of numbers, or of lists of numbers, a list per step. Or of tokens: lists of texts. Of a graph, as asked."""
    inner = facts.dtype.inner  # type: ignore[attr-defined]
    if role == "feature" and (asked in ("nodes", "neighbours", "vector") or (asked == "edges" and isinstance(inner, pl.List))):
        return _choice(facts, asked, role, "of a graph")  # type: ignore[arg-type]
    kind: Kind = "tokens" if inner == pl.String else "series"
    inner = inner.inner if isinstance(inner, pl.List) else inner
    if inner == pl.Null or not facts.filled:
        return _choice(facts, "constant", role, "no value in any row")
    if kind == "series" and not inner.is_numeric():
        raise DataError(
            f"column {facts.name!r} holds lists of what are neither numbers nor texts, which no network reads; write a column per entry, or "
            f"leave it out with data.drop={facts.name}",
            column=facts.name,
        )
    if role != "feature" or asked not in (None, kind):
        given = f"it is the {role}" if role != "feature" else f"data.kinds sets it to {asked}"
        what = "texts" if kind == "tokens" else "numbers"
        raise DataError(
            f"column {facts.name!r} holds lists of {what}, which are a feature of the kind {kind}; {given}: leave that out",
            column=facts.name,
        )
    return _choice(facts, kind, role, "lists of texts" if kind == "tokens" else "lists of numbers")


def _are_pictures(lazy: pl.LazyFrame, facts: Facts, root: Path | None) -> bool:
    """Whether most texts end like pictures and most of the first twenty exist below `root`."""
    if root is None or not facts.images or facts.images < 0.5 * facts.filled:
        return False
    names = lazy.select(facts.name).filter(written(pl.col(facts.name)).is_not_null()).head(20).collect().to_series().to_list()
    return sum(_exists(root, name) for name in names) >= 0.5 * len(names)


def _exists(root: Path, name: str) -> bool:
    try:
        return (root / name.strip()).is_file()
    except (OSError, ValueError):
        return False


def _choose(facts: Facts, role: Role, huge: bool, pictures: bool) -> Choice:
    if facts.filled == 0 or (facts.dtype == pl.String and facts.filled == facts.missing):
        return _choice(facts, "constant", role, "no value in any row")
    if facts.dtype == pl.String:
        return _of_text(facts, role, huge, pictures)
    if facts.dtype.is_temporal():
        return _constant(facts, role) or _choice(facts, "datetime", role, "dates and times")
    if facts.dtype == pl.Boolean:
        return _constant(facts, role) or _choice(facts, "boolean", role, "true and false")
    return _of_number(facts, role, huge, None)


def _of_text(facts: Facts, role: Role, huge: bool, pictures: bool) -> Choice:
    if pictures:
        return _choice(facts, "image", role, "names of pictures that exist")
    if _is_code(facts):
        return _of_words(facts, role, huge, "whole numbers with leading zeros" if facts.padded else "whole numbers of more than 15 digits")
    found = form_of(facts)
    if found is None or (found[1] and found[0].kind == "number" and facts.distinct <= _FEW_NUMBERS):
        return _of_words(facts, role, huge)
    form, lost = found
    if form.kind == "number":
        return _of_number(facts, role, huge, form, lost)
    if constant := _constant(facts, role):
        return constant
    if form.kind == "boolean":
        return _choice(facts, "boolean", role, f"{form.true} and {form.false}", form)
    return _choice(facts, "datetime", role, form.described(), form, lost, _doubt(facts, form))


def _is_code(facts: Facts) -> bool:
    """Whole numbers that are names: some with leading zeros, or most with more digits than float64 holds."""
    return facts.plain == facts.filled > 0 and (facts.padded > 0 or 2 * facts.wide >= facts.filled)


def _of_number(facts: Facts, role: Role, huge: bool, form: Form | None, lost: int = 0) -> Choice:
    if constant := _constant(facts, role):
        return constant
    rows = _numbers_in(facts, form, lost)
    whole = facts.whole >= rows
    low, high, words = facts.low or 0.0, facts.high or 0.0, set(_name_words(facts.name))
    if role == "feature" and whole and rows >= _ENOUGH and _all_different(facts, rows, huge) and not words & _CALENDAR:
        if low in (0, 1) and high - low + 1 == rows:  # a counter begins at 0 or 1; ages from 20 to 49 do not
            return _choice(facts, "identifier", role, "counts the rows")
        if words & _IDENTIFIERS:
            return _choice(facts, "identifier", role, "whole numbers that are all different, named like an identifier")
    if whole and (low, high) == (0, 1) and not (form and form.affix):
        return _choice(facts, "boolean", role, "0 and 1", form)
    if role == "feature" and whole and form in (None, _PLAIN) and words & _CODED and facts.distinct <= min(_CODES, rows / 2):
        return _choice(facts, "category", role, "whole numbers named like a code")
    return _choice(facts, "number", role, "whole numbers" if whole else "numbers", form, lost)


def _of_words(facts: Facts, role: Role, huge: bool, why: str = "") -> Choice:
    if constant := _constant(facts, role):
        return constant
    share = facts.distinct / facts.filled
    many = f"{facts.distinct:,} different texts in {facts.filled:,} rows"
    # Sentences: three words and more on average, and hardly two rows alike. Or, for writing without spaces, twenty characters
    # that are no code such as a UUID or a path.
    sentences = facts.words >= 3 and (share >= 0.5 or (facts.words >= 5 and facts.distinct > 1_000))
    unspaced = not why and facts.length >= 20 and share >= 0.5 and facts.coded < 0.5 * facts.filled
    if sentences or unspaced:
        return _choice(facts, "text", role, f"{facts.words:.0f} words a row, {many}")
    if role == "feature" and facts.filled >= _ENOUGH and _all_different(facts, facts.filled, huge):
        return _choice(facts, "identifier", role, f"{why}, all different" if why else "short texts that are all different")
    return _choice(facts, "category", role, why or many)


def _constant(facts: Facts, role: Role) -> Choice | None:
    """A column of one value: nothing to learn from. With gaps it still tells where it is filled, and is a category."""
    if facts.distinct > 1:
        return None
    if facts.filled in (0, facts.rows):
        return _choice(facts, "constant", role, "one value in every row")
    return _choice(facts, "category", role, "one value, or none")


def _as_asked(facts: Facts, role: Role, asked: str) -> Choice:
    if asked in ("series", "tokens"):
        raise DataError(
            f"data.kinds sets {facts.name!r} to {asked}, whose values are lists of {'numbers' if asked == 'series' else 'texts'}, as JSON lines "
            "and Parquet have them; single values stand there",
            column=facts.name,
        )
    by = "set by data.kinds" if role != "weight" else "weights"
    text = facts.dtype == pl.String
    form: Form | None = None
    lost = 0
    if asked in ("number", "datetime", "boolean") and text and facts.filled:
        found = form_of(facts, (asked,)) or (form_of(facts, ("number",)) if asked == "boolean" else None)
        if found is None:
            raise _unfit(facts, asked, role)
        form, lost = found
    if asked == "boolean" and (form or _PLAIN).kind == "number" and facts.dtype != pl.Boolean and facts.filled:
        numeric = text or facts.dtype.is_numeric()
        if (
            not numeric
            or lost
            or facts.distinct > 2
            or not {facts.low, facts.high} <= {0.0, 1.0}
            or facts.whole < _numbers_in(facts, form, 0)
        ):
            raise _unfit(facts, asked, role)
    if (asked == "number" and not (text or facts.dtype.is_numeric() or facts.dtype == pl.Boolean)) or (
        asked == "datetime" and not (text or facts.dtype.is_temporal())
    ):
        raise _unfit(facts, asked, role)
    if not facts.filled:
        return _choice(facts, "constant", role, "no value in any row")
    return _choice(facts, asked, role, by, form, lost, _doubt(facts, form) if form else "")  # type: ignore[arg-type]


def _locate(error: DataError, lazy: pl.LazyFrame, facts: Facts, asked: str, place: Place) -> None:
    """Add the first row whose value is not of the kind that was asked for, where one can be told."""
    raw = pl.col(facts.name)
    if facts.dtype != pl.String or asked not in ("number", "datetime", "boolean"):
        return
    read = {"number": _PLAIN, "datetime": Form("datetime", formats=("%Y-%m-%d",)), "boolean": Form("boolean", true="true", false="false")}[
        asked
    ]
    found = first_row(lazy, filled(raw) & ~missing_word(raw) & read.read(raw).is_null(), facts.name)
    if found is not None:
        error.file, error.row = place(found[0])
        error.value = str(found[1])[:200]
        error.message += f", first {str(found[1])[:60]!r} in row {error.row}"


def _unfit(facts: Facts, asked: str, role: Role) -> DataError:
    wanted = {
        "number": "numbers",
        "datetime": "dates such as 2024-01-31",
        "boolean": ", ".join("/".join(pair) for pair in TRUE_FALSE) + " or 1/0",
    }
    if role == "weight":
        return DataError(f"the weights in {facts.name!r} must be numbers; other values stand there", column=facts.name)
    return DataError(
        f"data.kinds sets {facts.name!r} to {asked}, whose values are {wanted[asked]}; most of its values are others", column=facts.name
    )


def _target(facts: Facts, asked: str | None, several: bool) -> Choice:
    """A target: numbers stay numbers and texts stay as they are written, so that predictions bear the same names.

    Truth words of several targets become truth values, since together they may be labels.
    """
    if asked not in (None, "number", "category", "boolean"):
        raise DataError(f"a target is a number or a category; data.kinds sets {facts.name!r} to {asked}: leave that out", column=facts.name)
    raw = pl.col(facts.name)
    if facts.dtype != pl.String:
        numeric = facts.dtype.is_numeric() and asked in (None, "number")
        kind: Kind = "datetime" if facts.dtype.is_temporal() else "number" if numeric else "category"
        # Infinite targets are kept here, so that the message can name their row.
        value = raw.fill_nan(None) if facts.dtype.is_float() else raw
        missing = facts.rows - facts.filled - facts.infinite
        return Choice(Column(facts.name, kind, "target", named(facts.dtype), missing, facts.distinct, "target"), value.alias(facts.name))
    found = None if asked in ("category", "boolean") or (_is_code(facts) and asked is None) else form_of(facts)
    if asked == "number" and (found is None or found[0].kind != "number"):
        raise _unfit(facts, "number", "target")
    if found and found[0].kind == "boolean" and not (several and found[0].true == "true"):
        found = None
    if found and found[0].kind == "number" and found[1] and facts.distinct <= _FEW_NUMBERS:
        found = None
    if found is None:
        column = Column(facts.name, "category", "target", "String", facts.rows - facts.filled, facts.distinct, "target")
        return Choice(column, written(raw).alias(facts.name), spaced=facts.spaced, longest=facts.longest)
    form, lost = found
    dtype: pl.DataType
    if form.kind == "number":
        whole = facts.whole >= _numbers_in(facts, form, lost) and exact(facts.low, facts.high) and not facts.infinity
        number = form.read(raw).fill_nan(None)
        value, dtype = (number.cast(pl.Int64), pl.Int64()) if whole else (number, pl.Float64())
    else:
        value, dtype = as_kind(facts.name, facts.dtype, form.kind, form)
    kind = "category" if form.kind == "boolean" else form.kind
    missing = facts.rows - facts.filled + facts.missing
    column = Column(facts.name, kind, "target", named(dtype), missing, facts.distinct, "target", form.text())
    return Choice(column, value.alias(facts.name), form, lost, facts.missing)


def _choice(facts: Facts, kind: Kind, role: Role, reason: str, form: Form | None = None, lost: int = 0, doubt: str = "") -> Choice:
    whole = facts.whole >= _numbers_in(facts, form, lost) and exact(facts.low, facts.high)
    value, dtype = as_kind(facts.name, facts.dtype, kind, form, whole=whole and (facts.dtype == pl.String or kind == "category"))
    if role == "feature" and kind in ("identifier", "constant"):
        role = "ignored"
    words = facts.missing if form and form.kind != "boolean" else 0
    infinite = facts.infinite if kind in ("number", "boolean", "category", "text") else 0
    infinite += facts.infinity if form else 0
    missing = facts.rows - facts.filled + words + lost + (facts.infinity if form else 0)
    column = Column(facts.name, kind, role, named(dtype), missing, facts.distinct, reason, form.text() if form else "")
    return Choice(column, value, form, lost, words, infinite, facts.spaced, facts.longest, doubt)


def _numbers_in(facts: Facts, form: Form | None, lost: int) -> int:
    """Rows that hold a number."""
    return facts.filled - (facts.missing + facts.infinity + lost if form else 0)


def _all_different(facts: Facts, rows: int, huge: bool) -> bool:
    return facts.distinct >= rows * (_ESTIMATE if huge else 1)


def _name_words(name: str) -> list[str]:
    """`MS SubClass` -> ms, sub, class, mssub, subclass."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = [word for word in re.split(r"[^a-z]+", spaced.lower()) if word]
    return words + [first + second for first, second in pairwise(words)]
