"""Every chart is valid Vega-Lite, in the colours of the page and of nothing but marks and text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_makers import MAKERS

from goodfit.report import charts, svg
from goodfit.report.markup import Html
from goodfit.report.page import page
from goodfit.report.records import read

COLOURS = {svg.INK, svg.MUTED, svg.GRID, svg.AXIS, svg.ACCENT, svg.SECOND}
STYLE = (Path(svg.__file__).parent / "page.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MAKERS)
def test_charts_are_valid(name: str, run_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """altair validates against the schema of Vega-Lite; the page itself leaves that out, since it takes as long as the drawing."""
    drawn: list[Any] = []

    def validate(chart: Any, description: str, **_: Any) -> Html:
        drawn.append(chart.to_dict(validate=True))
        return Html("")

    monkeypatch.setattr(charts, "draw", validate)
    page(read(run_folder(name)))
    assert (
        len(drawn)
        == {
            "empty": 0,
            "damaged": 0,
            "interrupted": 3,
            "images": 6,
            "binary": 7,
            "classes": 7,
            "numbers": 7,
            "several": 11,
            "multilabel": 4,
            "bare": 6,
            "many": 51,
            "everything": 7,
        }[name]
    )


@pytest.mark.parametrize("name", ["binary", "classes", "numbers", "everything"])
def test_charts_take_their_colours_from_the_page(name: str, run_folder: Callable[[str], Path]) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page(read(run_folder(name))), flags=re.DOTALL)
    assert drawings
    for drawing in drawings:
        used = set(re.findall(r' (?:fill|stroke)="([^"]*)"', drawing)) - {"none"}
        assert used <= COLOURS
        assert not re.search(r"<(?:image|script|style|a|use|foreignObject)\b", drawing)
        assert "font-family" not in drawing
        assert " id=" not in drawing, "drawings of one page would share it"
    for colour in COLOURS:
        assert f'[fill="{colour}"]' in STYLE
        assert f'[stroke="{colour}"]' in STYLE


def test_shortened_coordinates_leave_texts_alone() -> None:
    drawn = charts.lines([("a", [(1, 0.0005), (2, 0.0015), (3, 0.00123456)])], description="three rates, for a test")
    assert re.search(r">0\.00\d\d<", drawn)
    assert not re.search(r'="[^"]*\.\d{3}', drawn.split(">", 1)[1])


@pytest.mark.parametrize(
    "points",
    [
        [(1, 0.0)], [(1, 5.0)], [(1, -3.0), (2, -3.0)], [(1, 1e-12), (2, 1e-11)], [(1, 1e12), (2, 3e12)], [(1, 1e-9), (2, 1.0), (3, 1e9)],
        [(0, 0.0), (1, 0.0)], [(float(i), 1 / (i + 1)) for i in range(20_000)],
    ],
)  # fmt: skip
def test_lines_of_any_size(points: list[tuple[float, float]]) -> None:
    drawn = charts.lines([("a", points)], description="a line of any size", best=points[-1][0])
    assert drawn.startswith("<svg")
    assert "NaN" not in drawn
    assert len(drawn) < 40_000


@pytest.mark.parametrize(
    ("actual", "predicted"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([None, 1.0], [2.0, None]),
        ([1e-3, 1e4], [1e-3, 2e4]),
        ([-1e300, 1e300], [0.0, 1.0]),
    ],
)
def test_residuals_of_any_size(actual: list[Any], predicted: list[Any]) -> None:
    for draw in (charts.predicted_against_actual, charts.errors):
        assert "NaN" not in draw(actual, predicted, description="residuals of any size")


def test_thinning_keeps_both_ends() -> None:
    kept = charts.thinned(list(range(12_345)), 100)
    assert (len(kept), kept[0], kept[-1]) == (100, 0, 12_344)
    assert charts.thinned([1, 2], 100) == [1, 2]
