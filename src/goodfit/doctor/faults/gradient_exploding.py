"""`gradient.exploding`: now and then, or by the depth of the network or the length of a sequence, gradients are so large that one update undoes many.

Signal: the norm of all gradients together, over the first updates, has a largest value ten times its median; or gradients against weights are a hundred times larger in the first layers
than in the last; or the loss jumps to three times what it was, or leaves the numbers. Proof: gradients clipped to the usual norm (or a tenth of it) do better.
Neighbour: `optim.rate-high`. Gradients explode by themselves where weights that stand still have a heavy tail of norms, by depth, or in a layer that is applied step after step: then clipping
at the same rate has to do as well as the best lower rate, and is looked at first. Elsewhere it has to do better than that. What comes from unscaled numbers gains more by scaling.
Source: Pascanu, Mikolov and Bengio 2013.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import torch
from torch import Tensor, nn

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.faults.activation_saturated import beyond_rate
from goodfit.doctor.faults.gradient_vanishing import FEWEST, depth_ratio
from goodfit.doctor.layers import weighted
from goodfit.doctor.program import Clip
from goodfit.doctor.rates import BEYOND
from goodfit.doctor.replay import Copies
from goodfit.doctor.short import run

CODE = "gradient.exploding"
TAIL = 10.0  # times the median: norms of sound programs vary two- to threefold
RATIO = 1e2  # first layers against last
JUMP = 3.0  # times the median of the eight losses before it
STEPS = 8  # applications of one layer in a row: over fewer, nothing grows a hundredfold
AS_GOOD = (
    0.02  # of skill, by which clipping may be behind the best lower rate where gradients explode by themselves: the noise of two copies
)
STILL = 12  # batches looked at with weights that stand still
LIMIT = 1.0  # the usual norm, torch's own examples have it; where the median is smaller, that


def suspect(case: Case) -> Suspicion | None:
    """Norms with a heavy tail, or that grow with depth."""
    if case.setup.clip is not None or any(isinstance(event, Clip) for event in case.view.pattern):
        return None
    outcome = case.outcome()
    norms = [norm for norm in case.vitals.norms if math.isfinite(norm)]
    if not norms:
        return None
    median = statistics.median(norms)
    tail = max(norms) / max(median, 1e-12)
    ratio = depth_ratio(case, chain) if len(chain := weighted(case)) >= FEWEST else 1.0
    leap = jump(outcome.losses)
    if tail < TAIL and ratio < RATIO and leap < JUMP and outcome.finite and len(norms) == len(case.vitals.norms):
        return None
    limit = float(f"{min(LIMIT, median if outcome.finite and median > 0 else LIMIT):.1g}")
    places = case.program.places
    step = places.get("step")

    def clipped(limit: float) -> Remedy:
        return Remedy(
            f"Clip the gradients before each update: torch.nn.utils.clip_grad_norm_(model.parameters(), {limit:g}).",
            lambda setup: replace(setup, name="clipped", clip=limit),
            lambda: source_loops.insert_clipping(step, limit, places.get("forward"), places.get("model")) if step else None,
        )

    remedies = (clipped(limit), clipped(limit / 10))
    own = ratio >= RATIO or _steps(case) >= STEPS or _tail_at_rest(case) >= TAIL
    evidence = {
        "largest_norm": max(norms),
        "median_norm": median,
        "gradient_first_to_last": ratio,
        "largest_jump_of_the_loss": leap,
        "explodes_by_itself": own,
    }
    return Suspicion(
        CODE, 0.85 if own else 0.5, evidence, remedies,
        probe=lambda case: beyond_rate(case, CODE, *remedies, least=-AS_GOOD if own else BEYOND), would_have="no gain from clipping beyond that of a lower rate",
        message="Some gradients are so much larger than the others that single updates undo many.",
    )  # fmt: skip


def _steps(case: Case) -> int:
    """How often a layer is applied to its own answer: the steps of a recurrent layer's sequence, or the calls of one layer for one answer."""
    found = [0]
    for layer in weighted(case):
        recurrent = isinstance(layer.module, nn.RNNBase) and len(layer.given) == 3
        found.append(layer.given[1 if layer.module.batch_first else 0] if recurrent else layer.calls if layer.given == layer.made else 0)
        if isinstance(layer.module, nn.RNNCellBase):
            found.append(layer.calls)
    return max(found)


def _tail_at_rest(case: Case) -> float:
    """The largest norm over the median, over some batches, of weights that stand still: what comes from the data and not from updates that overshoot."""
    norms: list[float] = []

    def look(done: int, copies: Copies, loss: Tensor) -> None:
        norms.append(float(torch.stack([weight.grad.norm() for weight in copies.parameters() if weight.grad is not None]).norm()))

    updates = min(STILL, case.updates)
    run(case.view, replace(case.setup, rate=0.0, zero=True), updates=updates, seconds=max(min(case.left, 5.0), 0.2), watch=look)
    if not all(math.isfinite(norm) for norm in norms):
        return math.inf
    return max(norms) / max(statistics.median(norms), 1e-12) if len(norms) > 4 else 1.0


def jump(losses: list[float]) -> float:
    """The largest loss against the median of the eight before it; infinite where one is no number."""
    if not all(math.isfinite(loss) for loss in losses):
        return math.inf
    floor = max(0.1 * abs(losses[0]) if losses else 0.0, 1e-9)  # what is learned by heart may double and be nothing
    return max((losses[n] / max(statistics.median(losses[n - 8 : n]), floor) for n in range(8, len(losses))), default=0.0)
