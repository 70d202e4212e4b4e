"""A chart as SVG that lies in the page: drawn by vl-convert without a network, light in bytes, coloured by the page.

Charts are drawn in the colours below. The style sheet finds these very attributes (`.chart [fill="#2b5f9e"]`) and gives each
its colour for light and dark; where no style sheet reaches, the light colours stay.
"""

from __future__ import annotations

import re
from typing import Any

from goodfit.report.markup import Html, escape

INK, MUTED, GRID, AXIS = "#1d2126", "#5b636d", "#e4e7ea", "#b9c0c7"
ACCENT, SECOND = "#2b5f9e", "#b4541a"  # the network; the baselines, and what went wrong

WIDTH = 440  # pixels: two charts side by side on a desk, one on a phone, at the same size of letters

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "aria": False,  # the figure carries one description; a label on each of a thousand marks helps nobody
    "font": "sans-serif",  # measured here in whatever has Arial's widths; the style sheet names the fonts that have
    "padding": {"left": 2, "right": 6, "top": 16, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelPadding": 5,
        "tickSize": 4,
    },
    "axisY": {"domain": False, "ticks": False, "tickCount": 5},
    "axisX": {"grid": False, "tickCount": 6},
    "text": {"fontSize": 12, "fill": INK},
}

# What Vega writes that no browser needs here.
_NOISE = (
    re.compile(r'<path class="(?:background|foreground)"[^>]*? d="(?:M0,0h0v0h0Z)?"[^>]*?/>'),
    re.compile(r'<rect width="[\d.]+" height="[\d.]+" fill="(?:white|transparent)"/>'),
    re.compile(r' (?:xmlns(?::xlink)?|version|pointer-events|aria-[a-z]+|role|stroke-miterlimit|font-family)="[^"]*"'),
    re.compile(r'<text [^>]* opacity="0"[^>]*>[^<]*</text>'),  # labels that would overlap
    re.compile(r' class="(?!marks")[^"]*"'),
    re.compile(r' opacity="1"'),
)
_EMPTY = re.compile(r"<g(?: [^>]*)?></g>")
_TAG = re.compile(r"<[^>]*>")
_LONG_DECIMAL = re.compile(r"(\d+\.\d{2})\d+")


def draw(chart: Any, description: str, *, width: int = WIDTH, fit: bool = True) -> Html:
    """An altair chart as an `<svg>` element of `width` pixels with `description` as its text.

    fit: the plot shrinks so that axes and all are `width` wide; without it the plot itself is.
    """
    import altair as alt
    import vl_convert

    spec = chart.to_dict(validate=False)  # the tests validate every chart; here it would cost as much as the drawing
    spec["config"] = _CONFIG
    spec.setdefault("width", width)
    if fit:
        spec["autosize"] = {"type": "fit", "contains": "padding"}
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    supported = vl_convert.get_vegalite_versions()
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=version if version in supported else supported[-1], allowed_base_urls=[])
    return _slim(drawn, description)


def _slim(svg: str, description: str) -> Html:
    body = svg
    for pattern in _NOISE:
        body = pattern.sub("", body)
    length = -1
    while length != len(body):
        length = len(body)
        body = _EMPTY.sub("", body)
    body = _TAG.sub(lambda tag: _LONG_DECIMAL.sub(r"\1", tag[0]), body)  # hundredths of a pixel; text between tags stays
    assert not any("url(#" in tag for tag in _TAG.findall(body)), (
        "a drawing that names its parts would share the names with others of the page"
    )
    return Html(body.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))
