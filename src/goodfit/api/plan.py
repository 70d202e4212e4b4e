"""From the recipe as it was given to the recipe that is run: every None decided, by data and machine, never by chance.

What is decided here is a function of the data's shape, the preset and the number of threads, so that the same call on the
same kind of machine trains the same network. Only precision and rate are measured, later, and recorded in the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from goodfit.base.parts import DataPart
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Schema
from goodfit.models import catalogue


@dataclass(frozen=True)
class Habit:
    """How a family of networks is usually trained.

    lr: the rate around which the range test looks. epochs: planned passes where a schedule needs a plan, else the most.
    """

    optim: str
    lr: float
    weight_decay: float
    schedule: str
    warmup: float
    clip: float | None
    epochs: int
    patience: int
    batch: int | None = None  # None: by rows, see BATCH_BY_ROWS
    beta2: float | None = None
    label_smoothing: float = 0.0
    ema: float | None = None


# The decay is decoupled: SGD's usual coupled 5e-4 with momentum 0.9 is 5e-3 here.
# Sources: TabM (Gorishniy et al. 2025), RealMLP (Holzmueller et al. 2024), airbench (Jordan 2024), nanoGPT.
HABITS: dict[str, Habit] = {
    "linear": Habit("adamw", 1e-2, 1e-4, "cosine", 0.05, None, 60, 60),  # convex: a plan that ends at rate 0 finds the minimum
    "mlp": Habit("adamw", 1e-3, 1e-2, "constant", 0.0, 1.0, 400, 16),
    "tabm": Habit("adamw", 2e-3, 3e-4, "constant", 0.0, 1.0, 400, 16),
    "realmlp": Habit("adamw", 4e-2, 1e-2, "cosine", 0.0, None, 256, 256, batch=256, beta2=0.95),
    "mixed": Habit("adamw", 1e-3, 1e-3, "constant", 0.0, 1.0, 60, 8, batch=64),
    "resnet9": Habit("sgd", 0.1, 5e-3, "one-cycle", 0.2, None, 16, 16, batch=128, label_smoothing=0.1),
    "bag": Habit("adamw", 1e-2, 0.0, "cosine", 0.05, None, 10, 10, batch=64),
    "transformer": Habit("adamw", 5e-4, 1e-2, "cosine", 0.1, 1.0, 10, 10, batch=32),
    "gru": Habit("adamw", 2e-3, 1e-2, "cosine", 0.1, 1.0, 10, 10, batch=32),
}
# TabM's sizes by training rows (TECHNIQUES: below 2.8k 32, 4.5k 64, 6.4k 128, 32k 256, 108k 512, else 1024)
BATCH_BY_ROWS = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (108_000, 512), (None, 1024))
# Tokens of a text: a bag of words costs as much per token as it is long, 20 newsgroups 0.859 at 1,024 and 0.843 at 256; attention pays the square.
MAX_TOKENS = {"bag": 1024, "linear": 1024}
TIME_LIMIT = {"fast": 60.0, "good": 600.0, "best": 3600.0}  # seconds: a coffee, a meeting, a lunch
MEMBERS = {"fast": 1, "good": 1, "best": 8}  # networks averaged; beyond eight the gain per network is small
PATIENCE = {"fast": 0.5, "good": 1.0, "best": 1.0}  # times the family's


def data_settings(recipe: Recipe, name: str) -> DataPart:
    """The recipe's data part, with the length of texts that suits the network where none was given."""
    return recipe.data if recipe.given("data.max_tokens") else recipe.data.model_copy(update={"max_tokens": MAX_TOKENS.get(name, 256)})


def network_name(recipe: Recipe, schema: Schema, rows: int) -> str:
    """The network by name: the one asked for, or the default for the kinds of columns."""
    return recipe.model.name or catalogue.choose({column.kind for column in schema.features}, rows, recipe.preset)


def member_count(recipe: Recipe) -> int:
    """Networks to train and average."""
    return recipe.train.members or (MEMBERS[recipe.preset] if recipe.train.epochs is None else 1)


def resolve(recipe: Recipe, inputs: dict[str, Any], *, name: str, rows: int, outputs: int) -> Recipe:
    """The recipe with model, optimiser, batch size, epochs, patience and time limit decided.

    inputs: the encoder's description of the network's inputs. rows: training rows. outputs: O of the task.
    """
    threads = recipe.train.threads or torch.get_num_threads()
    limit = recipe.train.time_limit
    if limit is None and recipe.train.epochs is None:
        limit = TIME_LIMIT[recipe.preset]
    given = {
        key: getattr(recipe.model, key) for key in recipe.model.model_fields_set if key != "name" and getattr(recipe.model, key) is not None
    }
    members = member_count(recipe)
    share = None if limit is None else limit / members
    settings = catalogue.defaults(name, inputs, rows=rows, outputs=outputs, time_limit=share, threads=threads, preset=recipe.preset)
    settings |= catalogue.checked(name, given)
    habit = HABITS[name]
    optim = recipe.optim
    changes: dict[str, Any] = {"model__name": name, "data__max_tokens": data_settings(recipe, name).max_tokens} | {
        f"model__{key}": value for key, value in settings.items()
    }
    optimiser = optim.name or habit.optim
    changes["optim__name"] = optimiser
    if optim.weight_decay is None:
        changes["optim__weight_decay"] = habit.weight_decay
    if optim.schedule is None:
        changes["optim__schedule"] = habit.schedule
    if optim.warmup is None and (optim.schedule is None or optim.schedule in ("cosine", "one-cycle", "wsd")):
        changes["optim__warmup"] = habit.warmup
    if optim.clip is None and habit.clip is not None and "clip" not in optim.model_fields_set:
        changes["optim__clip"] = habit.clip
    if habit.beta2 is not None and optimiser in ("adam", "adamw") and not recipe.given("optim.beta2"):
        changes["optim__beta2"] = habit.beta2
    if habit.ema is not None and not recipe.given("optim.ema"):
        changes["optim__ema"] = habit.ema
    if habit.label_smoothing and not recipe.given("train.label_smoothing") and outputs > 1:
        changes["train__label_smoothing"] = habit.label_smoothing
    epochs = recipe.train.epochs
    changes["train__epochs"] = epochs or habit.epochs
    if recipe.train.patience is None:
        changes["train__patience"] = max(2, int(habit.patience * PATIENCE[recipe.preset])) if epochs is None else epochs + 1
    changes["train__batch_size"] = recipe.train.batch_size or habit.batch or batch_by_rows(rows)
    changes |= {"train__time_limit": limit, "train__members": members, "train__threads": threads}
    return recipe.with_(**{key: value for key, value in changes.items() if value is not None})


def batch_by_rows(rows: int) -> int:
    """Rows of an update for a table of this many training rows."""
    return next(size for below, size in BATCH_BY_ROWS if below is None or rows < below)


def usual_rate(recipe: Recipe) -> float:
    """The rate around which the range test looks: the family's, or that of an optimiser which works on another scale."""
    habit = HABITS[recipe.model.name or ""]
    if recipe.optim.name == habit.optim or {recipe.optim.name, habit.optim} <= {"adam", "adamw", "rmsprop", "muon"}:
        return habit.lr
    return {"sgd": 0.05, "adagrad": 0.02}.get(recipe.optim.name or "", 1e-3)
