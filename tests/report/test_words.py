"""How numbers and names are written, and how the network is said to stand beside its baselines."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.report.measures import headline_metric, interval, measure, standing
from goodfit.report.notation import bytes_, clip, count, decimals_of, labels, large, listed, number, percent, seconds, value


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        (0, "0"), (0.0, "0"), (12, "12"), (12345.678, "12,346"), (0.5, "0.5"), (0.123456, "0.1235"), (-0.123456, "−0.1235"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (1e20, "1e20"), (123456789, "123,456,789"),
        (float("nan"), "–"), (float("inf"), "–"), (None, "–"), (True, "–"), ("1", "–"),
    ],
)  # fmt: skip
def test_number(given_: Any, shown: str) -> None:
    assert number(given_) == shown


def test_other_units() -> None:
    assert number(-0.0004, 2) == "0.00"
    assert number(-0.004, 2) == "0.00"
    assert number(-0.006, 2) == "−0.01"
    assert percent(0.8756) == "87.6\u202f%"
    assert [count(1, "row"), count(0, "row"), count(1234, "class", "classes")] == ["1 row", "0 rows", "1,234 classes"]
    assert [seconds(s) for s in (0.004, 0.31, 42.4, 252, 7_500, None)] == [
        "4\u202fms",
        "0.3\u202fs",
        "42\u202fs",
        "4\u202fmin 12\u202fs",
        "2\u202fh 5\u202fmin",
        "–",
    ]
    assert [large(12), large(1_240_000), large(3e9)] == ["12", "1.24\u202fM", "3\u202fG"]
    assert [bytes_(5), bytes_(2048), bytes_(3 * 2**30)] == ["5\u202fB", "2\u202fKiB", "3\u202fGiB"]
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [value(None), value(True), value(3), value(0.25), value([1, None]), value([])] == ["–", "True", "3", "0.25", "1, –", "none"]


@given(st.floats(-1e300, 1e300))
def test_four_digits_are_close(x: float) -> None:
    read = float(number(x).replace(",", "").replace("−", "-"))
    assert math.isclose(read, x, rel_tol=6e-4, abs_tol=0)


@given(st.text(), st.integers(8, 60))
def test_clipped_text_is_one_short_line(text: str, length: int) -> None:
    shown = clip(text, length)
    assert len(shown) <= length
    assert "\n" not in shown


@given(st.lists(st.sampled_from(["", " ", "a", "a" * 50, "a" * 51, "b" * 60 + "c", "a (2)"]), max_size=12))
def test_labels_are_all_different(names: list[str]) -> None:
    shown = labels(names, 20)
    assert len(shown) == len(names) == len(set(shown))


@pytest.mark.parametrize(
    ("low", "high", "decimals"), [(0.866, 0.880, 3), (261.2, 275.9, 0), (0.83, 0.86, 3), (1e6, 2e6, 0), (0.5, 0.5, 3), (0, 1e-12, 9)]
)
def test_digits_follow_the_width_of_the_interval(low: float, high: float, decimals: int) -> None:
    assert decimals_of(low, high) == decimals


def test_interval_of_a_share_has_tenths_of_a_percent() -> None:
    assert interval("accuracy", {"value": 0.8, "low": 0.6, "high": 0.95}) == ("80.0\u202f%", "60.0 to 95.0\u202f%")
    assert interval("log_loss", {"value": 0.31, "low": 0.27, "high": 0.35})[1] == "0.27 to 0.35"
    assert interval("log_loss", {"value": 0.31, "low": None, "high": None})[1] == ""


def target(value: float, low: float | None, high: float | None, baselines: dict[str, float], metric: str = "accuracy") -> dict[str, Any]:
    return {
        "name": "y",
        "scores": {"part": "test", "rows": 9, "metrics": {metric: {"value": value, "low": low, "high": high}}},
        "baselines": [{"name": name, "metrics": {metric: other}} for name, other in baselines.items()],
    }


@pytest.mark.parametrize(
    ("metric", "baselines", "best", "outcome"),
    [
        ("accuracy", {"majority": 0.5, "trees": 0.79}, "trees", "beats"),
        ("accuracy", {"majority": 0.5, "trees": 0.81}, "trees", "level"),
        ("accuracy", {"majority": 0.5, "trees": 0.80}, "trees", "level"),  # at the very end of the interval it is not beyond it
        ("accuracy", {"majority": 0.5, "trees": 0.95}, "trees", "behind"),
        ("log_loss", {"majority": 0.95, "trees": 0.91}, "trees", "beats"),
        ("log_loss", {"majority": 0.95, "trees": 0.7}, "trees", "behind"),
        ("root_mean_squared_error", {"mean": 0.95, "linear": 0.85}, "linear", "level"),
        ("accuracy", {}, None, "alone"),
    ],
)
def test_standing_beside_the_best_baseline(metric: str, baselines: dict[str, float], best: str | None, outcome: str) -> None:
    place = standing(target(0.85, 0.8, 0.9, baselines, metric), metric)
    assert place is not None
    assert (place.baseline, place.outcome) == (best, outcome)


def test_without_an_interval_nothing_is_claimed() -> None:
    place = standing(target(0.9, None, None, {"trees": 0.1}), "accuracy")
    assert place is not None
    assert place.outcome == "alone"


@pytest.mark.parametrize(
    ("names", "score", "chosen"),
    [
        (["accuracy", "log_loss", "roc_auc"], "log_loss", "accuracy"),
        (["accuracy", "log_loss", "roc_auc"], "roc_auc", "roc_auc"),
        (["r2", "mean_absolute_error", "root_mean_squared_error"], "root_mean_squared_error", "root_mean_squared_error"),
        (["r2", "mean_squared_error"], "mean_squared_error", "r2"),
        (["accuracy_score", "log_loss"], "log_loss", "accuracy_score"),
        (["perplexity"], "perplexity", "perplexity"),
        (["something"], None, "something"),
        ([], "accuracy", None),
    ],
)
def test_the_metric_of_the_headline_is_one_that_people_read(names: list[str], score: str | None, chosen: str | None) -> None:
    assert headline_metric({"scores": {"metrics": {name: {"value": 1.0} for name in names}}}, score) == chosen


@pytest.mark.parametrize(
    ("name", "maximise"),
    [
        ("accuracy", True),
        ("roc_auc_score", True),
        ("pinball_loss", False),
        ("max_error", False),
        ("brier", False),
        ("hit_rate", True),
        ("poisson_deviance", False),
    ],
)
def test_which_way_is_better(name: str, maximise: bool) -> None:
    assert measure(name).maximise is maximise
