"""Small real sets and small networks that learn them in a fraction of a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

from goodfit.base.streams import numpy_stream, torch_stream


@dataclass(frozen=True)
class Table:
    """x [n, F] standardised, y [n] codes or standardised numbers; the last third of the rows, in an order of chance, is for testing."""

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor


def table(name: str, rows: int | None = None) -> Table:
    """breast_cancer, digits, wine or diabetes; the first `rows` rows for training."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = numpy_stream(0, "split", name).permutation(len(y))
    x, y = x[order], y[order]
    cut = 2 * len(y) // 3
    x = (x - x[:cut].mean(0)) / (x[:cut].std(0) + 1e-9)
    y = y.astype(np.int64) if name != "diabetes" else (y - y[:cut].mean()) / y[:cut].std()
    x_t, y_t = torch.from_numpy(x).float(), torch.from_numpy(y)
    return Table(x_t[: rows or cut][:cut], y_t[: rows or cut][:cut], x_t[cut:], y_t[cut:])


class Net(nn.Module):
    """An MLP with one hidden layer, of `x` [B, F] -> [B, O]; norm: with batch norm before the activation."""

    def __init__(self, features: int, outputs: int, hidden: int = 16, *, norm: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.norm = nn.BatchNorm1d(hidden) if norm else nn.Identity()
        self.second = nn.Linear(hidden, outputs)
        stream = torch_stream(seed, "init")
        with torch.no_grad():
            for layer in (self.first, self.second):
                bound = layer.in_features**-0.5
                layer.weight.uniform_(-bound, bound, generator=stream)
                layer.bias.uniform_(-bound, bound, generator=stream)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.norm(self.first(x))))


def learn(network: Net, x: Tensor, y: Tensor, loss, *, weight: Tensor | None = None, steps: int = 60, lr: float = 0.02) -> Net:
    """Full-batch Adam on the weighted mean of loss(output, y) [n]."""
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    w = torch.full((len(x),), 1 / len(x)) if weight is None else weight.float()
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        (w * loss(network(x), y)).sum().backward()
        optimizer.step()
    return network.eval()


@torch.no_grad()
def probabilities(network: nn.Module, x: Tensor) -> np.ndarray:
    """[n, C]"""
    return network(x=x).softmax(-1).double().numpy()


def log_loss(p: np.ndarray, y: Tensor) -> float:
    return float(-np.log(np.clip(p[np.arange(len(y)), y.numpy()], 1e-12, None)).mean())


def accuracy(p: np.ndarray, y: Tensor) -> float:
    return float((p.argmax(1) == y.numpy()).mean())
