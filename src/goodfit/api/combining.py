"""`combine`: several runs of the same data and split as one, the ensemble that does best on rows that none of its networks learned from.

The runs are chosen and weighed by greedy selection (`ensemble.selection`) on the validation rows that all of them kept. What comes out is a run folder
like any other: it predicts, describes and is evaluated like one network.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from goodfit import __version__
from goodfit.api.comparing import Given, Judged, judged_run, same_data, same_target
from goodfit.api.fitting import judge
from goodfit.api.folder import RunFolder, new_folder, removed_on_refusal
from goodfit.api.kept import Kept, keep, kept
from goodfit.api.review import CALIBRATED, COVERAGE
from goodfit.api.run import Run
from goodfit.api.scoring import network_account, row_weights, sealed
from goodfit.base.errors import InputError
from goodfit.base.files import read_json
from goodfit.base.protocols import Progress, Silent
from goodfit.bundle.bundle import Bundle
from goodfit.data.splits import split
from goodfit.ensemble.selection import Selection, select
from goodfit.evaluation.analysis import analyse
from goodfit.evaluation.calibration import interval
from goodfit.evaluation.ledger import open_test
from goodfit.tasks.cooling import cooled, temperature

KINDS = ("binary", "multiclass", "multilabel", "regression")
FEWEST = 30  # validation rows that all runs kept: weights found on fewer are chance
_COPIED = ("schema.json", "data.json", "environment.json", "findings.json")


def combine(
    *runs: Given,
    out: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
    network: Any = None,
    seed: int = 0,
) -> Run:
    """One run whose networks are those of the runs that help, averaged with weights found on the validation rows.

    runs: at least two, of the same data, target, seed and settings of the data, so that their test rows are the same; trained on files. out: the folder;
    `runs/combined-<n>` when None. network: see `load`. The sealed test rows are scored once, which the new folder's ledger records. `about["combined"]` of
    the result is [{"run", "weight", "score"}] with each run's own score on the rows that were selected by, in the order given.

    Raises InputError for runs that do not belong together.
    """
    progress = progress or Silent()
    begun = time.monotonic()
    folder = new_folder(out, "combined")
    judged = [judged_run(run, network) for run in runs]
    _belong(judged)
    bundles = [own.run.bundle for own in judged]
    if any(bundle.schema.to_json() != bundles[0].schema.to_json() for bundle in bundles):
        raise InputError("runs are combined that read their columns alike; these do not, so train them with the same settings data.*")
    progress.stage("selecting")
    common = _common([kept(own.run.folder) for own in judged])
    said = np.stack([_raw(bundle, own) for bundle, own in zip(bundles, common, strict=True)])
    first, task = common[0], judge(bundles[0].members[0].encoder)
    name = next(iter(first.prediction))

    def score(mean: np.ndarray) -> float:
        return task.metrics({name: mean}, first.truth, first.weight)[task.score]

    found = select(said, score, maximise=task.maximise, seed=seed)
    alone = [score(own) for own in said]
    mean = np.tensordot(found.weights, said, axes=1)
    bundle = _together(bundles, found, mean, first)
    with removed_on_refusal(folder):
        run = RunFolder(folder)
        source = RunFolder(judged[0].run.folder)
        progress.stage("scoring")
        data, rows = sealed(source)
        about, recipe = source.about, source.recipe
        assert recipe is not None
        open_test(folder, "goodfit combine", len(rows), data.fingerprint)
        analysis = analyse(
            data, bundle.target, split(data, bundle.target, recipe.data, recipe.seed), None, part="test",
            prediction=bundle.decoded(data, device=device or "cpu", rows=rows), weight=row_weights(data, rows),
            half_widths=bundle.half_widths, coverage=COVERAGE, seed=recipe.seed, baseline=False,
        )  # fmt: skip
        bundle.save(folder / "model")
        for name_of in _COPIED:
            run.write(name_of, read_json(source.path / name_of))
        run.write("analysis.json", analysis)
        run.write("network.json", network_account(bundle, recipe))
        keep(folder, bundle, data, _by_fold(common, mean, name))
        entries = [
            {"run": str(own.run.folder.resolve()), "weight": float(weight), "score": float(value)}
            for own, weight, value in zip(judged, found.weights, alone, strict=True)
        ]
        run.update(
            **{key: about.get(key) for key in ("source", "test", "valid", "request", "fingerprint", "task")},
            created=time.time(), command=" ".join(["goodfit combine", *(str(entry["run"]) for entry in entries)]), combined=entries,
            model=" + ".join(dict.fromkeys(member.model["name"] for member in bundle.members)),
            metric=task.score, maximise=task.maximise, score=found.score, members=len(bundle.members),
        )  # fmt: skip
        run.write_recipe(recipe)
        run.update(status="finished", seconds=round(time.monotonic() - begun, 2))
    made = Run(folder, network)
    made.report()
    return made


def _belong(judged: list[Judged]) -> None:
    """Raises InputError where the runs are no two, or their rows are not divided alike."""
    folders = [own.run.folder.resolve() for own in judged]
    if len(set(folders)) < len(folders) or len(folders) < 2:
        raise InputError(f"combining needs at least two runs, each named once; {len(folders)} given, {len(set(folders))} of them different")
    same_target(judged)
    same_data(judged)
    first = judged[0]
    if first.target.kind not in KINDS:
        raise InputError(f"runs are combined that learned one target of classes, labels or numbers; these learned {first.target.kind}")
    for own in judged:
        if own.run.about.get("source") is None:
            raise InputError(f"runs are combined that were trained on files; {own.run.folder} was trained on a frame", file=own.run.folder)
        a, b = first.run.recipe, own.run.recipe
        other = (
            "seed" if a.seed != b.seed else next((f"data.{key}" for key in _DIVIDING if getattr(a.data, key) != getattr(b.data, key)), None)
        )
        if other is not None:
            raise InputError(
                f"runs are combined whose test rows are the same; {first.run.folder} and {own.run.folder} differ in {other}, so train them with the same",
                file=own.run.folder,
            )


_DIVIDING = ("split", "group", "time", "valid_fraction", "test_fraction", "weight")


def _common(found: list[Kept]) -> list[Kept]:
    """The validation rows that all runs kept, in one order. Raises InputError where they are few."""
    rows = reduce(np.intersect1d, [own.rows for own in found])
    if len(rows) < FEWEST:
        raise InputError(
            f"combining needs at least {FEWEST} validation rows that all runs kept; they have {len(rows)} in common, so train them on the same split or folds"
        )
    cut = []
    for own in found:
        order = np.argsort(own.rows)
        at = order[np.searchsorted(own.rows[order], rows)]
        said = {name: values[at] for name, values in own.prediction.items()}
        weight = None if own.weight is None else own.weight[at]
        cut.append(replace(own, rows=rows, fold=own.fold[at], truth=own.truth[at], prediction=said, weight=weight))
    return cut


def _raw(bundle: Bundle, own: Kept) -> np.ndarray:
    """What the networks said, before they were cooled."""
    (said,) = own.prediction.values()
    for value in bundle.temperatures.values():
        said = cooled(said, 1 / value)
    return np.asarray(said, dtype=np.float64)


def _together(bundles: list[Bundle], found: Selection, mean: np.ndarray, first: Kept) -> Bundle:
    """The networks of the runs that were chosen, with the temperature and the interval of their mean."""
    members, weights = [], []
    for bundle, share in zip(bundles, found.weights, strict=True):
        if share > 0:
            members += bundle.members
            weights += [float(share) * weight for weight in bundle.weights]
    target = bundles[0].target
    widths, temperatures = {}, {}
    if target.kind == "regression":
        width = interval(first.truth.astype(np.float64) * target.std + target.mean - mean, COVERAGE)
        widths = {target.names[0]: width} if math.isfinite(width) else {}
    elif target.kind in ("binary", "multiclass") and len(mean) >= CALIBRATED:
        temperatures = {target.names[0]: temperature(mean, first.truth, first.weight)}
    about = {**bundles[0].about, "goodfit": __version__}
    return Bundle(target, bundles[0].schema, members, weights, widths, COVERAGE, about, temperatures)


def _by_fold(common: list[Kept], mean: np.ndarray, name: str) -> list[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
    """The mean predictions fold by fold of the first run, as `keep` takes them."""
    first = common[0]
    return [
        (first.rows[own], int(first.learned[number]), {name: mean[own].astype(np.float32)})
        for number in range(len(first.learned))
        if (own := first.fold == number).any()
    ]
