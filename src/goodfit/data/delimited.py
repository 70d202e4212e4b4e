"""Tables as text with separators: CSV, TSV and their kin.

polars reads the text, fast and strictly. What it would misread in silence (short rows, stray quotes, blank lines) is
found before, by counting separators per record over the raw bytes; only then is the text mended, record by record.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.content import Content, as_utf8, rewritten
from goodfit.data.dataset import Note, listed

SEPARATORS = (",", ";", "\t", "|")
_NAMED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ALONE = "\x1f"  # the separator of a table of one column: a control character that no text holds
_SAMPLE = 1 << 18  # bytes that the separator is found from: a few hundred rows
_SHORT = 0.05  # share of rows that may be short; more is another format and no accident
_LONGEST_RECORD = 1 << 26  # bytes; a longer record is an unclosed quote
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


@dataclass(frozen=True, slots=True)
class Delimited:
    """All columns as texts, null where a field is empty. rows: without the header."""

    lazy: pl.LazyFrame
    names: tuple[str, ...]
    rows: int
    separator: str
    content: Content
    notes: tuple[Note, ...]


def scan_delimited(content: Content, *, limit: int, spill: Callable[[str], Path]) -> Delimited:
    """A text table as a lazy frame of texts. Raises DataError with file and row for what is no table."""
    content = as_utf8(content, limit=limit, spill=spill)
    _refuse_nul(content)
    content = _with_newlines(content, limit, spill)
    separator = _find_separator(content)
    notes = list(content.notes)
    names, said = _header(content, separator)
    notes += said
    if separator != _ALONE and separator not in _usual_separators(content.file):
        notes.append(Note(f"the fields of {content.file.name} are separated by a {_NAMED[separator]}, and were read so", str(content.file)))
    rows = _regular_rows(content, separator, len(names))
    if rows is not None:
        lazy = _scan(content, separator, names)
        # polars is asked to agree about the number of rows before it is trusted with their values.
        with contextlib.suppress(pl.exceptions.PolarsError):
            if lazy.select(pl.len()).collect(engine="streaming").item() == rows:
                return _checked(Delimited(lazy, names, rows, separator, content, tuple(notes)))
    content, rows, said = _mend(content, separator, len(names), limit, spill)
    return _checked(Delimited(_scan(content, separator, names), names, rows, separator, content, tuple(notes + said)))


def _checked(table: Delimited) -> Delimited:
    if table.rows == 0:
        file = table.content.file
        raise DataError(f"{file.name} has a header and no rows; give at least two rows below {listed(table.names, 5)}", file=file)
    return table


def _scan(content: Content, separator: str, names: tuple[str, ...]) -> pl.LazyFrame:
    return pl.scan_csv(
        content.source,
        separator=separator,
        infer_schema=False,  # every field is a text until all rows have been seen
        new_columns=list(names),
        glob=False,
    )


def _refuse_nul(content: Content) -> None:
    row = 0
    for block in content.blocks():
        position = block.find(0)
        if position >= 0:
            row += block.count(b"\n", 0, position)
            raise DataError(
                f"{content.file.name} holds NUL bytes (line {row + 1}), which no text table does; save it as UTF-8 text",
                file=content.file,
                row=max(1, row),
            )
        row += block.count(b"\n")


def _with_newlines(content: Content, limit: int, spill: Callable[[str], Path]) -> Content:
    """Lines that end with a carriage return alone (old spreadsheets) end with a newline."""
    head = content.head(_SAMPLE)
    if b"\r" not in head or any(b"\n" in block for block in content.blocks()):
        return content
    return rewritten(content, (block.replace(b"\r", b"\n") for block in content.blocks()), limit=limit, spill=spill)


def _find_separator(content: Content) -> str:
    """The separator that cuts the header into names and most other records into as many fields."""
    text = content.head(_SAMPLE).decode(errors="ignore")
    lines = text.splitlines(keepends=True)
    if len(text.encode()) < content.size and len(lines) > 1:
        lines = lines[:-1]  # cut off by the sample
    best, best_score = "", (0.0, 0)
    for separator in SEPARATORS:
        counts = _field_counts(lines, separator)
        if not counts or counts[0] < 2:
            continue
        score = (round(counts.count(counts[0]) / len(counts), 1), counts[0])
        if score > best_score:
            best, best_score = separator, score
    if best:
        return best
    # One name. Rows that a separator cuts alike say that the first line is no header; otherwise each line is one text.
    for separator in SEPARATORS:
        counts = _field_counts(lines, separator)[1:]
        common = max(set(counts), key=counts.count, default=1)
        if common > 1 and len(counts) > 1 and counts.count(common) >= 0.8 * len(counts):
            raise DataError(
                f"the first line of {content.file.name} must name the columns; it holds one name and the rows have {common} fields"
                f" separated by a {_NAMED[separator]}: write a header line",
                file=content.file,
                row=1,
            )
    return _ALONE


def _field_counts(lines: list[str], separator: str) -> list[int]:
    """Fields of the first 200 records; records without any are left out."""
    counts = []
    with _long_fields(), contextlib.suppress(csv.Error):
        for record in csv.reader(lines, delimiter=separator):
            if record:
                counts.append(len(record))
            if len(counts) == 200:
                break
    return counts


def _usual_separators(file: Path) -> str:
    """What the name of the file promises; a comma where it promises nothing."""
    suffixes = {suffix.lower() for suffix in file.suffixes}
    return "\t" if suffixes & {".tsv", ".tab"} else "|" if ".psv" in suffixes else ",;\t|" if ".txt" in suffixes else ","


def _header(content: Content, separator: str) -> tuple[tuple[str, ...], list[Note]]:
    """The names, and what was done to them."""
    file = content.file
    with _long_fields(), _text(content) as handle:
        try:
            found = next((record for record in csv.reader(handle, delimiter=separator) if any(field.strip() for field in record)), None)
        except csv.Error as error:
            raise DataError(f"the header of {file.name} cannot be read ({error}); write the names in one line", file=file) from None
    if found is None:
        raise DataError(f"{file.name} holds no header and no rows; give a table with a header line and rows", file=file)
    names = [name.strip() for name in found]
    said = [Note(f"spaces around the names of columns in {file.name} were left out", str(file))] if names != found and all(names) else []
    if any(len(name) > 10_000 for name in names):
        raise DataError(
            f"a name in the header of {file.name} is longer than 10,000 characters; is a quote unclosed in the first line?", file=file
        )
    if all(map(_is_number, names)) and names not in ([str(i) for i in range(len(names))], [str(i + 1) for i in range(len(names))]):
        raise DataError(
            f"the first line of {file.name} must name the columns; it holds numbers ({listed(names, 4)}): write a header line",
            file=file,
            row=1,
        )
    unnamed = []
    for index, name in enumerate(names):
        if not name:
            names[index] = next(made for made in (f"column_{index + 1}", f"column_{index + 1}_unnamed") if made not in names)
            unnamed.append(names[index])
    if unnamed:
        said.append(Note(f"{listed(unnamed)} had no name in the header of {file.name} and were named by position", str(file)))
    refuse_duplicates(names, file)
    return tuple(names), said


def refuse_duplicates(names: list[str], file: Path | None) -> None:
    """Raises DataError when a name stands twice."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            where = f" in {file.name}" if file else ""
            raise DataError(
                f"columns must have different names; {name!r} is the name of columns {seen[name] + 1} and {index + 1}{where}: rename one",
                file=file,
                column=name,
            )
        seen[name] = index


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _regular_rows(content: Content, separator: str, fields: int) -> int | None:
    """The rows below the header when every record has `fields` fields and every quote opens or closes one; else None."""
    records, rest = 0, b""
    for block in content.blocks():
        block = rest + block
        cut = _last_record_end(block)
        if len(block) - cut > _LONGEST_RECORD:
            return None
        found = _regular_records(block[:cut], ord(separator), fields)
        if found is None:
            return None
        records, rest = records + found, block[cut:]
    if rest:
        found = _regular_records(rest + b"\n", ord(separator), fields)
        if found is None:
            return None
        records += found
    return records - 1


