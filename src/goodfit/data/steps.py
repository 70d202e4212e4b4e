"""Steps of time: how far apart the rows of a series are, which step a time is, and what repeats by the calendar.

n times, P phases. A step is a number of microseconds, of months or of working days for dates, and a difference for plain numbers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Unit = Literal["number", "time", "workday", "month"]

SECOND = 1_000_000  # microseconds, in which dates are counted
DAY, WEEK = 86_400 * SECOND, 7 * 86_400 * SECOND
_MONTH = 28 * DAY  # the shortest: dates that are closer are no months apart
_LONGEST = 400  # steps of a season at most: a year of days; a window holds one at least
_FORTNIGHT = 10  # working days from which it is no chance that no weekend is among the days
_EXACT = 1e-3  # of a step that a number may be off
_NAMES = {SECOND: "second", 60 * SECOND: "minute", 3_600 * SECOND: "hour", DAY: "day", WEEK: "week"}


@dataclass(frozen=True, slots=True)
class Steps:
    """Step k is the time `first` + k times `every`.

    first: microseconds since 1970, or a number. every: microseconds (time), months (month), working days, or a number.
    last_day: months are counted from last day to last day.
    """

    unit: Unit
    every: float
    first: float
    last_day: bool = False

    def positions(self, times: np.ndarray) -> np.ndarray:
        """[n] microseconds or numbers -> float64 [n], whole where a time is a step."""
        if self.unit == "month":
            month = _months(times)
            same = _days_of_month(times) == _days_of_month(np.array([self.first]))[0]
            on = _ends_of_month(times) if self.last_day else same
            return np.where(on, (month - _months(np.array([self.first]))[0]) / self.every, np.nan)
        if self.unit == "workday":
            days = times.astype("datetime64[us]").astype("datetime64[D]")
            begin = np.int64(self.first).astype("datetime64[us]").astype("datetime64[D]")
            on = np.is_busday(days) & (times % DAY == np.int64(self.first) % DAY)
            return np.where(on, np.busday_count(begin, days), np.nan)
        if self.unit == "time":
            return (times - np.int64(self.first)) / self.every
        found = (times - self.first) / self.every
        return np.where(np.abs(found - np.rint(found)) < _EXACT, np.rint(found), found)

    def times(self, positions: np.ndarray) -> np.ndarray:
        """[n] whole positions -> int64 microseconds or float64 numbers, [n]."""
        k = np.asarray(positions, np.int64)
        if self.unit == "number":
            return self.first + k * self.every
        first = np.int64(self.first)
        if self.unit == "time":
            return first + k * np.int64(self.every)
        if self.unit == "workday":
            begin = first.astype("datetime64[us]").astype("datetime64[D]")
            return np.busday_offset(begin, k).astype("datetime64[us]").astype(np.int64) + first % DAY
        month = (np.int64(_months(np.array([first]))[0]) + k * np.int64(self.every)).astype("datetime64[M]")
        if self.last_day:
            days = (month + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
        else:
            day = int(_days_of_month(np.array([first]))[0])
            end = (month + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
            days = np.minimum(month.astype("datetime64[D]") + np.timedelta64(day - 1, "D"), end)
        return days.astype("datetime64[us]").astype(np.int64) + first % DAY

    def phases(self, positions: np.ndarray) -> np.ndarray:
        """[n] -> float32 [n, P], sine and cosine of where in the day, the week and the year a step lies, of those longer than a step.

        What a window's last step says of the calendar holds for the steps ahead too. The year only for steps of a day and more: a window of hours
        knows no other time of the year.
        """
        if self.unit == "number":
            return np.zeros((len(positions), 0), np.float32)
        when = self.times(positions)
        length = self.every if self.unit == "time" else DAY if self.unit == "workday" else _MONTH
        year = when.astype("datetime64[us]").astype("datetime64[Y]")
        begin, end = (edge.astype("datetime64[us]").astype(np.int64) for edge in (year, year + 1))
        parts = [(DAY, when / DAY), (WEEK, when / WEEK)]
        turns = [turn for period, turn in parts if length < period]
        if length >= DAY:
            turns.append((when - begin) / (end - begin))
        return np.stack([f(2 * np.pi * turn) for turn in turns for f in (np.sin, np.cos)], 1).astype(np.float32)

    @property
    def seasons(self) -> tuple[int, ...]:
        """Steps after which the calendar repeats, the shortest first; those of at most 400."""
        if self.unit == "month":
            found = [12 / self.every]
        elif self.unit == "workday":
            found = [5 / self.every]
        elif self.unit == "time" and self.every < DAY:
            found = [DAY / self.every, WEEK / self.every]
        elif self.unit == "time" and self.every == DAY:
            found = [7, 365]
        else:
            found = [52] if self.unit == "time" and self.every == WEEK else []
        return tuple(int(steps) for steps in found if steps == int(steps) and 2 <= steps <= _LONGEST)

    @property
    def ahead(self) -> int | None:
        """Steps that are forecast where nobody says: a day of hours, a week of days, a year of weeks or months. None where there is no calendar."""
        return self.seasons[0] if self.seasons else None

    def named(self, count: int = 1) -> str:
        """`count` steps in words: "3 hours", "1 month", "5 steps".

        >>> Steps("time", 900 * SECOND, 0).named(2), Steps("month", 1, 0).named()
        ('30 minutes', '1 month')
        """
        units, name = float(count), "step"
        if self.unit in ("month", "workday"):
            units, name = count * self.every, {"month": "month", "workday": "working day"}[self.unit]
        elif self.unit == "time":
            size = max((size for size in _NAMES if self.every % size == 0), default=None)
            if size is not None:
                units, name = count * self.every / size, _NAMES[size]
        return f"{units:,.0f} {name}{'s' * (units != 1)}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def find(times: list[np.ndarray], *, dates: bool) -> Steps:
    """The steps of series, each of rising times without repetition: their commonest distance.

    times: int64 microseconds or float64 numbers. Whether every time is a step, `Steps.positions` says. Needs two times in one series at least.
    """
    gaps = np.concatenate([np.diff(one) for one in times])
    assert gaps.size
    every = np.concatenate(times)
    first = every.min()
    if not dates:
        values, counts = np.unique(np.round(gaps / np.median(gaps), 6), return_counts=True)
        return Steps("number", float(values[counts.argmax()] * np.median(gaps)), float(first))
    sizes, counts = np.unique(gaps, return_counts=True)
    common = int(sizes[counts.argmax()])
    if sizes[0] >= _MONTH and len(np.unique(every % DAY)) == 1:
        last, days = _ends_of_month(every), np.unique(_days_of_month(every))
        if last.all() or days.size == 1:
            months = np.concatenate([np.diff(_months(one)) for one in times])
            return Steps("month", float(np.gcd.reduce(months)), float(first), bool(last.all() and days.size > 1))
    days = every.astype("datetime64[us]").astype("datetime64[D]")
    if common == DAY and every.size >= _FORTNIGHT and np.is_busday(days).all() and len(np.unique(every % DAY)) == 1:
        return Steps("workday", 1.0, float(first))
    return Steps("time", float(common), float(first))


def _months(times: np.ndarray) -> np.ndarray:
    """Microseconds -> months since 1970, int64."""
    return np.asarray(times).astype(np.int64).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _days_of_month(times: np.ndarray) -> np.ndarray:
    days = np.asarray(times).astype(np.int64).astype("datetime64[us]").astype("datetime64[D]")
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


def _ends_of_month(times: np.ndarray) -> np.ndarray:
    """Whether each time lies on the last day of its month."""
    days = np.asarray(times).astype(np.int64).astype("datetime64[us]").astype("datetime64[D]")
    return np.asarray((days + 1).astype("datetime64[M]") != days.astype("datetime64[M]"))
