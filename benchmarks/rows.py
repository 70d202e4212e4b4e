"""Ten million rows of thirty columns, from the file to the trained network: time and peak memory of `goodfit train`.

    python benchmarks/rows.py [--rows 10000000] [--again]

The table is made by definition (twenty numbers, eight categories, a date, and a number to predict) and written as Parquet. Memory is what the
process and its children hold, looked at five times a second: pages that belong to it alone, and all that are in memory, with mapped files,
which the system takes back when it needs them. The goal is at most 4 GiB for 10 M x 30, and 1.5 times the encoded data.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

import record as store
from record import OURS, Record, environment

NUMBERS, CATEGORIES = 20, 8
ENCODED = 4 * (NUMBERS + CATEGORIES + 5)  # bytes of an encoded row: a date becomes several numbers
CHUNK = 500_000


def write(path: Path, rows: int) -> None:
    """The table, piece by piece, so that making it takes no memory."""
    import pyarrow.parquet as parquet

    writer = None
    for start in range(0, rows, CHUNK):
        random, n = np.random.default_rng(start), min(CHUNK, rows - start)
        x = random.normal(size=(n, NUMBERS)).astype(np.float32)
        codes = random.integers(0, [3, 5, 10, 20, 50, 100, 500, 2000], size=(n, CATEGORIES))
        days = random.integers(0, 3650, n)
        y = x[:, 0] * 2 - np.abs(x[:, 1]) + np.sin(codes[:, 3]) + 0.3 * (codes[:, 0] == 1) * x[:, 2] + 0.2 * random.normal(size=n)
        columns: dict[str, pl.Series] = {f"x{i}": pl.Series(x[:, i]) for i in range(NUMBERS)}
        columns |= {f"c{i}": pl.Series(codes[:, i]).cast(pl.String) + "-level" for i in range(CATEGORIES)}
        columns["day"] = pl.Series(days).cast(pl.Int32).cast(pl.Date)
        columns["y"] = pl.Series(y.astype(np.float32))
        piece = pl.DataFrame(columns).to_arrow()
        writer = writer or parquet.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    assert writer is not None
    writer.close()


def watch(process: subprocess.Popen[str], peak: dict[str, int]) -> None:
    """Note the largest sums over the process and its descendants, in KiB, until it ends."""
    while process.poll() is None:
        own, whole = 0, 0
        for pid in _family(process.pid):
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:  # it has just ended
                continue
            held = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name.startswith("Rss")}
            own += held.get("RssAnon", 0) + held.get("RssShmem", 0)
            whole += sum(held.values())
        peak["own"], peak["whole"] = max(peak.get("own", 0), own), max(peak.get("whole", 0), whole)
        time.sleep(0.2)


def _family(pid: int) -> list[int]:
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in path.read_text().split() for one in _family(int(child))]
        except OSError:
            continue
    return found


def render(record: Record) -> str:
    """The table of the results."""
    rows = [
        [
            f"{cell['key']['rows']:,}",
            f"{cell['key']['limit']} s",
            f"{cell['values']['seconds']:.0f}",
            f"{cell['values']['encoded'] / 2**30:.2f}",
            f"{cell['values']['own'] / 2**30:.2f}",
            f"{cell['values']['whole'] / 2**30:.2f}",
            f"{cell['values']['r2']:.4f}",
        ]
        for cell in record.cells()
    ]
    head = ["rows", "time limit", "seconds", "encoded, GiB", "peak of own pages, GiB", "peak with mapped files, GiB", "R2 of the test rows"]
    return "# Many rows\n\n" + store.table(head, rows) + "\n\n" + store.describe(record, record.cells())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--time-limit", type=int, default=600, help="seconds (default 600)")
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    given = parser.parse_args()
    record = Record("rows")
    key = {"rows": given.rows, "limit": given.time_limit}
    if given.again or not record.has(key):
        with tempfile.TemporaryDirectory() as place:
            write(Path(place) / "rows.parquet", given.rows)
            call = [sys.executable, "-m", "goodfit", "train", f"{place}/rows.parquet", "--target", "y", "--out", f"{place}/run", "--json"]
            call += ["--time-limit", str(given.time_limit)]
            begun, peak = time.monotonic(), dict[str, int]()
            process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            watcher = threading.Thread(target=watch, args=(process, peak))
            watcher.start()
            out, error = process.communicate()
            watcher.join()
            seconds = time.monotonic() - begun
            if process.returncode:
                raise SystemExit(f"exit {process.returncode}: {error.strip().splitlines()[-1:]}")
            r2 = json.loads(out)["metrics"]["r2"]["value"]
        values = {"seconds": seconds, "encoded": ENCODED * given.rows, "own": peak["own"] * 1024, "whole": peak["whole"] * 1024, "r2": r2}
        record.put(key, values, environment(OURS, ("torch", "numpy", "polars", "goodfit")))
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
