"""One network that sees numbers, categories, text and an image of the same row together.

B rows, N numbers, M categories, T tokens, D features, K members, O outputs. Each kind has its own encoder; their features stand side by side
as the columns of a TabM, so that the members part over all kinds alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.bag import BagEncoder
from goodfit.models.resnet9 import ResNet9Encoder
from goodfit.models.tabm import EnsembleTrunk
from goodfit.nn.columns import Columns
from goodfit.nn.shapes import required

TEXT_FEATURES = 64  # of a text: four times an embedded number's, since one text says more than one number
IMAGE_WIDTH = 16  # channels of the first block, the default of resnet9: 128 features


class Mixed(nn.Module):
    """Numbers [B, N], category codes [B, M], tokens [B, T] and an image [B, C, H, W], whichever it was built for -> [B, K, O].

    numbers: N. sizes: codes of each category column, code 0 included. vocabulary: of the text, 0 for none. image: (C, H, W) or None.
    What the words of the text say by themselves is added to every member's output.
    """

    def __init__(
        self,
        numbers: int,
        sizes: Sequence[int],
        outputs: int,
        *,
        vocabulary: int = 0,
        image: tuple[int, int, int] | None = None,
        width: int = 256,
        depth: int = 2,
        members: int = 32,
        dropout: float = 0.1,
        activation: str = "relu",
        embedding: str = "none",
        embedding_dim: int = 16,
        bins: Sequence[Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not (numbers or sizes or vocabulary or image):
            raise InputError("a network needs inputs: numbers, categories, a text or an image")
        self.columns = Columns(numbers, sizes, bins=bins, embedding=embedding, dim=embedding_dim) if numbers or sizes else None
        self.words = BagEncoder(vocabulary, outputs, TEXT_FEATURES) if vocabulary else None
        self.pixels = ResNet9Encoder(image, width=IMAGE_WIDTH) if image else None
        # The encoders' features come in any size; the columns' are of size 1 by the encoding of the data.
        self.word_norm = nn.LayerNorm(TEXT_FEATURES) if vocabulary else None
        self.pixel_norm = nn.LayerNorm(self.pixels.width) if self.pixels is not None else None
        sections = list(self.columns.sections) if self.columns is not None else []
        sections += [1] * TEXT_FEATURES if self.words is not None else []  # each feature of an encoder counts as a column
        sections += [1] * self.pixels.width if self.pixels is not None else []
        self.trunk = EnsembleTrunk(
            sections, outputs, width=width, depth=depth, members=members, dropout=dropout, hidden=activation, first_adapter="normal"
        )

    def forward(
        self, *, numbers: Tensor | None = None, categories: Tensor | None = None, text: Tensor | None = None, image: Tensor | None = None
    ) -> Tensor:
        parts = [] if self.columns is None else [self.columns(numbers, categories)]
        said = None
        if self.words is not None and self.word_norm is not None:
            said, features = self.words(required("text", text))
            parts.append(self.word_norm(features))
        if self.pixels is not None and self.pixel_norm is not None:
            parts.append(self.pixel_norm(self.pixels(required("image", image)).to(self.pixel_norm.weight.dtype)))
        out = self.trunk(parts[0] if len(parts) == 1 else torch.cat(parts, 1))
        return out if said is None else out + said.unsqueeze(1)  # B K O + B 1 O
