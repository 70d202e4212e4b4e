"""The likeliest row of tokens, found step by step. B rows, K hypotheses of each, V tokens, L steps."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from goodfit.base.errors import InputError

State = dict[str, Tensor]  # each tensor with the rows first


class Decoder(Protocol):
    """A network, in evaluation mode, that writes one token after the other. Its `encode` reads what is to be answered and gives the first state."""

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """The last token of each row [B], at first the start token -> logits of the next [B, V], and the state behind it."""
        ...


class Found(NamedTuple):
    """Hypotheses, best first.

    tokens: [B, K, L], without the start token, with the end token, which also fills what follows it. scores: [B, K], log probability of
    all tokens up to the end token, in nats, without length penalty; -inf where fewer than K were found.
    """

    tokens: Tensor
    scores: Tensor


@torch.no_grad()
def greedy(decoder: Decoder, state: State, *, start: int, end: int, limit: int) -> Found:
    """The likeliest token at each step, K = 1. limit: steps; the last one is the end token, whatever the network says of it.

    Raises InputError where limit is below 1.
    """
    rows = _rows(state, limit)
    device = next(iter(state.values())).device
    token = torch.full((rows,), start, device=device)
    open_, scores, path = torch.ones(rows, dtype=torch.bool, device=device), None, []
    for step in range(1, limit + 1):
        logits, state = decoder.advance(state, token)
        logp = _log_probability(logits)
        best = logp.argmax(1) if step < limit else torch.full_like(token, end)
        token = torch.where(open_, best, end)
        gained = torch.where(open_, logp.gather(1, token.unsqueeze(1)).squeeze(1), 0.0)
        scores = gained if scores is None else scores + gained
        path.append(token)
        open_ = open_ & (token != end)
        if not open_.any():
            break
    assert scores is not None
    return Found(torch.stack(path, 1).unsqueeze(1), scores.unsqueeze(1))


@torch.no_grad()
def beam(decoder: Decoder, state: State, *, start: int, end: int, limit: int, width: int = 4, length_penalty: float = 0.6) -> Found:
    """The best K = `width` of the hypotheses that a beam of that width meets, by log probability / ((5 + tokens) / 6)^length_penalty.

    Tokens are counted with the end token. A hypothesis that ends among the best `width` is kept aside; a row stops when no open one can
    come before its best one any more, so the first is certain and the others are what was met. Hypotheses reach the end token within
    `limit` steps: the last step is the end token, at its price. With width=1 and length_penalty=0 it is greedy search; with a beam as
    wide as there are prefixes it finds the best of all rows of tokens.

    limit: steps. width: 4, and length_penalty: 0.6, as in Vaswani et al. 2017; 0 compares plain log probabilities, which favours short answers.
    Raises InputError where limit or width is below 1, or the penalty below 0.

    Source: the length penalty of Wu et al. 2016, "Google's Neural Machine Translation System", equation 14; no coverage penalty.
    """
    rows = _rows(state, limit)
    if width < 1 or length_penalty < 0:
        raise InputError(f"a beam has width >= 1 and length_penalty >= 0; got width={width} and length_penalty={length_penalty}")
    device = next(iter(state.values())).device
    base = torch.arange(rows, device=device).unsqueeze(1) * width  # B 1, where a row's hypotheses begin
    state = _picked(state, torch.arange(rows, device=device).repeat_interleave(width))
    token = torch.full((rows * width,), start, device=device)
    paths = torch.full((rows, width, limit), end, device=device)
    live, done = None, None
    for step in range(1, limit + 1):
        logits, state = decoder.advance(state, token)
        logp = _log_probability(logits).unflatten(0, (rows, width))  # B K V
        if live is None:  # all hypotheses are the same yet: one counts
            live = logp.new_full((rows, width), -torch.inf)
            live[:, 0] = 0.0
            done = _Done(live.new_full((rows, width), -torch.inf), live.new_full((rows, width), -torch.inf), paths)
        assert done is not None
        penalty = ((5 + step) / 6) ** length_penalty
        if step == limit:
            done = done.joined(live + logp[..., end], penalty, paths)
            break
        vocabulary = logp.shape[2]
        reached = (live.unsqueeze(2) + logp).flatten(1)  # B K V -> B KV
        scores, places = reached.topk(min(2 * width, reached.shape[1]))  # at most K of them end, so K others are among them
        source, token = places // vocabulary, places % vocabulary
        grown = paths.gather(1, source.unsqueeze(2).expand(-1, -1, limit))
        grown[:, :, step - 1] = token
        ends = token == end
        done = done.joined(scores[:, :width].masked_fill(~ends[:, :width], -torch.inf), penalty, grown[:, :width])
        live, order = scores.masked_fill(ends, -torch.inf).topk(width)
        paths = grown.gather(1, order.unsqueeze(2).expand(-1, -1, limit))
        token = token.gather(1, order).flatten()
        reachable = live[:, 0] / ((5 + limit) / 6) ** length_penalty  # log probabilities only fall, penalties only ease
        if (done.ranks[:, 0] >= reachable).all():
            break
        state = _picked(state, (base + source.gather(1, order)).flatten())
    assert done is not None
    return Found(done.paths[:, :, :step], done.scores)


class _Done(NamedTuple):
    """Hypotheses that have ended, best first: their scores by which they are ranked [B, K], log probabilities [B, K], tokens [B, K, L]."""

    ranks: Tensor
    scores: Tensor
    paths: Tensor

    def joined(self, scores: Tensor, penalty: float, paths: Tensor) -> _Done:
        """The best K of these and of others."""
        every = torch.cat([self.scores, scores], 1)
        ranks, order = torch.cat([self.ranks, scores / penalty], 1).topk(self.ranks.shape[1])
        together = torch.cat([self.paths, paths], 1)
        return _Done(ranks, every.gather(1, order), together.gather(1, order.unsqueeze(2).expand(-1, -1, together.shape[2])))


def _rows(state: State, limit: int) -> int:
    if limit < 1:
        raise InputError(f"a search takes at least one step; limit={limit} was given", value=limit)
    return next(iter(state.values())).shape[0]


def _log_probability(logits: Tensor) -> Tensor:
    return (logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits).log_softmax(-1)


def _picked(state: State, places: Tensor) -> State:
    return {name: part.index_select(0, places) for name, part in state.items()}
