"""Every chart of the report, as an altair specification of recorded numbers.

Fields have names of our own, never names from the data, so nothing in the data can reach Vega's expressions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from goodfit.report.markup import Html
from goodfit.report.notation import is_number, labels
from goodfit.report.svg import ACCENT, AXIS, INK, MUTED, SECOND, WIDTH, draw

_MOST_POINTS = 1_000  # of a line or a scatter: more than pixels, and each costs 60 bytes of the page
_LABEL = 24  # characters of an axis label; 300 of them would leave no plot


def data_of(rows: Iterable[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.Data(values=list(rows))


def thinned(rows: Sequence[Any], most: int = _MOST_POINTS) -> Sequence[Any]:
    """Evenly spaced rows, the last one among them."""
    if len(rows) <= most:
        return rows
    step = (len(rows) - 1) / (most - 1)
    return [rows[round(i * step)] for i in range(most)]


def _log_scale(values: Iterable[float], ratio: float) -> bool:
    numbers = list(values)
    return bool(numbers) and min(numbers) > 0 and max(numbers) / min(numbers) > ratio


def axis_for(values: Iterable[float], *, log: bool = False, share: bool = False, **more: Any) -> Any:
    """An axis whose numbers are written as people write them: 0.0005, 900, 12k, 1e-6; on a log scale a mark at each power of ten."""
    import altair as alt

    sizes = [abs(value) for value in values if value]
    largest = max(sizes, default=1.0)
    form = "%" if share else "~s" if largest >= 10_000 else "~e" if largest < 1e-3 else ",~f"
    if log:
        low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(largest))
        steps = (1, 2, 5) if high - low <= 2 else (1,)
        more["values"] = [step * 10.0**power for power in range(low, high + 1) for step in steps]
        form = "~s" if low >= 3 else "~e" if low < -4 else ",~g"
    return alt.Axis(format=form, **more)


def lines(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    *,
    description: str,
    best: float | None = None,
    height: int = 230,
    log_ratio: float = 40,
    colours: dict[str, str] | None = None,
    across: str = "Epoch",
) -> Html:
    """Numbers against the epoch, or what `across` says. series: (name, [(epoch, value)]), many may share a name; best: the epoch that is marked."""
    import altair as alt

    colours = colours or {}
    many = len(series) > 6
    rows = [
        {"x": x, "y": y, "line": index, "colour": colours.get(name, ACCENT)}
        for index, (name, points) in enumerate(series)
        for x, y in thinned(points, max(60, _MOST_POINTS // len(series)))
    ]
    heights = [row["y"] for row in rows]
    log = _log_scale(heights, log_ratio)
    flat = bool(heights) and min(heights) == max(heights) > 0  # a constant stands above zero, else no mark of the axis is near it
    scale = alt.Scale(domain=[0, 1.25 * heights[0]], nice=False) if flat else alt.Scale(type="log" if log else "linear", zero=False)
    epochs = {row["x"] for row in rows}
    plot = (
        alt.Chart(data_of(rows))
        .mark_line(
            strokeWidth=1.2 if many else 2,
            opacity=0.55 if many else 1,
            strokeJoin="round",
            point={"size": 22} if len(epochs) < 3 else False,
        )
        .encode(
            x=alt.X("x:Q", title=across, axis=alt.Axis(tickMinStep=1, format=",d"), scale=alt.Scale(nice=False, zero=False)),
            y=alt.Y("y:Q", title=None, scale=scale, axis=axis_for(heights, log=log, tickCount=3 if height < 150 else 5)),
            detail="line:N",
            color=alt.Color("colour:N", scale=None, legend=None),
        )
    )
    layers = [plot]
    if best is not None:
        mark = data_of([{"x": best, "text": f"best: epoch {best:g}"}])
        right = bool(epochs) and best > (min(epochs) + max(epochs)) / 2
        layers.insert(0, alt.Chart(mark).mark_rule(stroke=MUTED, strokeDash=[3, 3]).encode(x="x:Q"))
        layers.append(
            alt.Chart(mark)
            .mark_text(align="right" if right else "left", dx=-5 if right else 5, baseline="bottom", fill=MUTED)
            .encode(x="x:Q", y=alt.value(-3), text="text:N")
        )
    return draw(alt.layer(*layers).properties(height=height), description)


def standings(entries: Sequence[dict[str, Any]], *, title: str, description: str, share: bool = False) -> Html:
    """The network's score with its interval above the baselines' scores.

    entries: {"name", "value", "low"?, "high"?, "text"}, the network first. The band across is the network's interval. share: written as percentages.
    """
    import altair as alt

    names = labels([entry["name"] for entry in entries], _LABEL)
    rows: list[dict[str, Any]] = [
        {"name": name, "ours": index == 0, **{k: entry.get(k) for k in ("value", "low", "high", "text")}}
        for index, (name, entry) in enumerate(zip(names, entries, strict=True))
    ]
    ours = rows[:1]
    y = alt.Y(
        "name:N", sort=None, title=None, scale=alt.Scale(domain=names), axis=alt.Axis(labelColor=INK, labelLimit=190, labelPadding=10)
    )
    x = alt.X(
        "value:Q",
        title=title,
        scale=alt.Scale(zero=False, padding=14),
        axis=axis_for([row["value"] for row in rows], share=share, grid=True, tickCount=4),
    )
    plot = WIDTH - 6.2 * (max(len(name) for name in names) + max(len(str(row["text"])) for row in rows)) - 34  # 6.2 pixels a letter
    layers: list[Any] = []
    if is_number(ours[0]["low"]) and is_number(ours[0]["high"]):
        layers.append(
            alt.Chart(data_of(ours))
            .mark_rect(fill=ACCENT, fillOpacity=0.1)
            .encode(x=alt.X("low:Q", title=title), x2="high:Q", y=alt.value(0), y2=alt.value("height"))
        )
        layers.append(
            alt.Chart(data_of(ours)).mark_rule(stroke=ACCENT, strokeWidth=3).encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y)
        )
    layers.append(
        alt.Chart(data_of(rows))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.condition("datum.ours", alt.value(ACCENT), alt.value(SECOND)),
            shape=alt.condition("datum.ours", alt.value("circle"), alt.value("diamond")),
        )
    )
    layers.append(alt.Chart(data_of(rows)).mark_text(align="left", dx=10).encode(x=alt.value("width"), y=y, text="text:N"))
    return draw(alt.layer(*layers).properties(width=max(140, plot), height=34 * len(rows)), description, fit=False)


def matrix(classes: Sequence[str], counts: Sequence[Sequence[float]], *, description: str, totals: Sequence[float] | None = None) -> Html:
    """Actual classes against predicted ones; a cell is the darker, the larger its share of the actual class. The diagonal is right.

    totals: rows of each actual class, where the matrix is a part of a larger one.
    """
    import altair as alt

    size = len(classes)
    names = labels(classes, 14 if size > 6 else 20)
    totals = totals or [sum(row) for row in counts]
    cells = [
        {
            "actual": names[i],
            "predicted": names[j],
            "count": count,
            "share": min(1.0, count / totals[i]) if totals[i] else 0,
            "colour": ACCENT if i == j else SECOND,
        }
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count
    ]
    step = max(17, min(72, 330 // size))
    letters = 12 if step > 19 else 11
    axis: dict[str, Any] = {"labelLimit": 120, "labelFontSize": letters, "domain": False, "ticks": False, "labelColor": INK}
    angle = 0 if max(len(name) for name in names) * 7 <= step else -90
    x = alt.X(
        "predicted:N",
        title="Predicted",
        sort=None,
        scale=alt.Scale(domain=names, paddingInner=0.06),
        axis=alt.Axis(orient="top", labelAngle=angle, **axis),
    )
    y = alt.Y("actual:N", title="Actual", sort=None, scale=alt.Scale(domain=names, paddingInner=0.06), axis=alt.Axis(**axis))
    grid = [{"actual": name, "predicted": name} for name in names]
    blank = alt.Chart(data_of(grid)).mark_rect(fill=AXIS, fillOpacity=0.25, cornerRadius=2).encode(x=x, y=y)
    # With numbers, opacity up to 0.55 only: their ink stays readable on it, in light and in dark. Its root: one mistake in a hundred is seen.
    strongest = 0.55 if size <= 12 else 0.95
    tinted = (
        alt.Chart(data_of(cells))
        .mark_rect(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            fill=alt.Fill("colour:N", scale=None, legend=None),
            fillOpacity=alt.FillOpacity("share:Q", scale=alt.Scale(type="sqrt", domain=[0, 1], range=[0, strongest]), legend=None),
        )
    )
    layers = [blank, tinted]
    if size <= 12:
        layers.append(
            alt.Chart(data_of(cells))
            .mark_text(fontSize=13 if size <= 6 else 11)
            .encode(x=x, y=y, text=alt.Text("count:Q", format=",d" if size <= 6 else "~s"))
        )
    return draw(alt.layer(*layers).properties(width=step * size, height=step * size), description, fit=False)


def predicted_against_actual(actual: Sequence[float], predicted: Sequence[float], *, description: str) -> Html:
    """A point a row; on the diagonal the prediction is right."""
    import altair as alt

    pairs = thinned([(a, p) for a, p in zip(actual, predicted, strict=False) if is_number(a) and is_number(p)])
    both = [value for pair in pairs for value in pair]
    log = _log_scale(both, 100)
    kind: Literal["log", "linear"] = "log" if log else "linear"
    scale = alt.Scale(type=kind, zero=False, nice=True)
    ends = [{"x": min(both, default=0), "y": min(both, default=0)}, {"x": max(both, default=1), "y": max(both, default=1)}]
    points = (
        alt.Chart(data_of({"x": a, "y": p} for a, p in pairs))
        .mark_circle(size=16, fill=ACCENT, fillOpacity=0.35, opacity=1)
        .encode(
            x=alt.X("x:Q", title="Actual", scale=scale, axis=axis_for(both, log=log, grid=True)),
            y=alt.Y("y:Q", title="Predicted", scale=scale, axis=axis_for(both, log=log)),
        )
    )
    diagonal = alt.Chart(data_of(ends)).mark_line(stroke=MUTED, strokeDash=[4, 3], strokeWidth=1).encode(x="x:Q", y="y:Q")
    return draw(alt.layer(points, diagonal).properties(height=330), description)


def errors(actual: Sequence[float], predicted: Sequence[float], *, description: str) -> Html:
    """How often the prediction was off by how much."""
    import altair as alt

    rows = [{"off": p - a} for a, p in thinned(list(zip(actual, predicted, strict=False)), 5_000) if is_number(a) and is_number(p)]
    bars = (
        alt.Chart(data_of(rows))
        .transform_bin(["low", "high"], field="off", bin=alt.Bin(maxbins=41))
        .transform_aggregate(rows="count()", groupby=["low", "high"])
        .mark_rect(fill=ACCENT, fillOpacity=0.75, stroke=None, xOffset=0.5, x2Offset=-0.5)
        .encode(
            x=alt.X("low:Q", title="Predicted minus actual", axis=axis_for(row["off"] for row in rows), scale=alt.Scale(zero=False)),
            x2="high:Q",
            y=alt.Y("rows:Q", title="Rows", axis=axis_for([len(rows)])),
            y2=alt.Y2(datum=0),
        )
    )
    zero = alt.Chart(data_of([{"x": 0}])).mark_rule(stroke=MUTED, strokeDash=[4, 3]).encode(x="x:Q")
    return draw(alt.layer(bars, zero).properties(height=330), description)


def reliability(bins: Sequence[dict[str, Any]], *, description: str) -> Html:
    """Stated probability against the share that came true; the larger the circle, the more rows."""
    import altair as alt

    rows = [
        {"x": b["predicted"], "y": b["observed"], "n": b.get("count", 0)}
        for b in bins
        if b.get("count", 1) and is_number(b.get("predicted")) and is_number(b.get("observed"))
    ]
    scale = alt.Scale(domain=[0, 1])
    axis: dict[str, Any] = {"format": ".0%", "tickCount": 5}
    diagonal = (
        alt.Chart(data_of([{"x": 0, "y": 0}, {"x": 1, "y": 1}]))
        .mark_line(stroke=MUTED, strokeDash=[4, 3], strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    x = alt.X("x:Q", title="Stated probability", scale=scale, axis=alt.Axis(grid=True, **axis))
    y = alt.Y("y:Q", title="Came true", scale=scale, axis=alt.Axis(**axis))
    joined = alt.Chart(data_of(rows)).mark_line(stroke=ACCENT, strokeWidth=1.5).encode(x=x, y=y)
    circles = (
        alt.Chart(data_of(rows))
        .mark_circle(fill=ACCENT, opacity=1, fillOpacity=0.8)
        .encode(x=x, y=y, size=alt.Size("n:Q", scale=alt.Scale(range=[18, 260], zero=True), legend=None))
    )
    return draw(alt.layer(diagonal, joined, circles).properties(height=330), description)


def importances(items: Sequence[dict[str, Any]], *, title: str, description: str) -> Html:
    """How far the score falls when a column is shuffled, with intervals. items: {"column", "drop", "low", "high"}, largest first."""
    import altair as alt

    names = labels([item.get("column", "") for item in items], _LABEL)
    rows: list[dict[str, Any]] = [
        {"name": name, "drop": item.get("drop"), "low": item.get("low"), "high": item.get("high")}
        for name, item in zip(names, items, strict=True)
    ]
    rows = [row for row in rows if is_number(row["drop"])]
    y = alt.Y("name:N", sort=None, title=None, scale=alt.Scale(domain=names), axis=alt.Axis(labelColor=INK, labelLimit=190, labelPadding=8))
    x = alt.X("drop:Q", title=title, axis=axis_for((row["drop"] for row in rows), grid=True, tickCount=5))
    bars = alt.Chart(data_of(rows)).mark_bar(fill=ACCENT, fillOpacity=0.7, height={"band": 0.55}).encode(x=x, y=y)
    spread = [row for row in rows if is_number(row["low"]) and is_number(row["high"])]
    whiskers = alt.Chart(data_of(spread)).mark_rule(stroke=INK, strokeWidth=1.3).encode(x=alt.X("low:Q", title=title), x2="high:Q", y=y)
    return draw(alt.layer(bars, whiskers).properties(height=max(60, 24 * len(rows) + 40)), description)
