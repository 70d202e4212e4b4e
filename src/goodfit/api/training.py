"""`train`: from a source to a finished run folder.

The walk: read, split, check, encode, decide, measure, train, bundle, review, report. What a killed run needs to go on is on
the disk before the stage that uses it begins; every stage before training is a function of the data and the recipe alone,
so a resumed run repeats them to the same bits.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from goodfit import __version__
from goodfit.api.blend import member_weights, useful
from goodfit.api.fitting import Fitted, clear_cache, fit_member, member_folder, member_seed
from goodfit.api.folder import RunFolder, environment, latest_unfinished, naming, new_folder, removed_on_refusal
from goodfit.api.plan import FIRST, FOLDS, data_settings, member_count, network_name, resolve
from goodfit.api.review import half_widths, review
from goodfit.api.run import Run
from goodfit.api.scoring import row_weights
from goodfit.base.errors import CheckpointError, DataError, InputError
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Bundle
from goodfit.data.checks import check
from goodfit.data.dataset import Dataset
from goodfit.data.encoder import Encoder
from goodfit.data.read import read
from goodfit.data.splits import Split, folds, split
from goodfit.data.target import TargetSpec, detect
from goodfit.models import catalogue
from goodfit.tasks import catalogue as tasks
from goodfit.training.checkpoint import newest_extra

FINISH = 0.12  # share of the time limit that is kept for scores, baselines and the report
FINISH_LEAST = 7.0  # seconds that these take on a small table
ENOUGH = 0.4  # of the time that a network took before: with less, it would be cut off before it is good
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
    **settings: Any,
) -> Run:
    """Train a network on `source` and leave a run folder.

    source: path of a table or of a folder of images, a pandas or polars frame, or a dict of arrays.
    target: column or columns to predict. test, valid: further sources for the sealed test rows and the validation rows.
    recipe: a YAML file or a Recipe; `sets` ("optim.lr=1e-3") and keywords (`optim__lr=1e-3`) overrule it.
    time_limit: seconds, or "10m", for the whole call. out: the folder; `runs/<name>-<n>` when None.
    resume: go on with the interrupted run in `out` (or `source`, or the latest in `runs/`): it ends in the same bits.
    begun: `time.monotonic()` that the time limit counts from; now when None.

    Raises DataError, SettingError and their kin (all InputError) for what the caller can mend; nothing is left behind then.
    """
    begun = time.monotonic() if begun is None else begun
    progress = progress or Silent()
    if resume:
        unfinished = _unfinished(source, out)
        if unfinished is not None:
            return _resume(unfinished, source, test, valid, begun, progress)
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
    folder = new_folder(out, Path(str(source)).name.split(".")[0] if isinstance(source, str | Path) else "run")
    with removed_on_refusal(folder), naming(source):
        run = RunFolder(folder)
        run.update(
            status="started",
            created=time.time(),
            source=_absolute(source),
            test=_absolute(test),
            valid=_absolute(valid),
            request=request.model_dump(mode="json", exclude_unset=True),
            command=_command(),
        )
        return _run(run, request, source, test, valid, begun, progress)


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


def _resume(folder: Path, source: Any, test: Any, valid: Any, begun: float, progress: Progress) -> Run:
    run = RunFolder(folder)
    about = run.about
    if about["status"] == "finished":
        progress.say(f"{folder} is finished already")
        return Run(folder)
    if about["source"] is None and (source is None or isinstance(source, str | Path)):
        raise CheckpointError(f"{folder} was trained on a frame; give the same frame to resume it", file=folder)
    request = Recipe.build(None, [], **_flat(about["request"]))
    given = source if about["source"] is None else about["source"]
    test = about["test"] if about["test"] is not None else test
    valid = about["valid"] if about["valid"] is not None else valid
    return _run(run, request, given, test, valid, begun, progress)


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for part, branch in tree.items():
        if isinstance(branch, dict):
            flat |= {f"{part}__{field}": value for field, value in branch.items()}
        else:
            flat[part] = branch
    return flat


@dataclass(frozen=True)
class _Prepared:
    """What the stages before training leave to it."""

    data: Dataset
    target: TargetSpec
    split: Split
    findings: list[Any]


def _run(run: RunFolder, request: Recipe, source: Any, test: Any, valid: Any, begun: float, progress: Progress) -> Run:
    device = _device(request.device)
    begun -= _spent(run)
    with _computing(device, request.train.threads):
        prepared = _prepare(run, request, source, test, valid, progress)
        data, parts = prepared.data, prepared.split
        recipe, fitted = _train_members(run, request, data, prepared.target, parts, begun, device, progress)
        bundle = _bundle(run, recipe, data, fitted)
        bundle.save(run.path / "model")
        deadline = None if recipe.train.time_limit is None else begun + recipe.train.time_limit - REPORT
        review(run, bundle, data, parts, prepared.findings, recipe, fitted, device=device, deadline=deadline, progress=progress)
        clear_cache(run)
        run.update(status="finished", seconds=round(time.monotonic() - begun, 2))
    finished = Run(run.path)
    finished.report()
    return finished


def fit_rows(table: Any, recipe: Recipe, folder: Path) -> tuple[Bundle, Recipe, int]:
    """Train on a frame without checks, test set, scores or report: the part of `train` that estimators need.

    Returns the bundle, the resolved recipe and the epochs trained.
    """
    begun = time.monotonic()
    run = RunFolder(folder)
    device = _device(recipe.device)
    with _computing(device, recipe.train.threads):
        data = read(table, settings=recipe.data)
        target = detect(data, recipe.data)
        parts = split(data, target, recipe.data, recipe.seed)
        resolved, fitted = _train_members(run, recipe, data, target, parts, begun, device, Silent())
        return _bundle(run, resolved, data, fitted), resolved, max(result.epochs for result in fitted)


def _train_members(
    run: RunFolder, request: Recipe, data: Dataset, target: TargetSpec, parts: Split, begun: float, device: torch.device, progress: Progress
) -> tuple[Recipe, list[Fitted]]:
    """Encode and train the network, or both, on each fold; the recipe that comes back is the resolved one."""
    recipe = run.recipe
    name = network_name(request, data.schema, len(parts.train))
    parted = _folds(data, target, parts, recipe or request, member_count(recipe or request, name, len(parts.train) + len(parts.valid)))
    fitted: list[Fitted] = []
    weight = row_weights(data, None)
    for fold, (train_rows, valid_rows) in enumerate(parted):
        progress.stage("encoding")
        seed = member_seed(request.seed, fold)
        encoder = Encoder.fit(data, data.schema, target, train_rows, data_settings(request, name), seed, scaling=catalogue.scaling(name))
        encoded = encoder.encode(data, folder=run.path / "cache" / str(fold))
        if fold == 0:
            for note in encoder.notes:
                progress.say(note.message)
        if recipe is None:
            outputs = tasks.build(encoder.target.to_json()).outputs
            recipe = resolve(request, encoder.inputs, name=name, rows=len(train_rows), outputs=outputs, members=len(parted))
        if fold == 0:
            clock = _Clock(begun, recipe.train.time_limit, len(parted), recipe.partner is not None)
        for partner in (True, False) if recipe.partner is not None else (False,):
            started = (member_folder(run, fold, len(parted), partner=partner) / "last").exists()
            if not started and not clock.allows(fold, partner=partner, useful=useful(fitted, partner=partner)):
                continue
            whole = recipe

            def keep(own: Recipe, whole: Recipe = whole, partner: bool = partner) -> None:
                run.write_recipe(whole.with_second(own) if partner else own)

            own = recipe.second if partner else recipe
            assert own is not None
            begun_here = time.monotonic()
            result, own = fit_member(
                run, own, encoder, encoded, train_rows, valid_rows, weight,
                number=len(fitted), fold=fold, count=len(parted), partner=partner, begun=begun,
                deadline=clock.deadline(fold, partner=partner), test_rows=len(parts.test), device=device, keep=keep, progress=progress,
            )  # fmt: skip
            clock.scoring += result.scoring
            clock.took[partner] = max(clock.took[partner], time.monotonic() - begun_here)
            recipe = recipe.with_second(own) if partner else own
            fitted.append(result)
        del encoded  # before the next fold's
    assert recipe is not None
    return recipe, fitted


@dataclass
class _Clock:
    """Who may train until when. Without a limit everything is trained; with one, what was begun before a resume goes on."""

    begun: float
    limit: float | None
    folds: int
    pair: bool = False

    def __post_init__(self) -> None:
        self.scoring = 0.0  # seconds that the networks trained so far will take for the test rows
        self.took = {True: 0.0, False: 0.0}  # the longest training of the partner and of the main network

    @property
    def _left(self) -> float:
        assert self.limit is not None
        return self.begun + self.limit - max(FINISH * self.limit, FINISH_LEAST) - self.scoring - time.monotonic()

    def allows(self, fold: int, *, partner: bool, useful: bool) -> bool:
        """Whether to begin a network on this fold: always on the first, later where it has a say and there is time for it."""
        if fold == 0:
            return True
        if not useful:
            return False
        if self.limit is None:
            return True
        others = 0.0 if partner else self.took[True] * (self.folds - fold - 1)
        return self._left - others >= ENOUGH * self.took[partner]

    def deadline(self, fold: int, *, partner: bool) -> float | None:
        """When the network's training must end: what it leaves goes to those after it."""
        if self.limit is None:
            return None
        left = self._left
        if self.pair and fold == 0 and (partner or self.folds > 1):
            left *= FIRST["partner" if partner else "main"]
        elif self.pair and not partner:
            left -= self.took[True] * (self.folds - fold - 1)  # the partner's on the folds to come
        elif fold == 0:
            left *= max(1 / self.folds, FIRST["main"])  # one network that has learnt is worth more than eight that have not
        else:
            left = max(left / (self.folds - fold), min(left, self.took[partner]))
        return time.monotonic() + max(left, 0.5)


