"""After training: the intervals, the one look at the test set, and everything that the report shows."""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from goodfit.api.blend import member_weights
from goodfit.api.fitting import Fitted
from goodfit.api.folder import RunFolder
from goodfit.api.kept import comparable, keep
from goodfit.api.limits import KINDS, limits
from goodfit.api.rebuilding import autoencoded
from goodfit.api.scoring import network_account, row_weights
from goodfit.api.writing import samples
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.base.records import Finding
from goodfit.bundle.bundle import Bundle, mean_prediction
from goodfit.data.dataset import Dataset
from goodfit.data.splits import Split
from goodfit.evaluation.analysis import analyse
from goodfit.evaluation.calibration import interval
from goodfit.evaluation.forecasts import half_widths as forecast_widths
from goodfit.evaluation.ledger import open_test, openings
from goodfit.evaluation.looking import looks
from goodfit.evaluation.rebuilt import analyse_rebuilt
from goodfit.models import catalogue
from goodfit.tasks.cooling import temperature
from goodfit.tasks.voices import STEPWISE

COVERAGE = 0.9
_LIMITS = 3  # times what the test rows took must be left for a look at rows that were learned from
CALIBRATED = 200  # rows at least: the temperature is then known to about a tenth


def half_widths(data: Dataset, fitted: list[Fitted]) -> dict[str, float]:
    """For each regression target, half the width of an interval that holds COVERAGE of new rows.

    Split conformal on the validation rows, which decided only when to stop. With folds, each row is judged by the member
    that did not learn from it. Of a forecast, each of the steps ahead has its own, by its number.
    """
    target = fitted[0].member.encoder.target
    if target.kind in STEPWISE:
        return {}
    blended = _blended(fitted)
    if target.kind == "forecast":  # all networks have the same validation rows
        mean = np.mean([prediction["mean"] for _, prediction in blended], axis=0)
        return forecast_widths(target, mean, blended[0][0].target, COVERAGE)
    widths = {}
    for part in target.parts or (target,):
        if part.kind != "regression":
            continue
        name = part.names[0]
        key = "mean" if not target.parts else f"{name}/mean"
        truth = data.column(name).to_numpy().astype(np.float64)
        residuals = np.concatenate([truth[fold.rows] - prediction[key] for fold, prediction in blended])
        width = interval(residuals, COVERAGE)
        if math.isfinite(width):
            widths[name] = width
    return widths


def temperatures(fitted: list[Fitted], weight: np.ndarray | None) -> dict[str, float]:
    """For each target of classes, the temperature at which the probabilities of the validation rows have the least log loss.

    weight: [n] of all rows, for scores. Nothing for fewer than CALIBRATED rows. Each row counts as one that was a little wrong too, in the proportion of a
    row to all (as Platt 1999 did): rows that are all predicted right do not make everything certain.
    """
    target = fitted[0].member.encoder.target
    if target.kind in STEPWISE:
        return {}
    blended = _blended(fitted)
    rows = np.concatenate([fold.rows for fold, _ in blended])
    if len(rows) < CALIBRATED:
        return {}
    found = {}
    for index, part in enumerate(target.parts or (target,)):
        if part.kind not in ("binary", "multiclass"):
            continue
        key = f"{part.names[0]}/probability" if target.parts else "probability"
        p = np.concatenate([prediction[key] for _, prediction in blended])
        code = np.concatenate([fold.target[:, index] if target.parts else fold.target for fold, _ in blended]).astype(np.int64)
        wrong = np.where(np.arange(p.shape[1]) == code[:, None], -1, p).argmax(1)
        own = np.ones(len(code)) if weight is None else weight[rows]
        doubt = 1 / (len(code) + 2)
        doubled = np.concatenate([own * (1 - doubt), own * doubt])
        found[part.names[0]] = temperature(np.concatenate([p, p]), np.concatenate([code, wrong]), doubled)
    return found


