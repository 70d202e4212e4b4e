"""What needs no target: rows that are given back, and pictures that are generated beside real ones."""

from __future__ import annotations

import re
from typing import Any

from goodfit.report.markup import Html, el, section, table
from goodfit.report.notation import clip, count, named, number, percent
from goodfit.report.records import Records

# A picture that lies in the page. Anything else, an address above all, is not shown.
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
KINDS = ("reconstruction", "generation")
# Sections that have nothing to say of these.
SILENT = {
    "reconstruction": ("errors", "calibration", "importance", "mistakes"),
    "generation": ("errors", "calibration", "importance", "mistakes"),
}


def silent(records: Records) -> tuple[str, ...]:
    """The sections that the run's task leaves empty."""
    kind = next((target.get("kind") for target in records.targets), None)
    return SILENT.get(str(kind), ("unlabelled",))


def unlabelled(records: Records) -> Html:
    target = records.targets[0]
    if target.get("kind") == "reconstruction":
        return section("unlabelled", "What it gives back", *_rebuilt(target.get("rebuilt") or {}))
    return section("unlabelled", "What it makes", *_generated(target.get("generated") or {}))


def _rebuilt(found: dict[str, Any]) -> list[Any]:
    pictures = found.get("pictures") or {}
    parts: list[Any] = [
        el(
            "p",
            f"Each row passes through a code of {count(found.get('size'), 'number')} and is given back from that alone.",
            class_="quiet",
        )
    ]
    said = {
        "chance": ("Originals above what is given back", " Rows that chance took."),
        "worst": ("The same of the rows that are given back worst", " What is unlike all others: look here for outliers and mistakes."),
    }
    parts += [_figure(pictures.get(name), *words) for name, words in said.items() if _is_picture(pictures.get(name))]
    worst = [item for item in found.get("worst") or [] if isinstance(item, dict)]
    if worst:
        rows = [[_place(item), number(item.get("error"))] for item in worst]
        parts.append(table("The rows that are given back worst", ("Row", "Mean squared error"), rows, numeric=(0, 1)))
    codes = found.get("codes")
    if isinstance(codes, dict) and isinstance(codes.get("accuracy"), dict):
        parts.append(
            el(
                "p",
                f"Of {clip(str(codes.get('label')), 60)}, which training did not see, a logistic regression on the codes predicts ",
                el("b", percent(codes["accuracy"].get("autoencoder"))),
                f" of {count(codes.get('rows'), 'row')} correctly, and on as many principal components {percent(codes['accuracy'].get('PCA'))}.",
            )
        )
    return parts


def _generated(found: dict[str, Any]) -> list[Any]:
    pictures = found.get("pictures") or {}
    judge = found.get("judge") or {}
    parts: list[Any] = [el("p", clip(str(judge.get("said") or ""), 600), class_="quiet")] if judge.get("said") else []
    said = {"generated": ("Generated", " Pictures that no one has seen before."), "real": ("Real", " Pictures that training did not see.")}
    figures = [_figure(pictures.get(name), *words) for name, words in said.items() if _is_picture(pictures.get(name))]
    parts += [el("div", *figures, class_="pair")] if figures else []
    classes = [item for item in found.get("classes") or [] if isinstance(item, dict)]
    if classes:
        rows = [
            [named(str(item.get("name")), 60), percent(item.get("generated")), percent(item.get("real")), percent(item.get("confidence"))]
            for item in classes
        ]
        head = ("Class", "Of the generated", "Of the real", "Confidence of the judge, generated")
        parts.append(table("What the judge takes the pictures for", head, rows, numeric=(1, 2, 3)))
    return parts


def _is_picture(picture: Any) -> bool:
    return isinstance(picture, str) and _PICTURE.fullmatch(picture) is not None


def _figure(picture: Any, title: str, said: str) -> Html:
    return el(
        "figure", el("figcaption", el("b", f"{title}."), said), el("img", src=picture, alt=title, style="max-width:100%"), class_="chart"
    )


def _place(item: dict[str, Any]) -> str:
    """The row, with its file where there are several."""
    return f"{count(item.get('row'))} of {clip(item['file'], 60)}" if item.get("file") else count(item.get("row"))
