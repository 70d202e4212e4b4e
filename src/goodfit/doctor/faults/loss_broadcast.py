"""`loss.broadcast`: answers [B, 1] meet targets [B] (or the other way round), and the loss is that of every answer with every target, [B, B].

The signal is exact: as many answers as targets, in shapes that torch spreads over each other to more. Every answer is then drawn to the mean of all targets.
Outputs and targets of different numbers are `head.units`. Source: torch warns of it in mse_loss; the silent bugs of Tambon et al. 2023.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_calls, source_loops, source_losses
from goodfit.doctor.case import Case, Remedy, Suspicion
from goodfit.doctor.short import Setup
from goodfit.doctor.source import Source
from goodfit.doctor.task import LOSSES

CODE = "loss.broadcast"
BY_CLASS = frozenset({"cross_entropy", "nll_loss", "multi_margin_loss", "inside"})  # answers have one dimension more by right


def suspect(case: Case) -> Suspicion | None:
    """The shapes where answer and target meet."""
    view, meeting, answer = case.view, case.view.meeting, case.trail.answer
    if meeting is None or answer is None or meeting.loss in BY_CLASS or view.pool is None or meeting.target not in view.pool.slots:
        return None
    target = view.data(view.batches[0])[meeting.target]
    if answer.shape == target.shape or answer.numel() != target.numel():
        return None
    try:
        spread = torch.broadcast_shapes(answer.shape, target.shape)
    except RuntimeError:
        return None
    if torch.Size(spread).numel() <= answer.numel():
        return None
    shape, number = answer.shape[1:], meeting.target

    def change(setup: Setup) -> Setup:
        earlier = setup.prepare

        def prepare(data: list[Tensor]) -> list[Tensor]:
            data = list(data) if earlier is None else earlier(data)
            data[number] = data[number].reshape(-1, *shape)
            return data

        return replace(setup, name="with equal shapes", prepare=prepare)

    return Suspicion(
        CODE, 0.98, {"answers": list(answer.shape), "targets": list(target.shape), "compared": list(spread)},
        (Remedy("Give answers and targets the same shape before the loss, with squeeze(-1) or unsqueeze(-1).", change, lambda: _edit(case, answer, target)),),
        certain=True, would_have="the same score with equal shapes",
        message=f"Answers of shape {list(answer.shape)} are compared with targets of shape {list(target.shape)}: torch spreads them over each other to {list(spread)}.",
    )  # fmt: skip


def _edit(case: Case, answer: Tensor, target: Tensor) -> Any:
    meeting, where, forward = case.view.meeting, case.program.places.get("loss"), case.program.places.get("forward")
    assert meeting is not None
    if meeting.loss in LOSSES and where is not None:
        if answer.dim() > target.dim():
            return source_losses.fit_arguments(where, meeting.loss, output="{}.squeeze(-1)")
        return source_losses.fit_arguments(where, meeting.loss, target="{}.squeeze(-1)")
    source = Source.read(forward.file) if forward is not None else None
    name = (
        source_loops.network_name(source, forward, case.program.places.get("model")) if source is not None and forward is not None else None
    )
    if name is None or forward is None:
        return None
    return source_calls.wrap(forward, "{}.squeeze(-1)" if answer.dim() > target.dim() else "{}.unsqueeze(-1)", [name])
