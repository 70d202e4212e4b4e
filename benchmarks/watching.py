"""What watching costs: whole programs beside the same programs without the doctor.

    python benchmarks/watching.py [--case NAME] [--pairs 5] [--again]

Each program trains a network from its first line to its last, with an evaluation after each epoch, in a process of its own with one thread. Runs with and
without the recorder alternate, and a pair's share is the seconds of the watched one over those of the plain one, less one. Importing is not counted, and
neither is the examination, which comes after a program. *At once* is the share of a tenth of the program, in which most updates are recorded in full.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import record as store
from record import OURS, Record

PACKAGES = ("torch", "goodfit", "scikit-learn")
SHORT = 10  # a program of a tenth of the length: as short as programs under a doctor are
LIMIT = 0.03  # of a program's time, the goal


def digits(epochs: int) -> None:
    """A tiny perceptron on digits, batches by an index: 45 updates an epoch."""
    import torch
    import torch.nn.functional as F
    from sklearn.datasets import load_digits
    from torch import nn

    values, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(values, dtype=torch.float32) / 16, torch.tensor(labels)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(1437).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[:1437][rows]), y[:1437][rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            sum((model(x[1437:][rows]).argmax(1) == y[1437:][rows]).sum().item() for rows in torch.arange(360).split(64))


def convolutions(epochs: int) -> None:
    """Batch norm and convolutions on 1024 images of 3 x 32 x 32, by a DataLoader: 16 updates an epoch."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y = torch.randn(1280, 3, 32, 32), torch.randint(10, (1280,))
    layers: list[nn.Module] = []
    for one, other in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(one, other, 3, padding=1), nn.BatchNorm2d(other), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))
    _epochs(
        model,
        DataLoader(TensorDataset(x[:1024], y[:1024]), batch_size=64, shuffle=True),
        DataLoader(TensorDataset(x[1024:], y[1024:]), batch_size=64),
        epochs,
    )


def recurrent(epochs: int) -> None:
    """An LSTM on 1024 sentences of 24 words: 32 updates an epoch."""
    import torch
    from torch import Tensor, nn
    from torch.utils.data import DataLoader, TensorDataset

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(500, 32)
            self.lstm = nn.LSTM(32, 48, batch_first=True)
            self.head = nn.Linear(48, 4)

        def forward(self, words: Tensor) -> Tensor:
            answer: Tensor = self.head(self.lstm(self.embed(words))[0][:, -1])
            return answer

    x, y = torch.randint(500, (1280, 24)), torch.randint(4, (1280,))
    _epochs(
        Reader(),
        DataLoader(TensorDataset(x[:1024], y[:1024]), batch_size=32, shuffle=True),
        DataLoader(TensorDataset(x[1024:], y[1024:]), batch_size=64),
        epochs,
    )


def transformer(epochs: int) -> None:
    """A small language model on 256 pieces of 32 characters, which gives its own loss: 16 updates an epoch."""
    import torch
    import torch.nn.functional as F
    from torch import Tensor, nn

    class Speaker(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.place = nn.Embedding(64, 64), nn.Embedding(32, 64)
            self.body = nn.TransformerEncoder(nn.TransformerEncoderLayer(64, 4, 128, 0.1, batch_first=True), 2)
            self.head = nn.Linear(64, 64)

        def forward(self, words: Tensor) -> Tensor:
            mask = nn.Transformer.generate_square_subsequent_mask(31)
            states = self.embed(words[:, :-1]) + self.place(torch.arange(31))
            answer = self.head(self.body(states, mask=mask, is_causal=True))
            return F.cross_entropy(answer.flatten(0, 1), words[:, 1:].flatten())

    words, model = torch.randint(64, (320, 32)), Speaker()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(256).split(16):
            optimizer.zero_grad()
            model(words[rows]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            statistics.fmean(model(words[rows]).item() for rows in torch.arange(256, 320).split(16))


def _epochs(model: Any, taught: Any, held: Any, epochs: int) -> None:
    """The loop that most programs have."""
    import torch
    from torch import nn

    optimizer, criterion = torch.optim.AdamW(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
    for _ in range(epochs):
        model.train()
        total = 0.0
        for x, y in taught:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        right = 0
        with torch.no_grad():
            for x, y in held:
                right += (model(x).argmax(1) == y).sum().item()


PROGRAMS: dict[str, tuple[Callable[[int], None], int]] = {  # with epochs that make 10 to 30 seconds on a core of 2020
    "perceptron on digits": (digits, 1200),
    "convolutions": (convolutions, 40),
    "LSTM": (recurrent, 80),
    "transformer": (transformer, 120),
}


def render(record: Record) -> str:
    """The table of the results."""
    rows = []
    for cell in record.cells():
        values = cell["values"]
        shares = sorted(values["shares"])
        rows.append(
            [
                cell["key"]["case"],
                f"{values['plain']:.1f}",
                f"{statistics.median(shares):+.1%}",
                f"{shares[0]:+.1%} to {shares[-1]:+.1%}",
                f"{statistics.median(values['short']):+.1%}",
            ]
        )
    return (
        f"# What watching costs\n\nShare of the time of a whole program; the goal is {LIMIT:.0%}.\n\n"
        + store.table(["program", "seconds without", "share, median", "of pairs", "at once"], rows)
        + "\n\n"
        + store.describe(record, record.cells())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=PROGRAMS, help="this one alone; may be given again")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(_seconds(given.child[0], given.child[1] == "watched", int(given.child[2]))))
        return
    store.end_on_signal()
    record = Record("watching")
    environment = store.environment(OURS, PACKAGES)
    for case in given.case or PROGRAMS:
        if record.has({"case": case}) and not given.again:
            continue
        whole, short = ([_pair(case, parts, number % 2 == 1) for number in range(given.pairs)] for parts in (1, SHORT))
        values = {"plain": statistics.median(pair[0] for pair in whole), "watched": statistics.median(pair[1] for pair in whole)}
        shares = {"shares": [b / a - 1 for a, b in whole], "short": [b / a - 1 for a, b in short]}
        record.put({"case": case}, values | shares, environment)
        print(f"{case}: {statistics.median(shares['shares']):+.1%}", file=sys.stderr, flush=True)
    print(store.publish(record, render))


def _pair(case: str, parts: int, turned: bool) -> tuple[float, float]:
    """Seconds without and with; which of them comes first alternates."""
    found = {}
    for how in ("watched", "plain") if turned else ("plain", "watched"):
        call = [str(OURS), __file__, "--child", case, how, str(parts)]
        done = subprocess.run(call, env=store.thread_environment(1), capture_output=True, text=True, check=True)
        found[how] = float(json.loads(done.stdout))
    return found["plain"], found["watched"]


def _seconds(case: str, watched: bool, parts: int) -> float:
    import sklearn.datasets  # noqa: F401
    import torch

    from goodfit.doctor.record import Recorder

    torch.manual_seed(0)
    program, epochs = PROGRAMS[case]
    begun = time.perf_counter()
    with Recorder(root=Path(__file__).parent) if watched else nullcontext():
        program(max(epochs // parts, 1))
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
