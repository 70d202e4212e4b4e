"""The trials of a search as cohorts: in this process one after the other, or in processes of one thread each side by side.

The data are encoded once for each way in which networks want them, and shared by all trials.
"""

from __future__ import annotations

import queue
import shutil
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from goodfit.api.attempt import RECIPE, attempt, keep
from goodfit.api.fitting import Fold
from goodfit.api.plan import MEMORY_OF_A_WORKER, MEMORY_OF_WORKERS, data_settings, network_name, resolve
from goodfit.api.room import refuse_without_room
from goodfit.api.scoring import row_weights
from goodfit.api.team import Process
from goodfit.api.unlabelled import refuse_without_effect
from goodfit.api.worker import save_fold
from goodfit.base import errors
from goodfit.base.errors import InputError, SettingError, TrainingError
from goodfit.base.files import read_json, write_json
from goodfit.base.machine import machine_memory
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Dataset
from goodfit.data.encoder import Encoder
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.models import catalogue
from goodfit.tasks import catalogue as tasks
from goodfit.tuning.cohort import Outcome, Trial

PROCESS_TRIALS = 4  # trials for each process at least: it takes seconds to start


@dataclass
class Bench:
    """What all trials of a study have in common. request: the recipe without what is searched. place: folder for what trials need while they run."""

    request: Recipe
    data: Dataset
    target: TargetSpec
    parts: Split
    device: torch.device
    place: Path
    _folds: dict[str, Fold] = field(default_factory=dict)

    def recipe(self, settings: dict[str, Any]) -> Recipe:
        """The recipe of a trial, with everything decided that is not measured. Raises SettingError for settings that do not go together."""
        request = self.request.with_(**{name.replace(".", "__"): value for name, value in settings.items()})
        name = network_name(request, self.data.schema, len(self.parts.train), self.target)
        if name in catalogue.BROUGHT:
            raise SettingError(f"a search trains networks of the catalogue; model.name={name} is brought by the call: train it alone")
        request = request.with_(model__name=name)
        refuse_without_effect(request, self.target)
        fold = self.fold(request)
        outputs = tasks.build(fold.encoder.target.to_json()).outputs
        recipe = resolve(
            request, fold.encoder.inputs, name=name, rows=len(self.parts.train), outputs=outputs, members=1, target=self.target
        )  # fmt: skip
        if "image" not in fold.encoder.inputs and self.device.type == "cpu":
            # Measured for each trial, they would be chance: a few steps' time decides. The run of the best settings measures them.
            low = recipe.train.precision if recipe.train.precision != "auto" else "float32"
            recipe = recipe.with_(train__precision=low, train__channels_last="no")
        refuse_without_room(request, recipe, fold.encoder, outputs, self.device)
        return recipe

    def fold(self, request: Recipe) -> Fold:
        """The rows as the network of this recipe reads them, encoded when they are first asked for. The sealed test rows are in no fold."""
        key = self.key(request)
        if key not in self._folds:
            name = request.model.name or ""
            encoder = Encoder.fit(
                self.data, self.data.schema, self.target, self.parts.train, data_settings(request, name), request.seed,
                scaling=catalogue.scaling(name),
            )  # fmt: skip
            encoded = encoder.encode(self.data, folder=self.place / "encoded" / str(len(self._folds)))
            self._folds[key] = Fold(encoder, encoded, self.parts.train, self.parts.valid, row_weights(self.data, None))
        return self._folds[key]

    def key(self, request: Recipe) -> str:
        """What tells encodings apart."""
        name = request.model.name or ""
        return f"{catalogue.scaling(name)} {data_settings(request, name).model_dump_json()}"

    def prepare(self, trial: Trial) -> tuple[Path, Fold, str]:
        """Write the recipe of a trial that begins; its folder, its fold, and the key of that."""
        folder = self.folder(trial.number)
        if not (folder / RECIPE).exists():
            keep(folder, self.recipe(trial.settings))
        recipe = Recipe.build(folder / RECIPE)
        return folder, self.fold(recipe), self.key(recipe)

    def folder(self, number: int) -> Path:
        """Where a trial keeps what it needs to be continued."""
        return self.place / f"trial-{number}"

    def forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            shutil.rmtree(self.folder(number), ignore_errors=True)


class Here:
    """Trials in this process, one after the other."""

    size = 1

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None: ...

    def run(self, trials: Sequence[Trial], until: float | None = None) -> Iterator[Outcome]:
        for trial in trials:
            if until is not None and time.monotonic() >= until:
                yield Outcome(trial.number, None)
                continue
            try:
                folder, fold, _ = self._bench.prepare(trial)
            except SettingError as error:
                yield Outcome(trial.number, None, error.message)
                continue
            yield attempt(folder, fold, trial.number, trial.epochs, _seconds(trial, until), device=self._bench.device)

    def forget(self, numbers: Iterable[int]) -> None:
        self._bench.forget(numbers)


