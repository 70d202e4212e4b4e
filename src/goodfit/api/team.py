"""Who trains the networks of a run: this process, one after the other, or several processes side by side.

A small network cannot use more than a core or two: its updates are too short to be shared out. Two networks can.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from goodfit.api.attempt import RECIPE
from goodfit.api.fitting import Fitted, Fold, Job
from goodfit.api.folder import RunFolder
from goodfit.api.member import fit_member
from goodfit.api.worker import save_fold
from goodfit.base import errors
from goodfit.base.errors import TrainingError, WorkerError
from goodfit.base.files import write_bytes
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Member

Done = tuple[Job, Fitted]


class Alone:
    """Trains a job here, at once. keep: is given its recipe as soon as it is decided. made: see `fit_member`."""

    def __init__(
        self,
        run: RunFolder,
        device: torch.device,
        keep: Callable[[Job, Recipe], None],
        progress: Progress,
        made: Callable[[Fold, Recipe, int], Member] | None = None,
    ) -> None:
        self._run, self._device, self._keep, self._progress, self._made = run, device, keep, progress, made
        self._done: list[Done] = []

    @property
    def free(self) -> bool:
        return not self._done

    def start(self, job: Job, fold: Fold) -> None:
        fitted = fit_member(
            self._run, job, fold, device=self._device, keep=lambda own: self._keep(job, own), progress=self._progress, made=self._made
        )
        self._done.append((job, fitted))

    def wait(self) -> Done:
        return self._done.pop()


class Together:
    """Hands jobs to `size` processes of `threads` threads each. They end with the context, or with this process however it ends.

    keep: is given a job's recipe as soon as it is decided.
    """

    def __init__(self, run: RunFolder, size: int, threads: int, keep: Callable[[Job, Recipe], None], progress: Progress) -> None:
        self._run, self._threads, self._keep, self._progress = run, threads, keep, progress
        self._events: queue.Queue[tuple[Process, dict[str, Any] | None]] = queue.Queue()
        self._idle = [Process(run.path / "cache" / f"worker-{number}.log", self._events) for number in range(size)]
        self._busy: dict[Process, tuple[Job, Fold]] = {}

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self._idle, *self._busy]:
            process.end()

    @property
    def free(self) -> bool:
        return bool(self._idle)

    def start(self, job: Job, fold: Fold) -> None:
        data, own = self._run.path / "cache" / f"fold-{job.fold}", self._own(job)
        if not (data / "fold.safetensors").exists():
            save_fold(fold, data)
        own.mkdir(parents=True, exist_ok=True)
        if not (own / RECIPE).exists():
            write_bytes(own / RECIPE, job.recipe.to_yaml().encode())
        now, process = time.monotonic(), self._idle.pop()
        self._busy[process] = (job, fold)
        process.ask(
            run=str(self._run.path), checkpoints=str(own), data=str(data), fold=job.fold, count=job.count, partner=job.partner,
            spent=now - job.begun, left=None if job.deadline is None else job.deadline - now, test_rows=job.test_rows, threads=self._threads,
        )  # fmt: skip

    def wait(self) -> Done | None:
        """A job that is done, or None when something else became known."""
        process, event = self._events.get()
        if event is None:
            raise WorkerError(f"a training process ended with {process.ending()}; go on with --resume, or set train.workers=1")
        job, fold = self._busy[process]
        if "error" in event:
            raise getattr(errors, event["error"], TrainingError)(event["message"])
        if "say" in event:
            self._progress.say(event["say"])
        elif "epoch" in event:
            self._progress.advance(0, **event["epoch"])
        elif "decided" in event:
            self._keep(job, Recipe.build(self._own(job) / RECIPE))
        elif "done" in event:
            del self._busy[process]
            self._idle.append(process)
            self._progress.advance()
            # It lies in the checkpoints, finished: training it here only reads it.
            known = replace(job, recipe=Recipe.build(self._own(job) / RECIPE))
            return job, fit_member(self._run, known, fold, device=torch.device("cpu"), keep=lambda own: None, progress=Silent())
        return None

    def _own(self, job: Job) -> Path:
        return self._run.path / "checkpoints" / job.folder


class Process:
    """A worker and the thread that listens to it; None among its events is its end."""

    def __init__(self, log: Path, events: queue.Queue[tuple[Process, dict[str, Any] | None]]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        # It finds every package where this process does.
        code = f"import sys; sys.path[:] = {sys.path!r}; from goodfit.api.worker import main; main()"
        with open(log, "wb") as sink:
            self._popen = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, text=True,
                encoding="utf-8",
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._listener.start()

    def ask(self, **job: Any) -> None:
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and the listener says so
            self._popen.stdin.write(json.dumps(job) + "\n")
            self._popen.stdin.flush()

    def end(self) -> None:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.kill()
        self._popen.wait()
        self._listener.join()
        self._popen.stdout.close()
        with suppress(BrokenPipeError):  # of what was not read any more
            self._popen.stdin.close()

    def ending(self) -> str:
        """How it ended, for an error."""
        code = self._popen.wait()
        said = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        how = f"signal {-code}" + (" (out of memory?)" if code == -9 else "") if code < 0 else f"exit status {code}"
        return how + (f": {said[-1][:300]}" if said else "")

    def _listen(self, events: queue.Queue[tuple[Process, dict[str, Any] | None]]) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            events.put((self, json.loads(line)))
        events.put((self, None))
