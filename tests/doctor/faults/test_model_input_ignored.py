"""`model.input-ignored`: answers that do not depend on what goes in."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import Ending, case_of, proven, silent
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn

from goodfit.doctor.faults.model_input_ignored import suspect

x, y = rings(400)
hx, hy = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 12}


class Before(nn.Module):
    """Something done to what goes in."""

    def __init__(self, change: object, network: nn.Module) -> None:
        super().__init__()
        self.change, self.network = change, network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(self.change(x))  # type: ignore[operator]


def test_an_input_that_is_overwritten() -> None:
    suspicion, proof = proven(suspect, plain(Before(torch.zeros_like, mlp(2, 3)), x, y, held=(hx, hy), **ADAM))
    assert suspicion.certain
    assert proof.gain is not None
    assert proof.gain.value > 0.3


def test_words_that_all_become_number_0() -> None:
    def lost(x: Tensor) -> Tensor:
        return (x.float() / 100).long()

    generator = torch.Generator().manual_seed(0)
    words, held = (torch.randint(0, 20, (rows, 3), generator=generator) for rows in (400, 200))
    network = nn.Sequential(nn.Embedding(20, 8), nn.Flatten(), nn.Linear(24, 2))
    targets = [(given[:, 0] > 9).long() for given in (words, held)]
    program = plain(Before(lost, network), words, targets[0], held=(held, targets[1]), kind=torch.optim.Adam, lr=0.05, epochs=10)
    suspicion, _ = proven(suspect, program)
    assert suspicion.certain


def test_half_of_the_columns_left_out() -> None:
    program = plain(Before(lambda x: x[:, :1], mlp(1, 3)), x, y, held=(hx, hy), **ADAM)
    suspicion, _ = proven(suspect, program)
    assert suspicion.evidence == {"columns": 2, "ignored": 1}
    assert not suspicion.certain


def test_columns_left_out_that_say_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    given, held = (torch.cat([one, torch.randn(len(one), 2, generator=generator)], 1) for one in (x, hx))
    assert silent(suspect, plain(Before(lambda x: x[:, :2], mlp(2, 3)), given, y, held=(held, hy), **ADAM))


def test_a_last_layer_that_begins_at_0() -> None:
    network = mlp(2, 3)
    nn.init.zeros_(network[-1].weight)
    nn.init.zeros_(network[-1].bias)
    assert suspect(case_of(plain(network, x, y, held=(hx, hy), **ADAM))) is None
    assert suspect(case_of(plain(Ending(mlp(2, 3), lambda out: out), x, y, held=(hx, hy)))) is None
