"""A cohort without networks: the score is a function of the settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from goodfit.base.protocols import Silent
from goodfit.base.recipe import Recipe
from goodfit.tuning.cohort import Outcome, Trial
from goodfit.tuning.search import Search
from goodfit.tuning.space import build
from goodfit.tuning.study import Study

SPACE: dict[str, Any] = {"optim.lr": [1e-5, 1e-1], "model.dropout": [0, 0.5], "optim.name": ["adamw", "sgd"], "optim.momentum": [0.5, 0.95]}
IDENTITY = {"fingerprint": "a", "target": "y", "task": "binary", "goodfit": "0", "space": {}, "strategy": "random", "settings": {}}


def bowl(settings: dict[str, Any]) -> float:
    """Smallest at a rate of 3e-3, a dropout of 0.2, with sgd and a momentum of 0.8."""
    return (
        (math.log10(settings["optim.lr"] / 3e-3)) ** 2
        + 10 * (settings["model.dropout"] - 0.2) ** 2
        + (10 * (settings["optim.momentum"] - 0.8) ** 2 if settings["optim.name"] == "sgd" else 0.5)
    )


class Functions:
    """kill: the trial during which this worker stops, as if it was killed."""

    def __init__(self, score: Callable[[dict[str, Any]], float] = bowl, size: int = 4, kill: int | None = None, epochs: int = 81) -> None:
        self.size, self._score, self._kill, self._epochs = size, score, kill, epochs
        self.asked: list[list[Trial]] = []
        self.forgotten: list[int] = []
        self._begun = 0

    def run(self, trials: Sequence[Trial], until: float | None = None) -> Iterator[Outcome]:
        self.asked.append(list(trials))
        for trial in trials:
            self._begun += 1
            if self._begun == self._kill:
                raise KeyboardInterrupt
            done = trial.epochs is None
            epochs = trial.epochs or self._epochs
            try:
                yield Outcome(trial.number, self._score(trial.settings) + 3 / epochs, None, epochs, epochs, 0.5, done)
            except ArithmeticError as error:
                yield Outcome(trial.number, None, f"diverged: {error}")

    def forget(self, numbers: Iterable[int]) -> None:
        self.forgotten += numbers


def opened(folder: Path, strategy: str = "random", space: dict[str, Any] | None = None, **changes: Any) -> Study:
    folder.mkdir(exist_ok=True)
    maximise = changes.pop("maximise", False)
    if "identity_space" in changes:
        changes["space"] = changes.pop("identity_space")
    return Study(
        "study", build(SPACE if space is None else space, Recipe()), IDENTITY | {"strategy": strategy} | changes,
        url=None, folder=folder, maximise=maximise, seed=0, strategy=strategy,
    )  # fmt: skip


def searched(study: Study, total: int, cohort: Functions | None = None, epochs: int = 81) -> Study:
    with study.heart():
        Search(study, cohort or Functions(), total, epochs, None, Silent()).run()
    return study
