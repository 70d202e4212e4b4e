"""One graph whose nodes are rows, as tensors: what is known of each node, its neighbours, and the labels that the network may be told.

n rows (nodes), E edges, F numbers of a node, V words of a sparse description, Z of them that are not 0, C values of a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.base.errors import DataError
from goodfit.data import encode_traits
from goodfit.data.dataset import Column, Dataset
from goodfit.data.encode_traits import Trait
from goodfit.data.encoded import Ragged
from goodfit.data.target import TargetSpec

_THIN = 0.25  # share of numbers that are not 0 up to which a description is kept sparse: a product is then three times as fast and more


@dataclass(frozen=True)
class Vector:
    """A column that describes each node by many numbers. sparse: by pairs of place and number. words: V, told apart; 0 where it is dense.

    mean, std: of a dense one. thin: whether a dense one is kept as words, since most of its numbers are 0. scale: that its rows have norm 1 by.
    """

    name: str
    sparse: bool
    words: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float


@dataclass(frozen=True)
class NodeEncoder:
    """neighbours: the column of them. traits: single values. vectors: descriptions. labels: C of the labels that are told, 0 for none.

    coded: whether these are classes. known: the nodes whose labels are told, and codes: float32, theirs. graph: SHA-256 of the graph that
    they are of; in another, no label is known. nodes, edges: in training; held: Z.
    """

    neighbours: str
    traits: tuple[Trait, ...]
    vectors: tuple[Vector, ...]
    labels: int
    coded: bool
    graph: str
    nodes: int
    edges: int
    held: int
    known: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        own = 1 + sum(trait.width for trait in self.traits) + sum(len(vector.mean) for vector in self.vectors)
        return {
            "rows": "nodes",
            "columns": [*(trait.name for trait in self.traits), *(vector.name for vector in self.vectors), self.neighbours],
            "features": own + (self.labels + 1 if self.labels else 0),
            "words": sum(vector.words for vector in self.vectors),
            "held": self.held,
            "edge_features": 0,
            "nodes": self.nodes,
            "edges": self.edges,
            "labels": self.labels,
            "coded": self.coded,
        }

    def encode(self, frame: pl.DataFrame) -> dict[str, Tensor | Ragged]:
        """All nodes of a graph: "nodes" float32 [n, F] without labels, "neighbours" Ragged of int32, "words" and "columns" Ragged of float32 and
        int32 where there are words, and "known" float32 [n]: the label that is told of each, NaN where none is.

        Raises DataError where a neighbour is no node of the graph.
        """
        n = frame.height
        sources, counts = _neighbours(frame[self.neighbours], n)
        dense = [np.log1p(counts.astype(np.float32))[:, None]]
        dense += [trait.encode(frame[trait.name]) for trait in self.traits]
        words: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        begin = 0
        for vector in self.vectors:
            if not vector.words:
                values = _dense(frame[vector.name], len(vector.mean))
                dense.append(((values - np.array(vector.mean)) / np.array(vector.std)).astype(np.float32))
                continue
            row, column, value = _pairs(frame[vector.name], vector.sparse)
            inside = column < vector.words
            words.append((row[inside], column[inside] + begin, value[inside] / vector.scale))
            begin += vector.words
        inputs: dict[str, Tensor | Ragged] = {
            "nodes": torch.from_numpy(np.concatenate(dense, 1)),
            "neighbours": Ragged(torch.from_numpy(sources), _offsets(counts)),
        }
        if words:
            row, column, value = (np.concatenate(parts) for parts in zip(*words, strict=True))
            order = np.lexsort((column, row))
            offsets = _offsets(np.bincount(row, minlength=n))
            inputs["words"] = Ragged(torch.from_numpy(value[order].astype(np.float32)), offsets)
            inputs["columns"] = Ragged(torch.from_numpy(column[order].astype(np.int32)), offsets)
        if self.labels:
            told = np.full(n, np.nan, np.float32)
            if self.knows(frame):
                told[self.known] = self.codes
            inputs["known"] = torch.from_numpy(told)
        return inputs

    def knows(self, frame: pl.DataFrame) -> bool:
        """Whether this is the graph of which labels are known."""
        return bool(self.labels) and frame.height == self.nodes and fingerprint(frame, self.neighbours) == self.graph

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": "nodes",
            "neighbours": self.neighbours,
            "traits": [trait.to_json() for trait in self.traits],
            "vectors": [{name: getattr(vector, name) for name in Vector.__dataclass_fields__} for vector in self.vectors],
            "labels": self.labels,
            "coded": self.coded,
            "graph": self.graph,
            "nodes": self.nodes,
            "edges": self.edges,
            "held": self.held,
            "known": self.known.tolist(),
            "codes": self.codes.tolist(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> NodeEncoder:
        vectors = tuple(Vector(**item | {name: tuple(item[name]) for name in ("mean", "std")}) for item in document["vectors"])
        traits = tuple(Trait.from_json(item) for item in document["traits"])
        known, codes = np.array(document["known"], np.int64), np.array(document["codes"], np.float32)
        plain = {name: document[name] for name in ("neighbours", "labels", "coded", "graph", "nodes", "edges", "held")}
        return cls(traits=traits, vectors=vectors, known=known, codes=codes, **plain)


def fit(dataset: Dataset, columns: Sequence[Column], target: TargetSpec, rows: np.ndarray, spread: bool) -> NodeEncoder:
    """What the nodes are like, and the labels of the training `rows` that the network is told, where `spread`.

    What is known of a node is known of all; labels only of these. Raises DataError as `encode`.
    """
    neighbours = next(column.name for column in columns if column.kind == "neighbours")
    single = [column.name for column in columns if column.kind in ("number", "category", "boolean")]
    described = [column.name for column in columns if column.kind == "vector"]
    frame = dataset.take(np.arange(dataset.rows), [neighbours, *single, *described])
    sources, _ = _neighbours(frame[neighbours], frame.height)
    traits = [trait for name in single if (trait := encode_traits.fit(name, _single(frame, name, columns))) is not None]
    labels, codes = 0, np.zeros(0, np.float32)
    if spread and target.kind in ("binary", "multiclass", "regression"):
        labels = len(target.classes) if target.classes is not None else 1
        known = dataset.take(rows, target.names)
        codes = target.fit(known).encode(known).astype(np.float32)
    return NodeEncoder(
        neighbours,
        tuple(traits),
        tuple(_vector(frame[name]) for name in described),
        labels,
        target.classes is not None,
        fingerprint(frame, neighbours),
        frame.height,
        len(sources),
        sum(_held(frame[name]) for name in described),
        rows if labels else np.zeros(0, np.int64),
        codes,
    )


def _held(column: pl.Series) -> int:
    """Numbers of a description that are not 0."""
    return len(_pairs(column, isinstance(column.dtype.inner, pl.List))[0])  # type: ignore[attr-defined]


def fingerprint(frame: pl.DataFrame, neighbours: str) -> str:
    """SHA-256 of who is whose neighbour."""
    column = frame[neighbours]
    counts = column.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    digest = hashlib.sha256(counts.tobytes())
    if counts.any():
        digest.update(column.filter(pl.Series(counts > 0)).explode().cast(pl.Int64).to_numpy().tobytes())
    return digest.hexdigest()


def _single(frame: pl.DataFrame, name: str, columns: Sequence[Column]) -> pl.Series:
    """A column of single values; codes are texts."""
    kind = next(column.kind for column in columns if column.name == name)
    return frame[name].cast(pl.String) if kind == "category" else frame[name]


def _neighbours(column: pl.Series, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of each node end to end, int32 [E], and how many each has, int64 [n]."""
    counts = column.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    if not counts.any():
        return np.zeros(0, np.int32), counts
    sources = column.filter(pl.Series(counts > 0)).explode().cast(pl.Int64).to_numpy()
    if (wrong := np.flatnonzero((sources < 0) | (sources >= n))).size:
        row = int(np.searchsorted(np.cumsum(counts), wrong[0], side="right")) + 1
        raise DataError(
            f"the neighbours in {column.name!r} must be nodes 0 to {n - 1}; node {row - 1} names {sources[wrong[0]]}",
            row=row,
            column=column.name,
        )
    return sources.astype(np.int32), counts


