"""One examination in progress: the program as rows, the copies run so far, how much better one is than another.

A suspicion comes from a cheap signal. It is proven by a duel: copies with a remedy against copies without, from the same weights, on three seeds,
scored on rows that neither saw. The duel could have gone the other way, and then nothing is said.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import torch

from goodfit.doctor.cost import seconds_of
from goodfit.doctor.program import Program
from goodfit.doctor.references import References, references
from goodfit.doctor.replay import Copies, ReplayError
from goodfit.doctor.short import MOST_SCORED, Outcome, Setup, run, score
from goodfit.doctor.supervised import Supervised
from goodfit.doctor.trail import Head, Trail, head_of, trail
from goodfit.doctor.vitals import Vitals, vitals

SEEDS = (0, 1, 2)  # three: the fewest that show a spread
MARGIN = 0.04  # of what lies between the best constant answer and perfection; smaller gains are tuning, not repair
CERTAIN_MARGIN = 0.015  # where the signal is exact, such as gradients never set to zero, less need be gained for it to be a fault
PRACTICE_RATES = (3e-4, 1e-3, 3e-3, 1e-2)  # of AdamW: the best rate of nearly every network lies within a factor of two of one of them
SWEEP = 0.1  # of a copy's length: enough to rank rates, no verdict (Smith 2017)
PRACTICE_MARGIN = 0.08  # good practice must be better by twice the margin of one remedy before the outcome is called bad
FAR = 3.0  # times the margin: noise does not put two of three seeds there
ERRORS = 2.5  # standard errors that a gain must clear: with some twenty duels in an examination one in 160 would pass by chance at 2.5, one in 44 at 2


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to repair. words: what to do, for a reader. change: the setup with it. source: makes the edit of the user's file, or None.

    fair: whether the loss means the same with it as without, so that losses may be compared where nothing else can.
    """

    words: str
    change: Callable[[Setup], Setup]
    source: Callable[[], Any] | None = None
    fair: bool = True


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A cheap signal of one fault. strength: 0 to 1, the order of proof. certain: the signal is exact and only its harm is in question.

    always: to be tried though the program does as well as its references; else only where its outcome is bad.
    on: what must get better: `held` rows, or `trained` ones, for faults of optimisation that the held rows may hide.
    probe: an experiment of its own in place of the duel; gives a Proof or None.
    """

    code: str
    strength: float
    evidence: Mapping[str, Any]
    remedies: tuple[Remedy, ...] = ()
    certain: bool = False
    always: bool = False
    on: str = "held"
    margin: float | None = None
    would_have: str = ""
    message: str = ""
    probe: Callable[[Case], Proof | None] | None = None


@dataclass(frozen=True, slots=True)
class Gain:
    """Better by so much. value: mean over the seeds, of what lies between the constant answer and perfection. error: its standard error.
    share: of what was to be gained. each: by seed. rows: the part of the error that comes from the rows scored."""

    value: float
    error: float
    share: float
    each: tuple[float, ...]
    rows: float = 0.0

    def clears(self, margin: float) -> bool:
        """Beyond chance: by the spread over seeds; or, where some seeds escape a fault that others fall into, by most of them far beyond the margin and none below."""
        if self.value < margin or self.value < ERRORS * self.rows:
            return False
        most = len(self.each) > 2 and statistics.median(self.each) >= FAR * margin and min(self.each) >= -margin
        return most or self.value >= ERRORS * self.error


@dataclass(frozen=True, slots=True)
class Proof:
    """An experiment that confirmed a suspicion. setup: the program with the remedy, for what is examined next; None where nothing is changed."""

    gain: Gain | None
    showed: str
    remedy: Remedy | None = None
    setup: Setup | None = None
    before: tuple[Outcome, ...] = ()
    after: tuple[Outcome, ...] = ()
    confidence: float = 0.95
    severity: str = "error"
    facts: Mapping[str, Any] = field(default_factory=dict)


class Case:
    """view: the program; first: it as it is; setup: with the remedies accepted so far. updates: the length of a copy. deadline: time.monotonic() when all must be over."""

    def __init__(self, view: Supervised, *, deadline: float, run_seconds: float, seed: int = 0) -> None:
        self.view = view
        self.program: Program = view.program
        self.first = self.setup = Setup()  # the program as it is
        self.deadline = deadline
        self.seed = seed
        self.runs = 0
        self.not_seen: list[str] = []
        self._done: dict[tuple[int, int], Outcome] = {}
        self._kept: list[Setup] = []  # keeps the ids of setups in use
        self._shared: dict[tuple[str, int], Any] = {}  # what `once` worked out
        self.per_update = self._measure()
        told = self.program.updates or max(len(self.program.losses), len(view.batches))  # backward passes, where no update ever came
        self.updates = max(min(told, int(run_seconds / self.per_update)), min(told, 20))

    def _measure(self) -> float:
        """Seconds of one update, as counted: two updates less one, so that scoring is not counted."""
        one, two = (seconds_of(lambda count=count: run(self.view, self.first, updates=count)) for count in (1, 2))  # type: ignore[misc]
        return max(two - one, 1e-5)

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    @property
    def whole(self) -> bool:
        """Whether a copy is as long as the program itself."""
        return self.updates >= self.program.updates

    def outcome(self, setup: Setup | None = None, seed: int = 0) -> Outcome:
        """A copy run to its length; each once."""
        setup = self.setup if setup is None else setup
        if (key := (id(setup), seed)) not in self._done:
            self._kept.append(setup)
            self.runs += 1
            self._done[key] = run(
                self.view,
                setup,
                updates=max(int(self.updates * setup.stretch), 1),
                seed=seed,
                seconds=max(self.left, 0.5),
                keep=not seed and (setup is self.setup or setup is self.first),
            )
        return self._done[key]

    @property
    def vitals(self) -> Vitals:
        """Gradients, activations and weights of a few updates, with the remedies accepted so far."""
        return self.once("vitals", self.setup, lambda: vitals(self.view, self.setup))

    def once(self, name: str, setup: Setup, make: Callable[[], T]) -> T:
        """What `make` gives, worked out once for a setup: several faults share it."""
        if (key := (name, id(setup))) not in self._shared:
            self._kept.append(setup)
            self._shared[key] = make()
        found: T = self._shared[key]
        return found

    @cached_property
    def references(self) -> References:
        return references(self.view)

    @cached_property
    def trail(self) -> Trail:
        """All calls of torch in one run of the program as it is, up to its answer."""
        return trail(self.view)

    @cached_property
    def head(self) -> Head | None:
        """The linear layer behind the answers."""
        return head_of(self.view, self.trail)

    @cached_property
    def finished(self) -> Outcome | None:
        """The program's own networks as they ended, scored: where a copy is shorter than the program, only they show what it came to. None where
        they cannot be scored, or have seen the rows held back."""
        if self.view.carved or self.view.pool is None:
            return None
        ended = Copies(self.program.finals, self.program.loose_finals)
        some = self.view.trained[torch.randperm(len(self.view.trained), generator=torch.Generator().manual_seed(1))[:MOST_SCORED]]
        try:
            held, held_loss = score(self.view, Setup(), ended, self.view.held)
            trained, trained_loss = score(self.view, Setup(), ended, some)
        except (ReplayError, RuntimeError):
            return None
        finite = math.isfinite(held_loss) or held is not None
        return Outcome(
            Setup(), 0, list(self.program.losses), held, trained, held_loss, trained_loss, finite, self.program.updates, 0.0, ended
        )

    @cached_property
    def final(self) -> float | None:
        """Skill of the program's networks as they ended: on its own held rows, else on those that it trained on, which flatters it."""
        try:
            copies = Copies(self.program.finals, self.program.loose_finals or self.program.loose)
            points, _ = score(self.view, self.first, copies, self.view.held)
        except (ReplayError, RuntimeError) as error:
            self.not_seen.append(f"The networks as they ended could not be scored: {error}.")
            return None
        if points is None:
            return None
        return (float(points.mean()) - self.view.answers.base) / max(1 - self.view.answers.base, 1e-6)

    @cached_property
    def practice(self) -> Proof | None:
        """The same network trained as is good practice: AdamW, fresh gradients, rows mixed, training mode, at the best of four rates in a short sweep.
        A Proof where that beats the program."""
        firsts: list[tuple[float, Remedy]] = []
        base = None
        for rate in PRACTICE_RATES:
            remedy = Remedy(f"AdamW at {rate:g}", partial(_practised, rate=rate))
            try:
                if base is None:
                    base = run(self.view, self.first, updates=self._swept, seconds=max(self.left, 0.5))
                swept = run(self.view, remedy.change(self.first), updates=self._swept, seconds=max(self.left, 0.5))
            except (ReplayError, RuntimeError, ValueError, TypeError) as error:
                self.not_seen.append(f"good practice: {error}")
                return None
            firsts.append((self.gain([base], [swept], on="trained").value, remedy))
        remedy = max(firsts, key=lambda pair: pair[0])[1]
        return self.duel(Suspicion("practice", 0.0, {}, margin=PRACTICE_MARGIN), remedy)

    @property
    def _swept(self) -> int:
        """Updates of a copy that only ranks rates."""
        return max(int(SWEEP * self.updates), min(self.updates, 20))

    def gain(self, before: Sequence[Outcome], after: Sequence[Outcome], *, on: str = "held", fair: bool = True) -> Gain:
        """How much better the second are. Where points are not to be had, by the losses: as a share of the first loss."""
        each, errors = [], []
        room = max(1.0 - self._base(after), 1e-6)
        for a, b in zip(before, after, strict=True):
            pa, pb = getattr(a, on), getattr(b, on)
            if pa is not None and pb is not None and len(pa) == len(pb):
                apart = (pb - pa) / room
                each.append(float(apart.mean()))
                errors.append(float(apart.std(unbiased=True)) / math.sqrt(len(apart)) if len(apart) > 1 else float("inf"))
            elif fair:
                la, lb = (getattr(one, f"{on}_loss") for one in (a, b))
                if not math.isfinite(la) or not math.isfinite(lb):
                    la, lb = (statistics.fmean(one.losses[-5:]) if one.losses else math.nan for one in (a, b))
                if not math.isfinite(lb):
                    each.append(-1.0)
                elif not math.isfinite(la):
                    each.append(1.0)
                else:
                    each.append((la - lb) / max(abs(a.losses[0]), abs(la), 1e-9))
                errors.append(0.0)
            else:
                each.append(0.0)
                errors.append(0.0)
        value = statistics.fmean(each)
        spread = statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0
        rows = statistics.fmean(errors) / math.sqrt(len(errors))  # rows are the same for all seeds, their errors only partly
        reached = self._mean(before, on)
        share = value * room / max(1 - reached, 1e-6) if reached is not None else value
        return Gain(value, math.hypot(spread, rows), min(share, 1.0), tuple(round(one, 4) for one in each), rows)

    @staticmethod
    def _mean(outcomes: Sequence[Outcome], on: str) -> float | None:
        found = [float(points.mean()) for one in outcomes if (points := getattr(one, on)) is not None]
        return statistics.fmean(found) if found else None

    def level(self, outcomes: Sequence[Outcome], on: str = "held") -> float | None:
        """Mean points as skill: 0 is the best constant answer, 1 perfection."""
        mean = self._mean(outcomes, on)
        base = self._base(outcomes)
        return None if mean is None else (mean - base) / max(1 - base, 1e-6)

    def _base(self, outcomes: Sequence[Outcome]) -> float:
        """Points of the best constant answer, as the copies are judged: a remedy may change which answers count for how much."""
        answers = outcomes[0].setup.answers if outcomes else None
        return self.view.answers.base if answers is None or answers.weights is None else answers.base

    def duel(self, suspicion: Suspicion, remedy: Remedy, base: Setup | None = None) -> Proof | None:
        """With the remedy against without (`base`, where it is not the program as repaired so far). The first seed is enough to acquit; two more to convict."""
        margin = suspicion.margin if suspicion.margin is not None else (CERTAIN_MARGIN if suspicion.certain else MARGIN)
        base = self.setup if base is None else base
        setup = remedy.change(base)
        before, after = [self.outcome(base)], [self.outcome(setup)]
        first = self.gain(before, after, on=suspicion.on, fair=remedy.fair)
        if first.value < margin:
            return None
        for seed in SEEDS[1:]:
            if self.left < 2 * before[0].seconds:
                break
            before.append(self.outcome(base, seed))
            after.append(self.outcome(setup, seed))
        gain = self.gain(before, after, on=suspicion.on, fair=remedy.fair)
        if not gain.clears(margin):
            return None
        levels = self.level(before, suspicion.on), self.level(after, suspicion.on)
        showed = (
            f"skill {levels[0]:.3f} without and {levels[1]:.3f} with the remedy ({', '.join(f'{one:+.3f}' for one in gain.each)} on {len(gain.each)} seeds)"
            if levels[0] is not None and levels[1] is not None
            else f"a loss lower by {gain.value:.1%} of the first ({', '.join(f'{one:+.3f}' for one in gain.each)} on {len(gain.each)} seeds)"
        )
        confidence = 0.5 * (1 + math.erf(gain.value / max(gain.error, 1e-3) / math.sqrt(2)))
        return Proof(gain, showed, remedy, setup, tuple(before), tuple(after), confidence=round(min(confidence, 0.999), 3))

    def best(self, suspicion: Suspicion) -> Proof | None:
        """The best of the suspicion's remedies that is proven; a remedy that cannot be run is given up and said."""
        if suspicion.probe is not None:
            try:
                return suspicion.probe(self)
            except Exception as error:  # a changed copy runs the user's code in ways it was not written for: a fault in one probe costs that probe only, and is said
                self.not_seen.append(f"{suspicion.code}: {error}")
                return None
        found: list[Proof] = []
        for remedy in suspicion.remedies:
            if self.left <= 0:
                self.not_seen.append(f"{suspicion.code}: no time was left")
                break
            try:
                proof = self.duel(suspicion, remedy)
            except Exception as error:  # the same
                self.not_seen.append(f"{suspicion.code}: {error}")
                continue
            if proof is not None:
                found.append(proof)
        return max(found, key=lambda proof: proof.gain.value if proof.gain else 0.0) if found else None


def _practised(setup: Setup, *, rate: float) -> Setup:
    return replace(setup, name=f"AdamW at {rate:g}", optimizer=torch.optim.AdamW, options={"lr": rate}, zero=True, order=True, mode=True)


def device_of(view: Supervised) -> torch.device:
    """Where the program's networks lie."""
    for network in view.program.networks:
        for weight in network.parameters():
            return weight.device
    return torch.device("cpu")
