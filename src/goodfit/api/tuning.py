"""`tune`: from a source to a study of many trials, and a run with the best settings.

The data are read, split and encoded once. Trials see the training and the validation rows; the sealed test rows are opened once, by the run of the best
settings, whose score is the honest one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from goodfit import __version__
from goodfit.api.attempt import objective
from goodfit.api.computing import computing
from goodfit.api.folder import naming, new_folder
from goodfit.api.run import Run
from goodfit.api.training import absolute, device_of, train
from goodfit.api.trials import Bench, cohort, refuse_unsearchable
from goodfit.api.tuned import Tuned
from goodfit.base.errors import CheckpointError, DataError, InputError, SettingError, TrainingError, did_you_mean
from goodfit.base.files import plain, read_json, write_json
from goodfit.base.parts import Seconds
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe, parse_value
from goodfit.data.checks import check
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.target import detect
from goodfit.tuning import RECORD, defaults
from goodfit.tuning import space as spaces
from goodfit.tuning.record import record
from goodfit.tuning.search import Search
from goodfit.tuning.space import Choice, Range, Space
from goodfit.tuning.storage import FILE
from goodfit.tuning.study import STRATEGIES, Study

CALL = "call.json"  # how the search was called, for going on with it
TRIALS = 64
SEARCHING = 0.7  # of a time limit: what is left trains the best settings and reports
_MACHINES = ("train.time_limit", "train.threads", "train.workers", "device")  # settings that do not make it another study


@dataclass(frozen=True)
class _Call:
    """A call, as it was made or as it is gone on with."""

    source: Any
    test: Any
    valid: Any
    request: Recipe
    given: dict[str, Any]
    strategy: str
    total: int
    url: str | None
    folder: Path
    name: str


def tune(
    source: Any = None,
    target: str | Iterable[str] | None = None,
    *,
    trials: int | None = None,
    time_limit: float | str | None = None,
    space: Mapping[str, Any] | None = None,
    strategy: str | None = None,
    task: str | None = None,
    recipe: str | Path | Recipe | None = None,
    sets: Iterable[str] = (),
    preset: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    test: Any = None,
    valid: Any = None,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    study: str | None = None,
    progress: Progress | None = None,
    begun: float | None = None,
    **settings: Any,
) -> Tuned:
    """Search for good settings on `source`, train the best ones as a run, and leave a folder with both.

    trials: of the study in all, 64 when None; a study that has fewer is gone on with. time_limit: seconds, or "10m", for the whole call.
    space: {"optim.lr": [1e-5, 1e-1], "optim.name": ["adamw", "sgd"]}, or `space.optim.lr=[1e-5,1e-1]` among `sets`; what suits the network when None.
    strategy: random, grid, coarse-to-fine, tpe (default), gp, halving or hyperband.
    out: the folder; `runs/tune-<name>-<n>` when None. Given one with the same search, the call goes on with it, beside other workers if there are any.
    resume: the folder of a search to go on with, with more `trials` to extend it. study: URL of a database for a study that workers on several machines join.
    All else as in `train`.

    Raises InputError and its kin for what the caller can mend, TrainingError where no trial came to a score.
    """
    begun = time.monotonic() if begun is None else begun
    progress = progress or Silent()
    limit = _limit(time_limit)
    named = {"data__target": target if isinstance(target, str) or target is None else tuple(target), "data__task": task}
    given = named | {"preset": preset, "seed": seed, "device": device} | settings
    texts, sets = spaces.parted(sets)
    ranges = _ranges(texts) | dict(space or {})
    if resume is not None:
        call = _resumed(
            Path(resume),
            source,
            test,
            valid,
            trials,
            study,
            bool(ranges or sets or recipe or strategy or any(v is not None for v in given.values())),
        )
    else:
        request = (
            recipe.with_(**{k: v for k, v in given.items() if v is not None})
            if isinstance(recipe, Recipe)
            else Recipe.build(recipe, sets, **given)
        )
        call = _called(source, test, valid, request, ranges, strategy, trials, study, out)
    if call.request.given("train.time_limit"):
        raise SettingError("train.time_limit of a search is --time-limit, for all of it; leave the setting out")
    with naming(call.source), _made(call.folder):
        return _tune(call, limit, begun, progress)


def _called(
    source: Any,
    test: Any,
    valid: Any,
    request: Recipe,
    ranges: dict[str, Any],
    strategy: str | None,
    trials: int | None,
    url: str | None,
    out: Any,
) -> _Call:
    if source is None:
        raise InputError("goodfit tune needs data: a file, a folder of images, a frame or a dict of arrays")
    if strategy is not None and strategy not in STRATEGIES:
        raise InputError(
            f"--strategy must be one of {', '.join(STRATEGIES)}; {strategy!r} was given{did_you_mean(strategy, STRATEGIES)}", value=strategy
        )
    if request.partner is not None:
        raise SettingError("a search trains one network a trial; leave the partner out")
    stem = Path(str(source)).name.split(".")[0] if isinstance(source, str | Path) else "data"
    known = out is not None and any(
        (Path(out) / name).exists() for name in (CALL, FILE, "work")
    )  # this search, begun before or by another worker
    folder = Path(out) if known else new_folder(out, f"tune-{stem}")
    name = "-".join([stem, *request.data.target]) if url else "study"
    return _Call(source, test, valid, request, ranges, strategy or "tpe", _count(trials, TRIALS), url, folder, name)


def _resumed(folder: Path, source: Any, test: Any, valid: Any, trials: int | None, url: str | None, more: bool) -> _Call:
    if not (folder / CALL).is_file():
        raise CheckpointError(f"there is no search in {folder} to go on with; give the folder that goodfit tune wrote", file=folder)
    if more:
        raise InputError(f"the settings and the space of {folder} are what they were; leave them out beside --resume", file=folder)
    about = read_json(folder / CALL)
    if about["source"] is None and (source is None or isinstance(source, str | Path)):
        raise CheckpointError(f"the search in {folder} is on a frame; give the same frame to go on with it", file=folder)
    if about["shared"] and url is None:
        raise CheckpointError(f"the study of {folder} lies in a database; give its URL again with --study", file=folder)
    return _Call(
        source if about["source"] is None else about["source"], about["test"] or test, about["valid"] or valid, Recipe.from_json(about["request"]),
        about["space"], about["strategy"], _count(trials, about["trials"]), url, folder, about["name"],
    )  # fmt: skip


def _tune(call: _Call, limit: float | None, begun: float, progress: Progress) -> Tuned:
    device = device_of(call.request.device)
    place = call.folder / "work" / str(os.getpid())
    with computing(device, call.request.train.threads), _cleared(place):
        bench = _bench(call, place, device, progress)
        like, space = _space(call, bench)
        task = objective(bench.fold(like).encoder, call.request)
        study = Study(
            call.name, space, _identity(call, bench, space), url=call.url, folder=call.folder, maximise=task.maximise,
            seed=call.request.seed, strategy=call.strategy,
        )  # fmt: skip
        until = None if limit is None else begun + SEARCHING * limit
        with study.heart(), cohort(bench, like, study.need(call.total)) as team:
            write_json(call.folder / CALL, _document(call))
            Search(study, team, call.total, like.train.epochs or 1, until, progress, like.train.time_limit).run()
        best = study.best
        if best is None:
            raise _nothing(study)
        final = _final(call.request, bench.recipe(best.settings), best.settings)
    found = record(study, task.score)
    for name in found["border"]:
        if name not in found["widened"]:
            progress.say(f"the best {name}, {best.settings[name]:.4g}, lies at an end of its range")
    found |= {"rows": _rows(bench), "target": list(call.request.data.target), "source": absolute(call.source), "task": bench.target.kind}
    found |= {"model": final.model.name, "seconds": round(time.monotonic() - begun, 2)}
    write_json(call.folder / RECORD, plain(found))  # whatever becomes of the run
    left = None if limit is None else max(begun + limit - time.monotonic(), 5.0)
    run = _best_run(call, final, left, progress)
    found |= {"run": run.folder.name, "test": run.metrics, "seconds": round(time.monotonic() - begun, 2)}
    write_json(call.folder / RECORD, plain(found))
    tuned = Tuned(call.folder)
    tuned.report()
    return tuned


def _bench(call: _Call, place: Path, device: Any, progress: Progress) -> Bench:
    """Read, split and check the data."""
    progress.stage("reading")
    place.mkdir(parents=True, exist_ok=True)
    data = read(call.source, settings=call.request.data, test=call.test, valid=call.valid, cache=place / "table")
    target = detect(data, call.request.data)
    refuse_unsearchable(target)
    parts = split(data, target, call.request.data, call.request.seed)
    progress.stage("checking the data")
    for finding in check(data, target, parts, call.request.seed):
        if finding.severity == "error":
            raise DataError(f"{finding.message}; {finding.remedy}", column=finding.columns[0] if finding.columns else None)
    progress.stage("encoding")
    return Bench(call.request, data, target, parts, device, place)


def _space(call: _Call, bench: Bench) -> tuple[Recipe, Space]:
    """The recipe of a trial, and the space. Raises SettingError where a setting of the space has no place in the recipe."""
    given = call.given
    if not given:
        given = defaults.given(bench.recipe({}).model.name or "", call.request)
        if not given:
            raise InputError(
                "there is nothing to search: all that is searched by default was given; give ranges with --set space.KEY='[low,high]'"
            )
    space = spaces.build(given, call.request)
    networks = space.dimensions.get("model.name")
    found = [bench.recipe(_lowest(space, own)) for own in (networks.values if isinstance(networks, Choice) else (None,))]
    if call.strategy in ("halving", "hyperband") and "train.epochs" in space.dimensions:
        raise SettingError(
            f"{call.strategy} compares trials after some of their epochs; leave space.train.epochs out, or take another --strategy"
        )
    return found[0], space


def _lowest(space: Space, network: Any) -> dict[str, Any]:
    """A trial of the space that shows whether its settings go together."""
    found: dict[str, Any] = {}
    for name, dimension in space.dimensions.items():
        if not space.active(name, found):
            continue
        if isinstance(dimension, Range):
            found[name] = dimension.low
        else:
            found[name] = network if name == "model.name" and network is not None else dimension.values[0]
    return found


def _identity(call: _Call, bench: Bench, space: Space) -> dict[str, Any]:
    """What makes it this study and no other."""
    settings = call.request.model_dump(mode="json", exclude_unset=True)
    for name in _MACHINES:
        part, _, field = name.partition(".")
        branch = settings.get(part, {})
        branch.pop(field, None) if field else settings.pop(part, None)
    settings = {part: value for part, value in settings.items() if value != {}}
    settings.get("data", {}).pop("target", None)
    return plain(
        {
            "fingerprint": bench.data.fingerprint,
            "target": ", ".join(call.request.data.target),
            "task": bench.target.kind,
            "goodfit": __version__,
            "space": space.to_json() | ({"grid": call.total} if call.strategy == "grid" else {}),  # of more trials it has other places
            "strategy": call.strategy,
            "settings": {part: value for part, value in settings.items() if value != {}},
        }
    )


def _document(call: _Call) -> dict[str, Any]:
    return {
        "source": absolute(call.source),
        "test": absolute(call.test),
        "valid": absolute(call.valid),
        "request": call.request.model_dump(mode="json", exclude_unset=True),
        "space": call.given,
        "strategy": call.strategy,
        "trials": call.total,
        "shared": call.url is not None,
        "name": call.name,
    }


def _final(request: Recipe, tried: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe of the best settings, with the network as it was tried: what time there is does not make it another."""
    network = {f"model.{name}": value for name, value in tried.model if value is not None}
    return request.with_(**{name.replace(".", "__"): value for name, value in (network | dict(settings)).items()})


