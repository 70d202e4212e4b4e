"""Which learning rate a program would do best with: short copies from the same start, some longer ones of the best, and a duel elsewhere decides.

A sweep ranks rates, it is no verdict: what learns fastest for a while may not end best. So the three best are run on for longer before one is chosen.
Shared by all faults that lie near the rate: each asks what the best rate alone would do.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.replay import ReplayError
from goodfit.doctor.short import Setup, run

DECADES = (1e-2, 1e-1, 1.0, 1e1, 1e2)  # first looked at, as factors of the program's rate; the search goes on beyond an end that is best
FURTHEST = 1e5  # either way: no rate is wrong by more
HALVES = (0.3, 3.0)  # between decades, around the best one: a rate within a factor of 3 is as good as any
SHORT = 0.07  # of a copy's length, for each rate of the first round
LONGER = 0.3  # for the three best of them: rates that are a little too high win at the start only
FEWEST = 24  # updates that tell a rate: fewer are the noise of a few batches
NEAR = 0.03  # of what was learned: rates that differ by less are equal, and the one nearest to the program's own is taken
CALMER = 0.1  # of the rate: tried to the end where the loss is level and ragged
GONE = 0.05  # of the first rate, at half of the updates: a cosine has half of it there, ten-fold steps seldom more than one behind them
APART = 3.0  # a factor of the rate that is another rate

BEYOND = 0.05  # of skill, over the best rate alone, for what is no matter of rates
MARGIN = 0.06  # of skill that tuning must gain to be called a repair: a sound program that could be tuned further gains less where it is behind a reference
USUAL: Mapping[str, tuple[float, float]] = {  # rates that sound programs have, by the optimiser: what is behind with these lacks something else first
    "SGD": (1e-2, 1.0), "Adam": (3e-4, 1e-2), "AdamW": (3e-4, 1e-2), "NAdam": (3e-4, 1e-2), "RAdam": (3e-4, 1e-2), "RMSprop": (3e-4, 1e-2), "Adagrad": (1e-2, 0.3),
}  # fmt: skip
NUMBERS = 0.09  # the same for numbers, where sound programs differ by more: a twelfth of their variance is soon gained by another rate
UNJUDGED = 0.08  # the same where only good practice says that the outcome is bad


@dataclass(frozen=True, slots=True)
class Sweep:
    """best: factor of the program's rate. losses: by factor at the end of the first round, infinite where it left the numbers. length: updates of that round.
    start: the loss at the beginning. late: losses of the second round.
    """

    best: float
    losses: Mapping[float, float]
    late: Mapping[float, float]
    length: int
    start: float

    @property
    def learned(self) -> float:
        """Of the loss at the start, by the best rate of the first round."""
        lowest = min(self.losses.values())
        return (self.start - lowest) / max(abs(self.start), 1e-12) if math.isfinite(lowest) else 0.0


def sweep(case: Case, setup: Setup | None = None) -> Sweep:
    """The best rate for a setup, the accepted one where none is given; each once. Costs about one copy and a half."""
    setup = case.setup if setup is None else setup
    return case.once("sweep", setup, lambda: _sweep(case, setup))


def tuned(case: Case, setup: Setup | None = None) -> Setup:
    """The setup with its best rate; itself where that is its own."""
    setup = case.setup if setup is None else setup
    found = sweep(case, setup)
    if found.best == 1.0:
        return setup
    return case.once("tuned", setup, lambda: replace(setup, name=f"{setup.name}, best rate", rate=setup.rate * found.best))


def beyond(case: Case, proof: Proof, least: float = BEYOND) -> bool:
    """Whether a remedy gains more than the best rate alone: on the first seed, or where that does not say so, on all."""
    own = tuned(case)
    if own is case.setup:
        return True
    first = case.gain([case.outcome(own)], proof.after[:1])
    if first.value >= least:
        return True
    return case.gain([case.outcome(own, one.seed) for one in proof.after], proof.after).value >= least


def at_best_rates(case: Case, remedy: Remedy, suspicion: Suspicion) -> Proof | None:
    """The duel of a remedy that may want a rate of its own, with that where it does better; None where the best rate alone brings nearly as much."""

    def change(setup: Setup) -> Setup:
        other = remedied(case, remedy, suspicion.code)
        best = tuned(case, other)
        return best if best is other or case.gain([case.outcome(other)], [case.outcome(best)]).value > 0 else other

    proof = case.duel(suspicion, replace(remedy, change=change))
    return replace(proof, remedy=remedy) if proof is not None and beyond(case, proof) else None


def remedied(case: Case, remedy: Remedy, code: str) -> Setup:
    """The accepted setup with a remedy; the same object whenever it is asked for."""
    return case.once(f"{code} {remedy.words}", case.setup, lambda: remedy.change(case.setup))


def rate_of(case: Case) -> float:
    """The rate that the program was written with: of the first group of its optimiser."""
    groups = case.program.optimizers[case.view.optimizer].options
    return float(groups[0].get("lr", 0.0)) if groups else 0.0


def usual(case: Case) -> bool:
    """Whether the rate is one that many sound programs have, with an optimiser like this and no schedule that takes it away."""
    use = case.program.optimizers[case.view.optimizer]
    low, high = USUAL.get(use.kind.__name__, (math.inf, -math.inf))
    if use.kind.__name__ == "SGD" and use.options and float(use.options[0].get("momentum", 0.0)) >= 0.8:
        low, high = low / 10, high / 3
    return low <= rate_of(case) <= high and rate_at_half(case) >= GONE


def rate_at_half(case: Case) -> float:
    """The rate at the middle of the program's updates, against its largest."""
    rates = [rates[0] for number, rates in case.program.rates if number == case.view.optimizer and rates]
    return rates[len(rates) // 2] / max(rates) if len(rates) > 3 and max(rates) > 0 else 1.0


def margin(case: Case) -> float:
    """What tuning must gain here: more for numbers, and more where the outcome is no worse than that of a simple learner."""
    skill, level = case.references.skill, case.level([case.outcome()])
    judged = bool(skill) and level is not None and level < case.references.best
    least = MARGIN if judged else UNJUDGED
    return max(least, NUMBERS) if case.view.kind in {"regression", "reconstruction"} else least


def tail(losses: Sequence[float]) -> float:
    """Mean of the last third; infinite where one of them is no number."""
    last = losses[-max(len(losses) // 3, 1) :]
    return sum(last) / len(last) if last and all(math.isfinite(loss) for loss in last) else math.inf


def _sweep(case: Case, setup: Setup) -> Sweep:
    whole = max(int(case.updates * setup.stretch), 1)
    length = min(max(int(whole * SHORT), FEWEST), whole)
    losses: dict[float, float] = {}
    start, spent = math.nan, 0

    def look(factor: float, updates: int) -> float:
        nonlocal start, spent
        if factor == 1.0 and setup is case.setup:
            found = case.outcome(setup).losses
        else:
            spent += updates
            try:
                found = run(case.view, replace(setup, rate=setup.rate * factor), updates=updates, seconds=max(case.left, 0.2)).losses
            except (ReplayError, RuntimeError, ValueError):  # a rate may break a network that checks its numbers
                return math.inf
        if math.isnan(start) and found:
            start = found[0]
        return tail(found[:updates]) if len(found) >= min(updates, whole) else math.inf

    for factor in DECADES:
        losses[factor] = look(factor, length)
    while (low := min(losses)) > 1 / FURTHEST and _best(losses) == low and case.left > 0:
        losses[low / 10] = look(low / 10, length)
    while (high := max(losses)) < FURTHEST and _best(losses) == high and case.left > 0:
        losses[high * 10] = look(high * 10, length)
    middle = _best(losses)
    for factor in (middle * HALVES[0], middle * HALVES[1]):
        losses[factor] = look(factor, length)
    later = min(max(int(whole * LONGER), 2 * FEWEST), whole)
    late: dict[float, float] = {}
    for factor in sorted(losses, key=lambda factor: losses[factor])[:3]:
        if math.isfinite(losses[factor]) and case.left > 0:
            late[factor] = look(factor, later)
    best = _nearest(late or losses, start)
    if HALVES[0] <= best <= 1.0 and setup is case.setup and _ragged(case.outcome(setup).losses) and case.left > 0:
        best = _nearest({factor: look(factor, whole) for factor in (best, CALMER)}, start)
    case.runs += math.ceil(spent / whole)  # by their length
    return Sweep(best, losses, late, length, start)


def _nearest(losses: Mapping[float, float], start: float) -> float:
    """The best factor; of those that are as good, the one nearest to 1; 1 where none stayed with the numbers."""
    lowest = min(losses.values())
    if not math.isfinite(lowest):
        return 1.0
    slack = NEAR * max(start - lowest, 0.0) if math.isfinite(start) else 0.0
    return min((factor for factor, loss in losses.items() if loss <= lowest + slack), key=lambda factor: abs(math.log(factor)))


def _ragged(losses: Sequence[float]) -> bool:
    """Whether the second half of the losses falls by less than it scatters: the floor of a rate's noise, which a short sweep does not see."""
    half = losses[len(losses) // 2 :]
    if len(half) < 8 or not all(math.isfinite(loss) for loss in half):
        return False
    middle = len(half) // 2
    return statistics.fmean(half[:middle]) - statistics.fmean(half[middle:]) < 0.5 * statistics.stdev(half)


def _best(losses: Mapping[float, float]) -> float:
    return min(losses, key=lambda factor: (losses[factor], abs(math.log(factor))))
