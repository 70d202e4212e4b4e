"""Objects in pictures: average precision of each class, and pictures with true and found boxes."""

from __future__ import annotations

import re
from typing import Any

from goodfit.report.markup import Html, el, table
from goodfit.report.notation import clip, count, named, number

_MOST = 100  # classes in the table
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+")


def boxes(target: dict[str, Any]) -> list[Any]:
    """What there is to see of a target of boxes."""
    listed = sorted((one for one in target.get("boxes") or [] if isinstance(one, dict)), key=lambda one: one.get("ap_50") or 0)
    rows = [[named(str(one.get("label")), 80), number(one.get("ap_50"), 3), count(one.get("support"))] for one in listed[:_MOST]]
    pictures = [one for one in target.get("pictures") or [] if isinstance(one, dict) and _PICTURE.fullmatch(str(one.get("image")))]
    parts: list[Any] = []
    if pictures:
        said = "Pictures of the test set, by chance: what is there in blue and thick, what was found, with its score, in orange."
        parts += [el("p", said, class_="quiet"), el("ul", *(_card(one) for one in pictures), class_="pictures wide")]
    if rows:
        head = ("Class", "Average precision at half overlap", "Objects")
        parts.append(table("Each class, the worst first", head, rows, numeric=(1, 2)))
    return parts or [el("p", "No boxes were recorded.")]


def _card(one: dict[str, Any]) -> Html:
    true, found = clip(str(one.get("true")), 80), clip(str(one.get("found")), 80)
    return el(
        "li",
        el("img", src=one["image"], alt=f"{clip(str(one.get('name')), 60)}: there is {true}, found was {found}"),
        el("p", clip(str(one.get("name")), 60), class_="quiet small"),
    )
