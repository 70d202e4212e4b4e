"""The run folder: who writes what, when, and what a killed run finds again.

`run.json` is written first and says how far the run is; it holds the call as it was made, so that `--resume` needs nothing
but the folder. A run that ends by an error of its input removes the folder that it made.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from goodfit.base.errors import DataError, InputError, StorageError, TrainingError
from goodfit.base.files import plain, read_json, write_bytes, write_json
from goodfit.base.recipe import Recipe


class RunFolder:
    """One run on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def about(self) -> dict[str, Any]:
        """What run.json says: status, source, request, task, model, seconds."""
        return dict(read_json(self.path / "run.json"))

    def update(self, **changes: Any) -> None:
        """Change entries of run.json."""
        write_json(self.path / "run.json", (self.about if (self.path / "run.json").exists() else {}) | changes)

    def write(self, name: str, document: Any) -> None:
        """Write one JSON record."""
        write_json(self.path / name, document)

    def write_recipe(self, recipe: Recipe) -> None:
        """The fully resolved recipe."""
        write_bytes(self.path / "recipe.yaml", recipe.to_yaml().encode())

    @property
    def recipe(self) -> Recipe | None:
        """The resolved recipe, None where the run was killed before it was decided."""
        path = self.path / "recipe.yaml"
        return Recipe.build(path) if path.exists() else None

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was found so far."""
        path = self.path / "findings.json"
        return list(read_json(path)) if path.exists() else []

    def append(self, name: str, document: dict[str, Any]) -> None:
        """Append one line to a JSON Lines record."""
        try:
            with open(self.path / name, "a", encoding="utf-8") as handle:
                handle.write(json.dumps(plain(document), ensure_ascii=False) + "\n")
        except OSError as error:
            raise StorageError(
                f"writing {name} failed: {error.strerror}; free some space, then go on with --resume", file=self.path / name
            ) from error

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The whole lines of a JSON Lines record; a last line cut short by a kill is left out."""
        path = self.path / name
        if not path.exists():
            return []
        lines = []
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
        return lines

    def keep_lines(self, name: str, count: int) -> None:
        """Cut a JSON Lines record to its first `count` lines, those that the checkpoint knows."""
        self.write_lines(name, self.lines(name)[:count])

    def write_lines(self, name: str, lines: Iterable[dict[str, Any]]) -> None:
        """Write a JSON Lines record anew."""
        write_bytes(self.path / name, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())


def new_folder(out: str | Path | None, name: str) -> Path:
    """Where a run goes: `out`, which must not exist or be empty, or `runs/<name>-<n>` with the first free n."""
    if out is None:
        base = Path("runs")
        number = 1
        while (base / f"{name}-{number}").exists():
            number += 1
        return base / f"{name}-{number}"
    path = Path(out)
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"--out must be a folder that can be made ({error.strerror}); give another name", value=str(out)) from error
    if path.is_file() or path.is_symlink():
        raise InputError(f"--out must be a new folder; {path} is a file", file=path)
    if path.is_dir() and any(path.iterdir()):
        what = "holds a run; add --resume to go on with it, or give" if (path / "run.json").exists() else "is not empty; give"
        raise InputError(f"--out must be a new folder; {path} {what} another", file=path)
    return path


@contextmanager
def removed_on_refusal(path: Path) -> Iterator[None]:
    """Make the folder, and remove it again when the input turns out to be wrong before anything was trained."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"the run folder {path} cannot be written ({error.strerror}); give another --out", file=path) from error
    try:
        yield
    except BaseException:  # Ctrl-C too leaves nothing half-made; raised again
        if not (path / "recipe.yaml").exists():  # nothing was trained yet
            for item in path.iterdir() if path.exists() else ():
                shutil.rmtree(item) if item.is_dir() else item.unlink()
            for folder in made:
                if folder.exists() and not any(folder.iterdir()):
                    folder.rmdir()
        raise


@contextmanager
def failure_recorded(run: RunFolder) -> Iterator[None]:
    """Mark a run whose training failed: it stays for its history, and is not resumed, since the same bits would fail again."""
    try:
        yield
    except TrainingError as error:
        run.update(status="failed", error=error.message)
        raise


@contextmanager
def naming(source: Any) -> Iterator[None]:
    """Give errors of the data the file that they are about, where the part that raised them did not know it."""
    try:
        yield
    except DataError as error:
        if error.file is None and isinstance(source, str | Path):
            error.file = str(source)
        raise


def latest_unfinished(base: Path = Path("runs")) -> Path:
    """The youngest run below `base` that has not finished."""
    found = []
    for path in base.glob("*/run.json"):
        about = read_json(path)
        if about.get("status") not in ("finished", "failed"):
            found.append((float(about.get("created", 0)), path.parent))
    if not found:
        raise InputError(f"there is no unfinished run in {base}/ to resume; give its folder: goodfit train --resume RUN")
    return max(found)[1]


def environment(device: str, threads: int) -> dict[str, Any]:
    """What the run ran on."""
    import numpy as np
    import polars as pl
    import torch

    import goodfit

    return {
        "goodfit": goodfit.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "polars": pl.__version__,
        "platform": platform.platform(),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device if device == "cpu" else torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
