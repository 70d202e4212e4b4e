"""What a language model writes by itself, at two temperatures."""

from __future__ import annotations

from goodfit.report.markup import Html, el, section
from goodfit.report.notation import clip, is_number, number
from goodfit.report.records import Records

_LONGEST = 2_000  # characters of a sample


def samples(records: Records) -> Html:
    """Nothing for a run that writes nothing."""
    found = [item for target in records.targets for item in target.get("samples") or [] if isinstance(item, dict)]
    if not found:
        return Html("")
    parts = []
    for item in found:
        warm = number(item["temperature"]) if is_number(item.get("temperature")) else "?"
        parts += [el("h3", f"At temperature {warm}"), el("pre", clip(str(item.get("text") or ""), _LONGEST))]
    said = "Written from nothing. Below 1, what is likely becomes likelier; at 1 the network draws from what it learned."
    return section("samples", "What it writes", el("p", said, class_="quiet"), *parts)
