"""The page of a search: one file that holds everything, loads nothing and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.base.errors import BundleError
from goodfit.base.files import read_json, write_bytes
from goodfit.report.charts import importances
from goodfit.report.markup import Html, el, facts, folded, note, section, table
from goodfit.report.notation import clip, count, is_number, number, percent, seconds, value
from goodfit.report.page import NAME, whole
from goodfit.report.tune_charts import course, cut, parallel
from goodfit.report.tune_words import (
    best_of,
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

RECORD = "study.json"
_FIRST, _MOST, _DRAWN = 20, 500, 12  # trials in view, trials in the table, settings that are drawn
_FEW = 10  # of so many trials, one stands out


def build(folder: Path) -> Path:
    """Write `report.html` beside `study.json` and return its path. The same record gives the same bytes. Raises BundleError without one."""
    document = read_json(Path(folder) / RECORD)
    if not isinstance(document, dict):
        raise BundleError(f"{RECORD} must hold a search; it holds a {type(document).__name__}", file=Path(folder) / RECORD)
    path = Path(folder) / NAME
    write_bytes(path, page(document).encode("utf-8"))
    return path


def page(document: Mapping[str, Any]) -> Html:
    """The whole page as markup."""
    sections = [
        ("best", "The best", _best(document)),
        ("course", "How it went", _course(document)),
        ("importance", "What matters", _importance(document)),
        ("slices", "Setting by setting", _slices(document)),
        ("trials", "The trials", _trials(document)),
    ]
    shown = [(anchor, label, part) for anchor, label, part in sections if part is not None]
    header = el(
        "header",
        el("p", "goodfit tune", class_="kicker"),
        el("h1", "The search for good settings"),
        el("p", headline(document), class_="lead"),
        facts(facts_of(document), class_="figures"),
        id="headline",
    )
    links = [el("li", el("a", label, href=f"#{anchor}")) for anchor, label, _ in shown]
    body = el(
        "body",
        el("a", "To the best", href="#best", class_="skip"),
        el("nav", el("ul", *links), aria_label="Sections"),
        el("main", header, *(part for _, _, part in shown)),
        el("footer", el("p", "Written by goodfit from the record of the search. This page loads nothing and sends nothing.")),
    )
    return whole("goodfit tune", body)


def _best(document: Mapping[str, Any]) -> Html:
    best, space = settings_of(best_of(document)), space_of(document)
    rows = [[clip(name, 60), value(own, 60), _searched(space.get(name, {}))] for name, own in best.items()]
    parts: list[Any] = [table("Settings of the best trial", ("Setting", "Value", "Searched"), rows, numeric=(1,), hidden=True)]
    parts += [note(line, kind="warning") for line in border_lines(document)]
    tested = test_lines(document)
    if tested:
        run = clip(document.get("run"), 60)
        parts.append(
            el(
                "p",
                "Trained as a run with these settings (",
                el("code", run),
                "), it has these scores on the sealed test rows, which no trial saw.",
            )
        )
        parts.append(table("Scores on the sealed test rows", ("Metric", "Value", "95 % interval"), tested, numeric=(1, 2), hidden=True))
    return section("best", "The best", *parts)


def _course(document: Mapping[str, Any]) -> Html | None:
    points = sorted((trial["number"], trial["score"]) for trial in scored(document))
    if len(points) < 2:
        return None
    metric = metric_of(document)
    chart = course(
        points,
        maximise=bool(document.get("maximise")),
        metric=metric,
        description=f"The {metric} of {count(len(points), 'trial')}, and the best so far.",
    )
    caption = el("figcaption", el("b", "Trial by trial"), " The line is the best so far. Trials far off the others are not drawn.")
    return section("course", "How it went", el("figure", caption, chart, class_="chart"))


def _importance(document: Mapping[str, Any]) -> Html | None:
    found = importance_of(document)[:_DRAWN]
    if not found:
        return None
    told = "; ".join(f"{clip(name, 40)} {percent(share)}" for name, share in found)
    chart = importances(
        [{"column": name, "drop": share} for name, share in found], title="Share", description=f"Importance of the settings. {told}."
    )
    said = (
        "How much each setting decides whether a trial is among the best ones (PED-ANOVA). It holds within the ranges that were searched."
    )
    rows = [[clip(name, 60), percent(share)] for name, share in found]
    return section(
        "importance",
        "What matters",
        el("p", said, class_="quiet"),
        el(
            "div",
            el("figure", chart, class_="chart"),
            table("Importance of each setting", ("Setting", "Share"), rows, numeric=(1,), hidden=True),
            class_="pair",
        ),
    )


def _slices(document: Mapping[str, Any]) -> Html | None:
    found, space = scored(document), space_of(document)
    if len(found) < 2 or not space:
        return None
    metric, best = metric_of(document), settings_of(best_of(document))
    figures = []
    ranked = [name for name, _ in importance_of(document) if name in space]
    for name in [*ranked, *(name for name in space if name not in ranked)][:_DRAWN]:
        about = space[name]
        words = "choices" in about
        points = [
            (settings_of(trial)[name], trial["score"])
            for trial in found
            if name in settings_of(trial) and (words or is_number(settings_of(trial)[name]))
        ]
        if len(points) < 2:
            continue
        chart = cut(
            points, name=name, metric=metric, log=bool(about.get("log")), words=words, best=best.get(name), maximise=bool(document.get("maximise")),
            description=f"The {metric} of {count(len(points), 'trial')} against {clip(name, 40)}; the best has {value(best.get(name), 40)}.",
        )  # fmt: skip
        figures.append(el("figure", chart, class_="chart"))
    parts: list[Any] = [el("div", *figures, class_="pair")] if figures else []
    if len(space) > 1 and len(found) > 2:
        few = max(1, len(found) // _FEW)
        drawn = dict(list(space.items())[:_DRAWN])
        chart = parallel(
            [settings_of(trial) for trial in found], drawn, few=few,
            description=f"{count(len(found), 'trial')} over {count(len(drawn), 'setting')}, each from the low end of its range to the high one.",
        )  # fmt: skip
        caption = el("figcaption", el("b", "All settings at once"), f" A line is a trial; the best {count(few)} stand out.")
        parts.append(el("figure", caption, chart, class_="chart"))
    return section("slices", "Setting by setting", *parts) if parts else None


def _trials(document: Mapping[str, Any]) -> Html | None:
    good = scored(document)
    rest = [trial for trial in trials_of(document) if trial not in good]
    every = [*good, *rest]
    if not every:
        return None
    names = list(space_of(document))
    head = ("Trial", metric_of(document).capitalize(), *(clip(name, 40) for name in names), "Passes", "Time", "How it ended")
    rows = [_row(trial, names) for trial in every[:_MOST]]
    numeric = (1, *range(2, len(names) + 4))
    parts: list[Any] = [table("The best trials first", head, rows[:_FIRST], numeric=numeric, hidden=True)]
    if len(rows) > _FIRST:
        parts.append(
            folded(
                f"The next {count(len(rows) - _FIRST, 'trial')}",
                table("The next trials", head, rows[_FIRST:], numeric=numeric, hidden=True),
            )
        )
    if len(every) > _MOST:
        parts.append(el("p", f"{count(len(every) - _MOST)} more trials stand in {RECORD}.", class_="quiet"))
    return section("trials", "The trials", *parts)


def _row(trial: Mapping[str, Any], names: list[str]) -> list[Any]:
    settings = settings_of(trial)
    ended = {"complete": "trained", "halved": "left off early", "running": "not ended"}.get(
        str(trial.get("state")), clip(trial.get("reason") or "failed", 200)
    )
    return [
        number(trial["number"]),
        number(trial.get("score")),
        *(value(settings[name], 40) if name in settings else "–" for name in names),
        count(trial.get("epochs")),
        seconds(trial.get("seconds")),
        ended,
    ]


def _searched(about: Mapping[str, Any]) -> str:
    choices = about.get("choices")
    if isinstance(choices, list):
        return clip(", ".join(value(own, 40) for own in choices), 120)
    scale = ", log scale" if about.get("log") else ""
    return f"{number(about.get('low'))} to {number(about.get('high'))}{scale}" if is_number(about.get("low")) else "–"
