"""What is searched: a range or a list of values for each setting, and which settings have an effect with which.

A place in a range is also told as a unit: 0 at its low end, 1 at its high end, on the scale that it is searched on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe, bound, effect, settings, taken_by
from goodfit.models import catalogue

End = Literal["low", "high"]

PREFIX = "space."
# What the data are encoded by, what trials are compared by, and what belongs to the machine: the same for all trials.
_SHARED = {
    "seed": "all trials have the same seed",
    "device": "all trials run on one device",
    "preset": "a preset chooses defaults for all trials",
    "partner": "a trial trains one network",
    "model.source": "a trial trains a network of the catalogue",
    "model.frozen": "a trial trains a network of the catalogue",
    "model.arguments": "a trial trains a network of the catalogue",
    "train.loss": "scores of different losses cannot be compared",
    "train.gan_loss": "scores of different losses cannot be compared",
    "train.members": "a trial trains one network",
    "train.time_limit": "it limits the whole search",
    "train.threads": "it is the machine's, and changes no score",
    "train.workers": "it is the machine's, and changes no score",
    "train.checkpoint_every": "it changes no score",
}
_NEAR = 0.05  # of a range from its end: a best value there is at the border
_OUTMOST = 0.25  # of a range from its end, for a value beyond which nothing was tried: of few trials none may lie nearer
_WIDER = 0.5  # of a range is added where its border is passed
_MOST_CHOICES = 1_000


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included. log: searched on a log scale. whole: whole numbers. least, most: how far it may be widened."""

    low: float
    high: float
    log: bool
    whole: bool
    least: float = -math.inf
    most: float = math.inf

    def at(self, unit: float) -> float | int:
        """The value at `unit`, from 0 to 1; whole numbers have stretches of equal length."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
        else:
            value = low + unit * (high - low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value

    def unit(self, value: float) -> float:
        """Where `value` lies, from 0 at the low end to 1 at the high end."""
        low, high, value = (math.log(number) if self.log else number for number in (self.low, self.high, value))
        return 0.5 if low == high else (value - low) / (high - low)

    def border(self, value: float, tried: Sequence[float] = ()) -> End | None:
        """The end that `value` lies at, where the setting could go beyond it; None for values inside.

        tried: other values, of which none lies between the end and a value at it, where that is not at the very end.
        """
        unit = self.unit(value)
        near = 0.0 if self.whole and self.high - self.low < 1 / _NEAR else _NEAR
        lowest, highest = (min(tried, default=-math.inf) >= value, max(tried, default=math.inf) <= value)
        if (unit <= near or (lowest and unit <= _OUTMOST)) and self.low > self.least:
            return "low"
        return "high" if (unit >= 1 - near or (highest and unit >= 1 - _OUTMOST)) and self.high < self.most else None

    def widened(self, end: End) -> Range:
        """The range with half of it added at one end, as far as the setting's bound allows."""
        low, high = (math.log(number) if self.log else number for number in (self.low, self.high))
        more = _WIDER * (high - low)
        value = low - more if end == "low" else high + more
        value = math.exp(value) if self.log else value
        if self.whole:
            value = math.floor(value) if end == "low" else math.ceil(value)
        return replace(self, low=max(value, self.least)) if end == "low" else replace(self, high=min(value, self.most))

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "log": self.log, "whole": self.whole}


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def to_json(self) -> dict[str, Any]:
        return {"choices": list(self.values)}


Dimension = Range | Choice


@dataclass(frozen=True)
class Space:
    """The dimensions by the names of their settings, in the order in which they are decided.

    conditions: a setting, the other one that decides whether it has an effect, and the values with which it has.
    """

    dimensions: dict[str, Dimension]
    conditions: dict[str, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)

    def active(self, name: str, decided: Mapping[str, Any]) -> bool:
        """Whether the setting has an effect with those that are decided already."""
        if name not in self.conditions:
            return True
        by, values = self.conditions[name]
        return by in decided and decided[by] in values

    @property
    def always(self) -> dict[str, Dimension]:
        """The dimensions that every trial has."""
        return {name: dimension for name, dimension in self.dimensions.items() if name not in self.conditions}

    def widened(self, name: str, end: End) -> Space:
        """The space with one range widened."""
        dimension = self.dimensions[name]
        assert isinstance(dimension, Range)
        return replace(self, dimensions=self.dimensions | {name: dimension.widened(end)})

    def with_ranges(self, ends: Mapping[str, tuple[float, float]]) -> Space:
        """The space with the ends of some ranges as they are by now."""
        found = dict(self.dimensions)
        for name, (low, high) in ends.items():
            dimension = found[name]
            assert isinstance(dimension, Range)
            found[name] = replace(dimension, low=low, high=high)
        return replace(self, dimensions=found)

    def to_json(self) -> dict[str, Any]:
        return {name: dimension.to_json() for name, dimension in self.dimensions.items()}


