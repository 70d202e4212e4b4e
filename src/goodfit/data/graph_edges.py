"""The edges of graphs as they are given, made sound: both directions, no loops, none twice.

E edges, N nodes, K numbers of an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sound:
    """ends: int64 [E, 2], source and target, sorted by target, then source. kept: int64 [E], the given edge that each is.

    loops: edges from a node to itself, left out. twice: edges that were given before. lonely: whether few had their reverse beside them.
    """

    ends: np.ndarray
    kept: np.ndarray
    loops: int
    twice: int
    lonely: bool


def sound(ends: np.ndarray, nodes: int) -> Sound:
    """Edges int64 [E, 2] among nodes 0 to N - 1, as every network here reads them: heard at both ends.

    Of edges that are given several times, the first counts. An edge without its reverse gets one.

    >>> sound(np.array([[0, 1], [1, 1], [0, 1]]), 2).ends.tolist()
    [[1, 0], [0, 1]]
    """
    ends = ends.astype(np.int64)
    proper = ends[:, 0] != ends[:, 1]
    place = np.flatnonzero(proper)
    source, target = ends[place].T
    there = np.unique(target * nodes + source)
    reversed_too = np.isin(source * nodes + target, there)
    both = np.concatenate([target * nodes + source, source * nodes + target])
    keys, first = np.unique(both, return_index=True)  # the first of equal ones, given ones before reverses
    twice = int(place.size - there.size)
    return Sound(
        np.stack([keys % nodes, keys // nodes], 1) if nodes else np.zeros((0, 2), np.int64),
        place[first % max(1, place.size)],
        int((~proper).sum()),
        twice,
        bool(place.size and reversed_too.mean() < 0.5),
    )


def said(made: Sound, given: int, what: str) -> list[str]:
    """What a user should know of `given` edges, a sentence each."""
    count = len(made.ends) // 2
    if made.lonely:
        notes = [f"the {given:,} edges in {what} were given in one direction and are read in both"]
    else:
        notes = [f"the {given:,} edges in {what} are {count:,} in both directions"]
    if made.loops:
        notes.append(f"{made.loops:,} edges in {what} join a node to itself and were left out")
    if made.twice:
        notes.append(f"{made.twice:,} edges in {what} were given before and count once")
    return notes
