"""Rows that are graphs, as numbers of their nodes, edges and what is known of the edges.

n rows, N nodes and E edges of all, F numbers of a node, K of an edge. What the graph itself says of a node is read beside what is known of it:
its degree, and how likely a random walk is back after 2, 3, ... steps, which tells rings and their sizes apart (Dwivedi et al., Graph Neural
Networks with Learnable Structural and Positional Representations, ICLR 2022).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data import encode_traits
from goodfit.data.encode_traits import Trait
from goodfit.data.graph_edges import Sound, sound

Place = Callable[[int], tuple[str | None, int]]
SAMPLE = 20_000  # graphs that levels, means and deviations are taken from
WALKS = 8  # steps: rings of up to eight nodes, which nearly all of chemistry's are
_WALKED = 40_000  # squared nodes of a mean graph up to which walks are counted: beyond, they cost more than the network
_AT_ONCE = 4_000_000  # of these for a product of sparse matrices: 100 MB


@dataclass(frozen=True)
class GraphEncoder:
    """One column of edges, any of nodes. traits: of the nodes' columns in order, several of one whose entries are lists. nodes: their columns.

    edge_traits: of what stands behind the ends of an edge, by its place. walks: steps of the random walk, 0 for none. degree: as a trait.
    size: mean nodes of a graph, links: mean edges, both ends counted.
    """

    edges: str
    nodes: tuple[str, ...]
    traits: tuple[Trait, ...]
    edge_traits: tuple[Trait, ...]
    degree: Trait
    walks: int
    size: float
    links: float

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        return {
            "rows": "graphs",
            "columns": [*self.nodes, self.edges],
            "features": 1 + self.degree.width + sum(trait.width for trait in self.traits) + max(0, self.walks - 1),
            "words": 0,
            "edge_features": sum(trait.width for trait in self.edge_traits),
            "nodes": max(1, round(self.size)),
            "edges": round(self.links),
        }

    def encode(self, frame: pl.DataFrame, place: Place) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The rows of a frame -> values end to end and their number in each row, int64 [n]: "nodes" float32 [N, F], "edges" int32 [E, 2] within
        its graph, and "edge_features" float32 [E, K] where there are any. A row without nodes is one of which nothing is known.

        Raises DataError with the row where nodes differ in number or an edge joins none.
        """
        raw = read_graphs(frame, self.edges, self.nodes, len(self.edge_traits), place)
        first = np.cumsum(raw.sizes) - raw.sizes
        parts = [np.ones((int(raw.sizes.sum()), 1), np.float32)]  # so that a sum over nodes counts them
        ends = raw.made.ends
        degree = np.bincount(ends[:, 1], minlength=len(parts[0]))
        parts.append(self.degree.encode(pl.Series(degree)))
        named = dict(raw.values)
        parts += [trait.encode(named[trait.name]) for trait in self.traits]
        if self.walks:
            parts.append(_returns(ends, raw.sizes, self.walks))
        owner = np.repeat(np.arange(len(raw.sizes)), raw.sizes)[ends[:, 1]]  # rising, as edges are sorted by target
        counts = np.bincount(owner, minlength=len(raw.sizes)).astype(np.int64)
        found = {"nodes": (np.concatenate(parts, 1), raw.sizes), "edges": ((ends - first[owner][:, None]).astype(np.int32), counts)}
        if self.edge_traits:
            told = np.concatenate([trait.encode(values) for trait, values in zip(self.edge_traits, raw.told, strict=True)], 1)
            found["edge_features"] = (told[raw.made.kept], counts)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": "graphs",
            "edges": self.edges,
            "nodes": self.nodes,
            "traits": [trait.to_json() for trait in self.traits],
            "edge_traits": [trait.to_json() for trait in self.edge_traits],
            "degree": self.degree.to_json(),
            "walks": self.walks,
            "size": self.size,
            "links": self.links,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> GraphEncoder:
        traits, edge_traits = (tuple(Trait.from_json(item) for item in document[name]) for name in ("traits", "edge_traits"))
        degree = Trait.from_json(document["degree"])
        return cls(
            document["edges"], tuple(document["nodes"]), traits, edge_traits, degree, int(document["walks"]),
            float(document["size"]), float(document["links"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Raw:
    """Graphs as they are given. sizes: int64 [n], nodes of each. values: (name, [N] entries) of the nodes. told: [E] numbers that stand behind the
    ends of the given edges, by place. made: their edges over all N nodes. given: edges of each row."""

    sizes: np.ndarray
    values: list[tuple[str, pl.Series]]
    told: list[pl.Series]
    made: Sound
    given: np.ndarray


def fit(frame: pl.DataFrame, edges: str, nodes: Sequence[str], place: Place) -> GraphEncoder:
    """What the graphs of some training rows are like. Raises DataError as `GraphEncoder.encode`."""
    raw = read_graphs(frame, edges, nodes, None, place)
    traits = [trait for name, values in raw.values if (trait := encode_traits.fit(name, values)) is not None]
    told = [
        encode_traits.fit(f"{edges}[{index}]", values) or Trait(f"{edges}[{index}]", (), False) for index, values in enumerate(raw.told, 2)
    ]
    degree = pl.Series(np.bincount(raw.made.ends[:, 1], minlength=int(raw.sizes.sum())))
    walked = bool(len(raw.made.ends)) and float((raw.sizes.astype(np.float64) ** 2).mean()) <= _WALKED
    return GraphEncoder(
        edges,
        tuple(nodes),
        tuple(traits),
        tuple(told),
        encode_traits.fit("degree", degree) or Trait("degree", (), False),
        WALKS if walked else 0,
        float(raw.sizes.mean()),
        len(raw.made.ends) / max(1, len(raw.sizes)),
    )


def read_graphs(frame: pl.DataFrame, edges: str, nodes: Sequence[str], told: int | None, place: Place) -> Raw:
    """The graphs of a frame, checked. told: numbers behind the ends of an edge; as many as most have when None."""
    counts = {name: frame[name].list.len().fill_null(0).to_numpy().astype(np.int64) for name in nodes}
    given = frame[edges].list.len().fill_null(0).to_numpy().astype(np.int64)
    for name in nodes[1:]:
        if (wrong := np.flatnonzero(counts[name] != counts[nodes[0]])).size:
            file, row = place(int(wrong[0]))
            raise DataError(
                f"each node of a graph needs an entry in every list; in row {row}, {nodes[0]!r} has {counts[nodes[0]][wrong[0]]} and {name!r} has "
                f"{counts[name][wrong[0]]}",
                file=file, row=row, column=name,
            )  # fmt: skip
    ends, extra = _edges(frame[edges], given, told, place)
    owner = np.repeat(np.arange(frame.height), given)
    sizes = counts[nodes[0]] if nodes else np.zeros(frame.height, np.int64)
    if not nodes and len(ends):
        np.maximum.at(sizes, owner, ends.max(1) + 1)
    elif (wrong := np.flatnonzero((ends.max(1, initial=0) >= sizes[owner]) if len(ends) else np.zeros(0, bool))).size:
        file, row = place(int(owner[wrong[0]]))
        size, end = int(sizes[owner[wrong[0]]]), int(ends[wrong[0]].max())
        raise DataError(
            f"the edges in {edges!r} must join nodes that the row has; row {row} has {size} nodes, 0 to {size - 1}, and an edge names {end}",
            file=file, row=row, column=edges, value=end,
        )  # fmt: skip
    values = [(label, column) for name in nodes for label, column in _entries(frame[name], counts[name], place)]
    sizes, empty = np.maximum(sizes, 1), sizes == 0
    if empty.any():
        values = [(label, _with_gaps(column, sizes, empty)) for label, column in values]
    first = np.cumsum(sizes) - sizes
    return Raw(sizes, values, extra, sound(ends + first[owner][:, None], int(sizes.sum())), given)


def _edges(column: pl.Series, counts: np.ndarray, told: int | None, place: Place) -> tuple[np.ndarray, list[pl.Series]]:
    """Ends int64 [E, 2] within their rows, and the numbers behind them, [E] each."""
    name = column.name
    if not counts.any():
        return np.zeros((0, 2), np.int64), [pl.Series([], dtype=pl.Float64) for _ in range(told or 0)]
    inner = column.filter(pl.Series(counts > 0)).explode()
    if not isinstance(inner.dtype, pl.List) or not (inner.dtype.inner.is_numeric() or inner.dtype.inner == pl.Null):
        raise DataError(f"the edges in {name!r} are lists of [i, j]; {inner.dtype} was given", column=name)
    owner = np.repeat(np.arange(len(column)), counts)
    widths = inner.list.len().fill_null(0).to_numpy().astype(np.int64)
    wanted = 2 + told if told is not None else max(2, int(np.bincount(widths).argmax()))
    if (wrong := np.flatnonzero(widths != wanted)).size:
        file, row = place(int(owner[wrong[0]]))
        raise DataError(
            f"each edge in {name!r} must hold {wanted} numbers, the two nodes that it joins{' and what is known of it' if wanted > 2 else ''}; in row "
            f"{row} one holds {widths[wrong[0]]}",
            file=file, row=row, column=name,
        )  # fmt: skip
    numbers = [inner.list.get(index).cast(pl.Float64) for index in range(wanted)]
    ends = np.stack([values.fill_null(np.nan).to_numpy() for values in numbers[:2]], 1)
    if (wrong := np.flatnonzero(~((ends >= 0) & (ends == np.floor(ends))).all(1))).size:
        file, row = place(int(owner[wrong[0]]))
        bad = next(float(end) for end in ends[wrong[0]] if not (end >= 0 and end == np.floor(end)))
        raise DataError(
            f"the nodes that an edge joins are counted 0, 1, ...; in row {row}, {name!r} names {bad:g}",
            file=file,
            row=row,
            column=name,
            value=bad,
        )
    return ends.astype(np.int64), numbers[2:]


def _entries(column: pl.Series, counts: np.ndarray, place: Place) -> list[tuple[str, pl.Series]]:
    """The entries of a column of nodes, [N]; of lists of numbers one for each number."""
    name = column.name
    if not counts.any():
        return [(name, pl.Series([], dtype=pl.Float64))]
    inner = column.filter(pl.Series(counts > 0)).explode()
    if not isinstance(inner.dtype, pl.List):
        return [(name, inner)]
    widths = inner.list.len().fill_null(0).to_numpy()
    wanted = int(widths[0])
    if (wrong := np.flatnonzero(widths != wanted)).size:
        row_of = np.repeat(np.arange(len(column)), counts)
        file, row = place(int(row_of[wrong[0]]))
        raise DataError(
            f"each node in {name!r} must have {wanted} numbers; in row {row} one has {widths[wrong[0]]}", file=file, row=row, column=name
        )
    return [(f"{name}[{index}]", inner.list.get(index)) for index in range(wanted)]


def _with_gaps(column: pl.Series, sizes: np.ndarray, empty: np.ndarray) -> pl.Series:
    """A missing entry for each row that has none."""
    there = np.repeat(~empty, sizes)
    place = np.where(there, np.cumsum(there) - 1, 0)
    wide = column.gather(place) if len(column) else pl.Series([None] * len(there), dtype=column.dtype)
    return wide.to_frame("v").select(pl.when(pl.Series(there)).then(pl.col("v")))["v"]


def _returns(ends: np.ndarray, sizes: np.ndarray, steps: int) -> np.ndarray:
    """[N, steps - 1]: how likely a walk that takes each edge alike is back where it began after 2, 3, ... steps. Graph by graph, some at once."""
    from scipy import sparse

    total = int(sizes.sum())
    out = np.zeros((total, steps - 1), np.float32)
    stops = np.concatenate([[0], np.cumsum(sizes)])
    squares = np.cumsum(sizes.astype(np.int64) ** 2)
    groups = np.unique(np.concatenate([[0], np.flatnonzero(np.diff(squares // _AT_ONCE)) + 1, [len(sizes)]]))
    owner = np.searchsorted(stops[groups[1:]], ends[:, 0], side="right")
    for index, (begin, end) in enumerate(itertools.pairwise(groups)):
        low, high = stops[begin], stops[end]
        source, target = (ends[owner == index] - low).T
        degree = np.maximum(np.bincount(source, minlength=high - low), 1)
        step = sparse.csr_matrix((1.0 / degree[source], (source, target)), shape=(high - low, high - low))
        walk = step
        for count in range(steps - 1):
            walk = walk @ step
            out[low:high, count] = walk.diagonal()
    return out
