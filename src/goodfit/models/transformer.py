"""A transformer encoder over tokens, made for training from scratch on little data.

B rows, T tokens, D width, O outputs. Pre-norm (Xiong et al. 2020), RMS-normalised queries and keys (Henry et al. 2020), rotary
positions (Su et al. 2021), output maps of each branch started at 0, so that every block starts as the identity (Zhang et al. 2019,
Fixup), and the mean over the real tokens at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.bag import BagEncoder
from goodfit.nn.block import TransformerBlock
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.pool import masked_mean
from goodfit.nn.shapes import required
from goodfit.nn.tokens import TokenEmbedding

# What the words say is learned at this many times the rate: a bag of words wants 1.4e-2, a transformer 5e-4.
WORDS_RATE = 28.0
# Share of the training rows in which attention is not heard, so that the words learn to answer alone (a branch's stochastic depth, Huang et al. 2016): what
# attention learns of thousands of texts by heart would else take the words' place.
UNHEARD = 0.5


class TextEncoder(nn.Module):
    """Tokens [B, T] (0 is padding) -> features [B, D]."""

    def __init__(self, vocabulary: int, *, width: int = 128, depth: int = 2, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if width % heads or width // heads % 2:
            raise InputError(f"the width of a transformer must be heads times an even number; got width={width} and heads={heads}")
        self.width = width
        self.tokens = TokenEmbedding(vocabulary, width)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            [TransformerBlock(width, heads, dropout=dropout, qk_norm=True, rotary=True, zero_output=True) for _ in range(depth)]
        )
        self.norm = RMSNorm(width)

    def forward(self, text: Tensor) -> Tensor:
        x, mask = self.tokens(text)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        return masked_mean(self.norm(x), mask)  # B T D -> B D


class Transformer(nn.Module):
    """Tokens [B, T] -> [B, O].

    context: tokens that attention reads, the first ones. words: whether what all words say by themselves, wherever they stand, is added (Cheng et al. 2016,
    "Wide and deep"): topics are told by words, and thousands of texts teach attention little about them.
    """

    def __init__(
        self,
        vocabulary: int,
        outputs: int,
        *,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        context: int = 256,
        words: bool = True,
    ) -> None:
        super().__init__()
        self.context = context
        self.encoder = TextEncoder(vocabulary, width=width, depth=depth, heads=heads, dropout=dropout)
        self.words = BagEncoder(vocabulary, outputs, 0) if words else None
        if self.words is not None:
            self.words.lr_factor = WORDS_RATE
            self.unheard = Dropout(UNHEARD)
        self.head = nn.Linear(width, outputs)

    def forward(self, *, text: Tensor | None = None) -> Tensor:
        text = required("text", text)
        out = self.head(self.encoder(text[:, : self.context]))
        if self.words is None:
            return out
        heard = self.unheard(torch.ones_like(out[:, :1]))  # B 1
        return heard * out + self.words(text)[0]
