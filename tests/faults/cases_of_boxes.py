"""Broken annotations of pictures, and lists with places that are none; see `cases`."""

from __future__ import annotations

from cases import SOUND, Case, refused, used

BOXES = "train {in}/data.json --set data.image_size=16 --set model.width=16 --set model.heads=2 --set model.depth=1 --out {out}"
PLACES = "train {in}/data.jsonl --target order --set model.width=16 --set model.heads=2 --set model.depth=1 --out {out}"

CASES_OF_BOXES: list[Case] = [
    used("boxes-sound", "12 pictures with 18 boxes of 2 categories", call=BOXES),
    used(
        "boxes-outside",
        "reach beyond their picture (1, first annotation 3) were cut",
        "have no area within their picture (1, first annotation 4)",
        call=BOXES,
    ),
    used("boxes-without-area", "have no area within their picture (2, first annotation 3) were left out", call=BOXES),
    used(
        "boxes-crowd-and-repeated",
        "mark crowds and no single objects (1",
        "repeat another of the same picture (1",
        "with 16 boxes",
        call=BOXES,
    ),
    refused("boxes-of-unknown-category", "annotation 7 of data.json is of the category 7, which is none of its 2", row=7, call=BOXES),
    refused("boxes-of-unknown-image", "annotation 7 of data.json is of the image 'x'", row=7, call=BOXES),
    refused("boxes-of-three-numbers", "annotation 7 of data.json has [1, 2, 3]", row=7, call=BOXES),
    refused("boxes-not-a-number", "[x, y, width, height] in pixels; annotation 7", row=7, call=BOXES),
    refused("boxes-no-bbox", "annotation 7 of data.json has None", row=7, call=BOXES),
    refused("boxes-picture-absent", "'gone.png' of image 5 in data.json is no file", row=5, call=BOXES),
    refused("boxes-picture-outside", "leaves the folder|is no file in", row=5, call=BOXES),
    refused("boxes-picture-twice", "'1.png' is given twice", row=5, call=BOXES),
    refused("boxes-id-twice", "1 is given twice", row=5, call=BOXES),
    refused("boxes-id-missing", "image 5 of data.json needs 'id'", call=BOXES),
    refused("boxes-category-twice", "each category has an id of its own", row=2, call=BOXES),
    refused("boxes-category-named-twice", "'cat' is given twice", row=2, call=BOXES),
    refused("boxes-size-is-another", "'5.png' has 40 x 16, and the file has 20 x 16", row=5, call=BOXES),
    refused("boxes-none", "no box to learn from", call=BOXES),
    refused("boxes-annotations-are-text", "'annotations' of data.json must be a list of objects", call=BOXES),
    refused("boxes-picture-is-none", "is none", row=5, call=BOXES),
    refused("boxes-of-a-table", "a document of COCO's form", call=f"{SOUND} --task detection", files="sound", file="data.csv"),
    refused(
        "boxes-for-a-network-of-classes", "and the task is detection", call=f"{BOXES} --set model.name=vit", files="boxes-sound", file=""
    ),
    used("places-sound", call=PLACES),
    refused("places-beyond", "in row 5 names 4 in a list of 4", row=5, column="order", call=PLACES),
    refused("places-negative", "in row 5 names -1", row=5, column="order", call=PLACES),
    refused("places-with-a-hole", "in row 5 holds an empty place", row=5, column="order", call=PLACES),
    refused("places-of-a-table", "pointing needs lists", call=f"{SOUND} --task pointing", files="sound", file="data.csv"),
]
