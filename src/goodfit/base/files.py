"""Files that are either whole or absent: atomic writes, checksums, and tensors without pickles.

A write goes to a temporary name in the same folder, is flushed to the disk, and takes its name by `rename`, which
POSIX makes atomic. A process killed at any instant leaves the file before or the file after, never a part of one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as _parse_tensors
from safetensors.torch import save as _dump_tensors

from goodfit.base.errors import BundleError, StorageError

_TEMPORARY = ".part"


def write_bytes(path: Path, content: bytes) -> str:
    """Write `content` atomically and return its SHA-256. Raises StorageError when the disk refuses."""
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        with open(temporary, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # what refused the write may refuse this too
            temporary.unlink()
        remedy = "free some space there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose a folder that can be written to"
        raise StorageError(
            f"{path.name} cannot be written: {error.strerror or error}; what stood there before is whole; {remedy}", file=path
        ) from error
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, document: Any) -> str:
    """Write one JSON document atomically; not-a-number becomes null, since JSON has no word for it."""
    text = json.dumps(plain(document), indent=1, ensure_ascii=False) + "\n"
    return write_bytes(path, text.encode("utf-8", "backslashreplace"))  # half a surrogate pair becomes JSON's own \udXXX


def read_json(path: Path, *, limit: int = 1 << 28) -> Any:
    """Read one JSON document of at most `limit` bytes. Raises BundleError when it is absent, too large or no JSON."""
    try:
        if path.stat().st_size > limit:
            raise BundleError(f"{path.name} is larger than {limit} bytes, which goodfit never writes", file=path)
        return json.loads(path.read_bytes())
    except BundleError:
        raise
    except FileNotFoundError:
        raise BundleError(f"{path.name} is missing in {path.parent}; give the folder of a finished run", file=path) from None
    except (ValueError, RecursionError, OSError) as error:
        raise BundleError(
            f"{path.name} is not readable as JSON ({getattr(error, 'strerror', None) or error}); the folder is damaged", file=path
        ) from error


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> str:
    """Write tensors as safetensors, atomically; returns the SHA-256 of the file."""
    flat = {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in tensors.items()}
    return write_bytes(path, _dump_tensors(flat, metadata=dict(metadata) if metadata else None))


def read_tensors(path: Path, *, sha256: str | None = None) -> dict[str, torch.Tensor]:
    """Read a safetensors file; with `sha256`, refuse a file whose bytes differ. Executes nothing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path.name} in {path.parent} cannot be read: {error.strerror or error}; restore the file", file=path) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{path.name} was changed after it was written (its SHA-256 differs); restore the file", file=path)
    try:
        return _parse_tensors(content)
    except Exception as error:  # safetensors raises its own Rust-side types for every malformed header
        raise BundleError(f"{path.name} is not a safetensors file ({error})", file=path) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in blocks of 1 MiB. Raises BundleError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(f"{path.name} cannot be read ({error.strerror})", file=path) from error
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut (a no-op where folders cannot be opened)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inside(folder: Path, name: str) -> Path:
    """The path of `name` below `folder`; raises BundleError when it leaves the folder (`..`, absolute, by a link)."""
    try:
        path = (folder / name).resolve()
        leaves = not path.is_relative_to(folder.resolve())
    except (ValueError, OSError, RuntimeError):  # a NUL byte, a name too long, links in a circle
        path, leaves = folder, True
    if leaves:
        raise BundleError(f"the path {name!r} leaves the folder {folder}; paths must stay inside it", file=folder, value=name)
    return path


def plain(value: Any) -> Any:
    """The value as JSON types: tensors and arrays to lists, non-finite floats to None, paths to strings."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return str(value)
