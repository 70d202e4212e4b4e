"""Whether stated probabilities come true as often as they say, and intervals hold as many rows as they claim."""

from __future__ import annotations

from typing import Any

from goodfit.report.charts import reliability
from goodfit.report.markup import Html, el, facts, table
from goodfit.report.notation import clip, count, is_number, number, percent
from goodfit.report.records import Records
from goodfit.report.sections.each import per_target


def calibration(records: Records) -> Html:
    return per_target("calibration", "How far its certainty can be trusted", records, "the calibration", _of)


def _of(target: dict[str, Any], records: Records) -> list[Any]:
    parts = []
    if target.get("calibration") and target["calibration"].get("bins"):
        parts += _probabilities(target["calibration"], target)
    if target.get("coverage"):
        parts += _coverage(target["coverage"])
    return parts or [el("p", "Neither probabilities nor intervals were examined.")]


def _probabilities(found: dict[str, Any], target: dict[str, Any]) -> list[Any]:
    bins, error = [b for b in found["bins"] if b.get("count", 1)], found.get("error")
    said = (
        f"On average, a stated probability is {number(100 * error, 1)} percentage points from what came true." if is_number(error) else ""
    )
    classes = target.get("classes") or []
    of = (
        f"the probability of {clip(classes[1], 60)}"
        if target.get("kind") == "binary" and len(classes) == 2
        else "the probability of the predicted class"
    )
    told = "; ".join(f"stated {percent(b.get('predicted'), 0)}, came true {percent(b.get('observed'), 0)}" for b in bins)
    chart = reliability(bins, description=f"Reliability diagram of {of}. {said} {told}.")
    sizes = [b["count"] for b in bins if is_number(b.get("count"))]
    circles = " The larger a circle, the more rows." if sizes and max(sizes) > 1.5 * min(sizes) else ""
    caption = el(
        "figcaption",
        el("b", "Reliability"),
        f" of {of}. On the dashed line, what is called 80\u202f% comes true in 80\u202f% of the cases.{circles}",
    )
    rows = [
        [
            f"{percent(b.get('low'))} to {percent(b.get('high'))}",
            percent(b.get("predicted")),
            percent(b.get("observed")),
            count(b.get("count")),
        ]
        for b in bins
    ]
    listing = table("Probabilities by bin", ("Stated between", "Stated on average", "Came true", "Rows"), rows, numeric=(1, 2, 3))
    return [el("p", said) if said else None, el("div", el("figure", caption, chart, class_="chart"), listing, class_="pair")]


def _coverage(found: dict[str, Any]) -> list[Any]:
    claimed, observed, width = found.get("claimed"), found.get("observed"), found.get("half_width")
    return [
        el(
            "p",
            "A predicted interval claims to hold the true value in ",
            el("b", percent(claimed, 0)),
            " of the cases; on these rows it did in ",
            el("b", percent(observed)),
            ".",
        ),
        facts(
            [
                ("Claimed", percent(claimed, 0)),
                ("Held", percent(observed)),
                ("Half the interval's width", f"±{number(width)}" if is_number(width) else None),
            ]
        ),
    ]
