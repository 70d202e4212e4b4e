"""What `goodfit tune` prints: the best trials, what lay at a border, what matters, the score on the sealed test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.report.notation import clip, number, percent, value
from goodfit.report.tune_words import (
    border_lines,
    facts_of,
    headline,
    importance_of,
    metric_of,
    scored,
    settings_of,
    space_of,
    test_lines,
    trials_of,
)

if TYPE_CHECKING:
    from rich.console import Console

_TRIALS, _SETTINGS, _METRICS = 8, 6, 4  # in view; the page has them all


def show(document: Mapping[str, Any], report: str | None = None, console: Console | None = None) -> None:
    """Print a search. report: path of its page, which stands on one line however narrow the terminal is."""
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if report is not None:
        console.print(f"Report: {report}", soft_wrap=True, markup=False, highlight=False)
    parts: list[Any] = [Text(_plain(headline(document)), style="bold")]
    ranked = [name for name, _ in importance_of(document)]
    names = [*ranked, *(name for name in space_of(document) if name not in ranked)][:_SETTINGS]
    grid = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("trial", metric_of(document), *names):
        grid.add_column(Text(_plain(clip(head, 40))), justify="right", overflow="fold")
    for trial in scored(document)[:_TRIALS]:
        own = settings_of(trial)
        cells = (value(own[name], 24) if name in own else "–" for name in names)
        grid.add_row(*(Text(_plain(cell)) for cell in (number(trial["number"]), number(trial["score"]), *cells)))
    parts += [Text(""), grid]
    lines = border_lines(document)
    parts += [Text(""), *(Text(_plain(line), style="yellow") for line in lines)] if lines else []
    if shares := importance_of(document):
        said = ", ".join(f"{clip(name, 40)} {percent(share, 0)}" for name, share in shares[:_SETTINGS])
        parts += [Text(""), Text(_plain(f"What matters: {said}"))]
    failed = next((trial for trial in trials_of(document) if trial.get("state") == "failed"), None)
    if failed is not None:
        parts += [Text(_plain(f"Trial {number(failed['number'])} failed: {clip(failed.get('reason'), 200)}"), style="yellow")]
    if tested := test_lines(document):
        said = ", ".join(f"{name} {score} ({interval})" for name, score, interval in tested[:_METRICS])
        parts += [Text(""), Text(_plain(f"The best settings as a run ({clip(document.get('run'), 60)}), on the sealed test rows: {said}"))]
    figures = [f"{name} {text}" for name, text in facts_of(document) if text is not None]
    parts += [Text(_plain(" · ".join(figures)), style="dim")]
    console.print(Group(*parts), highlight=False)


def _plain(text: str) -> str:
    """Without narrow spaces, which terminals draw as they please, and without what a terminal would obey."""
    spaced = text.replace("\u202f", " ").replace("−", "-")
    return "".join(sign for sign in spaced if sign.isprintable())
