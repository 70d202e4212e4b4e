"""What is decided for graphs: how the rows are learned from, and which columns may stand beside a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Column
from goodfit.data.node_batches import fits

# Epochs where the whole graph is read at once: two updates each, of which the few hundred of Kipf and Welling's training make a hundred epochs.
NODES_EPOCHS, NODES_PATIENCE = 100, 30
NEIGHBOURS = 10  # drawn of each node for each layer: GraphSAGE's 25 and 10, evened
SAMPLED_BATCH, SAMPLED_EPOCHS = 1_024, 20  # as common for graphs of a million nodes
FEW_ROWS = 20_000  # that learn whole graphs, or nodes, below which several networks are averaged


def graph_kind(columns: Sequence[Column]) -> str | None:
    """The kind of column that makes the rows a graph, "edges" or "neighbours"; None where they are none. Raises DataError for columns that cannot
    stand beside it."""
    kinds = {str(column.kind) for column in columns}
    kind = "neighbours" if "neighbours" in kinds else "edges" if "edges" in kinds else None
    if kind is None:
        if "nodes" in kinds:
            name = next(column.name for column in columns if column.kind == "nodes")
            raise DataError(
                f"{name!r} has an entry for each node, and no column says which nodes are joined; say data.kinds.NAME=edges of one",
                column=name,
            )
        return None
    allowed = {"nodes", "edges"} if kind == "edges" else {"neighbours", "vector", "number", "category", "boolean"}
    others = [column for column in columns if column.kind not in allowed]
    if others:
        what = (
            "each row is a graph, of which a network reads nodes and edges"
            if kind == "edges"
            else "a network over nodes reads numbers and categories"
        )
        raise DataError(
            f"{what}, and {others[0].name!r} ({others[0].kind}) stands beside it; leave it out with "
            f"data.drop={','.join(column.name for column in others)}",
            column=others[0].name,
        )
    return kind


def graph_settings(recipe: Recipe, inputs: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Changes to the recipe for graphs, nothing for other data. rows: training rows. Raises SettingError for settings that graphs have no use for."""
    graph = inputs.get("graph")
    if graph is None or graph["rows"] == "graphs":
        if recipe.given("train.neighbours"):
            raise SettingError("train.neighbours is for rows that are nodes of one graph; leave it out", value=recipe.train.neighbours)
        if graph is not None:
            _refuse(recipe)
        return {}
    _refuse(recipe)
    if recipe.model.pool not in (None, "mean"):  # the default, which a resolved recipe holds
        raise SettingError(
            "model.pool makes one of a graph's nodes, and here each node has an answer of its own; leave it out", value=recipe.model.pool
        )
    drawn = recipe.train.neighbours
    if drawn is None:
        drawn = 0 if fits(graph["nodes"], graph["edges"]) else NEIGHBOURS
    changes: dict[str, Any] = {"train__neighbours": drawn}
    if recipe.train.batch_size is None:
        changes["train__batch_size"] = SAMPLED_BATCH if drawn else max(1, -(-rows // 2) if graph["labels"] else rows)
    if recipe.train.epochs is None:
        changes["train__epochs"] = SAMPLED_EPOCHS if drawn else NODES_EPOCHS
        if recipe.train.patience is None:
            changes["train__patience"] = SAMPLED_EPOCHS if drawn else NODES_PATIENCE
    return changes


def _refuse(recipe: Recipe) -> None:
    for name, none, what in (("mixup", 0.0, "mixes rows"), ("accumulate", 1, "cuts a batch into rows")):
        if getattr(recipe.train, name) != none:
            raise SettingError(f"train.{name} {what}, and those of a graph hang together; leave it out", value=getattr(recipe.train, name))
