"""Whether one network is better than another, or only luckier: paired tests over rows, over folds and over seeds.

n rows, J pairs of scores. A difference is always "a minus b"; of a loss, below 0 means that a is better.

| question | test |
|---|---|
| would it hold on other rows? | `over_rows`: paired t, with an interval by paired bootstrap; `sign_test` of right and wrong; `auc_difference` (DeLong) |
| would it hold on other splits, folds, seeds? | `over_resamples`: the corrected resampled t of Nadeau and Bengio |
| many pairs at once? | `holm` |
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from goodfit.base.errors import InputError
from goodfit.data.target import TargetSpec
from goodfit.evaluation import bootstrap
from goodfit.evaluation.scores import Prediction, part_codes

ALPHA = 1 - bootstrap.LEVEL  # below it a difference is called real, as the intervals of the report have it
RESAMPLES = 2_000  # of the paired bootstrap: the ends of its interval are then known to about 3 % of its width
_FEW = 50  # units below which a percentile interval is too narrow, and that of the t distribution is given
COMPARED = ("binary", "multiclass", "multilabel", "regression")
MAXIMISED = ("accuracy", "roc_auc")


@dataclass(frozen=True)
class Difference:
    """a minus b, with its 95 % interval.

    p: probability of a difference as large by chance alone, two-sided. adjusted: the same for the family of pairs that it is one of (Holm);
    equal to p where there is one pair. units: rows, groups or pairs of scores that it rests on. test: how it was found.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    adjusted: float
    units: int
    test: str

    @property
    def real(self) -> bool:
        """Whether it is more than chance."""
        return self.adjusted < ALPHA

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"real": self.real}


def over_rows(
    a: np.ndarray, b: np.ndarray, weight: np.ndarray | None = None, group: np.ndarray | None = None, *, seed: int = 0
) -> Difference:
    """The difference of two means of losses a, b [n] of the same rows.

    weight: [n] not negative. group: [n] ids; rows of a group are not independent, so groups are drawn and counted instead of rows.
    p is that of the paired t test (of the ratio of totals, where groups or weights differ); the interval is by paired bootstrap, of
    fewer than 50 units by the t distribution. Raises InputError for arrays of different lengths or without two units.
    """
    from scipy import stats

    difference = _paired(a, b)
    n = len(difference)
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    totals = np.stack([difference * w, w], axis=1)
    if group is not None:
        ids = np.unique(group, return_inverse=True)[1]
        totals = np.stack([np.bincount(ids, weights=column) for column in totals.T], axis=1)
    totals = totals[totals[:, 1] > 0]  # what weighs nothing says nothing
    units, name = len(totals), "paired t over rows" if group is None else "paired t over groups"
    if units < 2:
        raise InputError(f"a paired test needs at least 2 rows or groups with a weight; there {'is' if units == 1 else 'are'} {units}")
    value = float(totals[:, 0].sum() / totals[:, 1].sum())
    # The ratio of totals, linearised: with even weights and no groups it is the paired t test.
    residual = totals[:, 0] - value * totals[:, 1]
    error = float(np.sqrt(units / (units - 1) * np.square(residual).sum()) / totals[:, 1].sum())
    p, low, high = _t(value, error, units - 1, stats)
    if units < _FEW or not error:
        return Difference(value, low, high, p, p, units, name)
    drawn = bootstrap.sums(totals, RESAMPLES, seed, "compare")
    found = bootstrap.summary(value, drawn[:, 0] / drawn[:, 1])
    return Difference(value, found["low"], found["high"], p, p, units, name)


def sign_test(a: np.ndarray, b: np.ndarray, *, seed: int = 0) -> Difference:
    """The difference of two shares of right answers, a and b [n] bool, of the same rows.

    p is exact (McNemar 1947, as a binomial test of the rows that only one has right); the interval is that of `over_rows`.

    >>> sign_test(np.array([True] * 9 + [False]), np.array([False] * 9 + [True])).p  # 2 * (1 + 10) / 2**10
    0.021484375
    """
    from scipy import stats

    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    found = over_rows(a, b, seed=seed)
    first, second = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0
    return replace(found, p=p, adjusted=p, test="exact sign test (McNemar)")


def auc_difference(a: np.ndarray, b: np.ndarray, positive: np.ndarray) -> Difference:
    """The difference of the areas under the ROC curves of scores a, b [n] of the same rows; positive: [n] bool.

    DeLong, DeLong and Clarke-Pearson, *Biometrics* 44 (1988). Raises InputError where there are not two rows of both classes.
    """
    from scipy import stats

    positive = np.asarray(positive, dtype=bool)
    _paired(a, b)
    m, k = int(positive.sum()), int((~positive).sum())
    if min(m, k) < 2:
        raise InputError(f"areas under ROC curves are compared over at least 2 rows of both classes; {m} and {k} were given")
    above_a, below_a = _placements(np.asarray(a), positive)
    above_b, below_b = _placements(np.asarray(b), positive)
    value = float(above_a.mean() - above_b.mean())
    error = float(np.sqrt((above_a - above_b).var(ddof=1) / m + (below_a - below_b).var(ddof=1) / k))
    p, low, high = _t(value, error, np.inf, stats)
    return Difference(value, low, high, p, p, m + k, "DeLong")


