"""The rows that a program judges by, parted by where in its file and when it judges them: validation at one line, test at another; this year's rows at the end only.

A score that holds at one place and not at the other is how a leak or a shift shows itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.doctor.supervised import Supervised

FEWEST = 30  # rows of a side: fewer say nothing
MOST_PLACES = 60  # bits of a number; a program that judges at more places has one for each batch, and no sides


def sides(view: Supervised) -> list[Tensor]:
    """The rows held back, [n] each: those that were judged at the same places of the same evaluations belong together. All of them where that parts nothing.

    Two sets that one function judges at the end alone cannot be told apart by that; where one of them was judged before as well, they can.
    """
    if view.carved or view.pool is None:
        return [view.held]
    bits: dict[tuple[object, int], int] = {}
    code = torch.zeros(len(view.pool), dtype=torch.int64)
    for number, evaluated in enumerate(view.evaluated):
        marked = torch.zeros(len(view.pool), dtype=torch.int64)
        for place, rows in evaluated.parts:
            bit = bits.setdefault((place, number), len(bits))
            if bit >= MOST_PLACES:
                return [view.held]
            marked[rows] |= 1 << bit
        code |= marked
    own = code[view.held]
    found = [view.held[own == one] for one in own.unique(sorted=True)]
    found = [rows for rows in found if len(rows) >= FEWEST]
    return found if len(found) > 1 else [view.held]
