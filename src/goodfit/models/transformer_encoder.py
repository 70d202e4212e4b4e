"""A transformer encoder with every choice open: BERT (Devlin et al. 2019), and what came after it.

B rows, T tokens, D width, O outputs. By default pre-norm, rotary positions, normalised queries and keys and branches that start at 0, as in
models/transformer.py. BERT itself, equal in numbers, is
TransformerEncoder(30_522, width=768, depth=12, heads=12, positions="learned", length=512, token_types=2, embedding_norm=True,
norm="layer", norm_first=False, bias=True, qk_norm=False, zero_output=False, eps=1e-12).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.block import TransformerBlock, sequence_norm
from goodfit.nn.dropout import Dropout
from goodfit.nn.pool import masked_mean
from goodfit.nn.positions import positions as positions_by_name
from goodfit.nn.shapes import expect, required
from goodfit.nn.tokens import TokenEmbedding

READS = ("each", "mean", "first")


class TransformerEncoder(nn.Module):
    """Tokens [B, T] (0 is padding) -> vectors [B, T, D] or [B, D], or with `outputs` scores [B, T, O] or [B, O].

    read: "each" gives a result for each token, "mean" one for the mean of the real tokens, "first" one for the first token through a
    layer with tanh, which is how BERT reads its [CLS] token.
    width, depth, heads: 128, 2 and 4 by default, what a two-core machine trains at a hundred texts a second. dropout: 0.1, the original's.
    positions: rotary, learned up to `length` tokens, sine or none; rotary by default, which need no longest length and know distances.
    token_types: kinds of tokens, such as two sentences, that are told apart by a learned vector; 0 for none.
    embedding_norm: normalise the embeddings, as BERT does. window: a token sees no further than this; None sees the whole text.
    hidden, norm, norm_first, activation, attention_dropout, bias, qk_norm, zero_output, eps: see nn.block.TransformerBlock.
    """

    def __init__(
        self,
        vocabulary: int,
        outputs: int | None = None,
        *,
        read: str = "each",
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        hidden: int | None = None,
        positions: str = "rotary",
        length: int = 512,
        token_types: int = 0,
        embedding_norm: bool = False,
        norm: str = "rms",
        norm_first: bool = True,
        activation: str = "gelu",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        bias: bool = False,
        qk_norm: bool = True,
        zero_output: bool = True,
        window: int | None = None,
        eps: float | None = None,
    ) -> None:
        super().__init__()
        if read not in READS:
            raise SettingError(f"read must be one of {', '.join(READS)}; {read!r} was given{did_you_mean(read, READS)}", value=read)
        self.read = read
        self.tokens = TokenEmbedding(vocabulary, width)
        self.positions = positions_by_name(positions, width, length)
        self.types = nn.Parameter(torch.empty(token_types, width).normal_(0, 0.02)) if token_types else None  # BERT's deviation
        self.embedding_norm = sequence_norm(norm, width, eps) if embedding_norm else None
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
        self.pooler = nn.Linear(width, width) if read == "first" else None
        self.head = None if outputs is None else nn.Linear(width, outputs)

    def forward(self, *, text: Tensor | None = None, types: Tensor | None = None) -> Tensor:
        """types: kind of each token [B, T], below `token_types`; all of kind 0 where None."""
        text = required("text", text)
        x, mask = self.vectors(text, types)
        if self.read == "each":
            x = x[:, : text.shape[1]]  # a text without tokens is read as one of padding
        elif self.read == "mean":
            x = masked_mean(x, mask)  # B T D -> B D
        else:
            assert self.pooler is not None
            x = self.pooler(x[:, 0]).tanh()  # B T D -> B D
        return x if self.head is None else self.head(self.dropout(x))

    def vectors(self, text: Tensor, types: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A vector for each token [B, T, D], and the mask [B, T], True at real tokens."""
        x, mask = self.tokens(text)
        if self.positions is not None:
            x = self.positions(x)
        if self.types is not None:
            x = x + self._kinds(text, types)
        elif types is not None:
            raise InputError("the encoder got types and it was built without kinds of tokens; build it with token_types=2 or more")
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        return x if self.norm is None else self.norm(x), mask

    def _kinds(self, text: Tensor, types: Tensor | None) -> Tensor:
        assert self.types is not None
        if types is None or text.shape[1] == 0:
            return self.types[0]
        expect("the encoder's token types", types, "B", text.shape[1])
        return self.types[types.long()]  # B T D
