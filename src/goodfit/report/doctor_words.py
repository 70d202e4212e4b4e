"""What the doctor says of an examination, the same on its page and on the terminal. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from goodfit.report.notation import clip, count, is_number, number, percent, seconds, value, words

# verdict -> colour of the page, colour of the terminal, headline, what it means
VERDICTS = {
    "faulty": ("bad", "red", "Faulty", "What is wrong was confirmed by an experiment that could have shown otherwise."),
    "healthy": ("good", "green", "Healthy", "Nothing was confirmed to be wrong."),
    "unlearnable": ("even", "yellow", "Unlearnable", "Nothing is wrong with the program, but the data hold no signal that it could learn."),
}
CURVES = ("as it is", "acquitted", "repaired")


def verdict_of(document: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return VERDICTS.get(str(document.get("verdict")), ("even", "yellow", clip(document.get("verdict"), 40), ""))


def subject(document: Mapping[str, Any]) -> str:
    """The name of the script, or of the run."""
    script = _examined(document).get("script") or _examined(document).get("run")
    return clip(PurePath(str(script)).name, 60) if script else "the program"


def faults(document: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Confirmed faults and remarks, each in the order of the examination."""
    found = [item for item in items_of(document.get("findings")) if isinstance(item, dict)]
    return [item for item in found if item.get("severity") != "remark"], [item for item in found if item.get("severity") == "remark"]


def gain_of(finding: Mapping[str, Any]) -> str | None:
    """`83 % of what was to be gained`."""
    gain = finding.get("gain")
    return f"{percent(gain, 0)} of what was to be gained, on held-back rows" if is_number(gain) else None


def confidence_of(finding: Mapping[str, Any]) -> str | None:
    confidence = finding.get("confidence")
    if not is_number(confidence) or confidence >= 1:
        return None
    return "over 99 % sure" if confidence > 0.99 else f"{percent(confidence, 0)} sure"


def seen_of(finding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The evidence: names and numbers."""
    evidence = finding.get("evidence")
    return [(words(name), value(item, 120)) for name, item in evidence.items()] if isinstance(evidence, dict) else []


def probe_of(finding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The experiment in three lines: what was done, what it would have shown, what it showed."""
    probe = finding.get("probe")
    if not isinstance(probe, dict):
        return []
    told = (("Experiment", probe.get("name")), ("Had this been wrong", probe.get("would_have")), ("It showed", probe.get("showed")))
    return [(name, said(text)) for name, text in told if text]


def more_of(finding: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What else a probe tells, curves left out."""
    probe = finding.get("probe")
    known = {"name", "would_have", "showed", "curves"}
    return (
        [(words(name).capitalize(), value(item, 120)) for name, item in probe.items() if name not in known]
        if isinstance(probe, dict)
        else []
    )


def curves_of(finding: Mapping[str, Any]) -> list[tuple[str, list[tuple[float, float]]]]:
    """The curves of an experiment that have points, in the order in which they are told."""
    probe = finding.get("probe")
    curves = probe.get("curves") if isinstance(probe, dict) else None
    return [(name, points) for name in CURVES if (points := points_of(curves.get(name)))] if isinstance(curves, dict) else []


def points_of(written: Any) -> list[tuple[float, float]]:
    """Pairs of finite numbers."""
    pairs = [tuple(pair) for pair in items_of(written) if isinstance(pair, list | tuple) and len(pair) == 2]
    return [(pair[0], pair[1]) for pair in pairs if is_number(pair[0]) and is_number(pair[1])]


def edit_of(finding: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Where to edit, and the diff's lines without its head; for a recipe the settings, a line each."""
    edit = finding.get("edit")
    if not isinstance(edit, dict):
        return None
    if isinstance(edit.get("settings"), dict):
        before = edit["before"] if isinstance(edit.get("before"), dict) else {}
        changed: list[str] = []
        for name, item in edit["settings"].items():
            changed += [f"-{name}={value(before[name], 80)}"] if before.get(name) is not None else []
            changed.append(f"+{name}={value(item, 80)}")
        return "Settings", changed
    lines = [line for line in str(edit.get("diff") or "").split("\n") if not line.startswith(("---", "+++", "@@"))]
    return f"{clip(PurePath(str(edit.get('file'))).name, 60)}, line {value(edit.get('line'))}", [line[:200] for line in lines]


def sentences(document: Mapping[str, Any], name: str) -> list[str]:
    """`looked_at` or `not_seen` of what was examined."""
    return [said(sentence) for sentence in items_of(_examined(document).get(name))]


def facts_of(document: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """The figures of an examination."""
    examined = _examined(document)
    code = examined.get("exit")
    return [
        ("Updates", count(examined["updates"]) if is_number(examined.get("updates")) else None),
        ("Script", seconds(examined["ran"]) if is_number(examined.get("ran")) else None),
        ("Exit code", str(code) if is_number(code) else None),
        ("Short runs", count(examined["runs"]) if is_number(examined.get("runs")) else None),
        ("Examination", seconds(document["seconds"]) if is_number(document.get("seconds")) else None),
        ("Outcome", _score(examined.get("outcome"))),
        ("Reference", _score(examined.get("reference"))),
    ]


def losses_of(run: Any) -> list[tuple[float, float]]:
    return points_of(run.get("losses")) if isinstance(run, dict) else []


def level(points: list[tuple[float, float]]) -> str:
    """From where to where a loss went, in words."""
    return f"{number(points[0][1])} to {number(points[-1][1])}" if points else "none"


def fixed_lines(fixed: Mapping[str, Any]) -> list[tuple[str, list[str], str, str]]:
    """Both runs: which, the last lines that it printed, its loss, how it ended."""
    told = []
    for name, run in (("as it was", fixed.get("before")), ("fixed", fixed.get("after"))):
        if isinstance(run, dict):
            lines = [clip(line, 200) for line in items_of(run.get("lines"))][-5:]  # a last epoch's summary
            ended = clip(run.get("crash") or run.get("ended") or f"exit code {value(run.get('exit'))}", 300)
            told.append((name, lines, level(losses_of(run)), ended))
    return told


def items_of(written: Any) -> list[Any]:
    """A list's items; none of what is no list."""
    return list(written) if isinstance(written, list | tuple) else []


def said(text: Any) -> str:
    """A sentence with its capital, where it begins with a word and not with a name of code, and its full stop."""
    line = clip(text, 1_000)
    if line.split(" ")[0].isalpha():
        line = line[:1].upper() + line[1:]
    return line if not line or line.endswith((".", "!", "?", "…")) else f"{line}."


def _score(score: Any) -> str | None:
    if isinstance(score, dict):
        return value(score, 120) if score else None
    return number(score) if is_number(score) else clip(score, 120) if isinstance(score, str) else None


def _examined(document: Mapping[str, Any]) -> dict[str, Any]:
    examined = document.get("examined")
    return examined if isinstance(examined, dict) else {}
