"""The linear model: least squares for regression, logistic for classes, by the loss it is trained with.

B rows, T tokens, V vocabulary, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.nn.columns import Columns
from goodfit.nn.shapes import expect, required
from goodfit.nn.tokens import TokenEmbedding


class Linear(nn.Module):
    """Numbers [B, N], category codes [B, M], tokens [B, T] and an image [B, C, H, W], whichever it was built for -> [B, O].

    Categories are one-hot whatever their number of levels. A text is its bag of words: the weights of its tokens are added up and
    divided by the root of their number, so that each text is a vector of about length 1. An image is its pixels.
    All weights start at 0: the problem is convex, no start is better, and the first prediction says nothing.
    """

    def __init__(
        self, numbers: int, sizes: Sequence[int], outputs: int, *, vocabulary: int = 0, image: tuple[int, int, int] | None = None
    ) -> None:
        super().__init__()
        self.columns = Columns(numbers, sizes, one_hot_levels=max(sizes, default=0)) if numbers or sizes else None
        self.image = image
        features = (self.columns.width if self.columns is not None else 0) + (image[0] * image[1] * image[2] if image else 0)
        self.weight = nn.Linear(features, outputs, bias=False) if features else None
        self.words = TokenEmbedding(vocabulary, outputs) if vocabulary else None
        self.bias = nn.Parameter(torch.zeros(outputs))
        for part in (self.weight, self.words.table if self.words is not None else None):
            if part is not None:
                nn.init.zeros_(part.weight)

    def forward(
        self, *, numbers: Tensor | None = None, categories: Tensor | None = None, text: Tensor | None = None, image: Tensor | None = None
    ) -> Tensor:
        parts = [] if self.columns is None else [self.columns(numbers, categories)]
        if self.image is not None:
            image = required("image", image)
            expect("linear", image, "B", *self.image)
            parts.append(image.flatten(1))  # B C H W -> B C*H*W
        out = self.bias
        if self.weight is not None:
            out = out + self.weight(parts[0] if len(parts) == 1 else torch.cat(parts, 1))
        if self.words is not None:
            vectors, mask = self.words(required("text", text))
            real = mask.to(vectors.dtype)
            out = out + torch.bmm(real.unsqueeze(1), vectors).squeeze(1) / real.sum(1, keepdim=True).sqrt()  # B T O -> B O
        return out
