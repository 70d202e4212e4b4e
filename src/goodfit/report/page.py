"""The report of a run: one page that holds everything, loads nothing and computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from goodfit.base.files import write_bytes
from goodfit.report.markup import Html, el, join
from goodfit.report.notation import clip
from goodfit.report.records import Records, read
from goodfit.report.sections.calibration import calibration
from goodfit.report.sections.curves import curves
from goodfit.report.sections.errors import errors
from goodfit.report.sections.findings import findings
from goodfit.report.sections.headline import headline
from goodfit.report.sections.importance import importance
from goodfit.report.sections.limits import limits
from goodfit.report.sections.looks import looks
from goodfit.report.sections.mistakes import mistakes
from goodfit.report.sections.network import network
from goodfit.report.sections.repeat import environment, ledger, recipe, repeat
from goodfit.report.sections.samples import samples
from goodfit.report.sections.scores import scores
from goodfit.report.sections.understanding import understanding
from goodfit.report.sections.unlabelled import silent, unlabelled

NAME = "report.html"

_SECTIONS: tuple[tuple[str, str, Callable[[Records], Html]], ...] = (
    ("findings", "Findings", findings),
    ("data", "The data", understanding),
    ("training", "Training", curves),
    ("score", "The score", scores),
    ("limits", "What limits it", limits),
    ("looks", "Where it looks", looks),
    ("samples", "What it writes", samples),
    ("unlabelled", "What it makes", unlabelled),
    ("errors", "Where it errs", errors),
    ("calibration", "Its certainty", calibration),
    ("importance", "What it relies on", importance),
    ("mistakes", "The worst mistakes", mistakes),
    ("network", "The network", network),
    ("recipe", "The recipe", recipe),
    ("repeat", "How to repeat it", repeat),
    ("environment", "Environment", environment),
    ("ledger", "The test set", ledger),
)

# Nothing may be loaded and nothing may run, whatever the data hold; styles and pictures lie in the page.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def build(run_folder: Path) -> Path:
    """Write `report.html` into the run folder from the records in it, and return its path. The same records give the same bytes.

    Records that are absent leave a sentence in their place. Raises BundleError when the folder does not exist, StorageError when
    the disk refuses.
    """
    records = read(Path(run_folder))
    path = records.folder / NAME
    write_bytes(path, page(records).encode("utf-8"))
    return path


def page(records: Records) -> Html:
    """The whole page as markup."""
    targets = [clip(str(target.get("name")), 60) for target in records.targets]
    title = f"{', '.join(targets[:3]) or 'run'} – goodfit report"
    hidden = silent(records)
    shown = [(name, label, part) for name, label, show in _SECTIONS if name not in hidden and (part := show(records))]
    links = [el("li", el("a", label, href=f"#{name}")) for name, label, _ in shown]
    body = el(
        "body",
        el("a", "To the findings", href="#findings", class_="skip"),
        el("nav", el("ul", *links), aria_label="Sections"),
        el("main", headline(records), *(part for _, _, part in shown)),
        el("footer", el("p", "Written by goodfit from the records of the run. This page loads nothing and sends nothing.")),
    )
    return whole(title, body)


def whole(title: str, body: Html) -> Html:
    """A body as a page that holds everything and loads nothing."""
    style = resources.files("goodfit.report").joinpath("page.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("link", rel="icon", href="data:,"),
        el("style", Html(style)),
    )
    return join([Html("<!doctype html>\n"), el("html", head, "\n", body, lang="en"), "\n"])
