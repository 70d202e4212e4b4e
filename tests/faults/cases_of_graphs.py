"""Broken graphs; see `cases`."""

from __future__ import annotations

from cases import LINES, NPZ, Case, refused, used

NODES = [
    used("graph-sound", "edges in 'edge_index' were given in one direction and are read in both", call=NPZ),
    used("graph-without-masks-or-features", call=NPZ),
    used("graph-loops-and-twice", "1 edges in 'edge_index' join a node to itself", call=NPZ),
    used("graph-without-edges", call=NPZ),
    refused("graph-edge-beyond", "must join nodes 0 to 39; edge 7 names 40", row=7, column="edge_index", call=NPZ),
    refused("graph-edge-negative", "edge 7 names -1", row=7, column="edge_index", call=NPZ),
    refused("graph-edges-of-three", "whole numbers [2, E]", column="edge_index", call=NPZ),
    refused("graph-edges-of-fractions", "whole numbers [2, E]", column="edge_index", call=NPZ),
    refused("graph-masks-overlap", "each node is of one part; node 0", row=1, column="val_mask", call=NPZ),
    refused("graph-mask-of-splits", "true or false for each of the 40 nodes", "take one of the splits", column="train_mask", call=NPZ),
    refused("graph-no-training-nodes", "no row for training", column="split", call=NPZ),
    refused("graph-nodes-differ", "must agree how many nodes the graph has; there are 40 in 'label'", call=NPZ),
    refused("graph-not-finite", "must be finite; entry 5 is not", row=5, column="x", call=NPZ),
    refused("graph-labels-of-many", "are one for each, [40]", column="label", call=NPZ),
    refused("graph-sparse-broken", "must be a sparse matrix by rows", column="x", call=NPZ),
    refused("graph-labels-unknown", "has no value in any row", column="label", call=NPZ),
    refused(
        "graph-with-a-table-s-network",
        "reads numbers, categories, the data have graph",
        call=f"{NPZ} --set model.name=tabm",
        files="graph-sound",
        file="",
    ),
    refused("graph-mixed-up", "train.mixup mixes rows", call=f"{NPZ} --set train.mixup=0.2", files="graph-sound", file=""),
]

ROWS = [
    used("graphs-sound", "each row was read as a graph: edges in 'bonds'", call=LINES),
    used("graphs-one-empty", call=LINES),
    refused("graphs-bond-beyond", "row 5 has 4 nodes, 0 to 3, and an edge names 9", row=5, column="bonds", call=LINES),
    refused("graphs-bond-negative", "counted 0, 1, ...; in row 5, 'bonds' names -1", row=5, column="bonds", call=LINES),
    refused("graphs-bond-of-a-fraction", "in row 5, 'bonds' names 1.5", row=5, column="bonds", call=LINES),
    refused("graphs-bond-of-one-end", "must hold 3 numbers", row=5, column="bonds", call=LINES),
    refused("graphs-nodes-differ", "in row 5, 'atoms' has 4 and 'charge' has 5", row=5, column="charge", call=LINES),
    refused(
        "graphs-with-a-number-beside", "'weight' (number) stands beside it; leave it out with data.drop=weight", column="weight", call=LINES
    ),
    refused(
        "graphs-sampled",
        "train.neighbours is for rows that are nodes",
        call=f"{LINES} --set train.neighbours=3",
        files="graphs-sound",
        file="",
    ),
]

CASES_OF_GRAPHS: list[Case] = [*NODES, *ROWS]
