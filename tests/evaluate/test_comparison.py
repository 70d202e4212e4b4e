"""Paired tests: against scipy, against the formulas written down naively, and against chance itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from goodfit.base.errors import InputError
from goodfit.data.target import TargetSpec
from goodfit.evaluation.comparison import (
    ALPHA,
    adjusted,
    auc_difference,
    holm,
    over_resamples,
    over_rows,
    row_losses,
    sign_test,
)

RNG = np.random.default_rng(7)


def test_the_test_over_rows_is_the_paired_t_test() -> None:
    a, b = RNG.exponential(size=(2, 200))
    found, wanted = over_rows(a, b), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-10)
    assert found.value == pytest.approx(a.mean() - b.mean())
    interval = wanted.confidence_interval(0.95)
    width = interval.high - interval.low
    assert found.low == pytest.approx(interval.low, abs=0.1 * width)  # bootstrap against t
    assert found.high == pytest.approx(interval.high, abs=0.1 * width)


def test_of_few_rows_the_interval_is_that_of_the_t_distribution() -> None:
    a, b = RNG.normal(size=(2, 12))
    interval = stats.ttest_rel(a, b).confidence_interval(0.95)
    found = over_rows(a, b)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_rows_of_a_group_count_together() -> None:
    """Each row ten times over must not look like ten times the evidence."""
    a, b = RNG.normal(size=(2, 60))
    alone, repeated = over_rows(a, b), over_rows(np.repeat(a, 10), np.repeat(b, 10), group=np.repeat(np.arange(60), 10))
    assert repeated.p == pytest.approx(alone.p)
    assert repeated.units == 60
    assert over_rows(np.repeat(a, 10), np.repeat(b, 10)).p < alone.p


def test_weights_of_0_leave_rows_out() -> None:
    a, b = RNG.normal(size=(2, 80))
    weight = np.r_[np.ones(40), np.zeros(40)]
    assert over_rows(a, b, weight).p == pytest.approx(stats.ttest_rel(a[:40], b[:40]).pvalue)


def test_right_and_wrong_are_compared_exactly() -> None:
    a, b = RNG.random(300) < 0.9, RNG.random(300) < 0.85
    wanted = stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue
    assert sign_test(a, b).p == pytest.approx(wanted)
    assert sign_test(a, a).p == 1


def _delong_naive(a: np.ndarray, b: np.ndarray, positive: np.ndarray) -> float:
    """Equations 4 to 6 of DeLong et al., pair by pair."""

    def kernel(score: np.ndarray) -> np.ndarray:
        up, down = score[positive][:, None], score[~positive][None]
        return (up > down) + 0.5 * (up == down)

    pair = np.stack([kernel(a), kernel(b)])
    of_positive, of_negative = np.cov(pair.mean(2)), np.cov(pair.mean(1))
    total = of_positive / positive.sum() + of_negative / (~positive).sum()
    z = (pair[0].mean() - pair[1].mean()) / np.sqrt(total[0, 0] + total[1, 1] - 2 * total[0, 1])
    return float(2 * stats.norm.sf(abs(z)))


def test_areas_are_compared_as_delong_wrote_it_down() -> None:
    positive = RNG.random(150) < 0.3
    a = np.round(RNG.normal(size=150) + positive, 1)  # with ties
    b = np.round(RNG.normal(size=150) + 0.5 * positive, 1)
    found = auc_difference(a, b, positive)
    assert found.value == pytest.approx(roc_auc_score(positive, a) - roc_auc_score(positive, b))
    assert found.p == pytest.approx(_delong_naive(a, b, positive))


def test_the_corrected_test_is_nadeau_and_bengios() -> None:
    a, b = RNG.normal(size=(2, 15))
    d = a - b
    t = d.mean() / np.sqrt((1 / 15 + 0.25) * d.var(ddof=1))
    assert over_resamples(a, b, 0.25).p == pytest.approx(2 * stats.t.sf(abs(t), 14))
    assert over_resamples(a, b, 0).p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_holm_against_the_steps_written_down() -> None:
    p = RNG.random(20) ** 3
    rejected, order = np.zeros(20, dtype=bool), np.argsort(p)
    for step, index in enumerate(order):
        if p[index] >= ALPHA / (20 - step):
            break
        rejected[index] = True
    assert ((holm(p) < ALPHA) == rejected).all()
    pair = [over_rows(*RNG.normal(size=(2, 30))) for _ in range(3)]
    assert [found.adjusted for found in adjusted(pair)] == pytest.approx(holm(np.array([found.p for found in pair])))


def test_chance_is_called_chance_as_often_as_claimed() -> None:
    """2,000 comparisons of equals: the rate of false alarms lies within four standard errors of 5 %."""
    times, near = 2_000, 4 * np.sqrt(0.05 * 0.95 / 2_000)
    rows = np.mean([over_rows(*RNG.exponential(size=(2, 40))).p < ALPHA for _ in range(times)])
    assert abs(rows - 0.05) < near
    positive = np.arange(80) < 40
    areas = np.mean([auc_difference(*(RNG.normal(size=(2, 80)) + positive), positive).p < ALPHA for _ in range(times)])
    assert abs(areas - 0.05) < near + 0.01  # a normal approximation at 40 rows of each class


def _accuracies(splits: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two nearest-mean classifiers, of one useful feature each, on random splits of the same 100 rows: equally good over all data."""
    y = rng.integers(0, 2, 100)
    x = rng.normal(size=(100, 2)) + 0.7 * y[:, None]
    scores = []
    for _ in range(splits):
        order = rng.permutation(100)
        train, test = order[:80], order[80:]
        middle = (x[train][y[train] == 0].mean(0) + x[train][y[train] == 1].mean(0)) / 2
        scores.append(((x[test] > middle) == y[test][:, None]).mean(0))
    return tuple(np.array(scores).T)


