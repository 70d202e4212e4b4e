"""From coarse to fine: a third of the trials over the whole space, then twice a third in a smaller one around the best so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.base.streams import numpy_stream
from goodfit.tuning.space import Choice, Space
from goodfit.tuning.strategies import random

ROUNDS = 3
SHRINK = 0.3  # of a range's length from round to round: two thirds of the trials then lie in a twentieth of the plane of two settings
STAY = 0.75  # probability that a choice stays with the best's in the second round


def draw(space: Space, seed: int, slot: int, total: int, best: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings of trial `slot` of `total`; best: the settings of the best trial so far."""
    found = random.draw(space, seed, slot)
    turn = min(ROUNDS * slot // max(total, 1), ROUNDS - 1)
    if turn == 0 or best is None:
        return found
    length = SHRINK**turn
    for name, dimension in space.dimensions.items():
        if name not in best:
            continue
        stream = numpy_stream(seed, "search", slot, name, "fine")
        if isinstance(dimension, Choice):
            stays = 1 - (1 - STAY) ** turn
            found[name] = best[name] if stream.random() < stays else found[name]
        else:
            low = min(max(dimension.unit(best[name]) - length / 2, 0.0), 1 - length)
            found[name] = dimension.at(low + length * float(stream.random()))
    return found
