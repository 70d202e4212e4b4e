"""Several networks that answer step by step, as one: at each step the mean of what they believe of the next token.

B rows, V tokens, M networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from goodfit.tasks.search import Decoder, State

STEPWISE = ("sequence", "caption")  # tasks whose networks are averaged so


class Voices(nn.Module):
    """M decoders with the same tokens -> one, whose scores are the log of their mean probabilities (Sutskever et al. 2014), so that one search finds the answer of all.

    weights: of each, which sum to 1.
    """

    def __init__(self, networks: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._log_weights = [math.log(weight) for weight in weights]

    def encode(self, given: Tensor) -> State:
        """What is to be answered [B, ...] -> the states of all, their names behind a number."""
        states = [cast(Any, network).encode(given) for network in self.networks]
        return {f"{number}.{name}": part for number, state in enumerate(states) for name, part in state.items()}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more token [B] -> log probabilities [B, V], and the states with it."""
        beliefs, states = [], State()
        for number, (network, weight) in enumerate(zip(self.networks, self._log_weights, strict=True)):
            own = {name.partition(".")[2]: part for name, part in state.items() if name.partition(".")[0] == str(number)}
            logits, own = cast(Decoder, network).advance(own, tokens)
            beliefs.append(logits.float().log_softmax(1) + weight)
            states |= {f"{number}.{name}": part for name, part in own.items()}
        return torch.stack(beliefs).logsumexp(0), states
