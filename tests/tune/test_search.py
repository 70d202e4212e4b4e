"""The search over functions instead of networks: every strategy, borders, failures, and studies that are interrupted, extended and shared."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.tune.made import SPACE, Functions, bowl, opened, searched

from goodfit.base.errors import InputError
from goodfit.tuning.record import at_border, importance
from goodfit.tuning.study import STRATEGIES, Study
from goodfit.tuning.workers import alive


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_has_all_its_trials_and_ends_near_the_optimum(strategy: str, tmp_path: Path) -> None:
    cohort = Functions()
    study = searched(opened(tmp_path, strategy), 24, cohort)
    tried, best = study.tried(), study.best
    if strategy == "grid":  # two values of each setting, and what lies beyond the border
        assert 12 <= len(tried) <= 24
    else:
        assert len(tried) == 24
    assert {trial.state for trial in tried} <= ({"complete", "halved"} if strategy in ("halving", "hyperband") else {"complete"})
    assert best is not None
    assert best.score is not None
    assert best.score == min(trial.score for trial in tried if trial.state == "complete" and trial.score is not None)
    assert best.score < 1.5  # the half of the space is worse
    assert all(("optim.momentum" in trial.settings) == (trial.settings["optim.name"] == "sgd") for trial in tried)
    assert sorted(cohort.forgotten) == [trial.number for trial in tried]


@pytest.mark.slow
def test_what_is_concluded_beats_chance(tmp_path: Path) -> None:
    """The mean of the last half: at random it is as bad as the first."""
    found = {}
    for strategy in ("random", "tpe", "gp", "coarse-to-fine"):
        tried = searched(opened(tmp_path / strategy, strategy), 30).tried()
        found[strategy] = sum(trial.score or 0.0 for trial in tried[15:]) / 15
    assert max(found["tpe"], found["gp"], found["coarse-to-fine"]) < 0.7 * found["random"]


def test_a_larger_score_is_better_where_it_is_said(tmp_path: Path) -> None:
    for strategy in ("tpe", "halving"):
        study = searched(opened(tmp_path / strategy, strategy, maximise=True), 12, Functions(lambda settings: -bowl(settings)))
        assert study.best is not None
        assert study.best.score == max(trial.score for trial in study.tried() if trial.state == "complete" and trial.score is not None)


@pytest.mark.parametrize("strategy", ["random", "grid", "coarse-to-fine", "tpe", "gp"])
def test_an_interrupted_search_ends_with_the_same_trials(strategy: str, tmp_path: Path) -> None:
    space = SPACE | {"optim.lr": [1e-6, 3e-4]}  # its border is passed on the way
    whole = searched(opened(tmp_path / "whole", strategy, space), 16).tried()
    with pytest.raises(KeyboardInterrupt):
        searched(opened(tmp_path / "cut", strategy, space), 16, Functions(kill=11))
    dead(opened(tmp_path / "cut", strategy, space))
    again = searched(opened(tmp_path / "cut", strategy, space), 16).tried()
    assert len(again) == len(whole)

    def settings(tried: Any) -> list[str]:
        return sorted(str(sorted(trial.settings.items())) for trial in tried)

    assert settings(again) == settings(whole)


def test_a_study_is_extended(tmp_path: Path) -> None:
    first = searched(opened(tmp_path), 6).tried()
    assert searched(opened(tmp_path), 6).tried() == first
    assert searched(opened(tmp_path), 10).tried()[:6] == first
    assert len(opened(tmp_path).tried()) == 10


def test_a_better_value_beyond_the_border_is_found(tmp_path: Path) -> None:
    space = {"optim.lr": [1e-6, 1e-4], "model.dropout": [0, 0.5]}
    for strategy in ("random", "tpe", "grid"):
        study = searched(
            opened(tmp_path / strategy, strategy, space), 20, Functions(lambda settings: bowl(settings | {"optim.name": "adamw"}))
        )
        own, best = study.space.dimensions["optim.lr"], study.best
        assert best is not None
        assert own.high > 1e-3  # type: ignore[union-attr]
        assert best.settings["optim.lr"] > 3e-4
        assert "optim.lr" in at_border(study)
        assert len(study.tried()) <= 20
        # Whoever opens it again has the widened range.
        assert opened(tmp_path / strategy, strategy, space).space == study.space


def test_a_border_that_is_the_bound_is_none(tmp_path: Path) -> None:
    study = searched(opened(tmp_path, space={"model.dropout": [0, 0.5]}), 24, Functions(lambda settings: settings["model.dropout"]))
    assert at_border(study) == []
    assert study.space == study.first


def test_a_trial_that_fails_ends_alone(tmp_path: Path) -> None:
    def score(settings: dict[str, Any]) -> float:
        if settings["optim.lr"] > 1e-3:
            raise ArithmeticError("too fast")
        return bowl(settings)

    for strategy in ("tpe", "halving", "gp"):
        study = searched(opened(tmp_path / strategy, strategy), 12, Functions(score))
        tried = study.tried()
        failed = [trial for trial in tried if trial.state == "failed"]
        assert len(tried) == 12
        assert failed
        assert {trial.reason for trial in failed} == {"diverged: too fast"}
        assert all(trial.score is None and trial.settings["optim.lr"] > 1e-3 for trial in failed)
        assert study.best is not None
        assert study.best.settings["optim.lr"] <= 1e-3


def test_halving_goes_on_with_the_better_third(tmp_path: Path) -> None:
    cohort = Functions()
    study = searched(opened(tmp_path, "halving"), 27, cohort)
    assert [(len(asked), asked[0].epochs) for asked in cohort.asked] == [(27, 3), (9, 9), (3, 27), (1, None)]
    assert {trial.number for trial in cohort.asked[1]} <= {trial.number for trial in cohort.asked[0]}
    states = [trial.state for trial in study.tried()]
    assert (states.count("complete"), states.count("halved")) == (1, 26)
    best = study.best
    assert best is not None
    assert sorted(best.rungs) == [3, 9, 27]
    assert best.seconds == pytest.approx(2.0)  # of all four stages


def test_importance_tells_what_matters(tmp_path: Path) -> None:
    study = searched(opened(tmp_path), 30, Functions(lambda settings: abs(settings["model.dropout"] - 0.1)))
    found = importance(study)
    assert next(iter(found)) == "model.dropout"
    assert sum(found.values()) == pytest.approx(1)
    assert importance(searched(opened(tmp_path / "few"), 4)) == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"fingerprint": "b"}, "was begun on other data"),
        ({"target": "z"}, r"was begun for another target \(y, now z\)"),
        ({"goodfit": "9"}, r"another version of goodfit \(0, now 9\)"),
        ({"strategy": "tpe"}, r"another strategy \(random, now tpe\)"),
        ({"settings": {"seed": 1}}, "other settings"),
        ({"task": "multiclass"}, "another task"),
    ],
)
def test_another_study_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(InputError, match=said):
        opened(tmp_path, **changed)
    with pytest.raises(InputError, match="another space"):
        opened(tmp_path, identity_space={"optim.lr": []})


def test_a_damaged_study_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"no database, but long enough to look like a file of something else" * 9)
    with pytest.raises(InputError, match="cannot be opened: file is not a database"):
        opened(tmp_path)


def test_trials_of_a_dead_worker_are_run_again_and_count_once(tmp_path: Path) -> None:
    study = opened(tmp_path)
    with study.heart():
        lost = [study.ask(8), study.ask(8)]
    dead(study)
    done = searched(opened(tmp_path), 8)
    tried = done.tried()
    assert len(tried) == 8
    assert all(trial.state == "complete" for trial in tried)
    assert {item[0] for item in lost if item}.isdisjoint(trial.number for trial in tried)
    for item in lost:
        assert item is not None
        assert item[1] in [trial.settings for trial in tried]


def test_what_was_taken_for_lost_is_not_counted_twice(tmp_path: Path) -> None:
    slow, other = opened(tmp_path), opened(tmp_path)
    with slow.heart():
        asked = slow.ask(1)
        assert asked is not None
        dead(other)  # it was asleep for too long
        searched(other, 1)
        from goodfit.tuning.cohort import Outcome

        slow.tell(Outcome(asked[0], 0.0))
    assert len(other.tried()) == 1
    assert other.best is not None
    assert other.best.number != asked[0]


def test_no_more_trials_are_claimed_than_asked_for(tmp_path: Path) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    with one.heart(), two.heart():
        assert one.ask(2)
        assert two.ask(2)
        assert one.need(2) == 0
        assert two.ask(2) is None
        assert len(one.tried()) == 2


def test_workers_live_by_their_process_here_and_by_their_signs_of_life_elsewhere() -> None:
    here, now = socket.gethostname(), time.time()
    from goodfit.tuning.workers import _started

    me = _started(os.getpid())
    about = {
        "worker:me": {"host": here, "pid": os.getpid(), "started": me, "beat": now - 1e6},
        "worker:before": {"host": here, "pid": os.getpid(), "started": me - 5, "beat": now},
        "worker:gone": {"host": here, "pid": 2**22 + 1, "started": 5, "beat": now},
        "worker:far": {"host": "elsewhere", "pid": 1, "started": 5, "beat": now - 20},
        "worker:silent": {"host": "elsewhere", "pid": 1, "started": 5, "beat": now - 200},
        "worker:left": {"host": here, "pid": os.getpid(), "started": me, "beat": 0.0},
        "identity": {},
    }
    assert alive(about) == {"me": True, "before": False, "gone": False, "far": True, "silent": False, "left": False}


def dead(study: Study) -> None:
    """As if every worker so far had been killed: their processes are not there any more."""
    found = study._study
    for key, about in found.user_attrs.items():
        if key.startswith("worker:"):
            found.set_user_attr(key, about | {"pid": 2**22 + 1, "started": 1, "host": socket.gethostname()})
    for trial in found.get_trials(deepcopy=False):
        if trial.state.name == "RUNNING":
            study._study._storage.set_trial_user_attr(trial._trial_id, "worker", "ghost")
