"""Small cases for the tests of faults: a program, its suspicion, its proof."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

from torch import nn

from goodfit.doctor.case import Case, Proof, Suspicion
from goodfit.doctor.program import Program
from goodfit.doctor.supervised import supervised

Fault = Callable[[Case], Suspicion | None]


def case_of(program: Program, seconds: float = 20.0) -> Case:
    return Case(supervised(program), deadline=time.monotonic() + seconds, run_seconds=0.6)


def proven(fault: Fault, program: Program) -> tuple[Suspicion, Proof]:
    """The suspicion and its proof; fails where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = case_of(program)
        suspicion = fault(case)
        assert suspicion is not None, "no suspicion"
        proof = case.best(suspicion)
    assert proof is not None, f"not proven; {case.not_seen}"
    assert proof.remedy is not None
    assert proof.remedy.words
    return suspicion, proof


def silent(fault: Fault, program: Program) -> bool:
    """No suspicion, or one that is acquitted by its experiment or by a good outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = case_of(program)
        suspicion = fault(case)
        if suspicion is None:
            return True
        return case.best(suspicion) is None


class Ending(nn.Module):
    """A network and something done to what it gives."""

    def __init__(self, network: nn.Module, ending: Callable[..., object]) -> None:
        super().__init__()
        self.network = network
        self.ending = ending

    def forward(self, x: object) -> object:
        return self.ending(self.network(x))
