"""Programs made by hand: a plain loop that is recorded as it runs, for tests of single faults."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor.case import Case, Proof, Suspicion
from goodfit.doctor.program import (
    Backward,
    Data,
    Evaluation,
    Event,
    Node,
    OptimizerUse,
    Part,
    Place,
    Program,
    Tape,
    Update,
    Value,
    Weight,
    Zero,
)
from goodfit.doctor.supervised import supervised


def net(inputs: int, outputs: int, width: int = 32, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs))


def made(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Callable[..., Tensor] = nn.functional.cross_entropy,
    words: Mapping[str, Any] | None = None,
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
    options: Mapping[str, Any] | None = None,
    epochs: int = 10,
    batch: int = 32,
    judged: tuple[Tensor, Tensor] | None = None,
    every: int = 0,
    shuffled: bool = True,
    flat: bool = False,
    targets: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
    places: Mapping[str, Place] | None = None,
) -> Program:
    """Trains the network and records everything. judged: rows evaluated after the last epoch (and after every `every` ones).

    flat: answers [B, T, C] and targets [B, T] are laid flat before the loss. targets: changes those of a batch before they are taught.
    """
    torch.manual_seed(seed)
    network.train()
    options = {"lr": 3e-3, **(options or {})}
    optimiser = optimizer(network.parameters(), **options)
    used = OptimizerUse(optimizer, (tuple(Weight(0, name) for name, _ in network.named_parameters()),), (options,))
    begun = copy.deepcopy(network)
    events: list[Event] = []
    losses: list[float] = []
    rates: list[tuple[int, tuple[float, ...]]] = []
    evaluations: list[Evaluation] = []
    for epoch in range(epochs):
        order = torch.randperm(len(x)) if shuffled else torch.arange(len(x))
        for rows in order.split(batch):
            taught = y[rows] if targets is None else targets(y[rows])
            nodes = [Node(Part(0), (Data(0),), {}, training=True)]
            if flat:
                taught = taught.flatten()
                nodes.append(Node(Tensor.flatten, (Value(0), 0, 1), {}))
            nodes.append(Node(loss, (Value(len(nodes) - 1), Data(1)), dict(words or {})))
            answer = network(x[rows])
            found = loss(answer.flatten(0, 1) if flat else answer, taught, **(words or {}))
            optimiser.zero_grad()
            found.backward()
            optimiser.step()
            tape = Tape(tuple(nodes), (x[rows], taught), Value(len(nodes) - 1), float(found.detach()))
            events += [Zero(0), Backward(tape), Update(0, (options["lr"],))]
            losses.append(float(found.detach()))
            rates.append((0, (options["lr"],)))
        if judged is not None and (epoch == epochs - 1 or (every and epoch % every == 0)):
            given, wanted = judged
            called = Node(Part(0), (Data(0),), {}, training=False, grad=False)
            compared = Node(torch.eq, (Value(0), Data(1)), {}, grad=False)
            evaluations.append(Evaluation((Tape((called, compared), (given, wanted)),), len(losses)))
    return Program([begun], [network], [used], events, losses, rates, len(losses), evaluations, places=dict(places or {}))


def case_of(program: Program, *, seconds: float = 60.0, run_seconds: float = 2.5, seed: int = 0) -> Case:
    return Case(supervised(program, seed=seed), deadline=time.monotonic() + seconds, run_seconds=run_seconds, seed=seed)


def examined(suspect: Callable[[Case], Suspicion | None], program: Program, **settings: Any) -> tuple[Suspicion | None, Proof | None]:
    """A suspicion as the engine would raise it, and its proof."""
    case = case_of(program, **settings)
    found = suspect(case)
    return found, case.best(found) if found is not None else None
