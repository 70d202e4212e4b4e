"""Programs of unusual make are recorded, read and examined, or it is said in a sentence why not."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from tests.doctor.recording import record
from torch import Tensor, nn

from goodfit.doctor.engine import examine_program
from goodfit.doctor.supervised import supervised


def test_a_network_without_rows_is_examined() -> None:
    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Parameter(torch.randn(12, 2)), nn.Parameter(torch.randn(2, 9))

        def forward(self) -> Tensor:
            return self.left @ self.right

    def run() -> None:
        wanted = torch.randn(12, 2) @ torch.randn(2, 9)
        model = Factors()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(30):
            optimizer.zero_grad()
            ((model() - wanted) ** 2).mean().backward()
            optimizer.step()
        with torch.no_grad():
            ((model() - wanted) ** 2).mean()

    found = record(run)
    view = supervised(found)
    assert view.pool is None
    assert [(one.rows, one.count) for one in view.evaluated] == [(None, 0)]
    examined = examine_program(found, seconds=5)
    assert not [sentence for sentence in examined.examined["not_seen"] if "Error" in sentence]


def test_an_optimiser_that_asks_for_its_loss_is_repeated() -> None:
    def run() -> None:
        x = torch.randn(80, 4)
        y = (x[:, 0] > 0).long()
        model = nn.Linear(4, 2)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        for _ in range(6):
            optimizer.step(closure)
        with torch.no_grad():
            (model(torch.randn(40, 4)).argmax(1) == torch.randint(2, (40,))).float().mean()

    examined = examine_program(record(run), seconds=5)
    assert not [sentence for sentence in examined.examined["not_seen"] if "cannot be repeated" in sentence or "Error" in sentence]
    assert examined.examined["runs"] > 0
