"""`numeric.non-finite`: a number is lost (NaN, infinity) in a calculation that ordinary numbers go into.

The signal: losses that are no numbers, and the first call that made such out of ordinary ones: a logarithm or a root of 0, a division by 0, an exponential
of 89, or data that hold them from the start. A slope counts as well (the root of 0 is 0, its slope infinite). Numbers that grow from update to update until
they overflow are an explosion (`optim.rate-high`, `gradient.exploding`), told apart by the size of what goes in: 1e4 at most here.
The experiment guards such calls (and fills such data with the column's mean): the copy must stay among the numbers and do better.
Source: DeepFix of numerical bugs, GRIST (Yan et al. 2021).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_numbers
from goodfit.doctor.case import Case, Proof, Remedy, Suspicion
from goodfit.doctor.guards import GUARDS, Guarded
from goodfit.doctor.program import Part, Place, tensors_of
from goodfit.doctor.replay import Copies, ReplayError
from goodfit.doctor.short import Setup, run
from goodfit.doctor.source import Edit
from goodfit.doctor.task import answers_of
from goodfit.doctor.trail import Call, changing, user_frame

CODE = "numeric.non-finite"
ORDINARY = 1e4  # the largest size of what goes in that no explosion has made
FEWEST_FINITE = 0.5  # of the rows: with fewer, filling them is no repair


@dataclass(frozen=True, slots=True)
class _Origin:
    """The first call that made what is no number of ordinary ones. backward: its slope did."""

    name: str
    size: float
    place: Place | None
    backward: bool = False


def suspect(case: Case) -> Suspicion | None:
    """Losses that are no numbers, and where they come from."""
    lost = _lost_data(case)
    if lost is not None:
        return lost
    outcome = case.outcome()
    if outcome.finite or Guarded in case.setup.around:
        return None
    origin = _origin(case, len(outcome.losses) + 8)
    if origin is None or origin.name not in GUARDS or origin.size > ORDINARY:
        return None
    what = f"the slope of {origin.name}" if origin.backward else origin.name
    evidence: dict[str, Any] = {
        "call": origin.name,
        "backward": origin.backward,
        "largest_argument": origin.size,
        "update": len(outcome.losses),
    }
    place = origin.place or _on_the_tape(case, origin.name)
    if place is not None:
        evidence |= {"file": place.file, "line": place.line}
    remedy = Remedy(
        f"Keep the argument of {origin.name} away from where it has no value: add a small number (eps), clamp it, or use torch's own function for the whole.",
        lambda setup: replace(setup, name="with guarded functions", around=(*setup.around, Guarded)),
        lambda: source_numbers.guard(place, origin.name) if place is not None else None,
    )
    return Suspicion(
        CODE, 0.93, evidence, (remedy,), certain=True, would_have="no numbers after as many updates, or no better a score, with guarded functions",
        message=f"The loss is no number: {what} gives the first infinity or NaN, of arguments no larger than {origin.size:.3g}.",
    )  # fmt: skip


def _on_the_tape(case: Case, name: str) -> Place | None:
    """Where the user's loop calls a function of that name, if only one line of it does: calls of the loop are made by the tape in the copies."""
    places = {node.place for node in case.view.tape.nodes if node.name == name and node.place is not None}
    return places.pop() if len({(place.file, place.line) for place in places}) == 1 else None


def _origin(case: Case, updates: int) -> _Origin | None:
    """Runs a copy until the first number is lost."""
    found: list[_Origin] = []

    def watch(call: Call) -> Any:
        answer = call.run()
        if found or not isinstance(answer, Tensor) or not answer.is_floating_point() or not isinstance(call.first, Tensor):
            return answer
        given = [leaf for leaf in (*call.args, *call.kwargs.values()) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
        if not _finite(answer):
            if all(_finite(leaf) for leaf in given):
                found.append(_Origin(call.name, _size(given), user_frame()[0]))
                raise ReplayError("found")
        elif call.name in GUARDS and answer.requires_grad and call.first.requires_grad:
            _watch_slope(call, answer, found)
        return answer

    def stop(done: int, copies: Copies, loss: Tensor) -> None:
        if found:
            raise ReplayError("found")

    setup = replace(case.setup, around=(*case.setup.around, changing(watch)))
    with contextlib.suppress(ReplayError, RuntimeError):
        run(case.view, setup, updates=updates, seconds=max(min(case.left / 4, 10.0), 0.5), watch=stop)
    return found[0] if found else None


def _watch_slope(call: Call, answer: Tensor, found: list[_Origin]) -> None:
    """Notes the call where the slope that comes in is finite and the one that goes on is not."""
    arrived: list[bool] = []
    place, size = user_frame()[0], _size([call.first])
    answer.register_hook(lambda slope: arrived.append(_finite(slope)))

    def left(slope: Tensor) -> None:
        if not found and arrived == [True] and not _finite(slope):
            found.append(_Origin(call.name, size, place, backward=True))

    call.first.register_hook(left)


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor.detach()).all())


