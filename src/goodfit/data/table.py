"""One file as a table: whatever it is by its first bytes, compressed or not.

| format | columns come as |
|---|---|
| CSV, TSV, and other separators | texts |
| JSON lines, a JSON list of objects | numbers, texts, truth values, lists |
| Parquet, Arrow file, Arrow stream | their own types |
| numpy arrays (.npz) | see `data.arrays` |
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.arrays import is_arrays, read_arrays
from goodfit.data.content import Content, format_of, open_content
from goodfit.data.dataset import Note
from goodfit.data.delimited import refuse_duplicates, scan_delimited
from goodfit.data.integrity import Implausible, check_claims
from goodfit.data.jsonlines import scan_json
from goodfit.data.store import Scratch

HUGE = 256 << 20  # bytes of content above which a table is read in pieces: texts take about four times as much in memory
_UNFOLDED = 4  # bytes in memory for a byte of the limit: a Parquet file of 200 MiB may hold gigabytes

_SUFFIXES = {"text": {".csv", ".tsv", ".tab", ".psv", ".txt"}, "json": {".json", ".jsonl", ".ndjson"}, "parquet": {".parquet", ".pq"},
             "arrow": {".arrow", ".feather", ".ipc"}, "arrow-stream": {".arrow", ".arrows", ".ipc", ".stream"}}  # fmt: skip
_TITLES = {"text": "text with separators", "json": "JSON", "parquet": "Parquet", "arrow": "Arrow", "arrow-stream": "an Arrow stream"}
_COMPRESSED = {".gz", ".zst", ".zstd", ".bz2", ".xz", ".zip"}
# A damaged file can make polars panic, which is no Exception.
POLARS_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, OverflowError, Implausible)


@dataclass(frozen=True, slots=True)
class Table:
    """A table before its columns are understood. texts: every column is text. huge: not to be collected whole.

    split: the column that says which part a row is of, where the file itself has parts. kinds: of columns, where the file itself settles them.
    """

    file: Path | None
    lazy: pl.LazyFrame
    names: tuple[str, ...]
    rows: int
    texts: bool
    huge: bool
    separator: str = ","
    notes: tuple[Note, ...] = ()
    split: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)


def open_table(file: Path, *, limit: int = HUGE, scratch: Scratch) -> Table:
    """A file as a table, in memory up to `limit` bytes of content, else as a lazy frame over the disk.

    Raises DataError, with file and row where known, for everything that is no table with a header and rows.
    """
    if is_arrays(file):
        frame, split, kinds, understood = read_arrays(file)
        names, told = tuple(frame.columns), tuple(understood)
        return Table(file, frame.lazy(), names, frame.height, False, False, notes=told, split=split, kinds=kinds)
    content = open_content(file, limit=limit, spill=scratch.path)
    found = format_of(content)
    notes = list(content.notes)
    suffix = next((s for s in reversed([s.lower() for s in file.suffixes]) if s not in _COMPRESSED), "")
    claimed = [name for name, suffixes in _SUFFIXES.items() if suffix in suffixes]
    if claimed and found not in claimed:
        notes.append(Note(f"{file.name} is {_TITLES[found]} in spite of its name, and was read so", str(file)))
    if found == "text":
        text = scan_delimited(content, limit=limit, spill=scratch.path)
        huge = text.content.data is None
        table = Table(file, text.lazy, text.names, text.rows, True, huge, text.separator, tuple(notes) + text.notes)
    else:
        lazy, said, huge = _typed(content, found, limit, scratch)
        try:
            rows = int(lazy.select(pl.len()).collect(engine="streaming").item())
            names = tuple(lazy.collect_schema())
        except POLARS_ERRORS as error:
            raise _damaged(file, found, error) from None
        table = Table(file, lazy, names, rows, False, huge, ",", tuple(notes) + said)
    if not table.names:
        raise DataError(f"{file.name} has no columns; give a table with a feature and a target", file=file)
    if table.rows == 0:
        raise DataError(f"{file.name} has no rows; give at least two", file=file)
    refuse_duplicates(list(table.names), file)
    return table if table.huge else _collected(table, found)


def _typed(content: Content, found: str, limit: int, scratch: Scratch) -> tuple[pl.LazyFrame, tuple[Note, ...], bool]:
    huge = content.data is None
    if found == "json":
        table = scan_json(content, limit=limit, spill=scratch.path)
        return table.lazy, table.notes, huge
    try:
        check_claims(content.source, found)
        with _without_panic_messages():
            if found == "arrow-stream":
                # A stream has no index to read slices by; it is held in memory and costs what it weighs.
                return pl.read_ipc_stream(content.source).lazy(), (), False
            lazy = pl.scan_parquet(content.source, glob=False) if found == "parquet" else pl.scan_ipc(content.source, glob=False)
            cells = int(lazy.select(pl.len()).collect(engine="streaming").item()) * max(1, len(lazy.collect_schema()))
    except POLARS_ERRORS as error:
        raise _damaged(content.file, found, error) from None
    return lazy, (), huge or cells * 8 > _UNFOLDED * limit


_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def _without_panic_messages() -> Iterator[None]:
    """Hold back what is written to the error stream while a block runs, and drop it when the block fails.

    A damaged file can make polars' threads print Rust stack traces before they raise; the user gets one sentence instead.
    """
    with _one_at_a_time, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # a process without an error stream
            yield
            return
        held = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(held.fileno(), 2)
        try:
            yield
            held.seek(0)
            said = held.read()
        except BaseException:
            said = b""
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        if said:
            os.write(2, said)


def _collected(table: Table, found: str) -> Table:
    try:
        with contextlib.nullcontext() if table.texts else _without_panic_messages():
            frame = table.lazy.collect()
    except POLARS_ERRORS as error:
        assert table.file is not None
        raise _damaged(table.file, found, error) from None
    return replace(table, lazy=frame.lazy(), rows=frame.height)


def _damaged(file: Path, found: str, error: BaseException) -> DataError:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    return DataError(f"{file.name} is damaged or cut off: it begins as {_TITLES[found]} and cannot be read to its end ({why})", file=file)
