"""Rows on the disk: one uncompressed Arrow file, read in slices, so that memory holds a slice and never the table."""

from __future__ import annotations

import itertools
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import StorageError
from goodfit.data.dataset import CHUNK


@dataclass(frozen=True)
class Disk:
    """`rows` rows in the Arrow file `path`. `keep` holds what must live as long as the rows, such as a temporary folder."""

    path: Path
    rows: int
    keep: Any = field(default=None, repr=False, compare=False)

    def slice(self, start: int, length: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        lazy = pl.scan_ipc(self.path)
        return (lazy if columns is None else lazy.select(columns)).slice(start, length).collect()

    def take(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows are sorted, read slice by slice where any are wanted, and put back into the order that was asked for."""
        if rows.size == 0:
            return self.slice(0, 0, columns)
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        pieces = []
        edges = np.searchsorted(wanted, np.arange(0, self.rows + CHUNK, CHUNK))
        for begin, end in itertools.pairwise(edges):
            if begin < end:
                first, last = int(wanted[begin]), int(wanted[end - 1])
                pieces.append(self.slice(first, last - first + 1, columns)[wanted[begin:end] - first])
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return pl.concat(pieces)[back]


def write_disk(lazy: pl.LazyFrame, path: Path, keep: Any = None) -> Disk:
    """Stream a lazy frame into an uncompressed Arrow file. Raises StorageError when the disk refuses."""
    temporary = path.with_name(path.name + ".part")
    try:
        # Batches of one chunk, so that a slice reads hardly more than what it returns.
        lazy.sink_ipc(temporary, compression="uncompressed", record_batch_size=CHUNK, engine="streaming")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"writing the cache {path} failed: {error.strerror or error}; free some space or set another folder", file=path
        ) from error
    rows = int(pl.scan_ipc(path).select(pl.len()).collect().item())
    return Disk(path, rows, keep)


class Scratch:
    """A folder for what is too large for memory: the given one, else a temporary one that goes with this object."""

    def __init__(self, folder: Path | None) -> None:
        self._given = folder
        self._made: Path | None = None
        self._paths: list[Path] = []

    def path(self, name: str) -> Path:
        """A new file in the folder, which is made when it is first needed."""
        try:
            if self._made is None:
                self._made = self._folder()
            for count in itertools.count(1):
                path = self._made / f"{Path(name).stem[:40]}-{count}{Path(name).suffix[:10]}"
                try:
                    path.touch(exist_ok=False)  # other datasets may share the folder
                except FileExistsError:
                    continue
                self._paths.append(path)
                return path
        except OSError as error:
            raise StorageError(
                f"the cache folder {self._given or ''} cannot be written: {error.strerror or error}", file=self._given
            ) from error
        raise AssertionError

    def keep_only(self, path: Path) -> None:
        """Remove all other files that were made here: what the rows were read from."""
        for other in self._paths:
            if other != path:
                other.unlink(missing_ok=True)

    def _folder(self) -> Path:
        if self._given is not None:
            self._given.mkdir(parents=True, exist_ok=True)
            return self._given
        holder = tempfile.TemporaryDirectory(prefix="goodfit-")
        weakref.finalize(self, holder.cleanup)
        return Path(holder.name)
