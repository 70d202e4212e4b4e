"""What is searched: values stay in their ranges, ranges in the bounds of their settings, and what cannot be searched is said in a sentence."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe, bound
from goodfit.models import catalogue
from goodfit.tuning import defaults
from goodfit.tuning.space import Choice, Range, build, parted


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    log, whole = draw(st.booleans()), draw(st.booleans())
    if whole:
        low = draw(st.integers(1 if log else -50, 50))
        return Range(low, low + draw(st.integers(1, 200)), log, True, least=low - 5, most=low + 500)
    low = draw(st.floats(1e-6, 1e3) if log else st.floats(-1e3, 1e3))
    return Range(low, low + draw(st.floats(1e-3, 1e3)), log, False, least=low / 2 if log else low - 1, most=low + 5e3)


@given(ranges(), st.floats(0, 1))
def test_every_place_is_a_value_of_the_range(own: Range, unit: float) -> None:
    value = own.at(unit)
    assert own.low <= value <= own.high
    assert isinstance(value, int) == own.whole
    if not own.whole:
        assert own.unit(value) == pytest.approx(unit, abs=1e-6)


@given(ranges(), st.sampled_from(["low", "high"]))
def test_a_widened_range_holds_the_one_before_and_stays_in_its_bounds(own: Range, end: Any) -> None:
    wide = own.widened(end)
    assert own.least <= wide.low <= own.low
    assert own.high <= wide.high <= own.most
    assert (wide.low < own.low) == (end == "low" and own.low > own.least)
    assert (wide.high > own.high) == (end == "high" and own.high < own.most)
    assert own.border(getattr(own, end)) == (end if wide != own else None)


def test_the_outmost_value_tried_is_at_the_border_too() -> None:
    own = Range(0.0, 1.0, log=False, whole=False)
    assert own.border(0.85) is None
    assert own.border(0.85, [0.1, 0.5, 0.85]) == "high"
    assert own.border(0.85, [0.1, 0.5, 0.9]) is None
    assert own.border(0.6, [0.1, 0.6]) is None
    assert own.border(0.15, [0.15, 0.9]) == "low"


def test_whole_numbers_have_stretches_of_equal_length() -> None:
    own = Range(1, 4, log=False, whole=True)
    assert [own.at((index + 0.5) / 400) for index in range(400)].count(1) == 100
    assert {own.at(index / 400) for index in range(401)} == {1, 2, 3, 4}


def test_rates_are_searched_on_a_log_scale_and_may_be_widened_to_their_bounds() -> None:
    own = build({"optim.lr": ["1e-4", 1e-2], "model.dropout": [0, 0.5]}, Recipe()).dimensions
    rate, dropout = own["optim.lr"], own["model.dropout"]
    assert isinstance(rate, Range)
    assert isinstance(dropout, Range)
    assert rate.log
    assert rate.at(0.5) == pytest.approx(1e-3)
    assert not dropout.log
    assert dropout.border(0.0) is None  # there is nothing below
    assert dropout.border(0.5) == "high"
    while dropout.border(dropout.high):
        dropout = dropout.widened("high")
    assert 0.99 < dropout.high < 1


def test_a_setting_is_active_only_where_it_has_an_effect() -> None:
    space = build(
        {"optim.momentum": [0.5, 0.9], "optim.name": ["adamw", "sgd"], "model.members": [4, 8], "model.name": ["mlp", "tabm"]}, Recipe()
    )
    assert next(iter(space.dimensions)) == "model.name"
    assert not space.active("optim.momentum", {"optim.name": "adamw"})
    assert space.active("optim.momentum", {"optim.name": "sgd"})
    assert space.active("model.members", {"model.name": "tabm"})
    assert not space.active("model.members", {"model.name": "mlp"})
    assert set(space.always) == {"model.name", "optim.name"}


def test_texts_of_a_space_are_told_from_others() -> None:
    assert parted(["optim.clip=1", "space.optim.lr=[1,2]"]) == (["optim.lr=[1,2]"], ["optim.clip=1"])


BAD: list[tuple[str, Any, str]] = [
    (
        "optim.lr",
        [1e-1, 1e-3],
        r"low end of space\.optim\.lr must be below the high one; \[0\.1, 0\.001\] was given: write \[0\.001, 0\.1\]",
    ),
    ("optim.lr", [1e-3, 1e-3], "both ends are 0.001"),
    ("optim.lr", [0, 1e-3], "log scale, where the low end must be above 0; 0 was given"),
    ("optim.lr", [-1, 1e-3], "must be above 0; -1 was given"),
    ("optim.lr", [1e-3, 1e3], "optim.lr must be at most 100"),
    ("optim.lr", [float("nan"), 1], "must be finite numbers"),
    ("optim.lr", 1e-3, "must be a list"),
    ("optim.lr", [], "is empty"),
    ("optim.lr", ["a", "b"], "must hold numbers"),
    ("optim.lr", {"low": 1e-3}, "mapping with low, high and log"),
    ("optim.lr", {"low": 1e-3, "high": 1, "log": "yes"}, "must be true or false"),
    ("optim.lrr", [1e-3, 1], "no setting 'optim.lrr'; did you mean 'optim.lr'"),
    ("model.depth", [1.5, 3], "must be whole numbers"),
    ("model.name", ["mlp", "mpl"], "no network 'mpl'; did you mean 'mlp'"),
    ("model.name", ["mlp", "own"], "own is brought by the call"),
    ("optim.name", ["adamw", "adam2"], "optim.name must be one of"),
    ("optim.name", ["adamw", "adamw"], "names a value twice"),
    ("data.balance", ["none", "classes"], "cannot be searched: the data are encoded once"),
    ("seed", [1, 2], "cannot be searched: all trials have the same seed"),
    ("train.loss", ["hinge", None], "scores of different losses"),
]


@pytest.mark.parametrize(("name", "given_", "said"), BAD)
def test_what_cannot_be_searched_is_said(name: str, given_: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        build({name: given_}, Recipe())


def test_what_has_no_effect_or_is_given_already_is_said() -> None:
    with pytest.raises(SettingError, match=r"optim\.momentum has no effect with any optim\.name among adamw, adam"):
        build({"optim.momentum": [0.1, 0.9], "optim.name": ["adamw", "adam"]}, Recipe())
    with pytest.raises(SettingError, match=r"optim\.lr is given both a value and a range"):
        build({"optim.lr": [1e-3, 1e-2]}, Recipe.build(None, ["optim.lr=0.1"]))


@pytest.mark.parametrize("name", catalogue.names())
def test_each_network_has_a_space_of_its_own_that_can_be_built(name: str) -> None:
    space = build(defaults.given(name, Recipe()), Recipe())
    for setting, dimension in space.dimensions.items():
        limits = bound(setting)
        assert isinstance(dimension, Range)
        assert limits is not None
        assert (limits.low or 0.0) <= dimension.low < dimension.high <= (math.inf if limits.high is None else limits.high)
    assert ("optim.lr" in space.dimensions) == (not catalogue.entry(name).solved)


def test_a_list_of_values_may_hold_none() -> None:
    own = build({"optim.clip": [None, 1.0]}, Recipe()).dimensions["optim.clip"]
    assert own == Choice((None, 1.0))
