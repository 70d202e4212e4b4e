"""The course of the learning rate: pure functions of settings, update and planned number of updates.

A schedule that ends needs `total`. Where training stops earlier (early stopping, a time limit) it runs against the planned
maximum and is cut; where nothing is planned, only constant and plateau make sense, with or without warm-up.
"""

from __future__ import annotations

import math
from typing import Any

from goodfit.base.errors import SettingError
from goodfit.base.recipe import OptimPart

_WARMUP = {
    "one-cycle": 0.3,  # Smith and Topin 2018 rise for under half; torch and fastai take 0.3
    "cosine": 0.05,  # Loshchilov and Hutter 2017 have none; transformers from scratch diverge without (Xiong et al. 2020)
    "wsd": 0.05,  # Hägele et al. 2024 use a few per cent
}
_START = 25.0  # one-cycle begins at 1/25 of the peak (Smith and Topin 2018, torch)
_END = 1e4  # and ends at 1/25e4 of it
_MOMENTUM = (0.95, 0.85)  # one-cycle: where the rate is low, and at its peak (Smith 2018, torch)
_GAIN = 1e-4  # relative gain that counts on a plateau, as in torch
_LOWEST = 1e-4  # a plateau's smallest factor: weights hardly move in float32 below a ten-thousandth of a useful rate


def factor(settings: OptimPart, step: int, total: int | None, ending: int | None = None) -> float:
    """What the base rate is multiplied with at update `step` (from 0) of `total`; in [0, 1], and above 0 while step < total.

    ending: the update from which wsd falls, where that was decided on the way; by its share of the updates when None.

    Raises SettingError when the schedule needs to know `total` and it is None.

    >>> [factor(OptimPart(schedule="wsd", warmup=0.25, decay_share=0.5), step, 8) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    name = settings.schedule or "constant"
    share = _WARMUP.get(name, 0.0) if settings.warmup is None else settings.warmup
    if total is None:
        if name not in ("constant", "plateau") or share:
            asked = f"optim.schedule={name}" if name not in ("constant", "plateau") else "optim.warmup"
            raise SettingError(f"{asked} needs the number of updates; set train.epochs, or leave it out", value=name)
        return 1.0
    step = min(step, total)
    if name == "one-cycle":
        return _one_cycle(step, total, share, (1 / _START, 1.0, 1 / (_START * _END)))
    rising = share * total
    risen = min(1.0, (step + 1) / rising) if rising >= 1 else 1.0
    if name == "step":
        return risen * settings.step_factor ** math.floor(max(step - rising, 0.0) / (settings.step_every * total) + 1e-9)
    if name == "cosine":
        return risen if step < rising else 0.5 * (1 + math.cos(math.pi * (step - rising) / max(total - rising, 1.0)))
    if name == "wsd":
        if ending is not None:
            return (total - step) / max(total - ending, 1)
        return min(risen, (total - step) / max(settings.decay_share * total, 1.0))
    return risen


def cycled(settings: OptimPart) -> float | None:
    """The share of the updates over which momentum falls, to rise after it; None where the schedule leaves it alone.

    One-cycle turns it against the rate, as torch's OneCycleLR does, unless it was given: SGD's momentum and Adam's beta1.
    """
    own = {"sgd": settings.momentum, None: settings.beta1, "adam": settings.beta1, "adamw": settings.beta1}
    if settings.schedule != "one-cycle" or settings.name not in own or own[settings.name] is not None:
        return None
    return _WARMUP["one-cycle"] if settings.warmup is None else settings.warmup


def cycle_momentum(group: dict[str, Any], step: int, total: int | None) -> None:
    """Set the momentum of an optimiser's group for update `step` of `total`, where `build` marked it as cycled.

    0.95 at the first update, 0.85 where the rate is highest, 0.95 at the last (Smith, A disciplined approach to neural network
    hyper-parameters, 2018).
    """
    share = group.get("cycled")
    if share is None or total is None:
        return
    high, low = _MOMENTUM
    momentum = _one_cycle(min(step, total), total, share, (high, low, high))
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    else:
        group["momentum"] = momentum


def _one_cycle(step: int, total: int, share: float, values: tuple[float, float, float]) -> float:
    """From the first value to the second along half a cosine until just before `share` of the updates, then to the third (torch's OneCycleLR)."""
    first, second, third = values
    peak, last = share * total - 1, total - 1
    if step <= peak:
        return _cosine(first, second, step / max(peak, 1e-9))
    return _cosine(second, third, min(1.0, (step - peak) / max(last - peak, 1e-9)))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


class Plateau:
    """`factor` is multiplied by `shrink` after every `patience` evaluations without gain.

    A gain is one of more than 1e-4 of the best score; a score that is not a number is none.
    """

    def __init__(self, settings: OptimPart, *, maximise: bool) -> None:
        self.maximise, self.patience, self.shrink = maximise, settings.plateau_patience, settings.step_factor
        self.factor = 1.0
        self.best: float | None = None
        self.waited = 0

    def update(self, score: float) -> None:
        """Note an evaluation."""
        if score == score and (self.best is None or self._gains(score, self.best)):
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.factor, self.waited = max(self.factor * self.shrink, _LOWEST), 0

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "best": self.best, "waited": self.waited}

    def load_state_dict(self, document: dict[str, Any]) -> None:
        self.factor, self.best, self.waited = float(document["factor"]), document["best"], int(document["waited"])

    def _gains(self, score: float, best: float) -> bool:
        margin = _GAIN * abs(best)
        return score > best + margin if self.maximise else score < best - margin
