"""`fit.overfitting`: the network learns its training rows by heart, and pays for it on others.

A gap between training and held rows is no fault; getting worse with more training is. A copy is scored on held rows as it trains, on three seeds, and where
the program's own networks can be scored as they ended, so are these. Stopping where the curve turned, weight decay and dropout are then tried; where to
stop is chosen on each half of the held rows for the other half, so that no row has a say in how it is scored.
Source: Prechelt, Early Stopping - But When? (1998); Zhang et al., Understanding deep learning requires rethinking generalization (2017).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor import source_calls, source_loops
from goodfit.doctor.case import ERRORS, MARGIN, SEEDS, Case, Gain, Proof, Remedy, Suspicion
from goodfit.doctor.faults.data_shift import another_kind
from goodfit.doctor.program import Part
from goodfit.doctor.replay import Copies, ReplayError
from goodfit.doctor.short import Outcome, Setup, run, score

CODE = "fit.overfitting"
GAP = 0.1  # of skill, or of the first loss, between training and held rows, beyond 3 standard errors
LOOKS = 16  # scores along a copy: enough to see a turn, at the price of some batches each
RISE = 0.3  # of the first loss that the held loss rises from its lowest: a score may stay while answers become surely wrong
ABOVE = 0.05  # skill that must be left after the remedy: below, nothing is learned at all, and that is another fault
DROPPED = 0.3  # share of units, of what goes into each linear layer after the first
SLIGHT = (
    0.06  # of skill lost, below which a turn is told and no fault; the loss alone may rise though most programs are judged by their score
)
BETTER = 0.02  # of skill by which the program's own end must be above a copy's to show that it kept a better network than its last
FEWEST = 40  # held rows: half of them choose, half judge


@dataclass(frozen=True, slots=True)
class Trace:
    """A copy scored on held rows as it trains. at: updates. points: [held] each; losses: the program's loss on them. trained: of training rows, at the end."""

    seed: int
    at: list[int]
    points: list[Tensor | None]
    losses: list[float]
    outcome: Outcome


def suspect(case: Case) -> Suspicion | None:
    """A gap, of the copy or of the program's own networks as they ended."""
    view = case.view
    if view.pool is None or view.kind == "unknown" or len(view.held) < FEWEST or another_kind(case):
        return None
    for outcome in (case.finished, case.outcome()):
        if outcome is None or outcome.held is None or outcome.trained is None:
            continue
        room = max(1 - view.answers.base, 1e-6)
        gap = float(outcome.trained.mean() - outcome.held.mean()) / room
        error = math.hypot(*(float(one.std()) / math.sqrt(len(one)) for one in (outcome.trained, outcome.held))) / room
        first = max(abs(case.outcome().losses[0]), 1e-9)
        apart = (outcome.held_loss - outcome.trained_loss) / first
        if (gap > GAP and gap > 3 * error) or apart > GAP:
            return Suspicion(
                CODE, 0.5,
                {
                    "skill_on_training_rows": round(case.level([outcome], "trained") or 0.0, 3), "skill_on_held_rows": round(case.level([outcome]) or 0.0, 3),
                    "training_loss": float(f"{outcome.trained_loss:.4g}"), "held_loss": float(f"{outcome.held_loss:.4g}"),
                },
                always=True, probe=_probe, would_have="held rows that are scored as well at the end as at any time before",
                message="The network learns its training rows by heart: from some point on, more training makes it worse on all others.",
            )  # fmt: skip
    return None


def looks(updates: int) -> list[int]:
    """The numbers of updates at which a copy is scored: in growing steps at first, then in even ones; the last is the end."""
    shares = [(look + 1) / LOOKS for look in range(LOOKS)]
    return sorted({max(1, round(updates**share if share <= 0.5 else updates * share)) for share in shares} | {updates})


def traced(case: Case, setup: Setup, seed: int) -> Trace:
    """Trains a copy to its length and scores it as it goes, more often at the beginning."""
    updates = case.updates
    at = looks(updates)[:-1]
    points: list[Tensor | None] = []
    losses: list[float] = []

    def look(done: int, copies: Copies, loss: Tensor) -> None:
        if done in at and len(points) < at.index(done) + 1:
            held, mean = score(case.view, setup, copies, case.view.held)
            points.append(held)
            losses.append(mean)

    outcome = run(case.view, setup, updates=updates, seed=seed, seconds=max(case.left, 0.5), watch=look)
    case.runs += 1
    return Trace(seed, [*at[: len(points)], outcome.updates], [*points, outcome.held], [*losses, outcome.held_loss], outcome)


