"""A forecast beside what came: the last windows of the test, and the error at each distance."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import Html, el
from goodfit.report.notation import clip, count, is_number, number
from goodfit.report.timelines import by_distance, window


def forecast(found: dict[str, Any]) -> list[Any]:
    """The figures of one target's forecast."""
    windows = [item for item in found.get("windows") or [] if isinstance(item, dict)]
    return [*_distances(found), *([el("div", *(_window(item) for item in windows), class_="pair")] if windows else [])]


def _window(item: dict[str, Any]) -> Html:
    times, past = [str(time) for time in item.get("times") or []], item.get("past") or []
    begins = clip(times[len(past)], 40) if len(past) < len(times) else ""
    chart = window(
        times,
        past,
        item.get("actual") or [],
        item.get("predicted") or [],
        list(zip(item.get("low") or [], item.get("high") or [], strict=False)),
        description=f"Forecast from {begins} on, with the past before it and what came.",
    )
    keys = el(
        "span",
        el("span", el("span", class_="swatch accent"), "forecast, with its interval"),
        el("span", el("span", class_="swatch second"), "what came"),
        class_="keys",
    )
    return el("figure", el("figcaption", el("b", f"From {begins}"), " The past is grey. ", keys), chart, class_="chart")


def _distances(found: dict[str, Any]) -> list[Any]:
    rows = [row for row in found.get("by_step") or [] if isinstance(row, dict) and is_number(row.get("error"))]
    if not rows:
        return []
    first, last = rows[0], rows[-1]
    naive = f"; the naive forecast by {number(last['naive'])}" if is_number(last.get("naive")) else ""
    said = (
        f"Every step was forecast from each of the {count(found.get('horizon'))} steps before it: one {clip(str(found.get('step')), 40)} ahead it is off by "
        f"{number(first['error'])} on average, {count(last['step'])} steps ahead by {number(last['error'])}{naive}."
    )
    chart = by_distance(rows, description=said)
    keys = el(
        "span",
        el("span", el("span", class_="swatch accent"), "this network"),
        el("span", el("span", class_="swatch second"), "naive forecast"),
        class_="keys",
    )
    caption = el("figcaption", el("b", "Mean absolute error by steps ahead"), " ", keys)
    return (
        [el("p", said, class_="quiet"), el("figure", caption, chart, class_="chart")] if len(rows) > 1 else [el("p", said, class_="quiet")]
    )
