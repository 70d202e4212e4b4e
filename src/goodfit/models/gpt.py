"""A decoder that predicts the next token: GPT-2 (Radford et al. 2019), with what has been learned since.

B rows, T tokens, V tokens of the vocabulary, D width. By default pre-norm with RMS norm, normalised queries and keys, rotary positions, and
branches that start at 0. GPT-2 itself, equal in numbers, is
GPT(50_257, width=768, depth=12, heads=12, positions="learned", length=1_024, norm="layer", activation="gelu_tanh", bias=True, qk_norm=False,
zero_output=False).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.block import State, TransformerBlock, advance, begin, sequence_norm
from goodfit.nn.dropout import Dropout
from goodfit.nn.grams import Grams
from goodfit.nn.positions import positions as positions_by_name
from goodfit.nn.shapes import expect, required


class GPT(nn.Module):
    """Tokens [B, T] -> scores of the token that follows each, as logits [B, T, V].

    A token sees itself and what comes before it, so padding at the end changes nothing before it; every token is one like any other,
    0 too, and the loss leaves out what follows padding.

    width, depth, heads: 128, 4 and 4 by default, 0.8 million weights, what two cores train on characters in minutes (nanoGPT's own for a CPU).
    positions: rotary, learned up to `length` tokens, sine or none; rotary by default, which need no longest length and know distances.
    dropout: 0 by default: a text is read once or a few times, which leaves nothing to learn by heart, and masks take time.
    tied: the scores are products with the token's own vectors (Press and Wolf 2017), which saves V x D weights; else a map of its own.
    qk_norm, zero_output: on by default: scores cannot run away at high rates, and every block starts as the identity, which lets a deep
    stack train at the rates of a shallow one. window: a token sees no further back than this; None sees all.
    grams: runs of 2 to so many tokens are looked up beside the single ones (see nn.grams), which characters gain by; none by default.
    hidden, norm, norm_first, activation, attention_dropout, bias, eps: see nn.block.TransformerBlock.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        hidden: int | None = None,
        positions: str = "rotary",
        length: int = 1024,
        norm: str = "rms",
        norm_first: bool = True,
        activation: str = "gelu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        bias: bool = False,
        qk_norm: bool = True,
        zero_output: bool = True,
        tied: bool = True,
        window: int | None = None,
        grams: int = 0,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        self.width, self.vocabulary = width, vocabulary
        self.tokens = nn.Embedding(vocabulary, width)
        # GPT-2's. Tied scores of a token for itself start at width times this, 2.6 at 128: near enough to all alike.
        nn.init.normal_(self.tokens.weight, 0, 0.02)
        self.positions = positions_by_name(positions, width, length)
        self.grams = Grams(grams, width, dropout=dropout) if grams > 1 else None
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(
                    width,
                    heads,
                    hidden=hidden,
                    norm=norm,
                    norm_first=norm_first,
                    activation=activation,
                    dropout=dropout,
                    attention_dropout=attention_dropout,
                    bias=bias,
                    qk_norm=qk_norm,
                    rotary=positions == "rotary",
                    window=window,
                    zero_output=zero_output,
                    eps=eps,
                )
                for _ in range(depth)
            ]
        )
        self.norm = sequence_norm(norm, width, eps) if norm_first else None  # which post-norm blocks end with
        self.head = None if tied else nn.Linear(width, vocabulary, bias=False)
        if self.head is not None and zero_output:
            nn.init.zeros_(self.head.weight)  # so that all tokens start equally likely

    def forward(self, *, text: Tensor | None = None) -> Tensor:
        x = self._embedded(required("text", text))
        for block in self.blocks:
            x = block(x, causal=True)
        return self._scores(x)

    def begin(self, rows: int) -> State:
        """The state before the first token, for `advance` and `read`: every tensor has the rows first.

        position: number of tokens read [B]. before: the last tokens of runs [B, grams - 1]. "3.key", "3.value": keys and values [B, H, S, E] that block 3 can still see.
        """
        like = self.tokens.weight.new_zeros(rows, 0)
        position = torch.zeros(rows, dtype=torch.int64, device=like.device)
        state = begin(self.blocks, like) | {"position": position}
        return state if self.grams is None else state | {"before": position.new_zeros(rows, self.grams.longest - 1)}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more token [B] -> the scores [B, V] of the next, and the state with it. The state that was given stays as it is."""
        expect("gpt's next tokens", tokens, "B")
        logits, state = self.read(state, tokens.unsqueeze(1))
        return logits.squeeze(1), state

    def read(self, state: State, text: Tensor) -> tuple[Tensor, State]:
        """Several more tokens [B, T] at once -> [B, T, V], equal to what `forward` gives for them, and the state with them."""
        position = state["position"]
        x, after = advance(self.blocks, self._embedded(text, position, state.get("before")), state, position)
        if self.grams is not None:
            after["before"] = self.grams.after(text, state["before"])
        return self._scores(x), after | {"position": position + text.shape[1]}

    def _embedded(self, text: Tensor, start: Tensor | None = None, before: Tensor | None = None) -> Tensor:
        expect("gpt", text, "B", "T")
        x = self.tokens(text)
        x = x if self.grams is None else x + self.grams(text, before)
        return self.dropout(x if self.positions is None else self.positions(x, start))

    def _scores(self, x: Tensor) -> Tensor:
        x = x if self.norm is None else self.norm(x)
        return F.linear(x, self.tokens.weight) if self.head is None else self.head(x)