def _probe(case: Case) -> Proof | None:
    traces = [traced(case, case.setup, SEEDS[0])]
    turns = _turns(case, traces[0])
    if turns is None:
        return None
    for seed in SEEDS[1:]:
        if case.left < 4 * traces[0].outcome.seconds:
            break
        traces.append(traced(case, case.setup, seed))
    found = [_judged(case, "stopped", traces, [_at(case, trace, turns) for trace in traces], _stopping(case, turns))]
    for remedy in _remedies(case):
        setup = remedy.change(case.setup)
        after: list[Outcome] = []
        for trace in traces:
            if case.left < 2 * trace.outcome.seconds:
                break
            after.append(case.outcome(setup, trace.seed))
            if _judged(case, setup.name, traces[: len(after)], after, remedy, sure=False) is None:
                break
        else:
            found.append(_judged(case, setup.name, traces, after, remedy))
    proofs = [proof for proof in found if proof is not None]
    editable = [proof for proof in proofs if proof.remedy is not None and proof.remedy.source is not None]
    best = max(proofs, key=_worth, default=None)
    if best is not None and editable and (one := max(editable, key=_worth)) is not best:
        assert best.gain is not None
        if _worth(one) >= _worth(best) - best.gain.error:
            return one  # what can be written into the program for as much as chance tells apart
    return best


def _worth(proof: Proof) -> float:
    return proof.gain.value if proof.gain is not None else 0.0


def _halves(case: Case) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(case.view.held), generator=torch.Generator().manual_seed(case.seed))
    return order[: len(order) // 2], order[len(order) // 2 :]


def _turns(case: Case, trace: Trace) -> tuple[int, int] | None:
    """For each half of the held rows the look at which to stop, as the other half says; None where the end is as good as any look before."""
    room, first = max(1 - case.view.answers.base, 1e-6), max(abs(trace.losses[0]), 1e-9)
    ended = _ended(case, trace).held
    if ended is None or any(points is None or len(points) != len(ended) for points in trace.points):
        return None
    points = torch.stack([one for one in trace.points if one is not None])  # [looks, held]
    low = min(range(len(trace.losses)), key=lambda look: trace.losses[look] if math.isfinite(trace.losses[look]) else math.inf)
    if _end(case, trace.losses[-1]) - trace.losses[low] >= RISE * first:
        return low, low
    if float(points.mean(1).max() - ended.mean()) < MARGIN * room:
        return None
    one, other = (int(points[:, half].mean(1).argmax()) for half in _halves(case))
    return other, one


def _end(case: Case, loss: float) -> float:
    """The held loss at the end: of the program itself where a copy is shorter."""
    return case.finished.held_loss if case.finished is not None and not case.whole and math.isfinite(case.finished.held_loss) else loss


def _at(case: Case, trace: Trace, turns: tuple[int, int]) -> Outcome:
    """The copy as it was at the looks, each half of the held rows by its own."""
    held = trace.outcome.held
    assert held is not None
    mixed, losses = held.clone(), []
    for half, turn in zip(_halves(case), turns, strict=True):
        look = min(turn, len(trace.at) - 1)
        points = trace.points[look]
        assert points is not None
        mixed[half] = points[half]
        losses.append(trace.losses[look])
    return replace(trace.outcome, held=mixed, held_loss=statistics.fmean(losses))


def _ended(case: Case, trace: Trace) -> Outcome:
    """How the program as it is ends: its own networks where a copy is shorter or where it kept better ones than the last, else the copy."""
    if case.setup is not case.first:
        return trace.outcome
    ends = [one for one in (case.finished, case.once("kept", case.first, lambda: kept(case))) if one is not None and one.held is not None]
    best = max(ends, key=_scored, default=None)
    if best is None or (case.whole and _scored(best) < _scored(trace.outcome) + BETTER * max(1 - case.view.answers.base, 1e-6)):
        return trace.outcome
    return best


def _scored(outcome: Outcome) -> float:
    return -math.inf if outcome.held is None else float(outcome.held.mean())


def kept(case: Case) -> Outcome | None:
    """The network that the program judges by at its end, scored, where it is another one than it trains and built like that: the best one, or an average."""
    view, program = case.view, case.program
    if view.carved or not program.evaluations:
        return None
    ours = next((node.call.network for node in view.tape.nodes if isinstance(node.call, Part)), None)
    theirs = [node.call.network for tape in program.evaluations[-1].tapes for node in tape.nodes if isinstance(node.call, Part)]
    others = {one for one in theirs if one != ours}
    if ours is None or len(others) != 1:
        return None
    trained, other = program.finals[ours], program.finals[(number := others.pop())]
    if _shapes(trained) != _shapes(other):
        return None
    finals = list(program.finals)
    finals[ours] = program.finals[number]
    copies = Copies(finals, program.loose_finals)
    try:
        held, loss = score(view, case.first, copies, view.held)
    except (ReplayError, RuntimeError):
        return None
    return Outcome(case.first, 0, list(program.losses), held, held, loss, loss, True, program.updates, 0.0)


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in network.named_parameters()}


