"""What a graph is like, for the report; and what simple predictors make of it.

n rows, N nodes, C classes. Rows that are graphs: counts of what nodes and edges are, which is what anyone would count by hand, for a linear model and
boosted trees. Rows that are nodes: what is known of a node alone for a linear model, and the neighbours' labels alone, spread along the edges
(Zhou et al. 2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.data import encode_graphs, encode_nodes
from goodfit.data.dataset import Dataset
from goodfit.data.encoded import Ragged
from goodfit.data.graph_columns import rows_of
from goodfit.data.splits import Split
from goodfit.data.spread import Spreader, told
from goodfit.data.target import TargetSpec

Prediction = dict[str, np.ndarray]
_BINS = 8  # of degrees, the last open: most graphs have few nodes of more


def counted(dataset: Dataset, train: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are graphs: float64 [n, columns] of the training rows and of those to predict, nodes by what they are, edges likewise, and both in all."""
    edges, nodes = columns_of(dataset)
    frame = dataset.take(train, [*nodes, edges])
    encoder = encode_graphs.fit(frame, edges, nodes, lambda i: dataset.place(int(train[i])))
    both = []
    for rows in (train, on):
        found = encoder.encode(dataset.take(rows, [*nodes, edges]), lambda i, rows=rows: dataset.place(int(rows[i])))  # type: ignore[misc]
        parts = []
        for name in ("nodes", "edge_features"):
            if name in found:
                values, counts = found[name]
                parts.append(_sums(values, counts))
        parts.append(found["edges"][1][:, None].astype(np.float64))
        both.append(np.concatenate(parts, 1))
    return both[0], both[1]


def _sums(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The sum of each row's values, [m, D] -> [n, D]."""
    below = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    stops = np.cumsum(counts)
    return below[stops] - below[stops - counts]


def described(dataset: Dataset, target: TargetSpec, train: np.ndarray) -> tuple[Any, dict[str, Tensor | Ragged]]:
    """Rows that are nodes: what is known of each, [N, columns], sparse, without its neighbours; and all inputs."""
    from scipy import sparse

    columns = list(dataset.schema.features)
    encoder = encode_nodes.fit(dataset, columns, target, train, spread=True)
    inputs = encoder.encode(dataset.take(np.arange(dataset.rows), [column.name for column in columns]))
    nodes, words, places = inputs["nodes"], inputs.get("words"), inputs.get("columns")
    assert isinstance(nodes, Tensor)
    parts = [sparse.csr_matrix(nodes.numpy())]
    if isinstance(words, Ragged) and isinstance(places, Ragged):
        shape = (dataset.rows, encoder.inputs()["words"])
        parts.append(sparse.csr_matrix((words.values.numpy(), places.values.numpy(), words.offsets.numpy()), shape=shape))
    return sparse.hstack(parts, format="csr"), inputs


def spread_labels(inputs: dict[str, Tensor | Ragged], target: TargetSpec, on: np.ndarray, share: np.ndarray) -> Prediction:
    """The labels of the training nodes, spread; where none is reached, the shares of the classes [C], or the mean."""
    neighbours, known = inputs["neighbours"], inputs["known"]
    assert isinstance(neighbours, Ragged)
    assert isinstance(known, Tensor)
    spreader = Spreader(neighbours.values.long(), neighbours.offsets)
    there, filled = ~known.isnan(), known.nan_to_num()
    C = len(target.classes or ())
    values = torch.nn.functional.one_hot(filled.long(), C).float() if C else filled.unsqueeze(1)
    heard = told(values, there, spreader).numpy()[on].astype(np.float64)
    if not C:
        return {"mean": heard[:, 0] * target.std + target.mean}
    reached = heard[:, -1:] > 0
    return {"probability": np.where(reached, heard[:, :-1], share)}


def columns_of(dataset: Dataset) -> tuple[str, list[str]]:
    """The column of edges, and those of nodes."""
    features = dataset.schema.features
    return next(c.name for c in features if c.kind == "edges"), [c.name for c in features if c.kind == "nodes"]


def facts(dataset: Dataset, target: TargetSpec, split: Split) -> dict[str, Any] | None:
    """What the graph is like, as JSON types; None where there is none.

    {"rows": "nodes", "nodes", "edges", "mean_degree", "alone", "degrees": [{"degree", "count"}], "labelled", "homophily"|None}: homophily is the share
    of edges between labelled nodes that join two of one class, "expected" the share by chance. Or {"rows": "graphs", "graphs", "nodes", "edges"} with
    {"least", "mean", "most"} of each.
    """
    rows = rows_of(dataset.schema)
    if rows is None:
        return None
    if rows == "graphs":
        edges, nodes = columns_of(dataset)
        sizes = {"edges": dataset.column(edges).list.len().fill_null(0).to_numpy()}
        if nodes:
            sizes["nodes"] = dataset.column(nodes[0]).list.len().fill_null(0).to_numpy()
        spans = {name: {"least": int(v.min()), "mean": float(v.mean()), "most": int(v.max())} for name, v in sizes.items()}
        return {"rows": rows, "graphs": dataset.rows} | spans
    column = dataset.column(next(c.name for c in dataset.schema.features if c.kind == "neighbours"))
    degree = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    counts = np.bincount(np.minimum(degree, _BINS), minlength=_BINS + 1)
    found = {
        "rows": rows,
        "nodes": dataset.rows,
        "edges": int(degree.sum()) // 2,
        "mean_degree": float(degree.mean()),
        "alone": int((degree == 0).sum()),
        "degrees": [{"degree": str(d) if d < _BINS else f"{_BINS} and more", "count": int(c)} for d, c in enumerate(counts)],
    }
    return found | _homophily(dataset, target, np.concatenate([split.train, split.valid]), column, degree)


def _homophily(dataset: Dataset, target: TargetSpec, rows: np.ndarray, column: pl.Series, degree: np.ndarray) -> dict[str, Any]:
    """How alike neighbours are, of the nodes `rows`, whose class may be looked at: those that train and validate."""
    if target.classes is None or target.kind not in ("binary", "multiclass"):
        return {}
    known = np.zeros(dataset.rows, dtype=bool)
    known[rows] = True
    labels = dataset.column(target.names[0]).cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
    targets = np.repeat(np.arange(dataset.rows), degree)
    sources = column.filter(pl.Series(degree > 0)).explode().to_numpy().astype(np.int64) if degree.any() else targets
    both = known[sources] & known[targets]
    if not both.any():
        return {"labelled": int(known.sum()), "homophily": None}
    alike = float((labels[sources[both]] == labels[targets[both]]).mean())
    share = np.bincount(labels[known]) / known.sum()
    return {"labelled": int(known.sum()), "homophily": alike, "expected": float((share**2).sum())}
