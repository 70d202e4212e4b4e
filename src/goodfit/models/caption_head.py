"""Captions on a backbone that was trained elsewhere: its places in place of convolutions of our own.

B images, S places, F features of a place, D width, T words, V words of the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.models.caption_rnn import CaptionRNN
from goodfit.models.features import places_of
from goodfit.models.headed import Headed
from goodfit.nn.block import State
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.shapes import expect, required


class Places(nn.Module):
    """Features [B, S, F] -> [B, S, D]: scaled by the training rows' mean and deviation, mapped, with a learned vector of where each place stands."""

    mean: Tensor
    std: Tensor

    def __init__(self, places: int, features: int, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.dropout = Dropout(dropout)
        self.map = nn.Linear(features, width)
        self.norm = RMSNorm(width)
        self.where = nn.Parameter(torch.zeros(places, width))

    def forward(self, features: Tensor) -> Tensor:
        expect("the places of a picture", features, "B", self.where.shape[0], self.mean.shape[0])
        return self.norm(self.map(self.dropout((features - self.mean) / self.std))) + self.where


class CaptionHead(nn.Module):
    """Features of places [B, S, F] and words [B, T] -> scores [B, T, V]: models.caption_rnn behind a backbone."""

    def __init__(self, places: int, features: int, vocabulary: int, *, width: int = 128, dropout: float = 0.5) -> None:
        super().__init__()
        self.places = Places(places, features, width, dropout=dropout)
        self.writer = CaptionRNN(self.places, vocabulary, width=width, dropout=dropout)

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """mean, std: [F] of the features of the training rows."""
        self.places.mean.copy_(mean)
        self.places.std.copy_(std)

    def forward(self, *, features: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return self.writer(image=required("features", features), target=target)

    def encode(self, features: Tensor) -> State:
        return self.writer.encode(features)

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        return self.writer.advance(state, tokens)


class HeadedCaption(Headed):
    """A backbone for pictures with a `CaptionHead`: images [B, C, H, W] and words [B, T] -> scores, as models.caption_rnn."""

    head: CaptionHead

    def features(self, **inputs: Tensor) -> Tensor:
        """[B, S, F] of the pictures."""
        return places_of(self.found(**inputs))

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.head(features=self.features(image=inputs["image"]), target=inputs["target"])

    def with_weights(self, *, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The scores, and how much each word looks at each place: [B, T, S]."""
        return self.head.writer.with_weights(image=self.features(image=image), target=target)

    def encode(self, image: Tensor) -> State:
        return self.head.encode(self.features(image=image))

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        return self.head.advance(state, tokens)