class Apart:
    """Trials in `count` processes of `threads` threads each. They end with the context, or with this process however it ends."""

    def __init__(self, bench: Bench, count: int, threads: int) -> None:
        self.size = 2 * count  # while the longest of a cohort trains, the others' processes have more to do
        self._bench, self._threads = bench, threads
        self._events: queue.Queue[tuple[Process, dict[str, Any] | None]] = queue.Queue()
        self._started = 0
        self._idle = [self._process() for _ in range(count)]
        self._busy: dict[Process, Trial] = {}

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self._idle, *self._busy]:
            process.end()

    def run(self, trials: Sequence[Trial], until: float | None = None) -> Iterator[Outcome]:
        waiting = deque(trials)
        while waiting or self._busy:
            while waiting and self._idle:
                trial = waiting.popleft()
                if until is not None and time.monotonic() >= until:
                    yield Outcome(trial.number, None)
                    continue
                try:
                    self._start(trial, until)
                except SettingError as error:
                    yield Outcome(trial.number, None, error.message)
            if self._busy and (outcome := self._heard()) is not None:
                yield outcome

    def forget(self, numbers: Iterable[int]) -> None:
        self._bench.forget(numbers)

    def _process(self) -> Process:
        self._started += 1
        return Process(self._bench.place / f"worker-{self._started}.log", self._events)

    def _start(self, trial: Trial, until: float | None) -> None:
        folder, fold, key = self._bench.prepare(trial)
        data = self._saved(fold, key)
        process = self._idle.pop()
        self._busy[process] = trial
        process.ask(
            trial=trial.number, place=str(folder), data=str(data), epochs=trial.epochs, seconds=_seconds(trial, until), threads=self._threads
        )  # fmt: skip

    def _saved(self, fold: Fold, key: str) -> Path:
        """The folder of a fold that processes read, written when it is first needed."""
        names = self._bench.place / "folds.json"
        known: list[str] = read_json(names) if names.exists() else []
        if key not in known:
            save_fold(fold, self._bench.place / f"fold-{len(known)}")
            known.append(key)
            write_json(names, known)
        return self._bench.place / f"fold-{known.index(key)}"

    def _heard(self) -> Outcome | None:
        """What the next event says of a trial, None where it says nothing."""
        process, event = self._events.get()
        trial = self._busy.get(process)
        if event is None:
            self._busy.pop(process, None)
            self._idle = [other for other in self._idle if other is not process]
            ending = process.ending()
            process.end()
            self._idle.append(self._process())
            return None if trial is None else Outcome(trial.number, None, f"the process that trained it ended with {ending}")
        if "error" in event:
            raise getattr(errors, event["error"], TrainingError)(event["message"])
        if "outcome" not in event or trial is None:
            return None
        del self._busy[process]
        self._idle.append(process)
        return Outcome(**event["outcome"])


def cohort(bench: Bench, like: Recipe, trials: int) -> Here | Apart:
    """Who runs about so many trials like this one best here, as far as can be said before: processes where there are threads and trials enough for them."""
    fold = bench.fold(like)
    asked, threads = bench.request.train.workers, bench.request.train.threads or torch.get_num_threads()
    if bench.device.type != "cpu":
        if asked is not None and asked > 1:
            raise SettingError(f"train.workers={asked} is for networks on the CPU; device is {bench.device}, leave it out", value=asked)
        return Here(bench)
    if bench.target.kind == "language":  # its rows are one text, which no process is handed
        return Here(bench)
    size = fold.encoded.nbytes()
    room = int(MEMORY_OF_WORKERS * machine_memory() / (MEMORY_OF_A_WORKER + (0 if fold.encoded.folder is not None else size)))
    count = asked or max(1, min(threads, trials // PROCESS_TRIALS, room))
    return Here(bench) if count == 1 else Apart(bench, count, max(1, threads // count))


def refuse_unsearchable(target: TargetSpec) -> None:
    """Raise InputError for what has no score on validation rows that trials could be compared by."""
    if target.kind == "generation":
        raise InputError("a search compares scores on validation rows, and the task generation has none; train it with goodfit train")


def _seconds(trial: Trial, until: float | None) -> float | None:
    """What the trial may take from now on."""
    left = None if until is None else max(until - time.monotonic(), 0.5)
    return left if trial.seconds is None else trial.seconds if left is None else min(trial.seconds, left)
