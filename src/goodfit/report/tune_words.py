"""What the record of a search says, whatever it holds: its trials, its space, the sentences about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.report.notation import clip, count, is_number, listed, number, seconds, value

_NAMES = {"random": "at random", "grid": "on a grid", "coarse-to-fine": "from coarse to fine", "tpe": "by a tree of Parzen estimators",
          "gp": "by a Gaussian process", "halving": "by successive halving", "hyperband": "by Hyperband"}  # fmt: skip


def trials_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trials that are such, in the order of the record."""
    found = document.get("trials")
    return [
        trial
        for trial in (found if isinstance(found, list) else [])
        if isinstance(trial, dict) and isinstance(trial.get("settings"), dict) and is_number(trial.get("number"))
    ]


def scored(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trials that were trained to their end, best first."""
    found = [trial for trial in trials_of(document) if trial.get("state") == "complete" and is_number(trial.get("score"))]
    return sorted(found, key=lambda trial: -trial["score"] if document.get("maximise") else trial["score"])


def space_of(document: Mapping[str, Any], name: str = "space") -> dict[str, dict[str, Any]]:
    """The settings that were searched: {"low", "high", "log"} or {"choices"}."""
    found = document.get(name)
    return {
        str(setting): about
        for setting, about in (found.items() if isinstance(found, dict) else ())
        if isinstance(about, dict)
        and (isinstance(about.get("choices"), list) or (is_number(about.get("low")) and is_number(about.get("high"))))
    }


def importance_of(document: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Each setting and its share, largest first."""
    found = document.get("importance")
    return sorted(
        ((str(name), float(share)) for name, share in (found.items() if isinstance(found, dict) else ()) if is_number(share)),
        key=lambda item: -item[1],
    )


def settings_of(trial: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a trial, or of the best."""
    found = trial.get("settings")
    return {str(name): own for name, own in found.items()} if isinstance(found, dict) else {}


def best_of(document: Mapping[str, Any]) -> dict[str, Any]:
    found = document.get("best")
    return found if isinstance(found, dict) else {}


def metric_of(document: Mapping[str, Any]) -> str:
    """What the scores are, in words."""
    name = str(document.get("metric") or "score")
    return "log loss (after cooling)" if name == "refinement" else clip(name.replace("_", " "), 40)


def headline(document: Mapping[str, Any]) -> str:
    """One sentence: how many trials, how they were chosen, what the best came to."""
    trials, best = trials_of(document), best_of(document)
    halved = sum(trial.get("state") == "halved" for trial in trials)
    failed = sum(trial.get("state") == "failed" for trial in trials)
    ends = [f"{count(halved)} were left off early" if halved != 1 else "one was left off early"] if halved else []
    ends += [f"{count(failed)} failed" if failed != 1 else "one failed"] if failed else []
    how = _NAMES.get(str(document.get("strategy")), "")
    said = f"{count(len(trials), 'trial')} {how}".strip() + (f", of which {listed(ends)}" if ends else "")
    return f"{said}; the best, trial {number(best.get('number'))}, has a {metric_of(document)} of {number(best.get('score'))} on the validation rows."


def border_lines(document: Mapping[str, Any]) -> list[str]:
    """A sentence for each setting whose best value lay at an end of its range."""
    found, widened = document.get("border"), document.get("widened")
    names = [str(name) for name in found] if isinstance(found, list) else []
    wide = [str(name) for name in widened] if isinstance(widened, list) else []
    now, first, best = space_of(document), space_of(document, "first_space"), settings_of(best_of(document))
    lines = []
    for name in names:
        before, after = first.get(name, {}), now.get(name, {})
        if name in wide:
            said = (
                f"{clip(name, 60)}: the best value lay at the border of [{_range(before)}], so the range was widened to [{_range(after)}]; "
            )
            passed = any(_beyond(before, settings_of(trial).get(name)) for trial in trials_of(document))
            lines.append(
                said + (f"the best is now {value(best.get(name), 40)}." if passed else "no trial was left to look beyond: go on with more.")
            )
        else:
            lines.append(
                f"{clip(name, 60)}: the best value, {value(best.get(name), 40)}, lies at an end of [{_range(after)}]. Search on beyond it."
            )
    return lines


def facts_of(document: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Names and values for the head of the page."""
    rows = document.get("rows")
    parts = rows if isinstance(rows, dict) else {}
    shown = ", ".join(f"{count(parts.get(part))} {part}" for part in ("train", "valid", "test") if is_number(parts.get(part)))
    source = document.get("source")
    target = document.get("target")
    return [
        ("Data", clip(source, 80) if isinstance(source, str) else None),
        ("Target", clip(", ".join(map(str, target)), 60) if isinstance(target, list) and target else None),
        ("Network", clip(document.get("model"), 40) if document.get("model") else None),
        ("Rows", shown or None),
        ("Time", seconds(document.get("seconds")) if is_number(document.get("seconds")) else None),
    ]


def test_lines(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The scores of the run with the best settings on the sealed test rows: name, value, interval."""
    found = document.get("test")
    lines = []
    for name, score in found.items() if isinstance(found, dict) else ():
        if isinstance(score, dict) and is_number(score.get("value")):
            low, high = score.get("low"), score.get("high")
            lines.append(
                (
                    clip(str(name).replace("_", " "), 60),
                    number(score["value"]),
                    f"{number(low)} to {number(high)}" if is_number(low) else "–",
                )
            )
    return lines


def _beyond(about: Mapping[str, Any], own: Any) -> bool:
    """Whether a value lies outside of a range."""
    low, high = about.get("low"), about.get("high")
    return is_number(own) and is_number(low) and is_number(high) and not low <= own <= high


def _range(about: Mapping[str, Any]) -> str:
    return f"{number(about.get('low'))}, {number(about.get('high'))}"
