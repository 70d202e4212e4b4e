"""One graph in a file of numpy arrays (.npz): nodes become rows, each with its neighbours and what is known of it.

N nodes, E edges, F features, Z numbers of a sparse matrix that are not 0.

| array | becomes |
|---|---|
| `edge_index` [2, E], `edges` [E, 2], or sparse `adj_data`, `adj_indices`, `adj_indptr`, `adj_shape` | `neighbours`, the neighbours of each node |
| [N, F] numbers, or sparse `x_data`, `x_indices`, `x_indptr`, `x_shape` | a description of each node |
| [N] | a column; of one named like labels, -1 is a label that is not known |
| `train_mask`, `val_mask`, `test_mask` [N] true and false | the part that a node is of; in none, its label is not looked at |
| `class_names` | the names of the whole numbers in `y` or `labels` |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import Note, listed
from goodfit.data.graph_edges import said, sound

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]  # data, indices, indptr and shape of a matrix by rows

NEIGHBOURS = "neighbours"
SPLIT = "split"
_PAIRS = ("edge_index", "edges", "edge_list")
_ADJACENCY = ("adj", "adjacency")
_SPARSE = ("data", "indices", "indptr", "shape")
_PARTS = {"train_mask": "train", "val_mask": "valid", "valid_mask": "valid", "test_mask": "test"}
_LABELS = ("y", "label", "labels", "class", "target", "targets")
_SIZES = ("num_nodes", "n_nodes", "nodes")


def is_graph(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays of a file are one graph."""
    if any(f"{name}_indptr" in arrays for name in _ADJACENCY) or "edge_index" in arrays:
        return True
    return any(name in arrays and arrays[name].ndim == 2 and 2 in arrays[name].shape and arrays[name].dtype.kind in "iu" for name in _PAIRS)


def graph_rows(
    file: Path, arrays: dict[str, np.ndarray], names: list[str] | None
) -> tuple[pl.DataFrame, str | None, dict[str, str], list[Note]]:
    """A row for each node, the column of the parts (None without), the kinds of columns that the file settles, and what was understood.

    names: of the classes. Raises DataError for edges that join no nodes, masks that overlap, and arrays that are no values.
    """
    notes: list[Note] = []
    sparse = {name: _matrix(file, name, arrays) for name in _sparse_names(arrays)}
    plain = {name: values for name, values in arrays.items() if not any(name == f"{own}_{part}" for own in sparse for part in _SPARSE)}
    where, ends = _ends(file, plain, sparse)
    n = _count(file, plain, sparse, ends)
    _refuse_beyond(file, where, ends, n)
    made = sound(ends, n)
    notes += [Note(text, str(file), column=where) for text in said(made, len(ends), f"{where!r}")]
    kinds, columns = {NEIGHBOURS: "neighbours"}, {NEIGHBOURS: _lists(made.ends[:, 1], made.ends[:, 0], n)}
    parts: dict[str, np.ndarray] = {}
    left = []
    for name, (data, indices, indptr, shape) in sparse.items():
        if name in _ADJACENCY:
            continue
        if shape[0] != n:
            left.append(name)
            continue
        owner = np.repeat(np.arange(n), np.diff(indptr))
        columns[name], kinds[name] = _lists(owner, np.stack([indices, data], 1).astype(np.float32), n), "vector"
    for name, values in plain.items():
        if name in (where, "class_names", *_SIZES):
            continue
        if name in _PARTS:
            parts[name] = _mask(file, name, values, n)
        elif values.ndim == 0 or values.shape[0] != n or values.ndim > 2 or values.dtype.kind not in "biufUSmM":
            left.append(name)
        elif values.ndim == 1 or values.shape[1] == 1:
            columns[name] = _column(name, values.reshape(n), names)
        elif name.lower() in _LABELS:
            raise DataError(
                f"the labels of a graph's nodes are one for each, [{n}]; {name!r} in {file.name} is {list(values.shape)}",
                file=file,
                column=name,
            )
        else:
            _refuse_infinite(file, name, values)
            columns[name], kinds[name] = pl.Series(name, values.astype(np.float32)).arr.to_list(), "vector"
    if left:
        notes.append(
            Note(f"the arrays {listed(left)} of {file.name} have no value for each of the {n:,} nodes and were left out", str(file))
        )
    frame = pl.DataFrame([column.alias(name) for name, column in columns.items()])
    if not parts:
        return frame, None, kinds, notes
    return frame.with_columns(_part(file, parts, n)), SPLIT, kinds, notes


