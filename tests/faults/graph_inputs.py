"""Broken graphs for `cases_of_graphs`: `BUILDERS[name](folder)` fills an empty folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_N = 40


def _arrays(**changes: Any) -> dict[str, Any]:
    """A sound graph of 40 nodes, some arrays changed; None leaves one out."""
    generator = np.random.default_rng(0)
    labels = np.arange(_N) % 2
    ends = generator.integers(0, _N, (2, 120))
    part = np.arange(_N)
    arrays = {
        "edge_index": ends,
        "x": generator.normal(size=(_N, 3)) + labels[:, None],
        "label": labels,
        "train_mask": part < 20,
        "val_mask": (part >= 20) & (part < 30),
        "test_mask": part >= 30,
    }
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def _npz(**changes: Any) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **_arrays(**changes))
        (folder / "data.npz").write_bytes(buffer.getvalue())

    return build


def _ends(place: int, value: int) -> np.ndarray:
    ends = _arrays()["edge_index"].copy()
    ends[1, place] = value
    return ends


def _lines(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        rows = []
        for index in range(40):
            n = 3 + index % 3
            atoms = ["CNO"[(index + place) % 3] for place in range(n)]
            bonds = [[place, place + 1, 1 + (place + index) % 2] for place in range(n - 1)] + ([[0, n - 1, 1]] if index % 4 == 0 else [])
            rows.append({"atoms": atoms, "charge": [place % 2 for place in range(n)], "bonds": bonds, "label": "ab"[index % 2]})
        change(rows)
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return build


def _bond(row: int, bond: list[Any]) -> Callable[[list[dict[str, Any]]], None]:
    return lambda rows: rows[row]["bonds"].append(bond)


_SPARSE = {
    "x": None,
    "x_data": np.ones(4),
    "x_indices": np.array([0, 1, 2, 9]),
    "x_indptr": np.r_[0, 4, np.full(39, 4)],
    "x_shape": np.array([_N, 3]),
}

BUILDERS: dict[str, Callable[[Path], None]] = {
    "graph-sound": _npz(),
    "graph-without-masks-or-features": _npz(x=None, train_mask=None, val_mask=None, test_mask=None),
    "graph-edge-beyond": _npz(edge_index=_ends(6, _N)),
    "graph-edge-negative": _npz(edge_index=_ends(6, -1)),
    "graph-edges-of-three": _npz(edge_index=np.zeros((3, 9), np.int64)),
    "graph-edges-of-fractions": _npz(edge_index=np.full((2, 9), 0.5)),
    "graph-loops-and-twice": _npz(edge_index=np.array([[0, 0, 1, 2, 5], [0, 1, 2, 1, 6]])),
    "graph-without-edges": _npz(edge_index=np.zeros((2, 0), np.int64)),
    "graph-masks-overlap": _npz(val_mask=np.arange(_N) < 25),
    "graph-mask-of-splits": _npz(train_mask=np.ones((_N, 10), bool)),
    "graph-no-training-nodes": _npz(train_mask=np.zeros(_N, bool)),
    "graph-nodes-differ": _npz(x=np.zeros((_N - 1, 3))),
    "graph-not-finite": _npz(x=np.where(np.arange(_N)[:, None] == 4, np.nan, np.ones((_N, 3)))),
    "graph-labels-of-many": _npz(label=np.zeros((_N, 3))),
    "graph-sparse-broken": _npz(**_SPARSE),
    "graph-labels-unknown": _npz(label=np.full(_N, -1)),
    "graphs-sound": _lines(lambda rows: None),
    "graphs-bond-beyond": _lines(_bond(4, [0, 9, 1])),
    "graphs-bond-negative": _lines(_bond(4, [0, -1, 1])),
    "graphs-bond-of-a-fraction": _lines(_bond(4, [0, 1.5, 1])),
    "graphs-bond-of-one-end": _lines(_bond(4, [0])),
    "graphs-nodes-differ": _lines(lambda rows: rows[4]["charge"].append(1)),
    "graphs-one-empty": _lines(lambda rows: rows[4].update(atoms=[], charge=[], bonds=[])),
    "graphs-with-a-number-beside": _lines(lambda rows: [row.update(weight=index % 7 + 0.5) for index, row in enumerate(rows)] and None),
}
