"""The page in a real browser: it asks for nothing, complains of nothing, fits a phone, and can be read in light and in dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from headless import Browser, browser
from run_makers import MAKERS

from goodfit.report.page import _SECTIONS

pytestmark = pytest.mark.slow

# Elements wider than the page, those left out that lie in a region that scrolls by itself.
WIDER = """
[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, .unseen, .skip, svg') && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.tagName + '.' + e.className).slice(0, 5)
"""

# Texts whose contrast with what lies behind them is under 4.5 (WCAG 2.2, level AA).
FAINT = """
(() => {
  const c = document.createElement('canvas').getContext('2d', {willReadFrequently: true}), known = {};
  const read = text => { c.clearRect(0, 0, 1, 1); c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const rgb = text => known[text] ??= read(text);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest('.unseen, .skip')) continue;
    let behind = e, back;
    while ((back = rgb(getComputedStyle(behind).backgroundColor))[3] < 255 && behind.parentElement) behind = behind.parentElement;
    const style = getComputedStyle(e), front = rgb(e.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(front.slice(0, 3)), light(back.slice(0, 3))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) found.push(e.tagName + '.' + (e.className.baseVal ?? e.className) + ' ' + style.color);
  }
  return [...new Set(found)].slice(0, 5);
})()
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize("name", MAKERS)
def test_it_asks_for_nothing_and_fits(name: str, page: Browser, report: Callable[[str], Path]) -> None:
    path = report(name)
    for width in (1400, 768, 400):
        page.open(path, width=width)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.run("document.documentElement.scrollWidth") <= width
        assert page.run(WIDER) == []
        assert page.requests() == []
        assert page.complaints() == []
    shown = page.run("[...document.querySelectorAll('section')].filter(s => s.getBoundingClientRect().height > 60).map(s => s.id)")
    assert shown == [section for section, _, _ in _SECTIONS if section not in ("limits", "looks", "samples", "unlabelled")]
    assert page.run("document.scripts.length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["binary", "images", "many", "everything"])
def test_every_text_can_be_read(name: str, dark: bool, page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report(name), dark=dark)
    paper = page.run("getComputedStyle(document.documentElement).backgroundColor")
    assert paper == ("rgb(21, 24, 28)" if dark else "rgb(252, 252, 251)")
    assert page.run(FAINT) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_charts_follow_the_scheme(dark: bool, page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report("binary"), dark=dark)
    ink = page.run("getComputedStyle(document.body).color")
    assert page.run("getComputedStyle(document.querySelector('.chart text[fill=\"#1d2126\"]')).fill") == ink


def test_pictures_are_shown(page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report("images"))
    assert page.run("[...document.images].map(i => i.complete && i.naturalWidth)") == [8] * 12


def test_nothing_in_the_data_runs(page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report("everything"))
    assert page.run("document.querySelectorAll('script, [onerror], [onload], iframe, object, embed').length") == 0
    assert not [event for event in page.events if event.get("method") == "Page.javascriptDialogOpening"]


def test_it_prints(page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report("everything"), dark=True, medium="print", width=700)
    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.run(FAINT) == []
    assert len(page.call("Page.printToPDF")["data"]) > 10_000


def test_a_phone_gets_readable_letters_in_charts(page: Browser, report: Callable[[str], Path]) -> None:
    page.open(report("classes"), width=400)
    smallest = "Math.min(...[...document.querySelectorAll('.chart text')].map(t => parseFloat(t.getAttribute('font-size')) * t.ownerSVGElement.getBoundingClientRect().width / t.ownerSVGElement.viewBox.baseVal.width))"
    assert page.run(smallest) >= 9