def _last_record_end(block: bytes) -> int:
    """The position after the last newline that stands outside quotes, 0 when there is none."""
    if _QUOTE not in block:
        return block.rfind(b"\n") + 1
    data = np.frombuffer(block, np.uint8)
    quotes, newlines = np.flatnonzero(data == _QUOTE), np.flatnonzero(data == _NEWLINE)
    outside = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    return int(outside[-1]) + 1 if outside.size else 0


def _regular_records(block: bytes, separator: int, fields: int) -> int | None:
    """Number of records of a block that begins and ends with whole ones, None when one of them is irregular."""
    if not block:
        return 0
    data = np.frombuffer(block, np.uint8)
    ends, cuts = np.flatnonzero(data == _NEWLINE), np.flatnonzero(data == separator)
    if _QUOTE in block:
        quotes = np.flatnonzero(data == _QUOTE)
        if quotes.size % 2:
            return None
        before = data[np.maximum(quotes[0::2] - 1, 0)]
        after = data[quotes[1::2] + 1]  # a block ends with a newline, so there is always one
        opens = (before == separator) | (before == _NEWLINE) | (before == _QUOTE) | (quotes[0::2] == 0)
        closes = (after == separator) | (after == _NEWLINE) | (after == _RETURN) | (after == _QUOTE)
        if not (opens.all() and closes.all()):
            return None
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        cuts = cuts[np.searchsorted(quotes, cuts) % 2 == 0]
    per_record = np.diff(np.searchsorted(cuts, ends), prepend=0)
    if (per_record != fields - 1).any():
        return None
    if fields == 1:
        lengths = np.diff(ends, prepend=-1) - 1
        blank = (lengths == 0) | ((lengths == 1) & (data[np.maximum(ends - 1, 0)] == _RETURN))
        if blank.any():
            return None
    return int(ends.size)


