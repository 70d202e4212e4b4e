"""Tables for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def score_table(metrics: dict[str, dict[str, float]], rows: int) -> Table:
    """Metrics with their 95 % intervals."""
    table = Table(title=f"Scores on {rows:,} rows", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, score in metrics.items():
        table.add_row(name, f"{score['value']:.4f}", f"{score['low']:.4f} to {score['high']:.4f}")
    return table


_VERDICTS = {
    "better": "{a} is better than {b}: more than chance",
    "worse": "{b} is better than {a}: more than chance",
    "chance": "{a} and {b}: the difference may be chance",
    "unclear": "{a} and {b}: not all tests agree, so the difference may be chance",
}


def comparison_page(found: dict[str, Any]) -> Group:
    """The sides of `compare` with their scores, the tests of every pair, and what they say."""
    names = _side_names(len(found["sides"]))
    return Group(
        _sides_table(found, names),
        _tests_table(found, names),
        *(
            Text(f"{_VERDICTS[pair['verdict']].format(a=names[pair['a']], b=names[pair['b']])} ({found['metric']}).")
            for pair in found["pairs"]
        ),
        *(Text(f"{note[:1].upper()}{note[1:]}.", style="dim") for note in found["notes"]),
    )


def _side_names(count: int) -> list[str]:
    return [chr(ord("A") + index) if count <= 26 else str(index + 1) for index in range(count)]


def _sides_table(found: dict[str, Any], names: list[str]) -> Table:
    table = Table(title=f"{found['rows']:,} rows ({found['on']})", title_justify="left")
    metrics = list(found["sides"][0]["metrics"])
    for name in ("", "run", "settings that differ"):
        table.add_column(name, overflow="fold")
    for name in metrics:
        table.add_column(name, justify="right")
    for name, side in zip(names, found["sides"], strict=True):
        more = f" and {len(side['runs']) - 1} more" if len(side["runs"]) > 1 else ""
        settings = ", ".join(f"{key}={value}" for key, value in side["settings"].items() if value is not None)
        table.add_row(name, Text(side["runs"][0] + more), Text(settings), *(f"{side['metrics'][metric]:.4g}" for metric in metrics))
    return table


def _tests_table(found: dict[str, Any], names: list[str]) -> Table:
    table = Table(title="Differences, each with its 95 % interval", title_justify="left")
    for name, justify in (
        ("pair", "left"),
        ("metric", "left"),
        ("over", "left"),
        ("difference", "right"),
        ("interval", "right"),
        ("p" if len(found["pairs"]) == 1 else "p (Holm)", "right"),
        ("it is", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for pair in found["pairs"]:
        for test in pair["tests"]:
            table.add_row(
                f"{names[pair['a']]} - {names[pair['b']]}", test["metric"], f"{test['units']:,} {test['over']}", f"{test['value']:+.4g}",
                f"{test['low']:+.3g} to {test['high']:+.3g}", f"{test['adjusted']:.2g}", "real" if test["real"] else "chance",
            )  # fmt: skip
    return table


def combined_table(about: dict[str, Any]) -> Table:
    """The runs of `combine`, each with its weight and its own score on the validation rows."""
    table = Table(title=f"Together {about['metric']} {about['score']:.4g} on the validation rows", title_justify="left")
    for name, justify in (("run", "left"), ("weight", "right"), ("alone", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for entry in about["combined"]:
        table.add_row(Text(entry["run"]), f"{entry['weight']:.0%}", f"{entry['score']:.4g}")
    return table


def layer_table(account: dict[str, Any]) -> Group:
    """Each kind of network layer by layer, and what training it takes."""
    parts = [part for own in (account, *account["others"]) for part in _layers(own)]
    if account["members"] > 1:
        kinds = ", ".join(f"{kind['networks']} {kind['model']} with {kind['weight']:.0%}" for kind in account["averaged"])
        parts.append(Text(f"{account['members']} networks are averaged: {kinds} of the weight"))
    return Group(*parts)


def _layers(account: dict[str, Any]) -> tuple[Table, Text]:
    table = Table(title=f"{account['model']}, batch of {account['batch_size']}", title_justify="left")
    for name, justify in (
        ("layer", "left"),
        ("kind", "left"),
        ("output", "left"),
        ("parameters", "right"),
        ("multiply-adds", "right"),
        ("activations", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in account["rows"]:
        shape = " x ".join(str(size) for size in row["shape"])
        table.add_row(
            row["name"], row["kind"], shape, f"{row['parameters']:,}", _short(row["multiply_adds"]), _bytes(row["activation_bytes"])
        )
    total = Text(
        f"{account['parameters']:,} parameters, {_short(account['multiply_adds'])} multiply-adds a batch, "
        f"training memory about {_bytes(account['training_bytes'])}"
    )
    return table, total


def model_table(entries: list[dict[str, Any]]) -> Table:
    """The catalogue."""
    table = Table(show_lines=False)
    for name in ("name", "for", "inputs", "settings", "source"):
        table.add_column(name)
    for entry in entries:
        table.add_row(entry["name"], entry["purpose"], ", ".join(entry["inputs"]), ", ".join(entry["settings"]), entry["source"])
    return table


def setting_table(rows: list[dict[str, str]]) -> Table:
    """All settings with their bounds."""
    table = Table()
    for name in ("setting", "bound", "what it is"):
        table.add_column(name)
    for row in rows:
        table.add_row(row["name"], row["bound"], row["what"])
    return table


def run_table(entries: list[dict[str, Any]]) -> Table:
    """Runs with their state and score."""
    table = Table()
    for name in ("run", "status", "task", "model", "score", "seconds"):
        table.add_column(name)
    for entry in entries:
        score = "" if entry.get("score") is None else f"{entry['metric']} {entry['score']:.4f}"
        seconds = "" if entry.get("seconds") is None else f"{entry['seconds']:.0f}"
        table.add_row(entry["run"], entry["status"], entry.get("task") or "", entry.get("model") or "", score, seconds)
    return table


def _short(number: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def _bytes(number: float) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} B"
