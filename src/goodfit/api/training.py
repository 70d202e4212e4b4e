"""`train`: from a source to a finished run folder.

The walk: read, split, check, encode, decide, measure, train, bundle, review, report. What a killed run needs to go on is on
the disk before the stage that uses it begins; every stage before training is a function of the data and the recipe alone,
so a resumed run repeats them to the same bits.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from goodfit import __version__
from goodfit.api.blend import member_weights
from goodfit.api.brought import Given, with_network
from goodfit.api.brought import given as given_network
from goodfit.api.computing import computing
from goodfit.api.examining import looked_after, looked_into
from goodfit.api.fitting import Fitted, clear_cache
from goodfit.api.folder import RunFolder, environment, failure_recorded, latest_unfinished, naming, new_folder, removed_on_refusal
from goodfit.api.generation import train_generator
from goodfit.api.members import train_members
from goodfit.api.review import half_widths, review, temperatures
from goodfit.api.run import Run
from goodfit.api.scoring import row_weights
from goodfit.api.unlabelled import refuse_without_effect
from goodfit.base.errors import CheckpointError, DataError, InputError, TrainingError
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Bundle
from goodfit.data.checks import check
from goodfit.data.dataset import Dataset
from goodfit.data.read import read
from goodfit.data.splits import Split, split
from goodfit.data.target import TargetSpec, detect
from goodfit.training.checkpoint import newest_extra

REPORT = 4.0  # seconds of these for drawing the report, and for what the analysis runs over


def train(
    source: Any = None,
    target: str | Iterable[str] | None = None,
    *,
    task: str | None = None,
    recipe: str | Path | Recipe | None = None,
    sets: Iterable[str] = (),
    preset: str | None = None,
    time_limit: float | str | None = None,
    seed: int | None = None,
    device: str | None = None,
    test: Any = None,
    valid: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    begun: float | None = None,
    network: Any = None,
    backbone: Any = None,
    doctor: bool = True,
    **settings: Any,
) -> Run:
    """Train a network on `source` and leave a run folder.

    source: path of a table or of a folder of images, a pandas or polars frame, or a dict of arrays.
    target: column or columns to predict. test, valid: further sources for the sealed test rows and the validation rows.
    recipe: a YAML file or a Recipe; `sets` ("optim.lr=1e-3") and keywords (`optim__lr=1e-3`) overrule it.
    time_limit: seconds, or "10m", for the whole call. out: the folder; `runs/<name>-<n>` when None.
    resume: go on with the interrupted run in `out` (or `source`, or the latest in `runs/`): it ends in the same bits.
    begun: `time.monotonic()` that the time limit counts from; now when None.
    network: an nn.Module of yours from the inputs to the outputs, a function that makes one (given inputs= and outputs= where it takes them), or its name
    "package.module:function". backbone: the same for one that gives features, on which a head is put. A resumed run needs it again.
    doctor: whether a training that shows signs of a fault is examined before it is scored, within the time limit.

    Raises DataError, SettingError and their kin (all InputError) for what the caller can mend; nothing is left behind then. Raises TrainingError
    where a loss is not finite: the folder stays, with the history up to there and the status `failed`, and is not resumed, since from the same data
    and settings it would end in the same bits.
    """
    begun = time.monotonic() if begun is None else begun
    progress = progress or Silent()
    own = given_network(network, backbone)
    if resume:
        unfinished = _unfinished(source, out)
        if unfinished is not None:
            return _resume(unfinished, source, test, valid, begun, progress, own, doctor)
        progress.say("there is nothing to resume yet; starting from the beginning")
    if source is None:
        raise InputError("goodfit train needs data: a file, a folder of images, a frame or a dict of arrays")
    named = {"data__target": target if isinstance(target, str) or target is None else tuple(target), "data__task": task}
    given = named | {"preset": preset, "train__time_limit": time_limit, "seed": seed, "device": device} | settings
    request = (
        recipe.with_(**{k: v for k, v in given.items() if v is not None})
        if isinstance(recipe, Recipe)
        else Recipe.build(recipe, sets, **given)
    )
    request = with_network(request, own)
    folder = new_folder(out, Path(str(source)).name.split(".")[0] if isinstance(source, str | Path) else "run")
    with removed_on_refusal(folder), naming(source):
        run = RunFolder(folder)
        run.update(
            status="started",
            created=time.time(),
            source=absolute(source),
            test=absolute(test),
            valid=absolute(valid),
            request=request.model_dump(mode="json", exclude_unset=True),
            command=_command(),
        )
        return _run(run, request, source, test, valid, begun, progress, own, doctor)


def _unfinished(source: Any, out: str | Path | None) -> Path | None:
    """The folder of the run to go on with, None where the call names data whose run has not begun."""
    for place in (out, source):
        if isinstance(place, str | Path) and (Path(place) / "run.json").is_file():
            return Path(place)
    if out is not None and source is not None:
        return None
    if source is not None and isinstance(source, str | Path) and not Path(source).exists():
        raise CheckpointError(f"there is no run in {source} to resume; give the folder of an interrupted run", file=source)
    if out is not None:
        raise CheckpointError(f"there is no run in {out} to resume; give the data too to start one", file=out)
    return latest_unfinished()


def _resume(folder: Path, source: Any, test: Any, valid: Any, begun: float, progress: Progress, own: Given | None, doctor: bool) -> Run:
    run = RunFolder(folder)
    about = run.about
    if about["status"] == "finished":
        progress.say(f"{folder} is finished already")
        return Run(folder)
    if about["status"] == "failed":
        raise CheckpointError(
            f"the training in {folder} failed and would fail again: {about['error']}; start another in a new folder", file=folder
        )
    if about["source"] is None and (source is None or isinstance(source, str | Path)):
        raise CheckpointError(f"{folder} was trained on a frame; give the same frame to resume it", file=folder)
    request = with_network(Recipe.from_json(about["request"]), own)
    given = source if about["source"] is None else about["source"]
    test = about["test"] if about["test"] is not None else test
    valid = about["valid"] if about["valid"] is not None else valid
    return _run(run, request, given, test, valid, begun, progress, own, doctor)


@dataclass(frozen=True)
class _Prepared:
    """What the stages before training leave to it."""

    data: Dataset
    target: TargetSpec
    split: Split
    findings: list[Any]


def _run(
    run: RunFolder, request: Recipe, source: Any, test: Any, valid: Any, begun: float, progress: Progress, own: Given | None, doctor: bool
) -> Run:
    device = device_of(request.device)
    begun -= _spent(run)
    with failure_recorded(run), computing(device, request.train.threads):
        prepared = _prepare(run, request, source, test, valid, progress)
        data, parts = prepared.data, prepared.split
        if prepared.target.kind == "generation":
            train_generator(run, request, data, prepared.target, parts, begun, device, progress)
            return _finished(run, begun)
        now = time.monotonic()
        try:
            recipe, fitted = train_members(run, request, data, prepared.target, parts, begun, device, progress, own)
        except TrainingError as error:
            if doctor:
                looked_into(run, request, data, prepared.target, parts, error.message, begun=now, progress=progress)
                Run(run.path).report()
            raise
        bundle = _bundle(run, recipe, data, fitted)
        bundle.save(run.path / "model")
        deadline = None if recipe.train.time_limit is None else begun + recipe.train.time_limit - REPORT
        if doctor:
            looked_after(run, request, data, prepared.target, parts, fitted, begun=now, deadline=deadline, progress=progress)
        review(run, bundle, data, parts, prepared.findings, recipe, fitted, device=device, deadline=deadline, progress=progress)
        clear_cache(run)
    return _finished(run, begun, own)


def _finished(run: RunFolder, begun: float, own: Given | None = None) -> Run:
    run.update(status="finished", seconds=round(time.monotonic() - begun, 2))
    finished = Run(run.path, None if own is None else own.what)
    finished.report()
    return finished


def fit_rows(table: Any, recipe: Recipe, folder: Path) -> tuple[Bundle, Recipe, int]:
    """Train on a frame without checks, test set, scores or report: the part of `train` that estimators need.

    Returns the bundle, the resolved recipe and the epochs trained.
    """
    begun = time.monotonic()
    run = RunFolder(folder)
    device = device_of(recipe.device)
    with computing(device, recipe.train.threads):
        data = read(table, settings=recipe.data)
        target = detect(data, recipe.data)
        parts = split(data, target, recipe.data, recipe.seed)
        resolved, fitted = train_members(run, recipe, data, target, parts, begun, device, Silent())
        return _bundle(run, resolved, data, fitted), resolved, max(result.epochs for result in fitted)


def _bundle(run: RunFolder, recipe: Recipe, data: Dataset, fitted: list[Fitted]) -> Bundle:
    about = {"goodfit": __version__, "seed": recipe.seed, "fingerprint": data.fingerprint}
    weights = member_weights(fitted)
    kept = [(result.member, weight) for result, weight in zip(fitted, weights, strict=True) if weight > 0]
    members, weights = [member for member, _ in kept], [weight for _, weight in kept]
    return Bundle(
        members[0].encoder.target, data.schema, members, weights, half_widths(data, fitted), about=about,
        temperatures=temperatures(fitted, row_weights(data, None)),
    )  # fmt: skip


def _prepare(run: RunFolder, request: Recipe, source: Any, test: Any, valid: Any, progress: Progress) -> _Prepared:
    """Read, split and check; the same again for a resumed run, whose data must not have changed."""
    progress.stage("reading")
    data = read(source, settings=request.data, test=test, valid=valid, cache=run.path / "cache")
    for note in data.notes:
        progress.say(note.message)
    about = run.about
    if about.get("fingerprint") not in (None, data.fingerprint):
        raise CheckpointError(
            f"the data have changed since {run.path} began (their SHA-256 differs); train anew with another --out", file=run.path
        )
    target = detect(data, request.data)
    refuse_without_effect(request, target)
    parts = split(data, target, request.data, request.seed)
    progress.stage("checking the data")
    findings = check(data, target, parts, request.seed)
    for finding in findings:
        if finding.severity != "remark":
            progress.say(f"{finding.severity}: {finding.message}")
        if finding.severity == "error":
            raise DataError(f"{finding.message}; {finding.remedy}", column=finding.columns[0] if finding.columns else None)
    if (weight := row_weights(data, parts.train)) is not None and (weight == 0).any():
        progress.say(f"{int((weight == 0).sum())} training rows have weight 0 and teach nothing")
    if not len(parts.test):
        progress.say("there are no test rows: scores are those of the validation rows, which decided when to stop")
    run.write("schema.json", data.schema.to_json())
    run.write(
        "data.json",
        {
            "files": [path.name for path in data.files],
            "rows": data.rows,
            "fingerprint": data.fingerprint,
            "notes": [note.to_json() for note in data.notes],
            "split": {"train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test), "how": parts.how},
        },
    )
    run.write("environment.json", environment(str(device_of(request.device)), torch.get_num_threads()))
    run.write("findings.json", [finding.to_json() for finding in findings])
    run.update(status="running", fingerprint=data.fingerprint, task=target.kind)
    return _Prepared(data, target, parts, findings)


def _spent(run: RunFolder) -> float:
    """Seconds that earlier attempts at this run took, as far as its checkpoints know."""
    return max((float(extra["spent"]) for extra in newest_extra(run.path / "checkpoints")), default=0.0)


def device_of(name: str) -> torch.device:
    """The device of a setting. Raises InputError where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device={name} needs a CUDA device and a CUDA build of torch; there is none here, write --device cpu", value=name)
    if name == "mps" and not torch.backends.mps.is_available():
        raise InputError("device=mps needs Apple's GPU; there is none here, write --device cpu", value=name)
    return torch.device(name)


def absolute(source: Any) -> str | None:
    """The path of a source that is one."""
    return os.path.abspath(source) if isinstance(source, str | Path) else None


def _command() -> str:
    return " ".join(["goodfit", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("goodfit", "__main__.py") else "goodfit.train(...)"
