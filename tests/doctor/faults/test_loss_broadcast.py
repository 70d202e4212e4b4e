"""`loss.broadcast`: every answer compared with every target."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.proving import Ending, case_of, proven
from tests.doctor.made import mlp, plain, rings
from torch import Tensor
from torch.nn import functional as F

from goodfit.doctor.faults.loss_broadcast import suspect

pytestmark = pytest.mark.filterwarnings("ignore:Using a target size")  # torch's own word of the fault
x, _ = rings(400)
hx, _ = rings(200, seed=1)
radius, held = x.norm(dim=1), hx.norm(dim=1)
ADAM = {"kind": torch.optim.Adam, "lr": 0.01, "epochs": 10}


@pytest.mark.parametrize("flat", [True, False])
def test_a_column_against_a_row(flat: bool) -> None:
    network = mlp(2, 1) if flat else Ending(mlp(2, 1), lambda out: out.squeeze(1))
    targets = (radius, held) if flat else (radius.unsqueeze(1), held.unsqueeze(1))
    suspicion, proof = proven(suspect, plain(network, x, targets[0], F.mse_loss, held=(hx, targets[1]), **ADAM))
    assert suspicion.evidence["compared"] == [32, 32]
    assert proof.gain is not None
    assert proof.gain.value > 0.5


def test_a_loss_of_the_programs_own() -> None:
    def own(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square().mean()

    program = plain(mlp(2, 1), x, radius, F.l1_loss, held=(hx, held), **ADAM)
    assert suspect(case_of(program)) is not None
    assert suspect(case_of(plain(mlp(2, 1), x, radius.unsqueeze(1), own, held=(hx, held.unsqueeze(1)), **ADAM))) is None


def test_equal_shapes() -> None:
    assert suspect(case_of(plain(mlp(2, 1), x, radius.unsqueeze(1), F.mse_loss, held=(hx, held.unsqueeze(1)), **ADAM))) is None
