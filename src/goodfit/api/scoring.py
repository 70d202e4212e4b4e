"""Using a run: predict a file, score labelled rows, describe the network, list what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from goodfit.api.brought import given
from goodfit.api.folder import RunFolder, naming
from goodfit.api.rebuilding import draw_pairs
from goodfit.api.run import Run, load
from goodfit.api.tuned import Tuned
from goodfit.base.errors import BundleError, DataError, InputError
from goodfit.base.files import read_json
from goodfit.base.protocols import Progress, Silent
from goodfit.base.recipe import Recipe
from goodfit.bundle.answers import flat
from goodfit.bundle.bundle import Bundle
from goodfit.bundle.found import by_box, write_results
from goodfit.data.dataset import Dataset
from goodfit.data.objects import numbers
from goodfit.data.read import read
from goodfit.data.splits import split
from goodfit.data.target import UNLABELLED, detect
from goodfit.evaluation.ledger import open_test
from goodfit.evaluation.scores import scores
from goodfit.models import brought, catalogue
from goodfit.models.account import describe as account_of
from goodfit.tasks import catalogue as tasks
from goodfit.tuning import RECORD

LARGEST_BATCH = 1_048_576  # as train.batch_size
_WRITERS = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson", ".ndjson": "write_ndjson"}


def predict(run: str | Path | Run, source: Any = None, *, device: str | None = None, network: Any = None) -> pl.DataFrame:
    """Predictions for every row of `source`: `prediction`, and `probability_<class>` or `low` and `high`.

    Of a forecast, the steps that follow on `source`, or on the rows that the run was trained on where it is None. network: see `load`.
    """
    bundle = _bundle(run, network)
    source = _trained_on(run, bundle) if source is None else source
    return bundle.predict(source, device=device or "cpu")


def predict_file(
    run: str | Path,
    source: str | Path | None = None,
    out: str | Path | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
    network: Any = None,
) -> tuple[Path, int]:
    """Predict a file and write CSV, Parquet or JSON lines, by the ending of `out`, and boxes as COCO's results too (.json); returns its path and the rows.

    source: see `predict`. network: see `load`."""
    progress = progress or Silent()
    bundle = _bundle(run, network)
    source = _trained_on(run, bundle) if source is None else source
    boxes = bundle.target.kind == "detection"
    endings = ((".json",) if boxes else ()) + tuple(_WRITERS)
    path = Path(out) if out is not None else Path(f"{Path(source).name.split('.')[0]}.predictions{endings[0]}")
    if path.exists() and isinstance(source, str | Path) and Path(source).exists() and path.samefile(source):
        raise InputError(f"--out must not be the file of the rows themselves; give a name other than {path.name}", file=path)
    if path.suffix not in endings:
        raise InputError(f"--out must end in {', '.join(endings)}; {path.name} was given", file=path)
    if not path.parent.is_dir():
        raise InputError(f"the folder of --out must exist; {path.parent} does not", file=path)
    progress.stage("reading")
    data = bundle.read(source)
    for note in data.notes:
        progress.say(note.message)
    progress.stage("predicting")
    frame = bundle.frame(bundle.decoded(data, device=device or "cpu"), data)
    rows = frame.height
    if path.suffix == ".csv":
        frame = by_box(frame) if boxes else flat(frame, " " if bundle.target.kind in ("tagging", "pointing") else ";")
    if bundle.target.kind == "reconstruction" and draw_pairs(bundle, data, path.with_suffix(".png"), device=device or "cpu"):
        progress.say(f"originals above what is given back: {path.with_suffix('.png')}")
    part = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".json":
            write_results(frame, part, numbers(bundle.schema))
        else:
            getattr(frame, _WRITERS[path.suffix])(part)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written ({error.strerror or error}); give another --out", file=path) from error
    return path, rows


def _trained_on(run: str | Path | Run, bundle: Bundle) -> str:
    """The file whose end a forecast goes on from where no rows are given. Raises InputError where there is none."""
    folder = run.folder if isinstance(run, Run) else Path(run)
    if bundle.target.course is None:
        raise InputError("predicting needs rows: give a file with the columns of the training data")
    source = RunFolder(folder).about.get("source") if (folder / "run.json").is_file() else None
    if source is None:
        raise InputError("nobody knows the rows that were trained on here; give the rows that the forecast is to follow", file=folder)
    return str(source)


def evaluate(
    run: str | Path | Run, source: Any = None, *, device: str | None = None, progress: Progress | None = None, network: Any = None
) -> dict[str, Any]:
    """{"metrics": {name: {value, low, high}}, "rows": n} with 95 % bootstrap intervals.

    source None: the run's sealed test rows. That, and a source with the bytes of the run's test file, is entered in the
    run's ledger, and a second opening is said aloud: a score that was looked at while choosing is no longer honest.
    """
    progress = progress or Silent()
    opened = run if isinstance(run, Run) else None
    folder = opened.folder if opened else Path(str(run))
    bundle = opened.bundle if opened else _bundle(folder, network)
    if source is None:
        data, rows = sealed(RunFolder(folder))
        count = open_test(folder, "goodfit evaluate", len(rows), data.fingerprint)
        if count > 1:
            progress.say(f"the sealed test set has now been opened {count} times; choosing by its score makes the score too good")
    else:
        progress.stage("reading")
        data = bundle.read(source, truth=True)
        for note in data.notes:
            progress.say(note.message)
        rows = np.arange(data.rows)
        refuse_without_target(bundle, data, source)
    progress.stage("scoring")
    target = bundle.target
    if target.kind == "generation":
        from goodfit.api.generation import evaluate_generator

        return evaluate_generator(RunFolder(folder), bundle, data, rows, device or "cpu")
    if source is not None and target.kind not in UNLABELLED:
        rows = labelled_rows(data, rows, target.names, progress)
        rows = untold(bundle, data, rows, progress)
    decoded = bundle.decoded(data, device=device or "cpu", rows=rows)
    with naming(source):
        whole = len(rows) == data.rows  # then an error can name its row
        encoded = target.encode(data) if whole else target.encode(data.take(rows))
    weight = row_weights(data, rows)
    return {"metrics": scores(target, tasks.build(target.to_json()), decoded, encoded, weight, seed=0), "rows": len(rows)}


def refuse_without_target(bundle: Bundle, data: Dataset, source: Any) -> None:
    """Raises DataError where the rows of `source` lack a column of the target."""
    missing = [name for name in bundle.target.names if name not in data.schema.names]
    if missing:
        raise DataError(
            f"evaluating needs the target column {missing[0]!r}; the rows do not have it, so predict them instead",
            file=str(source) if isinstance(source, str | Path) else None,
            column=missing[0],
        )


def labelled_rows(data: Dataset, rows: np.ndarray, names: tuple[str, ...], progress: Progress) -> np.ndarray:
    """The rows that have every target; raises DataError when there are none."""
    known = np.logical_and.reduce([data.column(name).is_not_null().to_numpy()[rows] for name in names])
    if not known.any():
        file = str(data.files[0]) if data.files else None
        raise DataError(f"evaluating needs rows whose target {names[0]!r} is known; all are missing", file=file, column=names[0])
    if not known.all():
        progress.say(f"{(~known).sum()} rows without the target {', '.join(names)} are left out")
    return rows[known]


def untold(bundle: Bundle, data: Dataset, rows: np.ndarray, progress: Progress) -> np.ndarray:
    """Without the nodes of the graph of training whose labels the networks are told; raises DataError where there are no others."""
    told = np.intersect1d(rows, np.concatenate([member.encoder.told(data) for member in bundle.members]))
    if not told.size:
        return rows
    if told.size == rows.size:
        raise DataError("the labels of all nodes were given to the network; give labels of others to evaluate")
    progress.say(f"{told.size:,} nodes are left out, since the network was told their labels")
    return np.setdiff1d(rows, told)


def row_weights(data: Dataset, rows: np.ndarray | None) -> np.ndarray | None:
    """[n] the weights of the rows (all when None), None where there is no column of weights."""
    columns = data.schema.with_role("weight")
    if not columns:
        return None
    weight = data.column(columns[0].name).cast(pl.Float64).to_numpy()
    return weight if rows is None else weight[rows]


def sealed(run: RunFolder) -> tuple[Dataset, np.ndarray]:
    """The data and the sealed test rows of a run."""
    about = run.about
    if about["source"] is None:
        raise InputError("the run was trained on a frame; give the rows to evaluate", file=run.path)
    recipe = run.recipe
    assert recipe is not None
    data = read(about["source"], settings=recipe.data, test=about["test"], valid=about["valid"], cache=run.path / "cache")
    if data.fingerprint != about["fingerprint"]:
        raise InputError(
            f"the data have changed since {run.path} was trained (their SHA-256 differs); give the rows to evaluate", file=run.path
        )
    target = detect(data, recipe.data)
    rows = split(data, target, recipe.data, recipe.seed).test
    if not len(rows):
        raise InputError("the run has no sealed test rows (data.test_fraction=0); give the rows to evaluate", file=run.path)
    return data, rows


def describe(run: str | Path | Run, *, batch_size: int | None = None, network: Any = None) -> dict[str, Any]:
    """The network layer by layer, and the memory that training it takes, as JSON types. network: see `load`."""
    folder = run.folder if isinstance(run, Run) else Path(run)
    bundle = _bundle(run, network)
    recipe = RunFolder(folder).recipe if (folder / "recipe.yaml").exists() else Recipe()
    assert recipe is not None
    if batch_size is not None and not 1 <= batch_size <= LARGEST_BATCH:
        raise InputError(f"--batch-size must lie from 1 to {LARGEST_BATCH:,}; {batch_size} was given", value=batch_size)
    return network_account(bundle, recipe, batch_size)


def network_account(bundle: Bundle, recipe: Recipe, batch_size: int | None = None) -> dict[str, Any]:
    """`describe` for a bundle in memory: the first network's account, with `averaged` (each kind of network, how many, and their weight
    together) and `others`, the accounts of further kinds; `temperatures` of the targets of classes. batch_size: what each was trained with when None."""
    first: dict[str, int] = {}
    weight: dict[str, float] = {}
    for index, member in enumerate(bundle.members):
        name = member.model["name"]
        first.setdefault(name, index)
        weight[name] = weight.get(name, 0.0) + bundle.weights[index]
    names = [member.model["name"] for member in bundle.members]
    accounts = []
    for name, index in first.items():
        member = bundle.members[index]
        own = recipe.second if recipe.second is not None and recipe.second.model.name == name else recipe
        size = batch_size or own.train.batch_size or 256
        described = brought.account if name in catalogue.BROUGHT else account_of
        account = described(member.network, catalogue.example(member.model["inputs"], size), size, own.optim.name or "adamw")
        accounts.append({"model": name, "batch_size": size} | account.to_json())
    averaged = [{"model": name, "networks": names.count(name), "weight": weight[name]} for name in first]
    together = {"members": len(bundle.members), "averaged": averaged, "temperatures": bundle.temperatures}
    return accounts[0] | together | {"others": accounts[1:]}


def report(run: str | Path | Run) -> Path:
    """Write the report.html of a run, or of a search, anew and return its path."""
    if not isinstance(run, Run) and (Path(run) / RECORD).is_file():
        return Tuned(run).report()
    return (run if isinstance(run, Run) else Run(run)).report()


def models() -> list[dict[str, Any]]:
    """The catalogue: name, purpose, inputs, settings, source."""
    return catalogue.listed()


def runs(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """The runs in a folder, oldest first."""
    base = Path(folder)
    if not base.is_dir():
        raise InputError(f"{folder} is not a folder of runs", file=base)
    entries = []
    for path in base.glob("*/run.json"):
        about = read_json(path)
        entries.append(
            {"run": str(path.parent)} | {k: about.get(k) for k in ("status", "task", "model", "metric", "score", "seconds", "created")}
        )
    return sorted(entries, key=lambda entry: entry["created"] or 0)


def _bundle(run: str | Path | Run, network: Any = None) -> Bundle:
    if isinstance(run, Run):
        return run.bundle
    folder = Path(run)
    if not folder.exists():
        raise BundleError(f"{folder} does not exist; give the folder of a finished run", file=folder)
    if (folder / "bundle.json").is_file():
        return Bundle.load(folder, own.what if (own := given(network)) else None)
    return load(folder, network).bundle
