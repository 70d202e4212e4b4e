"""`activation.dead`: hidden rectified units that are zero for every row, and are missed.

Signal: over several batches, at the start, after some updates or at the end of a copy, at least half of the units of one hidden ReLU are zero for every row. One batch alone says nothing
(the rule of 70 % zeros in a batch made 36 of 37 false alarms of DeepDiagnosis), and dead units that nothing is lost by are no fault: the outcome must be bad.
Proof: leaky units in their place do better, and beyond what the best rate brings: units that a high rate has killed are that rate's fault. Source: Maas et al. 2013 (leaky units), Lu et al. 2019.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.doctor import source_layers, source_networks
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.faults.activation_saturated import beyond_rate, hidden_activations
from goodfit.doctor.faults.gradient_vanishing import hidden_layers
from goodfit.doctor.layers import RECTIFYING, calls, file_of, owner
from goodfit.doctor.rates import BEYOND, margin
from goodfit.doctor.surgery import normalised, swapped
from goodfit.doctor.vitals import Activation, activations

CODE = "activation.dead"
MOST = 0.5  # of the units of a layer: with fewer the rest can do the work
SLOPE = 0.1  # of the leaky units: torch's own 0.01 lets a hundredth of a gradient through, too little to bring a unit back in a short run


def suspect(case: Case) -> Suspicion | None:
    """Units that never fire."""
    begun = _most(hidden_activations(case, case.vitals.begun))
    later = max(_most(hidden_activations(case, case.vitals.later)), _most(hidden_activations(case, _ended(case))))
    if max(begun, later) < MOST:
        return None
    surgery = swapped(calls(case), RECTIFYING, leaky)
    file, kind = file_of(case), owner(case)
    remedy = Remedy(
        f"Use nn.LeakyReLU({SLOPE}) in place of the hidden nn.ReLU().",
        lambda setup: replace(setup, name="leaky units", surgery=(*setup.surgery, surgery)),
        lambda: source_networks.replace_activations(file, "ReLU", "LeakyReLU", kind) if file else None,
    )
    remedies = [remedy]
    if begun >= MOST and (before := hidden_layers(case)):
        remedies.append(
            Remedy(
                "Put a norm (nn.BatchNorm or nn.LayerNorm) before every hidden activation.",
                lambda setup: replace(setup, name="norms", surgery=(*setup.surgery, normalised(before))),
                lambda: source_layers.insert_norms(file, kind) if file else None,
            )
        )
    when = "from the start" if begun >= MOST else "after some training"
    least = BEYOND if begun >= MOST else margin(case)  # what has died on the way, a lower rate may have kept
    return Suspicion(
        CODE, 0.5, {"dead_at_the_start": round(begun, 3), "dead_later": round(later, 3)}, tuple(remedies), probe=lambda case: beyond_rate(case, CODE, *remedies, least=least),
        would_have="the same with units that cannot die", message=f"{max(begun, later):.0%} of the units of a hidden layer are zero for every row, {when}.",
    )  # fmt: skip


def leaky(x: Tensor) -> Tensor:
    """max(x, 0.1 x)"""
    return F.leaky_relu(x, SLOPE)


def _ended(case: Case) -> list[Activation]:
    """As the copy was at its end."""

    def make() -> list[Activation]:
        copies = case.outcome().copies
        if copies is None:
            return []
        with torch.no_grad():
            return activations(case.view, copies, case.setup)[0]

    return case.once("activations at the end", case.setup, make)


def _most(found: list[Activation]) -> float:
    return max((one.dead for one in found if one.name in RECTIFYING), default=0.0)
