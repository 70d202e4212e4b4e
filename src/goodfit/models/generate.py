"""Text out of a network, one token after another. B rows, T tokens of a prompt, N new tokens, V tokens of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.models.gpt import GPT
from goodfit.nn.block import State
from goodfit.nn.sampling import draw
from goodfit.nn.shapes import expect

# (state, tokens [B]) -> (logits [B, V], state with them): what decoders offer. Every tensor of a state has the rows first.
Advance = Callable[[State, Tensor], tuple[Tensor, State]]


def generate(
    network: GPT,
    prompt: Tensor,
    steps: int,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
    stop: int | None = None,
) -> Tensor:
    """What the network writes after `prompt` [B, T], T at least 1 and without padding: tokens [B, N], N at most `steps`.

    The prompt is read at once, and no token twice. Arguments as in `decode`.

    Raises InputError for an empty prompt, or one longer than learned positions reach.
    """
    expect("a prompt", prompt, "B", "T")
    if prompt.shape[1] == 0:
        raise InputError("a prompt holds at least one token; begin with the one that texts begin with")
    with torch.no_grad():
        state = network.begin(prompt.shape[0])
        if prompt.shape[1] > 1:
            _, state = network.read(state, prompt[:, :-1])
    return decode(network.advance, state, prompt[:, -1], steps, generator, temperature=temperature, k=k, p=p, stop=stop)


@torch.no_grad()
def decode(
    advance: Advance,
    state: State,
    first: Tensor,
    steps: int,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
    stop: int | None = None,
) -> Tensor:
    """The tokens [B, N] that follow `first` [B] in `state`, each drawn from the scores that `advance` gives after the one before it.

    temperature, k, p: see nn.sampling.draw; temperature 0 is greedy, the likeliest token at each step. generator: of the draws alone.
    stop: the token that ends a row, and is its last; the rest of the row is padding, 0. N is `steps`, or less once all rows have ended.
    The network should be in eval mode, else dropout draws too.
    """
    tokens, written = first, []
    ended = torch.zeros_like(first, dtype=torch.bool)
    for _ in range(steps):
        logits, state = advance(state, tokens)
        drawn = draw(logits, generator, temperature=temperature, k=k, p=p)
        tokens = drawn.masked_fill(ended, 0)
        written.append(tokens)
        if stop is not None:
            ended = ended | (drawn == stop)
            if bool(ended.all()):
                break
    return torch.stack(written, 1) if written else first.new_zeros(first.shape[0], 0)
