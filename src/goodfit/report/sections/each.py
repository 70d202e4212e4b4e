"""A section that treats one target after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goodfit.report.markup import Html, el, section
from goodfit.report.notation import clip
from goodfit.report.records import Records


def per_target(name: str, title: str, records: Records, what: str, show: Callable[[dict[str, Any], Records], list[Any]]) -> Html:
    """The section with `show` of every target, under the target's name where there are several; or why there is none."""
    targets = records.targets
    if not targets:
        return section(name, title, el("p", records.absent("analysis.json", what)))
    if len(targets) == 1:
        return section(name, title, *show(targets[0], records))
    parts = [el("div", el("h3", clip(str(target.get("name")), 120)), *show(target, records), class_="target") for target in targets]
    return section(name, title, *parts)
