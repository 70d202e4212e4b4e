"""Networks as a user writes them, for the tests to hand over and to name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class Columns(nn.Module):
    """A whole network: takes the inputs by their names."""

    def __init__(self, numbers: int, sizes: list[int], outputs: int, width: int = 8) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 3) for size in sizes)
        self.layers = nn.Sequential(nn.Linear(numbers + 3 * len(sizes), width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, *, numbers: Tensor, categories: Tensor) -> Tensor:
        return self.layers(torch.cat([numbers, *(table(categories[:, place]) for place, table in enumerate(self.tables))], 1))


def columns(inputs: dict[str, Any], outputs: int, width: int = 8) -> Columns:
    """Fits what the data have."""
    return Columns(len(inputs["numbers"]["names"]), inputs["categories"]["sizes"], outputs, width)


class Eyes(nn.Module):
    """A backbone for pictures that is called with one tensor; `give` says in which form its features come."""

    def __init__(self, give: str = "map") -> None:
        super().__init__()
        self.give = give
        self.first = nn.Conv2d(3, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.blocks = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Any:
        x = torch.relu(self.norm(self.first(x)))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        if self.give == "map":
            return x  # B C H W
        if self.give == "vector":
            return x.amax((2, 3))  # B C
        tokens = x.flatten(2).transpose(1, 2)  # B T C
        return tokens if self.give == "tokens" else SimpleNamespace(last_hidden_state=tokens)


def eyes(give: str = "map") -> Eyes:
    torch.manual_seed(7)
    return Eyes(give)


def broken() -> nn.Module:
    raise RuntimeError("no such luck")


def no_network() -> str:
    return "a text"


NUMBER = 3