def _sparse_names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    """What is stored as a sparse matrix."""
    return [
        name.removesuffix("_indptr")
        for name in arrays
        if name.endswith("_indptr") and all(f"{name[:-6]}{part}" in arrays for part in _SPARSE)
    ]


def _matrix(file: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Sparse:
    """data [Z], indices [Z], indptr [rows + 1] and shape of a sparse matrix by rows; raises DataError where they do not fit each other."""
    data, indices, indptr, shape = (arrays[f"{name}_{part}"] for part in _SPARSE)
    sizes = tuple(int(size) for size in shape.reshape(-1)) if shape.dtype.kind in "iu" else ()
    fits = (
        len(sizes) == 2
        and data.ndim == indices.ndim == indptr.ndim == 1
        and indices.dtype.kind in "iu"
        and indptr.dtype.kind in "iu"
        and data.dtype.kind in "biuf"
        and len(data) == len(indices)
        and len(indptr) == sizes[0] + 1
        and (not len(indptr) or (indptr[0] == 0 and indptr[-1] == len(data) and bool((np.diff(indptr.astype(np.int64)) >= 0).all())))
        and (not len(indices) or (indices.min() >= 0 and int(indices.max()) < sizes[1]))
    )
    if not fits:
        raise DataError(
            f"{name}_data, {name}_indices, {name}_indptr and {name}_shape in {file.name} must be a sparse matrix by rows, as scipy's csr_matrix "
            "has them; they do not fit each other",
            file=file, column=name,
        )  # fmt: skip
    _refuse_infinite(file, f"{name}_data", data)
    return data, indices.astype(np.int64), indptr.astype(np.int64), (sizes[0], sizes[1])


def _ends(file: Path, plain: Mapping[str, np.ndarray], sparse: Mapping[str, Sparse]) -> tuple[str, np.ndarray]:
    """The array that holds the edges, and they: int64 [E, 2], source and target."""
    where = next((name for name in _PAIRS if name in plain), None)
    if where is None:
        where = next(name for name in _ADJACENCY if name in sparse)
        _, indices, indptr, _ = sparse[where]
        return where, np.stack([np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)), indices], 1)
    pairs = plain[where]
    if pairs.ndim != 2 or 2 not in pairs.shape or pairs.dtype.kind not in "iu":
        raise DataError(
            f"the edges in {where!r} of {file.name} are whole numbers [2, E], the numbers of the nodes that each joins; "
            f"{pairs.dtype} {list(pairs.shape)} was given",
            file=file, column=where,
        )  # fmt: skip
    across = pairs.shape[0] == 2 and (where == "edge_index" or pairs.shape[1] != 2)
    return where, (pairs.T if across else pairs).astype(np.int64)


def _count(file: Path, plain: Mapping[str, np.ndarray], sparse: Mapping[str, Sparse], ends: np.ndarray) -> int:
    """N: rows of labels, masks or features, else as the file says, else as the edges need."""
    named = {name: len(values) for name, values in plain.items() if values.ndim == 1 and (name.lower() in _LABELS or name in _PARTS)}
    named |= {name: matrix[3][0] for name, matrix in sparse.items()}
    named |= {name: len(plain[name]) for name in ("x", "features", "feat") if name in plain and plain[name].ndim == 2}
    named |= {name: int(plain[name]) for name in _SIZES if name in plain and plain[name].size == 1 and plain[name].dtype.kind in "iu"}
    if len(set(named.values())) > 1:
        told = ", ".join(f"{size:,} in {name!r}" for name, size in named.items())
        raise DataError(f"the arrays of {file.name} must agree how many nodes the graph has; there are {told}", file=file)
    return next(iter(named.values()), int(ends.max(initial=-1)) + 1)


