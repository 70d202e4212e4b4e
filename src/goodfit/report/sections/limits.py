"""What limits the networks: bias, variance, and what would help."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import Html, el, section, table
from goodfit.report.notation import clip, count, is_number, number, percent, words
from goodfit.report.records import Records


def limits(records: Records) -> Html:
    """The section; nothing where no target has what it needs."""
    shown = [(str(target.get("name")), _of(found)) for target in records.targets if isinstance(found := target.get("limits"), dict)]
    if not shown:
        return Html("")
    if len(records.targets) == 1:
        return section("limits", "What limits it", *shown[0][1])
    return section("limits", "What limits it", *(el("div", el("h3", clip(name, 120)), *parts, class_="target") for name, parts in shown))


def _of(found: dict[str, Any]) -> list[Any]:
    parts = []
    advice = found.get("verdict")
    if isinstance(advice, dict) and advice.get("sentence"):
        sentence = clip(str(advice["sentence"]), 600)
        parts.append(el("p", f"{sentence[:1].upper()}{sentence[1:]} ({words(found.get('metric'))})."))
    split = [part for part in found.get("parts") or [] if isinstance(part, dict)]
    if not split:
        return parts or [el("p", "There is one network, so that bias and variance cannot be told apart.")]
    rows = [
        [str(part.get("loss")), *(_figure(part, name) for name in ("error", "bias", "variance", "averaged"))]
        for part in split
    ]  # fmt: skip
    head = ("Loss", "Of one network", "Bias and noise", "Variance", "Of their average")
    networks = count(found.get("networks"), "network")
    parts.append(table("Parts of the error", head, rows, numeric=(1, 2, 3, 4)))
    parts.append(
        el(
            "p",
            f"Measured between {networks} ({clip(str(found.get('model')), 40)}) of other folds and seeds on {count(found.get('rows'), 'row')} that none learned from."
            " They share most of their rows, so networks of fresh data would vary more. Noise, which nobody can undo, counts as bias.",
            class_="quiet",
        )
    )
    return parts


def _figure(part: dict[str, Any], name: str) -> str:
    value = part.get(name)
    if not is_number(value):
        return ""
    return percent(value) if part.get("loss") == "0-1 loss" else number(value)
