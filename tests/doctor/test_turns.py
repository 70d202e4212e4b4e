"""Two losses in turn: what is wrong with one of the optimisers is found, and nothing is found where nothing is wrong."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.recording import record
from torch import nn

from goodfit.doctor.engine import examine_program
from goodfit.doctor.program import Program
from goodfit.doctor.repeat import Change, repeated, stretches


def gan(fault: str, updates: int = 100) -> Program:
    """A generator and its critic on points of a circle, with one thing wrong."""

    def run() -> None:
        generator = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
        critic = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
        rate = 20.0 if fault == "rate" else 0.05
        of_generator = torch.optim.SGD(generator.parameters(), lr=rate)
        of_critic = torch.optim.SGD(critic.parameters(), lr=rate, momentum=0.5)
        criterion = nn.MSELoss() if fault == "rate" else nn.BCEWithLogitsLoss()
        ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)
        for _ in range(updates):
            angle = torch.rand(32) * 6.2832
            real = torch.stack([angle.cos(), angle.sin()], 1) + 2
            fake = generator(torch.randn(32, 4))
            if fault != "zero":
                of_critic.zero_grad()
            (criterion(critic(real), ones) + criterion(critic(fake.detach()), zeros)).backward()
            of_critic.step()
            of_generator.zero_grad()
            criterion(critic(fake.detach() if fault == "cut" else fake), ones).backward()
            if fault != "step":
                of_generator.step()

    return record(run)


def test_the_events_end_with_the_same_bits_when_they_are_repeated() -> None:
    found = gan("", updates=40)
    run = repeated(found, Change())
    told = [event.tape.loss for event in found.events if hasattr(event, "tape")]
    assert [owners for _, owners in stretches(found.events)] == [{1}, {0}] * 40
    assert run.losses[1] == told[::2]
    assert run.losses[0] == told[1::2]
    assert run.moved == {0, 1}


def test_a_sound_pair_is_left_alone() -> None:
    examined = examine_program(gan(""), seconds=20)
    assert examined.verdict == "healthy"
    assert not examined.findings
    assert any("by itself" in sentence for sentence in examined.examined["not_seen"])


@pytest.mark.parametrize(
    ("fault", "code"), [("zero", "loop.zero-grad"), ("step", "loop.no-step"), ("cut", "loop.frozen"), ("rate", "optim.rate-high")]
)
def test_what_is_wrong_with_one_of_them_is_found(fault: str, code: str) -> None:
    examined = examine_program(gan(fault), seconds=20)
    assert [finding.code for finding in examined.findings] == [code], examined.examined["not_seen"]
    assert examined.verdict == "faulty"
    finding = examined.findings[0]
    assert finding.probe is not None
    assert len(finding.probe["each"]) == 3


def test_a_loss_without_a_floor_is_no_measure() -> None:
    """The loss of a policy has the sign of its advantage: a higher rate makes it lower on what was recorded, and nothing better."""

    def run() -> None:
        policy = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 4))
        optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
        worth = torch.randn(3, 4)
        for _ in range(120):
            which = torch.randint(0, 3, (32,))
            chosen = torch.distributions.Categorical(logits=policy(nn.functional.one_hot(which, 3).float()))
            action = chosen.sample()
            advantage = worth[which, action] - worth.mean(1)[which]
            optimizer.zero_grad()
            (-(chosen.log_prob(action) * advantage).mean()).backward()
            optimizer.step()

    assert examine_program(record(run), seconds=20).verdict == "healthy"