def _best_run(call: _Call, final: Recipe, left: float | None, progress: Progress) -> Run:
    """The run of the best settings: the one that there is already, or a new one. Workers that share the folder take turns."""
    wanted = final.model_dump(mode="json", exclude_unset=True)
    with _turn(call.folder):
        places = sorted(call.folder.glob("run-*"), key=lambda path: int(path.name.removeprefix("run-")))
        for path in places:
            about = read_json(path / "run.json") if (path / "run.json").is_file() else {}
            if _without_limit(about.get("request", {})) == _without_limit(wanted):
                if about.get("status") == "finished":
                    return Run(path)
                if about.get("status") != "failed":
                    return train(call.source, out=path, resume=True, test=call.test, valid=call.valid, progress=progress)
        number = 1 + max((int(path.name.removeprefix("run-")) for path in places), default=0)
        return train(
            call.source, recipe=final, time_limit=left, test=call.test, valid=call.valid, out=call.folder / f"run-{number}", progress=progress
        )  # fmt: skip


def _without_limit(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request without its time limit, which is whatever the search left."""
    training = {name: value for name, value in request.get("train", {}).items() if name != "time_limit"}
    return {part: value for part, value in request.items() if part != "train"} | ({"train": training} if training else {})


def _nothing(study: Study) -> TrainingError:
    tried = study.tried()
    reasons = [trial.reason for trial in tried if trial.reason]
    if not tried or not reasons:
        return TrainingError("the time was up before a trial came to its end; give more --time-limit, and go on with --resume")
    return TrainingError(f"none of the {len(tried)} trials came to a score; the first: {reasons[0]}")


def _rows(bench: Bench) -> dict[str, int]:
    return {"train": len(bench.parts.train), "valid": len(bench.parts.valid), "test": len(bench.parts.test)}


def _ranges(texts: Iterable[str]) -> dict[str, Any]:
    """`optim.lr=[1e-5,1e-1]` -> {"optim.lr": [1e-5, 1e-1]}."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise SettingError(
                f"a range is written space.KEY=[low,high], such as space.optim.lr=[1e-5,1e-1]; 'space.{text}' was given", value=text
            )
        found[name.strip()] = parse_value(value)
    return found


