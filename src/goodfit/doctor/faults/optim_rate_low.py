"""`optim.rate-low`: the learning rate is so low, or falls so soon, that training hardly moves.

Signal: the outcome is bad; stronger where one update moves weights by less than a ten-thousandth of their length (a thousandth is usual: Bottou 2012), or the program's own
schedule has taken the rate below a twentieth before half of the updates (a schedule for epochs that is stepped with every batch). Proof: a sweep from the same start likes a rate at
least three times higher, and a duel at full length decides; for the schedule, the first rate kept.
Neighbours: too few updates (`optim.budget`), where more of them gain clearly more than a better rate of equal length.
"""

from __future__ import annotations

from dataclasses import replace

from goodfit.doctor import source_calls
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults import optim_batch, optim_budget
from goodfit.doctor.faults.optim_rate_high import largest_step, rates_tried
from goodfit.doctor.rates import APART, GONE, margin, rate_at_half, rate_of, sweep, tuned, usual

CODE = "optim.rate-low"
STEP = 1e-4  # of a weight's length in one update: ten times below what is usual
AS_MUCH = 0.9  # of the gain of a higher rate, by more time or smaller batches, where the rate is a usual one: then it is not to blame


def suspect(case: Case) -> Suspicion | None:
    """A bad outcome is enough to try; the signal says how soon."""
    if case.setup.rate != 1.0 or not rate_of(case) or not case.outcome().finite:
        return None
    step, left = largest_step(case), rate_at_half(case)
    evidence = {"rate": rate_of(case), "largest_update_against_weights": round(step, 8), "rate_left_at_half": round(left, 6)}
    faded = left < GONE
    return Suspicion(
        CODE, 0.7 if faded or step < STEP else 0.35, evidence, probe=_probe,
        would_have="no higher rate that does better at the same length",
        message="The learning rate falls to almost nothing before half of the training is done." if faded else f"The learning rate of {rate_of(case):g} is too low for this program.",
    )  # fmt: skip


def _probe(case: Case) -> Proof | None:
    remedies: list[Remedy] = []
    if rate_at_half(case) < GONE and not case.setup.constant:
        remedies.append(
            Remedy(
                "Let the schedule fall over the whole of the training: step it once for each epoch, or give it the number of updates.",
                lambda setup: replace(setup, name="constant rate", constant=True),
            )
        )
    found = sweep(case)
    if found.best >= APART:
        rate = rate_of(case) * found.best
        optimizer = case.program.optimizers[case.view.optimizer]
        remedies.append(
            Remedy(
                f"Set the learning rate to {rate:.2g}.",
                lambda setup: tuned(case, setup),
                lambda: source_calls.set_rate(optimizer.place, optimizer.kind.__name__, float(f"{rate:.2g}")) if optimizer.place else None,
            )
        )
    proof = case.best(Suspicion(CODE, 1.0, {}, tuple(remedies), margin=margin(case)))
    if proof is None or proof.gain is None:
        return None
    if usual(case):
        for other in (optim_batch.proof(case), optim_budget.proof(case)):
            if other is not None and other.gain is not None and other.gain.value >= AS_MUCH * proof.gain.value:
                return None
    return replace(proof, facts={"rates": rates_tried(case)})
