"""Results on disk: one JSON file per benchmark, cell by cell, each cell with the versions, the machine and the day it was measured.

A cell is a key (who, on what, with which seed and threads) and its values. A benchmark that is stopped goes on with the cells that
are missing. Cells measured on different machines or with different versions name different environments and can be told apart.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"
ROOT = FOLDER.parent.parent
OURS = ROOT / ".venv/bin/python"
PEERS = ROOT / ".venv-bench/bin/python"


class Record:
    """The cells of the benchmark `name`, in `results/<name>.json`."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.name = name
        self.path = folder / f"{name}.json"
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    def has(self, key: Mapping[str, Any], *, failed: bool = True) -> bool:
        """Whether the cell is there; with failed=False, only if it did not fail."""
        cell = self._cells.get(_text(key))
        return cell is not None and (failed or "failed" not in cell["values"])

    def put(self, key: Mapping[str, Any], values: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
        """Write one cell to the disk at once. Other processes may write to the same file meanwhile."""
        name = hashlib.sha256(_text(environment).encode()).hexdigest()[:8]
        with self._locked():
            self._read()
            self.environments[name] = dict(environment)
            day = dt.datetime.now(dt.UTC).date().isoformat()
            self._cells[_text(key)] = {"key": dict(key), "values": dict(values), "environment": name, "date": day}
            self._write()

    def cells(self, **wanted: Any) -> list[dict[str, Any]]:
        """The cells whose keys hold `wanted`, in the order of their keys."""
        return [cell for _, cell in sorted(self._cells.items()) if all(cell["key"].get(k) == v for k, v in wanted.items())]

    def _read(self) -> None:
        document = json.loads(self.path.read_text()) if self.path.exists() else {"environments": {}, "cells": []}
        self.environments: dict[str, dict[str, Any]] = document["environments"]
        self._cells: dict[str, dict[str, Any]] = {_text(cell["key"]): cell for cell in document["cells"]}

    def _write(self) -> None:
        used = {cell["environment"] for cell in self._cells.values()}
        environments = ",\n  ".join(f'"{name}": {_text(e)}' for name, e in sorted(self.environments.items()) if name in used)
        cells = ",\n  ".join(_text(cell) for _, cell in sorted(self._cells.items()))
        text = f'{{\n "environments": {{\n  {environments}\n }},\n "cells": [\n  {cells}\n ]\n}}\n'
        temporary = self.path.with_suffix(".part")
        temporary.write_text(text)
        os.replace(temporary, self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def hardware() -> dict[str, Any]:
    """The machine: processor, cores in use, memory in GiB, system."""
    model = platform.processor() or platform.machine()
    flags = ""
    if Path("/proc/cpuinfo").exists():
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
        fields = {name.strip(): value.strip() for name, _, value in reversed(lines)}
        model = fields.get("model name", model)
        flags = " ".join(flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in fields.get("flags", "").split())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processor": model,
        "instructions": flags,
        "cores": len(os.sched_getaffinity(0)),
        "memory": round(memory),
        "system": platform.system(),
    }


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """The versions of `packages` that `python` sees, and its own."""
    code = (
        "import sys, json, platform, importlib.metadata as m\n"
        "found = {'python': platform.python_version()}\n"
        "for name in sys.argv[1:]:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([str(python), "-c", code, *packages], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def environment(python: Path, packages: Sequence[str]) -> dict[str, Any]:
    """Machine and versions, and for our own environment the commit that goodfit was at."""
    found: dict[str, Any] = {"hardware": hardware(), "versions": versions(python, packages)}
    if python == OURS:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
        found["versions"] |= {"commit": done.stdout.strip()} if done.returncode == 0 else {}
    return found


def end_on_signal() -> None:
    """Let a polite kill end this process as Ctrl-C does, so that the process that it waits for ends too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def thread_environment(threads: int) -> dict[str, str]:
    """The environment of a process that computes with `threads` threads and imports what lies in benchmarks/."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "LOKY_MAX_CPU_COUNT")
    here = Path(__file__).resolve().parent
    return os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": os.pathsep.join([str(here), str(here / "peers")])}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned for the terminal; the first column left, the others right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(v.ljust(w) if i == 0 else v.rjust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True))) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def describe(record: Record, cells: Sequence[Mapping[str, Any]]) -> str:
    """One line per environment of `cells`: machine, versions, days."""
    lines = []
    for name in sorted({cell["environment"] for cell in cells}):
        environment = record.environments[name]
        days = sorted({cell["date"] for cell in cells if cell["environment"] == name})
        machine = environment["hardware"]
        packages = ", ".join(f"{package} {version}" for package, version in environment["versions"].items())
        span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
        lines.append(f"{span}: {machine['processor']}, {machine['cores']} cores, {machine['memory']} GiB; {packages}.")
    return "\n".join(lines)


def publish(record: Record, render: Callable[[Record], str]) -> str:
    """Write the tables as `results/<name>.md` beside the numbers, and return them."""
    text = render(record)
    record.path.with_suffix(".md").write_text(text + "\n")
    return text


def need(python: Path, command: str) -> None:
    """End with one sentence when an environment is missing."""
    if not python.exists():
        sys.exit(f"{python.relative_to(ROOT)} is missing; make it with: make {command}")
