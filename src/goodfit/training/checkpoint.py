"""Checkpoints that survive being killed, a full disk and a damaged file.

    folder/last/<step>.safetensors   weights, optimiser, averages
    folder/last/<step>.json          counters, and the SHA-256 of every file that belongs to this checkpoint
    folder/best/<step>.safetensors   the best weights, shared by the checkpoints that name them

A checkpoint exists from the moment its JSON has its name; the JSON is written last, atomically, and carries a checksum of
itself. The last two are kept: where the newest does not read back whole, the one before serves, and that is said.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from goodfit.base.errors import BundleError, CheckpointError
from goodfit.base.files import plain, read_json, read_tensors, write_bytes, write_tensors
from goodfit.training.state import Stopper

_KEPT = 2  # the newest, and one to fall back to


class Resumable(Protocol):
    """What is saved: `training.state.State`, or both players of `training.adversarial`."""

    @property
    def step(self) -> int: ...

    @property
    def best(self) -> dict[str, Tensor] | None: ...

    @property
    def stopper(self) -> Stopper: ...

    def to_records(self) -> tuple[dict[str, Tensor], dict[str, Any]]: ...

    def load_records(self, tensors: dict[str, Tensor], document: dict[str, Any], best: dict[str, Tensor] | None) -> None: ...


class Checkpoints:
    """Saves and loads the state of one network's training in `folder`.

    every: seconds between saves; stretched to a hundred times what the last save took, so that saving costs at most 1 %.
    """

    def __init__(self, folder: Path, every: float = 10.0) -> None:
        self.folder = folder
        self.every = every
        self._saved_at = time.monotonic()
        self._cost = 0.0
        self._best: tuple[int, str, str] | None = None  # step of the best weights, their file, its checksum

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_at >= max(self.every, 100 * self._cost)

    def save(self, state: Resumable, extra: dict[str, Any] | None = None) -> None:
        """Write a checkpoint; raises StorageError when the disk refuses, with the ones before intact."""
        begun = time.monotonic()
        last, best = self.folder / "last", self.folder / "best"
        last.mkdir(parents=True, exist_ok=True)
        best.mkdir(exist_ok=True)
        document: dict[str, Any] = {"format": 1, "extra": extra or {}, "files": {}}
        if state.best is not None:
            if self._best is None or self._best[0] != state.stopper.best_step:
                name = f"best/{state.stopper.best_step}.safetensors"
                self._best = (state.stopper.best_step, name, write_tensors(self.folder / name, state.best))
            document["best"] = self._best[1]
            document["files"][self._best[1]] = self._best[2]
        tensors, document["state"] = state.to_records()
        name = f"last/{state.step}.safetensors"
        document["files"][name] = write_tensors(self.folder / name, tensors)
        document["tensors"] = name
        write_bytes(last / f"{state.step}.json", _sealed(document))
        self._drop_old()
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - begun

    def load(self, state: Resumable, say: Callable[[str], None] = lambda message: None) -> dict[str, Any] | None:
        """Bring `state` to the newest whole checkpoint and return its `extra`; None where there is no checkpoint.

        Raises CheckpointError when there are checkpoints and none is whole.
        """
        damaged = []
        for path in self._newest_first():
            try:
                document = _unsealed(read_json(path), path)
                read = {name: read_tensors(self.folder / name, sha256=digest) for name, digest in document["files"].items()}
            except BundleError as error:
                damaged.append(path)
                say(f"the checkpoint of update {path.stem} is damaged ({error.message}); going back to the one before")
                continue
            best = read.get(document.get("best", ""))
            state.load_records(read[document["tensors"]], document["state"], best)
            if best is not None:
                self._best = (state.stopper.best_step, document["best"], document["files"][document["best"]])
            return dict(document["extra"])
        if damaged:
            raise CheckpointError(
                f"none of the {len(damaged)} checkpoints in {self.folder} can be read back whole; start again without --resume, with another --out",
                file=damaged[0],
            )
        return None

    def peek(self) -> tuple[dict[str, Any], dict[str, Tensor] | None] | None:
        """The counters of the newest whole checkpoint (see State), and its best weights; None where there is none that can be read."""
        for path in self._newest_first():
            try:
                document = _unsealed(read_json(path), path)
                name = document.get("best")
                return dict(document["state"]), None if name is None else read_tensors(self.folder / name, sha256=document["files"][name])
            except BundleError:  # the one before serves
                continue
        return None

    def _newest_first(self) -> list[Path]:
        found = [path for path in (self.folder / "last").glob("*.json") if path.stem.isdigit()]
        return sorted(found, key=lambda path: int(path.stem), reverse=True)

    def _drop_old(self) -> None:
        """Remove what no kept checkpoint names: older checkpoints, and what a kill left half-written."""
        kept, named = self._newest_first()[:_KEPT], set()
        for path in kept:
            try:
                named |= set(_unsealed(read_json(path), path)["files"])
            except BundleError:  # a damaged fall-back names nothing that could be used
                continue
        for path in [*self.folder.glob("last/*"), *self.folder.glob("best/*")]:
            if path not in kept and str(path.relative_to(self.folder)) not in named:
                path.unlink(missing_ok=True)


def _sealed(document: dict[str, Any]) -> bytes:
    body = json.dumps(plain(document), sort_keys=True)
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "checkpoint": body}).encode()


def _unsealed(read: Any, path: Path) -> dict[str, Any]:
    body = read.get("checkpoint", "") if isinstance(read, dict) else ""
    if not body or hashlib.sha256(body.encode()).hexdigest() != read.get("sha256"):
        raise BundleError(f"{path.name} was changed after it was written (its SHA-256 differs)", file=path)
    return dict(json.loads(body))


def newest_extra(folder: Path) -> list[dict[str, Any]]:
    """The `extra` of the newest readable checkpoint of each network below `folder`."""
    found = []
    for last in (folder / "last", *sorted(folder.glob("*/last"))):
        for path in sorted((p for p in last.glob("*.json") if p.stem.isdigit()), key=lambda p: int(p.stem), reverse=True):
            try:
                found.append(dict(_unsealed(read_json(path), path)["extra"]))
                break
            except BundleError:  # a damaged one is reported when its state is loaded
                continue
    return found
