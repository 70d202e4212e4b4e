"""What the tests of the recorder share: small data, small networks, loops of many kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.doctor.program import Program
from goodfit.doctor.record import Recorder

PATCHED = {
    "__call__", "__init__", "__next__", "zero_grad", "backward", "apply", "scale", "step", "update", "unscale_", "clip_grad_norm_", "clip_grad_value_",
    "compile", "functional_call", "showwarning",
}  # fmt: skip


def file_of(function: Any) -> str:
    return str(getattr(function, "__func__", function).__code__.co_filename)


def rows(n: int = 32) -> tuple[Tensor, Tensor]:
    return torch.randn(n, 5), torch.randint(3, (n,))


def mlp(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 3))


def record(run: Callable[[], Any], **options: Any) -> Program:
    torch.manual_seed(0)
    with Recorder(**options) as recorder:
        run()
    return recorder.program()


def kinds(program: Program) -> str:
    return " ".join(type(event).__name__ for event in program.events)


def names(program: Program) -> list[list[list[str]]]:
    return [[[node.name for node in tape.nodes] for tape in one.tapes] for one in program.evaluations]


# Faults, in the order in which they happened


def loop(order: str, epochs: int = 3, prepare: Callable[[nn.Module], Any] | None = None) -> Callable[[], None]:
    """A loop that does z(ero), b(ackward), s(tep), c(lip) in this order, after a forward; f is another one."""

    def run() -> None:
        x, y = rows()
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if prepare is not None:
            prepare(model)
        for _ in range(epochs):
            loss = F.cross_entropy(model(x), y)
            for step in order:
                if step == "f":
                    loss = F.cross_entropy(model(x), y)
                elif step == "z":
                    optimizer.zero_grad()
                elif step == "b":
                    loss.backward()
                elif step == "c":
                    nn.utils.clip_grad_value_(model.parameters(), clip_value=0.1)
                else:
                    optimizer.step()

    return run
