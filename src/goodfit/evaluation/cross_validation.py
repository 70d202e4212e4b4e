"""A score from folds, with an interval that knows that folds share rows.

J folds (k of each repeat), n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from goodfit.base.errors import InputError
from goodfit.data.target import TargetSpec
from goodfit.evaluation.comparison import over_resamples
from goodfit.evaluation.scores import Prediction, values


@dataclass(frozen=True)
class Judged:
    """The validation rows of one fold: what was said of them by networks that did not learn from them, decoded, and what is true, as
    `TargetSpec.encode` has it. learned: how many rows those networks learned from. weight: [n] or None."""

    prediction: Prediction
    truth: np.ndarray
    learned: int
    weight: np.ndarray | None = None


def cross_validated(target: TargetSpec, folds: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Every metric of the target over J folds, repeats included: {name: {"value", "low", "high", "std"}}.

    value: the mean over folds. std: between folds. low, high: the 95 % interval for another sample of as many rows, by the corrected variance
    (1 / J + validation rows / rows learned from) std^2 of Nadeau and Bengio, *Machine Learning* 52 (2003): repeats make it narrower only as far as that goes,
    where std / sqrt(J) would go to 0. A metric that is undefined in a fold is left out. Raises InputError for fewer than 2 folds.
    """
    if len(folds) < 2:
        raise InputError(f"a score from folds needs at least 2 of them; {len(folds)} {'was' if len(folds) == 1 else 'were'} given")
    empty = next((number for number, fold in enumerate(folds) if not len(fold.truth) or fold.learned < 1), None)
    if empty is not None:
        raise InputError(f"each fold needs rows to judge by and rows learned from; fold {empty + 1} has none, so give fewer folds")
    each = [values(target, fold.prediction, fold.truth, fold.weight) for fold in folds]
    share = float(np.mean([len(fold.truth) / fold.learned for fold in folds]))
    found = {}
    for name in each[0]:
        if all(name in own for own in each):
            scores = np.array([own[name] for own in each])
            mean = over_resamples(scores, np.zeros(len(scores)), share)
            assert mean.low is not None
            assert mean.high is not None
            found[name] = {"value": mean.value, "low": mean.low, "high": mean.high, "std": float(scores.std(ddof=1))}
    return found
