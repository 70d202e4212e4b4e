"""Boosted trees with their defaults, each fed the way its documentation asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sets import Table

# Every function here: (table, seed, threads, limit in seconds) -> (prediction on the test rows, classes or None, remarks).
# The prediction is [n] for regression, probabilities [n, C] for classes.
Answer = tuple[np.ndarray, np.ndarray | None, dict[str, Any]]


def hist_gradient_boosting(table: Table, seed: int, threads: int, limit: float) -> Answer:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if table.spec.kind == "regression" else HistGradientBoostingClassifier
    model = kind(categorical_features="from_dtype", random_state=seed)
    train, test = _categories(table)
    return _finish(model.fit(train, table.y_train), test)


def lightgbm(table: Table, seed: int, threads: int, limit: float) -> Answer:
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMRegressor if table.spec.kind == "regression" else LGBMClassifier
    model = kind(random_state=seed, n_jobs=threads, verbosity=-1)
    train, test = _categories(table)
    names = {name: f"c{i}" for i, name in enumerate(train.columns)}  # LightGBM refuses some signs in names
    return _finish(model.fit(train.rename(columns=names), table.y_train), test.rename(columns=names))


def catboost(table: Table, seed: int, threads: int, limit: float) -> Answer:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if table.spec.kind == "regression" else CatBoostClassifier
    model = kind(random_seed=seed, thread_count=threads, verbose=0, allow_writing_files=False, cat_features=table.texts)
    train, test = (part.assign(**{name: part[name].fillna("missing") for name in table.texts}) for part in (table.train, table.test))
    return _finish(model.fit(train, table.y_train), test)


def _categories(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Texts as pandas categories with the levels of the training rows; others become missing."""
    levels = {name: pd.CategoricalDtype(sorted(table.train[name].dropna().unique())) for name in table.texts}
    return table.train.astype(levels), table.test.astype(levels)


def _finish(model: Any, test: pd.DataFrame) -> Answer:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(test), np.asarray(model.classes_), {}
    return np.asarray(model.predict(test)).reshape(-1), None, {}
