"""The Fréchet distance against scipy's matrix root and against cases that one can work out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from goodfit.tasks.frechet import frechet_distance


def rows(n: int, features: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, features)) @ generator.normal(size=(features, features)) + generator.normal(size=features)


@pytest.mark.parametrize("features", [1, 2, 7, 30])
def test_against_the_matrix_root(features: int) -> None:
    a, b = rows(200, features, 0), rows(150, features, 1)
    A, B = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    wanted = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(A + B - 2 * np.real(sqrtm(A @ B)))
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-6)


def test_of_normals_along_the_axes() -> None:
    """With diagonal covariances it is the squared distance of the means and of the standard deviations."""
    generator = np.random.default_rng(0)
    unit = generator.normal(size=(500, 3))
    unit = (unit - unit.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(unit, rowvar=False))).T  # exactly uncorrelated
    assert frechet_distance(unit * [1, 2, 3] + [4, 0, 0], unit * [2, 2, 1]) == pytest.approx(16 + 1 + 0 + 4)


def test_of_the_same_rows_and_of_fewer_rows_than_features() -> None:
    a = rows(5, 20, 0)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, a + 1) == pytest.approx(20)
