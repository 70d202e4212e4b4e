"""Targets where some rows have none: nodes of a graph that are there to be heard, and to be predicted."""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.target import TargetSpec


def has_gaps(source: Dataset | pl.DataFrame) -> bool:
    """Whether rows may lack a target: they are nodes of one graph."""
    return isinstance(source, Dataset) and any(column.kind == "neighbours" for column in source.schema.columns)


def labelled(dataset: Dataset, target: TargetSpec) -> np.ndarray:
    """int64: the rows that have every target."""
    return np.flatnonzero(np.logical_and.reduce([dataset.column(name).is_not_null().to_numpy() for name in target.names]))


def codes_of(dataset: Dataset, target: TargetSpec) -> np.ndarray:
    """The target of each row as `TargetSpec.encode` has it, 0 where there is none. Such rows are in no part."""
    rows = labelled(dataset, target) if has_gaps(dataset) else np.arange(dataset.rows)
    if len(rows) == dataset.rows:
        return target.encode(dataset).copy()  # what polars lends cannot be written to, which torch warns of
    known = target.encode(dataset.take(rows, target.names))
    codes = np.zeros((dataset.rows, *known.shape[1:]), known.dtype)
    codes[rows] = known
    return codes
