"""Running text as the network reads it: one row of characters' ids, windows of it to learn from, passages of it to be scored.

n pieces, N ids of the stream, B rows of a batch, T ids of a window, L of the longest passage of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.streams import numpy_stream
from goodfit.data.dataset import Dataset
from goodfit.data.stream import BEGINS

UNKNOWN, BEGIN, FIRST = 1, 2, 3  # 0 fills up; BEGIN stands before each text; characters from FIRST on
_RARE = 2  # times that a character must occur to be known: those that occur once teach what the unknown one looks like


@dataclass(frozen=True)
class Stream:
    """Pieces of running text, end to end, each text behind a BEGIN.

    values: int32 [N]. start, stop: int64 [n], a piece's characters are values[start:stop]. first: int64 [n], the BEGIN of its text.
    """

    values: Tensor
    start: Tensor
    stop: Tensor
    first: Tensor

    def __len__(self) -> int:
        return self.start.shape[0]

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes + 3 * self.start.nbytes)

    def to(self, device: torch.device) -> Stream:
        return Stream(*(tensor.to(device) for tensor in (self.values, self.start, self.stop, self.first)))

    def passages(self, rows: Tensor, past: int) -> dict[str, Tensor]:
        """The pieces `rows` [B] with at most `past` ids before them, for scoring.

        text: int32 [B, L], 0 behind a row's last. past: int64 [B], the ids before a piece, at least its BEGIN. own: int64 [B], its characters.
        """
        start, stop = self.start.index_select(0, rows), self.stop.index_select(0, rows)
        begin = torch.maximum(self.first.index_select(0, rows), start - past)
        width = int((stop - begin).max()) if rows.numel() else 0
        place = begin.unsqueeze(1) + torch.arange(width, device=rows.device)  # B L
        text = self.values[place.clamp(max=self.values.shape[0] - 1)].masked_fill_(place >= stop.unsqueeze(1), 0)
        return {"text": text, "past": start - begin, "own": stop - start}


class Windows:
    """Windows of T + 1 ids to learn from, T of them asked for: one at each training piece, all moved by as much, another way in each epoch.

    rows: [n] pieces that may be read. A window never leaves the span of these, so nothing of validation and test is learned.
    """

    def __init__(self, stream: Stream, rows: Tensor, length: int, seed: int) -> None:
        self._stream, self._seed = stream, seed
        self._low = int(stream.start[rows].min()) - 1 if rows.numel() else 0
        self._high = int(stream.stop[rows].max()) if rows.numel() else 0
        self._width = max(2, min(length + 1, self._high - self._low))

    def inputs(self, rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """rows [B] -> text int32 [B, T + 1]. A pure function of seed, epoch and rows."""
        moved = int(numpy_stream(self._seed, "order", "windows", epoch).integers(0, self._width))
        begin = (self._stream.start.index_select(0, rows) - 1 + moved).clamp_(max=self._high - self._width)
        return {"text": self._stream.values[begin.unsqueeze(1) + torch.arange(self._width, device=rows.device)]}


@dataclass(frozen=True)
class StreamEncoder:
    """column: of the texts. characters: those that are known, by their number, in one text. length: T, the ids that the network reads at once."""

    column: str
    characters: str
    length: int

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        return {"column": self.column, "vocabulary": FIRST + len(self.characters), "length": self.length}

    def encode(self, source: Dataset | pl.DataFrame, rows: np.ndarray | None) -> Stream:
        """The pieces `rows` (all when None) within the whole stream, since what stands before a piece is read too."""
        texts = (source.column(self.column) if isinstance(source, Dataset) else source[self.column]).fill_null("")
        names = source.schema.names if isinstance(source, Dataset) else source.columns
        if BEGINS in names:
            begins = (source.column(BEGINS) if isinstance(source, Dataset) else source[BEGINS]).to_numpy().astype(np.int64)
        else:
            begins = np.ones(len(texts), np.int64)
        lengths = texts.str.len_chars().to_numpy().astype(np.int64)
        stop = np.cumsum(lengths + begins)
        start = stop - lengths
        values = np.full(int(stop[-1]) if len(stop) else 0, BEGIN, np.int32)
        own = np.ones(len(values), bool)
        own[start[begins > 0] - 1] = False
        values[own] = self.ids("".join(texts))
        first = np.maximum.accumulate(np.where(begins > 0, start - 1, 0)) if len(start) else start
        chosen = slice(None) if rows is None else rows
        return Stream(torch.from_numpy(values), *(torch.from_numpy(part[chosen]) for part in (start, stop, first)))

    def ids(self, text: str) -> np.ndarray:
        """int32 [characters]."""
        points = _points(text)
        place = np.searchsorted(self._known, points).clip(max=len(self._known) - 1)
        return np.where(self._known[place] == points, place + FIRST, UNKNOWN).astype(np.int32)

    def text(self, ids: np.ndarray) -> str:
        """The characters of ids; those that stand for none are left out."""
        return "".join(self.characters[i - FIRST] for i in ids if i >= FIRST)

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "characters": self.characters, "length": self.length}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> StreamEncoder:
        return cls(document["column"], document["characters"], int(document["length"]))

    @cached_property
    def _known(self) -> np.ndarray:
        return _points(self.characters)


def fit(texts: pl.Series, most: int, length: int) -> StreamEncoder:
    """The `most` frequent characters of the training pieces, those that occur at least twice."""
    points, counts = np.unique(_points("".join(texts)), return_counts=True)
    often = np.flatnonzero(counts >= _RARE)
    kept = np.sort(often[np.argsort(-counts[often], kind="stable")[:most]])
    return StreamEncoder(texts.name, "".join(map(chr, points[kept] if len(kept) else points)), length)


def _points(text: str) -> np.ndarray:
    """Unicode numbers of the characters, uint32."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), np.uint32)
