"""Windows of series as networks read them: the target and other numbers, then what is no number of its own.

n windows, W steps, C channels, T steps of all series together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from goodfit.data.dataset import Dataset
from goodfit.data.encoded import allocate
from goodfit.data.target import TargetSpec
from goodfit.data.windows import Windows, numbers_of

CHUNK = 4_096  # windows encoded at once: a few MiB beside the result


@dataclass(frozen=True)
class WindowEncoder:
    """The channels, in this order: the target, the numbers and booleans, all standardised by the training steps and without gaps; then the plain ones:
    where the target has gaps, of each category 0 or 1, and the sine and cosine of where in the day, week and year a step lies.

    numbers, mean, std: of each, the target's first. levels: of each category; unknown and missing ones are all 0. plain: channels that no window scales.
    length: W. horizon: H. season: as `data.course.Course`.
    """

    numbers: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    levels: dict[str, tuple[str, ...]]
    gaps: bool
    plain: int
    length: int
    horizon: int
    season: int

    @property
    def channels(self) -> int:
        return len(self.numbers) + self.plain

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        names = ("length", "channels", "plain", "horizon", "season")
        return {"columns": [*self.numbers, *self.levels]} | {name: getattr(self, name) for name in names}

    def encode(self, dataset: Dataset, rows: np.ndarray | None, folder: Any) -> np.ndarray:
        """The windows in these rows (all when None) -> float32 [n, W, C]; folder: as in `Encoder.encode`."""
        windows = dataset.store
        assert isinstance(windows, Windows)
        assert windows.course.window == self.length
        chosen = np.arange(dataset.rows) if rows is None else np.asarray(rows, np.int64)
        out = allocate("window", (len(chosen), self.length, self.channels), np.float32, folder)
        filled = [windows.filled(name) for name in self.numbers]
        plain = self._plain(windows)  # T P
        for start in range(0, len(chosen), CHUNK):
            origin = windows.origin[chosen[start : start + CHUNK]]
            part = out[start : start + len(origin)]
            for index, (column, mean, std) in enumerate(zip(filled, self.mean, self.std, strict=True)):
                values = column.take(origin, self.length)
                part[:, :, index] = np.nan_to_num((values - mean) / std)  # a window that knows no value of another column says its mean
            part[:, :, len(self.numbers) :] = plain[origin[:, None] + np.arange(1 - self.length, 1)]
        return out

    def _plain(self, windows: Windows) -> np.ndarray:
        """float32 [T, P] the channels of every step that no window scales."""
        frame, parts = windows.timeline.frame, [windows.timeline.steps.phases(windows.timeline.position)]
        for name, levels in self.levels.items():
            texts = frame[name].cast(pl.String).fill_null("").to_numpy()
            parts.append((texts[:, None] == np.array(levels, object)).astype(np.float32))
        if self.gaps:
            parts.append(np.isnan(windows.values)[:, None].astype(np.float32))
        return np.concatenate(parts, 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> WindowEncoder:
        lists = {name: tuple(document[name]) for name in ("numbers", "mean", "std")}
        return cls(**(document | lists | {"levels": {name: tuple(levels) for name, levels in document["levels"].items()}}))


def fit(dataset: Dataset, target: TargetSpec, rows: np.ndarray) -> WindowEncoder:
    """The channels of some training windows. target: fitted, since the network says its forecast in the target's scale, that of the first channel."""
    windows, course = dataset.store, target.course
    assert isinstance(windows, Windows)
    assert course is not None
    position = windows.timeline.position
    seen = position <= position[windows.high[rows] - 1].max()  # the steps of training, in all series
    features = dataset.schema.features
    numbers, mean, std = [target.names[0]], [target.mean], [target.std]
    for column in features:
        if column.kind in ("number", "boolean"):
            values = numbers_of(windows.timeline.frame[column.name])[seen]
            if np.isfinite(values).any() and np.nanmin(values) < np.nanmax(values):
                numbers.append(column.name)
                mean.append(float(np.nanmean(values)))
                std.append(float(np.nanstd(values)))
    frame = windows.timeline.frame.filter(pl.Series(seen))
    levels = {c.name: tuple(frame[c.name].cast(pl.String).drop_nulls().unique().sort().to_list()) for c in features if c.kind == "category"}
    gaps = bool(np.isnan(windows.values[seen]).any())
    plain = windows.timeline.steps.phases(windows.timeline.position[:1]).shape[1] + sum(map(len, levels.values())) + gaps
    return WindowEncoder(
        tuple(numbers), tuple(mean), tuple(std), levels, gaps, int(plain), course.window, course.horizon, course.season
    )  # fmt: skip
