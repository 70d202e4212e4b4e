"""The data as it was understood: every column with its kind and the reason, what was read leniently, and the split."""

from __future__ import annotations

from collections import Counter
from typing import Any

from goodfit.report.markup import Html, code, el, facts, folded, join, section, table
from goodfit.report.notation import clip, count, is_number, listed, named, percent, words
from goodfit.report.records import Records
from goodfit.report.sections.graph import graph

_OPEN = 30  # columns in view; more are folded away
_MOST = 3_000  # columns on the page at about 200 bytes each; the schema has them all
_NOTES = 20
_PARTS = (("train", "training"), ("valid", "validation"), ("test", "sealed test"))


def understanding(records: Records) -> Html:
    data = records.data
    if data is None:
        return section("data", "The data, as it was understood", el("p", records.absent("schema.json", "how the columns were understood")))
    columns = [column for column in data.get("columns") or [] if isinstance(column, dict)]
    rows = data.get("rows")
    files = [clip(str(file), 160) for file in data.get("files") or []]
    named = join([code(file) for file in files[:5]], ", ")
    more = f" and {count(len(files) - 5, 'more file')}" if len(files) > 5 else ""
    parts: list[Any] = [
        facts(
            [
                ("Rows", count(rows) if is_number(rows) else None),
                ("Columns", join([count(len(columns)), el("span", f" ({_kinds(columns)})", class_="quiet")]) if columns else None),
                ("Read from", join([named, more]) if files else None),
                ("Fingerprint", code(clip(data["fingerprint"], 24)) if data.get("fingerprint") else None),
            ]
        ),
        *graph(data.get("graph")),
        *_split(data.get("split")),
        *_notes(data.get("notes") or []),
        *_columns(columns, rows),
    ]
    return section("data", "The data, as it was understood", *parts)


def _kinds(columns: list[dict[str, Any]]) -> str:
    counted = Counter(str(column.get("kind")) for column in columns).most_common()
    return listed([count(n, kind, {"category": "categories", "boolean": "booleans", "text": "texts"}.get(kind)) for kind, n in counted])


def _split(split: Any) -> list[Any]:
    if not isinstance(split, dict):
        return []
    sizes = [(name, title, split.get(name) or 0) for name, title in _PARTS if is_number(split.get(name) or 0)]
    total = sum(size for _, _, size in sizes)
    if not total:
        return []
    bars = [el("span", class_=name, style=f"flex-grow:{size / total:.4f}") for name, _, size in sizes if size]
    legend = [
        el(
            "li",
            el("span", class_=f"swatch {name}"),
            f"{title} ",
            el("b", count(size)),
            el("span", f" ({percent(size / total)})", class_="quiet"),
        )
        for name, title, size in sizes
        if size
    ]
    without = [title for _, title, size in sizes if not size]
    lacking = f" There is no {listed(without, 'nor')} part." if without else ""
    how = str(split.get("how") or "").strip()
    sentence = f"{how[0].upper()}{how[1:]}{'' if how.endswith('.') else '.'}" if how else ""
    return [
        el("h3", "How the rows were split"),
        el("div", *bars, class_="split", aria_hidden="true"),
        el("ul", *legend, class_="legend"),
        el("p", clip(f"{sentence}{lacking}", 600)) if sentence or lacking else None,
    ]


def _notes(notes: list[Any]) -> list[Any]:
    said = [note.get("message", "") if isinstance(note, dict) else str(note) for note in notes]
    if not said:
        return []
    items = [el("li", clip(text, 600)) for text in said]
    parts = [el("h3", "Used, though not quite right"), el("ul", *items[:_NOTES], class_="notes")]
    if len(items) > _NOTES:
        parts.append(folded(count(len(items) - _NOTES, "more note"), el("ul", *items[_NOTES : _NOTES + 500], class_="notes")))
    return parts


def _columns(columns: list[dict[str, Any]], rows: Any) -> list[Any]:
    if not columns:
        return []
    ordered = sorted(columns, key=lambda column: column.get("role") != "target")  # the target first, else as in the file
    cells = [_row(column, rows) for column in ordered[:_MOST]]
    head = ("Column", "Kind", "Role", "Missing", "Distinct", "Why this kind")
    shown = table("Columns with their kinds and roles", head, cells[:_OPEN], numeric=(3, 4), class_="columns", hidden=True)
    parts: list[Any] = [el("h3", "Columns"), shown]
    if len(cells) > _OPEN:
        rest = table("The other columns", head, cells[_OPEN:], numeric=(3, 4), class_="columns", hidden=True)
        parts.append(folded(f"The other {count(len(cells) - _OPEN, 'column')}", rest))
    if len(ordered) > _MOST:
        parts.append(el("p", f"{count(len(ordered) - _MOST)} columns are left out here; schema.json has them all.", class_="quiet"))
    return parts


def _row(column: dict[str, Any], rows: Any) -> list[Any]:
    role, missing = str(column.get("role", "")), column.get("missing")
    share = f" ({percent(missing / rows)})" if is_number(missing) and missing and is_number(rows) and rows else ""
    return [
        named(column.get("name", ""), 100),
        words(column.get("kind", "")),
        el("span", words(role), class_=f"role {role}") if role in ("target", "ignored") else words(role),
        join([count(missing), el("span", share, class_="quiet") if share else None]),
        count(column.get("distinct")),
        clip(column.get("reason") or "", 300),
    ]