def parted(sets: Iterable[str]) -> tuple[list[str], list[str]]:
    """The `key=value` texts of a space, without their prefix, and all others."""
    texts = list(sets)
    return [text.strip().removeprefix(PREFIX) for text in texts if text.strip().startswith(PREFIX)], [
        text for text in texts if not text.strip().startswith(PREFIX)
    ]


def build(given: Mapping[str, Any], base: Recipe) -> Space:
    """The space of what was given for each setting: `[low, high]`, a list of values, or a mapping with `low`, `high` and `log`, or with `choices`.

    base: the recipe of everything that is not searched. Raises SettingError, a sentence, for whatever cannot be searched.

    >>> build({"optim.lr": [1e-4, 1e-2]}, Recipe()).dimensions["optim.lr"].at(0.5)
    0.001
    """
    known = settings()
    for name in given:
        if name not in known:
            Recipe.build(None, [f"{name}=0"])  # raises, with what was meant
        if name in _SHARED or name.startswith("data."):
            why = _SHARED.get(name, "the data are encoded once, for all trials")
            raise SettingError(f"{name} cannot be searched: {why}; give it as --set {name}=value", value=name)
        if base.given(name):
            raise SettingError(f"{name} is given both a value and a range; leave out {name} or {PREFIX}{name}", value=name)
    read = {name: _dimension(name, value) for name, value in given.items()}
    conditions = _conditions(read)
    order = sorted(read, key=lambda name: (name != "model.name", name in conditions))
    for name in order:
        _refuse_invalid(name, read[name])
    return Space({name: read[name] for name in order}, conditions)


def _dimension(name: str, given: Any) -> Dimension:
    kind = taken_by(name)
    if kind != "word":
        given = _numbers(given)
    if isinstance(given, Mapping):
        if set(given) <= {"low", "high", "log"} and {"low", "high"} <= set(given) and kind != "word":
            return _range(name, given["low"], given["high"], given.get("log"))
        if set(given) == {"choices"}:
            return _choice(name, given["choices"])
        raise SettingError(
            f"{PREFIX}{name} must be [low, high], a list of values, or a mapping with low, high and log or with choices; {dict(given)} was given",
            value=given,
        )
    if not isinstance(given, list | tuple):
        raise SettingError(
            f"{PREFIX}{name} must be a list, such as {_example(name)}; {given!r} was given, which --set {name}={given} fixes", value=given
        )
    numbers = len(given) == 2 and all(isinstance(end, int | float) and not isinstance(end, bool) for end in given)
    if kind == "word" or not numbers:
        if kind != "word" and any(isinstance(value, str) for value in given):
            raise SettingError(f"{PREFIX}{name} must hold numbers, such as {_example(name)}; {list(given)} was given", value=given)
        return _choice(name, given)
    return _range(name, given[0], given[1], None)


def _numbers(given: Any) -> Any:
    """What was given, its texts such as 1e-5, which YAML takes for words, as the numbers that they are."""
    if isinstance(given, Mapping):
        return {key: _numbers(value) for key, value in given.items()}
    if isinstance(given, list | tuple):
        return [_numbers(value) for value in given]
    try:
        return float(given) if isinstance(given, str) else given
    except ValueError:
        return given


