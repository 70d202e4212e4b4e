"""`curvature.saddle`: training stands at a saddle: the gradient is silent, but some direction bends down.

Signal: a bad outcome whose loss has hardly fallen over the second half of a copy. Proof, in two parts: the point where the copy ended is a saddle by the second-order test, and the step along the
direction that bends down most lowers the loss more than twenty updates' worth of the gradient; and copies whose weights begin with a little noise added, which
is what leads off a saddle, do better to the end than those without, and than those at the best rate. Source: Dauphin et al. 2014; Jin et al. 2017 for noise as the way out.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.curvature.critical import critical_point
from goodfit.curvature.escape import escape
from goodfit.curvature.objective import Objective, gradient
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.faults.activation_saturated import beyond_rate
from goodfit.doctor.rates import rate_of
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.short import entered

CODE = "curvature.saddle"
STANDS = 0.02  # of the loss, over the second half: less than that is standing
MOST_WEIGHTS = 2_000_000  # beyond, the ends of the spectrum take longer than the examination
BATCHES = 4  # for the spectrum: as many as tell the gradient from its noise
NOISE = 0.1  # of 1 / sqrt(inputs): a sixth of torch's own values
WORTH = 20  # updates along the gradient, at the program's rate, that the way out is held against
STEPS = 60  # products with the Hessian at most, the price of some 120 gradients
SECONDS = 8.0  # that must be left


@dataclass(frozen=True, slots=True)
class Out:
    """before: the loss. bent: what a step along the direction that bends down gains at best. straight: what twenty updates' worth of the gradient gains. low, high: ends of the spectrum."""

    kind: str
    confidence: float
    before: float
    bent: float
    straight: float
    low: float
    high: float


def suspect(case: Case) -> Suspicion | None:
    """Loss that stands."""
    outcome = case.outcome()
    losses = outcome.losses
    if not outcome.finite or len(losses) < 16 or outcome.copies is None:
        return None
    half, tenth = len(losses) // 2, max(len(losses) // 10, 4)
    middle, end = statistics.fmean(losses[half : half + tenth]), statistics.fmean(losses[-tenth:])
    fallen = (middle - end) / max(abs(middle), 1e-12)
    size = sum(weight.numel() for weight in outcome.copies.parameters() if weight.requires_grad)
    if fallen > STANDS or size > MOST_WEIGHTS or end <= 0:
        return None
    return Suspicion(
        CODE, 0.3, {"fallen_in_the_second_half": round(fallen, 5), "weights": size}, probe=_probe,
        would_have="no direction that bends down, or as much gained along the gradient", message="Training stands at a saddle, not at a minimum: there is a way down that the gradient does not show.",
    )  # fmt: skip


def _probe(case: Case) -> Proof | None:
    if case.left < SECONDS:
        return None
    out = way_out(case)
    if out is None or out.kind not in {"saddle", "maximum"} or out.bent <= 2 * out.straight:
        return None
    remedy = Remedy(
        "Begin with a little noise on the weights (or their own random initial values), or use momentum.",
        lambda setup: replace(setup, name="noise on the weights", surgery=(*setup.surgery, shaken)),
    )
    proof = beyond_rate(case, CODE, remedy)
    facts = {
        "kind": out.kind, "confidence_of_kind": round(out.confidence, 4), "lowest_eigenvalue": out.low, "highest_eigenvalue": out.high, "loss": out.before,
        "gain_along_the_curvature": out.bent, "gain_along_the_gradient": out.straight,
    }  # fmt: skip
    return None if proof is None else replace(proof, facts=facts)


def shaken(networks: list[nn.Module]) -> None:
    """Normal noise on every weight of two dimensions and more."""
    with torch.no_grad():
        for network in networks:
            for weight in network.parameters():
                if weight.dim() > 1 and weight.is_floating_point():
                    weight.add_(torch.randn_like(weight), alpha=NOISE / math.sqrt(weight[0].numel()))


def way_out(case: Case) -> Out | None:
    """The point where the copy ended, and what steps away from it gain. The copy is left as it was."""
    copies = case.outcome().copies
    if copies is None:
        return None
    copies.set_modes(case.view.tape, False)
    weights = [weight for weight in copies.parameters() if weight.requires_grad]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            objective = Objective(
                lambda rows: _loss(case, copies, rows),
                weights,
                case.view.batches[:BATCHES],
                [float(len(rows)) for rows in case.view.batches[:BATCHES]],
            )
            point = critical_point(objective, steps=STEPS)
            slope = gradient(objective).mean
            home = [weight.detach().clone() for weight in weights]
            straight = _along(objective, weights, -WORTH * rate_of(case) * case.setup.rate * slope)
            _put(weights, home)
            bent = escape(objective, point).gain if point.direction is not None else 0.0
            _put(weights, home)
        except (InputError, ReplayError):
            return None
    return Out(point.kind, point.confidence, point.loss, bent, straight, point.ends.low, point.ends.high)


def _loss(case: Case, copies: Copies, rows: Tensor) -> Tensor:
    data = case.view.data(rows)
    if case.setup.prepare is not None:
        data = case.setup.prepare(data)
    with entered(case.setup):
        if case.setup.loss is not None and case.view.meeting is not None:
            return case.setup.loss(
                run_tape(case.view.tape, copies, data, until=case.view.meeting.output), data[case.view.meeting.target]
            ).sum()
        loss: Tensor = run_tape(case.view.tape, copies, data)
        return loss.sum()


@torch.no_grad()
def _along(objective: Objective, weights: list[Tensor], move: Tensor) -> float:
    """What a move [P] gains, 0 where it does not."""
    before = objective.now()
    for weight, piece in zip(weights, objective.pieces(move), strict=True):
        weight.add_(piece)
    after = objective.now()
    return max(before - after, 0.0) if math.isfinite(after) else 0.0


def _put(weights: list[Tensor], home: list[Tensor]) -> None:
    with torch.no_grad():
        for weight, start in zip(weights, home, strict=True):
            weight.copy_(start)
