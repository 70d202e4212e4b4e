"""Networks trained from scratch: scikit-learn's perceptron and pytabkit's RealMLP-TD and TabM-D, their defaults, kept to the time limit."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sets import Table
from table_trees import Answer


def sklearn_mlp(table: Table, seed: int, threads: int, limit: float) -> Answer:
    """Scaled numbers, one-hot categories, early stopping; a standardised target."""
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing", missing_values=None), OneHotEncoder(handle_unknown="ignore")
    )
    prepare = make_column_transformer((numbers, table.numbers), (texts, table.texts))
    settings: dict[str, Any] = {"early_stopping": True, "max_iter": 1000, "random_state": seed}
    if table.spec.kind == "regression":
        network = TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
        model = make_pipeline(prepare, network).fit(table.train, table.y_train)
        return model.predict(table.test), None, {}
    model = make_pipeline(prepare, MLPClassifier(**settings)).fit(table.train, table.y_train)
    return model.predict_proba(table.test), model.classes_, {}


def realmlp(table: Table, seed: int, threads: int, limit: float) -> Answer:
    """RealMLP-TD. Its learning rate follows a schedule over all epochs; when 256 of them do not fit into the time limit, it gets as
    many as do, so that the schedule ends in time, rather than being cut off in the middle."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    _quiet()
    begun = time.monotonic()
    kind = RealMLP_TD_Regressor if table.spec.kind == "regression" else RealMLP_TD_Classifier
    settings: dict[str, Any] = {"device": "cpu", "random_state": seed, "n_threads": threads}
    if table.spec.kind == "binary":
        settings |= {"val_metric_name": "1-auc_ovr", "use_ls": False}  # as its documentation advises for AUC
    train, test = _filled(table)
    seconds = []
    for epochs in (1, 3):
        start = time.monotonic()
        kind(n_epochs=epochs, **settings).fit(train, table.y_train)
        seconds.append(time.monotonic() - start)
    per_epoch = max((seconds[1] - seconds[0]) / 2, 1e-3)
    left = limit - (time.monotonic() - begun)
    epochs = max(1, min(256, int((0.9 * left - seconds[0]) / per_epoch)))  # a tenth in hand, since epochs differ
    model = kind(n_epochs=epochs, **settings)
    model.fit(train, table.y_train, time_to_fit_in_seconds=max(int(left), 1))
    return _finish(model, test, {"epochs": epochs})


def tabm(table: Table, seed: int, threads: int, limit: float) -> Answer:
    """TabM-D. It knows no time limit: no epoch begins that would probably end beyond it, and the best epoch is kept as ever."""
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor
    from pytabkit.models.alg_interfaces import tabm_interface

    _quiet()
    deadline = time.monotonic() + limit
    done = [0]

    def epochs_in_time(*bounds: int) -> Iterator[int]:
        begun = time.monotonic()
        for epoch in range(*bounds):
            now = time.monotonic()
            if epoch and now + (now - begun) / epoch > deadline:
                return
            yield epoch
            done[0] = max(done[0], epoch + 1)

    tabm_interface.range = epochs_in_time  # the name that its loop over epochs looks up
    kind = TabM_D_Regressor if table.spec.kind == "regression" else TabM_D_Classifier
    settings: dict[str, Any] = {"device": "cpu", "random_state": seed, "n_threads": threads}
    if table.spec.kind == "binary":
        settings |= {"val_metric_name": "1-auc_ovr"}
    train, test = _filled(table)
    model = kind(**settings).fit(train, table.y_train)
    return _finish(model, test, {"epochs": done[0]})


def _filled(table: Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Missing numbers become the training median with an indicator (pytabkit refuses them), texts become categories."""
    train, test = table.train.copy(), table.test.copy()
    for name in table.numbers:
        if train[name].isna().any() or test[name].isna().any():
            median = train[name].median()
            for part in (train, test):
                part[name + " missing"] = part[name].isna().astype(float)
                part[name] = part[name].fillna(median)
    levels = {name: pd.CategoricalDtype(sorted(train[name].dropna().unique())) for name in table.texts}
    return train.astype(levels), test.astype(levels)


def _quiet() -> None:
    warnings.simplefilter("ignore")
    for name in ("lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _finish(model: Any, test: pd.DataFrame, remarks: dict[str, Any]) -> Answer:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(test), np.asarray(model.classes_), remarks
    return np.asarray(model.predict(test)).reshape(-1), None, remarks
