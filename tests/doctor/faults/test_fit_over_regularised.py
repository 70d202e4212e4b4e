"""`fit.over-regularised`: decay, dropout in layers and functions, a penalty, smoothed labels; and the usual amounts of them."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.made import examined, made, net
from torch import nn

from goodfit.doctor.faults.fit_over_regularised import suspect
from goodfit.doctor.program import Program


def rows(count: int = 400) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, 6, generator=torch.Generator().manual_seed(1))
    return x, (x[:, 0] > 0).long() + 2 * (x[:, 1] * x[:, 2] > 0).long()


class Dropping(nn.Module):
    """Drops by a function."""

    def __init__(self, share: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.share = nn.Linear(6, 32), nn.Linear(32, 4), share

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(nn.functional.dropout(torch.relu(self.first(x)), self.share, self.training))


def layers(share: float) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Dropout(share), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(share), nn.Linear(32, 4))


PROGRAMS = {
    "decay of Adam": lambda: made(net(6, 4), *rows(), options={"weight_decay": 0.3}),
    "decay of AdamW": lambda: made(net(6, 4), *rows(), optimizer=torch.optim.AdamW, options={"weight_decay": 50.0}),
    "dropout in layers": lambda: made(layers(0.9), *rows()),
    "dropout by a function": lambda: made(Dropping(0.95), *rows()),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_holds_it_back_is_found(name: str) -> None:
    suspicion, proof = examined(suspect, PROGRAMS[name]())
    assert suspicion is not None
    assert suspicion.always
    assert proof is not None
    assert proof.gain is not None
    assert proof.gain.value > 0.1


def usual() -> Program:
    return made(layers(0.1), *rows(), optimizer=torch.optim.AdamW, options={"weight_decay": 0.01})


def test_usual_amounts_raise_nothing() -> None:
    suspicion, _ = examined(suspect, usual())
    assert suspicion is None


def test_dropout_of_a_half_that_does_no_harm_is_not_tried_on_good_programs() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(400, 6, generator=generator)
    network = layers(0.5)
    suspicion, _ = examined(suspect, made(network, x, (x[:, 0] > 0).long(), epochs=12))
    assert suspicion is None or not suspicion.always
