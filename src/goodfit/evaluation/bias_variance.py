"""How much of an error is bias, variance and noise, from predictions of networks trained on other rows, bags or seeds.

K networks, n rows that none of them learned from, C classes. Whatever differed between the networks is what the variance is of: fresh samples, bags, folds,
or initial weights alone.

| loss | parts | source |
|---|---|---|
| squared | error = bias + variance + noise, unbiased for any K | Geman, Bienenstock and Doursat, *Neural Computation* 4 (1992) |
| 0-1 | error = bias + variance where the main answer is right - variance where it is wrong | Domingos, "A unified bias-variance decomposition" (ICML 2000); Kong and Dietterich (ICML 1995) |
| log | error = bias + variance + noise around the normalised geometric mean | Heskes, *Neural Computation* 10 (1998); Pfau (2013) for all Bregman divergences |

Noise cannot be told from bias by predictions alone. Where nobody knows it, `noise` is None and `bias` holds both.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from goodfit.base.errors import InputError


@dataclass(frozen=True)
class Parts:
    """The parts of the mean error of one network, in the unit of the loss.

    error: of one network, the mean over networks and rows. bias: of their mean answer, with the noise where `noise` is None; estimated, it may fall a little
    below 0. variance: between networks. averaged: the error of the mean answer of these K networks. noise: what no network can undo, None where unknown.
    helping: of the 0-1 loss alone, the variance that finds the right answer where the main one is wrong.
    """

    loss: str
    networks: int
    rows: int
    error: float
    bias: float
    variance: float
    averaged: float
    noise: float | None = None
    helping: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def squared(predictions: np.ndarray, truth: np.ndarray, noise: float | None = None, weight: np.ndarray | None = None) -> Parts:
    """The parts of the squared error. predictions: [K, n]; truth: [n]; weight: [n] or None.

    noise: the mean variance of the truth of a row, where it is known: 0 where `truth` is the function itself, `repeated_noise` where rows repeat.

    error = bias + variance + noise exactly. The variance is divided by K - 1, and what it adds to the error of the mean of K is taken off the bias, so
    that both are unbiased.

    >>> parts = squared(np.array([[1.0], [3.0]]), np.array([1.0]))  # mean 2, one off; variance 2, of which the mean of two keeps 1
    >>> parts.error, parts.bias, parts.variance
    (2.0, 0.0, 2.0)
    """
    given, y = _checked(predictions, truth, 2)
    K = len(given)
    variance = _mean(given.var(axis=0, ddof=1), weight)
    averaged = _mean((given.mean(axis=0) - y) ** 2, weight)
    error = _mean(((given - y) ** 2).mean(axis=0), weight)
    bias = averaged - variance / K - (noise or 0.0)
    return Parts("squared error", K, given.shape[1], error, bias, variance, averaged, noise)


def zero_one(predictions: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> Parts:
    """The parts of the share of wrong answers. predictions: codes [K, n] or probabilities [K, n, C]; truth: codes [n].

    The main answer is the one that most networks give (of equal votes the one with the higher mean probability, else the lower code). bias: rows where
    it is wrong. variance: the rate at which one network leaves it, where it is right, less the rate at which leaving it finds the right one where it
    is wrong (`helping`): the net variance, which is Kong and Dietterich's and may be negative. error = bias + variance exactly.
    """
    given, y = np.asarray(predictions), np.asarray(truth)
    probability = given if given.ndim == 3 else None
    codes = given.argmax(axis=2) if probability is not None else given
    codes, y = _checked(codes, y, 2)
    codes, y = np.rint(codes).astype(np.int64), np.rint(y).astype(np.int64)
    K, n = codes.shape
    C = int(max(codes.max(), y.max())) + 1 if probability is None else probability.shape[2]
    votes = np.bincount((np.arange(n) * C + codes).ravel(), minlength=n * C).reshape(n, C).astype(np.float64)
    if probability is not None:
        votes += 0.5 * probability.mean(axis=0)  # below one vote
    main = votes.argmax(axis=1)
    wrong = main != y
    leaves, right = (codes != main).mean(axis=0), (codes == y).mean(axis=0)
    bias = _mean(wrong, weight)
    hurting, helping = _mean(np.where(wrong, 0, leaves), weight), _mean(np.where(wrong, right, 0), weight)
    return Parts("0-1 loss", K, n, _mean((codes != y).mean(axis=0), weight), bias, hurting - helping, bias, None, helping)


def log_loss(predictions: np.ndarray, truth: np.ndarray, weight: np.ndarray | None = None) -> Parts:
    """The parts of the log loss in nats. predictions: probabilities [K, n, C]; truth: codes [n], or the true probabilities [n, C] where they are known.

    bias: the divergence of the truth from the networks' normalised geometric mean. variance: the mean divergence of that from each network. With true
    probabilities the noise is their entropy; with codes it is unknown, and part of the bias. error = bias + variance + noise exactly; of few networks,
    the variance is too small by about 1 / K of itself and the bias too large by as much. averaged: of the mean of probabilities, as an ensemble takes it.
    """
    given = np.asarray(predictions, dtype=np.float64)
    y = np.asarray(truth)
    if given.ndim != 3 or y.shape not in (given.shape[1:2], given.shape[1:]):
        raise InputError(f"predictions must be [K, n, C] and the truth [n] codes or [n, C]; {given.shape} and {y.shape} were given")
    _checked(given[:, :, 0], y if y.ndim == 1 else y[:, 0], 2)
    if (given < 0).any() or np.abs(given.sum(axis=2) - 1).max() > 1e-3:
        raise InputError("predictions must be probabilities, at least 0, that sum to 1 over the classes; give softmax(logits)")
    K, n, C = given.shape
    eps = 1e-12
    logs = np.log(np.clip(given, eps, None))
    logs -= np.log(np.exp(logs).sum(axis=2, keepdims=True))
    middle = logs.mean(axis=0)  # n C
    lack = np.log(np.exp(middle).sum(axis=1))  # at most 0: minus the mean divergence of the geometric mean from each network
    middle -= lack[:, None]
    q = np.eye(C)[np.rint(y).astype(np.int64)] if y.ndim == 1 else y.astype(np.float64)
    entropy = -(q * np.log(np.clip(q, eps, None))).sum(axis=1)
    error = _mean(-(q * logs.mean(axis=0)).sum(axis=1), weight)
    averaged = _mean(-(q * np.log(np.clip(given.mean(axis=0), eps, None))).sum(axis=1), weight)
    bias = _mean(-(q * middle).sum(axis=1) - entropy, weight)
    return Parts("log loss", K, n, error, bias, _mean(-lack, weight), averaged, None if y.ndim == 1 else _mean(entropy, weight))


def repeated_noise(truth: np.ndarray, group: np.ndarray) -> float | None:
    """The mean variance of the truth [n] among rows with the same inputs; group: [n] ids of equal inputs. None where no inputs repeat.

    The pure error of a test of lack of fit: squares around the means of the groups, over the rows less the groups.
    """
    y = np.asarray(truth, dtype=np.float64)
    ids, counts = np.unique(np.asarray(group), return_inverse=True, return_counts=True)[1:]
    repeated = counts[ids] > 1
    freedom = int(repeated.sum()) - int((counts > 1).sum())
    if not freedom:
        return None
    means = np.bincount(ids, weights=y) / counts
    return float(((y - means[ids]) ** 2)[repeated].sum() / freedom)


def _checked(predictions: np.ndarray, truth: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    given, y = np.asarray(predictions, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if given.ndim != 2 or y.shape != given.shape[1:] or not y.size:
        raise InputError(f"predictions must be [K, n] and the truth [n]; {given.shape} and {y.shape} were given")
    if len(given) < least:
        raise InputError(f"bias and variance need the predictions of at least {least} networks; {len(given)} was given")
    if not (np.isfinite(given).all() and np.isfinite(y).all()):
        raise InputError("predictions and truth must be finite; some are not, so leave out what diverged")
    return given, y


def _mean(values: np.ndarray, weight: np.ndarray | None) -> float:
    return float(np.average(values, weights=weight))
