"""`loss.reduction`: the loss grows with the batch, or shrinks with it, so that the learning rate means something else for every batch size.

The signal is exact: the same rows given twice in one batch double the loss (a sum), or halve it (a mean divided by the batch once more). It harms where the
rate was meant for a mean; an optimiser that takes no notice of the scale, or a rate chosen for the sum, is no fault, and the mean at the same rate then
gains nothing. A factor of the batch's size that the program itself multiplies with or divides by is part of the loss. Between 1.8 and 0.6 lies every loss that is a mean with a penalty or a contrast between rows. Source: Goyal et al. 2017, on losses and batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_loops, source_losses
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.program import Part
from goodfit.doctor.replay import Copies
from goodfit.doctor.short import Setup, loss_of

CODE = "loss.reduction"
SUM, TWICE = 1.8, 0.6  # of the loss of the rows given twice to theirs; a sum gives 2, a mean divided again 0.5


def suspect(case: Case) -> Suspicion | None:
    """The loss of a batch and of the same rows twice."""
    view, meeting = case.view, case.view.meeting
    if (
        view.pool is None
        or meeting is None
        or meeting.target not in view.pool.slots
        or len(view.batches[0]) < 2
        or case.setup.loss is not None
    ):
        return None
    rows = view.batches[0]
    copies = Copies(view.program.networks, view.program.loose)
    copies.set_modes(view.tape, False)
    once, twice = (float(loss_of(view, Setup(), copies, some).detach()) for some in (rows, torch.cat([rows, rows])))
    if abs(once) < 1e-8 or not abs(twice) < float("inf"):
        return None
    ratio = twice / once * _counted(case)
    if not (ratio >= SUM or 0 < ratio <= TWICE):
        return None
    entries = 1
    target = view.pool.whole(meeting.target)
    if not (meeting.loss == "cross_entropy" and target.is_floating_point()):
        entries = max(target[0].numel(), 1)
    weigh: Callable[[Tensor, int], Tensor] = (
        (lambda loss, count: loss / (count * entries)) if ratio >= SUM else (lambda loss, count: loss * count)
    )

    def change(setup: Setup) -> Setup:
        return replace(setup, name="with the mean over the batch", weigh=weigh)

    more = "a sum over the rows" if ratio >= SUM else "a mean over the rows that is divided by their number again"
    return Suspicion(
        CODE, 0.8, {"loss_of_rows": once, "loss_of_rows_twice": once * ratio, "batch": len(rows)},
        (Remedy("Use the mean over the batch: reduction='mean'.", change, lambda: _edit(case, ratio)),),
        certain=True, would_have="no gain by the mean at the same rate",
        message=f"The loss is {more}: twice the rows make it {ratio:.2g} times as large, and every update with it.",
    )  # fmt: skip


def _counted(case: Case) -> float:
    """By how much more the loss of twice the rows grows than a run of the tape shows, where the rows' number is a plain number: `loss * len(x)` gives 2."""
    view, meeting = case.view, case.view.meeting
    assert meeting is not None
    assert view.pool is not None
    slot = view.pool.slots[meeting.target]
    rows = view.tape.data[meeting.target].shape[slot.dim] // slot.chunk
    factor = 1.0
    for node in view.tape.nodes[meeting.node :]:
        if not isinstance(node.call, Part) and any(type(given) is int and given == rows for given in node.args):
            factor *= {"mul": 2.0, "__mul__": 2.0, "__rmul__": 2.0, "div": 0.5, "true_divide": 0.5, "__truediv__": 0.5}.get(node.name, 1.0)
    return factor


def _edit(case: Case, ratio: float) -> Any:
    """The mean where the sum is taken; where that is not found, the loss divided by the rows of a batch before its gradients are computed."""
    meeting, where, tape = case.view.meeting, case.program.places.get("loss"), case.view.tape
    assert meeting is not None
    if ratio >= SUM:
        if where is not None and tape.nodes[meeting.node].kwargs.get("reduction") == "sum":
            return source_losses.set_loss_argument(where, meeting.loss, "reduction", '"mean"')
        sums = [node.place for node in tape.nodes[meeting.node :] if node.name == "sum" and node.place is not None]
        if len(sums) == 1 and (made := source_losses.mean_for_sum(sums[0])) is not None:
            return made
    backward = case.program.places.get("backward")
    sign = "/" if ratio >= SUM else "*"
    return source_loops.scale_backward(backward, f"({{}} {sign} {case.view.batch_size})") if backward is not None else None
