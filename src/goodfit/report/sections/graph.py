"""What a graph is like: its size, how many neighbours nodes have, and whether neighbours are of one class."""

from __future__ import annotations

from typing import Any

from goodfit.report.markup import el, facts, table
from goodfit.report.notation import clip, count, is_number, number, percent

_PURE = 1.5  # times what chance would give, from which neighbours are called alike


def graph(recorded: Any) -> list[Any]:
    """The parts of the data's section, none where there is no graph."""
    if not isinstance(recorded, dict):
        return []
    if recorded.get("rows") == "graphs":
        return [el("h3", "The graphs"), facts([(name.capitalize(), _span(recorded.get(name))) for name in ("nodes", "edges")])]
    degrees = [entry for entry in recorded.get("degrees") or [] if isinstance(entry, dict)]
    cells = [[clip(str(entry.get("degree")), 20), count(entry.get("count"))] for entry in degrees]
    return [
        el("h3", "The graph"),
        facts(
            [
                ("Nodes", count(recorded.get("nodes"))),
                ("Edges", count(recorded.get("edges"))),
                ("Neighbours of a node, mean", number(recorded.get("mean_degree"))),
                ("Nodes without a neighbour", count(recorded.get("alone"))),
                ("Edges within a class", percent(recorded["homophily"]) if is_number(recorded.get("homophily")) else None),
            ]
        ),
        el("p", _alike(recorded)) if is_number(recorded.get("homophily")) else None,
        table("Nodes by their number of neighbours", ("Neighbours", "Nodes"), cells, numeric=(1,)) if cells else None,
    ]


def _alike(recorded: dict[str, Any]) -> str:
    alike, chance = float(recorded["homophily"]), float(recorded.get("expected") or 0.0)
    told = f"Of the edges between nodes of known class, {percent(alike)} join two of one class; by chance it would be {percent(chance)}."
    if alike >= _PURE * chance:
        return f"{told} What a node's neighbours are says much of what it is."
    return f"{told} Neighbours are hardly more alike than strangers: the edges may say little."


def _span(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return None
    return f"{number(entry.get('mean'))} on average, {count(entry.get('least'))} to {count(entry.get('most'))}"
