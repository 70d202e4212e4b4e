"""What the checks found, the gravest first, each with its evidence, its probe and its remedy."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import Html, code, el, facts, folded, join, section
from goodfit.report.notation import clip, count, is_number, named, number, percent, value, words
from goodfit.report.records import Records
from goodfit.report.sections import doctor

_RANK = {"error": 0, "warning": 1, "remark": 2}
_NAMED = 12  # columns or rows named on the page; the records hold the first twenty
_OPEN = 12  # findings in view; more are folded away


def findings(records: Records) -> Html:
    if records.findings is None:
        return section("findings", "Findings", el("p", records.absent("findings.json", "what the checks found")))
    found = ranked(records.findings)
    if not found:
        return section("findings", "Findings", el("p", "The checks ran and found nothing wrong with the data."), *_examined(records))
    items = [el("li", doctor.finding(item) if _proven(item) else _finding(item), class_=_severity(item)) for item in found]
    parts: list[Any] = [el("p", _counted(found), class_="quiet"), el("ol", *items[:_OPEN], class_="findings")]
    if len(items) > _OPEN:
        parts.append(folded(f"{count(len(items) - _OPEN, 'more finding')}", el("ol", *items[_OPEN:], class_="findings", start=_OPEN + 1)))
    return section("findings", "Findings", *parts, *_examined(records))


def _proven(item: dict[str, Any]) -> bool:
    """Whether an experiment of the doctor's stands behind it."""
    probe = item.get("probe")
    return isinstance(probe, dict) and "showed" in probe


def _examined(records: Records) -> list[Html]:
    """What was seen of the training, in a line."""
    seen = records.examination
    if seen is None:
        return []
    signals = [_sentence(text) for text in doctor.items_of(seen.get("signals"))]
    if not signals:
        return [el("p", "Examined while it trained: nothing stood out.", class_="quiet")]
    told = [text for name in ("looked_at", "not_seen") for text in doctor.sentences(seen, name)]
    outcome = "" if seen.get("findings") else " No experiment confirmed a fault."
    parts = [el("p", f"Examined after it was trained, since {' '.join(signals)}{outcome}", class_="quiet")]
    return parts + ([folded("What was examined", el("ul", *(el("li", text) for text in told)))] if told else [])


def ranked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By severity, then by the measured gain of the remedy, then by confidence."""

    def weight(item: dict[str, Any]) -> tuple[float, float, float]:
        gain, confidence = item.get("gain"), item.get("confidence")
        return (_RANK[_severity(item)], -gain if is_number(gain) else 0.0, -confidence if is_number(confidence) else -1.0)

    return sorted(found, key=weight)


def _severity(item: dict[str, Any]) -> str:
    severity = item.get("severity")
    return severity if severity in _RANK else "remark"


def _counted(found: list[dict[str, Any]]) -> str:
    counts = [(sum(_severity(item) == severity for item in found), severity) for severity in _RANK]
    return ", ".join(count(n, severity) for n, severity in counts if n) + (", the gravest first." if len(found) > 1 else ".")


def _finding(item: dict[str, Any]) -> Html:
    severity, confidence = _severity(item), item.get("confidence")
    sure = f"{percent(confidence, 0)} sure" if is_number(confidence) and confidence < 1 else None
    head = el(
        "p",
        el("span", severity, class_=f"badge {severity}"),
        " ",
        code(item.get("code", "")),
        el("span", sure, class_="quiet") if sure else None,
        class_="kind",
    )
    gain = item.get("gain")
    details = facts(
        [
            ("Columns", _named(item.get("columns") or [])),
            ("Rows", _named(item.get("rows") or [])),
            ("Evidence", _pairs(item.get("evidence"))),
            ("Probe", _pairs(item.get("probe"))),
            ("Remedy", _sentence(item["remedy"]) if item.get("remedy") else None),
            ("Measured gain", f"{'+' if gain > 0 else ''}{number(gain)}" if is_number(gain) else None),
        ],
        class_="details",
    )
    return join([head, el("p", _sentence(item.get("message", "")), class_="message"), details])


def _sentence(text: Any) -> str:
    """The checks write their messages for a list, without a full stop; on the page it is a sentence."""
    said = clip(text, 1_000)
    return said if said.endswith((".", "!", "?", "…")) or not said else f"{said}."


def _named(items: Any) -> Html | None:
    items = list(items) if isinstance(items, list | tuple) else [items]
    if not items:
        return None
    shown = [code(named(item, 80)) for item in items[:_NAMED]]
    more = f" and {count(len(items) - _NAMED)} more" if len(items) > _NAMED else ""
    return join([join(shown, ", "), more])


def _pairs(pairs: Any) -> str | None:
    if not isinstance(pairs, dict) or not pairs:
        return None
    return " · ".join(f"{words(key)} {value(item, 120)}" for key, item in pairs.items())
