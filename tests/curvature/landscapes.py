"""Small networks with their losses, and the same as a function of one flat vector, which dense matrices are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from goodfit.curvature.objective import Objective

Batch = tuple[Tensor, Tensor]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:  # B T 3 -> B 2
        return self.head(self.gru(x)[0][:, -1])


class Attending(nn.Module):
    """Attention as torch fuses it, a norm, and one weight used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4) / 2)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:  # B T 4 -> B 3
        q = (x @ self.weight).unsqueeze(1)  # B 1 T 4
        k = (x @ self.weight.T).unsqueeze(1)
        return self.head(self.norm(F.scaled_dot_product_attention(q, k, x.unsqueeze(1)).squeeze(1)).mean(1))


def squared(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().sum(1)


def softmax(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, reduction="none")


@dataclass(frozen=True)
class Landscape:
    network: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    x: Tensor
    target: Tensor

    def batches(self, *sizes: int) -> list[Batch]:
        cuts = sizes or (len(self.x),)
        return list(zip(self.x.split(cuts), self.target.split(cuts), strict=True))

    def objective(self, *sizes: int) -> Objective:
        return Objective(lambda batch: self.loss(self.network(batch[0]), batch[1]), self.network, self.batches(*sizes))

    def flat(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.network.parameters()])

    def output(self, flat: Tensor) -> Tensor:
        names, shapes = zip(*((name, p.shape) for name, p in self.network.named_parameters()), strict=True)
        parts = flat.split([shape.numel() for shape in shapes])
        tensors = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
        with sdpa_kernel(SDPBackend.MATH):
            return functional_call(self.network, tensors, (self.x,))

    def hessian(self) -> Tensor:
        """Dense, by torch: another way than a product's."""
        return torch.autograd.functional.hessian(lambda flat: self.loss(self.output(flat), self.target).mean(), self.flat())

    def gauss_newton(self) -> Tensor:
        """J^T H J, dense, with the loss's Hessian in the outputs as a formula."""
        jacobian = torch.autograd.functional.jacobian(self.output, self.flat())  # B O P
        output = self.output(self.flat())
        if self.loss is squared:
            inner = 2 * torch.eye(output.shape[1], dtype=output.dtype).expand(len(output), -1, -1)
        else:
            p = output.softmax(1)
            inner = torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)
        return torch.einsum("bip,bij,bjq->pq", jacobian, inner, jacobian) / len(output)


def landscape(name: str, seed: int = 0) -> Landscape:
    torch.manual_seed(seed)
    with double():
        if name in {"mlp, softmax", "mlp, squared"}:
            network: nn.Module = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 3))
            x = torch.randn(10, 5)
        elif name == "relu, softmax":
            network, x = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(10, 5)
        elif name == "conv, softmax":
            network = nn.Sequential(
                nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)
            ).eval()
            x = torch.randn(10, 2, 6, 6)
        elif name == "gru, squared":
            network, x = Recurrent(), torch.randn(10, 4, 3)
        else:
            network, x = Attending(), torch.randn(10, 5, 4)
        outputs = network(x).shape[1]
        if "squared" in name:
            return Landscape(network, squared, x, torch.randn(10, outputs))
        return Landscape(network, softmax, x, torch.randint(0, outputs, (10,)))


NAMES = ["mlp, softmax", "mlp, squared", "relu, softmax", "conv, softmax", "gru, squared", "attention, softmax"]


@contextmanager
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def matrix_with(values: Tensor, seed: int = 0) -> Tensor:
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    random = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(len(values), len(values), generator=random, dtype=values.dtype))
    return (q * values) @ q.T
