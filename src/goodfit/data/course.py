"""What a forecast is to be: how many steps ahead, from how long a past, and after how many steps a series repeats.

T steps of all series together, S series.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.steps import Steps
from goodfit.data.timeline import Timeline

_TWO_SEASONS = 192  # steps up to which a window holds two seasons, so that what repeats can be told from what once was
_SHORT, _FEW_AHEAD = 32, 10  # steps of a window and steps ahead where no season says
_LONGEST_LAG = 400  # steps of a season that is looked for
_CORRELATED = 0.2  # autocorrelation of the changes from which they repeat, and three times its own noise


@dataclass(frozen=True, slots=True)
class Course:
    """What is forecast: `horizon` steps from windows of `window` steps. season: steps after which the series repeats, 1 for none.

    naive: the mean absolute error of the seasonal naive forecast among the training steps, in the target's unit, by which MASE divides.
    """

    steps: Steps
    horizon: int
    window: int
    season: int
    naive: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Course:
        return cls(**{**document, "steps": Steps(**document["steps"])})


def choose(timeline: Timeline, known: np.ndarray, settings: DataPart, target: str) -> Course:
    """Horizon, season and window: as given, else by the calendar and the training steps."""
    steps, longest = timeline.steps, int(np.diff(timeline.starts).max())
    learned = max(int((~np.isnan(known[a:b])).sum()) for a, b in pairwise(timeline.starts))
    seasons = find_seasons(known, timeline.starts, steps)
    season = settings.season or seasons[0]
    horizon = settings.horizon or steps.ahead or (season if season > 1 else _FEW_AHEAD)
    if settings.horizon is None:
        horizon = max(1, min(horizon, learned // 4))
    room = max(learned // 2, learned - 4 * horizon)  # what a window may take, so that some are left to learn from
    if season >= room and settings.season is None:
        season = 1
    others = max((other for other in seasons if other <= _TWO_SEASONS), default=0)  # a week of hours beside their day
    window = max(horizon, 2 * season if 2 * season <= _TWO_SEASONS else season, others, _SHORT if season == 1 else 0)
    window = max(season, min(window, room))
    if window + horizon > learned:
        by = f" by a season of {season}" if season > 1 else ""
        raise DataError(
            f"a forecast of {horizon} steps{by} learns from windows of {window} steps and what came after; {target!r} has {learned} known "
            f"values for training (of {longest} steps): give more rows, or a smaller data.season or data.horizon"
        )
    lag = np.abs(_lagged(known, timeline.starts, season))
    naive = float(np.nanmean(lag)) if np.isfinite(lag).any() else 0.0
    return Course(steps, horizon, window, season, naive)


def find_seasons(values: np.ndarray, starts: np.ndarray, steps: Steps) -> tuple[int, ...]:
    """The steps after which the changes from step to step repeat, (1,) for none: first the shortest of those that correlate about as much as the best, then the others of
    the calendar that correlate at all. Only the calendar's are looked at, where there is one.

    Changes, not values: a trend makes all values alike (Box and Jenkins, Time Series Analysis, 1970).
    """
    change = _lagged(values, starts, 1)
    known = np.isfinite(change)
    if known.sum() < 8 or np.nanstd(change) == 0:
        return (1,)
    change = np.where(known, change - change[known].mean(), np.nan)
    spread = np.nanmean(change**2)
    length = int(np.diff(starts).max())
    candidates = steps.seasons or tuple(range(2, min(_LONGEST_LAG, length // 3) + 1))
    found = {}
    for lag in candidates:
        if lag < length // 2:
            product = change * _shifted(change, starts, lag)
            there = int(np.isfinite(product).sum())
            if there >= 2 * lag or there >= 100:
                value = float(np.nanmean(product) / spread)
                if value > max(_CORRELATED, 3 / there**0.5):
                    found[lag] = value
    if not found:
        return (1,)
    best = max(found.values())
    first = next(lag for lag, value in found.items() if value >= 0.9 * best)
    return (first, *(lag for lag in found if steps.seasons and lag != first))


def _lagged(values: np.ndarray, starts: np.ndarray, lag: int) -> np.ndarray:
    """Each value minus the one `lag` steps before in its series, NaN where there is none."""
    return values - _shifted(values, starts, lag)


def _shifted(values: np.ndarray, starts: np.ndarray, lag: int) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    for a, b in pairwise(starts):
        out[a + lag : b] = values[a : max(a, b - lag)]
    return out
