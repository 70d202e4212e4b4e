"""Dates: against Python's calendar."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data.encode_datetime import PARTS, parts


def numbers(values: list[datetime | date | None]) -> dict[str, list[float | None]]:
    frame = pl.DataFrame(
        {
            "when": pl.Series(
                values, dtype=None if isinstance(values[0], date) and not isinstance(values[0], datetime) else pl.Datetime("us")
            )
        }
    )
    return frame.select(parts("when")).to_dict(as_series=False)


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_fields_equal_the_calendar(when: datetime) -> None:
    fields = numbers([when])
    assert len(fields) == PARTS
    assert fields["when (year)"] == [when.year]
    assert fields["when (month)"] == [when.month]
    assert fields["when (day of month)"] == [when.day]
    assert fields["when (weekday)"] == [when.weekday()]
    hour = (when - datetime(when.year, when.month, when.day)) / timedelta(hours=1)
    assert fields["when (hour)"][0] == pytest.approx(hour, abs=1e-9)
    assert fields["when (days)"][0] == pytest.approx((when - datetime(1970, 1, 1)) / timedelta(days=1), rel=1e-12)
    assert fields["when (week cos)"][0] == pytest.approx(math.cos(2 * math.pi * (when.weekday() + hour / 24) / 7), abs=1e-9)
    assert fields["when (day sin)"][0] == pytest.approx(math.sin(2 * math.pi * hour / 24), abs=1e-9)


def test_the_ends_of_the_year_are_neighbours() -> None:
    fields = numbers([datetime(2023, 12, 31), datetime(2024, 1, 1), datetime(2024, 7, 1)])
    point = list(zip(fields["when (year sin)"], fields["when (year cos)"], strict=True))
    assert math.dist(point[0], point[1]) < 0.05 < 1.9 < math.dist(point[1], point[2])  # type: ignore[arg-type]


def test_dates_have_no_hour_and_missing_ones_no_fields() -> None:
    fields = numbers([date(2024, 2, 29), None])
    assert fields["when (hour)"] == [0.0, None]
    assert all(values[1] is None for values in fields.values())
