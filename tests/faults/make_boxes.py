"""Broken annotations of pictures, and lists with places that are none; see `make_inputs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_inputs import BUILDERS as BUILDERS
from make_inputs import builds, png


def annotations(**odd: Any) -> Callable[[Path], None]:
    """Twelve sound pictures with an object or two each. odd: `images__4__file_name=...` in place of what stands there, or a whole list;
    None takes it away."""

    def build(folder: Path) -> None:
        document: dict[str, Any] = {
            "images": [{"id": n, "file_name": f"{n}.png", "width": 20, "height": 16} for n in range(1, 13)],
            "annotations": [
                {"id": n, "image_id": n % 12 + 1, "category_id": n % 2, "bbox": [n % 7, 3, 6, 5], "iscrowd": 0} for n in range(1, 19)
            ],
            "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        }
        for n in range(1, 13):
            (folder / f"{n}.png").write_bytes(png(20, 16, seed=n))
        for path, value in odd.items():
            *way, last = (int(step) if step.isdigit() else step for step in path.split("__"))
            place: Any = document
            for step in way:
                place = place[step]
            if value is None:
                del place[last]
            else:
                place[last] = value
        (folder / "data.json").write_text(json.dumps(document))

    return build


builds("boxes-sound", annotations())
builds("boxes-outside", annotations(annotations__2__bbox=[15, 3, 6, 5], annotations__3__bbox=[30, 3, 6, 5]))
builds("boxes-without-area", annotations(annotations__2__bbox=[5, 3, 0, 5], annotations__5__bbox=[5, 3, -4, 5]))
builds("boxes-crowd-and-repeated", annotations(annotations__2__iscrowd=1, annotations__13__bbox=[2, 3, 6, 5]))
builds("boxes-of-unknown-category", annotations(annotations__6__category_id=7))
builds("boxes-of-unknown-image", annotations(annotations__6__image_id="x"))
builds("boxes-of-three-numbers", annotations(annotations__6__bbox=[1, 2, 3]))
builds("boxes-not-a-number", annotations(annotations__6__bbox=[1, 2, float("nan"), 4]))
builds("boxes-no-bbox", annotations(annotations__6__bbox=None))
builds("boxes-picture-absent", annotations(images__4__file_name="gone.png"))
builds("boxes-picture-outside", annotations(images__4__file_name="../5.png"))
builds("boxes-picture-twice", annotations(images__4__file_name="1.png"))
builds("boxes-id-twice", annotations(images__4__id=1))
builds("boxes-id-missing", annotations(images__4__id=None))
builds("boxes-category-twice", annotations(categories__1__id=0))
builds("boxes-category-named-twice", annotations(categories__1__name="cat"))
builds("boxes-size-is-another", annotations(images__4__width=40))
builds("boxes-none", annotations(annotations=[]))
builds("boxes-annotations-are-text", annotations(annotations="none"))


def _no_picture(folder: Path) -> None:
    annotations()(folder)
    (folder / "5.png").write_bytes(b"no picture")


builds("boxes-picture-is-none", _no_picture)


def lists(odd: Any = None, at: int = 4) -> Callable[[Path], None]:
    """Thirty lists of four numbers and the order in which they rise; `odd` in place of the order of one."""

    def build(folder: Path) -> None:
        rows = [{"x": [(7 * n + k * k) % 11 / 10 for k in range(4)], "order": [n % 4, (n + 1) % 4, 3]} for n in range(30)]
        if odd is not None:
            rows[at]["order"] = odd
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return build


builds("places-sound", lists())
builds("places-beyond", lists([4]))
builds("places-negative", lists([-1, 2]))
builds("places-with-a-hole", lists([1, None, 2]))
