"""What `goodfit doctor` prints: the verdict, each fault with its proof and its edit, what was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from goodfit.report.doctor_words import (
    confidence_of,
    edit_of,
    facts_of,
    faults,
    fixed_lines,
    gain_of,
    items_of,
    probe_of,
    said,
    seen_of,
    sentences,
    subject,
    verdict_of,
)
from goodfit.report.notation import clip, count

if TYPE_CHECKING:
    from rich.console import Console

_REMARKS = 5  # in view; the page has them all


def show(document: Mapping[str, Any], report: str | None = None, console: Console | None = None) -> None:
    """Print an examination. report: path of its page, which stands on one line however narrow the terminal is."""
    from rich.console import Console, Group
    from rich.padding import Padding
    from rich.text import Text

    console = console or Console()
    if report is not None:
        console.print(f"Report: {report}", soft_wrap=True, markup=False, highlight=False)
    _, colour, title, meaning = verdict_of(document)
    found, remarks = faults(document)
    headline = Text.assemble((_plain(f"{subject(document)}: {title.lower()}"), f"bold {colour}"), f". {meaning}")
    parts: list[Any] = [headline]
    for rank, finding in enumerate(found, 1):
        parts += [Text(""), *_finding(finding, rank)]
    if remarks:
        parts += [Text(""), Text("No faults, but worth knowing", style="bold")]
        parts += [Text(_plain(f"{finding.get('code')}: {said(finding.get('message'))}"), style="dim") for finding in remarks[:_REMARKS]]
    if isinstance(fixed := document.get("fixed"), dict):
        parts += [Text(""), *_fixed(fixed)]
    for name, heading in (("looked_at", "Looked at"), ("not_seen", "Could not be seen")):
        told = sentences(document, name)
        if told:
            parts += [Text(""), Text(heading, style="bold"), *(Padding(Text(_plain(sentence)), (0, 0, 0, 2)) for sentence in told)]
    figures = [f"{name} {text}" for name, text in facts_of(document) if text is not None]
    parts += [Text(""), Text(_plain(" · ".join(figures)), style="dim")]
    console.print(Group(*parts), highlight=False)


def _finding(finding: dict[str, Any], rank: int) -> list[Any]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    sure = confidence_of(finding)
    head = Text.assemble((f"{rank}. ", "bold"), (_plain(str(finding.get("code"))), "bold red"), _plain(f"  {sure}" if sure else ""))
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    seen = ", ".join(f"{name} {text}" for name, text in seen_of(finding))
    told = [("Seen", seen), *probe_of(finding), ("Remedy", said(finding.get("remedy"))), ("Gain", gain_of(finding))]
    for name, text in told:
        if text:
            rows.add_row(Text(name), Text(_plain(text)))
    parts: list[Any] = [head, Padding(Text(_plain(said(finding.get("message")))), (0, 0, 0, 3)), Padding(rows, (0, 0, 0, 3))]
    edit = edit_of(finding)
    if edit is not None:
        where, lines = edit
        parts.append(Text(_plain(f"   {where}"), style="dim"))
        colours = {"+": "green", "-": "red"}
        parts += [Text(f"     {_plain(line)}", style=colours.get(line[:1], "dim"), no_wrap=True, overflow="ellipsis") for line in lines]
    return parts


def _fixed(fixed: Mapping[str, Any]) -> list[Any]:
    from rich.text import Text

    edits = len(items_of(fixed.get("edits")))
    parts: list[Any] = [Text(_plain(f"Fixed: {fixed.get('script')} ({count(edits, 'edit')})"), style="bold", overflow="fold")]
    for name, lines, loss, ended in fixed_lines(fixed):
        parts.append(Text(_plain(f"  {name}: loss {loss}, {ended}")))
        parts += [Text(f"    {_plain(line)}", style="dim") for line in lines]
    if fixed.get("failure"):
        parts.append(Text(_plain(f"  fixed: {said(fixed['failure'])}"), style="red"))
    return [*parts, *(Text(_plain(f"  Left out: {said(clip(text, 400))}"), style="yellow") for text in items_of(fixed.get("left_out")))]


def _plain(text: str) -> str:
    """Without narrow spaces, which terminals draw as they please, and without what a terminal would obey; tabs as spaces."""
    spaced = text.replace("\u202f", " ").replace("−", "-").replace("\t", "    ")
    return "".join(sign for sign in spaced if sign.isprintable())
