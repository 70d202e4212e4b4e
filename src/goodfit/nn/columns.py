"""The front of a table's network: numbers and categories as one vector per row.

B rows, N numbers, M categories, D features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.categorical import CategoryEmbedding, OneHot
from goodfit.nn.numeric import PeriodicEmbedding, PiecewiseLinearEmbedding, RawNumbers
from goodfit.nn.shapes import required

# Up to here a level is a feature of its own, which loses nothing and is what TabM's results were obtained with; beyond, a row of the
# first layer's input would be mostly zeros, K times over, and a level has too few rows to learn `width` weights from.
ONE_HOT_LEVELS = 64


class Columns(nn.Module):
    """Numbers [B, N] and category codes [B, M] -> features [B, D].

    numbers: N. sizes: codes of each category column, code 0 included. embedding: none, piecewise (needs `bins`) or periodic.
    dim: dimensions of an embedded number, and of an embedded category unless `category_dim` says otherwise. one_hot_levels: columns with more
    levels are embedded. pace: of periodic embeddings, see there.
    `width` is D; `sections` says how many of the D features come from each column.
    """

    def __init__(
        self,
        numbers: int,
        sizes: Sequence[int] = (),
        *,
        bins: Sequence[Tensor] | None = None,
        embedding: str = "none",
        dim: int = 16,
        category_dim: int | None = None,
        one_hot_levels: int = ONE_HOT_LEVELS,
        pace: float = 1.0,
    ) -> None:
        super().__init__()
        if not numbers and not len(sizes):
            raise InputError("a network over columns needs at least one number or category; it was built for none")
        self.embed = _numbers(numbers, bins, embedding, dim, pace) if numbers else None
        self.small = [column for column, size in enumerate(sizes) if size - 1 <= one_hot_levels]
        self.large = [column for column, size in enumerate(sizes) if size - 1 > one_hot_levels]
        self.one_hot = OneHot([sizes[column] for column in self.small]) if self.small else None
        self.table = CategoryEmbedding([sizes[column] for column in self.large], category_dim or dim) if self.large else None
        self.categories = len(sizes)
        parts = [part for part in (self.embed, self.one_hot, self.table) if part is not None]
        self.sections: list[int] = [width for part in parts for width in part.sections]
        self.width = sum(self.sections)

    def forward(self, numbers: Tensor | None = None, categories: Tensor | None = None) -> Tensor:
        features = []
        if self.embed is not None:
            features.append(self.embed(required("numbers", numbers)))
        if self.categories:
            codes = required("categories", categories)
            if self.one_hot is not None:
                hot = self.one_hot(codes[:, self.small] if self.large else codes)
                features.append(hot.to(features[0].dtype) if features else hot)
            if self.table is not None:
                features.append(self.table(codes[:, self.large] if self.small else codes))
        return features[0] if len(features) == 1 else torch.cat(features, 1)


def _numbers(
    numbers: int, bins: Sequence[Tensor] | None, embedding: str, dim: int, pace: float
) -> RawNumbers | PiecewiseLinearEmbedding | PeriodicEmbedding:
    if embedding == "none":
        return RawNumbers(numbers)
    if embedding == "periodic":
        return PeriodicEmbedding(numbers, dim, pace=pace)
    if embedding != "piecewise":
        raise SettingError(f"embedding must be none, piecewise or periodic; {embedding!r} was given", value=embedding)
    if bins is None or len(bins) != numbers:
        raise InputError(
            f"a piecewise-linear embedding of {numbers} numbers needs as many tensors of bin edges; got {0 if bins is None else len(bins)}"
        )
    return PiecewiseLinearEmbedding(bins, dim)
