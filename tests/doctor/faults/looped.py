"""Programs made by hand, as a Recorder would have recorded them, and small data."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.doctor.case import Case, Proof, Suspicion
from goodfit.doctor.program import (
    Backward,
    Clip,
    Data,
    Evaluation,
    Event,
    Node,
    OptimizerUse,
    Part,
    Program,
    Tape,
    Update,
    Value,
    Weight,
    Zero,
)
from goodfit.doctor.supervised import supervised


def program(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Callable[..., Tensor] = F.cross_entropy,
    optimizer: type = torch.optim.SGD,
    batch: int = 32,
    updates: int = 120,
    held: int = 100,
    clip: float | None = None,
    schedule: Callable[[int], float] | None = None,
    **options: Any,
) -> Program:
    """The plain loop: zero, forward, loss, backward, (clip,) step. The last `held` rows are evaluated at the end, and never trained on."""
    whole = {"lr": 0.1, **options}
    tx, ty, ex, ey = x[:-held], y[:-held], x[-held:], y[-held:]
    events: list[Event] = []
    losses, rates = [], []
    live = copy.deepcopy(network)
    own = optimizer(live.parameters(), **whole)
    given = {key: value for key, value in own.param_groups[0].items() if key != "params"}
    generator = torch.Generator().manual_seed(5)
    order = torch.randperm(len(tx), generator=generator)
    at = 0
    for number in range(updates):
        if at + batch > len(order):
            order, at = torch.randperm(len(tx), generator=generator), 0
        rows, at = order[at : at + batch], at + batch
        rate = whole["lr"] * (schedule(number) if schedule else 1.0)
        own.param_groups[0]["lr"] = rate
        own.zero_grad()
        found = loss(live(tx[rows]), ty[rows])
        found.backward()
        if clip:
            nn.utils.clip_grad_norm_(live.parameters(), clip)
        own.step()
        losses.append(float(found.detach()))
        rates.append((0, (rate,)))
        node = Node(Part(0), (Data(0),), {}, training=True)
        tape = Tape((node, Node(loss, (Value(0), Data(1)), {})), (tx[rows], ty[rows]), Value(1), losses[-1])
        events += [Zero(0), Backward(tape), *([Clip("norm", clip)] if clip else []), Update(0, (rate,))]
    seen = Tape((Node(Part(0), (Data(0),), {}, training=False), Node(loss, (Value(0), Data(1)), {})), (ex, ey))
    weights = tuple(Weight(0, name) for name, _ in network.named_parameters())
    use = OptimizerUse(optimizer, (weights,), (given,))
    return Program([network], [live], [use], events, losses, rates, updates, [Evaluation((seen,), updates)])


def case(made: Program, *, seconds: float = 60.0, run_seconds: float = 1.0) -> Case:
    return Case(supervised(made), deadline=time.monotonic() + seconds, run_seconds=run_seconds)


def tried(suspect: Callable[[Case], Suspicion | None], made: Program | Case) -> tuple[Suspicion | None, Proof | None]:
    """What a fault says of a program, and what came of it."""
    one = case(made) if isinstance(made, Program) else made
    found = suspect(one)
    proof = None if found is None else one.best(found)
    return found, proof


def moons(rows: int = 400, *, features: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three rings around each other in the first two features, the rest noise: [rows, features], [rows] of 0, 1, 2. No linear map parts them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(rows) % 3
    angle = torch.rand(rows, generator=generator) * 6.2832
    radius = 0.4 + 0.8 * y + 0.12 * torch.randn(rows, generator=generator)
    x = torch.randn(rows, features, generator=generator)
    x[:, 0], x[:, 1] = radius * angle.cos(), radius * angle.sin()
    return x, y


def groups(rows: int = 400, *, features: int = 8, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Clouds around random centres: [rows, features], [rows]. A linear map parts them."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(rows) % classes
    centres = 2.0 * torch.randn(classes, features, generator=generator)
    return centres[y] + torch.randn(rows, features, generator=generator), y


def mlp(*sizes: int, act: Callable[[], nn.Module] | None = nn.ReLU, seed: int = 0) -> nn.Sequential:
    """Linear layers with an activation between them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for number, (a, b) in enumerate(itertools.pairwise(sizes)):
            parts += [act()] if number and act is not None else []
            parts.append(nn.Linear(a, b))
    return nn.Sequential(*parts)
