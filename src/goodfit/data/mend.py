"""Text tables whose records are not all alike, read one by one and written clean."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from goodfit.base.errors import DataError
from goodfit.data.content import Content, rewritten
from goodfit.data.dataset import Note

NAMED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_RECORD = 1 << 26  # bytes; a longer record is an unclosed quote
_SHORT = 0.05  # share of rows that may be short; more is another format and no accident


def mend(content: Content, separator: str, fields: int, limit: int, spill: Callable[[str], Path]) -> tuple[Content, int, list[Note]]:
    """The same records, each with `fields` fields and clean quotes; (content, rows, what was done)."""
    quoted = _Mender(content, separator, fields, csv.QUOTE_MINIMAL)
    try:
        mended = rewritten(content, quoted.blocks(), limit=limit, spill=spill)
        return mended, quoted.rows, quoted.said()
    except _UnclosedQuote:
        row = max(1, quoted.rows)
        where = f"row {quoted.rows}" if quoted.rows else "the header"
    # A quote that is never closed may be a character like any other: then every row has its fields without quoting.
    plain = _Mender(content, separator, fields, csv.QUOTE_NONE)
    try:
        mended = rewritten(content, plain.blocks(), limit=limit, spill=spill)
        if not plain.short:
            note = Note(f"the quote in {where} is never closed, so quotes were read as characters", str(content.file), row)
            return mended, plain.rows, [*plain.said(), note]
    except DataError:
        pass
    raise DataError(f"a quote that opens in {where} of {content.file.name} is never closed; close or remove it", file=content.file, row=row)


class _UnclosedQuote(Exception):
    """The text ends inside a quoted field."""


class _Mender:
    """Reads records with Python's csv module, which takes a quote for one only at the start of a field, and writes them clean."""

    def __init__(self, content: Content, separator: str, fields: int, quoting: int) -> None:
        self.content, self.separator, self.fields, self.quoting = content, separator, fields, quoting
        self.rows = -1  # the header is record 0
        self.blank = self.trailing = self.short = 0
        self.first_short = self.first_trailing = 0
        self._last_short = False

    def blocks(self) -> Iterator[bytes]:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.separator, lineterminator="\n")
        with long_fields(), open_text(self.content) as handle:
            for record in self._records(handle):
                # A record that is one empty field would be written as a quoted nothing; polars reads that as empty too.
                writer.writerow(record)
                if out.tell() > 1 << 22:
                    yield out.getvalue().encode()
                    out.seek(0)
                    out.truncate()
        yield out.getvalue().encode()
        self._judge()

    def _records(self, handle: io.TextIOWrapper) -> Iterator[list[str]]:
        ended = False

        def lines() -> Iterator[str]:
            nonlocal ended
            yield from handle
            ended = True

        file, pending_blank = self.content.file, 0
        reader = csv.reader(lines(), delimiter=self.separator, quoting=self.quoting)  # type: ignore[arg-type]
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = max(1, self.rows + 1)
                raise DataError(
                    f"row {row} of {file.name} cannot be read ({error}); write it as the other rows", file=file, row=row
                ) from None
            if not record or (self.rows < 0 and not any(field.strip() for field in record)):
                pending_blank += self.rows >= 0
                continue
            self.blank, pending_blank = self.blank + pending_blank, 0  # blank lines at the end are no matter
            self.rows += 1
            if ended:
                raise _UnclosedQuote
            yield self._fitted(record)

    def _fitted(self, record: list[str]) -> list[str]:
        excess = len(record) - self.fields
        self._last_short = excess < 0
        if excess > 0:
            if any(field.strip() for field in record[self.fields :]):
                raise DataError(
                    f"row {self.rows} of {self.content.file.name} has {len(record)} fields where the header has {self.fields};"
                    f" put fields that hold a {NAMED.get(self.separator, 'separator')} in quotes",
                    file=self.content.file,
                    row=self.rows,
                    value=record[self.fields],
                )
            self.trailing += 1
            self.first_trailing = self.first_trailing or self.rows
            return record[: self.fields]
        if excess < 0:
            self.short += 1
            self.first_short = self.first_short or self.rows
            return record + [""] * -excess
        return record

    def _judge(self) -> None:
        if self.short > max(1, _SHORT * self.rows):
            raise DataError(
                f"{self.short:,} of the {self.rows:,} rows of {self.content.file.name} have fewer fields than the {self.fields} of the"
                f" header, first row {self.first_short}; is the separator another, or are lines broken?",
                file=self.content.file,
                row=self.first_short,
            )

    def said(self) -> list[Note]:
        file = str(self.content.file)
        notes = []
        if self.short:
            where = (
                f"the last row ({self.rows}) is"
                if self._last_short and self.short == 1
                else f"{self.short:,} rows (first {self.first_short}) are"
            )
            notes.append(
                Note(f"{where} shorter than the header; the fields that are not there were taken as missing", file, self.first_short)
            )
        if self.trailing:
            notes.append(
                Note(
                    f"{self.trailing:,} rows (first {self.first_trailing}) have empty fields beyond the header, left out",
                    file,
                    self.first_trailing,
                )
            )
        if self.blank:
            notes.append(Note(f"{self.blank:,} blank lines between rows were left out", file))
        return notes


def open_text(content: Content) -> io.TextIOWrapper:
    """The text line by line."""
    # Lines end at "\n" alone, as for polars; a stray "\r" inside a field must not cut it.
    return io.TextIOWrapper(content.open(), encoding="utf-8", newline="\n")


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Let Python's csv module read fields above its default of 131,072 characters: texts are longer."""
    before = csv.field_size_limit(LONGEST_RECORD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