def test_over_random_splits_the_plain_t_test_cries_wolf_and_the_corrected_one_does_not() -> None:
    """The reason for the correction, in numbers: two learners that are equals, 20 random splits of each of 400 data sets."""
    plain, corrected = [], []
    for _ in range(400):
        a, b = _accuracies(20, RNG)
        plain.append(over_resamples(a, b, 0).p < ALPHA)
        corrected.append(over_resamples(a, b, 20 / 80).p < ALPHA)
    assert np.mean(plain) > 0.2
    assert np.mean(corrected) < 0.12


def test_a_real_difference_is_found() -> None:
    a = RNG.exponential(size=500)
    found = over_rows(a, a + 0.1 + 0.1 * RNG.normal(size=500))
    assert found.real
    assert found.high is not None
    assert found.high < 0


def test_losses_of_rows_have_the_metrics_as_their_means() -> None:
    code = RNG.integers(0, 3, 50)
    p = RNG.dirichlet(np.ones(3), 50)
    found = row_losses(TargetSpec("multiclass", ("y",), ("a", "b", "c")), {"probability": p}, code)
    assert found["log_loss"].mean() == pytest.approx(-np.log(p[np.arange(50), code]).mean())
    assert found["accuracy"].mean() == (p.argmax(1) == code).mean()
    number = TargetSpec("regression", ("y",), mean=3.0, std=2.0)
    said = row_losses(number, {"mean": np.full(4, 5.0)}, np.array([1.0, 0.0, -1.0, 1.0]))  # of 5, 3, 1, 5
    assert said["mean_squared_error"].tolist() == [0, 4, 16, 0]
    labels = row_losses(TargetSpec("multilabel", ("y",), ("a", "b")), {"probability": np.array([[0.9, 0.2]])}, np.array([[1.0, 0.0]]))
    assert labels["log_loss"][0] == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    both = TargetSpec("several", ("u", "v"), parts=(TargetSpec("regression", ("u",)), TargetSpec("binary", ("v",), (0, 1))))
    own = {"u/mean": np.zeros(2), "v/probability": np.array([[0.5, 0.5], [0.1, 0.9]])}
    found = row_losses(both, own, np.array([[1.0, 0.0], [2.0, 1.0]]))
    assert found["u/mean_squared_error"].tolist() == [1, 4]
    assert found["v/accuracy"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: over_rows(np.zeros(3), np.zeros(4)), r"two numbers of each row; the shapes \(3,\) and \(4,\)"),
        (lambda: over_rows(np.zeros(1), np.zeros(1)), "at least 2 rows"),
        (lambda: over_rows(np.array([0, np.nan]), np.zeros(2)), "not finite"),
        (lambda: over_resamples(np.zeros(1), np.zeros(1), 0.1), "at least 2 of them; 1 was given"),
        (lambda: over_resamples(np.zeros(3), np.zeros(3), -1), "at least 0; -1 was given"),
        (lambda: auc_difference(np.zeros(5), np.zeros(5), np.arange(5) < 1), "2 rows of both classes; 1 and 4"),
        (lambda: row_losses(TargetSpec("tagging", ("y",)), {}, np.zeros(2)), "these learned tagging"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
