"""The table of what the doctor must show, from what it said of each program. Each half of the collection by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import record as store
from doctor.collection import HALVES, SILENT, Entry, load
from record import Record

# figure, how it is written, best published, goal
ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("faulty programs alarmed", "share", "94 % with alarms on most healthy ones", "95 %"),
    ("healthy programs alarmed", "share", "36 to 100 %", "at most 5 %"),
    ("of these, traps alarmed", "share", "", ""),
    ("repaired twins alarmed", "share", "", "at most 5 %"),
    ("at least one true cause named", "share", "63 %", "85 %"),
    ("first-ranked cause is a true one", "share", "", "70 %"),
    ("recall of causes", "number", ".33", ".70"),
    ("precision of causes", "number", ".21", ".80"),
    ("repaired to the level of the developer's own fix", "share", "4 of 9", "80 %"),
    ("silent loop errors named", "share", "18 of 20 with healthy reference runs", "9 of 10 with none"),
    ("findings with a counterfactual probe", "share", "none", "all"),
    ("short runs, median", "plain", "", "at most 10"),
    ("examination, median seconds", "plain", "", "60"),
    ("examination, 90 % quantile, seconds", "plain", "", ""),
    ("the doctor itself failed", "share", "", "none"),
)


def causes(said: Mapping[str, Any]) -> list[str]:
    """The codes that the doctor alarms with, in their order, each once; the verdict `unlearnable` says `data.no-signal`."""
    found = [one["code"] for one in said["findings"] if one["severity"] != "remark"]
    if said["verdict"] == "unlearnable":
        found.append("data.no-signal")
    return list(dict.fromkeys(found))


def figures(
    entries: Sequence[Entry], said: Mapping[tuple[str, str], Mapping[str, Any]], scores: Mapping[tuple[str, str], float]
) -> dict[str, Any]:
    """The figures over `entries`, as `name: (value, of how many)`; a value is None where there was nothing to count.

    said: what the doctor said, by id and file (`faulty`, `repaired`, `healthy`). scores: of the programs, the same way, higher being better. An entry that the doctor
    has not seen does not count; one that it failed on counts as silent.
    """
    faulty = [e for e in entries if e.kind == "faulty" and (e.id, "faulty") in said]
    sound = [e for e in entries if e.kind != "faulty" and (e.id, "healthy") in said]
    twins = [e for e in entries if e.kind == "faulty" and (e.id, "repaired") in said]
    named = {e.id: causes(said[e.id, "faulty"]) for e in faulty}
    found = {e.id: [any(code in fault for code in named[e.id]) for fault in e.codes] for e in faulty}
    right = {e.id: [any(code in fault for fault in e.codes) for code in named[e.id]] for e in faulty}
    healed = [e for e in faulty if e.margin is not None and all((e.id, name) in scores for name in ("faulty", "repaired"))]
    looked = [one for (_, _), one in _of(entries, said)]
    alarms = [one for answer in looked for one in answer["findings"] if one["severity"] != "remark"]
    silent = [(e, fault) for e in faulty for fault in e.codes if SILENT & set(fault)]
    seconds = sorted(one["seconds"] for one in looked if one["verdict"] is not None)
    runs = sorted(one["runs"] for one in looked if one.get("runs") is not None)
    values = {
        "faulty programs alarmed": _share([bool(named[e.id]) for e in faulty]),
        "healthy programs alarmed": _share([bool(causes(said[e.id, "healthy"])) for e in sound]),
        "of these, traps alarmed": _share([bool(causes(said[e.id, "healthy"])) for e in sound if e.kind == "trap"]),
        "repaired twins alarmed": _share([bool(causes(said[e.id, "repaired"])) for e in twins]),
        "at least one true cause named": _share([any(found[e.id]) for e in faulty]),
        "first-ranked cause is a true one": _share([bool(right[e.id]) and right[e.id][0] for e in faulty]),
        "recall of causes": _share([one for e in faulty for one in found[e.id]]),
        "precision of causes": _share([one for e in faulty for one in right[e.id]]),
        "repaired to the level of the developer's own fix": _share([_healed(e, said[e.id, "faulty"], scores) for e in healed]),
        "silent loop errors named": _share([any(code in fault for code in named[e.id]) for e, fault in silent]),
        "findings with a counterfactual probe": _share([one["proved"] for one in alarms]),
        "short runs, median": (quantile(runs, 0.5), len(runs)),
        "examination, median seconds": (quantile(seconds, 0.5), len(seconds)),
        "examination, 90 % quantile, seconds": (quantile(seconds, 0.9), len(seconds)),
        "the doctor itself failed": _share([one["verdict"] is None for one in looked]),
    }
    assert set(values) == {row[0] for row in ROWS}
    return values


def _of(entries: Sequence[Entry], said: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[tuple[tuple[str, str], Mapping[str, Any]]]:
    known = {e.id for e in entries}
    return [(key, answer) for key, answer in said.items() if key[0] in known]


def _healed(entry: Entry, answer: Mapping[str, Any], scores: Mapping[tuple[str, str], float]) -> bool:
    fixed = answer.get("fixed")
    return fixed is not None and entry.reached(scores[entry.id, "faulty"], scores[entry.id, "repaired"], fixed)


def _share(hits: Sequence[bool]) -> tuple[float | None, int]:
    return (sum(hits) / len(hits) if hits else None, len(hits))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least of the sorted `values` that `share` of them do not exceed; None of nothing."""
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


