"""`optim.rate-high`: the learning rate is so high that updates overshoot; the loss leaves the numbers, jumps, or stays where it was.

Signal: the outcome is bad; stronger where the loss is no number, ends above its start, or an update moves weights by over a tenth of their length (a thousandth
is usual: Bottou 2012). Nothing of it is proof: a sweep from the same start must like a rate at least three times lower, and the duel at full length decides.
Not the edge of stability (Cohen et al. 2021): a ragged loss that falls is no fault. Neighbours: whatever makes gradients large (unscaled inputs and targets, sums in place
of means) is repaired better at its source, and then gains more than a lower rate does; a batch that is too small is no reason either.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

from goodfit.doctor import source_calls
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.rates import APART, margin, rate_of, sweep, tuned

CODE = "optim.rate-high"
STEP = 0.1  # of a weight's length in one update: a hundred times what is usual


def suspect(case: Case) -> Suspicion | None:
    """A bad outcome is enough to try; the signal says how soon."""
    if case.setup.rate != 1.0 or not rate_of(case):
        return None
    outcome = case.outcome()
    losses = outcome.losses
    broken = not outcome.finite or (len(losses) > 4 and not statistics.fmean(losses[-3:]) < losses[0])
    step = largest_step(case)
    evidence = {
        "rate": rate_of(case), "largest_update_against_weights": round(step, 5) if math.isfinite(step) else None,
        "loss_at_start": losses[0] if losses else None, "loss_at_end": losses[-1] if losses else None,
    }  # fmt: skip
    strength = 0.8 if broken else 0.6 if step > STEP else 0.35
    return Suspicion(
        CODE, strength, evidence, probe=_probe, would_have="no lower rate that does better at the same length",
        message=f"The learning rate of {rate_of(case):g} is too high for this program.",
    )  # fmt: skip


def largest_step(case: Case) -> float:
    """The largest move of a weight in the first update, against its length."""
    vitals = case.vitals
    if not vitals.moves or not vitals.weights:
        return 0.0
    return max(
        (move / vitals.weights[0][name] for name, move in vitals.moves[0].items() if vitals.weights[0].get(name, 0.0) > 1e-3), default=0.0
    )


def _probe(case: Case) -> Proof | None:
    found = sweep(case)
    if found.best > 1 / APART:
        return None
    rate = rate_of(case) * found.best
    optimizer = case.program.optimizers[case.view.optimizer]
    remedy = Remedy(
        f"Set the learning rate to {rate:.2g}.",
        lambda setup: tuned(case, setup),
        lambda: source_calls.set_rate(optimizer.place, optimizer.kind.__name__, float(f"{rate:.2g}")) if optimizer.place else None,
    )
    proof = case.best(Suspicion(CODE, 1.0, {}, (remedy,), margin=margin(case)))
    return None if proof is None else replace(proof, facts={"rates": rates_tried(case)})


def rates_tried(case: Case) -> dict[str, float | None]:
    """Losses of the sweep by rate, for the evidence."""
    return {
        f"{rate_of(case) * factor:.2g}": round(loss, 5) if math.isfinite(loss) else None
        for factor, loss in sorted(sweep(case).losses.items())
    }
