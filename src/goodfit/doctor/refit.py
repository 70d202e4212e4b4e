"""A program with the usual loss for what it answers: its head made as wide as that needs, what follows the head left out."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from goodfit.doctor.case import Case
from goodfit.doctor.short import Setup
from goodfit.doctor.standard import usual_loss
from goodfit.doctor.task import Answers
from goodfit.doctor.trail import bare, changing, with_units


def refit(case: Case, setup: Setup, answers: Answers, units: int) -> Setup | None:
    """`setup` with the usual loss of `answers`, over `units` outputs. None where the head is not found and its answers do not fit as they are."""
    usual = usual_loss(answers)
    if usual is None:
        return None
    _, loss = usual
    surgery, around = setup.surgery, setup.around
    if case.head is not None:
        if case.head.units != units:
            surgery = (*surgery, with_units(case.head, units))
        around = (*around, lambda head=case.head: changing(bare(head))())  # type: ignore[misc] # each run marks anew
    elif not _fits(case, answers, units):
        return None
    judged = replace(answers, threshold=0.0) if answers.kind in {"binary", "multilabel"} else answers
    after = setup.afterwards
    if answers.kind in {"classes", "one-hot"} and _coded(case):
        after = chosen
    return replace(setup, name="with the usual loss", surgery=surgery, around=around, loss=loss, afterwards=after, answers=judged)


def chosen(answer: Tensor) -> Tensor:
    """[..., C] -> [...]: the likeliest class as a number, where targets are numbers too."""
    return answer.argmax(-1).float()


def _coded(case: Case) -> bool:
    """Whether a target has as many dimensions as the answer will have: [B, 1] codes against [B, C], so that points are to be had by the codes alone."""
    meeting = case.view.meeting
    assert meeting is not None
    return case.view.kind == "classes" and (case.head is not None or case.view.tape.data[meeting.target].is_floating_point())


def _fits(case: Case, answers: Answers, units: int) -> bool:
    answer, meeting = case.trail.answer, case.view.meeting
    if answer is None or meeting is None:
        return False
    last = case.trail.of(answer)
    if last is not None and last.name in {"softmax", "sigmoid", "log_softmax", "tanh", "relu"}:
        return False
    target = case.view.tape.data[meeting.target]
    if answers.kind == "classes":
        return answer.dim() > 1 and units in {answer.shape[1], answer.shape[-1]} and answer.numel() == units * target.numel()
    return answer.numel() == target.numel() and isinstance(target, torch.Tensor)
