"""Members of a stack against the same networks trained alone: every optimiser, every family, every setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.training.stacks import CLASSES, Case, Rows, assert_equal, made, table
from torch import Tensor, nn

from goodfit.base.parts import OptimPart
from goodfit.models.bag import Bag
from goodfit.models.gru import GRU
from goodfit.models.lenet import LeNet5
from goodfit.models.linear import Linear
from goodfit.models.mlp import MLP
from goodfit.models.realmlp import RealMLP
from goodfit.models.resnet import cifar_resnet
from goodfit.models.series import SeriesRNN
from goodfit.models.tabm import TabM
from goodfit.models.transformer import Transformer
from goodfit.models.vgg import VGG

OPTIMISERS = ["sgd", "adagrad", "rmsprop", "adam", "adamw", "muon"]
EPS = 1e-6  # a bias before batch norm has a gradient of rounding errors alone, 1e-16, which Adam with its 1e-8 would learn from
BINS = [torch.linspace(-2, 2, 6) for _ in range(5)]


def _mlp(**settings: object) -> Callable[[int], nn.Module]:
    return made(lambda: MLP(5, [], CLASSES, **({"width": 8, "depth": 2, "dropout": 0.2} | settings)))  # type: ignore[arg-type]


def _categories(k: int) -> Rows:
    rows = table(k)
    codes = torch.randint(0, 20, (29, 2), generator=torch.Generator().manual_seed(k))
    return replace(rows, inputs=rows.inputs | {"categories": torch.stack([codes[:, 0] % 4, codes[:, 1]], 1)})


def _images(k: int, side: int = 8) -> Rows:
    generator = torch.Generator().manual_seed(k)
    images = torch.randn(20, 1, side, side, generator=generator, dtype=torch.float64)
    return Rows({"image": images}, torch.randint(0, CLASSES, (20,), generator=generator), k)


def _texts(k: int) -> Rows:
    generator = torch.Generator().manual_seed(k)
    text = torch.randint(1, 20, (20, 9), generator=generator)
    text[torch.arange(9) >= torch.randint(2, 10, (20, 1), generator=generator)] = 0
    return Rows({"text": text}, torch.randint(0, CLASSES, (20,), generator=generator), k)


def _series(k: int) -> Rows:
    generator = torch.Generator().manual_seed(k)
    lengths = torch.randint(2, 8, (20,), generator=generator)
    series = torch.randn(20, 7, 2, generator=generator, dtype=torch.float64)
    return Rows({"series": series, "lengths": lengths}, torch.randint(0, CLASSES, (20,), generator=generator), k)


class TorchAttention(nn.Module):
    """torch's own transformer layer, with its dropout of attention weights."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, text: Tensor) -> Tensor:
        out: Tensor = self.head(self.layer(self.table(text), src_key_padding_mask=text == 0).mean(1))
        return out


class Own(nn.Module):
    """What users write: parameters without a layer, functional dropout, tied weights, a buffer that follows what is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 6)
        self.third = self.second
        self.cell, self.dropout = nn.GRUCell(5, 6), nn.Dropout(0.1)
        self.scale = nn.Parameter(torch.ones(6))
        for name, size in {"seen": (6,), "kept": (6,), "count": ()}.items():
            self.register_buffer(name, torch.zeros(size))
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.norm = nn.BatchNorm1d(6, momentum=None)
        self.lstm = nn.LSTM(6, 4, num_layers=2, dropout=0.2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, numbers: Tensor) -> Tensor:
        x = F.dropout(torch.tanh(self.cell(numbers, self.dropout(self.first(numbers)))), 0.2, self.training)
        if self.training:
            x = x + 0.01 * torch.randn_like(x) + 0.01 * torch.rand(6, dtype=x.dtype) * torch.bernoulli(torch.sigmoid(x.detach()))
        x = self.norm(self.third(torch.tanh(self.second(x))) * self.scale + self.frozen(x))
        if self.training:
            self.seen = 0.9 * self.seen + 0.1 * x.detach().mean(0)
            self.kept.mul_(0.5).add_(x.detach().amax(0))
            self.count += 1
        out, (last, _) = self.lstm((x + self.seen).unsqueeze(1).expand(-1, 3, -1))
        found: Tensor = self.head(out[:, -1] + last[-2:].transpose(0, 1).flatten(1))
        return found


FAMILIES: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Rows]]] = {
    "mlp": (lambda: MLP(5, [], CLASSES, width=8, depth=2, dropout=0.2), table),
    "mlp, batch norm, pieces": (
        lambda: MLP(5, [4, 90], CLASSES, width=8, depth=2, dropout=0.2, norm="batch", embedding="piecewise", embedding_dim=3, bins=BINS),
        _categories,
    ),
    "mlp, layer norm, waves": (lambda: MLP(5, [], CLASSES, width=8, depth=1, dropout=0.2, norm="layer", embedding="periodic"), table),
    "linear": (lambda: Linear(5, [4, 20], CLASSES), _categories),
    "tabm": (lambda: TabM(5, [4, 20], CLASSES, width=8, members=3), _categories),
    "realmlp": (lambda: RealMLP(5, [4, 20], CLASSES, width=8, depth=2), _categories),
    "lenet5": (lambda: LeNet5((1, 12, 12), CLASSES), lambda k: _images(k, 12)),
    "vgg": (lambda: VGG((1, 8, 8), CLASSES, width=3, convolutions=1, dropout=0.2), _images),
    "vgg, layer norm": (lambda: VGG((1, 8, 8), CLASSES, width=3, convolutions=1, norm="layer"), _images),
    "resnet": (lambda: cifar_resnet((1, 8, 8), CLASSES, depth=8, width=3, dropout=0.2), _images),
    "gru": (lambda: GRU(20, CLASSES, embedding_dim=6, width=5, depth=2), _texts),
    "lstm": (lambda: SeriesRNN(2, CLASSES, cell="lstm", width=5), _series),
    "transformer": (lambda: Transformer(20, CLASSES, width=8, heads=2, depth=1), _texts),
    "bag": (lambda: Bag(20, CLASSES, width=4), _texts),
    "torch's attention": (TorchAttention, _texts),
    "a user's own": (Own, table),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_equals_itself_alone(family: str) -> None:
    build, rows = FAMILIES[family]
    given = [rows(k) for k in range(2)]
    optim = [OptimPart(lr=0.01 / (k + 1), eps=EPS) for k in range(2)]
    case = Case(made(build), given, optim, epochs=[-(-100 // len(g)) for g in given], scored=False)
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("family", ["mlp, batch norm, pieces", "tabm", "vgg", "gru", "transformer"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_on_each_kind_of_weight(name: str, family: str) -> None:
    build, rows = FAMILIES[family]
    given = [rows(k) for k in range(2)]
    optim = [OptimPart(name=name, lr=0.004 * (k + 1), weight_decay=0.1 * k, eps=EPS) for k in range(2)]  # type: ignore[arg-type]
    case = Case(made(build), given, optim, epochs=[6, 6], scored=False)
    assert_equal(case, case.train_stacked())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_for_a_hundred_updates(name: str) -> None:
    optim = [OptimPart(name=name, lr=0.01 * (k + 1), weight_decay=0.1 * k) for k in range(3)]  # type: ignore[arg-type]
    case = Case(_mlp(), [table(k) for k in range(3)], optim, epochs=[25] * 3, scored=False)
    assert_equal(case, case.train_stacked())
