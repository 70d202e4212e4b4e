"""How a network of a run comes by its weights: by training, or by solving where its problem has one optimum."""

from __future__ import annotations

from collections.abc import Callable

import torch

from goodfit.api.fitting import Fitted, Fold, Job, train_member
from goodfit.api.folder import RunFolder
from goodfit.api.solving import solve_member
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Member
from goodfit.models import catalogue


def fit_member(
    run: RunFolder,
    job: Job,
    fold: Fold,
    *,
    device: torch.device,
    keep: Callable[[Recipe], None],
    progress: Progress,
    made: Callable[[Fold, Recipe, int], Member] | None = None,
    pause: int | None = None,
) -> Fitted:
    """Train or solve the network of the job; `keep` is given its recipe with all that was decided here. made, pause: see `train_member`."""
    if catalogue.entry(job.recipe.model.name or "").solved:
        return solve_member(run, job, fold, device=device, keep=keep, progress=progress)
    return train_member(run, job, fold, device=device, keep=keep, progress=progress, made=made, pause=pause)