def out_of_fold(fitted: list[Fitted]) -> list[tuple[np.ndarray, int, dict[str, np.ndarray]]]:
    """Per fold the rows, how many were learned from, and what the networks that did not learn from the rows say of them together.

    Networks that were all judged by the same rows are one fold.
    """
    if all(np.array_equal(result.rows, fitted[0].rows) for result in fitted):
        together = mean_prediction([result.prediction for result in fitted], member_weights(fitted))
        return [(fitted[0].rows, fitted[0].learned, together)]
    return [(fold.rows, fold.learned, prediction) for fold, prediction in _blended(fitted)]


def _blended(fitted: list[Fitted]) -> list[tuple[Fitted, dict[str, np.ndarray]]]:
    """Per fold one of its members, for the rows, and what those that did not learn from the rows say of them together."""
    weights = member_weights(fitted)
    blended = []
    for fold in sorted({result.fold for result in fitted}):
        own = [(result, weight) for result, weight in zip(fitted, weights, strict=True) if result.fold == fold]
        total = sum(weight for _, weight in own)
        if total > 0:
            mean = mean_prediction([result.prediction for result, _ in own], [weight / total for _, weight in own])
            blended.append((own[0][0], mean))
    return blended


def _costly(bundle: Bundle) -> bool:
    """Whether shuffling a column is not worth its time: of a network that the user brought, often a large one, and a single column, which matters."""
    return bundle.members[0].model["name"] in catalogue.BROUGHT and len(bundle.schema.features) == 1


def review(
    run: RunFolder,
    bundle: Bundle,
    data: Dataset,
    split: Split,
    findings: list[Finding],
    recipe: Recipe,
    fitted: list[Fitted],
    *,
    device: torch.device,
    deadline: float | None,
    progress: Progress,
) -> None:
    """Score on the sealed test rows (the validation rows where there are none), compare, explain, and write the records."""
    progress.stage("scoring and explaining")
    part, rows = ("test", split.test) if len(split.test) else ("valid", split.valid)
    if part == "test" and not openings(run.path):  # a run killed in this stage opens it once all the same
        open_test(run.path, "goodfit train", len(rows), data.fingerprint)
    bundle.coverage = COVERAGE
    now = time.monotonic()
    weight, each = row_weights(data, rows), []
    if all(spec.kind in KINDS for spec in bundle.target.parts or (bundle.target,)):
        each = bundle.separate(data, device=device, rows=rows)
    prediction = bundle.together(each) if each else bundle.decoded(data, device=device, rows=rows)
    took = time.monotonic() - now
    limited = None
    if each and (deadline is None or deadline - time.monotonic() > _LIMITS * took):
        limited = limits(bundle, each, data, rows, fitted, split, weight, device=device, seed=recipe.seed)
    left = None if deadline is None else max(deadline - time.monotonic(), 1.0)
    if bundle.target.kind == "reconstruction":
        network = autoencoded(bundle, data, device)
        analysis = analyse_rebuilt(data, bundle.target, split, network, part=part, prediction=prediction, weight=weight, seed=recipe.seed)
    else:
        analysis = analyse(
            data,
            bundle.target,
            split,
            None if _costly(bundle) else lambda frame: bundle.decoded(bundle.read(frame), device=device),
            part=part,
            prediction=prediction,
            weight=weight,
            half_widths=bundle.half_widths,
            coverage=COVERAGE,
            seed=recipe.seed,
            seconds=left,
        )
    for entry, found in zip(analysis["targets"], limited or [], strict=limited is not None):
        entry["limits"] = found
    if bundle.target.kind == "caption":
        member = bundle.members[0]
        analysis["targets"][0]["looks"] = looks(member.network, member.encoder, data, rows, prediction["unit"])
    if bundle.target.kind == "language":
        analysis["targets"][0]["samples"] = samples(bundle, recipe.seed)
    run.write("analysis.json", analysis)
    run.write("network.json", network_account(bundle, recipe))
    if comparable(bundle.target):
        keep(run.path, bundle, data, out_of_fold(fitted))
    best = next(result for result in fitted if not result.partner)
    run.update(
        model=" + ".join(dict.fromkeys(member.model["name"] for member in bundle.members)),
        metric=best.task.score,
        maximise=best.task.maximise,
        score=best.best_score,
        best_epoch=best.best_epoch,
        epochs=best.epochs,
        members=len(bundle.members),
    )
