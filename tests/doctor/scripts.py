"""Scripts for the tests of `goodfit doctor`, and how the command is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"

TRAIN = """import torch
model = torch.nn.Linear(1, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(20):
    loss = ((model(torch.ones(4, 1)) - 3) ** 2).mean()
    loss.backward()
    opt.step()
    print("loss", round(loss.item(), 3))
"""
SOUND = TRAIN.replace("    loss.backward()", "    opt.zero_grad()\n    loss.backward()")


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that are started find a small recorder and examiner in place of the real ones."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "stubs"), str(SOURCE)]))


def lay(folder: Path, text: str, name: str = "train.py") -> str:
    (folder / name).write_text(text)
    return name


ENDLESS_HANG = "import torch, time\nwhile True:\n    time.sleep(100)\n"
FORKING = "import os\nif os.fork():\n    os.wait()\nelse:\n" + "".join(f"    {line}\n" for line in SOUND.splitlines())
