"""The next token out of scores: which may be taken, and the draw. B rows, V tokens of the vocabulary."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.base.errors import SettingError


def temper(logits: Tensor, temperature: float) -> Tensor:
    """logits / temperature [B, V]: below 1 the likely become likelier, above 1 all become more alike.

    >>> temper(torch.tensor([[1.0, 2.0]]), 0.5)
    tensor([[2., 4.]])
    """
    if not temperature > 0:
        raise SettingError(f"the temperature must be above 0; {temperature} was given, take the likeliest token instead", value=temperature)
    return logits / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """logits [B, V] with -inf for all but the k largest of each row, and those equal to the k-th (Fan et al. 2018).

    k: 1 or more; V and more keep all.

    >>> top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    if k < 1:
        raise SettingError(f"top_k keeps 1 token or more; {k} was given", value=k)
    least = logits.topk(min(k, logits.shape[-1]), -1).values[..., -1:]
    return logits.masked_fill(logits < least, -math.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """logits [B, V] with -inf for all but the fewest likeliest tokens whose probabilities sum to p (Holtzman et al. 2020).

    p: above 0, 1 at most; the likeliest token is always kept.

    >>> top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.6).exp()
    tensor([[0.5000, 0.3000, 0.0000]])
    """
    if not 0 < p <= 1:
        raise SettingError(f"top_p keeps a share above 0 and 1 at most; {p} was given, write 0.9", value=p)
    if p == 1:
        return logits
    ordered, order = logits.sort(-1, descending=True)
    probability = ordered.softmax(-1)
    likelier = probability.cumsum(-1) - probability  # what the tokens before this one hold together
    drop = likelier >= p
    drop[..., 0] = False
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -math.inf)


def draw(
    logits: Tensor,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
) -> Tensor:
    """A token for each row [B] of logits [B, V], from softmax(logits) through `temper`, `top_k` and `top_p` in this order.

    generator: on the device of the logits; the same state gives the same tokens. temperature: 0 takes the likeliest and draws nothing.
    k and p: None keeps all. The defaults are the network's own distribution, which is what was learned.
    """
    if temperature == 0:
        return logits.argmax(-1)
    logits = temper(logits.float(), temperature)
    logits = logits if k is None else top_k(logits, k)
    logits = logits if p is None else top_p(logits, p)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)
