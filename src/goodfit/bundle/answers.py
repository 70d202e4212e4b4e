"""Answers that are more than a value a row, as a user reads them: places of a list with what stands there.

n rows.
"""

from __future__ import annotations

import json

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.positions import NONE, lists_of


def pointed(places: np.ndarray, data: Dataset) -> pl.DataFrame:
    """Places int [n, any], NONE behind a row's last -> `prediction`, a list of places, and `<column>_named`, the entries that they name."""
    rows = [row[row != NONE].tolist() for row in places]
    frame = pl.DataFrame({"prediction": pl.Series(rows, dtype=pl.List(pl.Int64))})
    for name in lists_of(data):
        column = data.column(name)
        own = pl.DataFrame([column.fill_null(pl.Series([[]], dtype=column.dtype)).alias("list"), frame["prediction"].alias("place")])
        named = own.select(pl.col("list").list.gather(pl.col("place"), null_on_oob=True)).to_series()
        frame = frame.with_columns(named.alias(f"{name}_named"))
    return frame


def flat(frame: pl.DataFrame, between: str) -> pl.DataFrame:
    """A frame whose lists are texts, for CSV: entries with `between` them, lists within lists as JSON."""
    columns = []
    for series in frame:
        dtype = series.dtype
        if not isinstance(dtype, pl.List):
            columns.append(series)
        elif isinstance(dtype.inner, pl.List):
            columns.append(pl.Series(series.name, [json.dumps(row, allow_nan=False) for row in series.to_list()], dtype=pl.String))
        else:
            columns.append(series.cast(pl.List(pl.String)).list.join(between))
    return pl.DataFrame(columns)
