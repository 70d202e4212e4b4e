"""Networks that find objects in pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from goodfit.models import sizing
from goodfit.models.anchor_detr import AnchorDETR
from goodfit.models.detr import DETR
from goodfit.models.entry import Entry, Inputs, Setting, image_of

# (width) of which the first that the time allows is taken; a multiple of 8 heads and of 4.
WIDTHS = (128, 96, 64, 48)
# Passes over the pictures that a training from scratch takes to be good: with eight, anchor_detr of width 64 has an average precision of 0.80 at half overlap on
# 8,000 pictures with digits (validation rows), and still gains. It makes 23e9 multiply-adds a second of one thread.
EPOCHS = 20


def _finder(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network from pictures to sets of boxes."""

    def build(inputs: Inputs, outputs: int, given: Any) -> nn.Module:
        own = {name: given[name] for name in ("queries", "width", "heads", "dropout")}
        depth, width = given["depth"], given["width"]
        sizes = {
            "encoder_depth": 1 if network is AnchorDETR else depth,
            "decoder_depth": depth,
            "hidden": 4 * width,
            "stride": given["patch"],
            "backbone_width": max(1, width // 4),
        }
        return network((image_of(inputs) or (0, 0, 0))[0], inputs["boxes"]["classes"], **own, **sizes)

    return Entry(build, ("image", "boxes"), settings, what, source, tasks=("detection",))


_SIZES = {
    "width": Setting(
        96, "of a query and of a place in the picture, by pictures and time limit; a quarter of it are the channels of the first block"
    ),
    "heads": Setting(8, "the paper's"),
    "dropout": Setting(0.1, "the paper's"),
}
ENTRIES: dict[str, Entry] = {
    "anchor_detr": _finder(
        AnchorDETR,
        {
            "queries": Setting(64, "a grid of them, by the most objects that a picture has: four times as many, at least 8 x 8"),
            **_SIZES,
            "dropout": Setting(0.0, "pictures that change keep a small network from learning any by heart"),
            "heads": Setting(4, "16 to 32 dimensions a head: with the paper's 8, attention over 144 places takes a third of the time"),
            "depth": Setting(
                2, "layers of the decoder, which tell objects apart; the encoder has one, since the convolutions know the objects"
            ),
            "patch": Setting(8, "pixels between places, small pictures having small objects"),
        },
        "the default for objects in pictures, from scratch: queries stand on a grid and begin with what is there",
        "Carion et al. 2020 (DETR); Wang et al. 2022 (anchors); Zhu et al. 2021 (answers before the decoder)",
    ),
    "detr": _finder(
        DETR,
        {
            "queries": Setting(20, "by the most objects that a picture has: four times as many, at least 20; the paper's 100 are for COCO"),
            **_SIZES,
            "depth": Setting(3, "layers of encoder and decoder each, half of the paper's"),
            "patch": Setting(16, "pixels between places; the paper's 32 are for sides of 800"),
        },
        "objects in pictures as the paper finds them; from scratch it needs many passes",
        "Carion et al., End-to-End Object Detection with Transformers, 2020",
    ),
}


def defaults(name: str, inputs: Inputs, *, rows: int, time_limit: float | None, threads: int) -> dict[str, Any]:
    """Queries by the objects of a picture, and the width by pictures and time."""
    most = 4 * int(inputs["boxes"]["most"])
    image = image_of(inputs)
    assert image is not None
    patch = ENTRIES[name].defaults["patch"]
    allowed = sizing.budget(rows, EPOCHS, time_limit, threads, sizing.PRODUCTS)
    width = sizing.largest(WIDTHS, lambda width: sizing.boxes_cost(image, width, patch=patch), allowed)
    queries = max(8, math.isqrt(most - 1) + 1) ** 2 if name == "anchor_detr" else max(20, most)
    return {"queries": queries, "width": width}
