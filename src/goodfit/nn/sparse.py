"""Linear layers over sparse features. N rows, F features, Z numbers that are not 0, D outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from goodfit.nn.dropout import dropout
from goodfit.nn.edges import Flow, weighted_total
from goodfit.nn.prepared import prepared
from goodfit.nn.shapes import expect


@dataclass(frozen=True)
class SparseRows:
    """A matrix [N, F] of which only Z numbers are held: `values` [Z], from feature (source) to row (target)."""

    values: Tensor
    along: Flow

    @property
    def shape(self) -> torch.Size:
        return torch.Size([self.along.target.nodes, self.along.source.nodes])


def sparse_rows(x: Tensor) -> SparseRows:
    """A torch.sparse_csr tensor [N, F] with what a linear layer's gradient needs, made once for a tensor."""

    def along() -> Flow:
        N, F = x.shape
        row = torch.arange(N, device=x.device).repeat_interleave(x.crow_indices().diff())
        return Flow(x.col_indices().long(), row, F, N, ascending=True)

    return SparseRows(x.values(), prepared(x, "columns", along))


def linear(layer: nn.Linear, x: Tensor | SparseRows) -> Tensor:
    """layer(x) for x [N, F], dense or sparse -> [N, D]. A sparse product costs Z * D, not N * F * D."""
    if isinstance(x, Tensor):
        return layer(x)
    out = weighted_total(layer.weight.t(), x.values, x.along)
    return out if layer.bias is None else out + layer.bias


def features(name: str, x: Tensor | SparseRows, width: int) -> Tensor | SparseRows:
    """x [N, F], checked; a torch.sparse_csr tensor as SparseRows."""
    if isinstance(x, SparseRows):
        return x
    expect(name, x, "N", width)
    return sparse_rows(x) if x.layout == torch.sparse_csr else x


def sparse_dropout(x: Tensor | SparseRows, p: float, training: bool) -> Tensor | SparseRows:
    """`dropout` of x; of the numbers that are held where x is sparse, which is the same, since the others are 0."""
    if isinstance(x, Tensor):
        return dropout(x, p, training)
    return replace(x, values=dropout(x.values, p, training))