def _judged(case: Case, name: str, traces: list[Trace], after: list[Outcome], remedy: Remedy, *, sure: bool = True) -> Proof | None:
    """What the remedy is worth. sure: False asks only whether it may be worth a further seed."""
    before = [_ended(case, trace) for trace in traces]
    sides = (before, after)
    if any(one.held is None for side in sides for one in side):
        return None
    gain = case.gain(*sides)
    first = max(abs(traces[0].losses[0]), 1e-9)
    fallen = [(a.held_loss - b.held_loss) / first for a, b in zip(before, after, strict=True)]
    risen = statistics.fmean(fallen)
    error = statistics.stdev(fallen) / math.sqrt(len(fallen)) if len(fallen) > 1 else 0.0
    by_points = gain.clears(MARGIN) if sure else gain.value >= MARGIN
    by_loss = risen >= RISE and gain.value > -MARGIN / 2 and (not sure or (len(fallen) > 1 and risen >= ERRORS * error))
    level = case.level(sides[1])
    if not (by_points or by_loss) or level is None or level < max(ABOVE, ERRORS * gain.error if by_points else 0.0):
        return None
    showed = f"held skill {case.level(sides[0]):.3f} as it is and {level:.3f} {name}, held loss {statistics.fmean(one.held_loss for one in before):.3g} and {statistics.fmean(one.held_loss for one in after):.3g}"
    worth = gain if by_points else Gain(max(gain.value, 0.0), gain.error, max(gain.share, 0.0), gain.each)
    sureness = 0.5 * (1 + math.erf((gain.value / max(gain.error, 1e-3) if by_points else risen / max(error, 1e-3)) / math.sqrt(2)))
    return Proof(
        worth, showed, remedy, remedy.change(case.setup), tuple(before), tuple(after), confidence=round(min(sureness, 0.999), 3),
        facts={"held_loss_lower_by": round(risen, 3)}, severity="error" if gain.value >= (MARGIN if by_loss else SLIGHT) else "remark",
    )  # fmt: skip


def _stopping(case: Case, turns: tuple[int, int]) -> Remedy:
    """Stop at these looks: of so many updates."""
    updates, step = case.updates, case.program.places.get("step")
    at = sum(looks(updates)[min(turn, len(looks(updates)) - 1)] for turn in turns) // 2
    return Remedy(
        f"Stop early: keep the weights of the best validation score; on held rows it turned after about {at} of {case.program.updates} updates.",
        lambda setup: replace(setup, name="stopped early", stop=at / max(updates, 1)),
        lambda: source_loops.multiply_epochs(step, at / max(case.program.updates, 1)) if step else None,
    )


def _remedies(case: Case) -> list[Remedy]:
    """Weight decay of a strength that suits the optimiser, and dropout before each linear layer but the first."""
    use = case.program.optimizers[case.view.optimizer]
    apart = "AdamW" in use.kind.__name__ or any(options.get("decoupled_weight_decay") for options in use.options)
    rate = float(use.options[0].get("lr", 1e-3) or 1e-3)
    now = float(use.options[0].get("weight_decay", 0.0) or 0.0)
    plain = issubclass(use.kind, torch.optim.SGD)
    decay = float(f"{(1.5 / (rate * max(case.updates, 1)) if apart else 0.03 if plain else 0.01):.1g}")
    found = []
    if decay > 2 * now:
        found.append(
            Remedy(
                f"Set the weight decay to {decay:g}.",
                lambda setup: replace(setup, name="with weight decay", options={**setup.options, "weight_decay": decay}),
                _decaying(case, decay),
            )
        )
    found.append(
        Remedy(
            f"Drop {DROPPED:.0%} of the units before each linear layer after the first.",
            lambda setup: replace(setup, name="with dropout", surgery=(*setup.surgery, _drop)),
        )
    )
    return found


def _decaying(case: Case, decay: float) -> Callable[[], Any] | None:
    use = case.program.optimizers[case.view.optimizer]
    place = use.place
    return None if place is None else lambda: source_calls.set_argument(place, use.kind.__name__, "weight_decay", f"{decay:g}")


def _drop(networks: list[nn.Module]) -> None:
    """Drops part of what goes into each linear layer but the first of a network, in training."""
    for network in networks:
        for layer in [part for part in network.modules() if isinstance(part, nn.Linear)][1:]:
            layer.register_forward_pre_hook(lambda part, given: (nn.functional.dropout(given[0], DROPPED, part.training), *given[1:]))
