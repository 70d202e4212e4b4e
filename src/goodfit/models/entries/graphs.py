"""Networks for graphs: for the nodes of one, and for rows that are graphs each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.models.entry import Entry, Inputs, Setting, Settings
from goodfit.models.gat import GAT
from goodfit.models.gcn import GCN
from goodfit.models.gin import GIN
from goodfit.models.graphsage import GraphSAGE
from goodfit.models.over_graphs import OverGraphs

Make = Callable[[int, int, dict[str, Any]], nn.Module]

# What suits rows that are graphs, where nodes of one are what the entries' defaults are for. Of small graphs few nodes stand for an answer, and to leave
# out half of what is known of them leaves out what it hangs on.
WHOLE: dict[str, Any] = {"depth": 4, "dropout": 0.1, "norm": "layer", "residual": True}
WIDEST_OF_FEW = ((2_000, 64), (20_000, 128), (None, 256))  # training rows below which a network for whole graphs is this wide


def graph_defaults(name: str, inputs: Inputs, settings: Settings, *, rows: int) -> dict[str, Any]:
    """What the data change of an entry's defaults."""
    if inputs["graph"]["rows"] == "nodes":
        return {}
    width = next(width for below, width in WIDEST_OF_FEW if below is None or rows < below)
    return {key: value for key, value in (WHOLE | {"width": width}).items() if key in settings}


def graph_example(graph: Mapping[str, Any], rows: int) -> dict[str, Tensor]:
    """A batch of `rows` graphs of mean size; of nodes, the whole graph with as many to answer for."""
    whole = graph["rows"] == "graphs"
    nodes, edges = (int(graph[name]) * (rows if whole else 1) for name in ("nodes", "edges"))
    batch = {"nodes": torch.zeros(nodes, int(graph["features"])), "edges": torch.arange(edges).remainder(max(1, nodes)).repeat(2, 1)}
    if graph["words"]:
        held = int(graph["held"])
        places = [torch.arange(held).remainder(size) for size in (int(graph["words"]), max(1, nodes))]
        batch |= {"words": torch.zeros(held), "places": torch.stack([places[0], places[1].sort().values])}
    if graph["edge_features"]:
        batch["edge_features"] = torch.zeros(edges, int(graph["edge_features"]))
    if whole:
        return batch | {"sizes": torch.full((rows,), int(graph["nodes"]))}
    return batch | {"rows": torch.zeros(rows, dtype=torch.int64)}


def _over(make: Callable[..., nn.Module], *, edges: bool = False, degrees: bool = False) -> Callable[[Inputs, int, Settings], nn.Module]:
    def build(inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
        graph, own = inputs["graph"], dict(settings)
        whole = graph["rows"] == "graphs"
        readout, width = own.pop("pool"), own["width"]
        told = int(graph["edge_features"]) if edges else 0
        if told:
            own["edge_features"] = told
        network = make(width, outputs, readout=readout if whole else "none", **own)
        return OverGraphs(
            network, features=int(graph["features"]), words=int(graph["words"]), width=width, dropout=own["dropout"], whole=whole,
            edge_features=told, degrees=degrees, outputs=outputs,
        )  # fmt: skip

    return build


def _settings(**more: Setting) -> dict[str, Setting]:
    return {
        "width": Setting(128, "few labelled nodes overfit what is wider"),
        "depth": Setting(2, "layers, and edges that news travels: beyond two, nodes grow alike"),
        "dropout": Setting(0.6, "from 0.5 to 0.7 is where tuned networks for nodes lie (Luo et al. 2024); 0.1 where rows are graphs"),
        "norm": Setting(
            "none",
            "hidden layers of two are not deep; layer where rows are graphs: with it esol has an RMSE of 0.64, with none or batch over 0.67",
        ),
        "residual": Setting(False, "for deeper networks, and where rows are graphs"),
        "pool": Setting(
            "mean",
            "how nodes become one where rows are graphs: the sum, which tells more of them apart, has 0.67 on esol (validation folds)",
        ),
        **more,
    }


def _heads(version: int) -> Callable[..., nn.Module]:
    def make(features: int, outputs: int, **settings: Any) -> nn.Module:
        return GAT(features, outputs, version=version, attention_dropout=min(0.3, settings["dropout"]), **settings)

    return make


_HEADS = Setting(8, "as in the papers, side by side")

ENTRIES: dict[str, Entry] = {
    "gcn": Entry(
        _over(GCN, degrees=True),
        ("graph",),
        _settings(),
        "nodes that are like their neighbours: the mean over them and itself, with the fewest weights",
        "Kipf and Welling 2017",
    ),
    "graphsage": Entry(
        _over(GraphSAGE),
        ("graph",),
        _settings(),
        "the default for nodes: what a node is has weights of its own beside what its neighbours are",
        "Hamilton, Ying and Leskovec 2017",
    ),
    "gat": Entry(_over(_heads(1)), ("graph",), _settings(heads=_HEADS), "neighbours that matter unequally, weighed by attention", "Veličković et al. 2018"),
    "gatv2": Entry(
        _over(_heads(2)),
        ("graph",),
        _settings(heads=_HEADS),
        "attention that may prefer other neighbours for other nodes, at two to three times the time",
        "Brody, Alon and Yahav 2022",
    ),
    "gin": Entry(
        _over(GIN, edges=True),
        ("graph",),
        _settings(),
        "the default where rows are graphs, such as molecules: sums, which tell most graphs apart, and features of the edges",
        "Xu et al. 2019, Hu et al. 2020",
    ),
}  # fmt: skip
