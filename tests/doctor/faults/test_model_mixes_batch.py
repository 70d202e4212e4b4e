"""`model.mixes-batch`: answers that depend on the company."""

from __future__ import annotations

import torch
from tests.doctor.faults.proving import Ending, case_of, proven
from tests.doctor.made import mlp, plain, rings
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.doctor.faults.model_mixes_batch import suspect

x, y = rings(400)
HELD = rings(200, seed=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 8}


def sequences(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Ones and zeros, and whether the first is a one: it must be remembered."""
    generator = torch.Generator().manual_seed(seed)
    given = torch.randint(0, 2, (rows, 6, 1), generator=generator).float()
    return given, given[:, 0, 0].long()


class Recurrent(nn.Module):
    def __init__(self, first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.out = nn.GRU(1, 16, batch_first=first), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0][:, -1])


class Turned(nn.Module):
    """Time first by a view, which puts the numbers of one row into others."""

    def __init__(self, right: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.out, self.right = nn.GRU(1, 16), nn.Linear(16, 2), right

    def forward(self, x: Tensor) -> Tensor:
        rows, steps, _ = x.shape
        turned = x.transpose(0, 1) if self.right else x.view(steps, rows, 1)
        return self.out(self.cell(turned)[0][-1])


def test_a_recurrent_layer_that_expects_rows_second() -> None:
    program = plain(Recurrent(False), *sequences(400, 0), held=sequences(200, 1), kind=torch.optim.Adam, lr=0.02, epochs=8)
    suspicion, proof = proven(suspect, program)
    assert suspicion.certain
    assert "batch_first=True" in proof.remedy.words  # type: ignore[union-attr]


def test_a_view_where_axes_should_be_exchanged() -> None:
    program = plain(Turned(False), *sequences(400, 0), held=sequences(200, 1), kind=torch.optim.Adam, lr=0.02, epochs=8)
    _, proof = proven(suspect, program)
    assert "transpose" in proof.remedy.words  # type: ignore[union-attr]


def test_a_softmax_along_the_rows() -> None:
    program = plain(Ending(mlp(2, 3), lambda out: out.log_softmax(0)), x, y, F.nll_loss, held=HELD, **ADAM)
    _, proof = proven(suspect, program)
    assert "dimension" in proof.remedy.words  # type: ignore[union-attr]


def test_networks_that_keep_rows_apart() -> None:
    torch.manual_seed(0)
    normed = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    assert suspect(case_of(plain(normed, x, y, held=HELD, **ADAM))) is None
    assert suspect(case_of(plain(Recurrent(True), *sequences(200, 0), held=sequences(100, 1)))) is None
    assert suspect(case_of(plain(Turned(True), *sequences(200, 0), held=sequences(100, 1)))) is None


def test_rounding_that_a_deep_network_blows_up_is_no_company() -> None:
    """Answers that differ by a millionth of their size differ by rounding alone; a network that insists on float32 is judged by their size."""
    torch.manual_seed(0)
    deep = nn.Sequential(*[part for _ in range(8) for part in (nn.Linear(2, 2), nn.Sigmoid())], nn.Linear(2, 3))
    for network in (deep, Ending(nn.Sequential(Ending(nn.Identity(), lambda given: given.float()), deep), lambda out: out.float())):
        case = case_of(plain(network, x, y, held=HELD, **ADAM))
        assert suspect(case) is None
