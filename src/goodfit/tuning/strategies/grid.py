"""Grid search: every combination of some values of each setting, in an order in which any beginning of it is spread out."""

from __future__ import annotations

import itertools
import math
from typing import Any

from goodfit.base.errors import SettingError
from goodfit.base.streams import numpy_stream
from goodfit.tuning.space import Choice, Range, Space

MOST = 100_000  # combinations: nobody waits for more


def points(space: Space, total: int) -> list[dict[str, Any]]:
    """At most `total` combinations, or those of two values of each setting where even they are more; what has no effect is left out.

    Each range has as many values as all of them can have, evenly spaced on its scale, with both ends among them where there are three or more.
    """
    found = _combined(space, 2)
    for count in range(3, total + 1):
        finer = _combined(space, count)
        if len(finer) > total or len(finer) == len(found):
            break
        found = finer
    return found


def order(seed: int, count: int) -> list[int]:
    """The order in which the combinations are tried."""
    return [int(index) for index in numpy_stream(seed, "search", "grid").permutation(count)]


def _combined(space: Space, count: int) -> list[dict[str, Any]]:
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    axes = [_values(dimension, count) for dimension in space.dimensions.values()]
    if (size := math.prod(len(axis) for axis in axes)) > MOST:
        raise SettingError(
            f"a grid of {len(axes)} settings has {size:,} combinations; take --strategy random, or fewer settings", value=size
        )
    for values in itertools.product(*axes):
        settings: dict[str, Any] = {}
        for name, value in zip(space.dimensions, values, strict=True):
            if space.active(name, settings):
                settings[name] = value
        found.setdefault(tuple((name, str(value)) for name, value in settings.items()), settings)
    return list(found.values())


def _values(dimension: Range | Choice, count: int) -> list[Any]:
    if isinstance(dimension, Choice):
        return list(dimension.values)
    if dimension.whole and dimension.high - dimension.low < count:
        return list(range(int(dimension.low), int(dimension.high) + 1))
    if count == 2:  # ends alone would say nothing of what lies between them
        return list(dict.fromkeys([dimension.at(0.25), dimension.at(0.75)]))
    inside = [dimension.at(index / (count - 1)) for index in range(1, count - 1)]
    return list(dict.fromkeys([dimension.low, *inside, dimension.high]))
