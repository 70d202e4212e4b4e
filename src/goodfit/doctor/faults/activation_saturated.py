"""`activation.saturated`: hidden units of sigmoid or tanh stand at their bounds, where no gradient passes.

Signal: over several batches, at the start or after some updates, most values of a hidden sigmoid or tanh lie within a hundredth of a bound (Glorot and Bengio 2010, section 3). The output's own
activation is not counted: a classifier that is sure is saturated there. Proof: ReLU in place of them does better, and beyond what the best rate brings.
Neighbours: unscaled inputs and weights that begin too large saturate units too, and are repaired better at their source; then that gains more.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from goodfit.doctor import source_networks
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.layers import SQUASHING, calls, file_of, owner
from goodfit.doctor.rates import BEYOND, beyond, margin
from goodfit.doctor.surgery import swapped
from goodfit.doctor.vitals import RECTIFIERS, SQUASHERS, Activation

CODE = "activation.saturated"
MOST = 0.5  # of the values of one activation's call: a fresh network of usual weights and scaled inputs has under a twentieth
ENOUGH = 0.5  # of what is missing: then no other remedy need be tried


def hidden_activations(case: Case, found: list[Activation]) -> list[Activation]:
    """Those with weights behind them."""
    flags = [call.hidden for call in calls(case) if call.name in RECTIFIERS | SQUASHERS]
    if len(flags) < len(found):
        return found[:-1]
    return [one for one, hidden in zip(found, flags, strict=False) if hidden]  # answers of one number a row are not among those found


def suspect(case: Case) -> Suspicion | None:
    """Values at the bounds."""
    shares = [
        one.saturated
        for state in (case.vitals.begun, case.vitals.later)
        for one in hidden_activations(case, state)
        if one.name in SQUASHING
    ]
    if not shares or max(shares) < MOST:
        return None
    remedy = swap(case, SQUASHING)
    return Suspicion(
        CODE, 0.5, {"saturated": round(max(shares), 3)}, (remedy,), probe=lambda case: beyond_rate(case, CODE, remedy),
        would_have="the same with units that cannot saturate", message=f"{max(shares):.0%} of the values of a hidden activation stand at its bounds, where no gradient passes.",
    )  # fmt: skip


def swap(case: Case, names: frozenset[str]) -> Remedy:
    """ReLU in place of hidden activations of these names."""
    surgery = swapped(calls(case), names, torch.relu)
    old = next((call.name for call in calls(case) if call.hidden and call.name in names), "sigmoid").rstrip("_").capitalize()
    file, kind = file_of(case), owner(case)
    return Remedy(
        f"Use nn.ReLU() in place of the hidden nn.{old}().",
        lambda setup: replace(setup, name=f"ReLU for {old}", surgery=(*setup.surgery, surgery)),
        lambda: source_networks.replace_activations(file, old, "ReLU", kind) if file else None,
    )


def beyond_rate(case: Case, code: str, *remedies: Remedy, least: float = BEYOND) -> Proof | None:
    """The first remedy that brings at least half of what is missing, else the best, if it brings more than the best rate alone."""
    proofs: list[Proof] = []
    for remedy in remedies:
        proof = case.best(Suspicion(code, 1.0, {}, (remedy,), margin=margin(case)))
        if proof is not None and proof.gain is not None:
            proofs.append(proof)
            if proof.gain.share > ENOUGH:
                break
    if not proofs:
        return None
    best = max(proofs, key=lambda proof: proof.gain.value if proof.gain else 0.0)
    return best if beyond(case, best, least) else None
