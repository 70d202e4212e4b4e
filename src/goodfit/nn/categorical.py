"""Categories as vectors. Code 0 is a value that is missing or was not seen in training: it starts as the zero vector.

B rows, M columns, L levels of all columns together, D dimensions.
A zero vector says "nothing known" where code 0 never occurs in training, and still tells missing from every level where it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.nn.shapes import expect


class OneHot(nn.Module):
    """Codes [B, M] -> [B, L] of zeros and ones, level 0 of each column left out.

    sizes: number of codes of each column, code 0 included. A code beyond its column's size gives zeros, like code 0.

    >>> OneHot([3, 2])(torch.tensor([[2, 0]]))
    tensor([[0., 1., 0.]])
    """

    column: Tensor
    level: Tensor
    unit: Tensor

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.columns = len(sizes)
        self.sections = [max(size - 1, 0) for size in sizes]
        self.width = sum(self.sections)
        columns = [column for column, size in enumerate(sizes) for _ in range(1, size)]
        levels = [level for size in sizes for level in range(1, size)]
        self.register_buffer("column", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.register_buffer("level", torch.tensor(levels, dtype=torch.int32), persistent=False)
        self.register_buffer("unit", torch.zeros(0), persistent=False)  # carries the network's floating-point type

    def forward(self, codes: Tensor) -> Tensor:
        expect("one-hot encoding", codes, "B", self.columns)
        return codes.index_select(1, self.column).eq(self.level).to(self.unit.dtype)


class CategoryEmbedding(nn.Module):
    """Codes [B, M] -> learned vectors [B, M * D], all columns in one table.

    The table starts as a normal of standard deviation 1 / sqrt(D), the scale of the embedded numbers beside it; row 0 of each column at 0.
    A code beyond its column's size counts as code 0.
    """

    offset: Tensor
    size: Tensor

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        self.columns, self.width, self.sections = len(sizes), len(sizes) * dim, [dim] * len(sizes)
        starts = [sum(sizes[:column]) for column in range(len(sizes))]
        self.register_buffer("offset", torch.tensor(starts, dtype=torch.int64), persistent=False)
        self.register_buffer("size", torch.tensor(list(sizes), dtype=torch.int64), persistent=False)
        self.table = nn.Embedding(sum(sizes), dim)
        with torch.no_grad():
            self.table.weight.normal_(0, dim**-0.5)
            self.table.weight[torch.tensor(starts, dtype=torch.int64)] = 0

    def forward(self, codes: Tensor) -> Tensor:
        expect("category embedding", codes, "B", self.columns)
        known = torch.where(codes < self.size, codes, 0)
        return self.table(known + self.offset).flatten(1)  # B M D -> B M*D
