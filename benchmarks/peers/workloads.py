"""The four workloads of the loop: data, network, batch size. The same rows and the same first weights for everyone.

B batch, C classes, D numbers, T steps or tokens, E width, H heads.
The data are made, with something in them to learn, so that the accuracy after equal epochs says whether the loops learn alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

LR = 1e-3
WEIGHT_DECAY = 1e-2  # torch's default for AdamW, the optimiser of all


@dataclass(frozen=True)
class Workload:
    """rows per epoch, epochs in a round (the first is not timed), batch size, classes.

    data(n, generator) -> (x, y); network(dropout module) -> network from x to logits [B, C].
    """

    rows: int
    epochs: int
    batch: int
    classes: int
    data: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
    network: Callable[[type[nn.Module]], nn.Module]


TEST_ROWS = 2048


def rows(workload: Workload, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x and y to train on, x and y to test on."""
    x, y = workload.data(workload.rows + TEST_ROWS, torch.Generator().manual_seed(seed))
    return x[:-TEST_ROWS], y[:-TEST_ROWS], x[-TEST_ROWS:], y[-TEST_ROWS:]


def build(workload: Workload, seed: int, dropout: type[nn.Module] = nn.Dropout) -> nn.Module:
    """The network with the weights that `seed` gives."""
    torch.manual_seed(seed)
    return workload.network(dropout)


def _table(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """32 numbers; the class is the sign of a random network of one hidden layer."""
    teacher = torch.Generator().manual_seed(1)
    hidden, out = torch.randn(32, 16, generator=teacher), torch.randn(16, generator=teacher)
    x = torch.randn(n, 32, generator=generator)
    return x, ((x @ hidden / 4).tanh() @ out > 0).long()


def _images(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ten smooth patterns of 28 x 28, moved by up to 4 pixels, under noise."""
    patterns = torch.randn(10, 1, 9, 9, generator=torch.Generator().manual_seed(2))
    patterns = functional.interpolate(patterns, size=(36, 36), mode="bicubic").squeeze(1)  # C 36 36
    y = torch.randint(10, (n,), generator=generator)
    down, right = torch.randint(9, (2, n), generator=generator)
    side = torch.arange(28)
    x = patterns[y[:, None, None], (down[:, None] + side)[:, :, None], (right[:, None] + side)[:, None, :]]  # B 28 28
    return (x + 2.5 * torch.randn(n, 28, 28, generator=generator)).unsqueeze(1), y


def _series(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """50 steps of 8 channels; the class is which of four frequencies two of the channels share, under noise."""
    y = torch.randint(4, (n,), generator=generator)
    phase = 6.3 * torch.rand(n, 1, 1, generator=generator)
    t = torch.arange(50.0).view(1, 50, 1)
    wave = torch.sin((0.25 + 0.1 * y).view(n, 1, 1) * t + phase)  # B T 1
    x = torch.randn(n, 50, 8, generator=generator)
    x[:, :, :2] += wave
    return x, y


def _tokens(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """64 tokens of 256; the class is whether more of them are below 128 than in an average row."""
    x = torch.randint(256, (n, 64), generator=generator)
    return x, ((x < 128).sum(dim=1) > 32).long()


def _mlp(dropout: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2))


def _cnn(dropout: type[nn.Module]) -> nn.Module:
    def block(channels: int, filters: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 7 * 7, 10))


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 64, batch_first=True)
        self.head = nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])  # B T 64 -> B C


class _Layer(nn.Module):
    """Pre-norm attention and a hidden layer of four times the width, with dropout where Vaswani et al. 2017 and torch have it."""

    def __init__(self, width: int, heads: int, dropout: type[nn.Module]) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_hidden = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop_weights, self.drop_attention, self.drop_hidden, self.drop_back = (dropout(0.1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        B, T, E = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(B, T, 3, self.heads, E // self.heads).permute(2, 0, 3, 1, 4)  # 3 B H T E/H
        weights = self.drop_weights((q @ k.transpose(-1, -2) * (E // self.heads) ** -0.5).softmax(dim=-1))  # B H T T
        x = x + self.drop_attention(self.out((weights @ v).transpose(1, 2).reshape(B, T, E)))
        return x + self.drop_back(self.back(self.drop_hidden(functional.gelu(self.hidden(self.norm_hidden(x))))))


class _Transformer(nn.Module):
    def __init__(self, dropout: type[nn.Module]) -> None:
        super().__init__()
        self.tokens = nn.Embedding(256, 64)
        self.positions = nn.Parameter(0.02 * torch.randn(64, 64))
        self.layers = nn.Sequential(*[_Layer(64, 4, dropout) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(self.tokens(x) + self.positions)).mean(dim=1))  # B T -> B T E -> B C


WORKLOADS = {
    "mlp": Workload(65_536, 6, 256, 2, _table, _mlp),
    "cnn": Workload(4_096, 4, 128, 10, _images, _cnn),
    "lstm": Workload(16_384, 4, 64, 4, _series, lambda dropout: _Recurrent()),
    "transformer": Workload(2_048, 4, 64, 2, _tokens, _Transformer),
}
