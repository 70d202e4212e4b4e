"""Where the network errs: the confusion matrix of classes, the residuals of numbers."""

from __future__ import annotations

from typing import Any

from goodfit.report.charts import errors as error_histogram
from goodfit.report.charts import matrix, predicted_against_actual
from goodfit.report.markup import Html, el, scroll, table
from goodfit.report.notation import clip, count, named, percent
from goodfit.report.records import Records
from goodfit.report.sections.boxes import boxes
from goodfit.report.sections.each import per_target
from goodfit.report.sections.forecast import forecast

_WHOLE = 30  # classes that are drawn all; a larger matrix has no readable labels and megabytes of cells
_PART = 24  # classes of a larger matrix that are drawn: those with the most mistakes
_CONFUSED = 10  # pairs in the table beside a matrix
_FREQUENT = "The most frequent mistakes"
_OF_PAIRS = ("Actual", "Taken for", "Rows", "Of the class")


def errors(records: Records) -> Html:
    return per_target("errors", "Where it errs", records, "the confusion matrix", _of)


def _of(target: dict[str, Any], records: Records) -> list[Any]:
    confusion, residuals = target.get("confusion"), target.get("residuals")
    if confusion and confusion.get("classes"):
        return _confusion([str(name) for name in confusion["classes"]], confusion["counts"])
    if confusion and confusion.get("pairs") is not None:
        return _pairs(confusion)
    if residuals and residuals.get("actual"):
        return [*forecast(target.get("forecast") or {}), *_residuals(residuals["actual"], residuals["predicted"])]
    if target.get("kind") == "detection":
        return boxes(target)
    if target.get("kind") == "multilabel":
        return [el("p", "Several labels may hold at once, so there is no confusion matrix; the score of each label stands above.")]
    if target.get("classes"):
        return [
            el(
                "p",
                f"For {count(len(target['classes']), 'class', 'classes')} no confusion matrix was recorded; the worst mistakes stand below.",
            )
        ]
    return [el("p", "Neither a confusion matrix nor residuals were recorded.")]


def _confusion(classes: list[str], counts: list[list[float]]) -> list[Any]:
    totals = [sum(row) for row in counts]
    pairs = sorted(
        ((n, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n),
        key=lambda item: (-item[0], item[1], item[2]),
    )
    said = _said(sum(n for n, _, _ in pairs), sum(totals))
    shown = list(range(len(classes)))
    if len(classes) > _WHOLE:
        mistakes = [0.0] * len(classes)
        for n, i, j in pairs:
            mistakes[i] += n
            mistakes[j] += n
        shown = sorted(sorted(shown, key=lambda i: -mistakes[i])[:_PART])
        said += f" Of {count(len(classes))} classes, the {_PART} with the most mistakes are drawn."
    chart = matrix(
        [classes[i] for i in shown],
        [[counts[i][j] for j in shown] for i in shown],
        totals=[totals[i] for i in shown],
        description=f"Confusion matrix of {len(classes)} classes. {said} " + _told(pairs, classes, totals),
    )
    caption = el(
        "figcaption",
        el("b", "Confusion matrix"),
        " A row is an actual class; the stronger a cell, the larger its share of the row.",
        el(
            "span",
            el("span", el("span", class_="swatch accent"), "right"),
            el("span", el("span", class_="swatch second"), "wrong"),
            class_="keys",
        ),
    )
    large = len(shown) > 12
    figure = el("figure", caption, scroll(chart, label="Confusion matrix") if large else chart, class_="chart large" if large else "chart")
    rows = [[named(classes[i], 80), named(classes[j], 80), count(n), percent(n / totals[i])] for n, i, j in pairs[:_CONFUSED]]
    listing = table(_FREQUENT, _OF_PAIRS, rows, numeric=(2, 3)) if rows and len(classes) > 2 else _binary(classes, counts)
    return [el("p", said, class_="quiet"), el("div", figure, listing, class_="pair unequal" if large else "pair")]


def _pairs(confusion: dict[str, Any]) -> list[Any]:
    """Of more classes than a matrix can show, the pairs that were recorded."""
    rows = [
        [named(str(pair["actual"]), 80), named(str(pair["predicted"]), 80), count(pair["count"]), percent(pair["count"] / pair["of"])]
        for pair in confusion["pairs"]
    ]
    said = el("p", _said(confusion["wrong"], confusion["rows"]), class_="quiet")
    return [said, table(_FREQUENT, _OF_PAIRS, rows, numeric=(2, 3))] if rows else [said]


def _said(wrong: float, rows: float) -> str:
    return f"{count(wrong)} of {count(rows)} rows are predicted wrong." if wrong else f"All {count(rows)} rows are predicted right."


def _told(pairs: list[tuple[float, int, int]], classes: list[str], totals: list[float]) -> str:
    told = [f"{clip(classes[i], 30)} taken for {clip(classes[j], 30)}: {n:g} of {totals[i]:g}" for n, i, j in pairs[:5]]
    return f"Most frequent mistakes: {'; '.join(told)}." if told else ""


def _binary(classes: list[str], counts: list[list[float]]) -> Html | None:
    """Two classes: how many of each are found, and how many of those named are right."""
    rows = []
    for i, name in enumerate(classes):
        actual, told = sum(counts[i]), sum(row[i] for row in counts)
        rows.append(
            [
                named(name, 80),
                percent(counts[i][i] / actual) if actual else "–",
                percent(counts[i][i] / told) if told else "–",
                count(actual),
            ]
        )
    return table("Each class", ("Class", "Found of it (recall)", "Right when named (precision)", "Rows"), rows, numeric=(1, 2, 3))


def _residuals(actual: list[float], predicted: list[float]) -> list[Any]:
    rows = len(actual)
    drawn = f"1,000 of {count(rows)} rows are drawn." if rows > 1_000 else ""
    scatter = predicted_against_actual(
        actual,
        predicted,
        description=f"Predicted against actual values of {count(rows)} rows; on the dashed diagonal a prediction is right.",
    )
    spread = error_histogram(
        actual, predicted, description="Histogram of predicted minus actual values; at the dashed line the prediction is right."
    )
    first = el(
        "figure",
        el("figcaption", el("b", "Predicted against actual"), f" On the dashed line the prediction is right. {drawn}"),
        scatter,
        class_="chart",
    )
    second = el(
        "figure",
        el("figcaption", el("b", "How far it is off"), " Right of the dashed line it predicts too much, left of it too little."),
        spread,
        class_="chart",
    )
    return [el("div", first, second, class_="pair")]
