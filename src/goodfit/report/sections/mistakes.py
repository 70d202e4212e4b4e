"""The worst mistakes with their rows or pictures."""

from __future__ import annotations

import re
from typing import Any

from goodfit.report.markup import Html, el, join, table
from goodfit.report.notation import clip, count, is_number, named, number, percent, value
from goodfit.report.records import Records
from goodfit.report.sections.each import per_target
from goodfit.report.sections.importance import ordered

_MOST = 20  # mistakes shown
_VALUES = 8  # columns of a row that are shown: the most important ones
# A picture that lies in the page. Anything else, an address above all, is not shown.
_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+")


def mistakes(records: Records) -> Html:
    return per_target("mistakes", "The worst mistakes", records, "the worst mistakes", _of)


def _of(target: dict[str, Any], records: Records) -> list[Any]:
    found = [item for item in target.get("mistakes") or [] if isinstance(item, dict)]
    if not found:
        return [el("p", "No mistakes were recorded.")]
    shown = found[:_MOST]
    said = f"The {count(len(shown), 'row')} with the largest loss. Look here first: a wrong label, a kind of row that is missing in training, or a column that misleads."
    if any(_picture(item) for item in shown):
        return [el("p", said, class_="quiet"), el("ul", *(_card(item) for item in shown), class_="pictures")]
    return [el("p", said, class_="quiet"), _rows(shown, target)]


def _place(item: dict[str, Any]) -> str:
    """The row, with its file where there are several."""
    return f"{count(item.get('row'))} of {clip(item['file'], 60)}" if item.get("file") else count(item.get("row"))


def _picture(item: dict[str, Any]) -> str | None:
    picture = item.get("image")
    return picture if isinstance(picture, str) and _PICTURE.fullmatch(picture) else None


def _card(item: dict[str, Any]) -> Html:
    actual, predicted = value(item.get("actual"), 60), value(item.get("predicted"), 60)
    picture = _picture(item)
    image = (
        el("img", src=picture, alt=f"Row {item.get('row')}: {actual}, taken for {predicted}")
        if picture
        else el("span", "no picture", class_="quiet")
    )
    sure = f" ({percent(item['probability'], 0)})" if is_number(item.get("probability")) else ""
    named = [clip(text, 60) for text in (item.get("values") or {}).values() if isinstance(text, str)][:1]
    return el(
        "li",
        image,
        el("p", el("span", "is ", class_="quiet"), el("b", actual)),
        el("p", el("span", "taken for ", class_="quiet"), el("b", predicted, class_="wrong"), sure),
        el("p", f"row {_place(item)}", join([", ", *named]) if named else None, class_="quiet small"),
    )


def _rows(shown: list[dict[str, Any]], target: dict[str, Any]) -> Html:
    known = list(dict.fromkeys(name for item in shown for name in (item.get("values") or {})))
    important = [item.get("column") for item in ordered(target)]
    rank = {name: position for position, name in enumerate(important)}
    columns = sorted(known, key=lambda name: rank.get(name, len(rank)))[:_VALUES]
    sure = any(is_number(item.get("probability")) for item in shown)
    numbers = all(is_number(item.get("actual")) and is_number(item.get("predicted")) for item in shown)
    head = [
        "Row",
        "Actual",
        "Predicted",
        "Certain of it" if sure else "Off by" if numbers else "Loss",
        *(named(name, 40) for name in columns),
    ]
    rows = []
    for item in shown:
        actual, predicted = item.get("actual"), item.get("predicted")
        off = number(predicted - actual) if numbers else number(item.get("loss"))  # type: ignore[operator]
        values = [_cell((item.get("values") or {}).get(name)) for name in columns]
        rows.append(
            [
                _place(item),
                value(actual, 60),
                el("span", value(predicted, 60), class_="wrong"),
                percent(item.get("probability")) if sure else off,
                *values,
            ]
        )
    left = len(known) - len(columns)
    more = el("p", f"Shown are the {len(columns)} columns that matter most of {count(len(known))}.", class_="quiet") if left > 0 else None
    return join([table("The worst mistakes", head, rows, numeric=(3,), class_="mistakes", hidden=True), more])


def _cell(item: Any) -> Any:
    text = value(item, 280)
    return el("span", text, class_="long") if len(text) > 60 else text  # a table's widths are for words, not for texts
