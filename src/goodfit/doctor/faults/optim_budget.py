"""`optim.budget`: training was stopped while it was still learning; several times as many updates would gain much.

Signal: a bad outcome whose loss, over the last third of the updates, still falls by at least a twentieth of all that it fell before. Proof: a copy four times as long (its schedule drawn
out as far) does better on rows that it did not see, and better than a better rate of equal length, than smaller batches over as many rows, and by enough: time costs what those do not.
Neighbours: `optim.rate-low`, `optim.batch`. Only where a copy is as long as the program itself: the end of a longer one is not seen.
"""

from __future__ import annotations

from dataclasses import replace

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.rates import MARGIN, margin, sweep, tuned, usual

CODE = "optim.budget"
FALLING = 0.05  # of the fall before it, in the last third
LONGER = (4, 16)  # times as long: the first tells, the second is tried where the first still falls and time is left
AGAIN = 3.0  # updates of copies that have to be paid for each: three seeds
COSTS = 0.1  # of skill that four times the time has to bring: nearly every program gains a little by it
CHEAPER = 0.7  # of the gain of more time, that a change without cost need reach to be preferred
FAR = 10.0  # a better rate so many times higher was the reason, if it brings most of it


def suspect(case: Case) -> Suspicion | None:
    """The loss has not flattened."""
    outcome = case.outcome()
    if not outcome.finite or case.setup.stretch != 1.0 or not case.whole or len(outcome.losses) < 2:
        return None
    fall = falling(outcome.losses)
    if fall < FALLING:
        return None
    return Suspicion(
        CODE, 0.4, {"updates": case.program.updates, "falling_in_the_last_third": round(fall, 3)}, probe=proof,
        would_have="no gain from four times as many updates, or as much from another rate or batch size at no cost",
        message="Training was stopped while it was still learning.",
    )  # fmt: skip


def falling(losses: list[float]) -> float:
    """What the loss falls in the last third, against what it fell before."""
    third = max(len(losses) // 3, 1)
    width = max(len(losses) // 10, 1)
    start, later, end = (sum(part) / len(part) for part in (losses[:width], losses[-third : len(losses) - third + width], losses[-width:]))
    return (later - end) / max(abs(start - later), 0.02 * abs(start), 1e-12)


def proof(case: Case) -> Proof | None:
    """Copies several times as long against others; once for what was accepted so far. None too where nothing is suspected."""
    return case.once(CODE, case.setup, lambda: _proof(case) if suspect(case) is not None else None)


def _proof(case: Case) -> Proof | None:
    seconds = max(case.outcome().seconds, 1e-3)
    best: Proof | None = None
    for times in LONGER:
        if times * AGAIN * seconds > case.left / 4:
            case.not_seen.append(f"{CODE}: no time was left for copies {times} times as long.")
            break
        if best is not None and falling(best.after[0].losses) < FALLING:
            break
        proof = case.duel(Suspicion(CODE, 1.0, {}, margin=max(margin(case), COSTS)), _remedy(case, times))
        if (
            proof is not None
            and proof.gain is not None
            and (best is None or best.gain is None or proof.gain.value > best.gain.value + MARGIN)
        ):
            best = proof
    if best is None or best.gain is None:
        return None
    own = tuned(case)
    if own is not case.setup and not usual(case):
        share = case.gain([case.outcome()], [case.outcome(own)]).value / best.gain.value
        if share >= (CHEAPER if sweep(case).best < FAR else CHEAPER / 2):
            return None
    return best


def _remedy(case: Case, times: int) -> Remedy:
    step = case.program.places.get("step")
    return Remedy(
        f"Train {times} times as long.",
        lambda setup: replace(setup, name=f"{times} times as long", stretch=float(times)),
        lambda: source_loops.multiply_epochs(step, times) if step else None,
    )
