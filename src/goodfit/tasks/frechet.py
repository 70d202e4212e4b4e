"""How far two sets of rows lie apart, as the normal distributions of their features do (Heusel et al. 2017).

n, m rows, F features.
"""

from __future__ import annotations

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """a [n, F], b [m, F] of at least two rows each -> |mean_a - mean_b|^2 + trace(A + B - 2 (A B)^(1/2)), A and B their covariances.

    The Fréchet (2-Wasserstein) distance of two normals, squared, in the features' unit squared (Dowson and Landau 1982). Of few rows it comes
    out too large, the more so the fewer: compare distances of equally many. Heusel et al. take the features of an Inception network; whose
    are taken here, the caller says.

    >>> frechet_distance(np.array([[-1.0], [1.0]]), np.array([[-3.0], [1.0]]))  # means 0 and -1, deviations 1.41 and 2.83
    3.0
    """
    first, second = a.astype(np.float64), b.astype(np.float64)
    apart = first.mean(0) - second.mean(0)
    A, B = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (first, second))
    values, vectors = np.linalg.eigh(A)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T  # A^(1/2)
    # (A B)^(1/2) and (A^(1/2) B A^(1/2))^(1/2), which is symmetric, have the same eigenvalues.
    between = np.sqrt(np.clip(np.linalg.eigvalsh(root @ B @ root), 0, None)).sum()
    return float(max(apart @ apart + np.trace(A) + np.trace(B) - 2 * between, 0.0))
