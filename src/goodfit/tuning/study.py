"""A study: its trials in Optuna's storage, asked for and told, so that a worker may be killed at any instant and others may join.

A trial is waiting, running, or at its end: complete with a score, left off with what it had (halved, or failed with a reason), or lost with its
worker. A lost trial counts for nothing and is run again with the same settings. Every count is taken from the storage, never from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from goodfit.base.errors import InputError
from goodfit.base.streams import derive
from goodfit.tuning.cohort import Outcome
from goodfit.tuning.space import Dimension, End, Range, Space
from goodfit.tuning.storage import quiet, storage, written
from goodfit.tuning.strategies import bayes, coarse, grid, random
from goodfit.tuning.strategies.drawn import Drawn
from goodfit.tuning.workers import GRACE, Heart, alive

STRATEGIES = ("random", "grid", "coarse-to-fine", "tpe", "gp", "halving", "hyperband")
BEYOND = (0.5, 1.0)  # of the way from a best value at a border to the end of the widened range: where is looked first
_IDENTITY, _RANGES, _BORDERS, _LOOKED = "identity", "ranges", "borders", "looked"
_OUTCOME, _SURPLUS = "outcome", "surplus"
_SAID = {  # what tells studies apart, and what is said where it differs
    "fingerprint": "was begun on other data (their SHA-256 differs)",
    "target": "was begun for another target ({before}, now {now})",
    "task": "was begun for another task ({before}, now {now})",
    "goodfit": "was begun by another version of goodfit ({before}, now {now})",
    "space": "was begun with another space",
    "strategy": "was begun with another strategy ({before}, now {now})",
    "settings": "was begun with other settings",
}


@dataclass(frozen=True)
class Tried:
    """A trial that came to an end, or is under way. state: complete, halved, failed, or running. rungs: scores after so many passes, where it paused."""

    number: int
    settings: dict[str, Any]
    state: str
    score: float | None
    reason: str | None
    epochs: int
    best_epoch: int
    seconds: float
    rungs: dict[int, float]


class Study:
    """One study of `identity`. where: how errors call it.

    Raises InputError where what is stored there belongs to another data set, target, space, strategy or version.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        identity: Mapping[str, Any],
        *,
        url: str | None,
        folder: Path,
        maximise: bool,
        seed: int,
        strategy: str,
    ) -> None:
        self.first = space
        self.maximise, self._seed, self.strategy = maximise, seed, strategy
        self.where = url.rpartition("@")[2] if url else str(folder)
        self._worker = ""
        self._open: dict[int, optuna.Trial] = {}
        with quiet(), written(self.where):
            self._study = optuna.create_study(
                storage=storage(url, folder), study_name=name, direction="maximize" if maximise else "minimize", load_if_exists=True
            )
            if _IDENTITY not in self._study.user_attrs:
                self._study.set_user_attr(_IDENTITY, dict(identity))
            self._refuse_other(self._study.user_attrs[_IDENTITY], identity)

    def _refuse_other(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for name, said in _SAID.items():
            if before.get(name) != now.get(name):
                what = said.format(before=before.get(name), now=now.get(name))
                raise InputError(f"the study in {self.where} {what}; give the same again to go on with it, or another --out or --study")

    def heart(self) -> Heart:
        """This process as a worker of the study, as long as the context lasts."""

        def say(key: str, value: Any) -> None:
            with written(self.where):
                self._study.set_user_attr(key, value)

        heart = Heart(say)
        self._worker = heart.name
        return heart

    @property
    def space(self) -> Space:
        """The space with its ranges as they are by now."""
        with written(self.where):
            return self.first.with_ranges(self._study.user_attrs.get(_RANGES, {}))

    def widen(self, found: Mapping[str, Any]) -> list[str]:
        """Widen the range of each setting whose value in `found` lies at a border, and try values beyond it next; returns their names."""
        space, ends = self.space, self.ends(found)
        for name, end in ends.items():
            space = space.widened(name, end)
        if not ends:
            return []
        ranges = {name: (own.low, own.high) for name, own in space.dimensions.items() if isinstance(own, Range)}
        with quiet(), written(self.where):
            self._study.set_user_attr(_RANGES, ranges)
            self._study.set_user_attr(_BORDERS, sorted({*self.borders, *ends}))
            for name, end in ends.items():
                wide = space.dimensions[name]
                assert isinstance(wide, Range)
                before, beyond = wide.unit(found[name]), 0.0 if end == "low" else 1.0
                for share in BEYOND:
                    value = wide.at(before + share * (beyond - before))
                    self._study.enqueue_trial(dict(found) | {name: value}, user_attrs={"beyond": name})
        return list(ends)

    def ends(self, found: Mapping[str, Any]) -> dict[str, End]:
        """The settings whose value in `found` lies at an end of its range, beyond which it could go."""
        scored = [trial.settings for trial in self.tried() if trial.state == "complete"]
        ends: dict[str, End] = {}
        for name, dimension in self.space.dimensions.items():
            if isinstance(dimension, Range) and name in found:
                end = dimension.border(found[name], [own[name] for own in scored if name in own])
                ends |= {} if end is None else {name: end}
        return ends

    @property
    def looked(self) -> int:
        """Trials with a score when the borders were last looked at."""
        with written(self.where):
            return int(self._study.user_attrs.get(_LOOKED, 0))

    @looked.setter
    def looked(self, scored: int) -> None:
        with written(self.where):
            self._study.set_user_attr(_LOOKED, scored)

    @property
    def borders(self) -> list[str]:
        """The settings whose best value lay at an end of its range, which was widened then."""
        with written(self.where):
            return list(self._study.user_attrs.get(_BORDERS, []))

    def need(self, total: int) -> int:
        """Trials that are still to be asked for, so that the study comes to `total` of them, or to the end of its grid."""
        left = total - len(self._claimed())
        if self.strategy != "grid":
            return left
        trials = self._trials()
        places = len(grid.points(self.first, total)) - sum(_has_slot(trial) and trial.state != TrialState.WAITING for trial in trials)
        return min(left, max(places, 0) + sum(trial.state == TrialState.WAITING for trial in trials))

    @property
    def queued(self) -> int:
        """Trials whose settings are decided already: beyond a border, or lost with another worker."""
        return sum(trial.state == TrialState.WAITING for trial in self._trials())

    def ask(self, total: int) -> tuple[int, dict[str, Any]] | None:
        """Claim a trial and decide its settings: its number and they. None where others have claimed all of `total` by now."""
        with quiet(), written(self.where):
            space = self.space
            self._study.sampler = self._sampler(space, total)
            trial = self._study.ask()
            trial.set_user_attr("worker", self._worker)
            settings: dict[str, Any] = {}
            for name, dimension in space.dimensions.items():
                if space.active(name, settings):
                    settings[name] = _suggested(trial, name, dimension)
            if trial.number not in self._claimed()[:total]:
                trial.set_user_attr(_SURPLUS, True)
                self._study.tell(trial, state=TrialState.FAIL)
                return None
            self._open[trial.number] = trial
        return trial.number, settings

    def note(self, outcome: Outcome) -> None:
        """A trial paused: its score so far."""
        assert outcome.score is not None
        with quiet(), written(self.where):
            self._open[outcome.number].report(outcome.score, outcome.epochs)

    def tell(self, outcome: Outcome, *, halved: bool = False) -> None:
        """A trial ended. halved: it was left off, since others were better. What others took for lost meanwhile is dropped: nothing counts twice."""
        trial = self._open.pop(outcome.number)
        about = {"epochs": outcome.epochs, "best_epoch": outcome.best_epoch, "seconds": round(outcome.seconds, 3), "reason": outcome.reason}
        begun = outcome.score is not None or outcome.reason is not None
        with quiet(), written(self.where), suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
            trial.set_user_attr(*((_OUTCOME, about) if begun else (_SURPLUS, True)))
            if not begun:
                self._study.tell(trial, state=TrialState.FAIL)
            elif halved or outcome.score is None:
                self._study.tell(trial, state=TrialState.PRUNED)
            else:
                self._study.tell(trial, outcome.score)

    def recover(self) -> int:
        """Give up the trials whose worker is dead and queue their settings again; returns how many others are still at work on."""
        others = 0
        with quiet(), written(self.where):
            lives = alive(self._study.user_attrs)
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                worker = trial.user_attrs.get("worker")
                if worker == self._worker:
                    others += trial.number not in self._open
                elif lives.get(worker, False) if worker else _young(trial):
                    others += 1
                else:
                    with suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):  # another worker was faster
                        self._study.tell(trial.number, state=TrialState.FAIL)
                        self._study.enqueue_trial(dict(trial.params), user_attrs={"again": trial.number})
        return others

    def tried(self) -> list[Tried]:
        """Every trial that counts, in the order in which they were asked for."""
        with written(self.where):
            return [_tried(trial) for trial in self._trials() if _counts(trial) and trial.state != TrialState.WAITING]

    @property
    def best(self) -> Tried | None:
        """The best of the trials that came to their end; of equal ones the first."""
        scored = [trial for trial in self.tried() if trial.state == "complete"]
        sign = -1 if self.maximise else 1
        return min(scored, key=lambda trial: (sign * (trial.score or 0.0), trial.number), default=None)

    def optuna_trials(self) -> list[FrozenTrial]:
        """The trials with a score, as Optuna has them."""
        return [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]

    def _trials(self) -> list[FrozenTrial]:
        with quiet(), written(self.where):
            return self._study.get_trials(deepcopy=False)

    def _claimed(self) -> list[int]:
        return [trial.number for trial in self._trials() if _counts(trial) and trial.state != TrialState.WAITING]

    def _sampler(self, space: Space, total: int) -> Any:
        if self.strategy in ("tpe", "gp"):
            slot = len([trial for trial in self._trials() if _has_slot(trial)])
            place = sorted(name for name, lives in alive(self._study.user_attrs).items() if lives)
            turn = place.index(self._worker) if self._worker in place else 0  # two that ask at the same moment do not ask for the same
            always = {name: distribution(dimension) for name, dimension in space.always.items()}
            return bayes.sampler(self.strategy, always, derive(self._seed, "search", slot, turn))
        return Drawn(self._draw(space, total))

    def _draw(self, space: Space, total: int) -> Callable[[int], dict[str, Any]]:
        def draw(number: int) -> dict[str, Any]:
            slot = len([trial for trial in self._trials() if trial.number < number and _has_slot(trial)])
            if self.strategy == "grid":
                found = grid.points(self.first, total)
                place = grid.order(self._seed, len(found))[slot % len(found)]
                return random.draw(space, self._seed, slot) | found[place]
            if self.strategy == "coarse-to-fine":
                best = self.best
                return coarse.draw(space, self._seed, slot, total, None if best is None else best.settings)
            return random.draw(space, self._seed, slot)

        return draw


