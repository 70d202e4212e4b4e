"""A heavy tail of gradients that clipping cures, told from a rate that is too high."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.doctor.faults.looped import case, mlp, moons, program, tried
from torch import Tensor, nn

from goodfit.doctor.faults import optim_rate_high as rate_high
from goodfit.doctor.faults.gradient_exploding import jump, suspect
from goodfit.doctor.layers import weighted


def wild(rows: int = 600) -> tuple[Tensor, Tensor]:
    """A linear rule; one row in forty lies a thousandfold out: the gradient of its batch throws the weights away."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, 6, generator=generator)
    y = (x.sum(1) * (x[:, 0] - 0.5) > 0).long()
    x[::40] *= 1000.0
    y[::40] = torch.randint(0, 2, (len(y[::40]),), generator=generator)
    return x, y


def test_rare_large_gradients_are_clipped() -> None:
    suspicion, proof = tried(
        suspect, program(mlp(6, 48, 2), *wild(), optimizer=torch.optim.SGD, lr=0.3, momentum=0.9, batch=8, updates=400, held=150)
    )
    assert suspicion is not None
    assert suspicion.evidence["largest_norm"] > 10 * suspicion.evidence["median_norm"]
    assert proof is not None
    assert proof.setup is not None
    assert proof.setup.clip is not None


class Counting(nn.Module):
    """A rectified layer that is applied to its own answer at every step, begun as the identity."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.out = nn.RNN(1, 16, nonlinearity="relu", batch_first=True), nn.Linear(16, 1)
        nn.init.eye_(self.rnn.weight_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0][:, -1])[:, 0]  # type: ignore[no-any-return]


def test_what_is_applied_step_after_step_explodes_by_itself_and_is_looked_at_before_the_rate() -> None:
    x = torch.rand(500, 40, 1, generator=torch.Generator().manual_seed(0)) - 0.5
    y = (x.clamp(min=0).sum((1, 2)) - 5) / 0.9
    one = case(program(Counting(), x, y, loss=F.mse_loss, lr=0.03, momentum=0.9, updates=200))
    suspicion, other = suspect(one), rate_high.suspect(one)
    assert suspicion is not None
    assert other is not None
    assert suspicion.evidence["explodes_by_itself"]
    assert suspicion.strength > other.strength
    calmer = case(program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3.0, updates=200))
    suspicion, other = suspect(calmer), rate_high.suspect(calmer)
    assert other is not None
    assert suspicion is None or suspicion.strength < other.strength


def test_a_high_rate_is_not_an_explosion() -> None:
    _, proof = tried(suspect, program(mlp(4, 32, 32, 3), *moons(), optimizer=torch.optim.Adam, lr=3.0, updates=200))
    assert proof is None


def test_clipped_and_calm_programs_are_not_suspected() -> None:
    assert suspect(case(program(mlp(4, 32, 32, 3), *moons(), lr=0.1, updates=60))) is None
    assert suspect(case(program(mlp(6, 48, 2), *wild(), lr=0.3, clip=1.0, updates=60))) is None


def test_jump_sees_a_leap_and_not_the_noise_of_what_is_learned() -> None:
    assert jump([1.0] * 10 + [9.0]) == 9.0
    assert jump([1.0] * 5 + [1e-6] * 20 + [1e-3]) < 1.0
    assert jump([1.0, float("nan")]) == float("inf")


def test_layers_are_seen_in_their_order() -> None:
    one = case(program(mlp(4, 8, 16, 3), *moons(), loss=F.cross_entropy, updates=5))
    assert [layer.made[-1] for layer in weighted(one)] == [8, 16, 3]
