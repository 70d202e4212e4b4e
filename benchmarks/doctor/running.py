"""Running a program, and the doctor on a program, in a folder of its own, under a name that tells nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.collection import Entry

NAME = "train.py"
PROGRAM_LIMIT = 120.0  # seconds; the longest program takes about 15


@dataclass(frozen=True)
class Done:
    """What a command did. code: None where it was stopped at its limit."""

    code: int | None
    output: str
    errors: str
    seconds: float


def run(command: Sequence[str], folder: Path, limit: float, threads: int) -> Done:
    """Run `command` in `folder` with `threads` threads; after `limit` seconds it and all that it started are killed."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    begun = time.monotonic()
    child = subprocess.Popen(
        list(command),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=limit)
        code: int | None = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        output, errors = child.communicate()
        code = None
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    return Done(code, output, errors, time.monotonic() - begun)


def score(entry: Entry, path: Path) -> dict[str, Any]:
    """Run the program at `path` with one thread: `score` (None where it failed), `seconds`, `problem`."""
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as place:
        folder = Path(place)
        shutil.copyfile(path, folder / NAME)
        done = run([sys.executable, NAME], folder, PROGRAM_LIMIT, 1)
    value = entry.score(done.output) if done.code == 0 else None
    problem = "" if value is not None else (done.errors.strip()[-300:] or f"exit {done.code}, no score in the last line")
    return {"score": value, "seconds": round(done.seconds, 2), "problem": problem}


def examine(entry: Entry, path: Path, limit: float, threads: int, command: Sequence[str] | None = None) -> dict[str, Any]:
    """Run `goodfit doctor` on a copy of the program at `path`, with its repair, and the repaired copy where it wrote one.

    command: what stands for `goodfit`, for tests. Gives `verdict` (None where the doctor failed: then `problem` says how), `exit`, `findings` without their
    curves, `seconds` of the examination, `wall`, `runs`, and `fixed`, the score of the repaired copy.
    """
    with tempfile.TemporaryDirectory(prefix="goodfit-bench-") as place:
        folder = Path(place)
        shutil.copyfile(path, folder / NAME)
        call = [*(command or (sys.executable, "-m", "goodfit")), "doctor", NAME, "--json", "--fix"]
        done = run(call, folder, limit, threads)
        values: dict[str, Any] = {"exit": done.code, "wall": round(done.seconds, 2), **read(done)}
        copies = sorted(folder.rglob(f"{Path(NAME).stem}.fixed.py"))
        values["fixed"] = score(entry, copies[0])["score"] if copies else None
    return values


def read(done: Done) -> dict[str, Any]:
    """What the doctor said, from its JSON. A document or an exit code against the contract is a failure."""
    try:
        said = json.loads(done.output)
        verdict = said["verdict"]
        findings = [
            {"code": one["code"], "severity": one["severity"], "confidence": one["confidence"], "gain": one["gain"]}
            | {"edited": one["edit"] is not None, "proved": _proved(one["probe"])}
            for one in said["findings"]
        ]
        seconds, runs = float(said["seconds"]), said["examined"].get("runs")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        stopped = "stopped at its limit" if done.code is None else f"exit {done.code}"
        return {"verdict": None, "findings": [], "problem": f"{stopped}; {error!r}; {done.errors.strip()[-300:]}"}
    alarmed = any(one["severity"] != "remark" for one in findings)
    problem = ""
    if verdict not in ("healthy", "faulty", "unlearnable"):
        problem = f"verdict {verdict!r}"
    elif (verdict == "faulty") != alarmed and verdict != "unlearnable":
        problem = f"verdict {verdict} with findings {[(one['code'], one['severity']) for one in findings]}"
    elif done.code != (3 if verdict == "faulty" else 0) and verdict != "unlearnable":
        problem = f"verdict {verdict} with exit {done.code}"
    return {"verdict": verdict, "findings": findings, "seconds": seconds, "runs": runs, "problem": problem}


def _proved(probe: Any) -> bool:
    """Whether an experiment stands behind a finding: what it would have shown, and what it showed."""
    return isinstance(probe, dict) and bool(probe.get("would_have")) and bool(probe.get("showed"))
