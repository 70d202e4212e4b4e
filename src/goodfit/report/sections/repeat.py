"""How to repeat the run: the recipe, the commands, the environment, and who looked at the test set."""

from __future__ import annotations

import shlex
from typing import Any

from goodfit.report.markup import Html, clean, code, el, facts, folded, section, table
from goodfit.report.notation import clip, count, value, words
from goodfit.report.records import Records

_LONGEST = 20_000  # characters of a recipe on the page; one is 2,000


def recipe(records: Records) -> Html:
    if records.recipe is None:
        return section("recipe", "The recipe", el("p", records.absent("recipe.yaml", "the recipe")))
    text = records.recipe.rstrip()[:_LONGEST]
    block = el("pre", code(text), tabindex="0", aria_label="Recipe as YAML")
    said = el("p", "Every setting of this run, those that were chosen from the data included.", class_="quiet")
    return section("recipe", "The recipe", said, folded("recipe.yaml", block) if text.count("\n") > 60 else block)


def repeat(records: Records) -> Html:
    folder, files = records.quoted, (records.data or {}).get("files") or []
    source = (records.run or {}).get("source") or (files[0] if files else None)
    data = shlex.quote(clean(str(source))) if source else "DATA"
    asked = (records.run or {}).get("command")
    commands = [("The command that made this run", str(asked))] if asked else []
    if not records.finished:
        commands.append(("Go on where it was interrupted", f"goodfit train {folder} --resume"))
    if records.recipe is not None and "combined" not in (records.run or {}):
        commands.append(("Train again with the very settings of this run", f"goodfit train {data} --recipe {folder}/recipe.yaml"))
    if records.finished:
        commands.append(("Predict new rows", f"goodfit predict {folder} new.csv"))
        commands.append(("Measure on other rows that have the answer", f"goodfit evaluate {folder} labelled.csv"))
    said = "The same recipe, data, seed, kind of machine and number of threads give the same bits. The commands are written for the folder that holds this run."
    blocks = [
        el("div", el("p", title, class_="small quiet"), el("pre", code(text), tabindex="0", aria_label=title), class_="command")
        for title, text in commands
    ]
    return section("repeat", "How to repeat it", el("p", said, class_="quiet"), *blocks)


def environment(records: Records) -> Html:
    found = records.environment
    if found is None:
        return section("environment", "Environment", el("p", records.absent("environment.json", "the environment")))
    named = {"goodfit": "goodfit", "torch": "torch", "python": "Python", "cpu": "CPU", "numpy": "numpy", "polars": "polars"}
    pairs: list[tuple[str, Any]] = [(named.get(key, words(key).capitalize()), _shown(item)) for key, item in found.items()]
    return section("environment", "Environment", facts(pairs, class_="facts wide"))


def _shown(item: Any) -> str:
    return str(item) if isinstance(item, int | float) and not isinstance(item, bool) else value(item, 300)


def ledger(records: Records) -> Html:
    title = "Who looked at the test set"
    if records.ledger is None:
        return section("ledger", title, el("p", records.absent("test-ledger.jsonl", "the ledger of the test set")))
    openings = records.openings
    if not openings:
        return section("ledger", title, el("p", "The sealed test set has not been opened."))
    said = "The sealed test set was opened once, to measure the finished network."
    if openings > 1:
        said = f"The sealed test set was opened {count(openings)} times. Whatever was chosen after the first time may have been chosen for these very rows."
    rows = [
        [
            count(line.get("count", i + 1)),
            clip(str(line.get("time", "")), 40).replace("T", " "),
            clip(line.get("purpose", ""), 200),
            count(line.get("rows")),
        ]
        for i, line in enumerate(records.ledger[-100:])
    ]
    return section(
        "ledger",
        title,
        el("p", said),
        table("Openings of the test set", ("Opening", "Time", "Purpose", "Rows"), rows, numeric=(3,), hidden=True),
    )
