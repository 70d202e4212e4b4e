"""What was used although it was not quite right: one note per column and matter, with the first row where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import Column, Note, listed
from goodfit.data.forms import filled, infinite_word, missing_word
from goodfit.data.kinds import Choice
from goodfit.data.survey import first_row, in_batches

_LONG = 1_000_000  # characters of a text that no book chapter has: more likely a file pasted into a field
Place = Callable[[int], tuple[str | None, int]]


def remarks(lazy: pl.LazyFrame, choices: Mapping[str, Choice], place: Place) -> list[Note]:
    """Notes on every column of a tidy frame that was not read as it stands. Raises DataError where that may not be for a target."""
    notes = []
    types = lazy.collect_schema()
    for name, choice in choices.items():
        column, form, raw = choice.column, choice.form, pl.col(name)
        text = form is not None and types[name] == pl.String
        if text and form is not None and form.kind == "number" and not form.plain:
            notes.append(Note(f"{form.described()} in {name!r} were read as numbers", place(0)[0], column=name))
        if (
            text
            and form is not None
            and form.kind == "datetime"
            and (len(form.formats) > 1 or form.formats[0] not in ("%Y-%m-%d", "%Y/%m/%d"))
        ):
            notes.append(Note(f"{name!r} was read as {form.described()}", place(0)[0], column=name))
        if choice.doubt:
            notes.append(Note(f"in {name!r} {choice.doubt}", place(0)[0], column=name))
        if choice.words and text:
            words = lazy.select(raw).filter(missing_word(raw)).unique().head(6).collect(engine="streaming").to_series().sort().to_list()
            notes.append(
                _at(lazy, missing_word(raw), name, place, f"{listed(words, 5)} in {name!r} ({choice.words:,} rows) taken as missing")
            )
        if choice.lost and text and form is not None:
            bad = filled(raw) & form.read(raw).is_null() & ~missing_word(raw) & ~infinite_word(raw)
            what = "dates" if form.kind == "datetime" else "numbers"
            if column.role == "target":
                _refuse(lazy, bad, name, place, f"the target {name!r} holds {what}", "write it alike, or set data.kinds to category")
            notes.append(_at(lazy, bad, name, place, f"{choice.lost:,} values of {name!r} that are no {what} taken as missing"))
        if choice.longest > _LONG:
            where = raw.str.len_chars() == choice.longest
            found = first_row(lazy, where, name)
            file, row = place(found[0]) if found else (None, None)
            notes.append(
                Note(f"a text of {choice.longest:,} characters in {name!r} (row {row}) was read; is it one value?", file, row, name)
            )
        if choice.spaced and column.kind == "category":
            notes.append(
                _at(lazy, raw.str.strip_chars() != raw, name, place, f"the spaces around {choice.spaced:,} values of {name!r} left out")
            )
        if choice.infinite and column.role == "feature":
            where = infinite_word(raw) if text else raw.is_infinite()
            notes.append(_at(lazy, where, name, place, f"{choice.infinite:,} infinite values of {name!r} taken as missing"))
        if (choice.infinite or choice.lost) and column.role == "weight":
            _refuse(lazy, choice.value.is_null() | choice.value.is_infinite(), name, place, "weights are finite numbers", "correct it")
    return notes


def lenient(lazy: pl.LazyFrame, values: Mapping[str, tuple[Column, pl.Expr]], place: Place, huge: bool) -> list[Note]:
    """Notes on words for missing and infinite numbers in new rows, which count as missing."""
    types = lazy.collect_schema()
    queries: list[tuple[str, str, pl.Expr]] = []
    for name, (column, value) in values.items():
        raw, gone = pl.col(name), pl.col(name).is_not_null() & value.is_null()
        if types[name] == pl.String and column.kind in ("number", "datetime", "boolean"):
            queries += [(name, "words for missing", gone & missing_word(raw)), (name, "infinite values", gone & infinite_word(raw))]
        elif types[name].is_float():
            queries.append((name, "infinite values", raw.is_infinite()))
    counts = in_batches(lazy, [condition.sum() for _, _, condition in queries], huge)
    return [
        _at(lazy, condition, name, place, f"{count:,} {what} in {name!r} taken as missing")
        for (name, what, condition), count in zip(queries, counts, strict=True)
        if count
    ]


def _at(lazy: pl.LazyFrame, where: pl.Expr, name: str, place: Place, message: str) -> Note:
    found = first_row(lazy, where, name)
    if found is None:
        return Note(message, column=name)
    file, row = place(found[0])
    shown = f"first {found[1]!r} in row {row}" if isinstance(found[1], str) else f"first in row {row}"
    verb = " left out" if message.endswith(" left out") else " taken as missing"
    return Note(message.removesuffix(verb) + f" ({shown}) were{verb}", file, row, name)


def _refuse(lazy: pl.LazyFrame, where: pl.Expr, name: str, place: Place, must: str, instead: str) -> None:
    found = first_row(lazy, where, name)
    if found is not None:
        file, row = place(found[0])
        raise DataError(f"{must}; row {row} holds {found[1]!r}: {instead}", file=file, row=row, column=name, value=found[1])
