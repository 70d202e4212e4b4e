"""Images and texts, as a user would train them: score on the given test rows, and seconds of the whole command.

    python benchmarks/goals.py --data DIR [--again]

mnist_5k: 4,000 pictures to train, 1,000 to test (train_test_split, stratified, random_state 0), written as PNG folders first.
20 newsgroups: its own split. spam: a quarter to test (stratified, random_state 0).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from sklearn.model_selection import train_test_split

from record import OURS, Record, environment


def pictures(data: Path, folder: Path) -> tuple[list[str], str]:
    """mnist_5k as folders of PNG files."""
    archive = np.load(data / "images/mnist_5k.npz")
    images, labels = archive["images"], archive["labels"]
    rows = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    for part, chosen in zip(("train", "test"), rows, strict=True):
        for i in chosen:
            path = folder / part / str(labels[i]) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[i]).save(path)
    return [str(folder / "train"), "--test", str(folder / "test")], "60s"


def newsgroups(data: Path, folder: Path) -> tuple[list[str], str]:
    """20 newsgroups with the package's split."""
    text = data / "text"
    return [str(text / "newsgroups_train.csv.gz"), "--target", "label", "--test", str(text / "newsgroups_test.csv.gz")], "5m"


def spam(data: Path, folder: Path) -> tuple[list[str], str]:
    """Mails, a quarter of them held back."""
    table = pl.read_csv(data / "text/spam.csv.gz")
    train, test = train_test_split(np.arange(table.height), test_size=0.25, random_state=0, stratify=table["label"].to_numpy())
    table[np.sort(train)].write_csv(folder / "train.csv")
    table[np.sort(test)].write_csv(folder / "test.csv")
    return [str(folder / "train.csv"), "--target", "label", "--test", str(folder / "test.csv")], "5m"


GOALS: dict[str, tuple[Callable[[Path, Path], tuple[list[str], str]], float]] = {
    "mnist_5k": (pictures, 0.985),
    "newsgroups": (newsgroups, 0.85),
    "spam": (spam, 0.99),
}


def render(record: Record) -> str:
    """The table of the results."""
    lines = ["| set | accuracy | goal | 95 % interval | seconds | limit | seed |", "|---|---|---|---|---|---|---|"]
    for cell in record.cells():
        key, values = cell["key"], cell["values"]
        low, high = values["low"], values["high"]
        goal = GOALS[key["set"]][1]
        lines.append(
            f"| {key['set']} | {values['accuracy']:.4f} | {goal} | {low:.4f} to {high:.4f} | {values['seconds']:.0f} | {values['limit']} | {key['seed']} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=GOALS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    arguments = parser.parse_args()
    record = Record("goals")
    for name, (prepare, _) in GOALS.items():
        key = {"set": name, "seed": arguments.seed}
        if (arguments.only and name != arguments.only) or (record.has(key) and not arguments.again):
            continue
        with tempfile.TemporaryDirectory() as place:
            source, limit = prepare(arguments.data, Path(place))
            begun = time.monotonic()
            call = [
                sys.executable,
                "-m",
                "goodfit",
                "train",
                *source,
                "--time-limit",
                limit,
                "--seed",
                str(arguments.seed),
                "--out",
                f"{place}/run",
                "--json",
            ]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - begun
        if done.returncode:
            print(f"{name}: {done.stderr[-2000:]}")
            continue
        result: dict[str, Any] = json.loads(done.stdout)
        score = result["metrics"]["accuracy"]
        record.put(
            key,
            {
                "accuracy": score["value"],
                "low": score["low"],
                "high": score["high"],
                "seconds": seconds,
                "limit": limit,
                "model": result["model"],
            },
            environment(OURS, ["goodfit", "torch", "polars", "numpy"]),
        )
    print(render(record))


if __name__ == "__main__":
    main()