def _range(name: str, low: Any, high: Any, log: Any) -> Range:
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            raise SettingError(f"the ends of {PREFIX}{name} must be finite numbers, such as {_example(name)}; {end!r} was given", value=end)
    if log is not None and not isinstance(log, bool):
        raise SettingError(f"log of {PREFIX}{name} must be true or false; {log!r} was given", value=log)
    whole = taken_by(name) == "whole"
    if whole and (low != int(low) or high != int(high)):
        raise SettingError(f"the ends of {PREFIX}{name} must be whole numbers; [{low:g}, {high:g}] was given", value=[low, high])
    if low > high:
        raise SettingError(
            f"the low end of {PREFIX}{name} must be below the high one; [{low:g}, {high:g}] was given: write [{high:g}, {low:g}]",
            value=[low, high],
        )
    if low == high:
        raise SettingError(f"the range of {PREFIX}{name} is empty: both ends are {low:g}; write --set {name}={low:g} to fix it", value=low)
    limits = bound(name)
    scale = bool(limits and limits.log) if log is None else log
    if scale and low <= 0:
        raise SettingError(
            f"{PREFIX}{name} is searched on a log scale, where the low end must be above 0; {low:g} was given: write a small number, or "
            f"{{low: {low:g}, high: {high:g}, log: false}}",
            value=low,
        )
    least, most = _limits(name, scale)
    return Range(int(low), int(high), scale, True, least, most) if whole else Range(float(low), float(high), scale, False, least, most)


def _limits(name: str, log: bool) -> tuple[float, float]:
    """How far a range may be widened: the setting's bounds, and a little inside those that are excluded."""
    limits = bound(name)
    least = -math.inf if limits is None or limits.low is None else limits.low
    most = math.inf if limits is None or limits.high is None else limits.high
    if limits is not None and limits.low_open and math.isfinite(least):
        least += 1e-9 if log else 1e-6
    if limits is not None and limits.high_open and math.isfinite(most):
        most -= 1e-3 * max(abs(most), 1e-3)
    return max(least, 1e-12) if log else least, most


def _choice(name: str, values: Any) -> Choice:
    if not isinstance(values, list | tuple) or not values:
        raise SettingError(f"{PREFIX}{name} is empty; give the values to choose among, such as {_example(name)}", value=values)
    if len(values) > _MOST_CHOICES:
        raise SettingError(f"{PREFIX}{name} may hold {_MOST_CHOICES} values; {len(values)} were given", value=len(values))
    for value in values:
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise SettingError(f"the values of {PREFIX}{name} must be numbers or words; {value!r} was given", value=value)
    if len({(type(value), value) for value in values}) < len(values):
        raise SettingError(f"{PREFIX}{name} names a value twice: {list(values)}; leave one", value=list(values))
    return Choice(tuple(values))


def _example(name: str) -> str:
    limits = bound(name)
    if taken_by(name) == "word":
        return "[adamw, sgd]" if name == "optim.name" else "[mlp, tabm]" if name == "model.name" else "[a, b]"
    return (
        f"[{limits.search[0]:g}, {limits.search[1]:g}]"
        if limits and limits.search
        else "[1, 4]"
        if taken_by(name) == "whole"
        else "[0, 0.5]"
    )


def _conditions(read: Mapping[str, Dimension]) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """What has an effect only with some values of another dimension. Raises SettingError where it has with none."""
    found: dict[str, tuple[str, tuple[Any, ...]]] = {}
    for name in read:
        by, values = effect(name) or ("", ())
        decider = read.get(by)
        if name.startswith("model.") and name != "model.name" and isinstance(networks := read.get("model.name"), Choice):
            by, decider = "model.name", networks
            setting = name.removeprefix("model.")
            values = tuple(own for own in networks.values if own is not None and setting in catalogue.entry(str(own)).settings)
        if not isinstance(decider, Choice):
            continue
        useful = tuple(value for value in decider.values if value in values)
        if not useful:
            raise SettingError(f"{name} has no effect with any {by} among {', '.join(map(str, decider.values))}; leave it out", value=name)
        if len(useful) < len(decider.values):
            found[name] = (by, useful)
    return found


def _refuse_invalid(name: str, dimension: Dimension) -> None:
    """Raise what the recipe itself says of an end, or of a value."""
    by, values = effect(name) or ("", ())
    part = {} if not by else {by.replace(".", "__"): next(value for value in values if value is not None)}
    ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension.values
    for value in ends:
        if name == "model.name" and value is not None:
            if str(value) in catalogue.BROUGHT:
                raise SettingError(f"a search trains networks of the catalogue; {value} is brought by the call", value=value)
            catalogue.entry(str(value))
        if value is not None:
            Recipe.build(None, (), **part, **{name.replace(".", "__"): value})
