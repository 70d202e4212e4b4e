"""What the encoder leaves and the batches read: tensors in memory, or memory-mapped where they do not fit.

n rows, N numbers, M categories, C channels, H height, W width, B rows of a batch, L tokens or steps of the longest row in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from goodfit.base.errors import StorageError
from goodfit.base.machine import machine_memory as machine_memory
from goodfit.data.encode_stream import Stream
from goodfit.data.encode_tokens import Lexicon

PADDING = 0  # the token that fills a text up to the longest of its batch
SUFFIX = {"float32": "f32", "int32": "i32", "uint8": "u8"}  # end of a file's name by what it holds


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of different lengths, end to end: row i is `values[offsets[i]:offsets[i + 1]]`.

    values: int32 [total] of tokens, or float32 [total, C] of a series. offsets: int64 [n + 1], the first 0, never falling.
    """

    values: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """[n] int64, values of each row."""
        return self.offsets.diff()

    def lengths_of(self, rows: Tensor) -> Tensor:
        """rows [B] int64 -> [B] int64."""
        return self.offsets.index_select(0, rows + 1) - self.offsets.index_select(0, rows)

    def gather(self, rows: Tensor, length: int) -> Tensor:
        """rows [B] int64 -> [B, length] or [B, length, C], cut at `length` and filled up with PADDING.

        >>> Ragged(torch.tensor([5, 6, 7], dtype=torch.int32), torch.tensor([0, 1, 3])).gather(torch.tensor([1, 0]), 2).tolist()
        [[6, 7], [5, 0]]
        """
        start = self.offsets.index_select(0, rows).unsqueeze(1)  # B 1
        stop = self.offsets.index_select(0, rows + 1).unsqueeze(1)  # B 1
        position = start + torch.arange(length, device=rows.device)  # B L
        inside = position < stop
        shape = position.shape + self.values.shape[1:]
        if self.values.shape[0] == 0:
            return torch.full(shape, PADDING, dtype=self.values.dtype, device=rows.device)
        # The padding reads any value that exists, then is overwritten: cheaper than gathering a masked selection.
        values = self.values.index_select(0, position.clamp_(max=self.values.shape[0] - 1).view(-1)).view(shape)
        return values.masked_fill_(~inside.view(inside.shape + (1,) * (values.dim() - 2)), PADDING)

    def to(self, device: torch.device) -> Ragged:
        return Ragged(self.values.to(device), self.offsets.to(device))


@dataclass
class Encoded:
    """Rows as the networks read them.

    inputs: "numbers" float32 [n, N], "categories" int32 [n, M], "text" Ragged of int32, "image" uint8 [n, C, H, W],
    "series" Ragged of float32 [total, C], "tokens" Ragged of int32 places in the lexicon,
    "source" Ragged of int32, "stream" Stream; what the data have.
    target: [n] or [n, ...], None where there is none. weight: float32 [n], None for all 1. rows: n.
    folder: where the memory-mapped parts lie, None when all are in memory.
    """

    inputs: dict[str, Tensor | Ragged | Stream]
    target: Tensor | None
    weight: Tensor | None
    rows: int
    folder: Path | None = None
    lexicon: Lexicon | None = None
    _copies: dict[torch.device, Encoded] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.rows

    def nbytes(self) -> int:
        """Bytes of all tensors."""
        total = sum(t.nbytes for t in (self.target, self.weight) if t is not None)
        total += self.lexicon.nbytes() if self.lexicon is not None else 0
        for tensor in self.inputs.values():
            total += tensor.values.nbytes + tensor.offsets.nbytes if isinstance(tensor, Ragged) else tensor.nbytes
        return total

    def file_of(self, name: str) -> Path | None:
        """The file that an input is mapped from, of a Ragged its values; None where it is in memory."""
        given = self.inputs[name]
        if isinstance(given, Stream):
            return None
        tensor = given.values if isinstance(given, Ragged) else given
        path = None if self.folder is None else self.folder / f"{name}.{SUFFIX.get(str(tensor.dtype).removeprefix('torch.'))}"
        return path if path is not None and path.is_file() else None

    def on(self, device: torch.device) -> Encoded:
        """The same rows on `device`; copied once, however many batches read them."""
        if device.type == "cpu":
            return self
        if device not in self._copies:
            inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
            target, weight = (None if tensor is None else tensor.to(device) for tensor in (self.target, self.weight))
            lexicon = None if self.lexicon is None else self.lexicon.to(device)
            self._copies[device] = Encoded(inputs, target, weight, self.rows, None, lexicon)
        return self._copies[device]


def allocate(name: str, shape: Sequence[int], dtype: Any, folder: Path | None) -> np.ndarray:
    """Zeros in memory, or in the file `folder/name.<type>` when `folder` is given.

    The file's room is reserved first, so that a full disk is a StorageError here and not a killed process at a later write.
    A file of that name from before is unlinked, not overwritten: what still maps it keeps its content.
    Nobody removes the files but the owner of `folder`, once the run is over.
    """
    shape, dtype = tuple(int(size) for size in shape), np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if folder is None or size == 0:
        return np.zeros(shape, dtype)
    path = folder / f"{name}.{SUFFIX[dtype.name]}"
    with _create(path) as handle:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle.fileno(), 0, size)
            else:
                handle.truncate(size)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _refused(path, size, error) from error
    return np.memmap(path, dtype=dtype, mode="r+", shape=shape)


class Appended:
    """Values of unknown number, gathered in memory or in `folder/name.<type>` (see `allocate` for what becomes of the file).

    width: None for values [m], else they are [m, width].
    """

    def __init__(self, name: str, folder: Path | None, dtype: Any = np.int32, width: int | None = None) -> None:
        self._dtype, self._shape = np.dtype(dtype), () if width is None else (width,)
        self._path = None if folder is None else folder / f"{name}.{SUFFIX[self._dtype.name]}"
        self._handle = None if self._path is None else _create(self._path)
        self._parts: list[np.ndarray] = []
        self._total = 0

    def append(self, values: np.ndarray) -> None:
        """values: [m] or [m, width]."""
        assert values.dtype == self._dtype
        assert values.shape[1:] == self._shape
        self._total += values.shape[0]
        if self._handle is None or self._path is None:
            self._parts.append(values)
            return
        try:
            self._handle.write(np.ascontiguousarray(values).data)
        except OSError as error:
            self._handle.close()
            self._path.unlink(missing_ok=True)
            raise _refused(self._path, values.nbytes, error) from error

    def finish(self) -> Tensor:
        """All values, [total] or [total, width]."""
        shape = (self._total, *self._shape)
        if self._handle is None or self._path is None:
            return torch.from_numpy(np.concatenate([np.zeros((0, *self._shape), self._dtype), *self._parts]))
        try:
            self._handle.close()
        except OSError as error:
            raise _refused(self._path, 0, error) from error
        if self._total == 0:
            return torch.from_numpy(np.zeros(shape, self._dtype))
        return torch.from_numpy(np.memmap(self._path, dtype=self._dtype, mode="r+", shape=shape))


def _create(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return open(path, "xb")
    except OSError as error:
        raise _refused(path, 0, error) from error


def _refused(path: Path, size: int, error: OSError) -> StorageError:
    room = f" ({size:,} bytes)" if size else ""
    return StorageError(
        f"the encoded data could not be written to {path.name}{room}: {error.strerror or error}; free some space, or raise data.memory "
        "so that they stay in memory",
        file=path,
    )
