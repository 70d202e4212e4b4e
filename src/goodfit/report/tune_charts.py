"""The charts of a search: how it went, each setting against the score, all settings at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.report import charts
from goodfit.report.charts import axis_for, data_of, thinned
from goodfit.report.markup import Html
from goodfit.report.notation import clip, is_number, labels
from goodfit.report.svg import ACCENT, INK, MUTED, SECOND

_SHOWN = 0.9  # share of the trials that a chart shows: those that went astray would leave the rest a line


def course(points: Sequence[tuple[float, float]], *, maximise: bool, metric: str, description: str) -> Html:
    """The score of each trial by its number, and the best so far. points: in the order of their numbers."""
    import altair as alt

    best, so_far = None, []
    for number, score in points:
        best = score if best is None else max(best, score) if maximise else min(best, score)
        so_far.append({"x": number, "y": best})
    low, high = _most([score for _, score in points], maximise=maximise)
    shown = [(number, score) for number, score in points if low <= score <= high]
    so_far = [row for row in so_far if low <= row["y"] <= high]
    x = alt.X("x:Q", title="Trial", axis=alt.Axis(tickMinStep=1, format=",d"), scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("y:Q", title=metric, scale=alt.Scale(zero=False), axis=axis_for([low, high]))
    each = alt.Chart(data_of({"x": a, "y": b} for a, b in thinned(shown))).mark_circle(size=26, fill=MUTED).encode(x=x, y=y)
    line = alt.Chart(data_of(thinned(so_far))).mark_line(stroke=ACCENT, strokeWidth=2, interpolate="step-after").encode(x=x, y=y)
    return charts.draw(alt.layer(each, line).properties(height=230), description)


def cut(
    points: Sequence[tuple[Any, float]], *, name: str, metric: str, log: bool, words: bool, best: Any, maximise: bool, description: str
) -> Html:
    """One setting against the score, the best marked. points: best first. words: whether its values are names rather than numbers."""
    import altair as alt

    low, high = _most([score for _, score in points], maximise=maximise)
    mark = next((score for own, score in points if own == best), None)
    rows = [{"x": str(a) if words else a, "y": b, "best": a == best and b == mark} for a, b in thinned(points) if low <= b <= high]
    rows.sort(key=lambda row: row["best"])  # drawn last, on top
    values = [row["x"] for row in rows]
    if words:
        x = alt.X("x:N", title=clip(name, 40), axis=alt.Axis(labelColor=INK, labelAngle=0, labelLimit=90))
    else:
        log = log and min(values) > 0
        x = alt.X(
            "x:Q",
            title=clip(name, 40),
            scale=alt.Scale(type="log" if log else "linear", zero=False),
            axis=axis_for(values, log=log and _wide(values)),
        )
    plot = (
        alt.Chart(data_of(rows))
        .mark_circle(opacity=0.8)
        .encode(
            x=x,
            y=alt.Y("y:Q", title=metric, scale=alt.Scale(zero=False), axis=axis_for([low, high])),
            color=alt.condition("datum.best", alt.value(SECOND), alt.value(ACCENT)),
            size=alt.condition("datum.best", alt.value(110), alt.value(34)),
        )
    )
    return charts.draw(plot.properties(height=190), description)


def parallel(trials: Sequence[Mapping[str, Any]], space: Mapping[str, Mapping[str, Any]], *, few: int, description: str) -> Html:
    """Each trial a line over all settings, each on its own scale from its low end to its high one. trials: best first; the first `few` stand out."""
    import altair as alt

    names = labels(list(space), 18)
    rows: list[dict[str, Any]] = []
    for rank, trial in enumerate(trials[:300]):
        for label, (setting, about) in zip(names, space.items(), strict=True):
            place = place_of(about, trial.get(setting))
            if place is not None:
                rows.append({"setting": label, "place": place, "trial": rank, "good": rank < few})
    rows.sort(key=lambda row: row["good"])
    x = alt.X(
        "setting:N",
        sort=None,
        title=None,
        scale=alt.Scale(domain=names),
        axis=alt.Axis(labelColor=INK, labelAngle=0 if len(names) < 5 else -35, grid=True),
    )
    y = alt.Y("place:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(values=[0, 1], labelExpr="datum.value ? 'high' : 'low'"))
    layers = []
    for good, colour, width, opacity in ((False, MUTED, 1.0, 0.3), (True, ACCENT, 2.0, 0.9)):
        own = [row for row in rows if row["good"] == good]
        layers.append(
            alt.Chart(data_of(own)).mark_line(stroke=colour, strokeWidth=width, opacity=opacity).encode(x=x, y=y, detail="trial:N")
        )
    return charts.draw(alt.layer(*layers).properties(height=260), description)


def place_of(about: Mapping[str, Any], value: Any) -> float | None:
    """Where a value lies between the ends of its range, or among its choices, from 0 to 1."""
    choices = about.get("choices")
    if isinstance(choices, list):
        return choices.index(value) / max(len(choices) - 1, 1) if value in choices else None
    low, high = about.get("low"), about.get("high")
    if not (is_number(value) and is_number(low) and is_number(high)) or low >= high:
        return None
    if about.get("log"):
        if min(low, value) <= 0:
            return None
        low, high, value = math.log(low), math.log(high), math.log(value)
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _wide(values: Sequence[float]) -> bool:
    return max(values) / min(values) > 3


def _most(scores: Sequence[float], *, maximise: bool) -> tuple[float, float]:
    """The ends between which the scores of most trials lie, the best among them."""
    ranked = sorted(scores, reverse=maximise)
    worst = ranked[math.ceil(_SHOWN * (len(ranked) - 1))]
    return min(ranked[0], worst), max(ranked[0], worst)