def _vector(column: pl.Series) -> Vector:
    inner = column.dtype.inner  # type: ignore[attr-defined]
    if isinstance(inner, pl.List):
        row, place, value = _pairs(column, True)
        return Vector(column.name, True, int(place.max(initial=-1)) + 1 or 1, (), (), _scale(row, value))
    values = _dense(column, None)
    if (values != 0).mean() <= _THIN:
        row, _, value = _pairs(column, False)
        return Vector(column.name, False, values.shape[1], (), (), _scale(row, value))
    std = values.std(0)
    std[~(std > 1e-12)] = 1.0
    return Vector(column.name, False, 0, tuple(values.mean(0).tolist()), tuple(std.tolist()), 1.0)


def _scale(row: np.ndarray, value: np.ndarray) -> float:
    """The mean norm of the rows that hold something."""
    norms = np.sqrt(np.bincount(row, weights=value.astype(np.float64) ** 2))
    norms = norms[norms > 0]
    return float(norms.mean()) if norms.size else 1.0


def _dense(column: pl.Series, width: int | None) -> np.ndarray:
    """float64 [n, width]. Raises DataError where a row has another number of entries than in training."""
    widths = column.list.len().fill_null(0).to_numpy()
    wanted = int(widths.max(initial=0)) if width is None else width
    if (wrong := np.flatnonzero(widths != wanted)).size:
        raise DataError(
            f"each node must have {wanted} numbers in {column.name!r}; node {wrong[0]} has {widths[wrong[0]]}",
            row=int(wrong[0]) + 1,
            column=column.name,
        )
    return column.explode().cast(pl.Float64).fill_null(0.0).to_numpy().reshape(len(column), wanted)


def _pairs(column: pl.Series, sparse: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, place and number of all that is not 0."""
    if not sparse:
        values = _dense(column, None)
        row, place = np.nonzero(values)
        return row, place, values[row, place]
    counts = column.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    if not counts.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    both = column.filter(pl.Series(counts > 0)).explode().explode().cast(pl.Float64).to_numpy().reshape(-1, 2)
    return np.repeat(np.arange(len(column)), counts), both[:, 0].astype(np.int64), both[:, 1]


def _offsets(counts: np.ndarray) -> Tensor:
    return torch.from_numpy(np.concatenate([[0], counts.cumsum()]).astype(np.int64))
