"""What simple learners reach on a program's rows: the best constant answer, a linear model, nearest neighbours, boosted trees. No network is bad that does as well as these, and none good that does worse.

N rows, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.doctor.supervised import Supervised

MOST_ROWS = 4000  # of training rows given to a reference: more take seconds and gain little
MOST_FEATURES = 512  # beyond, principal components: neighbours and linear models lose little, and stay in a second
MOST_BOOSTED = 64  # features for trees: more take too long


@dataclass(frozen=True, slots=True)
class References:
    """Skill of each on the held rows (0 the best constant answer, 1 perfection), by name; error: the standard error of the best one's. Empty where rows or targets do not suit."""

    skill: dict[str, float]
    error: float

    @property
    def best(self) -> float:
        return max(self.skill.values(), default=0.0)


def references(
    view: Supervised,
    rows: Tensor | None = None,
    targets: np.ndarray | None = None,
    held: Tensor | None = None,
    only: tuple[str, ...] = (),
) -> References:
    """Fits each (or those named in `only`) on the rows that copies are trained on (or those given, with other targets) and scores on those held back."""
    rows = view.trained if rows is None else rows
    held = view.held if held is None else held
    usable = view.kind in {"classes", "one-hot", "binary", "regression"} and view.meeting is not None and view.pool is not None
    if not usable or len(held) < 10 or len(rows) < 10:
        return References({}, 0.0)
    x, y = _features(view, rows), _targets(view, rows) if targets is None else targets
    if x is None or y is None:
        return References({}, 0.0)
    given, wanted = _features(view, held), _targets(view, held)
    assert given is not None
    assert wanted is not None
    if len(x) > MOST_ROWS:
        some = np.random.default_rng(0).permutation(len(x))[:MOST_ROWS]
        x, y = x[some], y[some]
    skill: dict[str, float] = {}
    best = np.zeros(len(wanted))
    for name, learner in _learners(view, x, y).items():
        if only and name not in only:
            continue
        learner.fit(x, y)
        points = _points(view, learner.predict(given), wanted)
        skill[name] = float((points.mean() - view.answers.base) / max(1 - view.answers.base, 1e-6))
        if skill[name] >= max(skill.values()):
            best = points
    error = float(best.std() / np.sqrt(len(best)) / max(1 - view.answers.base, 1e-6))
    return References(skill, error)


def _features(view: Supervised, rows: Tensor) -> np.ndarray | None:
    x = view.features(rows)
    if x is not None:
        return np.nan_to_num(x.cpu().double().numpy(), nan=0.0, posinf=1e6, neginf=-1e6).clip(-1e12, 1e12)
    return _words(view, rows)


def _words(view: Supervised, rows: Tensor) -> np.ndarray | None:
    """Counts of whole numbers as a bag of words, [N, vocabulary]: the linear view of a text."""
    if view.pool is None or not (inputs := view.inputs()):
        return None
    whole = view.pool.whole(inputs[0])
    if whole.is_floating_point():
        return None
    tokens = whole.flatten(1)
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high > 20_000:
        return None
    flat = tokens[rows]
    if flat.shape[1] <= 16:  # few columns of codes: each its own
        return (
            torch.nn.functional.one_hot(flat, min(high + 1, 64)).flatten(1).numpy().astype(float)
            if high < 64
            else flat.numpy().astype(float)
        )
    counts = torch.zeros(len(flat), high + 1).scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float32))
    return counts.numpy().astype(float)


def _targets(view: Supervised, rows: Tensor) -> np.ndarray | None:
    targets = view.targets(rows).detach().cpu()
    if view.kind == "one-hot":
        targets = targets.argmax(-1)
    if targets.numel() != len(rows):
        return None
    flat = targets.reshape(len(rows))
    if view.kind == "binary":
        flat = (flat > view.answers.middle).long()
    return flat.numpy() if view.kind != "regression" else flat.double().numpy()


def _learners(view: Supervised, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    first: list[Any] = [StandardScaler()]
    if x.shape[1] > MOST_FEATURES:
        first.append(PCA(min(MOST_FEATURES // 4, len(x) - 1), random_state=0))
    classes = view.kind != "regression"
    if classes and len(np.unique(y)) < 2:
        return {}
    neighbours = min(5, len(x) - 1)
    made: dict[str, Any] = {
        "linear": make_pipeline(*first, LogisticRegression(C=0.3, max_iter=60, tol=1e-2) if classes else RidgeCV(np.logspace(-2, 3, 6))),
        "neighbours": make_pipeline(*first, KNeighborsClassifier(neighbours) if classes else KNeighborsRegressor(neighbours)),
    }
    if x.shape[1] <= MOST_BOOSTED and len(np.unique(y)) <= (20 if classes else len(y)):
        trees: dict[str, Any] = {"max_iter": 60, "max_leaf_nodes": 15, "random_state": 0, "early_stopping": False}
        made["boosted trees"] = HistGradientBoostingClassifier(**trees) if classes else HistGradientBoostingRegressor(**trees)
    return made


def _points(view: Supervised, predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    if view.kind == "regression":
        return np.clip(1 - (predicted - wanted) ** 2 / float(view.answers.scale.mean()), -3, 1)
    right = (predicted == wanted).astype(float)
    return right if view.answers.weights is None else right * view.answers.weights.numpy()[wanted.astype(int)]


def out_of_fold(view: Supervised, rows: Tensor, name: str) -> tuple[Tensor, np.ndarray, np.ndarray] | None:
    """What a learner says of rows that it was not fitted on, in three folds: the rows (at most MOST_ROWS of them), their targets [N], and either its
    probabilities [N, C] of the classes 0 to C - 1 or its predictions [N]. None where targets or inputs do not suit."""
    from sklearn.model_selection import cross_val_predict

    if len(rows) > MOST_ROWS:
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:MOST_ROWS]]
    x, y = _features(view, rows), _targets(view, rows)
    if x is None or y is None:
        return None
    if view.kind == "regression":
        learner = _learners(view, x, y).get(name)
        return None if learner is None else (rows, y, cross_val_predict(learner, x, y, cv=3))
    y = y.astype(int)
    if y.min() < 0 or np.bincount(y)[np.unique(y)].min() < 3:
        return None
    learner = _learners(view, x, y).get(name)
    if learner is None:
        return None
    told = np.zeros((len(y), int(y.max()) + 1))
    told[:, np.unique(y)] = cross_val_predict(learner, x, y, cv=3, method="predict_proba")
    return rows, y, told


def told(view: Supervised, rows: Tensor, held: Tensor, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The targets [N] of `held` and what a learner that was fitted on `rows` says of them. None where targets or inputs do not suit."""
    taught, judged = rows_for_learners(view, rows), rows_for_learners(view, held)
    if taught is None or judged is None:
        return None
    learner = _learners(view, *taught).get(name)
    return None if learner is None else (judged[1], learner.fit(*taught).predict(judged[0]))


def rows_for_learners(view: Supervised, rows: Tensor) -> tuple[np.ndarray, np.ndarray] | None:
    """[N, F] and [N] of at most MOST_ROWS rows, as the references are given them; None where inputs or targets do not suit."""
    some = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:MOST_ROWS]]
    x, y = _features(view, some), _targets(view, some)
    return None if x is None or y is None else (x, y)
