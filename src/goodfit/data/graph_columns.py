"""Rows that are graphs: the column of edges among lists, and the columns with an entry for each node.

n rows, N nodes and E edges of a row. Edges are a list of `[i, j]`, or of `[i, j, order]` with what is known of each; i and j count the entries of
the other lists of the row from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from goodfit.base.errors import DataError
from goodfit.data.dataset import Column, Note, Schema, listed
from goodfit.data.joined import Joined
from goodfit.data.kinds import Choice

KINDS = ("nodes", "edges", "vector", "neighbours")  # of columns that only a graph has
_SAMPLE = 20_000  # rows that the guess looks at; every row is checked when it is encoded
_MOSTLY = 0.95  # share of the rows that must bear the guess out; the others are then refused by their place
_NAMES = ("edges", "bonds", "links", "edge_list")  # of columns that need not prove that they are edges


def rows_of(schema: Schema) -> str | None:
    """What a row is: "graphs", or "nodes" of one graph; None where the columns are no graph."""
    kinds = {column.kind for column in schema.features}
    return "graphs" if "edges" in kinds else "nodes" if "neighbours" in kinds else None


def beside(schema: Schema) -> tuple[Column, ...]:
    """The names that stand beside a graph, which no network reads and a person does."""
    if rows_of(schema) is None:
        return ()
    return tuple(column for column in schema.with_role("ignored") if column.kind in ("text", "identifier"))


def with_graph(joined: Joined, choices: dict[str, Choice], asked: Mapping[str, str], notes: list[Note]) -> dict[str, Choice]:
    """The choices with the kinds `edges` and `nodes` where lists of a row point into others of its lists; without a graph as they are.

    asked: kinds that the user set. Texts beside a graph are names of it, and are left out with a note.
    """
    lists = {
        name: choice
        for name, choice in choices.items()
        if choice.column.role == "feature" and choice.column.kind in ("tokens", "series", *KINDS)
    }
    pairs = [name for name, choice in lists.items() if _are_pairs(choice) and asked.get(name) in (None, "edges")]
    if not pairs or "neighbours" in asked.values() or any(choice.column.kind == "neighbours" for choice in lists.values()):
        return choices
    frame = joined.lazy.select(list(lists)).head(_SAMPLE).collect()
    given = [name for name in pairs if asked.get(name) == "edges"] or [name for name in pairs if name.lower() in _NAMES]
    found = _found(frame, pairs, given)
    if found is None:
        return choices
    changed = dict(choices)
    edges, nodes = found.edges, found.nodes
    if strange := [name for name in lists if name != edges and name not in nodes]:
        raise DataError(
            f"{edges!r} holds the edges of a graph in each row, and the lists in {strange[0]!r} are as long as neither its nodes nor each other: "
            f"leave it out with data.drop={strange[0]}, or say with data.kinds.{edges}=series that these are no edges",
            column=strange[0],
        )
    changed[edges] = _as(choices[edges], "edges", f"pairs of places in {listed(nodes, 3)}" if nodes else "pairs of nodes")
    for name in nodes:
        changed[name] = _as(choices[name], "nodes", f"an entry for each node of the graph in {edges!r}")
    texts = [name for name, choice in choices.items() if choice.column.role == "feature" and choice.column.kind == "text"]
    for name in texts:
        changed[name] = replace(choices[name], column=replace(choices[name].column, role="ignored"))
    notes.append(
        Note(f"each row was read as a graph: edges in {edges!r}" + (f", nodes in {listed(nodes, 5)}" if nodes else ""), column=edges)
    )
    aside = [*texts, *(name for name, choice in choices.items() if choice.column.kind == "identifier" and choice.column.role == "ignored")]
    if aside:
        notes.append(Note(f"{listed(aside, 5)} {'is' if len(aside) == 1 else 'are'} no part of the graph and left out", column=aside[0]))
    return changed


@dataclass(frozen=True)
class _Found:
    edges: str
    nodes: list[str]


def _found(frame: pl.DataFrame, pairs: list[str], given: list[str]) -> _Found | None:
    for edges in given or pairs:
        others = [name for name in frame.columns if name != edges]
        lengths = {name: frame[name].list.len().fill_null(0).to_numpy().astype(np.int64) for name in others}
        nodes = _alike(lengths)
        if given:
            return _Found(edges, nodes)
        if not nodes:
            continue
        size = lengths[nodes[0]]
        counts = frame[edges].list.len().fill_null(0).to_numpy().astype(np.int64)
        low, high = _range(frame[edges], counts)
        there = counts > 0
        fits = there & (low >= 0) & (high < size)
        # Series of two channels beside one of a single channel are as long as each other; edges are so by chance alone.
        if there.any() and fits.sum() >= _MOSTLY * there.sum() and (counts != size).any():
            return _Found(edges, nodes)
    return None


def _alike(lengths: dict[str, np.ndarray]) -> list[str]:
    """The largest group of columns whose lists are as long as each other in most rows."""
    best: list[str] = []
    for values in lengths.values():
        group = [other for other, own in lengths.items() if (own == values).mean() >= _MOSTLY]
        best = group if len(group) > len(best) else best
    return best


def _range(column: pl.Series, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and largest end that the edges of each row name, -1 where one is no whole number; [n] each."""
    low, high = np.zeros(len(counts)), np.zeros(len(counts))
    if not counts.any():
        return low, high
    inner = column.filter(pl.Series(counts > 0)).explode()
    ends = np.stack([inner.list.get(place, null_on_oob=True).cast(pl.Float64).fill_null(-1).to_numpy() for place in (0, 1)], 1)
    ends = np.where(ends == np.floor(ends), ends, -1)
    starts = (np.cumsum(counts) - counts)[counts > 0]
    low[counts > 0] = np.minimum.reduceat(ends.min(1), starts)
    high[counts > 0] = np.maximum.reduceat(ends.max(1), starts)
    return low, high


def _are_pairs(choice: Choice) -> bool:
    return choice.column.dtype.startswith("List(List(")


def _as(choice: Choice, kind: str, reason: str) -> Choice:
    return replace(choice, column=replace(choice.column, kind=kind, reason=reason))  # type: ignore[arg-type]