def _mend(content: Content, separator: str, fields: int, limit: int, spill: Callable[[str], Path]) -> tuple[Content, int, list[Note]]:
    """The same records, each with `fields` fields and clean quotes; (content, rows, what was done)."""
    quoted = _Mender(content, separator, fields, csv.QUOTE_MINIMAL)
    try:
        mended = rewritten(content, quoted.blocks(), limit=limit, spill=spill)
        return mended, quoted.rows, quoted.said()
    except _UnclosedQuote:
        unclosed = quoted.rows
    # A quote that is never closed may be a character like any other: then every row has its fields without quoting.
    plain = _Mender(content, separator, fields, csv.QUOTE_NONE)
    try:
        mended = rewritten(content, plain.blocks(), limit=limit, spill=spill)
        if not plain.short:
            note = Note(f"the quote in row {unclosed} is never closed, so quotes were read as characters", str(content.file), unclosed)
            return mended, plain.rows, [*plain.said(), note]
    except DataError:
        pass
    raise DataError(
        f"a quote that opens in row {unclosed} of {content.file.name} is never closed; close or remove it", file=content.file, row=unclosed
    )


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
        with _long_fields(), _text(self.content) as handle:
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
                    f" put fields that hold a {_NAMED.get(self.separator, 'separator')} in quotes",
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


def _text(content: Content) -> io.TextIOWrapper:
    # Lines end at "\n" alone, as for polars; a stray "\r" inside a field must not cut it.
    return io.TextIOWrapper(content.open(), encoding="utf-8", newline="\n")


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Let Python's csv module read fields above its default of 131,072 characters: texts are longer."""
    before = csv.field_size_limit(_LONGEST_RECORD)
    try:
        yield
    finally:
        csv.field_size_limit(before)
