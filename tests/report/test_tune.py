"""The page of a search and what the terminal says of it, whatever the record holds."""

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

from hostile_runs import MARKUP
from test_page import Page

from goodfit.base.errors import BundleError
from goodfit.report import charts
from goodfit.report.markup import Html
from goodfit.report.tune_page import build, page
from goodfit.report.tune_terminal import show


def record() -> dict[str, Any]:
    trials = [
        {
            "number": number,
            "settings": {"optim.lr": 10 ** (-4 + number / 5), "optim.name": "sgd" if number % 2 else "adamw"}
            | ({"optim.momentum": 0.5 + number / 40} if number % 2 else {}),
            "state": "complete" if number < 10 else "halved",
            "score": 1.0 - number / 20,
            "reason": None,
            "epochs": 8,
            "best_epoch": 7,
            "seconds": 1.5,
            "rungs": {},
        }
        for number in range(12)
    ]
    trials.append({**trials[0], "number": 12, "state": "failed", "score": None, "reason": "the loss is not finite"})
    rate = {"low": 1e-4, "high": 1e-2, "log": True, "whole": False}
    return {
        "format": 1,
        "strategy": "tpe",
        "metric": "refinement",
        "maximise": False,
        "space": {
            "optim.lr": rate | {"high": 0.1},
            "optim.name": {"choices": ["adamw", "sgd"]},
            "optim.momentum": rate | {"low": 0.5, "high": 0.95, "log": False},
        },
        "first_space": {"optim.lr": rate},
        "trials": trials,
        "best": {"number": 9, "settings": trials[9]["settings"], "score": trials[9]["score"]},
        "border": ["optim.lr", "optim.momentum"],
        "widened": ["optim.lr"],
        "importance": {"optim.lr": 0.8, "optim.name": 0.2},
        "run": "run-1",
        "seconds": 61.0,
        "rows": {"train": 100, "valid": 20, "test": 20},
        "target": ["y"],
        "source": "/data/adult.csv",
        "task": "binary",
        "model": "mlp",
        "test": {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.95}},
    }


def printed(document: Any, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    show(document, None, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_page_says_what_was_found() -> None:
    read = Page(page(record()))
    text = " ".join(read.words)
    assert read.faults == []
    assert "13 trials by a tree of Parzen estimators, of which 2 were left off early and one failed" in text
    assert "the best, trial 9, has a log loss (after cooling) of 0.55 on the validation rows" in text
    assert (
        "optim.lr: the best value lay at the border of [0.0001, 0.01], so the range was widened to [0.0001, 0.1]; the best is now" in text
    )
    assert "optim.momentum: the best value, 0.725, lies at an end" in text
    assert "the loss is not finite" in text
    assert "0.85 to 0.95" in text
    assert page(record()) == page(record())


def test_the_terminal_says_the_same_in_short() -> None:
    text = printed(record())
    assert "13 trials" in text
    assert "What matters: optim.lr 80 %, optim.name 20 %" in text
    assert "Trial 12 failed: the loss is not finite" in text
    assert max(map(len, printed(record(), 60).splitlines())) <= 60


def test_charts_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []

    def validate(chart: Any, description: str, **_: Any) -> Html:
        drawn.append(chart.to_dict(validate=True))
        return Html("")

    monkeypatch.setattr(charts, "draw", validate)
    page(record())
    assert len(drawn) == 6  # the course, the importance, three settings, all at once


def test_it_is_written_beside_the_record(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"study\.json is missing"):
        build(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps(record()))
    assert build(tmp_path).read_text() == page(record())
    (tmp_path / "study.json").write_text("[]")
    with pytest.raises(BundleError, match="must hold a search"):
        build(tmp_path)


def paths(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree[:2]) if isinstance(tree, list) else ()
    return [found for key, value in inner for found in ((*above, key), *paths(value, (*above, key)))]


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(paths(record())),
    st.sampled_from([None, 3, -1.5, float("nan"), "", MARKUP, [], [1], {}, {"a": 1}, {"choices": [[1]]}, True]),
)
def test_whatever_a_record_holds_the_page_stands(path: tuple[Any, ...], value: Any) -> None:
    document = copy.deepcopy(record())
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    draw, charts.draw = charts.draw, lambda chart, description, **_: Html("")  # drawing takes most of the time
    try:
        read = Page(page(document))
    finally:
        charts.draw = draw
    assert read.faults == []
    assert not [name for name, _ in read.elements if name in ("script", "iframe", "img")]
    assert not re.search(r"[\x00-\x08\x1b\x7f]", printed(document))
