"""The rhythm of times: steps that are found, positions and times that go to and fro, and what repeats by the calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.steps import DAY, SECOND, Steps, find


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[us]").astype(np.int64)


def regular(begin: str, end: str, step: str) -> np.ndarray:
    return np.arange(begin, end, dtype=f"datetime64[{step}]").astype("datetime64[us]").astype(np.int64)


CASES = {
    "hours": (regular("2024-01-01T00", "2024-02-01T00", "h"), "time", "1 hour", (24, 168), 24),
    "quarters": (regular("2024-01-01", "2024-01-05", "m")[::15], "time", "15 minutes", (96,), 96),
    "days": (regular("2023-01-01", "2024-06-01", "D"), "time", "1 day", (7, 365), 7),
    "weeks": (regular("2015-01-03", "2024-06-01", "D")[::7], "time", "1 week", (52,), 52),
    "months": (regular("2015-01", "2024-06", "M"), "month", "1 month", (12,), 12),
    "quarters of a year": (regular("2015-01", "2024-07", "M")[::3], "month", "3 months", (4,), 4),
    "years": (regular("1950", "2024", "Y"), "month", "12 months", (), None),
    "last days": (regular("2015-02", "2020-03", "M") - DAY, "month", "1 month", (12,), 12),
    "working days": (
        stamps(*[str(day) for day in np.arange("2024-01-01", "2024-06-01", dtype="datetime64[D]") if np.is_busday(day)]),
        "workday", "1 working day", (5,), 5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_found(name: str) -> None:
    times, unit, said, seasons, ahead = CASES[name]
    steps = find([times], dates=True)
    assert (steps.unit, steps.named(), steps.seasons, steps.ahead) == (unit, said, seasons, ahead)
    positions = steps.positions(times)
    assert np.array_equal(positions, np.arange(len(times)))
    assert np.array_equal(steps.times(np.arange(len(times))), times)
    assert Steps(**steps.to_json()) == steps


def test_the_last_day_of_each_month_goes_on() -> None:
    steps = find([CASES["last days"][0]], dates=True)
    ahead = steps.times(np.arange(61, 64)).astype("datetime64[us]").astype("datetime64[D]").astype(str).tolist()
    assert ahead == ["2020-02-29", "2020-03-31", "2020-04-30"]


def test_numbers_step_by_their_commonest_distance() -> None:
    steps = find([np.array([1.1, 1.2, 1.3, 1.5, 1.6])], dates=False)
    assert steps.every == pytest.approx(0.1)
    assert steps.positions(np.array([1.1, 1.5, 1.6])).tolist() == [0, 4, 5]
    assert steps.positions(np.array([1.14]))[0] == pytest.approx(0.4)
    assert steps.seasons == ()
    assert steps.phases(np.arange(3)).shape == (3, 0)


def test_times_between_steps_are_no_positions() -> None:
    hours = find([CASES["hours"][0]], dates=True)
    assert hours.positions(stamps("2024-01-01T05:30"))[0] == 5.5
    months = find([CASES["months"][0]], dates=True)
    assert np.isnan(months.positions(stamps("2016-03-02"))[0])
    days = find([CASES["working days"][0]], dates=True)
    assert np.isnan(days.positions(stamps("2024-01-06"))[0])


def test_a_few_days_without_a_weekend_are_days() -> None:
    assert find([stamps("2024-01-01", "2024-01-02", "2024-01-03")], dates=True).unit == "time"


def test_the_calendar_comes_back() -> None:
    steps = find([CASES["hours"][0]], dates=True)
    phases = steps.phases(np.arange(2 * 168))
    assert phases.shape == (336, 4)
    np.testing.assert_allclose(phases[:168], phases[168:], atol=1e-5)
    np.testing.assert_allclose(phases[:24, :2], phases[24:48, :2], atol=1e-5)
    assert not np.allclose(phases[:24, 2:], phases[24:48, 2:], atol=1e-2)
    assert find([CASES["weeks"][0]], dates=True).phases(np.arange(3)).shape == (3, 2)


@given(
    first=st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),
    every=st.sampled_from([SECOND, 60 * SECOND, 7 * 60 * SECOND, 3600 * SECOND, DAY, 7 * DAY]),
    count=st.integers(2, 60),
)
def test_any_regular_times_are_found(first: dt.datetime, every: int, count: int) -> None:
    begin = np.datetime64(first, "us").astype(np.int64)
    times = begin + every * np.arange(count)
    steps = find([times], dates=True)
    assert np.array_equal(steps.positions(times), np.arange(count))
    assert np.array_equal(steps.times(np.arange(count)), times)