def _counts(trial: FrozenTrial) -> bool:
    """Whether it is one of the trials asked for: not lost with its worker, not one too many."""
    return trial.state != TrialState.FAIL and _SURPLUS not in trial.user_attrs


def _has_slot(trial: FrozenTrial) -> bool:
    """Whether its settings are a place of the strategy's own: neither repeated, nor beyond a border, nor one too many."""
    return not trial.user_attrs.keys() & {"again", "beyond", _SURPLUS}


def _young(trial: FrozenTrial) -> bool:
    """Whether a trial that names no worker was claimed a moment ago."""
    return trial.datetime_start is not None and (datetime.now() - trial.datetime_start).total_seconds() < GRACE


def _suggested(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if not isinstance(dimension, Range):
        return trial.suggest_categorical(name, list(dimension.values))
    if dimension.whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def distribution(dimension: Dimension) -> BaseDistribution:
    """As Optuna has it."""
    if not isinstance(dimension, Range):
        return CategoricalDistribution(list(dimension.values))
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _tried(trial: FrozenTrial) -> Tried:
    about = trial.user_attrs.get(_OUTCOME, {})
    reason = about.get("reason")
    states = {TrialState.COMPLETE: "complete", TrialState.RUNNING: "running", TrialState.PRUNED: "failed" if reason else "halved"}
    return Tried(
        number=trial.number,
        settings=dict(trial.params),
        state=states[trial.state],
        score=None if reason else trial.value,
        reason=reason,
        epochs=int(about.get("epochs", 0)),
        best_epoch=int(about.get("best_epoch", 0)),
        seconds=float(about.get("seconds", 0.0)),
        rungs={int(step): float(value) for step, value in trial.intermediate_values.items()},
    )
