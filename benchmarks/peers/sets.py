"""The six tables: read as their README says, split the same for everyone.

Columns that only count rows (ames: Order, PID) or repeat others (bikeshare: datetime, made from day and hr) are left out for all.
Prices (diamonds, ames) are learned as logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split


@dataclass(frozen=True)
class Spec:
    """kind: binary, multiclass or regression. log: the target is its logarithm. drop: columns left out."""

    file: str
    target: str
    kind: str
    log: bool = False
    drop: tuple[str, ...] = ()


SETS = {
    "adult": Spec("adult.csv.gz", "income", "binary"),
    "diamonds": Spec("diamonds.parquet", "price", "regression", log=True),
    "letter": Spec("letter.csv.gz", "lettr", "multiclass"),
    "satellite": Spec("satellite.csv.gz", "classes", "multiclass"),
    "bikeshare": Spec("bikeshare.csv.gz", "bikers", "regression", drop=("datetime",)),
    "ames": Spec("ames.csv.gz", "SalePrice", "regression", log=True, drop=("Order", "PID")),
}


@dataclass(frozen=True)
class Table:
    """One split of one set. Texts are objects, None where missing; numbers are as in the file. The target is not in the frames."""

    spec: Spec
    train: pd.DataFrame
    test: pd.DataFrame
    y_train: np.ndarray
    y_test: np.ndarray

    @property
    def texts(self) -> list[str]:
        return [name for name in self.train.columns if self.train[name].dtype == object]

    @property
    def numbers(self) -> list[str]:
        return [name for name in self.train.columns if self.train[name].dtype != object]


def load(name: str, folder: Path, seed: int) -> Table:
    """The set `name` from `folder`, a fifth of it for the test, stratified where there are classes."""
    spec = SETS[name]
    path = folder / spec.file
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False, na_values=[""])
    frame = frame.drop(columns=list(spec.drop))
    target = frame.pop(spec.target)
    if spec.kind == "regression":
        y = target.to_numpy(np.float64)
        y = np.log(y) if spec.log else y
    else:
        y = target.astype(str).to_numpy(dtype=object)
    columns = {}
    for column in frame.columns:
        values = frame[column]
        if pd.api.types.is_numeric_dtype(values):
            columns[column] = values.to_numpy()
        else:
            columns[column] = np.array([None if pd.isna(v) else str(v) for v in values], dtype=object)
    frame = pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
    stratify = None if spec.kind == "regression" else y
    train, test = train_test_split(np.arange(len(frame)), test_size=0.2, stratify=stratify, random_state=seed)
    parts = [frame.iloc[rows].reset_index(drop=True) for rows in (train, test)]
    return Table(spec, parts[0], parts[1], y[train], y[test])
