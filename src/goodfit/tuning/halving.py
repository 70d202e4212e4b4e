"""Successive halving (Jamieson and Talwalkar 2016) and Hyperband (Li et al. 2018): many trials begin, the better third of them goes on.

Trials pause after some passes, are compared, and those that are left off cost no more. The last that are left train to their end.
"""

from __future__ import annotations

from collections.abc import Mapping

KEPT = 3  # one of so many goes on: Hyperband's own eta
RUNGS = 3  # comparisons at most: with them, a first look costs a 27th of the passes


def rungs(epochs: int) -> list[int]:
    """The passes after which trials of `epochs` passes are compared, shortest first; none where there are too few to divide.

    >>> rungs(81), rungs(5)
    ([3, 9, 27], [2])
    """
    found = [round(epochs / KEPT**power) for power in range(RUNGS, 0, -1)]
    return [passes for index, passes in enumerate(found) if passes >= 1 and passes not in found[:index]] if epochs > 2 else []


def brackets(steps: list[int], total: int, *, many: bool) -> list[tuple[int, list[int]]]:
    """How many trials begin together, and where they are compared, until all of `total` are given out.

    many: Hyperband's brackets in turn, which begin with fewer trials and compare them later; else all trials are one bracket.
    """
    if not many:
        return [(total, steps)]
    found: list[tuple[int, list[int]]] = []
    while total > 0:
        for left_out in range(len(steps) + 1):
            later = steps[left_out:]
            count = min(-(-(len(steps) + 1) * KEPT ** len(later) // (len(later) + 1)), total)
            if count > 0:
                found.append((count, later))
                total -= count
    return found


def survivors(scores: Mapping[int, float], *, maximise: bool) -> list[int]:
    """The numbers of the better third, at least one, best first."""
    ranked = sorted(scores, key=lambda number: (-scores[number] if maximise else scores[number], number))
    return ranked[: max(1, len(ranked) // KEPT)]
