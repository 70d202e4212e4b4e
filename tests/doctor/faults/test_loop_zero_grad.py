"""`loop.zero-grad`: gradients that stay from one update to the next."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.faults.proving import case_of, proven
from tests.doctor.made import mlp, plain, rings
from tests.doctor.recording import record

from goodfit.doctor.faults.loop_zero_grad import suspect
from goodfit.doctor.program import Backward, Program, Update, Zero
from goodfit.doctor.short import Setup

x, y = rings(400)
hx, hy = rings(200, seed=1)


def test_gradients_never_set_to_nothing() -> None:
    suspicion, proof = proven(suspect, plain(mlp(2, 3), x, y, events=("backward", "update"), held=(hx, hy), lr=0.3, epochs=10))
    assert suspicion.evidence["passes_that_found_gradients"] == 1
    assert "never" in suspicion.message
    assert proof.gain is not None
    assert proof.gain.value > 0.2


def test_gradients_set_to_nothing_once_in_four_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(plain(mlp(2, 3), x, y, events=("zero", *("backward", "update") * 4)))
    suspicion = suspect(case)
    assert suspicion is not None
    assert 0.7 < suspicion.evidence["passes_that_found_gradients"] < 0.8
    bases: list[Setup] = []
    monkeypatch.setattr(case, "duel", lambda found, remedy, base: bases.append(base))
    assert case.best(suspicion) is None
    assert [type(event) for event in bases[0].events or ()] == [Zero, *[Backward, Update] * 4], "a copy as it is repeats the whole round"
    assert bases[0].stop == 0.25, "and so a quarter as often"
    mended = suspicion.remedies[0].change(bases[0])
    assert (mended.zero, mended.events, mended.stop) == (True, None, 1.0), "what is examined next is the plain loop"


def test_gradients_gathered_on_purpose() -> None:
    for events in (("zero", "backward", "update"), ("zero", "backward", "backward", "update"), ("backward", "update", "zero")):
        assert suspect(case_of(plain(mlp(2, 3), x, y, events=events))) is None


def test_one_of_two_optimisers_is_not_cleared() -> None:
    def run(cleared: tuple[int, ...]) -> Program:
        def loop() -> None:
            front, back = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU()), torch.nn.Linear(16, 3)
            optimizers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (front, back)]
            for _ in range(10):
                for some in torch.randperm(len(x)).split(32):
                    loss = torch.nn.functional.cross_entropy(back(front(x[some])), y[some])
                    for number in cleared:
                        optimizers[number].zero_grad()
                    loss.backward()
                    for optimizer in optimizers:
                        optimizer.step()

        return record(loop)

    suspicion = suspect(case_of(run((1,))))
    assert suspicion is not None
    assert "One optimiser" in suspicion.message
    assert suspect(case_of(run((0, 1)))) is None
