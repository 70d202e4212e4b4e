"""What the doctor found: each fault with its evidence, the experiment that proved it, its edit and its gain; what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodfit.report.charts import lines
from goodfit.report.doctor_words import (
    confidence_of,
    curves_of,
    edit_of,
    faults,
    fixed_lines,
    gain_of,
    items_of,
    level,
    losses_of,
    more_of,
    probe_of,
    said,
    seen_of,
    sentences,
)  # fmt: skip
from goodfit.report.markup import Html, code, el, facts, folded, join, note, section
from goodfit.report.notation import clip, count
from goodfit.report.svg import ACCENT, MUTED, SECOND

_COLOURS = {"as it is": SECOND, "acquitted": MUTED, "repaired": ACCENT}
_SWATCHES = {"as it is": "second", "acquitted": "muted", "repaired": "accent"}
_EXPLAINED = {"as it is": "as it is", "acquitted": "had the suspicion been wrong", "repaired": "repaired"}


def found(document: Mapping[str, Any]) -> Html:
    """The faults in their rank order, then remarks."""
    confirmed, remarks = faults(document)
    parts: list[Any] = []
    if confirmed:
        several = ", what helps most first. Examine again after each edit: one may have hidden another." if len(confirmed) > 1 else "."
        parts += [el("p", f"{count(len(confirmed), 'fault')}{several}", class_="quiet")]
        parts += [el("ol", *(el("li", finding(item), class_=_severity(item)) for item in confirmed), class_="findings")]
    else:
        parts += [el("p", "No experiment confirmed a fault.")]
    if remarks:
        shown = el("ul", *(el("li", _remark(item), class_="remark") for item in remarks), class_="findings")
        parts += [folded(f"{count(len(remarks), 'remark')}: no faults, but worth knowing", shown)]
    return section("findings", "Findings", *parts)


def finding(item: Mapping[str, Any]) -> Html:
    """One finding with its proof."""
    severity, sure = _severity(item), confidence_of(item)
    head = el(
        "p",
        el("span", severity, class_=f"badge {severity}"),
        " ",
        code(clip(item.get("code", ""), 80)),
        el("span", sure, class_="quiet") if sure else None,
        class_="kind",
    )
    seen = " · ".join(f"{name} {text}" for name, text in seen_of(item))
    told = [("Seen", seen or None), *probe_of(item), *more_of(item), ("Remedy", said(item["remedy"]) if item.get("remedy") else None)]
    parts = [head, el("p", said(item.get("message", "")), class_="message"), facts([*told, ("Gain", gain_of(item))], class_="details")]
    return join([*parts, _edit(item), _curves(item)])


def examined(document: Mapping[str, Any]) -> Html:
    """What was looked at, and what could not be."""
    parts: list[Any] = []
    for name, heading in (("looked_at", "Looked at"), ("not_seen", "Could not be seen")):
        told = sentences(document, name)
        parts += [el("h3", heading), el("ul", *(el("li", sentence) for sentence in told))] if told else []
    if not parts:
        parts = [el("p", "The examination did not say what it looked at.")]
    losses = losses_of(document.get("examined"))
    if len(losses) > 1:
        whose = "run" if (document.get("examined") or {}).get("run") else "script"
        said_of = f"The {whose}'s own loss per update: {level(losses)}."
        chart = lines([("loss", losses)], description=said_of, across="Update", colours={"loss": SECOND})
        parts.append(el("figure", el("figcaption", el("b", f"The {whose}'s loss"), " as it ran"), chart, class_="chart"))
    return section("examined", "What was examined", *parts)


def fixed(document: Mapping[str, Any]) -> Html | None:
    """The script as it was and fixed, side by side; None where it was not fixed."""
    made = document.get("fixed")
    if not isinstance(made, dict):
        return None
    parts: list[Any] = [el("p", "Written beside the original: ", code(clip(made.get("script"), 300)), ".")]
    columns = []
    for name, printed, loss, ended in fixed_lines(made):
        column = [el("h3", name.capitalize()), el("p", f"Loss {loss}; {ended}.", class_="quiet")]
        columns.append(el("div", *column, el("pre", el("code", "\n".join(printed))) if printed else el("p", "It printed nothing.")))
    parts.append(el("div", *columns, class_="pair"))
    if made.get("failure"):
        parts.append(note(el("b", "What was fixed failed."), f" {said(made['failure'])}", kind="warning"))
    left = items_of(made.get("left_out"))
    parts += [note(el("b", "Left out."), " ", " ".join(said(text) for text in left), kind="warning")] if left else []
    curves = [
        (name, points) for name, key in (("as it is", "before"), ("repaired", "after")) if len(points := losses_of(made.get(key))) > 1
    ]
    if curves:
        parts.append(_figure("Loss of both runs", curves, "Update"))
    return section("fixed", "Fixed", *parts)


def _edit(item: Mapping[str, Any]) -> Html | None:
    edit = edit_of(item)
    if edit is None:
        return None
    where, written = edit
    kinds = {"+": "added", "-": "removed"}
    marked = join((el("span", line, class_=kinds[line[:1]]) if line[:1] in kinds else line for line in written), "\n")
    return el("div", el("p", where, class_="quiet small"), el("pre", el("code", marked), class_="diff"), class_="edit")


def _curves(item: Mapping[str, Any]) -> Html | None:
    curves = [(name, points) for name, points in curves_of(item) if len(points) > 1]
    return _figure("The experiment", curves, "Update") if curves else None


def _figure(title: str, curves: list[tuple[str, list[tuple[float, float]]]], across: str) -> Html:
    keys = [el("span", el("span", class_=f"swatch {_SWATCHES[name]}"), _EXPLAINED[name]) for name, _ in curves]
    caption = el("figcaption", el("b", title), ", loss per update", el("span", *keys, class_="keys"))
    description = f"{title}: " + "; ".join(f"{_EXPLAINED[name]} from {level(points)}" for name, points in curves) + "."
    return el("figure", caption, lines(curves, description=description, across=across, colours=_COLOURS), class_="chart")


def _remark(item: Mapping[str, Any]) -> Html:
    return join([code(clip(item.get("code", ""), 80)), " ", said(item.get("message", ""))])


def _severity(item: Mapping[str, Any]) -> str:
    severity = item.get("severity")
    return severity if severity in ("error", "warning", "remark") else "error"
