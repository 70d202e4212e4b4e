"""Dates and times to numbers: the calendar's fields, the periodic ones on circles, and the days elapsed.

n rows. Fields that do not vary in the training rows, such as the hour of dates, are dropped with the other constant numbers.
"""

from __future__ import annotations

import math

import polars as pl

PARTS = 12  # numbers that a date becomes
_TURN = 2 * math.pi
_DAY = 86_400_000_000  # microseconds


def parts(name: str) -> list[pl.Expr]:
    """Expressions for the numbers of the column `name` (Datetime, Date), each Float64 and null where the date is.

    `hour` counts with its fraction. `year sin` and `year cos` go round once a year, `week` once a week from Monday on, `day` once a day:
    so 31 December lies beside 1 January, which the plain fields put at opposite ends. `days` counts from 1 January 1970.
    """
    time = pl.col(name).cast(pl.Datetime("us"))
    since = time.dt.epoch("us")
    hour = since.mod(_DAY).cast(pl.Float64) / (_DAY / 24)
    weekday = (time.dt.weekday() - 1).cast(pl.Float64)
    of_year = (time.dt.ordinal_day().cast(pl.Float64) - 1 + hour / 24) / 366
    of_week = (weekday + hour / 24) / 7
    fields = {
        "year": time.dt.year(),
        "month": time.dt.month(),
        "day of month": time.dt.day(),
        "weekday": weekday,
        "hour": hour,
        "year sin": (of_year * _TURN).sin(),
        "year cos": (of_year * _TURN).cos(),
        "week sin": (of_week * _TURN).sin(),
        "week cos": (of_week * _TURN).cos(),
        "day sin": (hour / 24 * _TURN).sin(),
        "day cos": (hour / 24 * _TURN).cos(),
        "days": since.cast(pl.Float64) / _DAY,
    }
    return [field.cast(pl.Float64).alias(f"{name} ({part})") for part, field in fields.items()]