def _size(tensors: list[Tensor]) -> float:
    return max((float(leaf.detach().abs().max()) for leaf in tensors if leaf.numel()), default=0.0)


def _lost_data(case: Case) -> Suspicion | None:
    """Data that hold what is no number."""
    view = case.view
    if view.pool is None or case.setup.prepare is not None or case.setup.rows is not None:
        return None
    target = view.meeting.target if view.meeting else None
    numbers = [number for number in view.pool.slots if view.pool.whole(number).is_floating_point()]
    lost = {number: ~torch.isfinite(view.pool.whole(number)) for number in numbers}
    lost = {number: where for number, where in lost.items() if bool(where.any()) and number in {*view.inputs(), target}}
    if not lost:
        return None
    whole = torch.stack([where.flatten(1).any(1) for where in lost.values()]).any(0)
    fill = {
        number: _means(view.pool.whole(number)[view.trained], ~where[view.trained]) for number, where in lost.items() if number != target
    }

    def prepare(data: list[Tensor]) -> list[Tensor]:
        data = list(data)
        for number, means in fill.items():
            slot = view.pool.slots[number] if view.pool is not None else None
            if slot is None:
                continue
            pieces = slot.cut(data[number], data[number].shape[slot.dim] // slot.chunk)
            data[number] = slot.joined(torch.where(torch.isfinite(pieces), pieces, means.to(pieces)))
        return data

    kept = view.trained[~whole[view.trained]] if target in lost else None
    if kept is not None and len(kept) < FEWEST_FINITE * len(view.trained):
        return None

    def change(setup: Setup) -> Setup:
        return replace(setup, name="with all data numbers", prepare=prepare, rows=kept)

    share = float(whole.float().mean())
    remedy = Remedy(
        "Leave out the rows without a target, and fill the gaps of the inputs with the column's mean (over training rows).",
        change,
        lambda: _edit(case, fill) if target not in lost else None,
    )
    suspicion = Suspicion(
        CODE, 0.96, {"rows_with_gaps": int(whole.sum()), "share": round(share, 4), "in_targets": target in lost}, (remedy,), certain=True,
        would_have="no better a score with the gaps filled", message=f"{share:.1%} of the rows hold NaN or infinity, and every loss that takes them is lost.",
    )  # fmt: skip
    if target not in lost or view.meeting is None or view.kind == "unknown" or kept is None:
        return suspicion
    judged = answers_of(view.kind, view.tape.nodes[view.meeting.node], view.pool.whole(view.meeting.target)[kept])

    def prove(case: Case) -> Proof | None:
        return case.duel(suspicion, remedy, replace(case.setup, answers=judged))

    return replace(suspicion, probe=prove)


def _edit(case: Case, fill: dict[int, Tensor]) -> Edit | None:
    """Where the gaps are in the first input of the first network."""
    first = next((node for node in case.view.tape.nodes if isinstance(node.call, Part)), None)
    place = case.program.places.get("model")
    given = tensors_of(first.args[:1]) if first is not None else []
    if place is None or len(fill) != 1 or not given or getattr(given[0], "number", None) not in fill:
        return None
    (means,) = fill.values()
    last = means.shape[-1] if means.dim() else 1
    return source_numbers.fill_inputs(place, means.flatten().tolist()) if means.numel() == last else None


def _means(values: Tensor, finite: Tensor) -> Tensor:
    """Of each entry over the rows where it is a number; 0 where it never is."""
    total = torch.where(finite, values, torch.zeros_like(values)).sum(0)
    return total / finite.sum(0).clamp_min(1)
