"""`optim.choice`: an optimiser that crawls at its best rate where AdamW, at its own, does not.

Signal: a bad outcome of plain gradient descent (momentum below one half), of a method that is not meant for batches (Rprop), whose rate fades (Adagrad, Adadelta),
or of Adam with constants far from the usual. Proof: both at the best rates of their sweeps, at equal length; and AdamW gains beyond what the better rate alone gains, else the
fault is the rate. Source: Zhang et al. 2020, "Why are adaptive methods good for attention models?"; Loshchilov and Hutter 2019 for AdamW.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from goodfit.doctor import source_calls
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.rates import margin, sweep, tuned

CODE = "optim.choice"
RATE = 1e-3  # torch's own for AdamW, the middle of its sweep
SLOW = frozenset({"Rprop", "Adagrad", "Adadelta", "ASGD", "SparseAdam"})
ADAMS = frozenset({"Adam", "AdamW", "NAdam", "RAdam", "Adamax"})


def suspect(case: Case) -> Suspicion | None:
    """Optimisers and constants that are known to crawl."""
    if not case.program.optimizers or case.setup.optimizer is not None:
        return None
    use = case.program.optimizers[case.view.optimizer]
    odd = _odd(use.kind.__name__, use.options[0] if use.options else {})
    if odd is None:
        return None
    return Suspicion(
        CODE, 0.3, {"optimizer": use.kind.__name__, "reason": odd}, probe=_probe,
        would_have="the optimiser as it is, at its best rate, doing as well as AdamW at its own", message=f"{use.kind.__name__} {odd}, and does much worse here than AdamW.",
    )  # fmt: skip


def _odd(name: str, options: Mapping[str, Any]) -> str | None:
    if name == "SGD":
        momentum = float(options.get("momentum", 0.0))
        return "has no momentum" if momentum < 0.5 else "has a momentum so near to 1 that it overshoots" if momentum > 0.98 else None
    if name in SLOW:
        return "is not made for small batches" if name == "Rprop" else "takes smaller and smaller steps"
    if name == "RMSprop" and float(options.get("alpha", 0.99)) < 0.5:
        return "forgets its averages at once"
    if name in ADAMS:
        first, second = options.get("betas", (0.9, 0.999))
        if first > 0.98 or not 0.5 <= second < 1 or float(options.get("eps", 1e-8)) > 1e-3:
            return "has constants far from the usual ones"
    return None


def _probe(case: Case) -> Proof | None:
    kept = {name: value for name, value in case.setup.options.items() if name == "weight_decay"}
    other = case.once(
        "adamw", case.setup, lambda: replace(case.setup, name="AdamW", rate=1.0, optimizer=torch.optim.AdamW, options={**kept, "lr": RATE})
    )
    own, best = tuned(case), tuned(case, other)
    rate = RATE * sweep(case, other).best
    use = case.program.optimizers[case.view.optimizer]
    remedy = Remedy(
        f"Use torch.optim.AdamW with a learning rate of {rate:.2g}.",
        lambda setup: best,
        lambda: (
            source_calls.replace_optimizer(use.place, use.kind.__name__, "torch.optim.AdamW", float(f"{rate:.2g}")) if use.place else None
        ),
    )
    over = margin(case)
    if own is not case.setup and case.gain([case.outcome(own)], [case.outcome(best)]).value < over:
        return None
    proof = case.duel(Suspicion(CODE, 1.0, {}, margin=over), remedy)
    if proof is None or own is case.setup:
        return proof
    rated = [case.outcome(own, one.seed) for one in proof.after]
    alone = case.gain(rated, proof.after)
    return replace(proof, facts={"gain_beyond_the_best_rate": round(alone.value, 4)}) if alone.clears(over) else None
