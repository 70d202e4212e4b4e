"""What `goodfit doctor` says of programs whose faults are known.

    python benchmarks/doctor [--half tune|report] [--only ID] [--twins] [--again] [--limit 600] [--stop-after SECONDS]
    python benchmarks/doctor --check [--only ID] [--again] [--stop-after SECONDS]

The first examines every program, one at a time, each in a folder of its own and under a neutral name, and prints the table; with `--twins` the repaired twins too, which
are healthy. Where the doctor wrote a repaired copy, that is run, and its score on held-back data is compared with the scores of the faulty program and of the twin.
The second runs the programs alone and shows the scores of the faulty beside the repaired. What is known is not measured again, unless the
program has changed since or `--again` is given; so a run that was stopped goes on where it was. Results: results/doctor.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record as store
from doctor.collection import HALVES, Entry, fingerprint, load
from doctor.figures import gather, render
from doctor.running import examine, score
from record import OURS, Record, environment


def cells(entries: Sequence[Entry], what: str, twins: bool) -> Iterator[tuple[Entry, dict[str, str], Path]]:
    """What is to be measured: the entry, the key of the cell, the file."""
    for entry in entries:
        for name, path in entry.files.items():
            if what == "score" or name != "repaired" or twins:
                yield entry, {"program": entry.id, "file": name, "what": what}, path


def measured(record: Record, key: dict[str, str], path: Path) -> bool:
    """Whether the cell is there, and of the file as it is now."""
    return any(cell["values"].get("hash") == fingerprint(path) for cell in record.cells(**key))


def measure(record: Record, todo: Sequence[tuple[Entry, dict[str, str], Path]], given: argparse.Namespace) -> bool:
    """Fill the cells of `todo` that are missing. Gives False where the time was up before the end."""
    python = OURS if OURS.exists() else Path(sys.executable)
    versions = environment(python, ["goodfit", "torch", "scikit-learn", "numpy"])
    begun = time.monotonic()
    for number, (entry, key, path) in enumerate(todo, 1):
        if measured(record, key, path) and not given.again:
            continue
        if time.monotonic() - begun > given.stop_after:
            return False
        values: dict[str, Any] = score(entry, path) if key["what"] == "score" else examine(entry, path, given.limit, given.threads)
        record.put(key, values | {"hash": fingerprint(path)}, versions)
        told = values["problem"] or values.get("verdict") or values["score"]
        print(f"{number}/{len(todo)} {entry.id} {key['file']}: {told}", file=sys.stderr, flush=True)
    return True


def twins_table(record: Record, entries: Sequence[Entry]) -> tuple[str, int]:
    """Scores of faulty beside repaired, and of the sound ones beside the least that they must reach; and how many are not as they should be."""
    _, scores = gather(record, entries)
    rows, wrong = [], 0
    for entry in entries:
        values = [scores.get((entry.id, name)) for name in entry.files]
        if any(value is None for value in values):
            verdict = "no score"
        elif entry.kind != "faulty":
            verdict = "" if entry.least is not None and values[0] >= entry.least else f"below {entry.least:g}"
        elif entry.margin is None:
            verdict = "not comparable"
        else:
            verdict = "" if values[1] - values[0] >= entry.margin else f"margin below {entry.margin:g}"
        wrong += verdict not in ("", "not comparable")
        shown = ["-" if value is None else f"{value:.4f}" for value in values]
        rows.append([entry.id, entry.kind, entry.score_kind, *(shown if entry.kind == "faulty" else ["", *shown]), verdict])
    return store.table(["program", "kind", "score", "faulty", "repaired or healthy", ""], rows), wrong


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="run the programs alone: is each twin better than its faulty one?")
    parser.add_argument("--half", choices=HALVES, help="examine one half only")
    parser.add_argument("--only", nargs="+", metavar="ID", help="these programs only")
    parser.add_argument("--twins", action="store_true", help="examine the repaired twins too")
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds after which an examination is stopped")
    parser.add_argument("--threads", type=int, default=2, help="threads of the doctor; programs by themselves have one")
    parser.add_argument("--stop-after", type=float, default=float("inf"), help="begin nothing more after so many seconds")
    given = parser.parse_args()
    store.end_on_signal()
    entries = load()
    if unknown := sorted(set(given.only or ()) - {entry.id for entry in entries}):
        sys.exit(f"--only takes ids of index.json; {', '.join(unknown)} is none of them")
    chosen = [e for e in entries if (not given.half or e.half == given.half) and (not given.only or e.id in given.only)]
    record = Record("doctor")
    complete = measure(record, list(cells(chosen, "score", given.twins)), given)
    if given.check:
        table, wrong = twins_table(record, chosen)
        print(table)
        print(f"{wrong} not as they should be" if complete else "not all have been run yet")
        sys.exit(1 if wrong and complete else 0)
    if complete:
        measure(record, list(cells(chosen, "examination", given.twins)), given)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
