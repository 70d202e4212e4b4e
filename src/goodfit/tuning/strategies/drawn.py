"""A sampler of Optuna's whose settings are a function of how many trials came before: at random, on a grid, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


class Drawn(optuna.samplers.BaseSampler):
    """draw: the settings of the trial with this number, those without an effect among them."""

    def __init__(self, draw: Callable[[int], dict[str, Any]]) -> None:
        self._draw = draw
        self._drawn: dict[int, dict[str, Any]] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        if trial.number not in self._drawn:
            self._drawn[trial.number] = self._draw(trial.number)
        return self._drawn[trial.number][param_name]
