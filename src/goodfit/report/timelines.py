"""Charts of forecasts: a window with what came after it, and the error at each distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goodfit.report.markup import Html
from goodfit.report.notation import is_number
from goodfit.report.svg import ACCENT, MUTED, SECOND, draw


def window(
    times: Sequence[str], past: Sequence[Any], actual: Sequence[Any], predicted: Sequence[Any], band: Sequence[Any], *, description: str
) -> Html:
    """The past in grey, what came after it beside the forecast with its interval. times: of the past and of what came, ISO texts or numbers.

    band: (low, high) of each step ahead.
    """
    import altair as alt

    dates = bool(times) and not all(_number(time) is not None for time in times)
    where = list(times) if dates else [_number(time) for time in times]
    ahead = where[len(past) :]
    known = [{"x": x, "y": y} for x, y in zip(where, past, strict=False) if is_number(y)]
    came = [*known[-1:], *({"x": x, "y": y} for x, y in zip(ahead, actual, strict=False) if is_number(y))]
    said = [{"x": x, "y": y} for x, y in zip(ahead, predicted, strict=False) if is_number(y)]
    inside = [{"x": x, "y": a, "top": b} for x, (a, b) in zip(ahead, band, strict=False) if is_number(a) and is_number(b)]
    x = alt.X(
        "x:T" if dates else "x:Q",
        title=None,
        axis=alt.Axis(tickCount=5),
        scale=alt.Scale(nice=False, zero=False) if not dates else alt.Undefined,
    )
    y = alt.Y("y:Q", title=None, scale=alt.Scale(zero=False))
    layers = [
        alt.Chart(_data(inside)).mark_area(fill=ACCENT, fillOpacity=0.14, line=False).encode(x=x, y=y, y2="top:Q"),
        alt.Chart(_data(known)).mark_line(stroke=MUTED, strokeWidth=1.2).encode(x=x, y=y),
        alt.Chart(_data(came)).mark_line(stroke=SECOND, strokeWidth=1.5).encode(x=x, y=y),
        alt.Chart(_data(said)).mark_line(stroke=ACCENT, strokeWidth=2, point={"size": 30} if len(said) < 3 else False).encode(x=x, y=y),
    ]
    return draw(alt.layer(*layers).properties(height=190), description)


def by_distance(rows: Sequence[dict[str, Any]], *, description: str) -> Html:
    """The mean absolute error at each distance, the network's and the naive forecast's. rows: {"step", "error", "naive"}."""
    import altair as alt

    def line(name: str, colour: str) -> Any:
        points = [{"x": row["step"], "y": row[name]} for row in rows if is_number(row.get(name))]
        mark = alt.Chart(_data(points)).mark_line(stroke=colour, strokeWidth=2, point={"size": 22} if len(points) < 3 else False)
        return mark.encode(
            x=alt.X("x:Q", title="Steps ahead", axis=alt.Axis(tickMinStep=1, format=",d"), scale=alt.Scale(nice=False, zero=False)),
            y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=True)),
        )

    return draw(alt.layer(line("naive", SECOND), line("error", ACCENT)).properties(height=190), description)


def _data(rows: Sequence[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=list(rows))


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
