"""The search: cohorts are asked for, run and told, until there are trials enough or the time is up; ranges are widened on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from goodfit.base.protocols import Progress
from goodfit.tuning import halving
from goodfit.tuning.cohort import Cohort, Outcome, Trial
from goodfit.tuning.study import Study

FEWEST_TO_WIDEN = 6  # trials with a score: of fewer, the best lies anywhere
CHECKS = 8  # how often in a search the border is looked at
SLACK = 2.0  # times its share of the time left that a trial may take: most end early
LEAST = 1.0  # second that a trial may take: less teaches nothing
WAIT = 1.0  # seconds between looks at what other workers do


@dataclass
class Search:
    """What a search needs. total: trials of the study. epochs: that a whole training has at most. until: `time.monotonic()` at which it ends.

    longest: seconds that a trial may take where nothing else ends it, as a run of its settings would have.
    """

    study: Study
    cohort: Cohort
    total: int
    epochs: int
    until: float | None
    progress: Progress
    longest: float | None = None
    _spent: dict[int, float] = field(default_factory=dict)  # seconds of the trials that paused
    _shown: float | None = None  # the best score here, for the progress

    def run(self) -> None:
        """Search on until the study has its trials, those of other workers included, or the time is up."""
        self.progress.stage(f"searching by {self.study.strategy}", self.total)
        self.progress.advance(len(self.study.tried()))
        while not self._late():
            others = self.study.recover()
            need = self.study.need(self.total)
            if self._due(need) and self.widen():
                continue
            if need <= 0:
                if not others:
                    return
                time.sleep(WAIT)  # where another worker dies, its trials are ours
                continue
            if self.study.strategy in ("halving", "hyperband"):
                self._bracket(need)
            else:
                self._cohort(need)

    def _due(self, need: int) -> bool:
        """Whether it is time to look at the borders. What a killed worker left is run first, so that every search looks at the same moments."""
        tried, looked = self.study.tried(), self.study.looked
        scored = sum(trial.state == "complete" for trial in tried)
        enough = scored >= FEWEST_TO_WIDEN and scored - looked >= max(1, self.total // CHECKS)
        if (
            scored == looked or len(tried) >= self.total or self.study.queued or not (enough or need <= 0)
        ):  # a grid may end before the trials do
            return False
        self.study.looked = scored
        return True

    def widen(self) -> bool:
        """Widen the ranges at whose border the best value lies, and say so; whether there were any."""
        best = self.study.best
        if best is None:
            return False
        names = self.study.widen(best.settings)
        for name in names:
            dimension = self.study.space.dimensions[name].to_json()
            self.progress.say(
                f"the best {name} so far, {best.settings[name]:.4g}, lies at the border of its range, which is now "
                f"[{dimension['low']:.4g}, {dimension['high']:.4g}]"
            )
        return bool(names)

    def _late(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def _asked(self, count: int) -> dict[int, Trial]:
        """Trials that are claimed for this worker, with the time that each may take."""
        found: dict[int, Trial] = {}
        seconds = self._seconds(self.study.need(self.total))
        for _ in range(count):
            asked = self.study.ask(self.total)
            if asked is None:
                break
            found[asked[0]] = Trial(asked[0], asked[1], None, seconds)
        return found

    def _seconds(self, need: int) -> float | None:
        if self.until is None:
            return self.longest
        left = self.until - time.monotonic()
        share = max(min(left, SLACK * left * min(self.cohort.size, max(need, 1)) / max(need, 1)), LEAST)
        return share if self.longest is None else min(share, self.longest)

    def _cohort(self, need: int) -> None:
        """A cohort that trains to its end."""
        queued = self.study.queued  # by themselves, so that the cohorts after them are those of a search without interruption
        self._run(self._asked(min(self.cohort.size, need, queued or need)), self._end)

    def _bracket(self, need: int) -> None:
        """A bracket: trials pause at each rung, and the better third goes on."""
        steps = halving.rungs(self.epochs)
        done = self.total - need
        given, later = 0, steps
        for count, own in halving.brackets(steps, self.total, many=self.study.strategy == "hyperband"):
            given, later = given + count, own
            if given > done:
                break
        going = self._asked(min(given - done, need))
        for passes in [*later, None]:
            if not going:
                return
            paused = dict[int, Outcome]()

            def heard(outcome: Outcome, passes: int | None = passes, paused: dict[int, Outcome] = paused) -> None:
                if passes is None or outcome.done or outcome.score is None:
                    self._end(outcome)
                else:
                    self._spent[outcome.number] = outcome.seconds
                    self.study.note(outcome)
                    paused[outcome.number] = outcome

            self._run({number: Trial(number, trial.settings, passes, trial.seconds) for number, trial in going.items()}, heard)
            kept = halving.survivors({number: outcome.score or 0.0 for number, outcome in paused.items()}, maximise=self.study.maximise)
            if self._late():  # what was compared is all that there will be
                for outcome in paused.values():
                    self._end(outcome)
                return
            for number, outcome in paused.items():
                if number not in kept:
                    self._end(outcome, halved=True)
            going = {number: going[number] for number in kept}

    def _run(self, asked: dict[int, Trial], heard: Callable[[Outcome], None]) -> None:
        left = set(asked)
        for outcome in self.cohort.run(list(asked.values()), self.until):
            left.discard(outcome.number)
            heard(replace(outcome, seconds=outcome.seconds + self._spent.pop(outcome.number, 0.0)))
        assert not left, "a cohort says of each of its trials what came of it"

    def _end(self, outcome: Outcome, *, halved: bool = False) -> None:
        self.study.tell(outcome, halved=halved)
        self.cohort.forget([outcome.number])
        if outcome.reason is not None:
            self.progress.say(f"trial {outcome.number} failed: {outcome.reason}")
        scores = [score for score in (self._shown, None if halved else outcome.score) if score is not None]
        if scores:
            self._shown = max(scores) if self.study.maximise else min(scores)
        self.progress.advance(1, **({} if self._shown is None else {"best": self._shown}))
