"""Proven remedies as changes of a recipe: what was changed in the copy, said in settings. A change that no setting makes has no edit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from goodfit.api.rerun import Ended
from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe, without_effect
from goodfit.doctor.case import Proof, Suspicion
from goodfit.doctor.short import Setup
from goodfit.models import catalogue

WIDE = 64  # units, as the remedy of `model.too-small` has them
UNCLIPPED = 1e6  # the largest bound of the gradient's norm that a recipe may have: none is met


def editor(recipe: Recipe, ended: Ended) -> Callable[[Suspicion, Proof, Setup], dict[str, Any] | None]:
    """For `examine_program`: {"settings": {name: value}, "before": {name: value}} of a proven remedy. recipe: as resolved, with all edits before."""
    state = {"recipe": recipe}

    def edit(suspicion: Suspicion, proof: Proof, before: Setup) -> dict[str, Any] | None:
        now = state["recipe"]
        found = settings_of(suspicion, proof, before, now, ended)
        if not found or (changed := applied(now, found)) is None:
            return None
        told = {"settings": found, "before": {name: looked_up(now, name) for name in found}}
        state["recipe"] = changed
        return told

    return edit


def settings_of(suspicion: Suspicion, proof: Proof, before: Setup, recipe: Recipe, ended: Ended) -> dict[str, Any]:
    """What the copy's setup has that the one before had not, in settings."""
    after = proof.setup
    if after is None:
        return {}
    found: dict[str, Any] = {}
    if after.optimizer is not before.optimizer and after.optimizer is not None:
        found["optim.name"] = "adamw"
        found["optim.lr"] = _short(after.options.get("lr", 1e-3) * after.rate)
    elif after.rate != before.rate and recipe.optim.lr is not None:
        found["optim.lr"] = _short(recipe.optim.lr * after.rate / before.rate)
    if "weight_decay" in after.options and after.options["weight_decay"] != before.options.get("weight_decay"):
        found["optim.weight_decay"] = float(after.options["weight_decay"])
    if after.clip != before.clip and after.clip is not None:
        found["optim.clip"] = after.clip
    if after.unclipped and not before.unclipped:
        found["optim.clip"] = UNCLIPPED
    if after.constant and not before.constant:
        found["optim.schedule"] = "constant"
    if after.batch != before.batch and recipe.train.batch_size is not None:
        found["train.batch_size"] = max(1, round(recipe.train.batch_size * after.batch / before.batch))
    if (times := after.stretch * after.batch / before.stretch / before.batch) > 1.01:
        found |= _longer(recipe, ended, times)
    if after.loss is not None and before.loss is None and suspicion.code == "fit.over-regularised":
        found |= {"train.label_smoothing": 0.0} if recipe.train.label_smoothing else {}
        found |= {name: 0.0 for name in ("optim.l1", "optim.l2") if looked_up(recipe, name)}
    if len(after.surgery) > len(before.surgery) or suspicion.code == "data.imbalance":
        found |= _built(suspicion.code, after.name, recipe)
    return found


def _longer(recipe: Recipe, ended: Ended, times: float) -> dict[str, Any]:
    """More updates: of what ended the training."""
    if ended.waited and recipe.train.patience is not None:
        return {"train.patience": math.ceil(recipe.train.patience * times)}
    if recipe.train.epochs is not None and ended.epochs >= recipe.train.epochs:
        return {"train.epochs": math.ceil(recipe.train.epochs * times)}
    if recipe.train.time_limit is not None:
        return {"train.time_limit": math.ceil(recipe.train.time_limit * times)}
    return {"train.epochs": math.ceil((recipe.train.epochs or 1) * times)}


def _built(code: str, name: str, recipe: Recipe) -> dict[str, Any]:
    """A network that is put together otherwise."""
    takes = catalogue.entry(recipe.model.name or "").settings
    model = recipe.model
    found: dict[str, Any] = {}
    if "without dropout" in name or (code == "fit.over-regularised" and model.dropout):
        found["model.dropout"] = 0.0
    elif code == "model.too-small":
        found["model.width"] = max(WIDE, model.width or 0)
        found |= {"model.depth": 1} if model.depth == 0 else {}
    elif code == "model.too-deep" and model.depth:
        found["model.depth"] = max(1, model.depth // 4)
    elif "ReLU" in name or "leaky" in name:
        found["model.activation"] = "leaky_relu" if "leaky" in name else "relu"
    elif "group norm" in name or name.startswith("norms"):
        found["model.norm"] = "layer"
    elif code == "data.imbalance":
        found["data.balance"] = "classes"
    return {setting: value for setting, value in found.items() if setting.startswith("data.") or setting.removeprefix("model.") in takes}


def applied(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe | None:
    """The recipe with these settings, without those that they leave without effect; None where it cannot be one."""
    tree = recipe.model_dump(exclude_unset=True)
    for name, value in settings.items():
        part, _, field = name.partition(".")
        tree.setdefault(part, {})[field] = value
    for name in without_effect(tree):
        part, _, field = name.partition(".")
        tree.get(part, {}).pop(field, None)
    try:
        return Recipe.from_json(tree)
    except SettingError:
        return None


def looked_up(recipe: Recipe, name: str) -> Any:
    """The value of the setting `part.field`."""
    part, _, field = name.partition(".")
    return getattr(getattr(recipe, part), field)


def _short(rate: float) -> float:
    return float(f"{rate:.2g}")
