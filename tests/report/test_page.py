"""The page: well-formed, escaped, self-contained, the same for the same records, and whole where records are missing."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_runs import FINDINGS, picture, write
from hostile_runs import LONG, MARKUP, history
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from run_makers import MAKERS

from goodfit.base.errors import BundleError
from goodfit.report import build
from goodfit.report.markup import Html, clean, el, table
from goodfit.report.page import _SECTIONS, page
from goodfit.report.records import read

VOID = {"meta", "link", "br", "img", "hr"}
ALLOWED = {
    "html", "head", "body", "meta", "title", "link", "style", "main", "nav", "header", "section", "footer", "div", "p", "span", "a", "b", "strong", "code", "pre", "h1", "h2", "h3", "h4",
    "ul", "ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "details", "summary", "img",
    "svg", "g", "path", "line", "text", "rect", "defs", "clippath",
}  # fmt: skip


class Page(HTMLParser):
    """Every element with its attributes, and what is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{name}> is never closed" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, attrs)
        if "svg" not in self.open:
            self.faults.append(f"<{tag}/> outside a picture")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def _seen(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> has an attribute twice")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    @property
    def text(self) -> str:
        return "".join(self.words)


def check(text: str) -> Page:
    """The page is well-formed, holds nothing that runs, and asks for nothing."""
    seen = Page(text)
    assert seen.faults == []
    identifiers = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in seen.elements:
        assert tag in ALLOWED
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            address = attributes.get(name, "data:,")
            assert address.startswith(("data:image/", "data:,", "#")), (tag, address)
            if address.startswith("#"):
                assert address[1:] in identifiers
        assert "url(" not in attributes.get("style", "")
    styles = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in styles
    assert "@import" not in styles
    for drawing in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ET.fromstring(drawing)
    return seen


@pytest.mark.parametrize("name", MAKERS)
def test_page_is_whole(name: str, run_folder: Callable[[str], Path], report: Callable[[str], Path]) -> None:
    path = report(name)
    text = path.read_text(encoding="utf-8")
    seen = check(text)
    assert path == run_folder(name) / "report.html"
    assert len(text.encode()) < 1_000_000
    sections = [attributes["id"] for tag, attributes in seen.elements if tag == "section"]
    assert sections == [
        section for section, _, _ in _SECTIONS if section not in ("limits", "looks", "samples", "unlabelled")
    ]  # which few runs have
    assert sum(tag == "h1" for tag, _ in seen.elements) == 1
    levels = [int(tag[1]) for tag, _ in seen.elements if re.fullmatch("h[1-4]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "no level of headings is left out"
    for tag, attributes in seen.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert len(attributes["aria-label"]) > 20
        if tag == "img":
            assert attributes["alt"]
    assert sum(tag == "table" for tag, _ in seen.elements) == sum(tag == "caption" for tag, _ in seen.elements)


def test_the_browser_is_told_to_load_and_run_nothing(run_folder: Callable[[str], Path]) -> None:
    seen = check(str(page(read(run_folder("empty")))))
    (policy,) = [attributes["content"] for tag, attributes in seen.elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


@pytest.mark.parametrize("name", ["binary", "numbers", "images", "several", "multilabel", "interrupted"])
def test_same_records_same_bytes(name: str, run_folder: Callable[[str], Path], report: Callable[[str], Path], tmp_path: Path) -> None:
    first = report(name).read_bytes()
    again = shutil.copytree(run_folder(name), tmp_path / "elsewhere" / name)
    assert build(again).read_bytes() == first


def test_it_reads_records_and_writes_one_file(run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("binary"), tmp_path / "run", ignore=shutil.ignore_patterns("report.html"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    build(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(after) - set(before) == {"report.html"}
    assert {name: after[name] for name in before} == before


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="goodfit train"):
        build(tmp_path / "nothing")


@pytest.mark.parametrize(
    "left_out", ["run", "analysis", "schema", "data", "environment", "findings", "network", "recipe", "history", "test-ledger"]
)
def test_any_record_may_be_absent(left_out: str, run_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(run_folder("bare"), tmp_path / "run", ignore=shutil.ignore_patterns(f"{left_out}.*"))
    seen = check(build(folder).read_text(encoding="utf-8"))
    said = {
        "analysis": "analysis.json, so the score",
        "findings": "findings.json, so",
        "history": "history.jsonl, so",
        "test-ledger": "test-ledger.jsonl, so",
    }
    assert said.get(left_out, "") in seen.text


def test_an_interrupted_run_says_how_to_go_on(report: Callable[[str], Path]) -> None:
    seen = check(report("interrupted").read_text(encoding="utf-8"))
    assert "interrupted at epoch 7" in seen.text, "the line that was cut short is left out"
    assert "goodfit train interrupted --resume" in seen.text
    assert "goodfit predict" not in seen.text


def test_damaged_records_are_named(report: Callable[[str], Path]) -> None:
    seen = check(report("damaged").read_text(encoding="utf-8"))
    for name in ("findings.json", "analysis.json", "environment.json", "network.json"):
        assert f"{name} cannot be read" in seen.text


def test_the_sentence_of_the_headline(run_folder: Callable[[str], Path], report: Callable[[str], Path]) -> None:
    analysis = json.loads((run_folder("binary") / "analysis.json").read_text())
    accuracy = analysis["targets"][0]["scores"]["metrics"]["accuracy"]
    text = check(report("binary").read_text(encoding="utf-8")).text
    assert f"{100 * accuracy['value']:.1f}\u202f%" in text
    assert f"95\u202f% interval {100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f}\u202f%" in text


def test_findings_stand_in_the_order_of_their_gravity(report: Callable[[str], Path]) -> None:
    text = check(report("binary").read_text(encoding="utf-8")).text
    places = [text.index(code) for code in ("data.leak", "data.label_conflict", "data.duplicate_column")]
    assert places == sorted(places)
    assert all(finding["remedy"].rstrip(".") in text for finding in FINDINGS)


@pytest.mark.parametrize(("openings", "aloud"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_second_opening_of_the_test_set_is_said_aloud(openings: int, aloud: bool, tmp_path: Path) -> None:
    lines = [{"time": "2026-11-22", "purpose": "goodfit evaluate", "rows": 10, "count": i + 1} for i in range(openings)]
    text = check(build(write(tmp_path / "run", ledger=lines, history=history(2))).read_text(encoding="utf-8")).text
    assert text.count(f"was opened {openings} times") == (2 if aloud else 0), "in the headline and in its section"
    assert ("was opened once" in text) == (openings == 1)
    assert ("has not been opened" in text) == (openings == 0)


def test_a_torn_line_of_the_ledger_counts_as_an_opening(tmp_path: Path) -> None:
    write(tmp_path / "run", ledger='{"time": "2026-11-22", "purpose": "a", "rows": 10, "count": 1}\n{"time": "20')
    assert read(tmp_path / "run").openings == 2


def test_only_pictures_that_lie_in_the_page_are_shown(tmp_path: Path) -> None:
    good = picture(np.eye(4))
    bad = [
        "http://example.com/x.png",
        "//example.com/x",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "data:image/svg+xml;base64,AAAA",
        good + '" onerror="alert(1)',
        7,
    ]
    mistakes = [
        {"row": i, "actual": "a", "predicted": "b", "probability": 0.9, "loss": 1.0, "values": {}, "image": image}
        for i, image in enumerate([good, *bad])
    ]
    target = {"name": "y", "kind": "multiclass", "mistakes": mistakes}
    seen = check(build(write(tmp_path / "run", analysis={"targets": [target]})).read_text(encoding="utf-8"))
    assert [attributes["src"] for tag, attributes in seen.elements if tag == "img"] == [good]


def test_two_hundred_classes_are_drawn_in_part(report: Callable[[str], Path]) -> None:
    text = report("everything").read_text(encoding="utf-8")
    assert "Of 200 classes, the 24 with the most mistakes are drawn" in text
    assert "The other 1,470 columns" in text


def test_of_a_thousand_classes_the_confused_pairs_are_listed(tmp_path: Path) -> None:
    classes = [f"<b>{i}" for i in range(1_000)]
    pairs = [{"actual": classes[i], "predicted": classes[i + 1], "count": 30 - i, "of": 60} for i in range(20)]
    target = {"name": "y", "kind": "multiclass", "classes": classes, "confusion": {"rows": 5_000, "wrong": 700, "pairs": pairs}}
    page = build(write(tmp_path / "run", analysis={"targets": [target]})).read_text(encoding="utf-8")
    check(page)
    assert "700 of 5,000 rows are predicted wrong." in page
    assert page.count("&lt;b&gt;7<") == 2
    assert "50.0 %" in page.replace("\u202f", " ")
    without = build(write(tmp_path / "other", analysis={"targets": [target | {"confusion": None}]})).read_text(encoding="utf-8")
    assert len(page) - len(without) < 10_000


NASTY = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            MARKUP,
            LONG,
            "</title>",
            "</style>",
            "<!--",
            "]]>",
            "&lt;",
            "{{x}}",
            "${x}",
            "\x00",
            "\ud800",
            "\u202e",
            "\r\n",
            "",
            " ",
            "-",
            "'",
            '"',
            "=",
            "`",
            "NaN",
        ]
    ),
    st.lists(st.sampled_from(["<", ">", "&", '"', "'", "</", "script", "svg", "onload=", " ", "/", "&#x3c;", "\n"]), max_size=12).map(
        "".join
    ),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(a=NASTY, b=NASTY, c=NASTY)
def test_whatever_the_data_hold_is_text(a: str, b: str, c: str, tmp_path: Path) -> None:
    metrics = {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}, c: {"value": 1.0, "low": None, "high": None}}
    target = {
        "name": a, "kind": "binary", "classes": [b, c], "scores": {"part": "test", "rows": 10, "metrics": metrics},
        "baselines": [{"name": b, "metrics": {"accuracy": 0.7, c: 0.5}, "seconds": 1}], "confusion": {"classes": [b, c], "counts": [[4, 1], [2, 3]]}, "residuals": None,
        "calibration": {"bins": [], "error": None}, "coverage": None, "importance": [{"column": name, "drop": 0.1, "low": 0.0, "high": 0.2} for name in (a, b, c)], "importance_metric": c,
        "mistakes": [{"row": 1, "actual": a, "predicted": b, "probability": None, "loss": 1.0, "values": {a: b, b: [c], c: {a: c}}, "image": c}], "labels": [{"label": a, "f1_score": 0.5, "support": 3}],
    }  # fmt: skip
    data = {"files": [a], "rows": 3, "fingerprint": b, "columns": [{"name": a, "kind": b, "role": c, "missing": 0, "distinct": 2, "reason": a}], "notes": [a, b], "split": {"train": 1, "valid": 1, "test": 1, "how": c}}  # fmt: skip
    folder = write(
        tmp_path / "run", recipe=clean(a), environment={a or "x": b}, findings=[{"code": a, "severity": b, "message": c, "evidence": {a: b}, "columns": [a], "rows": [1], "remedy": b, "probe": {a: c}}],
        ledger=[{"time": a, "purpose": b, "rows": 1, "count": 1}], run={"status": "finished", "task": a, "model": b, "metric": c, "command": a}, analysis={"targets": [target], "data": data},
        network={"rows": [{"name": a, "kind": b, "shape": [1], "parameters": 1, "multiply_adds": 1, "activation_bytes": 1}], "parameters": 1, "multiply_adds": 1, "training_bytes": 1},
    )  # fmt: skip
    seen = check(str(page(read(folder))))
    words = " ".join(clean(c).split())
    assert words in " ".join(seen.text.split()), "what was written is what is read"


@given(NASTY)
@example(MARKUP)
@example('" onload="x')
@example("&lt; &amp")
def test_text_comes_back_out_of_an_element(text: str) -> None:
    inside = el("p", text, title=text)
    seen = Page(inside)
    assert seen.faults == []
    assert seen.text == clean(text)
    assert seen.elements == [("p", {"title": clean(text)})]


def test_markup_is_not_escaped_twice() -> None:
    assert el("p", el("b", "<"), "<") == "<p><b>&lt;</b>&lt;</p>"
    assert el("p", Html("<i>"), None, hidden=True, lang=None, class_="x") == '<p hidden class="x"><i></p>'


def test_long_words_may_break_in_a_table_and_others_stay_whole() -> None:
    drawn: Any = table("caption", ["a"], [["short words here"], ["x" * 40]])
    assert drawn.count('class="long"') == 1
