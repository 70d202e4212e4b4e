"""How settings are chosen: in the space, the same twice, spread as each strategy says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe
from goodfit.tuning.halving import brackets, rungs, survivors
from goodfit.tuning.space import Space, build
from goodfit.tuning.strategies import coarse, grid, random


def space() -> Space:
    return build({"optim.lr": [1e-5, 1e-1], "model.depth": [1, 4], "optim.name": ["adamw", "sgd"], "optim.momentum": [0.5, 0.9]}, Recipe())


def test_random_settings_are_spread_and_the_same_twice() -> None:
    found = [random.draw(space(), 3, slot) for slot in range(300)]
    assert found == [random.draw(space(), 3, slot) for slot in range(300)]
    assert found != [random.draw(space(), 4, slot) for slot in range(300)]
    decades = [sum(10.0**power <= own["optim.lr"] < 10.0 ** (power + 1) for own in found) for power in range(-5, -1)]
    assert min(decades) > 50  # 75 of each are expected
    assert all(own["optim.momentum"] in (0.5, 0.9) or 0.5 < own["optim.momentum"] < 0.9 for own in found)
    assert 100 < sum(own["optim.name"] == "sgd" for own in found) < 200


def test_a_grid_has_every_combination_once_and_both_ends() -> None:
    found = grid.points(space(), 60)
    assert len({str(sorted(own.items())) for own in found}) == len(found)
    assert 20 <= len(found) <= 60
    assert {own["optim.lr"] for own in found} >= {1e-5, 1e-1}
    assert all(("optim.momentum" in own) == (own["optim.name"] == "sgd") for own in found)
    assert sorted(grid.order(0, 7)) == list(range(7))


def test_a_grid_that_nobody_waits_for_is_refused() -> None:
    wide = build({"optim.clip": [0.001 * n for n in range(1, 400)], "optim.max_norm": [0.001 * n for n in range(1, 400)]}, Recipe())
    with pytest.raises(SettingError, match="has 159,201 combinations"):
        grid.points(wide, 100)


def test_from_coarse_to_fine_comes_ever_nearer() -> None:
    best = {"optim.lr": 1e-2, "model.depth": 2, "optim.name": "sgd", "optim.momentum": 0.8}
    own = space()
    assert coarse.draw(own, 0, 5, 30, best) == random.draw(own, 0, 5)

    def spread(slots: range) -> float:
        rate = own.dimensions["optim.lr"]
        return max(abs(rate.unit(coarse.draw(own, 0, slot, 30, best)["optim.lr"]) - rate.unit(1e-2)) for slot in slots)  # type: ignore[union-attr]

    assert spread(range(10)) > 0.3 > spread(range(10, 20)) > spread(range(20, 30))
    assert spread(range(20, 30)) < 0.05


@given(st.integers(1, 2000), st.integers(1, 300))
def test_brackets_give_out_every_trial_and_compare_in_order(epochs: int, total: int) -> None:
    steps = rungs(epochs)
    assert steps == sorted(set(steps))
    assert all(1 <= step < epochs for step in steps)
    for many in (False, True):
        found = brackets(steps, total, many=many)
        assert sum(count for count, _ in found) == total
        assert all(count > 0 and steps[len(steps) - len(own) :] == own for count, own in found)


def test_hyperband_has_the_brackets_of_the_paper() -> None:
    assert brackets([3, 9, 27], 49, many=True) == [(27, [3, 9, 27]), (12, [9, 27]), (6, [27]), (4, [])]


def test_the_better_third_goes_on() -> None:
    scores = {number: float(number % 7) for number in range(9)}
    assert survivors(scores, maximise=False) == [0, 7, 1]
    assert survivors(scores, maximise=True) == [6, 5, 4]
    assert survivors({3: 1.0}, maximise=True) == [3]
