"""What the network relies on: how far its score falls when one column is shuffled."""

from __future__ import annotations

import math
from typing import Any

from goodfit.report.charts import importances
from goodfit.report.markup import Html, el, folded, table
from goodfit.report.measures import measure
from goodfit.report.notation import clip, count, is_number, named, number
from goodfit.report.records import Records
from goodfit.report.sections.each import per_target

_DRAWN = 15  # columns in the chart
_MOST = 100  # columns in the table; a tail of zeros tells nothing


def importance(records: Records) -> Html:
    return per_target("importance", "What it relies on", records, "what the network relies on", _of)


def ordered(target: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns by the fall of the score, the largest first."""
    found = [item for item in target.get("importance") or [] if isinstance(item, dict) and is_number(item.get("drop"))]
    return sorted(found, key=lambda item: -item["drop"])


def _of(target: dict[str, Any], records: Records) -> list[Any]:
    items = ordered(target)
    if not items:
        return [el("p", "No importance was measured.")]
    name = target.get("importance_metric") or records.score
    title = measure(name).title if name else "Score"
    lower = title if title[:2].isupper() or title[1:2].isdigit() or title == "R²" else title[:1].lower() + title[1:]
    drawn = items[:_DRAWN]
    top = items[0]
    said = f"How far {lower} gets worse when one column is shuffled, so that it says nothing any more. Columns that say the same thing share their importance."
    chart = importances(drawn, title=f"Loss of {lower}", description=f"Permutation importance. {_told(drawn, lower)}")
    caption = el(
        "figcaption",
        el("b", "Permutation importance"),
        f" The {count(len(drawn))} largest of {count(len(items))}; the line is the interval."
        if len(items) > len(drawn)
        else " The line is the interval.",
    )
    rows = [_row(item, top) for item in items[:_MOST]]
    head = ("Column", f"Loss of {lower}", "Interval")
    parts: list[Any] = [el("figure", caption, chart, class_="chart")]
    first = table("Importance of each column", head, rows[:_DRAWN], numeric=(1, 2), hidden=True)
    rest: list[Any] = []
    if len(rows) > _DRAWN:
        rest.append(
            folded(
                f"The next {count(len(rows) - _DRAWN, 'column')}",
                table("Importance of the next columns", head, rows[_DRAWN:], numeric=(1, 2), hidden=True),
            )
        )
    if len(items) > _MOST:
        rest.append(
            el(
                "p",
                f"{count(len(items) - _MOST)} columns of lesser importance are left out here; analysis.json has them all.",
                class_="quiet",
            )
        )
    return [el("p", said, class_="quiet"), el("div", *parts, el("div", first, *rest), class_="pair")]


def _row(item: dict[str, Any], top: dict[str, Any]) -> list[Any]:
    low, high = item.get("low"), item.get("high")
    name = named(item.get("column", ""), 100)
    if not (is_number(low) and is_number(high)):
        return [name, number(item["drop"]), "–"]
    decimals = max(0, 2 - math.floor(math.log10(abs(top["drop"])))) if top["drop"] else 4  # three digits of the largest
    return [name, number(item["drop"], decimals), f"{number(low, decimals)} to {number(high, decimals)}"]


def _told(items: list[dict[str, Any]], metric: str) -> str:
    told = "; ".join(f"{clip(item.get('column', ''), 30)} {number(item['drop'])}" for item in items[:8])
    return f"Loss of {metric} when shuffled: {told}."
