"""A soup: the mean weights of those networks, trained from one start, that go well together.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time" (ICML 2022), the greedy
recipe: from the best to the worst, each network is stirred in where the score of the mean weights does not get worse by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.ensemble.weight_average import State, mean_weights


@dataclass(frozen=True)
class Soup:
    """weights: the state dict. chosen: positions of the networks in it, the best first. score: on the rows that it was stirred by."""

    weights: dict[str, Tensor]
    chosen: tuple[int, ...]
    score: float


def greedy_soup(states: Sequence[State], score: Callable[[dict[str, Tensor]], float], *, maximise: bool = False) -> Soup:
    """The greedy soup of state dicts of one network.

    score: of a state dict, on rows that no network learned from; where there is batch norm, it renews the statistics first. It is called twice per network
    at most. The soup is never worse than the best network, on those rows.
    """
    if not states:
        raise InputError("a soup needs at least one network; none was given")
    sign = -1.0 if maximise else 1.0

    def cost(state: dict[str, Tensor]) -> float:
        value = sign * score(state)
        return value if math.isfinite(value) else math.inf

    alone = [cost(dict(state)) for state in states]
    order = sorted(range(len(states)), key=lambda index: alone[index])
    chosen, best = [order[0]], alone[order[0]]
    if best == math.inf:
        raise InputError("a soup needs a network with a finite score; all were infinite or not a number")
    weights = dict(states[order[0]])
    for index in order[1:]:
        stirred = mean_weights([states[other] for other in (*chosen, index)])
        if (value := cost(stirred)) <= best:
            chosen, best, weights = [*chosen, index], value, stirred
    return Soup(weights, tuple(chosen), sign * best)
