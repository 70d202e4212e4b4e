"""HTML that is escaped unless it says otherwise: `el` builds an element, every child that is no `Html` is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

# What no HTML page may hold: control characters, lone surrogates and non-characters; and what turns the text after it around.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
_LONG_WORD = 26  # characters; `Rechtsschutzversicherung` stays whole
_VOID = frozenset({"br", "img", "meta", "link", "hr", "col"})  # elements without an end tag


class Html(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def clean(text: str) -> str:
    """The text with characters that a page cannot hold replaced by the replacement character; line ends become `\\n`."""
    return _FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def escape(child: Any) -> Html:
    """A child as HTML: markup stays, None is nothing, all else is shown as its text."""
    if isinstance(child, Html):
        return child
    return Html("" if child is None else html.escape(clean(str(child)), quote=True))


def join(children: Iterable[Any], separator: str = "") -> Html:
    """Children one after the other, each escaped unless it is markup; the separator is text."""
    return Html(escape(separator).join(escape(child) for child in children))


def el(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element. A trailing underscore in an attribute's name falls away, others become hyphens; None and False leave it out.

    >>> str(el("p", "a < b", class_="note"))
    '<p class="note">a &lt; b</p>'
    """
    opening = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        opening += f" {written}" if value is True else f' {written}="{escape(value)}"'
    if name in _VOID:
        assert not children
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def section(name: str, title: str, *children: Any) -> Html:
    """One section of the page, with the anchor `name`."""
    return el("section", el("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def note(*children: Any, kind: str = "quiet") -> Html:
    """A sentence set apart. kind: `quiet`, `remark`, `warning` or `error`."""
    return el("p", *children, class_=f"note {kind}")


def scroll(*children: Any, label: str) -> Html:
    """A region that scrolls sideways by itself where it is wider than the page; reachable by keyboard."""
    return el("div", *children, class_="scroll", role="region", aria_label=label, tabindex="0")


def table(
    caption: str, head: Iterable[Any], rows: Iterable[Iterable[Any]], *, numeric: Iterable[int] = (), class_: str = "", hidden: bool = False
) -> Html:
    """A table whose first column heads its rows. numeric: positions of columns that are set right-aligned."""
    right = frozenset(numeric)
    heads = [el("th", _breakable(cell), scope="col", class_="number" if i in right else None) for i, cell in enumerate(head)]
    body = [
        el(
            "tr",
            *(
                el("td" if i else "th", _breakable(cell), scope=None if i else "row", class_="number" if i in right else None)
                for i, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return scroll(
        el(
            "table",
            el("caption", caption, class_="unseen" if hidden else None),
            el("thead", el("tr", *heads)),
            el("tbody", *body),
            class_=class_ or None,
        ),
        label=caption,
    )


def _breakable(cell: Any) -> Any:
    """A cell whose words may be broken, if one of them is longer than words are; all others keep theirs whole."""
    if isinstance(cell, Html) or cell is None or max(map(len, str(cell).split()), default=0) <= _LONG_WORD:
        return cell
    return el("span", cell, class_="long")


def folded(summary: Any, *children: Any) -> Html:
    """What is there for those who look: closed until it is opened."""
    return el("details", el("summary", summary), *children)


def facts(pairs: Iterable[tuple[Any, Any]], class_: str = "facts") -> Html:
    """Names and values; pairs whose value is None are left out."""
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in pairs if value is not None), class_=class_)


def code(text: Any) -> Html:
    return el("code", text)
