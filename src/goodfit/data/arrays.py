"""Files of numpy arrays (.npz): arrays that have a row each become columns, those of `_train` and `_test` the parts of a split.

n rows, C channels, T steps, H and W pixels.

| array | becomes |
|---|---|
| [n] | a column |
| [n, F] numbers | F columns, `x0`, `x1`, ... |
| [n, H, W] whole numbers, [n, H, W, C] | pictures |
| [n, C, T] or [n, T, C] fractions | series; `len` or `lengths` [n] says how long each is, else it ends where nothing but NaN follows |
| `class_names` [classes] | the names of the whole numbers in `y` or `labels` |
| `edge_index` and what belongs to it | a graph, a row for each node: see `data.graph_arrays` |
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.base.machine import machine_memory
from goodfit.data.dataset import Note, listed
from goodfit.data.frames import from_frame
from goodfit.data.graph_arrays import graph_rows, is_graph

SPLIT = "split"  # the column that says which part a row is of
_PARTS = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
_SUFFIX = re.compile(rf"(.+?)_({'|'.join(_PARTS)})$")
_LENGTHS = ("len", "length", "lengths")
_LABELS = ("y", "label", "labels", "class", "target", "targets")
_MOST_COLUMNS = 20_000  # of one array; more numbers in a row are a picture or a series
_SHARE = 0.25  # of the machine's memory that the arrays may take: columns are made of them


def is_arrays(file: Path) -> bool:
    """Whether the file is a zip archive of numpy arrays and nothing else."""
    try:
        if not file.is_file():  # a pipe would wait, a device never end
            return False
        with open(file, "rb") as handle:
            if handle.read(4) != b"PK\x03\x04":
                return False
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_arrays(file: Path) -> tuple[pl.DataFrame, str | None, dict[str, str], list[Note]]:
    """The rows of the file, the column that holds their parts (None without), kinds of columns that the file settles, and what was understood
    or left out.

    Raises DataError for arrays of Python objects, which would run code, for damage, and where no arrays have a row each.
    """
    arrays = _loaded(file)
    if is_graph(arrays):
        return graph_rows(file, arrays, _class_names(arrays))
    notes: list[Note] = []
    split = {name: match for name in arrays if (match := _SUFFIX.fullmatch(name))}
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, match in split.items():
        parts.setdefault(_PARTS[match[2]], {})[match[1]] = arrays[name]
    if "train" in parts:
        whole = {name: values for name, values in arrays.items() if name not in split}
    else:
        parts, whole = {"": arrays}, arrays
    names = _class_names(whole)
    first, *others = parts
    frames = [_frame(file, part, parts[part], names, notes if part == first else []) for part in parts]
    for part, frame in zip(others, frames[1:], strict=True):
        if frame.schema != frames[0].schema:
            raise DataError(
                f"the arrays of all parts must be alike; {first} has {_said(frames[0])} and {part} has {_said(frame)}", file=file
            )
    if first:
        frames = [frame.with_columns(pl.lit(part).alias(SPLIT)) for part, frame in zip(parts, frames, strict=True)]
    return pl.concat(frames), SPLIT if first else None, {}, notes


def _loaded(file: Path) -> dict[str, np.ndarray]:
    """Every array of the file; raises DataError where one is of objects, damaged, or too large."""
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _SHARE * machine_memory():
            raise DataError(
                f"the arrays in {file.name} take {size / 2**30:.1f} GiB, over a quarter of the memory; write them as Parquet", file=file
            )
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if strange := [name for name, values in arrays.items() if not isinstance(values, np.ndarray)]:
            raise DataError(f"{file.name} is damaged: {strange[0]!r} is no numpy array", file=file)
        return arrays
    except ValueError as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise DataError(
                f"{file.name} holds Python objects, which goodfit never opens since they can run code; write plain arrays", file=file
            ) from None
        raise _damaged(file, error) from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, SyntaxError, TypeError, KeyError, MemoryError, OverflowError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> DataError:
    return DataError(
        f"{file.name} is damaged: its arrays cannot be read ({str(error).splitlines()[0][:120] if str(error) else error!r})", file=file
    )


def _class_names(arrays: dict[str, np.ndarray]) -> list[str] | None:
    names = arrays.get("class_names")
    return [str(name) for name in names] if names is not None and names.ndim == 1 and names.dtype.kind in "US" else None


def _frame(file: Path, part: str, arrays: dict[str, np.ndarray], names: list[str] | None, notes: list[Note]) -> pl.DataFrame:
    """The arrays of one part that have a row each, as columns."""
    sizes = Counter(values.shape[0] for name, values in arrays.items() if values.ndim and name != "class_names")
    if not sizes:
        raise DataError(f"{file.name} holds no array with rows{f' for {part}' if part else ''}; give arrays [n] or [n, ...]", file=file)
    n = max(sizes, key=lambda size: (sizes[size], size))
    rows = {name: values for name, values in arrays.items() if values.ndim and values.shape[0] == n and name != "class_names"}
    if left := [name for name in arrays if name not in rows and name != "class_names"]:
        notes.append(
            Note(f"the arrays {listed(left)} of {file.name} have no value for each of the {n:,} rows and were left out", str(file))
        )
    lengths = next((rows[name] for name in _LENGTHS if name in rows and rows[name].ndim == 1 and rows[name].dtype.kind in "iu"), None)
    columns: dict[str, object] = {}
    for name, values in rows.items():
        if values.dtype.kind not in "biufUSmM":
            raise DataError(
                f"the array {name!r} of {file.name} holds {values.dtype}, which is no value; write numbers or texts", file=file, column=name
            )
        if values.ndim == 1:
            if lengths is values and any(_is_series(other, lengths) for other in rows.values()):
                continue
            columns[name] = _labelled(values, names) if names is not None and name.lower() in _LABELS else values
        elif values.ndim == 2:
            if values.shape[1] > _MOST_COLUMNS:
                raise DataError(
                    f"the array {name!r} of {file.name} has {values.shape[1]:,} numbers in a row; give pictures as [n, H, W] or series as "
                    "[n, channels, steps]", file=file, column=name,
                )  # fmt: skip
            single = values.shape[1] == 1
            columns |= {name if single else f"{name}{i}": np.ascontiguousarray(values[:, i]) for i in range(values.shape[1])}
        elif _is_series(values, lengths):
            columns[name] = _series(file, name, values, lengths, notes)
        else:
            columns[name] = values
    return from_frame(columns)[0]


def _is_series(values: np.ndarray, lengths: np.ndarray | None) -> bool:
    """Three dimensions of fractions that are no pictures: with lengths, gaps, or values that are no shares of white."""
    if values.ndim != 3 or values.dtype.kind != "f" or 0 in values.shape:
        return False
    return lengths is not None or values.shape[1] != values.shape[2] or not bool(((values >= 0) & (values <= 1)).all())


def _series(file: Path, name: str, values: np.ndarray, lengths: np.ndarray | None, notes: list[Note]) -> pl.Series:
    """[n, C, T] or [n, T, C] -> a list of steps a row."""
    time = _time_axis(values, lengths)
    steps = values if time == 1 else values.transpose(0, 2, 1)  # n T C
    n, most, channels = steps.shape
    if lengths is None:
        known = ~np.isnan(steps).all(axis=2)
        lengths = np.where(known.any(axis=1), most - known[:, ::-1].argmax(axis=1), 0)
    if (wrong := (lengths < 0) | (lengths > most)).any():
        row = int(wrong.argmax()) + 1
        raise DataError(
            f"the lengths of {name!r} must lie from 0 to its {most} steps; row {row} has {lengths[row - 1]}",
            file=file,
            row=row,
            column=name,
        )
    notes.append(
        Note(
            f"{name!r} was read as series of {channels} channel{'s' * (channels > 1)} and up to {int(lengths.max(initial=0))} steps",
            str(file),
            column=name,
        )
    )
    inside = np.arange(most) < lengths[:, None]  # n T
    flat = np.ascontiguousarray(steps[inside], dtype=np.float32)  # total C
    value = pl.Series("v", flat[:, 0]) if channels == 1 else pl.Series("v", flat).arr.to_list()
    owner = pl.Series("row", np.repeat(np.arange(n), lengths))
    grouped = pl.DataFrame([owner, value]).group_by("row", maintain_order=True).agg("v")
    return pl.DataFrame({"row": np.arange(n)}).join(grouped, on="row", how="left", maintain_order="left")["v"].alias(name)


def _time_axis(values: np.ndarray, lengths: np.ndarray | None) -> int:
    """1 or 2: the one that the lengths fill, or along which the series run out, else the longer; of two alike the last, as aeon has it."""
    if lengths is not None and len(lengths):
        longest = int(lengths.max())
        fits = [axis for axis in (1, 2) if values.shape[axis] == longest] or [axis for axis in (1, 2) if values.shape[axis] >= longest]
        if len(fits) == 1:
            return fits[0]
    ends = [axis for axis in (1, 2) if np.isnan(values).all(axis=3 - axis)[:, -1].any()]
    if len(ends) == 1:
        return ends[0]
    return 1 if values.shape[1] > values.shape[2] else 2


def _labelled(values: np.ndarray, names: list[str]) -> np.ndarray:
    """Whole numbers as the names of their classes, where each has one."""
    if values.dtype.kind not in "iu" or values.size == 0 or values.min() < 0 or values.max() >= len(names) or len(set(names)) < len(names):
        return values
    return np.array(names)[values]


def _said(frame: pl.DataFrame) -> str:
    return listed([f"{name} ({dtype})" for name, dtype in frame.schema.items()], 4)
