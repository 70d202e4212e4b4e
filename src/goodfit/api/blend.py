"""How much say each member has: the two networks of a table are weighed by what they predict on rows that neither learned from.

Members of the same network share its weight evenly.
"""

from __future__ import annotations

import numpy as np

from goodfit.api.fitting import Fitted
from goodfit.bundle.bundle import mean_prediction

GRID = 20  # steps of the partner's weight from 0 to 1: finer ones follow the noise of the validation rows
ALIKE = 0.005  # relative: scores this near the best are chance on some hundred validation rows, and even weights are safer
LEAST = 0.1  # a network with less say is not worth training on further folds, nor keeping


def member_weights(fitted: list[Fitted]) -> list[float]:
    """The weight of each member, summing to 1; 0 for those that do not help."""
    partners = sum(result.partner for result in fitted)
    share = partner_weight(fitted)
    each = {True: share / max(partners, 1), False: (1 - share) / max(len(fitted) - partners, 1)}
    return [each[result.partner] for result in fitted]


def useful(fitted: list[Fitted], *, partner: bool) -> bool:
    """Whether the network has enough say so far to be trained on another fold; it has until both were trained on one."""
    if not _pairs(fitted):
        return True
    share = partner_weight(fitted)
    return (share if partner else 1 - share) >= LEAST


def _pairs(fitted: list[Fitted]) -> list[tuple[Fitted, Fitted]]:
    """The partner and the main network of each fold that has both."""
    return [(a, b) for a in fitted for b in fitted if a.partner and not b.partner and a.fold == b.fold]


def partner_weight(fitted: list[Fitted]) -> float:
    """The weight of the partner's predictions: of those with the best validation scores, over the folds that both networks have, the most even."""
    pairs = _pairs(fitted)
    if not pairs:
        return float(all(result.partner for result in fitted))
    task = pairs[0][0].task
    scores = []
    for step in range(GRID + 1):
        share = step / GRID
        values = []
        for a, b in pairs:
            blended = mean_prediction([a.prediction, b.prediction], [share, 1 - share])
            values.append(a.task.metrics(blended, a.target)[task.score] * len(a.rows))
        scores.append(sum(values))
    found = np.array(scores)
    top = found.max() if task.maximise else found.min()
    near = np.flatnonzero(np.abs(found - top) <= ALIKE * abs(top))
    best = float(near[np.argmin(np.abs(near - GRID / 2))]) / GRID
    return 0.0 if best < LEAST else 1.0 if best > 1 - LEAST else best
