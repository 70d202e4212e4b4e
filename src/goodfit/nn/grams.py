"""Vectors of runs of tokens beside those of the single ones: a table by hash (Bojanowski et al. 2017, fastText), here for the runs that end at each token.

B rows, T tokens, n length of a run, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.nn.dropout import Dropout

BUCKETS = 1 << 15  # rows of a table: a text of two million characters has 30,000 runs of three that occur twice
DIMENSIONS = 64  # of a run's vector: what is known of a run is little, and each step updates every row
_PRIME = 1_000_003  # an odd multiplier spreads neighbouring tokens over the table


class Grams(nn.Module):
    """For each token the runs of 2 to `longest` tokens that end with it, as one vector: [B, T] -> [B, T, D].

    What a transformer learns in its first blocks, which letters follow which, is looked up; the blocks learn what reaches further. Runs share rows by
    chance. dropout: of each run's vector.
    """

    def __init__(self, longest: int, width: int, *, buckets: int = BUCKETS, dimensions: int = DIMENSIONS, dropout: float = 0.0) -> None:
        super().__init__()
        self.longest, self.buckets = longest, buckets
        self.tables = nn.ModuleList([nn.Embedding(buckets, dimensions) for _ in range(2, longest + 1)])
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, 0, 0.02)
        self.dropout = Dropout(dropout)
        self.join = nn.Linear(dimensions * len(self.tables), width, bias=False)

    def forward(self, text: Tensor, before: Tensor | None = None) -> Tensor:
        """before: the longest - 1 tokens before the first [B, longest - 1]; nothing, 0, where None."""
        before = text.new_zeros(text.shape[0], self.longest - 1) if before is None else before.to(text.dtype)
        whole = torch.cat([before, text], 1).long()  # B longest - 1 + T
        T, first = text.shape[1], self.longest - 1
        run = whole[:, first:]
        found = []
        for back, table in enumerate(self.tables, start=1):
            run = (run * _PRIME + whole[:, first - back : first - back + T] + 1) % self.buckets
            found.append(self.dropout(table(run)))
        return self.join(torch.cat(found, 2))

    def after(self, text: Tensor, before: Tensor) -> Tensor:
        """The last longest - 1 tokens of `before` and `text` together [B, longest - 1]."""
        whole = torch.cat([before, text.to(before.dtype)], 1)
        return whole[:, whole.shape[1] - self.longest + 1 :]
