"""What stands on the terminal at the end of a training."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from run_makers import MAKERS

from goodfit.report import build
from goodfit.report.terminal import show, summary


def printed(folder: Path, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(summary(folder))
    return stream.getvalue()


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_path_first_and_no_line_too_long(name: str, width: int, run_folder: Callable[[str], Path]) -> None:
    folder = run_folder(name)
    text = printed(folder, width)
    assert text.replace("\n", "").startswith(
        f"Report: {folder / 'report.html'}" if (folder / "report.html").exists() else "Report: not written yet"
    )
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text
    assert "\x07" not in text


def test_the_path_stays_on_one_line(run_folder: Callable[[str], Path]) -> None:
    build(run_folder("numbers"))
    stream = io.StringIO()
    show(run_folder("numbers"), Console(file=stream, width=20))
    assert stream.getvalue().splitlines()[0] == f"Report: {run_folder('numbers') / 'report.html'}"


def test_score_baselines_verdict_and_findings(run_folder: Callable[[str], Path]) -> None:
    text = printed(run_folder("binary"), 120)
    for part in (
        "this network",
        "gradient-boosted trees",
        "linear",
        "majority",
        "Accuracy",
        "95 % interval",
        "By Accuracy: ",
        "error: 'capital-gain' alone",
    ):
        assert part in text
    assert text.index("error:") < text.index("warning:") < text.index("remark:")


def test_nothing_learned_is_said(tmp_path: Path, run_folder: Callable[[str], Path]) -> None:
    from example_runs import write

    metrics = {"r2": {"value": 0.01, "low": -0.01, "high": 0.03}}
    target = {
        "name": "y",
        "kind": "regression",
        "scores": {"part": "test", "rows": 9, "metrics": metrics},
        "baselines": [{"name": "mean", "metrics": {"r2": 0.0}, "seconds": 0.1}],
    }
    folder = write(tmp_path / "run", run={"status": "finished"}, analysis={"targets": [target]})
    assert "nothing was learned; no better than always naming the mean" in printed(folder)
    assert "Nothing was learned." in build(folder).read_text(encoding="utf-8")


def test_a_baseline_without_time_is_no_baseline_that_was_beaten(tmp_path: Path) -> None:
    from example_runs import write

    metrics = {"accuracy": {"value": 0.86, "low": 0.85, "high": 0.87}}
    baselines = [
        {"name": "boosted trees", "metrics": {"accuracy": 0.82}, "seconds": 0.7, "rows": 500},
        {"name": "linear", "metrics": {"accuracy": 0.8}, "seconds": 0.7, "rows": 20_749},
    ]
    target = {"name": "y", "kind": "binary", "scores": {"part": "test", "rows": 4_884, "metrics": metrics}, "baselines": baselines}
    data = {"split": {"train": 22_793, "valid": 1, "test": 4_884, "how": "at random"}}
    folder = write(tmp_path / "run", run={"status": "finished"}, analysis={"targets": [target], "data": data})
    told = "Of 22,793 training rows there was time to learn gradient-boosted trees from 500 only."
    for text in (printed(folder, 120), build(folder).read_text(encoding="utf-8")):
        assert told in text
        assert "better than every baseline" not in text.lower()
    assert "Rows learned from" in build(folder).read_text(encoding="utf-8")
