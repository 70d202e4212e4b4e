"""The loop written by hand, twice: as fast as torch allows, and as most tutorials have it.

Every contestant is a function (workload, x, y, seed, mark) -> predict, with predict: x -> logits.
It calls `mark()` at the end of each epoch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from workloads import LR, WEIGHT_DECAY, Workload, build

Mark = Callable[[], None]
Predict = Callable[[Tensor], Tensor]


def gathers(workload: Workload, x: Tensor, y: Tensor, seed: int, mark: Mark) -> Predict:
    """Index gathers and fused AdamW: what all are measured against."""
    network = build(workload, seed).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
    for _ in range(workload.epochs):
        for rows in torch.randperm(len(x)).split(workload.batch):
            loss = functional.cross_entropy(network(x.index_select(0, rows)), y.index_select(0, rows))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        mark()
    return predictor(network)


def loader(workload: Workload, x: Tensor, y: Tensor, seed: int, mark: Mark) -> Predict:
    """torch's DataLoader and plain AdamW."""
    network = build(workload, seed).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    batches = DataLoader(TensorDataset(x, y), batch_size=workload.batch, shuffle=True)
    for _ in range(workload.epochs):
        for batch, target in batches:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(batch), target)
            loss.backward()
            optimizer.step()
        mark()
    return predictor(network)


def predictor(network: nn.Module) -> Predict:
    """x -> logits in evaluation mode, 512 rows at a time."""

    @torch.no_grad()
    def predict(x: Tensor) -> Tensor:
        network.eval()
        return torch.cat([network(part) for part in x.split(512)]).float()

    return predict
