"""The record of a study, from which its pages are made: space, trials, the best, what lay at a border, and how much each setting matters."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import optuna

from goodfit.tuning.storage import quiet
from goodfit.tuning.study import Study, distribution

FEWEST = 8  # trials with a score: of fewer, no share can be told
BEST, FEWEST_BEST = 0.1, 4  # the share of the trials that are the best ones: Optuna's own, and at least so many


def record(study: Study, metric: str) -> dict[str, Any]:
    """The study as JSON types. metric: what the scores are."""
    space, tried, best = study.space, study.tried(), study.best
    return {
        "format": 1,
        "strategy": study.strategy,
        "metric": metric,
        "maximise": study.maximise,
        "space": space.to_json(),
        "first_space": study.first.to_json(),
        "trials": [asdict(trial) for trial in tried],
        "best": None if best is None else {"number": best.number, "settings": best.settings, "score": best.score},
        "border": at_border(study),
        "widened": study.borders,
        "importance": importance(study),
    }


def at_border(study: Study) -> list[str]:
    """The settings whose best value lay at an end of its range, when it was widened or at the end."""
    best = study.best
    return sorted({*study.borders, *(study.ends(best.settings) if best is not None else ())})


def importance(study: Study) -> dict[str, float]:
    """The share of each setting in what tells the best trials from all, most first: conditional PED-ANOVA (Watanabe et al. 2023, 2026). {} for too few.

    All trials lie in the ranges as they are by now, which Optuna wants to be the same for all.
    """
    trials, dimensions = study.optuna_trials(), study.space.dimensions
    if len(trials) < FEWEST:
        return {}
    with quiet():
        alike = optuna.create_study(direction="maximize" if study.maximise else "minimize")
        for trial in trials:
            along = {name: distribution(dimensions[name]) for name in trial.params}
            alike.add_trial(optuna.create_trial(params=trial.params, distributions=along, value=trial.value))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(BEST, FEWEST_BEST / len(trials)))
        shares = evaluator.evaluate(alike)
    whole = sum(shares.values())
    if whole <= 0 or not math.isfinite(whole):
        return {}
    return dict(sorted(((name, float(share) / whole) for name, share in shares.items()), key=lambda item: -item[1]))
