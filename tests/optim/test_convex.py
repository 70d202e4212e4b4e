"""Linear models solved to their optimum, beside scikit-learn's: coefficients to a thousandth of the largest."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from goodfit.optim.convex.box_qp import box_qp
from goodfit.optim.convex.lasso import lasso
from goodfit.optim.convex.logistic import logistic
from goodfit.optim.convex.ridge import ridge
from goodfit.optim.convex.solution import Solution, until
from goodfit.optim.convex.sparse_logistic import sparse_logistic
from goodfit.optim.convex.svm import svm, svr

CLASSES = {"cancer": load_breast_cancer, "iris": load_iris, "wine": load_wine, "digits": load_digits}
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])


def numbers(case: str) -> tuple[np.ndarray, np.ndarray]:
    """diabetes; the same with columns that repeat others or add them up; or more columns than rows."""
    x, y = load_diabetes(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()
    if case == "collinear":
        x = np.concatenate([x, x[:, :2] + x[:, 2:4], x[:, :1]], 1)
    if case == "wide":
        generator = np.random.default_rng(0)
        x, y = generator.normal(size=(40, 90)), generator.normal(size=40)
    return x, y + 3.0


def classes(case: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = CLASSES[case.split(",")[0]](return_X_y=True)
    x = StandardScaler().fit_transform(x)
    if "two" in case:
        x, y = x[y < 2], y[y < 2]
    if "collinear" in case:
        x = np.concatenate([x, x[:, :2] + x[:, 2:4]], 1)
    return (x[:400], y[:400]) if "digits" in case else (x, y)


def weights(n: int, weighted: bool) -> np.ndarray | None:
    return np.random.default_rng(1).integers(0, 4, n).astype(np.float64) if weighted else None


def tensor(values: np.ndarray | None) -> torch.Tensor | None:
    return None if values is None else torch.from_numpy(np.asarray(values))


def check(found: Solution, coef: np.ndarray, intercept: np.ndarray | float) -> None:
    coef, intercept = np.atleast_2d(coef), np.atleast_1d(intercept)
    assert found.done
    largest = max(np.abs(coef).max(), np.abs(intercept).max())
    assert np.abs(found.weight.numpy() - coef).max() < 1e-3 * largest
    assert np.abs(found.bias.numpy() - intercept).max() < 1e-3 * largest


@pytest.mark.parametrize("case", ["diabetes", "collinear", "wide"])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 100.0])
@WEIGHTED
def test_ridge(case: str, penalty: float, weighted: bool) -> None:
    x, y = numbers(case)
    w = weights(len(y), weighted)
    found = ridge(tensor(x), tensor(y), penalty=penalty, weight=tensor(w))
    other = (LinearRegression() if penalty == 0 else Ridge(alpha=penalty)).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)
    assert found.gap < 1e-9


@pytest.mark.parametrize("case", ["diabetes", "collinear", "wide"])
@pytest.mark.parametrize("penalty", [0.01, 0.1])
@WEIGHTED
def test_lasso(case: str, penalty: float, weighted: bool) -> None:
    x, y = numbers(case)
    if case == "collinear":
        x = x[:, :-1]  # of two equal columns no one can tell which has the weight
        x[:, -1] += 0.05 * np.random.default_rng(2).normal(size=len(x))
    w = weights(len(y), weighted)
    found = lasso(tensor(x), tensor(y), penalty=penalty, weight=tensor(w))
    other = Lasso(alpha=penalty, tol=1e-12, max_iter=1_000_000).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)
    assert ((found.weight.numpy()[0] == 0) == (other.coef_ == 0)).mean() > 0.95


@pytest.mark.parametrize("case", ["cancer", "iris", "wine", "digits", "wine, collinear", "iris, two"])
@pytest.mark.parametrize("penalty", [0.1, 1.0, 20.0])
@WEIGHTED
def test_logistic_and_softmax(case: str, penalty: float, weighted: bool) -> None:
    x, y = classes(case)
    w = weights(len(y), weighted)
    found = logistic(tensor(x), tensor(y), len(np.unique(y)), penalty=penalty, weight=tensor(w))
    other = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=100_000).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)


def test_logistic_without_a_penalty() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 3))
    y = (x @ [1.0, -2.0, 0.5] + 0.3 + generator.logistic(size=500) > 0).astype(np.int64)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(x, y)
    check(logistic(tensor(x), tensor(y), 2, penalty=0.0), other.coef_, other.intercept_)


@pytest.mark.parametrize("case", ["cancer", "iris"])
@WEIGHTED
def test_sparse_logistic(case: str, weighted: bool) -> None:
    x, y = classes(case)
    w = weights(len(y), weighted)
    total = len(y) if w is None else w.sum()
    found = sparse_logistic(tensor(x), tensor(y), len(np.unique(y)), penalty=0.02, weight=tensor(w))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = LogisticRegression(l1_ratio=1, solver="saga", C=1 / (0.02 * total), tol=1e-9, max_iter=100_000).fit(x, y, sample_weight=w)
    if case == "iris":  # without a penalty on them, all intercepts may move together
        found = Solution(found.weight, found.bias - found.bias.mean(), found.steps, found.gap, found.done)
    check(found, other.coef_, other.intercept_ - (other.intercept_.mean() if case == "iris" else 0.0))


@pytest.mark.parametrize("case", ["cancer", "wine, two", "wine, two, collinear"])
@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
@WEIGHTED
def test_hinge(case: str, penalty: float, weighted: bool) -> None:
    x, y = classes(case)
    w = weights(len(y), weighted)
    found = svm(tensor(x), tensor(y), 2, penalty=penalty, weight=tensor(w))
    other = SVC(kernel="linear", C=1 / penalty, tol=1e-9).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)


@pytest.mark.parametrize("squared", [False, True], ids=["hinge", "squared"])
@pytest.mark.parametrize("case", ["cancer", "iris", "wine"])
def test_as_linear_svc(case: str, squared: bool) -> None:
    x, y = classes(case)
    w = weights(len(y), True)
    found = svm(tensor(x), tensor(y), len(np.unique(y)), penalty=1.0, squared=squared, free=False, weight=tensor(w))
    other = LinearSVC(C=1.0, loss="squared_hinge" if squared else "hinge", tol=1e-9, max_iter=5_000_000).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)


@pytest.mark.parametrize("case", ["diabetes", "collinear", "wide"])
@pytest.mark.parametrize(("penalty", "epsilon"), [(1.0, 0.1), (20.0, 0.5), (1.0, 0.0)])
@WEIGHTED
def test_svr(case: str, penalty: float, epsilon: float, weighted: bool) -> None:
    x, y = numbers(case)
    w = weights(len(y), weighted)
    found = svr(tensor(x), tensor(y), penalty=penalty, epsilon=epsilon, weight=tensor(w))
    other = SVR(kernel="linear", C=1 / penalty, epsilon=epsilon, tol=1e-10).fit(x, y, sample_weight=w)
    check(found, other.coef_, other.intercept_)


def test_weights_are_repetitions() -> None:
    x, y = classes("wine")
    times = np.random.default_rng(0).integers(0, 3, len(y))
    often = np.repeat(np.arange(len(y)), times)
    for solve in (logistic, svm):
        one = solve(tensor(x), tensor(y), 3, penalty=1.0, weight=tensor(times.astype(np.float64)))  # type: ignore[operator]
        other = solve(tensor(x[often]), tensor(y[often]), 3, penalty=1.0)  # type: ignore[operator]
        torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-5)


def test_a_solver_stops_at_its_deadline() -> None:
    x, y = classes("cancer")
    past = until(time.monotonic() - 1)
    for found in (logistic(tensor(x), tensor(y), 2, penalty=1.0, stop=past), svm(tensor(x), tensor(y), 2, penalty=1.0, stop=past)):
        assert not found.done
    assert not lasso(*map(tensor, numbers("diabetes")), penalty=0.01, stop=past).done  # type: ignore[arg-type, misc]


def test_a_programme_by_hand() -> None:
    """Two points at 1 and -1: the margin's multipliers are 1/2 each where the penalty lets them, and at their bound where it does not."""
    z = torch.tensor([[1.0], [1.0]]).double()
    minus, sign = -torch.ones(2).double(), torch.tensor([1.0, -1.0]).double()
    free = box_qp(z, minus, torch.full((2,), 5.0).double(), sign, tolerance=1e-10)
    torch.testing.assert_close(free.alpha, torch.full((2,), 0.5).double())
    bound = box_qp(z, minus, torch.full((2,), 0.2).double(), sign, tolerance=1e-10)
    torch.testing.assert_close(bound.alpha, torch.full((2,), 0.2).double())
