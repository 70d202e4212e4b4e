"""Whether the networks of a recipe fit into memory, asked where the user set their sizes: those that we choose do."""

from __future__ import annotations

from typing import Any

import torch

from goodfit.base.machine import free_memory
from goodfit.base.recipe import Recipe
from goodfit.data.encoder import Encoder
from goodfit.models import catalogue
from goodfit.models.memory import SIZES, refuse_too_large


def refuse_without_room(request: Recipe, recipe: Recipe, encoder: Encoder, outputs: int, device: torch.device) -> None:
    """Raises SettingError where training a network of `recipe`, the resolved `request`, takes more memory than the device has free for
    each of the networks that are trained side by side."""
    if (not any(request.given(name) for name in SIZES) and request.partner is None) or recipe.train.neighbours:
        return  # of a graph that is read in parts, the account is of the whole
    for own in (recipe, recipe.second):
        if own is None or own.model.name in catalogue.BROUGHT:  # whose sizes are not ours to choose
            continue
        inputs: dict[str, dict[str, Any]] = {name: dict(specification) for name, specification in encoder.inputs.items()}
        if "numbers" in inputs:
            inputs["numbers"]["bins"] = encoder.bins(own.model.bins or 48)
        refuse_too_large(
            own.model.name or "",
            inputs,
            outputs,
            catalogue.taken(own.model),
            batch_size=-(-(own.train.batch_size or 256) // own.train.accumulate),
            optimiser=own.optim.name or "adamw",
            copies=1 + (own.optim.ema is not None),
            free=free_memory(device) // (recipe.train.workers or 1),
        )
