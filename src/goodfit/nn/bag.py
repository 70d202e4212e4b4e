"""Texts as bags of words whose weights are learned. B rows, T tokens, D features; token 0 is padding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.nn.dropout import dropout
from goodfit.nn.shapes import expect


class WordWeights(nn.Module):
    """Tokens [B, T] -> the same tokens sorted [B, T], and the weight of each [B, T]: (1 + ln count) * exp(importance of the word), at a
    word's first place and 0 at its repetitions, brought to Euclidean length 1 over the text.

    It is TF-IDF (sublinear counts, length 1; Salton and Buckley 1988) with the inverse document frequency learned from the task, which
    starts at the same weight for every word. dropout: share of the words that a text loses in training, before it is brought to length 1.
    """

    def __init__(self, vocabulary: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.vocabulary, self.dropout = vocabulary, dropout
        self.importance = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        expect("word weights", text, "B", "T")
        words = F.pad(text, (1, 0)).sort(1).values  # at least one place, a padding, so that a text may be empty
        first = torch.cat(
            [torch.ones_like(words[:, :1], dtype=torch.bool), words[:, 1:] != words[:, :-1]], 1
        )  # B T, True where a word begins
        run = first.long().cumsum(1) - 1
        count = torch.zeros_like(run).scatter_add(1, run, torch.ones_like(run)).gather(1, run)
        counted = (first & (words != 0)).to(self.importance.dtype) * (1 + count.to(self.importance.dtype).log())
        weight = dropout(counted, self.dropout, self.training) * self.importance[words].exp()
        return words, F.normalize(weight, dim=1)


def bag_sum(words: Tensor, weight: Tensor, table: nn.Embedding) -> Tensor:
    """Sum of the words' vectors, weighted: [B, T], [B, T] -> [B, D]."""
    return torch.bmm(weight.unsqueeze(1), table(words)).squeeze(1)
