"""scikit-learn estimators: `Classifier` and `Regressor`, for pipelines, grid search and cross-validation.

A row that occurs w times and a row of weight w mean the same: equal rows are merged and their weights added, in an order
that is their own. So neither repetitions nor the order of the rows change the result, and no copy of a training row is
ever used to decide when to stop.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from goodfit.api.training import fit_rows
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Bundle

_TARGET, _WEIGHT = "goodfit target", "goodfit weight"  # names that no column of a user's has


class _Estimator(BaseEstimator):
    def __init__(
        self,
        *,
        model: str | None = None,
        preset: str = "fast",
        lr: float | None = None,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        members: int | None = None,
        time_limit: float | str | None = None,
        settings: dict[str, Any] | None = None,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.preset = preset
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.members = members
        self.time_limit = time_limit
        self.settings = settings
        self.device = device
        self.random_state = random_state

    def _fit(self, X: Any, y: np.ndarray, sample_weight: Any, task: str | None) -> None:
        """X was validated; y: labels or numbers [n]."""
        frame = _frame(X)
        weight = _check_sample_weight(sample_weight, np.empty((len(y), 1)))
        merged, y, weight = _merged(frame, y, weight)
        table = merged.with_columns(pl.Series(_TARGET, y), pl.Series(_WEIGHT, weight))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1)) if self.random_state is not None else 0
        given = {
            "preset": self.preset, "seed": seed, "device": self.device, "model__name": self.model, "optim__lr": self.lr,
            "optim__weight_decay": self.weight_decay, "train__batch_size": self.batch_size, "train__epochs": self.epochs,
            "train__patience": self.patience, "train__members": self.members, "train__time_limit": self.time_limit,
            "data__target": (_TARGET,), "data__task": task, "data__weight": _WEIGHT, "data__test_fraction": 0.0,
            "train__precision": "float32",  # fitting twice gives the same bits, whatever else the machine does
        }  # fmt: skip
        recipe = Recipe.build(None, [f"{key}={value}" for key, value in (self.settings or {}).items()], **given)
        with tempfile.TemporaryDirectory() as folder:
            self.bundle_, self.recipe_, self.n_iter_ = fit_rows(table, recipe, Path(folder))

    def _decoded(self, X: Any) -> dict[str, np.ndarray]:
        check_is_fitted(self, "bundle_")
        X = X if _is_frame(X) else validate_data(self, X, reset=False, dtype=None, ensure_all_finite="allow-nan")
        if _is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
        bundle: Bundle = self.bundle_
        # In float64 a row's prediction does not depend on the rows beside it, as scikit-learn demands to 1e-7.
        return bundle.decoded(bundle.read(_frame(X)), double=True)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = False
        return tags

    def _validated(self, X: Any, y: Any) -> tuple[Any, Any]:
        if y is None:
            raise ValueError(f"requires y to be passed, but the target y is None; {type(self).__name__}.fit takes X and y")
        if _is_frame(X):  # columns of mixed types stay what they are
            validate_data(self, X, skip_check_array=True)
            return X, column_or_1d(y, warn=True)
        return validate_data(self, X, y, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=2)


class Classifier(ClassifierMixin, _Estimator):
    """A neural network classifier with scikit-learn's interface.

    model: name in the catalogue, chosen from the data when None. preset: fast, good or best. lr, weight_decay, batch_size,
    epochs, patience, members, time_limit: as in the recipe. settings: any further settings, {"model.width": 64}.
    After `fit`: `classes_`, `bundle_`, `recipe_` (resolved), `n_iter_` (epochs).
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Classifier:
        """X: array or frame [n, features]. y: labels [n]. sample_weight: [n], not negative."""
        X, y = self._validated(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs at least two classes; y holds one class, {self.classes_[0]!r}")
        self._fit(X, codes, sample_weight, "binary" if len(self.classes_) == 2 else "multiclass")
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """[n, C] probabilities, in the order of `classes_`."""
        probability = self._decoded(X)["probability"]
        seen = np.asarray(self.bundle_.target.classes, dtype=np.int64)
        full = np.zeros((len(probability), len(self.classes_)))
        full[:, seen] = probability
        return full / full.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """[n] labels."""
        check_is_fitted(self, "bundle_")
        return self.classes_[self.predict_proba(X).argmax(1)]


class Regressor(RegressorMixin, _Estimator):
    """A neural network regressor with scikit-learn's interface; arguments as in Classifier."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """X: array or frame [n, features]. y: numbers [n]. sample_weight: [n], not negative."""
        X, y = self._validated(X, y)
        y = np.asarray(y, dtype=np.float64)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity; a regression needs finite targets")
        self._fit(X, y, sample_weight, "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """[n] numbers."""
        return self._decoded(X)["mean"].astype(np.float64)


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "__getitem__") and not hasattr(X, "toarray")


def _frame(X: Any) -> pl.DataFrame:
    """X as a polars frame; columns without a name of their own are x0, x1, ..."""
    if isinstance(X, pl.DataFrame):
        return X
    if not _is_frame(X):
        return pl.DataFrame({f"x{i}": _series(X[:, i]) for i in range(X.shape[1])})
    names = [name if isinstance(name, str) else f"x{i}" for i, name in enumerate(X.columns)]
    values = [np.asarray(X[name], dtype=object) if X[name].dtype == object else X[name].to_numpy() for name in X.columns]
    return pl.DataFrame({name: _series(column) for name, column in zip(names, values, strict=True)})


def _series(values: np.ndarray) -> pl.Series:
    values = np.ascontiguousarray(values)
    if values.dtype == object:
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            for value in values:
                if not isinstance(value, str | bytes | int | float | np.generic | None):
                    raise TypeError(f"argument must be a string or a number; a column holds a {type(value).__name__}") from None
            return pl.Series([None if v is None or v != v else str(v) for v in values])
    return pl.Series(values).fill_nan(None) if values.dtype.kind == "f" else pl.Series(values)


def _merged(frame: pl.DataFrame, y: np.ndarray, weight: np.ndarray) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Equal rows with equal targets as one, of the sum of their weights; rows of weight 0 are gone; sorted."""
    names = frame.columns
    table = frame.with_columns(pl.Series(_TARGET, y), pl.Series(_WEIGHT, weight, dtype=pl.Float64))
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`; weights must be 0 or more")
    table = table.filter(pl.col(_WEIGHT) > 0)
    if table.height == 0:
        raise ValueError("some sample_weight must be above 0; all are 0")
    table = table.group_by([*names, _TARGET]).agg(pl.col(_WEIGHT).sum()).sort([*names, _TARGET])
    return table.select(names), table[_TARGET].to_numpy(), table[_WEIGHT].to_numpy()
