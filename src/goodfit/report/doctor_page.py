"""The page of an examination: one file that holds everything, loads nothing and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodfit.base.errors import BundleError
from goodfit.base.files import read_json, write_bytes
from goodfit.report.doctor_words import facts_of, subject, verdict_of
from goodfit.report.markup import Html, el, facts
from goodfit.report.page import NAME, whole
from goodfit.report.sections.doctor import examined, fixed, found

RECORD = "examination.json"


def build(folder: Path) -> Path:
    """Write `report.html` beside `examination.json` and return its path. The same record gives the same bytes. Raises BundleError without one."""
    document = read_json(Path(folder) / RECORD)
    if not isinstance(document, dict):
        raise BundleError(f"{RECORD} must hold an examination; it holds a {type(document).__name__}", file=Path(folder) / RECORD)
    path = Path(folder) / NAME
    write_bytes(path, page(document).encode("utf-8"))
    return path


def page(document: Mapping[str, Any]) -> Html:
    """The whole page as markup."""
    colour, _, title, meaning = verdict_of(document)
    name = subject(document)
    sections = [
        ("findings", "Findings", found(document)),
        ("fixed", "Fixed", fixed(document)),
        ("examined", "What was examined", examined(document)),
    ]
    shown = [(anchor, label, part) for anchor, label, part in sections if part is not None]
    header = el(
        "header",
        el("p", "goodfit doctor", class_="kicker"),
        el("h1", f"Why {name} does not train" if document.get("verdict") == "faulty" else f"The examination of {name}"),
        el("p", el("b", f"{title}."), f" {meaning}", class_=f"verdict {colour}"),
        facts(facts_of(document), class_="figures"),
        id="headline",
    )
    links = [el("li", el("a", label, href=f"#{anchor}")) for anchor, label, _ in shown]
    body = el(
        "body",
        el("a", "To the findings", href="#findings", class_="skip"),
        el("nav", el("ul", *links), aria_label="Sections"),
        el("main", header, *(part for _, _, part in shown)),
        el("footer", el("p", "Written by goodfit from the record of the examination. This page loads nothing and sends nothing.")),
    )
    return whole(f"{name} – goodfit doctor", body)