def _count(given: Any, usual: int) -> int:
    if given is None:
        return usual
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= 1_000_000:
        raise InputError(f"trials must be a whole number from 1 to 1,000,000; {given!r} was given", value=given)
    return given


def _limit(value: float | str | None) -> float | None:
    if value is None:
        return None
    try:
        return TypeAdapter[float](Annotated[Seconds, Field(gt=0, le=3.2e7)]).validate_python(value)
    except ValidationError:
        raise SettingError(f"--time-limit must be a time such as 90s, 10m or 1h; {str(value)[:80]!r} was given", value=value) from None


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder, and remove it again where nothing was searched."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be made ({error.strerror}); give another --out", file=folder) from error
    try:
        yield
    except BaseException:  # Ctrl-C too leaves nothing half-made; raised again
        if folder in made and not (folder / CALL).exists():
            for name in (FILE, "work"):
                path = folder / name
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            for path in made:
                if path.exists() and not any(path.iterdir()):
                    path.rmdir()
        raise


@contextmanager
def _cleared(place: Path) -> Iterator[None]:
    """What trials need while they run goes when they have run."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another worker is at work there
            place.parent.rmdir()


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One worker after the other; a killed one holds nobody up."""
    try:
        import fcntl
    except ImportError:  # Windows: workers that share a folder each train their own
        yield
        return
    with open(folder / ".turn", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
