"""Two units, or none, are too few for rings; wide enough networks and bottlenecks of autoencoders are left alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.doctor.faults.looped import case, groups, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults.model_too_small import narrowest, suspect
from goodfit.doctor.layers import layers
from goodfit.doctor.short import Setup, fresh
from goodfit.doctor.surgery import widened


class Images(nn.Module):
    """Convolutions with norms, laid flat."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.n, self.b, self.out = (
            nn.Conv2d(1, 2, 3, padding=1),
            nn.BatchNorm2d(2),
            nn.Conv2d(2, 3, 3, padding=1, stride=2),
            nn.Linear(3 * 4 * 4, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.n(self.a(x)))
        out: Tensor = self.out(F.relu(self.b(x)).flatten(1))
        return out


def test_two_units_are_too_few() -> None:
    suspicion, proof = tried(suspect, program(mlp(4, 2, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-2, updates=250))
    assert suspicion is not None
    assert suspicion.evidence["narrowest_hidden_layer"] == 2
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.2


def test_no_hidden_layer_at_all() -> None:
    suspicion, proof = tried(suspect, program(nn.Linear(4, 3), *moons(), optimizer=torch.optim.Adam, lr=1e-2, updates=250))
    assert suspicion is not None
    assert proof is not None
    assert "hidden layer" in (proof.remedy.words if proof.remedy else "")


def test_a_linear_rule_needs_no_more() -> None:
    _, proof = tried(suspect, program(nn.Linear(8, 4), *groups(), optimizer=torch.optim.Adam, lr=1e-2, updates=200))
    assert proof is None


def test_sixteen_units_and_a_bottleneck_are_not_suspected() -> None:
    assert suspect(case(program(mlp(4, 16, 3), *moons(), updates=20))) is None
    x, _ = moons()
    one = case(program(mlp(4, 1, 4), x, x, loss=F.mse_loss, updates=20))
    assert suspect(one) is None


def test_convolutions_are_widened_through_norms_and_flattening() -> None:
    x = torch.randn(160, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    one = case(program(Images(), x, torch.arange(160) % 5, updates=6, held=40))
    assert narrowest(one) == 2
    surgery = widened(one, 8)
    assert surgery is not None
    grown = fresh(one.view, Setup(surgery=(surgery,))).networks[0]
    assert grown(x[:2]).shape == (2, 5)
    assert isinstance(grown, Images)
    assert (grown.a.out_channels, grown.n.num_features, grown.b.out_channels, grown.out.in_features) == (8, 8, 8, 128)
    assert [layer.path for layer in layers(one)] == ["a", "n", "b", "out"]
