"""How a trained network did on its validation rows beside the best constant answer and a linear model, in a moment: signals, no score.

v validation rows, n training rows, F features, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from goodfit.api.fitting import Fitted
from goodfit.base.streams import numpy_stream
from goodfit.data.dataset import Dataset
from goodfit.data.encoded import Encoded
from goodfit.doctor.signals import against
from goodfit.tasks.regression import Regression

READ = ("binary", "multiclass", "regression")
FEWEST = 30  # validation rows: fewer tell nothing beyond chance
ROWS = 2_000  # rows of each part that are looked at: solving takes milliseconds
WIDEST = 256  # features: more take longer than a moment, and are no table
RIDGE = 1e-3  # of the rows, on standardised features: what keeps the solution finite
FLOOR = -3.0  # points of a row: one wild answer must not hide all others


def outcome_signals(fitted: Fitted, data: Dataset, rows: np.ndarray) -> list[str]:
    """Sentences for what stands; nothing for targets that have no points of a row. rows: those that were trained on."""
    kind = fitted.member.encoder.target.kind
    if kind not in READ or len(fitted.rows) < FEWEST:
        return []
    some = numpy_stream(0, "split", "outcome").permutation(len(fitted.rows))[:ROWS]
    truth = torch.from_numpy(fitted.target[some]).double()
    line = _linear(fitted, data, rows, fitted.rows[some], classes=kind != "regression")
    if kind == "regression":
        own = torch.from_numpy(np.asarray(fitted.prediction["mean"])[some]).double()
        assert isinstance(fitted.task, Regression)
        own, spread = (own - fitted.task.mean) / fitted.task.std, truth.var(unbiased=False).clamp_min(1e-12)

        def points(answer: Tensor) -> Tensor:
            return (1 - (answer - truth).square() / spread).nan_to_num(FLOOR, FLOOR, FLOOR).clamp_min(FLOOR)

        return against(points(own), points(truth.mean().expand_as(truth)), None if line is None else points(line[:, 0]))
    codes = truth.long()
    own = torch.from_numpy(np.asarray(fitted.prediction["probability"])[some]).argmax(1)
    right, constant = (own == codes).double(), (codes == codes.mode().values).double()
    return against(right, constant, None if line is None else (line.argmax(1) == codes).double())


def _linear(fitted: Fitted, data: Dataset, rows: np.ndarray, judged: np.ndarray, *, classes: bool) -> Tensor | None:
    """What a linear model learned from some of the rows says of those judged, [v, C]; None for what is no table of a few numbers and categories."""
    encoder = fitted.member.encoder
    if not encoder.inputs.keys() <= {"numbers", "categories"}:
        return None
    train = rows if len(rows) <= ROWS else numpy_stream(0, "split", "outcome").choice(rows, ROWS, replace=False)
    encoded = encoder.encode(data, np.concatenate([train, judged]))
    features = _features(encoded)
    if features is None or encoded.target is None:
        return None
    y = encoded.target[: len(train)]
    wanted = torch.nn.functional.one_hot(y.long()).double() if classes else y.double()[:, None]
    return _ridge(features[: len(train)], wanted, features[len(train) :])


def _features(encoded: Encoded) -> Tensor | None:
    """[n, F] numbers as they are and categories one-hot; None where there are too many."""
    parts = []
    if isinstance(numbers := encoded.inputs.get("numbers"), Tensor):
        parts.append(numbers.double().nan_to_num())
    if isinstance(categories := encoded.inputs.get("categories"), Tensor):
        sizes = (categories.amax(0) + 1).tolist()
        if sum(sizes) > WIDEST:
            return None
        parts += [torch.nn.functional.one_hot(categories[:, column].long(), size).double() for column, size in enumerate(sizes)]
    whole = torch.cat(parts, 1)
    return whole if whole.shape[1] <= WIDEST else None


def _ridge(x: Tensor, y: Tensor, given: Tensor) -> Tensor:
    """Least squares of y [n, C] on standardised x [n, F], at `given` [v, F] -> [v, C]."""
    mean, spread = x.mean(0), x.std(0).clamp_min(1e-9)
    x, given, middle = (x - mean) / spread, (given - mean) / spread, y.mean(0)
    square = x.T @ x + RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    return given @ torch.linalg.solve(square, x.T @ (y - middle)) + middle