def gather(record: Record, entries: Sequence[Entry]) -> tuple[dict[tuple[str, str], Any], dict[tuple[str, str], float]]:
    """What the doctor said, and the scores, from the cells; those of programs that are no more are left out."""
    known = {(e.id, name) for e in entries for name in e.files}
    said, scores = {}, {}
    for cell in record.cells():
        key = (cell["key"]["program"], cell["key"]["file"])
        if key in known and cell["key"]["what"] == "examination":
            said[key] = cell["values"]
        elif key in known and cell["values"]["score"] is not None:
            scores[key] = cell["values"]["score"]
    return said, scores


def render(record: Record) -> str:
    """The table of both halves, and below it what went wrong in the half that is there to be looked at."""
    entries = load()
    said, scores = gather(record, entries)
    columns = [figures([e for e in entries if e.half == half], said, scores) for half in HALVES]
    rows = [[name, *(_written(column[name], kind) for column in columns), best, goal] for name, kind, best, goal in ROWS]
    table = store.table(["figure", *(f"{half} half" for half in HALVES), "best published", "goal"], rows)
    counted = ", ".join(f"{sum(e.kind == kind for e in entries)} {kind}" for kind in ("faulty", "healthy", "trap"))
    missed = misses([e for e in entries if e.half == "tune"], said, scores)
    text = f"# The doctor on programs\n\n{counted}.\n\n{table}\n"
    if missed:
        head = ["program", "file", "truth", "said", "faulty, repaired, fixed"]
        text += f"\nOf the tune half, what was not as it should be:\n\n{store.table(head, missed)}\n"
    return text + "\n" + store.describe(record, record.cells())


def misses(entries: Sequence[Entry], said: Mapping[tuple[str, str], Any], scores: Mapping[tuple[str, str], float]) -> list[list[str]]:
    """Programs that were not named, not repaired, alarmed though sound, or on which the doctor failed."""
    rows = []
    for e in entries:
        for name in e.files:
            if (e.id, name) not in said:
                continue
            answer = said[e.id, name]
            codes = causes(answer)
            fine = not codes
            if name == "faulty":
                fine = bool(codes) and all(any(code in fault for fault in e.codes) for code in codes)
                if e.margin is not None and (e.id, "faulty") in scores and (e.id, "repaired") in scores:
                    fine = fine and _healed(e, answer, scores)
            if fine and not answer["problem"]:
                continue
            truth = ", ".join("/".join(fault) for fault in e.codes) if name == "faulty" else "sound"
            told = ", ".join(codes) or "nothing"
            if answer["problem"]:
                told += f" ({answer['problem'][:80]!r})"
            numbers = [scores.get((e.id, "faulty")), scores.get((e.id, "repaired")), answer.get("fixed")]
            rows.append([e.id, name, truth, told, ", ".join("-" if v is None else f"{v:.3f}" for v in numbers) if name == "faulty" else ""])
    return rows


def _written(counted: tuple[float | None, int], kind: str) -> str:
    value, of = counted
    if value is None:
        return "-"
    if kind == "share":
        return f"{value:.0%} of {of}"
    return f"{value:.2f} of {of}" if kind == "number" else f"{value:.0f}"
