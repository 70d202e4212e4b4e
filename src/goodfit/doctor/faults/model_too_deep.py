"""`model.too-deep`: more layers than the optimiser can train: a network with fewer of them has a *lower* training loss, so it is not what the network can hold.

Signal: a bad outcome, also on the rows that were trained on, of a network with at least three layers (or blocks) of one kind in a row that keep the shape. Proof: with all but the
first of each left out, it does better on rows that were trained on as well as on others, and more than the best rate brings. Source: He et al. 2015, "Deep residual learning", section 1.
"""

from __future__ import annotations

from dataclasses import replace

from goodfit.doctor import source_layers
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.model_too_small import LEARNED
from goodfit.doctor.layers import file_of, repeated
from goodfit.doctor.rates import at_best_rates, margin
from goodfit.doctor.surgery import shallower

CODE = "model.too-deep"


def suspect(case: Case) -> Suspicion | None:
    """Layers that could be left out, and training rows that are not learned."""
    trained = case.level([case.outcome()], "trained")
    if case.view.kind == "unknown" or trained is None or trained > LEARNED:
        return None
    gone = repeated(case)
    if not gone:
        return None
    surgery = shallower(gone)
    file = file_of(case)
    remedy = Remedy(
        f"Leave out {len(gone)} of the layers that repeat each other, or give each a shortcut around it and a norm.",
        lambda setup: replace(setup, name="shallower", surgery=(*setup.surgery, surgery)),
        lambda: source_layers.set_depth(file, len(gone) + 1, 1) or source_layers.set_depth(file, len(gone) + 2, 2) if file else None,
    )
    return Suspicion(
        CODE, 0.45, {"layers_left_out": [layer.path for layer in gone][:20], "trained_skill": round(trained, 4)}, (remedy,), probe=lambda case: _probe(case, remedy),
        would_have="a shallower network no better on the rows that were trained on", message="The network is deeper than it can be trained: a shallower one learns the training rows better.",
    )  # fmt: skip


def _probe(case: Case, remedy: Remedy) -> Proof | None:
    over = margin(case)
    proof = at_best_rates(case, remedy, Suspicion(CODE, 1.0, {}, margin=over))
    if proof is None or not case.gain(proof.before, proof.after, on="trained").clears(over):
        return None
    return proof
