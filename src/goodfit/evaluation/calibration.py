"""Whether probabilities mean what they say, and how wide an interval must be to hold what it claims.

n rows, C classes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

BINS = 10  # the convention of reliability diagrams since Niculescu-Mizil and Caruana (ICML 2005)
_ROWS = 20  # of a bin at least: the observed share then has a standard error of at most 0.11


def reliability(probability: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, Any]:
    """Predicted probability against observed frequency, in bins of about equally many rows.

    probability: [n, C]. target: [n] class codes; of two classes the second is looked at, of more the one predicted.
    Returns {"bins": [{"low", "high", "predicted", "observed", "count"}], "error"}; error is the expected calibration error: the mean
    over rows of |predicted - observed| of their bin, 0 to 1 (Naeini et al., AAAI 2015, there with bins of equal width).

    >>> reliability(np.array([[0.2, 0.8]] * 10), np.array([1] * 8 + [0] * 2))["error"]
    0.0
    """
    p = np.asarray(probability, dtype=np.float64)
    y = np.asarray(target)
    claimed, right = (p[:, 1], y == 1) if p.shape[1] == 2 else (p.max(1), p.argmax(1) == y)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(y) or not w.sum():
        return {"bins": [], "error": None}
    order = np.argsort(claimed, kind="stable")
    edges = np.linspace(0, len(y), max(1, min(BINS, len(y) // _ROWS)) + 1).astype(int)[1:-1]
    # Equal probabilities stay together: an edge inside a run of them moves to its beginning.
    edges = np.unique(np.searchsorted(claimed[order], claimed[order][edges]))
    bins = []
    for rows in np.split(order, edges):
        if rows.size and w[rows].sum():
            predicted, observed = (float(np.average(values[rows], weights=w[rows])) for values in (claimed, right))
            low, high = float(claimed[rows].min()), float(claimed[rows].max())
            share = float(w[rows].sum() / w.sum())
            bins.append({"low": low, "high": high, "predicted": predicted, "observed": observed, "count": int(rows.size), "share": share})
    error = sum(b.pop("share") * abs(b["predicted"] - b["observed"]) for b in bins)
    return {"bins": bins, "error": round(error, 12)}


def interval(residuals: np.ndarray, coverage: float = 0.9) -> float:
    """Half the width of an interval around a prediction that holds the true value with probability `coverage` at least.

    residuals: [n] true minus predicted on rows that the network did not learn from, in the target's unit.
    Split conformal prediction (Papadopoulos et al. 2002; Lei et al., JASA 2018): the ceil((n + 1) coverage)-th smallest
    absolute residual. Infinite where there are too few rows to promise anything, n < coverage / (1 - coverage).

    >>> interval(np.arange(1, 10), 0.9), interval(np.arange(1, 9), 0.9)
    (9.0, inf)
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage lies between 0 and 1; {coverage} was given")
    size = np.abs(np.asarray(residuals, dtype=np.float64).ravel())
    k = math.ceil((size.size + 1) * coverage - 1e-9)  # 1e-9: (9 + 1) * 0.9 is 9, whatever floating point makes of it
    return math.inf if k > size.size else float(np.partition(size, k - 1)[k - 1])
