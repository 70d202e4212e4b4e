"""Sequence to sequence by two recurrent networks and attention (Bahdanau et al. 2015), optionally with copying (See et al. 2017).

B rows, S source tokens, T target tokens, E dimensions of a token, W width, N layers, V target tokens in all. Token 0 is padding.

Each step of the decoder looks at the source with its state before the step, reads what it saw beside the last token, and says the next token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.additive import AdditiveAttention
from goodfit.nn.block import State
from goodfit.nn.dropout import Dropout
from goodfit.nn.recurrent import Recurrent
from goodfit.nn.shapes import expect, required
from goodfit.nn.tokens import TokenEmbedding

CELLS = ("gru", "lstm")
_LEAST = 1e-30  # probability below which a copied token's logarithm is cut off


class AttentionRNN(nn.Module):
    """Source [B, S], target [B, T] -> logits [B, T, V]: those at t are of the token behind target[:, t], so target begins with the start token.

    For search: `encode(source)` gives a state whose tensors have the rows first, `advance(state, tokens)` one step (`goodfit.tasks.search`).

    width: 256 units of the decoder, half of them in each direction of the encoder. embedding_dim: 128. depth: layers of both. cell: "gru", as
    in the paper, or "lstm". dropout: 0.2, of tokens, between layers and before the output. copy: the next token may also be copied from where
    attention looks, with a learned share; then both sides have one vocabulary, and the logits are log probabilities.

    Raises SettingError for an unknown cell, an odd width, or copying between two vocabularies.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        embedding_dim: int = 128,
        width: int = 256,
        depth: int = 1,
        cell: str = "gru",
        dropout: float = 0.2,
        copy: bool = False,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise SettingError(f"cell must be one of {', '.join(CELLS)}; {cell!r} was given{did_you_mean(cell, CELLS)}", value=cell)
        if width % 2:
            raise SettingError(f"the width is shared by two directions and must be even; {width} was given", value=width)
        if copy and source_vocabulary != target_vocabulary:
            raise SettingError(f"copying needs one vocabulary for both sides; got {source_vocabulary} and {target_vocabulary} tokens")
        self.width, self.depth = width, depth
        self.source_tokens = TokenEmbedding(source_vocabulary, embedding_dim)
        self.target_tokens = TokenEmbedding(target_vocabulary, embedding_dim)
        self.encoder = Recurrent(embedding_dim, width // 2, cell=cell, depth=depth, bidirectional=True, dropout=dropout)
        self.attention = AdditiveAttention(width, width, width)
        step = nn.GRUCell if cell == "gru" else nn.LSTMCell
        self.cells = nn.ModuleList([step(embedding_dim + width if level == 0 else width, width) for level in range(depth)])
        self.parts = ("hidden",) if cell == "gru" else ("hidden", "memory")
        self.first = nn.Linear(width, len(self.parts) * depth * width)
        self.readout = nn.Linear(2 * width + embedding_dim, width)
        self.head = nn.Linear(width, target_vocabulary)
        self.share = nn.Linear(2 * width + embedding_dim, 1) if copy else None
        self.dropout = Dropout(dropout)

    def forward(self, *, source: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return self.with_weights(source=source, target=target)[0]

    def with_weights(self, *, source: Tensor | None = None, target: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The logits [B, T, V], and the weights of attention that led to them [B, T, S], for `goodfit.nn.guided`."""
        target = required("target", target)
        expect("attention rnn's target", target, "B", "T")
        if target.shape[1] == 0:
            raise InputError("the target begins with the start token and got no tokens; put the start token first")
        state = self.encode(required("source", source))
        x = self.dropout(self.target_tokens.table(target))  # B T E
        steps = []
        for token in x.unbind(1):
            *step, state = self._step(state, token)
            steps.append(step)
        top, context, weights = (torch.stack(part, 1) for part in zip(*steps, strict=True))  # B T W, B T W, B T S
        return self._logits(state, x, top, context, weights), weights

    def encode(self, source: Tensor) -> State:
        """Source [B, S] -> the state before the first token."""
        x, mask = self.source_tokens(source)
        values, ends = self.encoder.run(self.dropout(x), mask)  # B S W
        first = torch.tanh(self.first(ends[0][:, -2:].flatten(1)))  # both directions of the last layer, B 2 W/2 -> B W
        state = dict(zip(self.parts, first.unflatten(1, (len(self.parts), self.depth, self.width)).unbind(1), strict=True))  # B N W
        source = F.pad(source, (0, 1)) if source.shape[1] == 0 else source
        return state | {"values": values, "keys": self.attention.project(values), "mask": mask, "source": source}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """The last token of each row [B] -> logits of the next [B, V], and the state behind it."""
        expect("attention rnn's tokens", tokens, "B")
        x = self.dropout(self.target_tokens.table(tokens))
        top, context, weights, state = self._step(state, x)
        return self._logits(state, *(part.unsqueeze(1) for part in (x, top, context, weights))).squeeze(1), state

    def _step(self, state: State, x: Tensor) -> tuple[Tensor, Tensor, Tensor, State]:
        """One token [B, E] -> the last layer's new state [B, W], what was seen [B, W], where [B, S], and the whole state."""
        scores = self.attention(state["hidden"][:, -1:], state["keys"], state["mask"])  # B 1 S
        weights = scores.softmax(2)
        context = (weights @ state["values"]).squeeze(1)
        x = torch.cat([x, context], 1)
        news: list[tuple[Tensor, ...]] = []
        for level, cell in enumerate(self.cells):
            before = tuple(state[part][:, level] for part in self.parts)
            after = cell(x, before if len(before) > 1 else before[0])
            news.append(after if isinstance(after, tuple) else (after,))
            x = self.dropout(news[-1][0]) if level + 1 < self.depth else news[-1][0]
        changed = {part: torch.stack(layers, 1) for part, layers in zip(self.parts, zip(*news, strict=True), strict=True)}
        return x, context, weights.squeeze(1), state | changed

    def _logits(self, state: State, x: Tensor, top: Tensor, context: Tensor, weights: Tensor) -> Tensor:
        every = torch.cat([top, context, x], 2)
        logits = self.head(self.dropout(torch.tanh(self.readout(every))))
        if self.share is None:
            return logits
        share = torch.sigmoid(self.share(every))  # B T 1, of the vocabulary; the rest is copied
        places = state["source"].long().unsqueeze(1).expand(-1, weights.shape[1], -1)
        said = logits.softmax(2)
        copied = torch.zeros_like(said).scatter_add(2, places, weights.to(said.dtype))
        return (share * said + (1 - share) * copied).clamp_min(_LEAST).log()
