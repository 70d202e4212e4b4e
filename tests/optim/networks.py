"""Small networks that hold every kind of parameter, and one training step of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Stack(nn.Module):
    """K linear maps as one: weight [K, out, in]."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, x: Tensor) -> Tensor:  # B K I -> B K O
        return torch.einsum("bki,koi->bko", x, self.weight) + self.bias


class Everything(nn.Module):
    """Convolutions, norm, embedding, linear maps, a stack, adapters, a recurrent layer and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 6)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 6, 3, padding=1)
        self.gru = nn.GRU(6, 5, batch_first=True)
        self.hidden = nn.Linear(6 + 6 + 5, 24)  # taller than wide
        self.scale = nn.Parameter(torch.ones(3, 24))
        self.stack = Stack(3, 24, 8)
        self.late = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, image: Tensor, codes: Tensor, late: bool = True) -> Tensor:  # -> B K 2
        embedded = self.table(codes)
        seen = self.second(F.relu(self.norm(self.first(image)))).mean((2, 3))
        x = torch.cat([embedded[:, 0], seen, self.gru(embedded)[0][:, -1]], 1)
        x = F.relu(self.stack(torch.tanh(self.hidden(x)).unsqueeze(1) * self.scale))
        return self.head(self.late(x) if late else x)


def make(dtype: torch.dtype = torch.float32, *, channels_last: bool = False, seed: int = 0) -> Everything:
    torch.manual_seed(seed)
    network = Everything().to(dtype)
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def gradients(network: Everything, step: int, *, late: bool = True) -> Tensor:
    """Leaves the gradients of step `step` in the parameters and returns the loss."""
    generator = torch.Generator().manual_seed(1000 + step)
    dtype = network.head.weight.dtype
    image = torch.randn(8, 2, 6, 6, generator=generator).to(dtype)
    codes = torch.randint(0, 7, (8, 4), generator=generator)
    target = torch.randn(8, 1, 2, generator=generator).to(dtype)
    for parameter in network.parameters():
        parameter.grad = None
    loss = (network(image, codes, late) - target).square().mean()
    loss.backward()
    return loss.detach()
