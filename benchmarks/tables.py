"""goodfit's three presets beside boosted trees and other networks, on six tables: `python benchmarks/tables.py --data DIR`.

Five seeds; a seed decides the split (a fifth for the test, the same rows for everyone) and every learner's own randomness. The same time
limit for each fit, the same threads, a process for each cell, one after the other. What is measured lies in results/tables.json cell by
cell; a run that was stopped goes on where it was. `--only 'CatBoost/adult/0'` picks cells, with patterns such as `*/ames`.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import record as store
from record import OURS, PEERS, Record

SETS = ("adult", "diamonds", "letter", "satellite", "bikeshare", "ames")
METRIC = {
    "adult": "1 - AUC",
    "letter": "1 - acc.",
    "satellite": "1 - acc.",
    "diamonds": "RMSE log",
    "bikeshare": "RMSE",
    "ames": "RMSE log",
}
OURSELVES = ("goodfit-fast", "goodfit-good", "goodfit-best")
TREES = ("HistGradientBoosting", "LightGBM", "CatBoost")
NETWORKS = ("sklearn-MLP", "RealMLP-TD", "TabM-D")
LEARNERS = OURSELVES + TREES + NETWORKS
PACKAGES = ("torch", "scikit-learn", "numpy", "goodfit", "lightgbm", "catboost", "pytabkit")
GRACE = 2.0  # a fit may take this many times its limit (and a minute to start) before it is killed; it then counts as failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds adult.csv.gz and the others")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0, 1, ... (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each fit (default 2); cells of other numbers are kept apart")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds for each fit (default 120)")
    parser.add_argument("--only", action="append", default=[], metavar="LEARNER/SET/SEED", help="these cells alone; * matches all")
    parser.add_argument("--retry", action="store_true", help="measure again what failed")
    given = parser.parse_args()

    record = Record("tables")
    wanted = [cell for cell in _cells(given.seeds) if not given.only or any(_matches(cell, pattern) for pattern in given.only)]
    store.end_on_signal()
    known: dict[Path, dict[str, Any]] = {}
    for learner, name, seed in wanted:
        key = {"learner": learner, "set": name, "seed": seed, "threads": given.threads, "time_limit": given.time_limit}
        if record.has(key, failed=not given.retry):
            continue
        python = OURS if learner in OURSELVES else PEERS
        store.need(python, "test" if python == OURS else "bench-env")
        if python not in known:
            known[python] = store.environment(python, PACKAGES)
        begun = time.monotonic()
        values = measure(python, learner, name, seed, given.threads, given.time_limit, given.data)
        record.put(key, values, known[python])
        said = values.get("failed") or f"error {values['error']:.5f}"
        print(f"{learner} {name} seed {seed}: {said} ({time.monotonic() - begun:.0f} s)", file=sys.stderr, flush=True)
    print(store.publish(record, render))


def _cells(seeds: int) -> Iterator[tuple[str, str, int]]:
    """Seed by seed, so that a stopped run has compared everyone on the first seeds."""
    for seed in range(seeds):
        for name in SETS:
            for learner in LEARNERS:
                yield learner, name, seed


def _matches(cell: tuple[str, str, int], pattern: str) -> bool:
    parts = (pattern.split("/") + ["*"] * 3)[:3]
    return all(fnmatch.fnmatchcase(str(value).lower(), part.lower()) for value, part in zip(cell, parts, strict=True))


def measure(python: Path, learner: str, name: str, seed: int, threads: int, limit: float, data: Path) -> dict[str, Any]:
    """Fit in a process of its own; its numbers, or {"failed": reason}."""
    script = Path(__file__).resolve().parent / "peers/fit_table.py"
    command = [str(python), "-W", "ignore", str(script), learner, name]
    command += ["--seed", str(seed), "--threads", str(threads), "--time-limit", str(limit), "--data", str(data.resolve())]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GRACE * limit + 60, env=store.thread_environment(threads), check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {GRACE:g} times the time limit"}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing said"]
        return {"failed": f"exit {done.returncode}: {last[0][:300]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def render(record: Record) -> str:
    """One block for each number of threads and time limit: error by set, mean rank, and the distance to the best trees."""
    plans = sorted({(cell["key"]["threads"], cell["key"]["time_limit"]) for cell in record.cells()}, reverse=True)
    return "# Tables\n\n" + "\n\n".join(_block(record, threads, limit) for threads, limit in plans)


def _block(record: Record, threads: int, limit: float) -> str:
    cells = record.cells(threads=threads, time_limit=limit)
    found = {(c["key"]["learner"], c["key"]["set"], c["key"]["seed"]): c["values"]["error"] for c in cells if "failed" not in c["values"]}
    seconds = {(c["key"]["learner"], c["key"]["set"], c["key"]["seed"]): c["values"].get("seconds") for c in cells}
    learners = [learner for learner in LEARNERS if any(key[0] == learner for key in found)]
    sets = [name for name in SETS if any(key[1] == name for key in found)]
    ranks = _ranks(found, learners)
    rows, times, gaps, metric_gaps = [], [], [], []
    for learner in learners:
        row, row_times, row_gaps, row_metric_gaps = [learner], [learner], [learner], [learner]
        for name in sets:
            errors = {key[2]: error for key, error in found.items() if key[:2] == (learner, name)}
            row.append(f"{_mean(errors.values()):.4g}" + (f" ({len(errors)})" if errors else "") if errors else "-")
            spent = [value for key, value in seconds.items() if key[:2] == (learner, name) and value is not None]
            row_times.append(f"{_mean(spent):.0f}" if spent else "-")
            row_gaps.append(_gap(found, learner, name, in_metric=False))
            row_metric_gaps.append(_gap(found, learner, name, in_metric=True))
        row.append(f"{_mean(ranks[learner]):.2f}" if ranks[learner] else "-")
        rows.append(row)
        times.append(row_times)
        gaps.append(row_gaps)
        metric_gaps.append(row_metric_gaps)
    failed = [(c["key"], c["values"]["failed"]) for c in cells if "failed" in c["values"]]
    header = [""] + [f"{name}, {METRIC[name]}" for name in sets]
    parts = [
        f"## {threads} thread{'s' if threads > 1 else ''}, {limit:g} s for each fit",
        "Test error, the mean over seeds (their number), and the mean rank over all splits on which every learner shown has a result.",
        store.table([*header, "mean rank"], rows),
        "Error relative to the best of the trees on the same splits; below 0 is better than all three.",
        store.table(["", *sets], gaps),
        "The same in the metric itself (AUC, accuracy, RMSE): how much worse than the best of the trees; below 0 is better.",
        store.table(["", *sets], metric_gaps),
        "Seconds of a fit, the mean over seeds.",
        store.table(["", *sets], times),
    ]
    if failed:
        parts.append("Failed:\n" + "\n".join(f"- {key['learner']} on {key['set']}, seed {key['seed']}: {why}" for key, why in failed))
    return "\n\n".join([*parts, store.describe(record, cells)])


def _ranks(found: dict[tuple[str, str, int], float], learners: Sequence[str]) -> dict[str, list[float]]:
    """Ranks (1 is best, ties share) on the splits where everyone has a result."""
    ranks: dict[str, list[float]] = {learner: [] for learner in learners}
    for split in sorted({key[1:] for key in found}):
        errors = {learner: found[learner, *split] for learner in learners if (learner, *split) in found}
        if len(errors) < len(learners):
            continue
        for learner, error in errors.items():
            below = sum(other < error for other in errors.values())
            same = sum(other == error for other in errors.values())
            ranks[learner].append(below + (same + 1) / 2)
    return ranks


def _gap(found: dict[tuple[str, str, int], float], learner: str, name: str, *, in_metric: bool) -> str:
    """Mean error over that of the trees' best (by its mean on the same seeds), as a signed percentage; or by how much the metric is worse."""
    seeds = {key[2] for key in found if key[:2] == (learner, name)}
    trees = []
    for tree in TREES:
        errors = {key[2]: error for key, error in found.items() if key[:2] == (tree, name) and key[2] in seeds}
        if seeds and errors.keys() == seeds:
            trees.append(_mean(errors.values()))
    if not trees:
        return "-"
    own, best = _mean(found[learner, name, seed] for seed in seeds), min(trees)
    if in_metric and METRIC[name].startswith("1 - "):
        return f"{1 - (1 - own) / (1 - best):+.1%}"
    return f"{own / best - 1:+.1%}"


def _mean(values: Any) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    main()
