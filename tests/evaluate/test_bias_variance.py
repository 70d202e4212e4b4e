"""Bias, variance and noise on problems whose parts are known; learning curves with known parameters; what is advised."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.base.errors import InputError
from goodfit.evaluation.bias_variance import log_loss, repeated_noise, squared, zero_one
from goodfit.evaluation.learning_curve import Curve, fit_curve
from goodfit.evaluation.verdict import verdict

RNG = np.random.default_rng(3)


def test_squared_error_of_ridge_regression_has_the_parts_that_algebra_says() -> None:
    """Fixed inputs, y = X b + noise: the ridge fit is a matrix times y, so bias and variance of every row are known."""
    x = RNG.normal(size=(60, 8))
    function, sigma = x @ RNG.normal(size=8), 0.7
    smooth = x @ np.linalg.solve(x.T @ x + 40 * np.eye(8), x.T)
    bias = np.mean((smooth @ function - function) ** 2)
    variance = sigma**2 * np.mean(np.diag(smooth @ smooth.T))
    fits = (function + sigma * RNG.normal(size=(3000, 60))) @ smooth.T  # K n
    found = squared(fits, function, noise=0.0)
    assert found.bias == pytest.approx(bias, rel=0.02)
    assert found.variance == pytest.approx(variance, rel=0.02)
    assert found.error == pytest.approx(found.bias + found.variance)
    new = squared(fits, function + sigma * RNG.normal(size=60), noise=sigma**2)
    assert new.error == pytest.approx(new.bias + new.variance + sigma**2)


def test_squared_parts_are_unbiased_for_three_networks() -> None:
    """Each network answers 0.5 of the mean of four draws: bias (0.5 * 2)^2 = 1, variance 0.25 * 9 / 4, noise 9."""
    n = 200_000
    answers = 0.5 * (2 + 3 * RNG.normal(size=(3, n, 4)).mean(axis=2))
    found = squared(answers, 2 + 3 * RNG.normal(size=n), noise=9.0)
    assert found.variance == pytest.approx(0.5625, abs=0.01)
    assert found.bias == pytest.approx(1.0, abs=0.15)  # four standard errors of the mean of squared noise
    assert squared(answers, np.full(n, 2.0), noise=0.0).bias == pytest.approx(1.0, abs=0.01)


def _domingos(codes: np.ndarray, y: np.ndarray, C: int) -> tuple[float, float, float]:
    """Theorems 2 and 3, row by row: error = B + c V, with c = 1 where B = 0, else -P(right | not main)."""
    error, bias, net = [], [], []
    for row, true in zip(codes.T, y, strict=True):
        votes = np.bincount(row, minlength=C)
        main = votes.argmax()
        B, V = float(main != true), float(np.mean(row != main))
        c = 1.0 if B == 0 else (-float(np.mean(row[row != main] == true)) if V else 0.0)
        error.append(B + c * V)
        bias.append(B)
        net.append(c * V)
    return float(np.mean(error)), float(np.mean(bias)), float(np.mean(net))


@pytest.mark.parametrize("C", [2, 5])
def test_zero_one_parts_are_domingos(C: int) -> None:
    codes, y = RNG.integers(0, C, (7, 300)), RNG.integers(0, C, 300)
    codes[:4] = np.where(RNG.random(300) < 0.5, y, codes[0])
    found = zero_one(codes, y)
    assert (found.error, found.bias, found.variance) == pytest.approx(_domingos(codes, y, C))
    assert found.error == pytest.approx((codes != y).mean())
    assert found.helping is not None
    assert found.helping > 0


def test_equal_votes_are_settled_by_the_mean_probability() -> None:
    two = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    assert zero_one(two, np.array([0])).bias == 0
    assert zero_one(two, np.array([1])).bias == 1


def test_log_loss_parts_are_divergences() -> None:
    p, q = RNG.dirichlet(np.ones(4), (6, 50)), RNG.dirichlet(np.ones(4), 50)
    middle = np.exp(np.log(p).mean(0))
    middle /= middle.sum(1, keepdims=True)

    def divergence(a: np.ndarray, b: np.ndarray) -> float:
        return float((a * np.log(a / b)).sum(-1).mean())

    found = log_loss(p, q)
    assert found.variance == pytest.approx(divergence(middle[None], p))
    assert found.bias == pytest.approx(divergence(q, middle))
    assert found.noise == pytest.approx(float(-(q * np.log(q)).sum(1).mean()))
    assert found.error == pytest.approx(found.bias + found.variance + found.noise)
    assert found.error == pytest.approx(float(-(q * np.log(p)).sum(-1).mean()))
    y = RNG.integers(0, 4, 50)
    known = log_loss(p, y)
    assert known.error == pytest.approx(float(-np.log(p[:, np.arange(50), y]).mean()))
    assert known.error == pytest.approx(known.bias + known.variance)
    assert log_loss(np.stack([p[0], p[0]]), y).variance == pytest.approx(0, abs=1e-12)
    assert known.averaged == pytest.approx(float(-np.log(p.mean(0)[np.arange(50), y]).mean()))


def test_noise_is_told_from_rows_that_repeat() -> None:
    group = np.repeat(np.arange(4000), 3)
    truth = RNG.normal(size=4000)[group] * 5 + 2 * RNG.normal(size=12000)
    assert repeated_noise(truth, group) == pytest.approx(4, rel=0.1)
    assert repeated_noise(np.array([1.0, 3.0, 9.0]), np.array([0, 0, 1])) == pytest.approx(2)  # one degree of freedom
    assert repeated_noise(truth[:10], np.arange(10)) is None


def test_weights_count_rows_as_often_as_they_say() -> None:
    f, y = RNG.normal(size=(3, 4)), RNG.normal(size=4)
    weighted, repeated = squared(f, y, weight=np.array([1, 2, 0, 1])), squared(f[:, [0, 1, 1, 3]], y[[0, 1, 1, 3]])
    assert weighted.bias == pytest.approx(repeated.bias)
    codes = (f > 0).astype(int)
    assert zero_one(codes, (y > 0).astype(int), np.array([1, 2, 0, 1])).error == pytest.approx((codes != (y > 0))[:, [0, 1, 1, 3]].mean())


SIZES = np.array([50, 100, 200, 400, 800, 1600])


@pytest.mark.parametrize(("floor", "scale", "rate"), [(0.1, 2.0, 0.5), (0.0, 3.0, 0.3), (0.05, 20.0, 1.0), (0.2, 0.0, 1.0)])
def test_a_curve_without_noise_is_found_again(floor: float, scale: float, rate: float) -> None:
    curve = fit_curve(SIZES, floor + scale * SIZES**-rate)
    assert curve.floor == pytest.approx(floor, abs=1e-3)
    for n in (50, 1600, 6400):
        assert curve.at(n)["value"] == pytest.approx(floor + scale * n**-rate, rel=2e-3)
    assert curve.gain()["value"] == pytest.approx(scale * (1600**-rate - 3200**-rate), abs=1e-4)
    assert curve.at(100)["low"] is None


def test_the_interval_of_the_gain_holds_it() -> None:
    """60 curves with noise of 5 %: a 95 % interval that held under 80 % would be seen."""
    true = 2.0 * (1600**-0.5 - 3200**-0.5)
    held = 0
    for trial in range(60):
        errors = (0.1 + 2.0 * SIZES**-0.5)[:, None] * (1 + 0.05 * RNG.normal(size=(6, 8)))
        gain = fit_curve(SIZES, errors, seed=trial).gain()
        assert gain["low"] is not None
        held += gain["low"] <= true <= gain["high"]
    assert held >= 48


def test_twice_the_data_in_words() -> None:
    curve = Curve(0.0, 1.0, 0.5, 100, np.empty((0, 3)))
    assert curve.sentence() == "twice the data would gain about 0.0293 of an error of 0.1, 29%"


def test_what_is_advised() -> None:
    steep, flat = Curve(0.0, 1.0, 0.5, 100, np.empty((0, 3))), Curve(0.1, 0.0, 0.5, 100, np.empty((0, 3)))
    overfit = verdict(0.10, 0.01, curve=steep)
    assert (overfit.limit, overfit.helps) == ("variance", ("data", "regularisation"))
    assert "twice the data would gain about 0.0293" in overfit.sentence
    assert verdict(0.10, 0.01, curve=flat).helps == ("regularisation",)
    assert verdict(0.10, 0.08, variance=0.06).helps == ("data", "regularisation", "averaging")
    assert verdict(0.10, 0.095).helps == ("capacity", "columns")
    assert "unless what is left is noise" in verdict(0.10, 0.095).sentence
    assert "unless" not in verdict(0.10, 0.095, noise=0.0).sentence
    assert verdict(0.10, 0.095, doubt=0.01).limit == "bias"
    assert verdict(0.10, 0.095, doubt=0.03).limit == verdict(0.10, 0.04, doubt=0.03).limit == "unclear"
    assert verdict(0.10, 0.01, doubt=0.01).limit == "variance"
    assert verdict(0.10, 0.07).limit == "both"
    # The gap is most of what is left above the noise, though little of the whole.
    assert verdict(0.10, 0.07, noise=0.06).limit == "variance"
    assert verdict(0.10, 0.07, noise=0.10).helps == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: squared(np.zeros((1, 3)), np.zeros(3)), "at least 2 networks; 1 was given"),
        (lambda: squared(np.zeros((2, 3)), np.zeros(4)), r"\[K, n\] and the truth \[n\]; \(2, 3\) and \(4,\)"),
        (lambda: squared(np.full((2, 3), np.inf), np.zeros(3)), "must be finite"),
        (lambda: log_loss(np.full((2, 3, 2), 0.6), np.zeros(3)), "sum to 1"),
        (lambda: log_loss(np.zeros((2, 3)), np.zeros(3)), r"must be \[K, n, C\]"),
        (lambda: fit_curve(np.array([1, 2, 4]), np.ones(3)), "at least 4 different sizes"),
        (lambda: fit_curve(np.array([1, 2, 2, 4]), np.ones(4)), "3 of 4 given are different"),
        (lambda: fit_curve(SIZES, -np.ones(6)), "not negative"),
        (lambda: fit_curve(SIZES, np.ones((5, 2))), r"errors \[m, r\] at sizes \[m\]"),
        (lambda: Curve(0, 1, 1, 100, np.empty((0, 3))).at(500), "1 to 400 rows"),
        (lambda: Curve(0, 1, 1, 100, np.empty((0, 3))).gain(1), "above 1"),
        (lambda: verdict(-1, 0), "error must be finite and at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
