"""`gradient.exploding`: now and then, or by the depth of the network or the length of a sequence, gradients are so large that one update undoes many.

Signal: the norm of all gradients together, over the first updates, has a largest value ten times its median; or gradients against weights are a hundred times larger in the first layers
than in the last; or the loss jumps to three times what it was, or leaves the numbers. Proof: gradients clipped to the usual norm do better, and better than the best rate alone: what only a lower
rate cures as well is `optim.rate-high`; what comes from unscaled numbers gains more by scaling. Source: Pascanu, Mikolov and Bengio 2013.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

from goodfit.doctor import source_loops
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.faults.activation_saturated import beyond_rate
from goodfit.doctor.faults.gradient_vanishing import FEWEST, depth_ratio
from goodfit.doctor.layers import weighted
from goodfit.doctor.program import Clip

CODE = "gradient.exploding"
TAIL = 10.0  # times the median: norms of sound programs vary two- to threefold
RATIO = 1e2  # first layers against last
JUMP = 3.0  # times the median of the eight losses before it
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
    remedy = Remedy(
        f"Clip the gradients before each update: torch.nn.utils.clip_grad_norm_(model.parameters(), {limit:g}).",
        lambda setup: replace(setup, name="clipped", clip=limit),
        lambda: source_loops.insert_clipping(step, limit, places.get("forward"), places.get("model")) if step else None,
    )
    return Suspicion(
        CODE, 0.5, {"largest_norm": max(norms), "median_norm": median, "gradient_first_to_last": ratio, "largest_jump_of_the_loss": leap}, (remedy,),
        probe=lambda case: beyond_rate(case, CODE, remedy), would_have="no gain from clipping beyond that of a lower rate",
        message="Some gradients are so much larger than the others that single updates undo many.",
    )  # fmt: skip


def jump(losses: list[float]) -> float:
    """The largest loss against the median of the eight before it; infinite where one is no number."""
    if not all(math.isfinite(loss) for loss in losses):
        return math.inf
    floor = max(0.1 * abs(losses[0]) if losses else 0.0, 1e-9)  # what is learned by heart may double and be nothing
    return max((losses[n] / max(statistics.median(losses[n - 8 : n]), floor) for n in range(8, len(losses))), default=0.0)
