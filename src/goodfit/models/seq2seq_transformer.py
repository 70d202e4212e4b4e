"""From one sequence to another: the encoder-decoder transformer (Vaswani et al. 2017), for training from scratch on little data.

B rows, S source tokens, T target tokens, V tokens of the target's vocabulary, L decoder blocks, H heads, D width.
By default pre-norm (Xiong et al. 2020) with RMS norm, normalised queries and keys, and branches that start at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.block import State, TransformerBlock, advance, begin, sequence_norm
from goodfit.nn.copying import Copying
from goodfit.nn.dropout import Dropout
from goodfit.nn.positions import positions as positions_by_name
from goodfit.nn.shapes import expect, required
from goodfit.nn.tokens import TokenEmbedding


class Seq2SeqTransformer(nn.Module):
    """Source tokens [B, S] and target tokens [B, T] -> scores [B, T, V] of the target token that follows each. 0 is padding in both.

    The target begins with a start token and is padded at the end, where the loss leaves the scores out. `encode` and `advance` give the
    same scores one token at a time, for a search.

    width, depth, heads: 128, 3 and 4 by default, depth of encoder and decoder each: a million weights, for words of letters or phones.
    positions: sine, learned up to `length` tokens, rotary or none; sine by default, since the decoder finds its place in the source by them,
    and rotary ones act within a sequence alone. dropout: 0.1, the lower end of what is used on little data (0.1 to 0.3).
    qk_norm, zero_output: on by default: scores cannot run away at high rates, and every block starts as the identity.
    tied: the scores are products with the target tokens' own vectors (Press and Wolf 2017), which pays with tens of thousands of tokens; off by
    default, for letters and phones.
    copies: for each source token the target token that it stands for, 0 for none; then the network may copy (see nn.copying), and the
    scores are log-probabilities. None by default.
    hidden, norm, norm_first, activation, attention_dropout, bias, eps: see nn.block.TransformerBlock.

    Raises InputError when `copies` does not name a target token for each source token.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        width: int = 128,
        depth: int = 3,
        decoder_depth: int | None = None,
        heads: int = 4,
        hidden: int | None = None,
        positions: str = "sine",
        length: int = 512,
        norm: str = "rms",
        norm_first: bool = True,
        activation: str = "gelu",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        bias: bool = False,
        qk_norm: bool = True,
        zero_output: bool = True,
        tied: bool = False,
        copies: Sequence[int] | None = None,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        if copies is not None and len(copies) != source_vocabulary:
            raise InputError(f"copies must name a target token, or 0, for each of {source_vocabulary} source tokens; got {len(copies)}")

        def blocks(number: int, cross: bool) -> nn.ModuleList:
            return nn.ModuleList(
                [
                    TransformerBlock(
                        width,
                        heads,
                        hidden=hidden,
                        cross=cross,
                        norm=norm,
                        norm_first=norm_first,
                        activation=activation,
                        dropout=dropout,
                        attention_dropout=attention_dropout,
                        bias=bias,
                        qk_norm=qk_norm,
                        rotary=positions == "rotary",
                        zero_output=zero_output,
                        eps=eps,
                    )
                    for _ in range(number)
                ]
            )

        self.width = width
        self.source_tokens, self.target_tokens = TokenEmbedding(source_vocabulary, width), nn.Embedding(target_vocabulary, width)
        nn.init.normal_(self.target_tokens.weight, 0, width**-0.5)  # as the source's, and as good for products with them
        self.source_positions = positions_by_name(positions, width, length)
        self.target_positions = positions_by_name(positions, width, length)
        self.dropout = Dropout(dropout)
        self.encoder = blocks(depth, cross=False)
        self.decoder = blocks(depth if decoder_depth is None else decoder_depth, cross=True)
        # Post-norm blocks end with a norm of their own.
        self.encoder_norm = sequence_norm(norm, width, eps) if norm_first else None
        self.decoder_norm = sequence_norm(norm, width, eps) if norm_first else None
        self.head = None if tied else nn.Linear(width, target_vocabulary)
        self.copying = None if copies is None else Copying(width, copies, target_vocabulary)
        if self.head is not None and zero_output:
            nn.init.zeros_(self.head.weight)  # so that all tokens start equally likely
            nn.init.zeros_(self.head.bias)

    def forward(self, *, source: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Teacher forcing: every target token is given, begins with the start token, and asks for the one after it."""
        memory, mask, copying = self._memory(required("source", source))
        x = embedded = self._embedded(required("target", target))
        for block in self.decoder:
            x = block(x, causal=True, context=memory, context_mask=mask)
        return self._scores(x, embedded, copying)

    def with_weights(self, *, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and how much each target token looks at each source token in each block and head: [B, L, H, T, S].

        For guided attention (Tachibana et al. 2018) and for pictures; takes the time of a second attention to the source.
        """
        memory, mask, copying = self._memory(source)
        x = embedded = self._embedded(target)
        looks = []
        for block in self.decoder:
            assert isinstance(block, TransformerBlock)
            x, weights = block.with_weights(x, causal=True, context=memory, context_mask=mask)
            looks.append(weights)
        return self._scores(x, embedded, copying), torch.stack(looks, 1)

    def encode(self, source: Tensor) -> State:
        """Source tokens [B, S] -> the state before the first target token. Every tensor has the rows first.

        mask: real source tokens [B, S]. position: number of target tokens read [B]. "3.key", "3.value": of what decoder block 3 has read
        [B, H, T, E]; "3.memory_key", "3.memory_value": of the source [B, H, S, E]. copy_token, copy_key, copy_value: see nn.copying.
        """
        memory, mask, copying = self._memory(source)
        position = torch.zeros(memory.shape[0], dtype=torch.int64, device=memory.device)
        return begin(self.decoder, memory, memory) | copying | {"mask": mask, "position": position}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more target token [B], at first the start token -> the scores [B, V] of the next, and the state with it.

        The state that was given stays as it is.
        """
        expect("the decoder's next tokens", tokens, "B")
        position = state["position"]
        embedded = self._embedded(tokens.unsqueeze(1), position)
        x, state = advance(self.decoder, embedded, state, position, state["mask"])
        return self._scores(x, embedded, state).squeeze(1), state | {"position": position + 1}

    def _memory(self, source: Tensor) -> tuple[Tensor, Tensor, State]:
        """Source tokens [B, S] -> their vectors [B, S, D], the mask [B, S], and what copying needs of them."""
        expect("the source", source, "B", "S")
        if source.shape[1] == 0:
            source = F.pad(source, (0, 1))  # one place, so that no query is left without a key
        x, mask = self.source_tokens(source)
        x = self._placed(x, self.source_positions)
        for block in self.encoder:
            x = block(x, mask)
        x = x if self.encoder_norm is None else self.encoder_norm(x)
        return x, mask, {} if self.copying is None else self.copying.begin(source, x)

    def _embedded(self, target: Tensor, start: Tensor | None = None) -> Tensor:
        expect("the target", target, "B", "T")
        return self._placed(self.target_tokens(target), self.target_positions, start)

    def _placed(self, x: Tensor, positions: nn.Module | None, start: Tensor | None = None) -> Tensor:
        x = x * self.width**0.5  # vectors of length 1 would drown in the positions' sines (Vaswani et al. 2017, 3.4)
        return self.dropout(x if positions is None else positions(x, start))

    def _scores(self, x: Tensor, embedded: Tensor, state: State) -> Tensor:
        x = x if self.decoder_norm is None else self.decoder_norm(x)
        logits = F.linear(x, self.target_tokens.weight) if self.head is None else self.head(x)
        return logits if self.copying is None else self.copying(x, embedded, logits, state)
