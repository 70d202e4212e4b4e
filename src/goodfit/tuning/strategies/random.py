"""Random search (Bergstra and Bengio 2012): each setting uniform on its scale, each trial by itself."""

from __future__ import annotations

from typing import Any

from goodfit.base.streams import numpy_stream
from goodfit.tuning.space import Choice, Space


def draw(space: Space, seed: int, slot: int) -> dict[str, Any]:
    """The settings of trial `slot`, a function of seed and slot alone; those without an effect are drawn too, so that no setting shifts another."""
    found: dict[str, Any] = {}
    for name, dimension in space.dimensions.items():
        unit = float(numpy_stream(seed, "search", slot, name).random())
        if isinstance(dimension, Choice):
            found[name] = dimension.values[min(int(unit * len(dimension.values)), len(dimension.values) - 1)]
        else:
            found[name] = dimension.at(unit)
    return found
