"""Schedules against torch's, and their properties for any settings."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from goodfit.base.errors import SettingError
from goodfit.base.recipe import OptimPart
from goodfit.optim.build import build
from goodfit.optim.schedule import Plateau, cycle_momentum, factor

NAMES = ["constant", "step", "cosine", "one-cycle", "wsd", "plateau"]
T = 60


def rates(settings: OptimPart, total: int = T) -> list[float]:
    return [factor(settings, step, total) for step in range(total)]


def torch_rates(scheduler: type[torch.optim.lr_scheduler.LRScheduler], base: float = 1.0, **settings: object) -> list[float]:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=base)
    course = scheduler(optimizer, **settings)  # type: ignore[arg-type]
    found = []
    for _ in range(T):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        course.step()
    return found


def test_step_cosine_and_one_cycle_are_torch_s() -> None:
    schedulers = torch.optim.lr_scheduler
    ours = rates(OptimPart(schedule="step", step_every=0.25, step_factor=0.5))
    assert ours == pytest.approx(torch_rates(schedulers.StepLR, step_size=15, gamma=0.5))
    assert rates(OptimPart(schedule="step")) == pytest.approx(torch_rates(schedulers.StepLR, step_size=20))
    ours = rates(OptimPart(schedule="cosine", warmup=0.0))
    assert ours == pytest.approx(torch_rates(schedulers.CosineAnnealingLR, T_max=T))
    assert rates(OptimPart(schedule="one-cycle")) == pytest.approx(torch_rates(schedulers.OneCycleLR, max_lr=1.0, total_steps=T)[:T])
    ours = rates(OptimPart(schedule="one-cycle", warmup=0.1))
    assert ours == pytest.approx(torch_rates(schedulers.OneCycleLR, max_lr=1.0, total_steps=T, pct_start=0.1)[:T])


@pytest.mark.parametrize("warmup", [None, 0.1, 0.65])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_one_cycle_turns_momentum_as_torch_does(name: str, warmup: float | None) -> None:
    settings = OptimPart.model_validate({"name": name, "schedule": "one-cycle", "warmup": warmup})
    ours = build(nn.Linear(3, 2), settings, lr=1.0)
    theirs = (torch.optim.SGD if name == "sgd" else torch.optim.Adam)(nn.Linear(3, 2).parameters(), 1.0)
    course = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=1.0, total_steps=T, pct_start=0.3 if warmup is None else warmup)
    for update in range(T):
        (expected,) = theirs.param_groups
        for group in ours.param_groups:
            cycle_momentum(group, update, T)
            if name == "sgd":
                assert group["momentum"] == pytest.approx(expected["momentum"], abs=1e-12)
            else:
                assert group["betas"] == pytest.approx(expected["betas"], abs=1e-12)
        theirs.step()
        course.step()


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "sgd", "schedule": "one-cycle", "momentum": 0.9},
        {"name": "adamw", "schedule": "one-cycle", "beta1": 0.9},
        {"name": "muon", "schedule": "one-cycle"},
        {"name": "rmsprop", "schedule": "one-cycle"},
        {"name": "sgd", "schedule": "cosine"},
    ],
)
def test_momentum_that_was_given_or_has_no_cycle_stays(settings: dict[str, object]) -> None:
    optimizer = build(nn.Linear(3, 2), OptimPart.model_validate(settings), lr=1.0)
    before = [dict(group) for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        cycle_momentum(group, 17, T)
    assert [dict(group) for group in optimizer.param_groups] == before


def test_warm_up_then_the_course() -> None:
    ours = rates(OptimPart(schedule="cosine", warmup=0.2))
    assert ours[:12] == pytest.approx([(step + 1) / 12 for step in range(12)])
    assert ours[12:] == pytest.approx([0.5 * (1 + math.cos(math.pi * step / 48)) for step in range(48)])
    ours = rates(OptimPart(schedule="wsd", warmup=0.1, decay_share=0.5))
    assert ours == pytest.approx([(step + 1) / 6 for step in range(6)] + [1.0] * 25 + [1 - step / 30 for step in range(1, 30)])
    assert rates(OptimPart(schedule="constant")) == [1.0] * T
    assert rates(OptimPart(warmup=0.05)) == pytest.approx([1 / 3, 2 / 3] + [1.0] * 58)


@settings(deadline=None)
@given(
    name=st.sampled_from(NAMES),
    total=st.integers(1, 5_000),
    warmup=st.none() | st.floats(0, 1, exclude_max=True),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
    shrink=st.floats(0.01, 1, exclude_max=True),
    data=st.data(),
)
def test_factors_lie_in_0_to_1_and_never_end_early(
    name: str, total: int, warmup: float | None, share: float, shrink: float, data: st.DataObject
) -> None:
    settings = OptimPart.model_validate(
        {"schedule": name, "warmup": warmup, "decay_share": share, "step_every": max(share, 0.1), "step_factor": shrink}
    )
    step = data.draw(st.integers(0, total - 1))
    value = factor(settings, step, total)
    assert 0 < value <= 1
    assert value == factor(settings, step, total)
    assert 0 <= factor(settings, total + step, total) <= 1  # beyond the plan nothing breaks
    assert factor(settings, total + step, total) == factor(settings, total, total)


@settings(deadline=None)
@given(name=st.sampled_from(NAMES), total=st.integers(20, 300), warmup=st.floats(0, 0.9))
def test_up_then_down(name: str, total: int, warmup: float) -> None:
    course = rates(OptimPart.model_validate({"schedule": name, "warmup": warmup}), total)
    peak = course.index(max(course))
    assert all(a <= b + 1e-9 for a, b in pairwise(course[: peak + 1]))
    assert all(a >= b - 1e-9 for a, b in pairwise(course[peak:]))


def test_what_needs_an_end_says_so() -> None:
    for name in ("step", "cosine", "one-cycle", "wsd"):
        with pytest.raises(SettingError, match=rf"optim.schedule={name} needs the number of updates"):
            factor(OptimPart.model_validate({"schedule": name}), 0, None)
    with pytest.raises(SettingError, match=r"optim.warmup needs the number of updates"):
        factor(OptimPart(warmup=0.1), 0, None)
    assert factor(OptimPart(), 7, None) == factor(OptimPart(schedule="plateau"), 7, None) == 1.0


SCORES = [5.0, 4.0, 4.0, 3.9999, 4.2, 3.0, 3.1, float("nan"), 3.2, 3.3, 2.0, *[2.0] * 30]


@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("patience", [1, 2, 4])
def test_plateau_is_torch_s(maximise: bool, patience: int) -> None:
    scores = [10 - score for score in SCORES] if maximise else SCORES
    settings = OptimPart(schedule="plateau", plateau_patience=patience, step_factor=0.3)
    ours = Plateau(settings, maximise=maximise)
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    # torch counts the evaluations that are forgiven, we those after which the rate falls
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if maximise else "min", factor=0.3, patience=patience - 1, min_lr=1e-4, eps=0.0
    )
    for index, score in enumerate(scores):
        if index == len(scores) // 2:  # saved and taken up again
            state = json.loads(json.dumps(ours.state_dict()))
            ours = Plateau(settings, maximise=maximise)
            ours.load_state_dict(state)
        ours.update(score)
        theirs.step(score)
        assert ours.factor == pytest.approx(optimizer.param_groups[0]["lr"]), index
    assert ours.factor >= 1e-4
