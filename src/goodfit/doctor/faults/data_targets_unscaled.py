"""`data.targets-unscaled`: numbers to be predicted whose spread or mean lies orders of magnitude away from 1 and 0.

A network begins with answers near 0 and a spread below 1, and an adaptive optimiser moves each weight by about its rate with every update: thousands are
out of its reach for thousands of updates. A squared error of targets in the hundreds has gradients a hundred times too large for plain gradient descent.
The experiment teaches standardised targets and scales the answers back, so both copies are scored in the targets' own units.
Source: Bishop, Neural Networks for Pattern Recognition (1995), section 8.2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from goodfit.doctor import source_data
from goodfit.doctor.case import MARGIN, Case, Remedy, Suspicion
from goodfit.doctor.short import Setup

CODE = "data.targets-unscaled"
LARGE = (
    8.0  # of the mean or the spread: standardised targets have 1, and a network's last bias learns a mean of 5 within some thousand updates
)
SMALL = 0.03  # of the spread: below, the noise of the steps is larger than what is to be learned
OFF = 8.0  # the mean in spreads
GROSS = 8.0  # times beyond, from where it is tried though the outcome is no worse than a simple learner's


def suspect(case: Case) -> Suspicion | None:
    """The kind is numbers, and their mean or spread is beyond a bound."""
    view = case.view
    if view.kind != "regression" or view.meeting is None or view.pool is None or case.setup.targets is not None:
        return None
    targets = view.targets(view.trained).detach().double()
    if not bool(torch.isfinite(targets).all()):
        return None
    wide = targets.dim() > 1 and targets.shape[-1] > 1
    flat = targets.reshape(-1, targets.shape[-1] if wide else 1)
    middle, spread = flat.mean(0), flat.std(0, unbiased=False)
    least = float(spread.max()) * 1e-6
    if least <= 0:
        return None  # they never change: nothing to scale
    spread = torch.where(spread > least, spread, torch.ones_like(spread))
    size, small, off = float(spread.max()), float(spread.max()), float((middle.abs() / spread).max())
    far = float(middle.abs().max())
    beyond = max(size / LARGE, far / LARGE, SMALL / small, off / OFF)
    if beyond <= 1:
        return None
    remedy = Remedy(
        "Standardise the targets by the mean and the standard deviation of the training rows, and scale the answers back when predicting.",
        lambda setup: scaled(setup, middle, spread), lambda: _edit(case, middle, spread), fair=False,
    )  # fmt: skip
    return Suspicion(
        CODE, min(0.65 + 0.1 * beyond**0.25, 0.92),
        {"target_spread": float(f"{size:.4g}"), "target_mean": float(f"{far:.4g}"), "first_loss": float(f"{case.outcome().losses[0]:.4g}")},
        (remedy,), always=beyond >= GROSS, margin=MARGIN if case.whole else 2 * MARGIN,
        would_have="the same share of the variance explained with standardised targets",
        message="The targets are not scaled: their mean or spread lies far from 0 and 1, out of reach of the network's first answers.",
    )  # fmt: skip


def scaled(setup: Setup, middle: Tensor, spread: Tensor) -> Setup:
    """Taught (target - middle) / spread, answers brought back before they are scored; on top of what the setup does to both already."""
    taught, after = setup.targets, setup.afterwards

    def targets(target: Tensor, rows: Tensor) -> Tensor:
        given = target if taught is None else taught(target, rows)
        one = given if given.is_floating_point() else given.float()
        return (one - middle.to(one)) / spread.to(one)

    def afterwards(answer: Tensor) -> Tensor:
        back = answer * _fit(spread, answer) + _fit(middle, answer)
        return back if after is None else after(back)

    return replace(setup, name="standardised targets", targets=targets, afterwards=afterwards)


def _fit(numbers: Tensor, answer: Tensor) -> Tensor:
    return numbers.to(answer) if answer.dim() and answer.shape[-1] == len(numbers) else numbers.to(answer).reshape(-1)[:1].squeeze(0)


def _edit(case: Case, middle: Tensor, spread: Tensor) -> Any:
    model, computed = case.program.places.get("model"), case.program.places.get("loss")
    if model is None or computed is None or case.view.meeting is None or len(middle) != 1:
        return None
    return source_data.scale_targets(model, computed, case.view.meeting.loss, float(middle[0]), float(spread[0]))
