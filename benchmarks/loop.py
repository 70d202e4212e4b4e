"""What a loop costs: rows per second of goodfit's, a hand-written one and other libraries': `python benchmarks/loop.py`.

The same network, data, batch size and AdamW for all, two threads. Every contestant is a process of its own that waits between its
rounds; the rounds go in turn (A, B, C, A, B, C, ...), so that what the machine does meanwhile hits all alike. A figure is the median over
the rounds; the ratio is the median of the ratios to the hand-written loop of the same round. Wants a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import record as store
from record import OURS, PEERS, Record

HAND = "by hand"
CONTESTANTS = {  # and the environment that each lives in
    HAND: OURS,
    "by hand, DataLoader": OURS,
    "goodfit": OURS,
    "goodfit bf16": OURS,
    "goodfit cheap dropout": OURS,
    "Lightning": PEERS,
    "skorch": PEERS,
    "transformers Trainer": PEERS,
    "Keras": PEERS,
}
WORKLOADS = {
    "mlp": "MLP 32-256-256-2, batch 256",
    "cnn": "CNN 2 x (conv, BN, pool), 28 x 28, batch 128",
    "lstm": "LSTM 8-64, length 50, batch 64",
    "transformer": "transformer 2 x 64, length 64, dropout 0.1, batch 64",
}
ABSENT = {("Keras", "transformer")} | {("goodfit bf16", name) for name in ("mlp", "lstm")}
ABSENT |= {("goodfit cheap dropout", name) for name in ("mlp", "cnn", "lstm")}
PACKAGES = ("torch", "goodfit", "lightning", "skorch", "transformers", "accelerate", "keras")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each contestant (default 7)")
    parser.add_argument("--threads", type=int, default=2, help="threads of each contestant (default 2)")
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="this one alone; may be given again")
    parser.add_argument("--contestant", action="append", choices=CONTESTANTS, help="this one and the hand-written loop alone")
    parser.add_argument("--again", action="store_true", help="measure anew what is there already")
    parser.add_argument("--quick", action="store_true", help="a few batches once, to see that all of them run; nothing is kept")
    given = parser.parse_args()

    store.end_on_signal()
    record = Record("loop")
    names = [name for name in CONTESTANTS if name == HAND or not given.contestant or name in given.contestant]
    for workload in given.workload or WORKLOADS:
        entered = [name for name in names if (name, workload) not in ABSENT]
        keys = {name: {"contestant": name, "workload": workload, "threads": given.threads} for name in entered}
        if not given.quick and not given.again and all(record.has(key) for key in keys.values()):
            continue
        for python in {CONTESTANTS[name] for name in entered}:
            store.need(python, "test" if python == OURS else "bench-env")
        results = measure(workload, entered, 1 if given.quick else given.rounds, given.threads, given.quick)
        if given.quick:
            print(f"\n{WORKLOADS[workload]}\n" + _lines(results))
            continue
        known = {python: store.environment(python, PACKAGES) for python in {CONTESTANTS[name] for name in entered}}
        for name, values in results.items():
            record.put(keys[name], values, known[CONTESTANTS[name]])
    if not given.quick:
        print(store.publish(record, render))


def measure(workload: str, names: list[str], rounds: int, threads: int, quick: bool) -> dict[str, dict[str, Any]]:
    """Rounds in turn; the values of each contestant, or {"failed": reason}."""
    processes = {name: _start(name, workload, threads, quick) for name in names}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failed: dict[str, str] = {}
    try:
        for name, process in processes.items():
            if _answer(process) is None:
                failed[name] = "did not start"
        for number in range(rounds):
            for name, process in processes.items():
                if name in failed:
                    continue
                answer = _ask(process, number)
                if answer is None:
                    failed[name] = f"ended in round {number + 1}"
                else:
                    found[name].append(answer)
                    print(f"{workload} round {number + 1} {name}: {answer['rate']:,.0f} rows/s", file=sys.stderr, flush=True)
    finally:
        for process in processes.values():
            if process.stdin:
                process.stdin.close()
            process.wait(timeout=60)
    return {name: {"failed": failed[name]} if name in failed else _summary(found[name], found[HAND]) for name in names}


def _start(name: str, workload: str, threads: int, quick: bool) -> subprocess.Popen[str]:
    script = Path(__file__).resolve().parent / "peers/run_loop.py"
    command = [str(CONTESTANTS[name]), "-W", "ignore", str(script), name, workload, "--threads", str(threads)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command + ["--quick"] * quick, stdin=pipe, stdout=pipe, stderr=None if quick else subprocess.DEVNULL, text=True,
        env=store.thread_environment(threads),
    )  # fmt: skip


def _ask(process: subprocess.Popen[str], seed: int) -> dict[str, Any] | None:
    assert process.stdin is not None
    try:
        process.stdin.write(f"{seed}\n")
        process.stdin.flush()
    except BrokenPipeError:
        return None
    return _answer(process)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    assert process.stdout is not None
    line = process.stdout.readline()
    return dict(json.loads(line)) if line else None


def _summary(rounds: list[dict[str, Any]], hand: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [answer["rate"] for answer in rounds]
    ratios = [answer["rate"] / by_hand["rate"] for answer, by_hand in zip(rounds, hand, strict=False)]
    return {
        "rate": round(statistics.median(rates), 1),
        "rates": [round(rate, 1) for rate in rates],
        "ratio": round(statistics.median(ratios), 4) if ratios else None,
        "accuracy": round(statistics.fmean(answer["accuracy"] for answer in rounds), 4),
        "loss": round(statistics.fmean(answer["loss"] for answer in rounds), 4),
        "rounds": len(rounds),
        "threads": rounds[0]["threads"],
    }


def _lines(results: dict[str, dict[str, Any]]) -> str:
    rows = []
    for name, values in results.items():
        if "failed" in values:
            rows.append([name, values["failed"], "", "", ""])
        else:
            ratio = "-" if values["ratio"] is None else f"{values['ratio']:.2f}"
            rows.append([name, f"{values['rate']:,.0f}", ratio, f"{values['accuracy']:.3f}", f"{values['loss']:.3f}"])
    return store.table(["", "rows/s", "to by hand", "accuracy", "loss"], rows)


def render(record: Record) -> str:
    """One table per workload and number of threads."""
    parts = ["# The loop", "Rows per second, the median over the rounds; accuracy and loss on 2,048 rows unseen, after equal epochs."]
    for threads in sorted({cell["key"]["threads"] for cell in record.cells()}, reverse=True):
        for workload, title in WORKLOADS.items():
            cells = {cell["key"]["contestant"]: cell["values"] for cell in record.cells(workload=workload, threads=threads)}
            if cells:
                parts += [f"## {title}; threads: {threads}", _lines({name: cells[name] for name in CONTESTANTS if name in cells})]
    return "\n\n".join([*parts, store.describe(record, record.cells())])


if __name__ == "__main__":
    main()
