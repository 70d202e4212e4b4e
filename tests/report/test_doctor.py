"""The doctor's page and what it prints: all that an examination says, escaped, self-contained, and whole where records are missing."""

from __future__ import annotations

import copy
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from examinations import faulty, healthy
from headless import browser
from hostile_runs import MARKUP
from test_browser import FAINT, WIDER
from test_page import Page

from goodfit.base.errors import BundleError
from goodfit.report.doctor_page import build, page
from goodfit.report.doctor_terminal import show

SAID = [
    "loop.zero-grad", "Gradients are never set to zero", "61.3", "A loss after 120 updates within 0.08 of 2.41", "0.26 ± 0.02", "Set them to zero before backward()",
    "optimizer.zero_grad()", "train.py, line 42", "93", "98", "optim.rate-low", "activation.dead", "200 of them held back", "What the evaluation prints", "train.fixed.py",
    "test accuracy 0.114", "test accuracy 0.931", "make it there", "1,200",
]  # fmt: skip


def printed(document: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    show(document, "runs/doctor-train-1/report.html", Console(file=out, width=width, force_terminal=False))
    return out.getvalue()


def test_the_page_says_everything_in_its_order() -> None:
    read = Page(page(faulty()))
    text = " ".join(" ".join(read.words).split())
    assert read.faults == []
    assert [word for word in SAID if word not in text] == []
    assert text.index("loop.zero-grad") < text.index("optim.rate-low") < text.index("activation.dead")
    pictures = [attributes["aria-label"] for name, attributes in read.elements if name == "svg"]
    assert len(pictures) == 3
    assert "as it is from 2.459 to 2.18; had the suspicion been wrong from 2.539 to 2.156; repaired from" in pictures[0]
    assert not [name for name, _ in read.elements if name in ("script", "iframe", "img")]
    assert page(faulty()) == page(faulty())


def test_the_terminal_says_the_same() -> None:
    text = " ".join(printed(faulty()).split())
    assert text.startswith("Report: runs/doctor-train-1/report.html train.py: faulty.")
    assert [word for word in SAID if word not in text] == []
    assert "+ optimizer.zero_grad()" in text
    assert max(map(len, printed(faulty(), 60).splitlines())) <= 60


def test_a_healthy_program_gets_a_short_word() -> None:
    text = " ".join(Page(page(healthy())).words)
    assert "Nothing was confirmed to be wrong" in text
    assert "No experiment confirmed a fault" in text
    assert "train.py: healthy. Nothing was confirmed to be wrong." in printed(healthy())
    assert "unlearnable" in printed({**healthy(), "verdict": "unlearnable"})


def test_it_is_written_beside_the_record(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"examination\.json is missing"):
        build(tmp_path)
    (tmp_path / "examination.json").write_text(json.dumps(faulty()))
    assert build(tmp_path).read_text() == page(faulty())
    (tmp_path / "examination.json").write_text("[]")
    with pytest.raises(BundleError, match="must hold an examination"):
        build(tmp_path)


def replaced(document: Any, path: list[Any], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def paths(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    return [found for key, value in inner for found in ((*above, key), *paths(value, (*above, key)))]


def plain() -> dict[str, Any]:
    """With one chart of few points: drawing takes most of the time."""
    document = faulty()
    document["findings"][0]["probe"]["curves"] = {"as it is": [[1, 2.0], [2, 3.0]]}
    for run in (document["examined"], document["fixed"]["before"], document["fixed"]["after"]):
        run["losses"] = [[1, 2.0]]
    return document


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(paths(plain())), st.sampled_from([None, 3, -1.5, float("nan"), "", MARKUP, [], [1], [[1, 2]], {}, {"a": 1}, True]))
def test_whatever_a_record_holds_the_page_stands(path: tuple[Any, ...], value: Any) -> None:
    document = replaced(plain(), list(path), value)
    read = Page(page(document))
    assert read.faults == []
    assert not [name for name, _ in read.elements if name in ("script", "iframe", "img")]
    assert not re.search(r"[\x00-\x08\x1b\x7f]", printed(document))


@pytest.mark.slow
def test_it_is_read_in_a_browser(tmp_path: Path) -> None:
    (tmp_path / "examination.json").write_text(json.dumps(faulty()))
    path = build(tmp_path)
    with browser() as opened:
        for width in (1400, 768, 400):
            for dark in (False, True):
                opened.open(path, width=width, dark=dark)
                opened.run("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert opened.run("document.documentElement.scrollWidth") <= width
                assert opened.run(WIDER) == []
                assert opened.run(FAINT) == []
                assert opened.requests() == []
                assert opened.complaints() == []
