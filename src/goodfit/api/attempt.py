"""One trial of a search: a network trained by the library's own path, and its score on the validation rows or the reason why there is none."""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch

from goodfit.api.fitting import Fitted, Fold, Job, judge
from goodfit.api.folder import RunFolder
from goodfit.api.member import fit_member
from goodfit.base.errors import GoodfitError, StorageError, printable
from goodfit.base.files import write_bytes
from goodfit.base.protocols import Silent, Task
from goodfit.base.recipe import Recipe
from goodfit.data.encoder import Encoder
from goodfit.tuning.cohort import Outcome

RECIPE = "recipe.yaml"  # of a network to be trained, among what it leaves: as asked for, then with what was measured for it


def objective(encoder: Encoder, recipe: Recipe) -> Task:
    """What trials are compared by: the same for all of them, whatever their label smoothing."""
    return judge(encoder, 0.0, recipe.train.loss)


def attempt(place: Path, fold: Fold, number: int, epochs: int | None, seconds: float | None, *, device: torch.device) -> Outcome:
    """Train the network of the recipe in `place` on the fold, from its checkpoint there on where there is one.

    epochs: passes to pause after. seconds: that it may take. A loss that is not finite, settings that make no network and a lack of memory are reasons;
    a disk that refuses is an error.
    """
    begun = time.monotonic()
    recipe = Recipe.build(place / RECIPE)
    job = Job(recipe, 0, 1, False, begun, None if seconds is None else begun + seconds, 0, alone=True)
    try:
        fitted = fit_member(
            RunFolder(place), job, fold, device=device, keep=lambda own: keep(place, own), progress=Silent(), pause=epochs
        )  # fmt: skip
        score = _score(fitted, fold, recipe)
    except StorageError:
        raise
    except GoodfitError as error:
        return Outcome(number, None, error.message, seconds=time.monotonic() - begun)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        return Outcome(number, None, "the memory was not enough", seconds=time.monotonic() - begun)
    done, spent = epochs is None or fitted.epochs < epochs, time.monotonic() - begun
    if not math.isfinite(score):
        return Outcome(number, None, f"its {fitted.task.score} is not finite", fitted.epochs, fitted.best_epoch, spent, done)
    return Outcome(number, score, None, fitted.epochs, fitted.best_epoch, spent, done)


def keep(place: Path, recipe: Recipe) -> None:
    """Write the recipe of a trial into its folder."""
    place.mkdir(parents=True, exist_ok=True)
    write_bytes(place / RECIPE, recipe.to_yaml().encode())


def why(error: BaseException) -> str:
    """An error as a reason."""
    return error.message if isinstance(error, GoodfitError) else printable(f"{type(error).__name__}: {error}"[:300])


def _score(fitted: Fitted, fold: Fold, recipe: Recipe) -> float:
    task = objective(fold.encoder, recipe)
    weight = None if fold.weight is None else fold.weight[fitted.rows]
    return float(task.metrics(fitted.prediction, fitted.target, weight)[task.score])
