"""The bytes of a file: what they are (by their first bytes, not by the name), decompressed, as UTF-8 text.

A file is held in memory when its content is small, else as a plain file on the disk, so that neither a large file
nor a compressed one that unfolds to a large one is ever whole in memory.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import polars as pl

from goodfit.base.errors import DataError, GoodfitError, StorageError, did_you_mean
from goodfit.data.dataset import Note, listed

BLOCK = 1 << 23  # bytes read at once: large enough for numpy, small beside any machine's memory
_KEEP_FREE = 1 << 30  # bytes left on the disk when something unfolds: a compressed bomb must not fill it

_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2", ".xz": "xz", ".zip": "zip"}
_TABLES = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow-stream"}
# First bytes of what people hand in by mistake, and what to do instead.
_OTHERS = {
    b"%PDF-": ("a PDF document", "write the table as CSV"),
    b"\x89PNG": ("a PNG picture", "give the folder of pictures, with a subfolder per class"),
    b"\xff\xd8\xff": ("a JPEG picture", "give the folder of pictures, with a subfolder per class"),
    b"GIF87a": ("a GIF picture", "give the folder of pictures, with a subfolder per class"),
    b"GIF89a": ("a GIF picture", "give the folder of pictures, with a subfolder per class"),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"\x89HDF": ("an HDF5 file", "write the table as Parquet"),
    b"\x93NUMPY": ("a numpy array", "hand it over in Python as a dict of columns"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"\x80\x02": ("a pickle, which goodfit never opens", "write the table as CSV or Parquet"),
    b"\x80\x03": ("a pickle, which goodfit never opens", "write the table as CSV or Parquet"),
    b"\x80\x04": ("a pickle, which goodfit never opens", "write the table as CSV or Parquet"),
    b"\x80\x05": ("a pickle, which goodfit never opens", "write the table as CSV or Parquet"),
    b"\x7fELF": ("a program", "give a table"),
    b"Rar!\x1a": ("a RAR archive", "unpack it first"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
}


@dataclass(frozen=True, slots=True)
class Content:
    """The decompressed content of `file`: `data` in memory, or `path` of a plain file where it is large."""

    file: Path
    data: bytes | None
    path: Path | None
    size: int
    notes: tuple[Note, ...] = ()

    def head(self, length: int = 1 << 16) -> bytes:
        """The first bytes."""
        if self.data is not None:
            return self.data[:length]
        assert self.path is not None
        with open(self.path, "rb") as handle:
            return handle.read(length)

    def tail(self, length: int) -> bytes:
        """The last bytes."""
        with self.open() as handle:
            handle.seek(max(0, self.size - length))
            return handle.read(length)

    def open(self) -> IO[bytes]:
        """A fresh binary handle at the start."""
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        return open(self.path, "rb")

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """The content block by block."""
        with self.open() as handle:
            while block := handle.read(size):
                yield block

    @property
    def source(self) -> bytes | Path:
        """What polars reads from."""
        return self.data if self.data is not None else self.path  # type: ignore[return-value]


def open_content(file: Path, *, limit: int, spill: Callable[[str], Path]) -> Content:
    """The decompressed content of a file; above `limit` bytes on the disk, at a path that `spill(name)` gives.

    Raises DataError when the file is absent, empty, a folder, unreadable, or compressed and damaged.
    """
    size = _size(file)
    with open(file, "rb") as handle:
        head = handle.read(64)
    compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
    claimed = _SUFFIXES.get(file.suffix.lower())
    if compression is None:
        notes = (Note(f"{file.name} is not compressed in spite of its name, and was read as it is", str(file)),) if claimed else ()
        return Content(file, None, file, size, notes) if size > limit else Content(file, file.read_bytes(), None, size, notes)
    content = _store(_unfold(file, compression), file, limit, spill)
    if compression != claimed:
        content = replace(
            content, notes=(Note(f"{file.name} is compressed by {compression} in spite of its name, and was unfolded", str(file)),)
        )
    if content.size == 0:
        raise DataError(f"{file.name} is empty once decompressed; give a table with a header line and rows", file=file)
    inner = content.head(64)
    if any(inner.startswith(magic) for magic in _COMPRESSIONS):
        raise DataError(f"{file.name} holds another compressed file inside; decompress it once and give the result", file=file)
    return content


def rewritten(
    content: Content, blocks: Iterator[bytes], *, limit: int, spill: Callable[[str], Path], notes: tuple[Note, ...] = ()
) -> Content:
    """The same file with other bytes, held like the first."""
    stored = _store(blocks, content.file, limit, spill)
    return Content(stored.file, stored.data, stored.path, stored.size, content.notes + notes)


def format_of(content: Content) -> str:
    """`parquet`, `arrow`, `arrow-stream`, `json` or `text`, by the first bytes. Raises DataError for what is no table."""
    head = content.head(4096)
    for magic, name in _TABLES.items():
        if head.startswith(magic):
            return name
    for magic, (what, instead) in _OTHERS.items():
        if head.startswith(magic):
            raise DataError(f"{content.file.name} is {what}, no table; {instead}", file=content.file)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise DataError(f"{content.file.name} is a web page or XML, no table; download or export the table itself", file=content.file)
    return "json" if start.startswith((b"{", b"[{", b"[\n", b"[ {", b"[\r")) else "text"


def as_utf8(content: Content, *, limit: int, spill: Callable[[str], Path]) -> Content:
    """The text as UTF-8 without a byte order mark; other encodings are recoded where they are unambiguous, with a note.

    Raises DataError with the line when the bytes are no text.
    """
    name = content.file.name
    encoding = _marked(content)
    if encoding == "utf-8-sig":
        content, encoding = rewritten(content, _without_mark(content), limit=limit, spill=spill), None
    if encoding:
        note = Note(f"{name} is encoded as {encoding.upper()} and was read so", str(content.file))
        return rewritten(content, _recode(content, encoding), limit=limit, spill=spill, notes=(note,))
    bad = _first_invalid(content)
    if bad is None:
        return content
    position, line = bad
    # Every byte means something in Windows-1252 (which holds Latin-1) except five, and the controls that no text has.
    if any(block.translate(None, _TEXT_1252) for block in content.blocks()):
        raise DataError(
            f"{name} is neither UTF-8 nor another text encoding (byte {position:,}, line {line}); save it as UTF-8",
            file=content.file,
            row=max(1, line - 1),
        )
    note = Note(
        f"{name} is not UTF-8 (line {line}) and was read as Windows-1252 (Latin-1); save it as UTF-8 if letters look wrong",
        str(content.file),
    )
    return rewritten(content, _recode(content, "cp1252"), limit=limit, spill=spill, notes=(note,))


_TEXT_1252 = bytes(sorted({9, 10, 12, 13, *range(32, 256)} - {0x7F, 0x81, 0x8D, 0x8F, 0x90, 0x9D}))


def _size(file: Path) -> int:
    try:
        if file.is_dir():
            raise DataError(f"{file} is a folder; give a file, or a folder of pictures with a subfolder per class", file=file)
        if not file.exists():
            raise DataError(f"{file} does not exist{_neighbour(file)}", file=file)
        if not file.is_file():
            raise DataError(f"{file} is no ordinary file; give a table or a folder of pictures", file=file)
        size = file.stat().st_size
        with open(file, "rb"):
            pass
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be opened: {getattr(error, 'strerror', None) or error}", file=file) from None
    if size == 0:
        raise DataError(f"{file.name} is empty; give a table with a header line and rows", file=file)
    return size


def _neighbour(file: Path) -> str:
    try:
        names = [path.name for path in file.parent.iterdir()][:10_000]
    except OSError:
        return f", nor does its folder {file.parent}"
    return did_you_mean(file.name, names) or "; check the path"


def _unfold(file: Path, compression: str) -> Iterator[bytes]:
    """The decompressed bytes, block by block; damage becomes a DataError."""
    try:
        if compression == "zstd":
            # The standard library has no zstd before Python 3.14; polars reads it line by line.
            for frame in pl.scan_lines(file).collect_batches(chunk_size=100_000):
                yield "".join(f"{line}\n" for line in frame.to_series()).encode()
            return
        if compression == "zip":
            yield from _unzip(file)
            return
        opener: type[gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]
        opener = {"gzip": gzip.GzipFile, "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}[compression]  # type: ignore[assignment]
        with opener(file) as handle:
            while block := handle.read(BLOCK):
                yield block
    except GoodfitError:
        raise
    except EOFError:
        raise DataError(f"{file.name} is cut off: its {compression} data end too early; copy or download it again", file=file) from None
    except (
        OSError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        ValueError,
    ) as error:
        raise DataError(f"{file.name} is damaged: its {compression} data cannot be decompressed ({_brief(error)})", file=file) from None


def _unzip(file: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        # Finder and dot files ride along in many archives and are not what was meant.
        members = [
            m
            for m in archive.infolist()
            if not m.is_dir() and not m.filename.startswith("__MACOSX/") and not Path(m.filename).name.startswith(".")
        ]
        names = [member.filename for member in members]
        if "[Content_Types].xml" in names:
            raise DataError(f"{file.name} is an Excel workbook or another office document; save the sheet as CSV", file=file)
        if any(name.endswith(".npy") for name in names):
            raise DataError(f"{file.name} is a numpy archive; hand its arrays over in Python as a dict of columns", file=file)
        if len(members) != 1:
            raise DataError(
                f"a .zip must hold one table; {file.name} holds {len(members):,} files ({listed(names, 3)}): unpack it first", file=file
            )
        if members[0].flag_bits & 1:
            raise DataError(f"{file.name} is encrypted; unpack it first", file=file)
        with archive.open(members[0]) as handle:
            while block := handle.read(BLOCK):
                yield block


def _store(blocks: Iterator[bytes], file: Path, limit: int, spill: Callable[[str], Path]) -> Content:
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > limit:
            break
    else:
        return Content(file, b"".join(held), None, size)
    path = spill(file.name)
    try:
        with open(path, "wb") as handle:
            for block in held:
                handle.write(block)
            held.clear()
            for block in blocks:
                size += len(block)
                if shutil.disk_usage(path.parent).free < _KEEP_FREE:
                    raise StorageError(
                        f"{file.name} unfolds to more than {size >> 20:,} MiB, which the disk has no room for; free some space", file=path
                    )
                handle.write(block)
    except OSError as error:
        raise StorageError(f"unfolding {file.name} onto the disk failed: {error.strerror or error}; free some space", file=path) from error
    return Content(file, None, path, size)


def _marked(content: Content) -> str | None:
    """The encoding that a byte order mark, or the pattern of zero bytes in plain letters, tells."""
    head = content.head(4096)
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
             (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
    for mark, name in marks:
        if head.startswith(mark):
            return name
    # Latin letters in UTF-16 have a zero in every other byte and nothing else does.
    if len(head) >= 8 and content.size % 2 == 0:
        for name, high, low in (("utf-16-le", head[1::2], head[0::2]), ("utf-16-be", head[0::2], head[1::2])):
            if high.count(0) > 0.9 * len(high) and low.count(0) == 0:
                return name
    return None


def _without_mark(content: Content) -> Iterator[bytes]:
    for index, block in enumerate(content.blocks()):
        yield block.removeprefix(codecs.BOM_UTF8) if index == 0 else block


def _recode(content: Content, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in content.blocks():
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(
            f"{content.file.name} begins like {encoding.upper()} but is none ({_brief(error)}); save it as UTF-8", file=content.file
        ) from None


def _first_invalid(content: Content) -> tuple[int, int] | None:
    """(byte position, 1-based line) of the first byte that is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    position, lines = 0, 1
    pending = 0
    for block in content.blocks():
        if not (pending == 0 and block.isascii()):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                start = max(0, error.start - pending)
                return position + start, lines + block.count(b"\n", 0, start)
            pending = len(decoder.getstate()[0])
        position += len(block)
        lines += block.count(b"\n")
    return (position - pending, lines) if pending else None


def _brief(error: BaseException) -> str:
    """The first line of a foreign message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
