"""How well `--time-limit` is kept: seconds of the whole command against the limit, from the start of the process to its end.

    python benchmarks/limits.py --data DIR [--again]

A run that has gained nothing for `train.patience` evaluations on every fold ends before its limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record as store
from record import OURS, Record, environment

RUNS = {  # source, further arguments, limit in seconds
    "adult, 30 s": ("tables/adult.csv.gz", ("--target", "income"), 30),
    "adult, 60 s": ("tables/adult.csv.gz", ("--target", "income"), 60),
    "diamonds, 30 s": ("tables/diamonds.parquet", ("--target", "price"), 30),
    "diamonds, 120 s": ("tables/diamonds.parquet", ("--target", "price"), 120),
    "newsgroups, transformer, 60 s": ("text/newsgroups_train.csv.gz", ("--target", "label", "--set", "model.name=transformer"), 60),
}


def render(record: Record) -> str:
    """The table of the results."""
    rows = []
    for cell in record.cells():
        values = cell["values"]
        rows.append(
            [cell["key"]["run"], f"{values['limit']}", f"{values['seconds']:.1f}", f"{values['seconds'] / values['limit'] - 1:+.1%}"]
        )
    return (
        "# Time limits\n\n"
        + store.table(["run", "limit, s", "seconds", "difference"], rows)
        + "\n\n"
        + store.describe(record, record.cells())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    given = parser.parse_args()
    record = Record("limits")
    for name, (source, arguments, limit) in RUNS.items():
        if record.has({"run": name}) and not given.again:
            continue
        with tempfile.TemporaryDirectory() as place:
            call = [sys.executable, "-m", "goodfit", "train", str(given.data / source), *arguments]
            call += ["--time-limit", str(limit), "--out", f"{place}/run", "--json"]
            begun = time.monotonic()
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - begun
        if done.returncode:
            print(f"{name}: {done.stderr[-2000:]}", file=sys.stderr)
            continue
        record.put({"run": name}, {"seconds": seconds, "limit": limit}, environment(OURS, ["goodfit", "torch"]))
        print(f"{name}: {seconds:.1f} s", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
