"""Tables as text with separators: CSV, TSV and their kin.

polars reads the text, fast and strictly. What it would misread in silence (short rows, stray quotes, blank lines) is
found before, by counting separators per record over the raw bytes; only then is the text mended, record by record.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.content import Content, as_utf8, rewritten
from goodfit.data.dataset import Note, listed
from goodfit.data.mend import LONGEST_RECORD, NAMED, long_fields, mend, open_text

SEPARATORS = (",", ";", "\t", "|")
_ALONE = "\x1f"  # the separator of a table of one column: a control character that no text holds
_SAMPLE = 1 << 18  # bytes that the separator is found from: a few hundred rows
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
        notes.append(Note(f"the fields of {content.file.name} are separated by a {NAMED[separator]}, and were read so", str(content.file)))
    rows = _regular_rows(content, separator, len(names))
    if rows is not None:
        lazy = _scan(content, separator, names)
        # polars is asked to agree about the number of rows before it is trusted with their values. (Of a file on the disk it would
        # map every page to count them; there the rows are counted when they are stored.)
        with contextlib.suppress(pl.exceptions.PolarsError):
            if content.data is None or lazy.select(pl.len()).collect(engine="streaming").item() == rows:
                return _checked(Delimited(lazy, names, rows, separator, content, tuple(notes)))
    content, rows, said = mend(content, separator, len(names), limit, spill)
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
                f" separated by a {NAMED[separator]}: write a header line",
                file=content.file,
                row=1,
            )
    return _ALONE


def _field_counts(lines: list[str], separator: str) -> list[int]:
    """Fields of the first 200 records; records without any are left out."""
    counts = []
    with long_fields(), contextlib.suppress(csv.Error):
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
    with long_fields(), open_text(content) as handle:
        try:
            found = next((record for record in csv.reader(handle, delimiter=separator) if any(field.strip() for field in record)), None)
        except csv.Error as error:
            raise DataError(f"the header of {file.name} cannot be read ({error}); write the names in one line", file=file, row=1) from None
    if found is None:
        raise DataError(f"{file.name} holds no header and no rows; give a table with a header line and rows", file=file)
    names = [name.strip() for name in found]
    said = [Note(f"spaces around the names of columns in {file.name} were left out", str(file))] if names != found and all(names) else []
    if any(len(name) > 10_000 for name in names):
        raise DataError(
            f"a name in the header of {file.name} is longer than 10,000 characters; is a quote unclosed in the first line?",
            file=file,
            row=1,
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
    refuse_duplicates(names, file, row=1)
    return tuple(names), said


def refuse_duplicates(names: list[str], file: Path | None, *, row: int | None = None) -> None:
    """Raises DataError when a name stands twice. row: where the names stand, 1 for a header line."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in seen:
            where = f" in {file.name}" if file else ""
            raise DataError(
                f"columns must have different names; {name!r} is the name of columns {seen[name] + 1} and {index + 1}{where}: rename one",
                file=file,
                row=row,
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
        if len(block) - cut > LONGEST_RECORD:
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
