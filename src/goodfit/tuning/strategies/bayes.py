"""Bayesian search by Optuna: a tree of Parzen estimators (Bergstra et al. 2011), or a Gaussian process with expected improvement.

Both know of trials that run already, so that a whole cohort can be asked for: the estimators count them among the bad ones (constant liar), the process
integrates over what they may come to.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

FIRST = 10  # trials drawn at random before anything is concluded: Optuna's own
_SEEDS = 2**32


class _TPE(optuna.samplers.TPESampler):
    """Optuna's own takes for the space what all trials had alike, which a widened range is not."""

    def __init__(self, always: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed % _SEEDS, n_startup_trials=FIRST, constant_liar=True)
        self._always = always

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._always


class _GP(optuna.samplers.GPSampler):
    def __init__(self, always: dict[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed % _SEEDS, n_startup_trials=FIRST, warn_independent_sampling=False)
        self._always = always

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._always


def sampler(kind: str, always: dict[str, BaseDistribution], seed: int) -> Any:
    """kind: tpe or gp. always: the distributions of what every trial has; other settings are decided one by one."""
    return _TPE(always, seed) if kind == "tpe" else _GP(always, seed)
