"""A script under the doctor prints, reads, writes, starts and ends as it does without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from scripts import lay, stand_in

EVERYTHING = """import os, pickle, subprocess, sys, atexit, multiprocessing
from pathlib import Path
import torch
from beside import NUMBER

class Rows(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return torch.ones(1) * i

if __name__ == "__main__":
    atexit.register(print, "at exit")
    print(sys.argv, os.getcwd(), __file__, sys.path[0], __name__, NUMBER, __spec__, repr(sys.stdin.read()))
    print("to stderr", file=sys.stderr)
    Rows.__qualname__, pickle.loads(pickle.dumps(Rows()))
    loader = torch.utils.data.DataLoader(Rows(), num_workers=1, multiprocessing_context="spawn")
    print([x.item() for x in loader])
    subprocess.run([sys.executable, "-c", "print('of a child', flush=True)"])
    Path("written.txt").write_text("by the script")
    model = torch.nn.Linear(1, 1)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    opt.zero_grad()
    model(torch.ones(1, 1)).sum().backward()
    opt.step()
    sys.exit("stopped with words")
"""


def test_the_script_runs_as_without_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    folder = tmp_path / "code"
    folder.mkdir()
    lay(folder, EVERYTHING)
    lay(folder, "NUMBER = 7\n", "beside.py")
    given = ["code/train.py", "--epochs", "3", "-x", "--", "--json"]
    command = [sys.executable, "-m", "goodfit.cli.main", "doctor", "--out", "out", *given]
    plain = subprocess.run([sys.executable, *given], cwd=tmp_path, input="asked\n", capture_output=True, text=True, timeout=120)
    assert plain.returncode == 1, plain.stderr
    (tmp_path / "written.txt").unlink()
    done = subprocess.run(command, cwd=tmp_path, input="asked\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == plain.stderr
    assert done.stdout.startswith(plain.stdout)
    assert "stopped with words" in plain.stderr
    assert plain.stdout.count("\n") == 4
    assert (tmp_path / "written.txt").read_text() == "by the script"
    told = json.loads((tmp_path / "out" / "examination.json").read_text())
    assert told["examined"]["exit"] == 1
    assert told["examined"]["arguments"] == ["--epochs", "3", "-x", "--", "--json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code", "out", "written.txt"]
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == ["beside.py", "train.py"]


BROKEN = """import warnings
import torch
from torch import nn
model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    opt.zero_grad()
    nn.functional.mse_loss(model(torch.ones(4, 2)), torch.ones(4, 1)).backward()
    opt.step()
try:
    model(torch.ones(1, 5))
except RuntimeError as error:
    raise ValueError("own") from error
"""


def test_an_error_and_a_warning_are_printed_as_without_the_doctor(tmp_path: Path) -> None:
    lay(tmp_path, BROKEN)
    plain = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert plain.returncode == 1
    assert "mse_loss" in plain.stderr
    assert "direct cause" in plain.stderr
    command = [sys.executable, "-m", "goodfit.cli.main", "doctor", "--out", "out", "train.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stderr.startswith(plain.stderr)
    assert "goodfit" not in done.stderr[: len(plain.stderr)]
