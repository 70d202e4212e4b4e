"""Where a network looked in a picture for each word of its caption."""

from __future__ import annotations

import re
from typing import Any

from goodfit.report.markup import Html, el, section
from goodfit.report.notation import clip, count
from goodfit.report.records import Records

# A picture that lies in the page. Anything else, an address above all, is not shown.
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")


def looks(records: Records) -> Html:
    """Nothing for a run that describes no pictures."""
    found = [item for target in records.targets for item in target.get("looks") or [] if isinstance(item, dict)]
    parts: list[Any] = []
    for item in found:
        words = [word for word in item.get("words") or [] if isinstance(word, dict) and _PICTURE.fullmatch(str(word.get("image")))]
        if words:
            title = f"Row {count(item.get('row'))}: {clip(str(item.get('actual')), 100)}"
            parts += [el("h3", title), el("ul", *(_card(word) for word in words), class_="pictures")]
    if not parts:
        return Html("")
    said = "For each word that the network wrote, the picture with what it did not look at in the dark; the mean over its blocks and heads."
    return section("looks", "Where it looks", el("p", said, class_="quiet"), *parts)


def _card(word: dict[str, Any]) -> Html:
    name = clip(str(word.get("word")), 60)
    return el("li", el("img", src=str(word["image"]), alt=f"Where it looked for {name}"), el("p", el("b", name)))
