"""Tables as JSON: an object per line, or one list of objects.

polars reads the lines. What it refuses and Python's json understands (NaN, Infinity, true among numbers, a list of objects)
is first written out as plain lines.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.content import Content, as_utf8, rewritten
from goodfit.data.dataset import Note

_WIDEST = 1 << 63  # whole numbers from here on do not fit int64 and are kept as texts: they are names of things, not amounts


@dataclass(frozen=True, slots=True)
class JsonTable:
    """Typed columns, null where a key is absent."""

    lazy: pl.LazyFrame
    notes: tuple[Note, ...]


def scan_json(content: Content, *, limit: int, spill: Callable[[str], Path]) -> JsonTable:
    """JSON lines (or a list of objects) as a lazy frame. Raises DataError with file and row for what is no table."""
    content = as_utf8(content, limit=limit, spill=spill)
    try:
        lazy = pl.scan_ndjson(content.source, infer_schema_length=None)
        schema = lazy.collect_schema()
        # Read once to the end, so that a broken line far down is found here and not in the middle of the work.
        if (
            not _begins_list(content)
            and schema
            and lazy.select(pl.len(), pl.last().is_null().any().alias("read")).collect(engine="streaming")["len"][0]
        ):
            return JsonTable(lazy, content.notes)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        pass
    columns, said = _survey(content)
    plain = rewritten(content, _plain_lines(content, columns), limit=limit, spill=spill)
    try:
        lazy = pl.scan_ndjson(plain.source, infer_schema_length=None)
        lazy.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(
            f"{content.file.name} cannot be read as JSON lines ({str(error).splitlines()[0][:120]})", file=content.file
        ) from None
    return JsonTable(lazy, content.notes + tuple(said))


def _begins_list(content: Content) -> bool:
    return content.head(4096).lstrip().startswith(b"[")


def _objects(content: Content) -> Iterator[tuple[int, dict[str, Any]]]:
    """(1-based row, object) for every line that is not blank."""
    file = content.file
    if _begins_list(content):
        yield from enumerate(_list(content), 1)
        return
    row = 0
    with content.open() as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            row += 1
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                what = (
                    error.msg
                    if isinstance(error, json.JSONDecodeError)
                    else "nested too deeply"
                    if isinstance(error, RecursionError)
                    else str(error)
                )
                raise DataError(
                    f"line {number} of {file.name} is not JSON ({what}); write one object per line", file=file, row=row
                ) from None
            if not isinstance(value, dict):
                raise DataError(
                    f'line {number} of {file.name} must be an object such as {{"age": 39}}; it is {_named(value)}',
                    file=file,
                    row=row,
                    value=value,
                )
            yield row, value


def _list(content: Content) -> list[dict[str, Any]]:
    file = content.file
    if content.data is None:
        raise DataError(
            f"{file.name} is one JSON list of {content.size >> 20:,} MiB; write one object per line, which is read in pieces", file=file
        )
    try:
        values = json.loads(content.data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name} is not JSON ({str(error)[:120]}); write one object per line", file=file) from None
    for row, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise DataError(
                f"element {row} of the list in {file.name} must be an object; it is {_named(value)}", file=file, row=row, value=value
            )
    return values


def _survey(content: Content) -> tuple[dict[str, set[str]], list[Note]]:
    """The keys in order, each with the kinds of its values; refuses lists among single values."""
    columns: dict[str, set[str]] = {}
    odd: dict[str, int] = {}
    rows = 0
    for row, item in _objects(content):
        rows = row
        for key, value in item.items():
            kinds = columns.setdefault(key, set())
            kind = _named(value)
            if kind != "null":
                kinds.add(kind)
            if isinstance(value, float) and not math.isfinite(value):
                odd.setdefault(key, row)
            if len(kinds) > 1 and kinds & {"a list", "an object"}:
                before = " or ".join(sorted(kinds - {kind}))
                raise DataError(
                    f"column {key!r} of {content.file.name} holds {kind} in row {row} and {before} before; write one kind of value",
                    file=content.file,
                    row=row,
                    column=key,
                )
    if not rows or not columns:
        raise DataError(f"{content.file.name} holds no rows with columns; write one object per line", file=content.file)
    said = [
        Note(f"{key!r} holds NaN or Infinity (first in row {row}), taken as missing", str(content.file), row, key)
        for key, row in odd.items()
    ]
    return columns, said


def _plain_lines(content: Content, columns: dict[str, set[str]]) -> Iterator[bytes]:
    """Lines of JSON proper: no NaN, and one type a column (texts where truth values, texts and numbers mix)."""
    mixed = {key for key, kinds in columns.items() if len(kinds) > 1}
    lines: list[str] = []
    for row, item in _objects(content):
        # The first line names every column, so that their order is that of first sight.
        whole = {key: item.get(key) for key in columns} if row == 1 else item
        lines.append(json.dumps({key: _plain(value, key in mixed) for key, value in whole.items()}))
        if len(lines) == 10_000:
            yield ("\n".join(lines) + "\n").encode()
            lines.clear()
    yield ("\n".join(lines) + "\n").encode()


def _plain(value: Any, as_text: bool) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_plain(item, False) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _WIDEST:
        return str(value)
    if as_text and value is not None and not isinstance(value, str):
        return json.dumps(value)
    return value


def _named(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        # Whole numbers too wide for a number column are written as texts.
        return "a text" if isinstance(value, int) and abs(value) >= _WIDEST else "a number"
    return "a text" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