def _refuse_beyond(file: Path, where: str, ends: np.ndarray, nodes: int) -> None:
    wrong = ((ends < 0) | (ends >= nodes)).any(axis=1)
    if wrong.any():
        edge = int(wrong.argmax())
        named = next(int(end) for end in ends[edge] if not 0 <= end < nodes)
        raise DataError(
            f"the edges in {where!r} of {file.name} must join nodes 0 to {nodes - 1}; edge {edge + 1} names {named}",
            file=file, row=edge + 1, column=where, value=named,
        )  # fmt: skip


def _refuse_infinite(file: Path, name: str, values: np.ndarray) -> None:
    if values.dtype.kind == "f" and not bool(np.isfinite(values).all()):
        row = int(np.argwhere(~np.isfinite(values))[0][0]) + 1
        raise DataError(f"the numbers in {name!r} of {file.name} must be finite; entry {row} is not", file=file, row=row, column=name)


def _lists(owner: np.ndarray, values: np.ndarray, n: int) -> pl.Series:
    """values [m] or [m, 2] by their owner, rising, as a list for each of n rows; empty where there are none."""
    flat = pl.Series("v", values) if values.ndim == 1 else pl.Series("v", values).arr.to_list()
    grouped = pl.DataFrame([pl.Series("row", owner.astype(np.int64)), flat]).group_by("row", maintain_order=True).agg("v")
    whole = pl.DataFrame({"row": np.arange(n)}).join(grouped, on="row", how="left", maintain_order="left")["v"]
    return whole.fill_null(pl.Series([[]], dtype=whole.dtype))


def _column(name: str, values: np.ndarray, names: list[str] | None) -> pl.Series:
    """One value a node; of labels, below 0 and NaN are not known, and the others may have names."""
    if values.dtype.kind == "S":
        values = values.astype(str)
    column = pl.Series(name, values)
    if values.dtype.kind == "f":
        column = column.fill_nan(None)
    if name.lower() not in _LABELS or values.dtype.kind not in "iu":
        return column
    known = values >= 0
    if names is not None and known.any() and int(values.max()) < len(names) and len(set(names)) == len(names):
        column = pl.Series(name, np.array(names)[np.where(known, values, 0)])
    return column.to_frame().select(pl.when(pl.Series(known)).then(pl.col(name)))[name] if not known.all() else column


def _mask(file: Path, name: str, values: np.ndarray, n: int) -> np.ndarray:
    flags = (
        values.ndim == 1
        and len(values) == n
        and (values.dtype.kind == "b" or (values.dtype.kind in "iu" and set(np.unique(values)) <= {0, 1}))
    )
    if not flags:
        raise DataError(
            f"{name!r} in {file.name} must be true or false for each of the {n:,} nodes; {values.dtype} {list(values.shape)} was given"
            + (": take one of the splits" if values.ndim == 2 else ""),
            file=file, column=name,
        )  # fmt: skip
    return values.astype(bool)


def _part(file: Path, masks: dict[str, np.ndarray], n: int) -> pl.Series:
    """The part of each node in words, null in none."""
    words = np.full(n, None, dtype=object)
    for name, mask in masks.items():
        before = np.array([word is not None for word in words]) & mask
        if before.any():
            node = int(before.argmax())
            raise DataError(
                f"each node is of one part; node {node} of {file.name} is in {name!r} and for {words[node]} too",
                file=file,
                row=node + 1,
                column=name,
            )
        words[mask] = _PARTS[name]
    return pl.Series(SPLIT, words.tolist(), dtype=pl.String)