def over_resamples(a: np.ndarray, b: np.ndarray, share: float) -> Difference:
    """The difference of the means of scores a, b [J], pair j from the same split, fold or seed.

    share: rows that were judged by, over rows that were learned from, in each; 1 / (k - 1) of k folds. Splits share rows, so the variance
    is taken (1 / J + share) times, not 1 / J times: the corrected resampled t test of Nadeau and Bengio, *Machine Learning* 52 (2003).
    0 where the scores of the pairs are independent: then it is the paired t test. Raises InputError for fewer than 2 pairs.
    """
    from scipy import stats

    difference = _paired(a, b)
    J = len(difference)
    if J < 2:
        raise InputError(f"a test over folds or seeds needs at least 2 of them; {J} was given")
    if not 0 <= share < np.inf:
        raise InputError(f"share must be the rows judged by over the rows learned from, at least 0; {share} was given", value=share)
    error = float(np.sqrt((1 / J + share) * difference.var(ddof=1)))
    p, low, high = _t(float(difference.mean()), error, J - 1, stats)
    return Difference(float(difference.mean()), low, high, p, p, J, "corrected resampled t" if share else "paired t")


def holm(p: np.ndarray) -> np.ndarray:
    """Probabilities [m] of m tests, adjusted so that one false alarm among all is as rare as it would be in one test (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def adjusted(differences: list[Difference]) -> list[Difference]:
    """The same differences with `adjusted` set for the family that they are."""
    new = holm(np.array([found.p for found in differences]))
    return [replace(found, adjusted=float(p)) for found, p in zip(differences, new, strict=True)]


def row_losses(target: TargetSpec, prediction: Prediction, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Per row [n] what the metrics are means of: {metric: values}, the one to judge by first.

    prediction: decoded. truth: as `TargetSpec.encode` gives it. binary, multiclass: log_loss (nats), accuracy; multilabel: log_loss (nats, mean over
    labels), accuracy (all labels right); regression: mean_squared_error, mean_absolute_error in the target's unit; several: `<target>/<metric>`.
    Raises InputError for other tasks.
    """
    if target.kind == "several":
        found: dict[str, np.ndarray] = {}
        for index, part in enumerate(target.parts):
            name = part.names[0]
            own = {key.removeprefix(f"{name}/"): value for key, value in prediction.items() if key.startswith(f"{name}/")}
            found |= {f"{name}/{metric}": values for metric, values in row_losses(part, own, part_codes(part, truth[:, index])).items()}
        return found
    if target.kind == "regression":
        error = prediction["mean"].astype(np.float64) - (truth.astype(np.float64) * target.std + target.mean)
        return {"mean_squared_error": error**2, "mean_absolute_error": np.abs(error)}
    if target.kind not in COMPARED:
        raise InputError(f"runs are compared row by row where they learned classes, labels or numbers; these learned {target.kind}")
    given = prediction["probability"]
    eps = float(np.finfo(given.dtype).eps)  # as in scores
    p = np.clip(given.astype(np.float64), eps, 1 - eps)
    if target.kind == "multilabel":
        wanted = truth > 0.5
        surprise = -np.where(wanted, np.log(p), np.log1p(-p)).mean(1)
        return {"log_loss": surprise, "accuracy": ((given >= 0.5) == wanted).all(1).astype(np.float64)}
    code = np.rint(truth).astype(np.int64)
    return {
        "log_loss": -np.log(p[np.arange(len(code)), code]),
        "accuracy": (given.argmax(1) == code).astype(np.float64),
    }


def _paired(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"a paired test needs two numbers of each row; the shapes {a.shape} and {b.shape} were given")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("a paired test needs finite numbers; some are not finite, so leave their rows out of both")
    return a - b


def _t(value: float, error: float, freedom: float, stats: Any) -> tuple[float, float, float]:
    """p and the interval of a value with this standard error."""
    if error == 0:  # the same difference everywhere
        return float(value == 0), value, value
    half = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * error
    return float(2 * stats.t.sf(abs(value) / error, freedom)), value - half, value + half


def _placements(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each positive row the share of negative rows below it, of each negative row the share of positive rows above it; ties count half."""
    up, down = np.sort(score[positive]), np.sort(score[~positive])
    of_positive = (np.searchsorted(down, score[positive], "left") + np.searchsorted(down, score[positive], "right")) / 2 / len(down)
    below = (np.searchsorted(up, score[~positive], "left") + np.searchsorted(up, score[~positive], "right")) / 2 / len(up)
    return of_positive, 1 - below
