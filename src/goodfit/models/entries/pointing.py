"""Networks whose answers are positions of the list that they read."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from goodfit.models.entry import Entry, Setting
from goodfit.models.pointer import PointerNetwork
from goodfit.models.pointer_transformer import PointerTransformer


def _pointer(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network that points. Whether it may point to a place twice is found from the answers (see data.positions)."""
    return Entry(
        lambda inputs, outputs, given: network(inputs["points"]["channels"], visits=inputs["points"]["visits"], **given),
        ("points",),
        settings,
        what,
        source,
        tasks=("pointing",),
    )


ENTRIES: dict[str, Entry] = {
    "pointer_transformer": _pointer(
        PointerTransformer,
        {
            "width": Setting(96, "a point's vector"),
            "depth": Setting(3, "blocks in which the points see each other; one more walks over them"),
            "heads": Setting(8, "12 dimensions a head: relations of points are many and small"),
            "dropout": Setting(0.0, "examples of such tasks can be made without end"),
        },
        "the default for answers that are positions of the list that is read: sorting, hulls, tours",
        "Vinyals, Fortunato and Jaitly 2015 (pointing); Kool, van Hoof and Welling 2019 (the blocks)",
    ),
    "pointer": _pointer(
        PointerNetwork,
        {
            "width": Setting(128, "units of the LSTM that walks, half of them in each direction of the one that reads"),
            "dropout": Setting(0.0, "examples of such tasks can be made without end"),
        },
        "positions of the list that is read, by the LSTMs that pointers became known by",
        "Vinyals, Fortunato and Jaitly 2015; the glimpse: Bello et al. 2017",
    ),
}
