"""Probabilities at a temperature: as sure as they turned out to be right.

n rows, C classes.
"""

from __future__ import annotations

import math

import numpy as np

_SHARPEST, _FLATTEST = 0.05, 20.0  # temperatures looked at; beyond them all answers are certain, or all are alike
_MOST = 2_000_000  # probabilities that the temperature of a refinement is found on: of a million rows, some thousands say the same
FLOOR = 1e-12  # below the smallest probability that a float32 softmax of moderate logits gives


def cooled(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities [n, C] at a temperature: p^(1/T), normalised. T above 1 flattens them."""
    p = np.asarray(probability, dtype=np.float64)
    return softmax(np.log(np.clip(p, FLOOR, None)) / temperature)


def softmax(z: np.ndarray) -> np.ndarray:
    """Logits [n, C] -> probabilities."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def temperature(probability: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The T for which `cooled(probability, T)` has the least log loss; above 1 where the network was too sure.

    probability: [n, C] of rows that the network did not learn from. target: [n] class codes.
    Guo et al., "On calibration of modern neural networks" (ICML 2017), with 1 / T by Newton's method: the log loss is convex in it.
    Averages of members' probabilities are sharpened alike, since log p serves as the logits.
    """
    z = np.log(np.clip(np.asarray(probability, dtype=np.float64), FLOOR, None))
    y = np.asarray(target).astype(np.int64)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(y) or not w.sum():
        return 1.0
    w = w / w.sum()
    low, high, beta = 1 / _FLATTEST, 1 / _SHARPEST, 1.0
    for _ in range(100):
        p = softmax(beta * z)
        mean = (p * z).sum(1)
        slope = w @ (mean - z[np.arange(len(y)), y])
        bend = w @ ((p * z**2).sum(1) - mean**2)
        low, high = (beta, high) if slope < 0 else (low, beta)  # the minimum stays between
        step = beta - slope / bend if bend > 0 else math.nan
        after = step if low < step < high else math.sqrt(low * high)
        if abs(after - beta) <= 1e-9 * beta:
            break
        beta = after
    return float(1 / beta)


def refinement(probability: np.ndarray, code: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The log loss that is left at the best temperature, in nats: what a network does not know, whatever it believes it knows.

    probability: [n, C]. code: [n]. Berta, Holzmueller, Jordan and Bach, "Rethinking early stopping: refine, then calibrate" (2025): a network that becomes too
    sure is not one that gets worse, and stopping by the plain log loss stops too early.
    """
    n, C = probability.shape
    if not n:
        return math.nan
    some = slice(None, None, max(1, n * C // _MOST))
    best = temperature(probability[some], code[some], None if weight is None else weight[some])
    own = -np.log(np.clip(cooled(probability, best)[np.arange(n), code.astype(np.int64)], FLOOR, None))
    return float(np.average(own, weights=weight)) if weight is None or weight.sum() else math.nan
