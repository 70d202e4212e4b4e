"""Programs as a Recorder would give them, made by hand: a plain loop of one network, one loss of torch and one optimiser. For tests of what reads programs."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodfit.doctor.program import Backward, Data, Evaluation, Node, OptimizerUse, Part, Program, Tape, Update, Value, Weight, Zero


def plain(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    loss: object = nn.functional.cross_entropy,
    *,
    kind: type = torch.optim.SGD,
    lr: float = 0.1,
    batch: int = 32,
    epochs: int = 3,
    events: Sequence[str] = ("zero", "backward", "update"),
    held: tuple[Tensor, Tensor] | None = None,
    train: bool = True,
    frozen: Sequence[str] = (),
    seed: int = 0,
) -> Program:
    """Runs the loop for real and records it. events: what each update does, in order. frozen: parameters that the optimiser is not given."""
    began = copy.deepcopy(network)
    named = [(name, weight) for name, weight in network.named_parameters() if name not in frozen]
    optimizer = kind([weight for _, weight in named], lr=lr)
    options = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    program = Program([began], [network], [OptimizerUse(kind, (tuple(Weight(0, name) for name, _ in named),), (options,))], [])
    network.train(train)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            given = (x[rows], y[rows])
            value = None
            for event in events:
                if event == "zero":
                    optimizer.zero_grad()
                    program.events.append(Zero(0))
                elif event == "backward":
                    inherited = any(weight.grad is not None and bool(weight.grad.any()) for _, weight in named)
                    value = loss(network(given[0]), given[1])  # type: ignore[operator]
                    value.backward()
                    program.events.append(Backward(_tape(loss, given, value, train), inherited))
                    program.losses.append(float(value.detach()))
                else:
                    optimizer.step()
                    program.events.append(Update(0, (lr,)))
                    program.rates.append((0, (lr,)))
                    program.updates += 1
    if held is not None:
        nodes = (
            Node(Part(0), (Data(0),), {}, training=False, grad=False),
            Node(torch.Tensor.argmax, (Value(0), 1), {}),
            Node(torch.Tensor.eq, (Value(1), Data(1)), {}),
        )
        program.evaluations.append(Evaluation((Tape(nodes, held),), program.updates))
    return program


def _tape(loss: object, given: tuple[Tensor, Tensor], value: Tensor, train: bool) -> Tape:
    nodes = (Node(Part(0), (Data(0),), {}, training=train), Node(loss, (Value(0), Data(1)), {}))  # type: ignore[arg-type]
    return Tape(nodes, tuple(one.clone() for one in given), Value(1), float(value.detach()))


def blobs(rows: int = 600, features: int = 8, classes: int = 3, spread: float = 1.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Classes around random middles: a linear model tells most apart."""
    generator = torch.Generator().manual_seed(seed)
    middles = torch.randn(classes, features, generator=generator) * 1.5
    y = torch.randint(0, classes, (rows,), generator=generator)
    return middles[y] + spread * torch.randn(rows, features, generator=generator), y


def rings(rows: int = 800, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three rings around each other: no linear model tells them apart."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (rows,), generator=generator)
    angle = torch.rand(rows, generator=generator) * 6.2832
    radius = y + 1 + 0.15 * torch.randn(rows, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), y


def mlp(
    features: int, outputs: int, width: int = 32, *, activation: type[nn.Module] = nn.ReLU, depth: int = 2, seed: int = 0
) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for number in range(depth):
        layers += [nn.Linear(features if not number else width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
