"""What a Parquet or Arrow file claims of its own sizes, held against the bytes that are there.

A changed byte can make such a file claim a page of 10^18 values. polars believes it, asks for the memory, and the process
ends without a word. So the claims are read before, and nothing but the claims: the headers of pages and buffers.
Formats: Parquet's Thrift compact protocol (parquet-format 2.11, 2025), Arrow's IPC flatbuffers (format 1.5, 2025).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_UNFOLDS = 65_536  # bytes that a compressed byte may stand for: zstd makes at most 128 KiB of a block of 4 bytes
_SMALL = 1 << 20  # bytes that any buffer may claim
_HEADER = 1 << 16  # bytes of a page header, which may hold a minimum and a maximum
_DEEP = 16  # levels that a Thrift structure of Parquet never has

Bytes = bytes | mmap.mmap


class Implausible(Exception):
    """The file claims what cannot be."""


def check_claims(source: bytes | Path, form: str) -> None:
    """Raises Implausible when a `parquet`, `arrow` or `arrow-stream` file claims sizes that it cannot have."""
    check = _check_parquet if form == "parquet" else _check_arrow
    try:
        if isinstance(source, bytes):
            check(source)
            return
        with open(source, "rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            check(content)
    except (IndexError, struct.error):
        raise Implausible("it ends too early") from None
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        raise Implausible("its description of itself is broken") from None


def _need(condition: bool, what: str) -> None:
    if not condition:
        raise Implausible(what)


def _check_parquet(data: Bytes) -> None:
    _need(data[-4:] == b"PAR1" and len(data) >= 12, "its end is missing")
    length = int.from_bytes(data[-8:-4], "little")
    end = len(data) - 8 - length
    _need(end >= 4, "its description is longer than the file")
    meta, _ = _thrift(data[end:-8], 0, 12, 0)
    total = 0
    for group in meta[4]:
        rows = group[3]
        total += rows
        for chunk in group[1]:
            if 3 not in chunk or chunk.get(1):
                continue  # encrypted, or in another file: polars says so
            column = chunk[3]
            _need(0 <= rows <= column[5], "a column claims fewer values than rows")
            _check_chunk(data, column, end)
    _need(total == meta[3] and total >= 0, "the rows of its parts do not add up")


def _check_chunk(data: Bytes, column: dict[int, Any], end: int) -> None:
    """Walk the pages of a column until all its values are seen."""
    position = min(start for start in (column[9], column.get(11)) if start)
    wanted, seen = column[5], 0
    while seen < wanted:
        _need(4 <= position < end, "a page lies outside the file")
        head, size = _thrift(data[position : min(end, position + _HEADER)], 0, 12, 0)
        kind, unfolded, packed = head[1], head[2], head[3]
        _need(0 <= packed <= end - position - size, "a page is longer than the file")
        _need(0 <= unfolded <= packed * _UNFOLDS + _SMALL, "a page claims to unfold to more than it can")
        if kind == 0:
            count = head[5][1]
        elif kind == 3:
            page = head[8]
            count, levels = page[1], page[5] + page[6]
            _need(0 <= page[2] <= count and page[5] >= 0 and page[6] >= 0 and levels <= unfolded, "a page claims more than it holds")
        else:
            _need(kind != 2 or 0 <= head[7][1] <= unfolded, "a dictionary claims more values than it has bytes")
            count = 0
        _need(0 <= count <= wanted - seen, "a page claims more values than its column")
        seen += count
        position += size + packed


def _thrift(data: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """(value, position after it) in the compact protocol; structures as dicts by field number."""
    _need(depth < _DEEP, "its description is nested too deeply")
    if kind in (1, 2):
        return kind == 1, at
    if kind == 3:
        return data[at], at + 1
    if kind in (4, 5, 6):
        value, at = _varint(data, at)
        return (value >> 1) ^ -(value & 1), at
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(data, at)
        _need(length <= len(data) - at, "a text is longer than the file")
        return data[at : at + length], at + length
    if kind in (9, 10):
        length, inner, at = data[at] >> 4, data[at] & 15, at + 1
        if length == 15:
            length, at = _varint(data, at)
        _need(length <= len(data) - at, "a list is longer than the file")
        items = []
        for _ in range(length):
            item, at = (data[at], at + 1) if inner in (1, 2) else _thrift(data, at, inner, depth + 1)
            items.append(item)
        return items, at
    _need(kind == 12, "its description is broken")
    fields: dict[int, Any] = {}
    number = 0
    while data[at]:
        step, inner, at = data[at] >> 4, data[at] & 15, at + 1
        if step:
            number += step
        else:
            number, at = _thrift(data, at, 5, depth)
        fields[number], at = _thrift(data, at, inner, depth + 1)
    return fields, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        _need(shift < 70, "a number is too long")


def _check_arrow(data: Bytes) -> None:
    for start, length, body in _batches(data):
        message = _Table.root(data[start : start + length])
        kind, header = message.byte(1), message.table(2)
        if kind == 2:  # a dictionary holds a batch
            header = header.table(1)
        elif kind != 3:
            continue
        compressed = header.has(3)
        for offset, size in header.pairs(2):
            _need(offset >= 0 and size >= 0 and body + offset + size <= len(data), "a buffer lies outside the file")
            if compressed and size >= 8:
                (unfolded,) = struct.unpack_from("<q", data, body + offset)
                _need(-1 <= unfolded <= size * _UNFOLDS + _SMALL, "a buffer claims to unfold to more than it can")


def _batches(data: Bytes) -> Iterator[tuple[int, int, int]]:
    """(start and length of the description, start of the body) of every message."""
    if data[:6] == b"ARROW1":
        (length,) = struct.unpack_from("<i", data, len(data) - 10)
        start = len(data) - 10 - length
        _need(data[-6:] == b"ARROW1" and length > 0 and start >= 8, "its end is missing")
        footer = _Table.root(data[start : start + length])
        for field in (2, 3):
            for offset, described in footer.blocks(field):
                _need(8 <= offset <= len(data) - 8 and described >= 8, "a part lies outside the file")
                yield offset + 8, described - 8, offset + described
        return
    at = 0
    while at + 8 <= len(data):
        mark, length = struct.unpack_from("<Ii", data, at)
        if mark != 0xFFFFFFFF or length <= 0:
            return
        _need(at + 8 + length <= len(data), "a message is longer than the file")
        body = at + 8 + length
        yield at + 8, length, body
        size = _Table.root(data[at + 8 : body]).long(3)
        _need(0 <= size <= len(data) - body, "a message is longer than the file")
        at = body + size


class _Table:
    """A flatbuffers table: fields by number, each at an offset that a small index gives."""

    def __init__(self, data: bytes, at: int) -> None:
        _need(0 <= at <= len(data) - 4, "its description is broken")
        self.data, self.at = data, at
        self.index = at - struct.unpack_from("<i", data, at)[0]
        _need(0 <= self.index <= len(data) - 4, "its description is broken")
        self.fields = (struct.unpack_from("<H", data, self.index)[0] - 4) // 2

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _field(self, number: int) -> int:
        """Where the field lies, 0 when it is absent."""
        if number >= self.fields:
            return 0
        offset = struct.unpack_from("<H", self.data, self.index + 4 + 2 * number)[0]
        return self.at + offset if offset else 0

    def has(self, number: int) -> bool:
        return self._field(number) != 0

    def byte(self, number: int) -> int:
        at = self._field(number)
        return self.data[at] if at else 0

    def long(self, number: int) -> int:
        at = self._field(number)
        return struct.unpack_from("<q", self.data, at)[0] if at else 0

    def table(self, number: int) -> _Table:
        at = self._field(number)
        _need(at != 0, "its description is broken")
        return _Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])

    def _items(self, number: int, size: int) -> Iterator[int]:
        at = self._field(number)
        if at:
            at += struct.unpack_from("<I", self.data, at)[0]
            count = struct.unpack_from("<I", self.data, at)[0]
            _need(at + 4 + count * size <= len(self.data), "its description is broken")
            yield from range(at + 4, at + 4 + count * size, size)

    def pairs(self, number: int) -> Iterator[tuple[int, int]]:
        """A list of (offset, length) of buffers."""
        for at in self._items(number, 16):
            yield struct.unpack_from("<qq", self.data, at)

    def blocks(self, number: int) -> Iterator[tuple[int, int]]:
        """A list of (offset, length of the description) of messages."""
        for at in self._items(number, 24):
            yield struct.unpack_from("<qi", self.data, at)
