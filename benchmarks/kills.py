"""Kill a training process with -9 at random instants, resume it, and compare the final weights bit by bit.

    python benchmarks/kills.py 100                     # 100 kills over all networks and optimisers
    python benchmarks/kills.py 20 --seed 1 --json out.json

Each trial is a real process of `goodfit train`, killed after a random share of the time that the uninterrupted run took
(some are killed twice), then `goodfit train --resume`. The bundle's weight files must have the same SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROWS = 900


@dataclass(frozen=True)
class Case:
    """One kind of run: data and settings."""

    name: str
    data: str  # table, pictures or texts
    settings: tuple[str, ...] = field(default=())


TABLE = "table"
CASES = [
    *(Case(f"tabm-{optimiser}", TABLE, ("model.name=tabm", "model.width=32", f"optim.name={optimiser}", "optim.lr=0.003", "train.epochs=12"))
      for optimiser in ("sgd", "adagrad", "rmsprop", "adam", "adamw", "muon")),
    Case("linear", TABLE, ("model.name=linear", "train.epochs=25")),
    Case("mlp-ema-plateau", TABLE, ("model.name=mlp", "model.norm=batch", "optim.ema=0.95", "optim.schedule=plateau", "optim.plateau_patience=1", "train.epochs=25")),
    Case("mlp-mixup-accumulate", TABLE, ("model.name=mlp", "train.mixup=0.3", "train.accumulate=3", "optim.l1=1e-4", "optim.max_norm=2", "train.epochs=15")),
    Case("realmlp", TABLE, ("model.name=realmlp", "train.epochs=15")),
    Case("tabm-members", TABLE, ("model.name=tabm", "model.width=16", "train.members=3", "train.epochs=4")),
    Case("two-networks", TABLE, ("model.name=tabm", "model.width=16", "train.members=2", "train.epochs=4", "partner={model: {name: mlp, width: 32}, train: {epochs: 8}}")),
    Case("side-by-side", TABLE, ("model.name=tabm", "model.width=16", "train.members=2", "train.epochs=20", "train.workers=2", "partner={model: {name: mlp, width: 32}, train: {epochs: 30}}")),
    Case("resnet9", "pictures", ("model.name=resnet9", "model.width=4", "data.image_size=16", "train.epochs=6", "train.precision=float32", "train.channels_last=no")),
    Case("transformer", "texts", ("model.name=transformer", "model.width=32", "model.depth=1", "train.epochs=4")),
    Case("gru", "texts", ("model.name=gru", "model.width=16", "train.epochs=4")),
]  # fmt: skip


def write_data(kind: str, folder: Path) -> Path:
    """A small data set of the kind, the same every time."""
    random_numbers = np.random.default_rng(0)
    path = folder / ("data.csv" if kind != "pictures" else "pictures")
    if path.exists():
        return path
    if kind == TABLE:
        x = random_numbers.normal(size=(ROWS, 4))
        city = random_numbers.choice(["Bonn", "Graz", "Bern"], ROWS)
        y = np.where(x[:, 0] + (city == "Graz") + 0.3 * random_numbers.normal(size=ROWS) > 0.3, "yes", "no")
        lines = [",".join([*(f"{v:.5f}" for v in row), place, label]) for row, place, label in zip(x, city, y, strict=True)]
        path.write_text("a,b,c,d,city,y\n" + "\n".join(lines) + "\n")
    elif kind == "texts":
        words = [f"w{i}" for i in range(60)]
        lines = []
        for _ in range(300):
            label = int(random_numbers.integers(2))
            text = " ".join(random_numbers.choice(words[label * 20 : label * 20 + 40], int(random_numbers.integers(3, 20))))
            lines.append(f"{text},{'ham' if label else 'spam'}")
        path.write_text("text,y\n" + "\n".join(lines) + "\n")
    else:
        from PIL import Image

        for label in ("dark", "light"):
            (path / label).mkdir(parents=True)
            for i in range(120):
                pixels = random_numbers.integers(0, 160, (16, 16)) + (90 if label == "light" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(path / label / f"{i}.png")
    return path


def command(case: Case, data: Path, out: Path) -> list[str]:
    target = [] if case.data == "pictures" else ["--target", "y"]
    sets = [part for setting in (*case.settings, "train.checkpoint_every=0") for part in ("--set", setting)]
    return [sys.executable, "-m", "goodfit", "train", str(data), *target, "--out", str(out), "--seed", "5", "--json", *sets]


def weights(run: Path) -> str:
    """One hash over all weight files of a finished run."""
    digest = hashlib.sha256()
    for path in sorted((run / "model").rglob("*.safetensors")):
        digest.update(path.relative_to(run).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def trials(count: int, seed: int, folder: Path, cases: list[Case]) -> Iterator[dict[str, object]]:
    """Run `count` trials, cycling through the cases, and yield what each one showed."""
    chance = random.Random(seed)
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "PYTHONUNBUFFERED": "1"}
    whole: dict[str, tuple[str, float]] = {}
    for number in range(count):
        case = cases[number % len(cases)]
        data = write_data(case.data, _made(folder / case.data))
        if case.name not in whole:
            begun = time.monotonic()
            out = folder / f"{case.name}-whole"
            subprocess.run(command(case, data, out), check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            whole[case.name] = (weights(out), time.monotonic() - begun)
        expected, seconds = whole[case.name]
        out = folder / f"{case.name}-{number}"
        instants = []
        for attempt in range(1 + (chance.random() < 0.3)):
            call = command(case, data, out) + (["--resume"] if attempt else [])
            process = subprocess.Popen(call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            instant = chance.uniform(0.1, 1.0) * seconds
            instants.append(round(instant, 3))
            try:
                process.wait(instant)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        found = sorted(p.stem for p in out.glob("checkpoints/**/last/*.json"))
        done = subprocess.run([*command(case, data, out), "--resume"], env=environment, capture_output=True, text=True, check=False)
        same = done.returncode == 0 and weights(out) == expected
        yield {
            "case": case.name,
            "killed_at": instants,
            "of": round(seconds, 2),
            "checkpoints": found,
            "same": same,
            "error": "" if same else done.stderr[-2000:],
        }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    cases = [case for case in CASES if not arguments.case or case.name in arguments.case]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for result in trials(arguments.count, arguments.seed, Path(folder), cases):
            results.append(result)
            print(
                f"{len(results):4d} {result['case']:22s} killed at {result['killed_at']} of {result['of']} s: {'same bits' if result['same'] else 'DIFFERENT'}",
                flush=True,
            )
            if result["error"]:
                print(result["error"])
    same = sum(bool(result["same"]) for result in results)
    print(f"{same} of {len(results)} resumed runs ended in the same bits")
    if arguments.json:
        arguments.json.write_text(json.dumps({"same": same, "trials": results}, indent=1) + "\n")
    return 0 if same == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
