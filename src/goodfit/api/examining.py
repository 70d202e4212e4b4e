"""`goodfit doctor RUN`, and what `goodfit train` sees by itself: a run's training made again for a while, examined as any program is, its remedies said as settings.

The sealed test rows are not read: training rows are trained on, validation rows judge.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goodfit.api.computing import computing
from goodfit.api.fitting import Fitted
from goodfit.api.folder import RunFolder, naming
from goodfit.api.members import fold_rows
from goodfit.api.outcome import outcome_signals
from goodfit.api.remedies import editor
from goodfit.api.rerun import Ended, rerun, unreadable
from goodfit.base.errors import BundleError, GoodfitError, InputError
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Dataset
from goodfit.data.read import read
from goodfit.data.splits import Split, split
from goodfit.data.target import TargetSpec, detect
from goodfit.doctor.engine import examine_program
from goodfit.doctor.examination import Examination
from goodfit.doctor.signals import FEWEST, Signals, standing
from goodfit.training.checkpoint import Checkpoints

SECONDS = 60.0  # of an examination, the promise of `goodfit doctor`
LEAST = 2.5  # seconds of an examination that proves anything
BY_ITSELF = (6.0, 2.0)  # what `train` gives its examination: so many seconds, or so many times what training took, whichever is more
OF_LEFT = 0.4  # of the time up to the limit: the rest is for scores, baselines and report, and for a short copy that takes longer than was counted
RECORD = "examination.json"
# A run keeps the weights of its best evaluation: what is learned by heart afterwards does no harm.
APART = frozenset({"fit.overfitting"})


@dataclass(frozen=True)
class Opened:
    """A run's data as it was trained on, and how that ended. recipe: of its first network, resolved."""

    folder: RunFolder
    request: Recipe
    recipe: Recipe
    data: Dataset
    target: TargetSpec
    parts: Split

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the first fold: to train on, and to judge by."""
        return fold_rows(self.data, self.target, self.parts, self.recipe, self.recipe.train.members or 1)[0]

    @property
    def ended(self) -> Ended:
        """How the first network's training ended, from its checkpoints; where there are none, as planned."""
        alone = (self.recipe.train.members or 1) == 1 and self.recipe.partner is None
        read = Checkpoints(self.folder.path / "checkpoints" / ("" if alone else "0")).peek()
        if read is None or self.folder.about.get("status") == "failed":
            size = self.recipe.train.batch_size or 256
            planned = (self.recipe.train.epochs or 1) * max(1, len(self.rows[0]) // size)
            return Ended(planned, planned)
        state, best = read
        patience = self.recipe.train.patience
        waited = patience is not None and state["stopper"]["waited"] >= patience
        return Ended(int(state["step"]), state["total"], state["ending"], waited, int(state["epoch"]), best)


def examine_run(
    folder: str | Path, source: Any = None, *, time_limit: float | None = None, seed: int = 0, progress: Progress | None = None
) -> Examination:
    """Examine the training of a run.

    source: the frame, where it was trained on one. time_limit: seconds for all of it; about a minute when None. seed: of the short copies.
    `examined` has, besides what was looked at: `run`, `model`, `updates`, `losses` ([update, mean training loss] at each evaluation).

    Raises BundleError for a folder that is no run or was stopped before it trained, DataError and InputError where its data are gone or were changed.
    What cannot be examined, such as a GAN, is said in `examined["not_seen"]` before anything is read.
    """
    begun = time.monotonic()
    run, progress = RunFolder(Path(folder)), progress or Silent()
    reason = _reason(run)
    if reason is not None:
        return Examination("healthy", (), {"looked_at": [], "not_seen": [reason], "runs": 0, **_told(run)}, time.monotonic() - begun)
    recipe = run.recipe
    assert recipe is not None
    with computing(torch.device("cpu"), recipe.train.threads):
        opened = open_run(run, source, progress)
        limit = SECONDS if time_limit is None else time_limit
        seconds = max(LEAST, 0.9 * (begun + limit - time.monotonic())) if time_limit is not None else limit
        return replace(examined(opened, seconds=seconds, seed=seed, progress=progress), seconds=time.monotonic() - begun)


def open_run(run: RunFolder, source: Any, progress: Progress) -> Opened:
    """Read and split a run's data again. Raises InputError and DataError where that cannot be done."""
    about, recipe = run.about, run.recipe
    if recipe is None:
        raise BundleError(
            f"{run.path} was stopped before it began to train; finish it with: goodfit train --resume {run.path}", file=run.path
        )
    if about.get("source") is None and source is None:
        raise InputError(
            f"{run.path} was trained on a frame, which its folder does not hold; in Python: gf.load(run).examine(frame)", file=run.path
        )
    given = about["source"] if about.get("source") is not None else source
    request = Recipe.from_json(about.get("request") or {})
    progress.stage("reading")
    with naming(given):
        data = read(given, settings=request.data, test=about.get("test"), valid=about.get("valid"))
    if about.get("fingerprint") not in (None, data.fingerprint):
        raise InputError(f"the data have changed since {run.path} was trained (their SHA-256 differs); train anew", file=run.path)
    target = detect(data, request.data)
    return Opened(run, request, recipe, data, target, split(data, target, request.data, request.seed))


def examined(opened: Opened, *, seconds: float, seed: int, progress: Progress) -> Examination:
    """Record and examine. Never raises for what the network or its data do: that is said."""
    begun = time.monotonic()
    recipe, ended = opened.recipe, opened.ended
    told = _told(opened.folder)
    if recipe.optim.lr is None:
        return Examination(
            "healthy", (), {"looked_at": [], "not_seen": ["The run did not come as far as a learning rate."], "runs": 0, **told}
        )
    progress.stage("examining", seconds)
    before = 0.0

    def say(words: str) -> None:
        nonlocal before
        now = time.monotonic() - begun
        progress.advance(now - before, trying=words)
        before = now

    say("its first updates")
    program = rerun(recipe, opened.data, opened.target, opened.rows, ended, opened.folder.path, seconds=seconds)
    left = max(LEAST / 2, seconds - (time.monotonic() - begun))
    found = examine_program(program, seconds=left, seed=seed, progress=say, editor=editor(recipe, ended), apart=APART)
    said = list(found.examined.get("not_seen") or []) + _left_out(opened)
    return replace(found, examined=found.examined | {"not_seen": said, **told, "updates": ended.updates or len(program.losses)})


def _left_out(opened: Opened) -> list[str]:
    """What copies of the run do not have, sentences."""
    recipe, found = opened.recipe, []
    others = (recipe.train.members or 1) * (1 if recipe.partner is None else 2) - 1
    if others:
        found.append(f"The run's first network ({recipe.model.name}) was examined; {others} more {'was' if others == 1 else 'were'} not.")
    without = [
        words
        for words, there in (
            ("the average of the weights", recipe.optim.ema is not None),
            ("augmentation", recipe.data.augment and any(column.kind == "image" for column in opened.data.schema.features)),
            ("mixup", bool(recipe.train.mixup)),
            ("bfloat16", recipe.train.precision == "bfloat16"),
            ("the bound of the norms", recipe.optim.max_norm is not None),
        )
        if there
    ]
    if without:
        found.append(f"Copies are trained without {', '.join(without)}.")
    return found


def _reason(run: RunFolder) -> str | None:
    """Why the run is not examined. Raises BundleError where it is none."""
    if not (run.path / "run.json").is_file():
        raise BundleError(f"{run.path} is not a run; give the folder that goodfit train wrote, or a script", file=run.path)
    recipe, kind = run.recipe, run.about.get("task")
    if kind == "generation":
        return unreadable(Recipe(), kind)
    if "combined" in run.about:
        return "the run combines others and trained nothing itself; examine those"
    if recipe is None:
        raise BundleError(
            f"{run.path} was stopped before it began to train; finish it with: goodfit train --resume {run.path}", file=run.path
        )
    return unreadable(recipe, kind)


def _told(run: RunFolder) -> dict[str, Any]:
    about, recipe = run.about, run.recipe
    losses = [
        [float(line["step"]), line["train_loss"]]
        for line in run.lines("history.jsonl")
        if not line.get("member") and isinstance(line.get("train_loss"), float) and math.isfinite(line["train_loss"])
    ]
    told: dict[str, Any] = {"run": str(run.path), "model": None if recipe is None else recipe.model.name, "losses": losses}
    return (
        told
        | {name: about[name] for name in ("score", "metric") if name in about}
        | ({"failed": about["error"]} if "error" in about else {})
    )


def looked_after(
    run: RunFolder,
    request: Recipe,
    data: Dataset,
    target: TargetSpec,
    parts: Split,
    fitted: list[Fitted],
    *,
    begun: float,
    deadline: float | None,
    progress: Progress,
) -> None:
    """What `train` does when training is over: look at the signals of the first network, and where one stands examine within the time; keep what was found.

    begun: `time.monotonic()` at which training began, deadline: at which all that comes after it must be done.
    """
    recipe = run.recipe
    if recipe is None or unreadable(recipe, target.kind) is not None:
        return
    first = next(result for result in fitted if not result.partner)
    losses = [line["train_loss"] for line in run.lines("history.jsonl") if not line.get("member")]
    signals = standing(Signals.from_json(first.signals), losses, first.updates)
    opened = Opened(run, request, recipe, data, target, parts)
    now = time.monotonic()
    signals += outcome_signals(first, data, opened.rows[0]) if first.updates >= FEWEST else []
    seen = {
        "looks": len(first.signals.get("looks", ())),
        "seconds": round(float(first.signals.get("seconds", 0.0)) + time.monotonic() - now, 3),
    }
    _look(opened, signals, seen, trained=now - begun, deadline=deadline, progress=progress)


def looked_into(
    run: RunFolder, request: Recipe, data: Dataset, target: TargetSpec, parts: Split, error: str, *, begun: float, progress: Progress
) -> None:
    """The same for a training that failed with `error`."""
    recipe = run.recipe
    if recipe is None or recipe.optim.lr is None or unreadable(recipe, target.kind) is not None:
        return
    limit, now = recipe.train.time_limit, time.monotonic()
    run.update(status="failed", error=error)
    opened = Opened(run, request, recipe, data, target, parts)
    _look(opened, [error], {}, trained=now - begun, deadline=None if limit is None else begun + limit, progress=progress)


def _look(
    opened: Opened, signals: list[str], seen: Mapping[str, Any], *, trained: float, deadline: float | None, progress: Progress
) -> None:
    run = opened.folder
    document: dict[str, Any] = {"signals": signals, "monitored": dict(seen), "verdict": None, "findings": [], "examined": {}}
    if signals:
        seconds = min(SECONDS, max(BY_ITSELF[0], BY_ITSELF[1] * trained))
        seconds = seconds if deadline is None else min(seconds, OF_LEFT * (deadline - time.monotonic()))
        if seconds >= LEAST:
            progress.say(f"{signals[0]}; examining why, {seconds:.0f} seconds at most")
            try:
                found = examined(opened, seconds=seconds, seed=0, progress=progress)
            except Exception as error:  # whatever it is costs the examination, and is said: the run itself is whole, and goes on
                said = error.message if isinstance(error, GoodfitError) else f"{type(error).__name__}: {error}"
                document["examined"] = {"not_seen": [f"The examination stopped: {said}"]}
            else:
                document |= found.to_json()
        else:
            document["examined"] = {"not_seen": [f"There was no time for an examination: goodfit doctor {run.path}"]}
    known = [finding for finding in run.findings if "curves" not in (finding.get("probe") or {})]
    run.write("findings.json", [finding for finding in document["findings"] if finding["severity"] != "remark"] + known)
    run.write(RECORD, document)
