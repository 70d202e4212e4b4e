"""What an autoencoder gives back, beside PCA with a code of the same size: scores, codes, and what a reader wants to see.

n rows, D numbers of a row as the network reads it, Z numbers of a code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.files import plain
from goodfit.base.streams import derive, numpy_stream
from goodfit.data.dataset import Dataset
from goodfit.data.picture_grid import address, enlarging, grid, png
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation.analysis import data_section
from goodfit.evaluation.scores import scores
from goodfit.tasks.class_metrics import average

PAIRS = 10  # rows side by side on the page: chance ones, and as many of the worst
MOST_CELLS = 1 << 27  # numbers of the training rows that PCA is fitted on, half a GiB
FEW, MANY, REPEATS = 2, 50, 8  # labels that codes are scored by, and training rows for each of them on average: others cannot be learned
POINTS = 1_000  # codes drawn


@dataclass(frozen=True)
class Autoencoded:
    """What the network says of rows, given as their positions: as it reads them [n, D], and as it gives them back.

    pictures: (original, given back) as uint8 [n, C, H, W]; None where rows are no pictures. columns: what an error is shared out among.
    """

    matrix: Callable[[np.ndarray], np.ndarray]
    rebuilt: Callable[[np.ndarray], np.ndarray]
    pictures: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None
    codes: Callable[[np.ndarray], np.ndarray]
    columns: int


def analyse_rebuilt(
    dataset: Dataset,
    target: TargetSpec,
    split: Split,
    network: Autoencoded,
    *,
    part: str,
    prediction: Mapping[str, np.ndarray],
    weight: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    """The document of `evaluation.analysis` for rows that are given back; its target has, besides, `rebuilt`: {"pictures", "worst", "codes"}.

    part: "test" or "valid", the rows that `prediction` and `weight` belong to.
    """
    rows = split.test if part == "test" else split.valid
    size = prediction["code"].shape[1]
    pca, said = _pca(dataset, target, split, network, rows, size, weight, seed)
    name = target.names[0] if len(target.names) == 1 else f"{len(target.names)} columns"
    entry: dict[str, Any] = {
        "name": name,
        "kind": target.kind,
        "classes": None,
        "scores": {
            "part": part,
            "rows": int(rows.size),
            "metrics": scores(target, None, dict(prediction), np.zeros(rows.size, np.float32), weight, seed=seed),
        },
        "baselines": pca,
        "rebuilt": {
            "pictures": _pictures(network, rows, prediction["error"], seed),
            "worst": _worst(dataset, rows, prediction["error"]),
            "codes": _codes(dataset, split, rows, prediction["code"], network, said, seed),
            "size": size,
        },
    }
    return dict(plain({"targets": [entry], "data": data_section(dataset, split)}))


def _pca(
    dataset: Dataset,
    target: TargetSpec,
    split: Split,
    network: Autoencoded,
    rows: np.ndarray,
    size: int,
    weight: np.ndarray | None,
    seed: int,
) -> tuple[list[dict[str, Any]], Callable[[np.ndarray], np.ndarray]]:
    """The error of the mean row, and of PCA with as many components, both of the training rows; and PCA's codes of rows."""
    from sklearn.decomposition import PCA

    begun = time.monotonic()
    width = network.matrix(rows[:1]).shape[1]
    train = split.train
    if train.size * width > MOST_CELLS:
        train = np.sort(numpy_stream(seed, "bootstrap", "baselines", "train").choice(train, max(size, MOST_CELLS // width), replace=False))
    learned, asked = network.matrix(train), network.matrix(rows)
    unit = target.std**2 / network.columns

    def entry(name: str, given: np.ndarray, seconds: float) -> dict[str, Any]:
        error = unit * np.square(asked - given, dtype=np.float64).sum(1)
        return {"name": name, "metrics": {"mean_squared_error": average(error, weight)}, "seconds": seconds, "rows": int(train.size)}

    mean = entry("mean", learned.mean(0, keepdims=True), 0.0)
    fitted = PCA(min(size, width, train.size), random_state=derive(seed, "bootstrap", "baselines") % 2**32).fit(learned)
    given = fitted.inverse_transform(fitted.transform(asked))
    return [mean, entry("PCA", given, round(time.monotonic() - begun, 3))], lambda chosen: fitted.transform(network.matrix(chosen))


def _pictures(network: Autoencoded, rows: np.ndarray, error: np.ndarray, seed: int) -> dict[str, str] | None:
    """PNGs of originals above what is given back: of chance rows, and of those with the largest error."""
    if network.pictures is None or not rows.size:
        return None
    chance = np.sort(numpy_stream(seed, "bootstrap", "pictures").permutation(rows.size)[:PAIRS])
    worst = np.argsort(-error, kind="stable")[:PAIRS]
    return {name: address(pairs(*network.pictures(rows[chosen]))) for name, chosen in (("chance", chance), ("worst", worst))}


def pairs(original: np.ndarray, rebuilt: np.ndarray) -> bytes:
    """uint8 [n, C, H, W] both -> a PNG of two rows, the originals above what is given back."""
    return png(grid(np.concatenate([original, rebuilt]), len(original)), factor=enlarging(original.shape[2]))


def _worst(dataset: Dataset, rows: np.ndarray, error: np.ndarray) -> list[dict[str, Any]]:
    """The rows that are given back worst: what is unlike all others."""
    found = []
    for position in np.argsort(-error, kind="stable")[:PAIRS]:
        file, row = dataset.place(int(rows[position]))
        entry: dict[str, Any] = {"row": row, "error": float(error[position])}
        found.append(entry | ({"file": file} if len(dataset.files) > 1 else {}))
    return found


def _codes(
    dataset: Dataset,
    split: Split,
    rows: np.ndarray,
    code: np.ndarray,
    network: Autoencoded,
    pca: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> dict[str, Any] | None:
    """How much of a label, which training did not see, the codes know: the accuracy of a logistic regression on them, and on PCA's."""
    labels = dataset.schema.with_role("label")
    if not labels:
        return None
    values = dataset.column(labels[0].name).cast(pl.String)
    train = split.train[: MOST_CELLS // max(1, code.shape[1])]
    known = [chosen[values.gather(chosen).is_not_null().to_numpy()] for chosen in (train, rows)]
    right = [values.gather(chosen).to_numpy() for chosen in known]
    classes = np.unique(right[0])
    if not FEW <= classes.size <= min(MANY, known[0].size / REPEATS) or not known[1].size:
        return None
    said = {"autoencoder": network.codes, "PCA": pca}
    accuracy = {name: _probe(codes(known[0]), right[0], codes(known[1]), right[1], seed) for name, codes in said.items()}
    return {"label": labels[0].name, "classes": classes.size, "rows": int(known[1].size), "accuracy": accuracy}


def _probe(train: np.ndarray, right: np.ndarray, on: np.ndarray, truth: np.ndarray, seed: int) -> float:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 300 steps are what a probe gets
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(train, right)
    return float((fitted.predict(on) == truth).mean())
