"""What a program judges by: evaluations with gradients on and in training mode, samples that are drawn, answers behind a logarithm."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.doctor.recording import mlp, names, record
from torch import Tensor, nn

from goodfit.doctor.supervised import supervised


def rows(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 5, generator=generator)
    return x, (x[:, 0] > 0).long()


@pytest.mark.parametrize("keep", [256, 5])
def test_an_evaluation_in_training_mode_with_gradients_on_is_known_by_its_number_of_rows(keep: int) -> None:
    x, y = rows(75)
    held = rows(40, 1)

    def run() -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            for some in torch.arange(75).split(30):  # the last of them has 15 rows, a number that none had before
                optimizer.zero_grad()
                F.cross_entropy(model(x[some]), y[some]).backward()
                optimizer.step()
            (model(held[0]).argmax(1) == held[1]).float().mean()

    found = record(run, keep_updates=keep)
    assert names(found) == [[["network 0", "argmax", "__eq__", "float", "mean"]]] * 2
    assert [one.after for one in found.evaluations] == [3, 12]
    view = supervised(found)
    assert (len(view.held), view.carved, view.scored_size) == (40, False, 40)


def test_batches_of_ever_new_sizes_are_no_evaluations() -> None:
    def run() -> None:
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for count in range(10, 40):
            x, y = rows(count, count)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    for keep in (256, 4):
        found = record(run, keep_updates=keep)
        assert found.evaluations == []
        assert len(found.losses) == 30


def test_samples_that_a_network_draws_from_its_own_answers_are_no_judged_rows() -> None:
    def run() -> None:
        data = torch.randn(128, 2)
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(12):
            noise = torch.randn(128, 2)
            optimizer.zero_grad()
            (model(data + noise) - noise).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            x = torch.randn(40, 2)
            for _ in range(3):
                x = x - model(x) + torch.randn(40, 2)

    assert supervised(record(run)).carved


def test_a_loss_by_hand_of_a_probability_is_judged_by_the_probability() -> None:
    x, y = rows(200)

    def run() -> None:
        model = nn.Sequential(nn.Linear(5, 1), nn.Sigmoid())
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        target = y.float()
        for _ in range(60):
            p = model(x)[:, 0]
            optimizer.zero_grad()
            (-(target * torch.log(p + 1e-7) + (1 - target) * torch.log(1 - p + 1e-7)).mean()).backward()
            optimizer.step()

    view = supervised(record(run))
    assert view.meeting is not None
    assert view.kind == "binary"
    answer = torch.tensor([0.9, 0.2, 0.6])
    assert view.answers.points(answer, torch.tensor([1.0, 0.0, 0.0]), 3).tolist() == [1, 1, 0]  # type: ignore[union-attr]
    nodes = view.tape.nodes
    assert nodes[view.meeting.output.node].name != "log"