def _folds(data: Dataset, target: TargetSpec, parts: Split, recipe: Recipe, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train rows, validation rows) of each fold: the split's own for one, the last of at least FOLDS of both together for several."""
    if count == 1:
        return [(parts.train, parts.valid)]
    rows = np.sort(np.concatenate([parts.train, parts.valid]))
    try:
        return folds(data, target, rows, max(count, FOLDS), recipe.data, recipe.seed)[-count:]
    except DataError:
        if recipe.train.members:
            return folds(data, target, rows, count, recipe.data, recipe.seed)
        return [(parts.train, parts.valid)]  # too few rows or groups for folds that nobody asked for


def _bundle(run: RunFolder, recipe: Recipe, data: Dataset, fitted: list[Fitted]) -> Bundle:
    about = {"goodfit": __version__, "seed": recipe.seed, "fingerprint": data.fingerprint}
    weights = member_weights(fitted)
    kept = [(result.member, weight) for result, weight in zip(fitted, weights, strict=True) if weight > 0]
    members, weights = [member for member, _ in kept], [weight for _, weight in kept]
    return Bundle(members[0].encoder.target, data.schema, members, weights, half_widths(data, fitted), about=about)


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
    run.write("environment.json", environment(str(_device(request.device)), torch.get_num_threads()))
    run.write("findings.json", [finding.to_json() for finding in findings])
    run.update(status="running", fingerprint=data.fingerprint, task=target.kind)
    return _Prepared(data, target, parts, findings)


def _spent(run: RunFolder) -> float:
    """Seconds that earlier attempts at this run took, as far as its checkpoints know."""
    return max((float(extra["spent"]) for extra in newest_extra(run.path / "checkpoints")), default=0.0)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device={name} needs a CUDA device and a CUDA build of torch; there is none here, write --device cpu", value=name)
    if name == "mps" and not torch.backends.mps.is_available():
        raise InputError("device=mps needs Apple's GPU; there is none here, write --device cpu", value=name)
    return torch.device(name)


@contextmanager
def _computing(device: torch.device, threads: int | None) -> Iterator[None]:
    """Threads and determinism for the time of the run, then as they were."""
    before, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if threads:
        torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for the same bits twice
        torch.use_deterministic_algorithms(True, warn_only=True)
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_rng_state(state)


def _absolute(source: Any) -> str | None:
    return os.path.abspath(source) if isinstance(source, str | Path) else None


def _command() -> str:
    return " ".join(["goodfit", *sys.argv[1:]]) if Path(sys.argv[0]).name in ("goodfit", "__main__.py") else "goodfit.train(...)"
