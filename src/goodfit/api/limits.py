"""What limits the networks of a run: the parts of their error on rows that none learned from, and the error on rows that they did.

The networks of one kind that a run has, on other folds with other seeds, tell variance from bias without further training. They share most of their
rows, so fresh data would show more variance than is seen here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from goodfit.api.fitting import Fitted
from goodfit.api.scoring import row_weights
from goodfit.base.streams import numpy_stream
from goodfit.bundle.bundle import Bundle
from goodfit.data.dataset import Dataset
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation.bias_variance import Parts, log_loss, squared, zero_one
from goodfit.evaluation.comparison import row_losses
from goodfit.evaluation.scores import Prediction, part_codes
from goodfit.evaluation.verdict import verdict

KINDS = ("binary", "multiclass", "regression")
LEARNED = 1_000  # rows learned from that are looked at: the standard error of their mean loss is then some percent of it
FEWEST = 30  # rows: of fewer, the parts say nothing


def limits(
    bundle: Bundle,
    each: list[Prediction],
    data: Dataset,
    rows: np.ndarray,
    fitted: list[Fitted],
    split: Split,
    weight: np.ndarray | None,
    *,
    device: torch.device,
    seed: int,
) -> list[dict[str, Any] | None]:
    """Per target {"model", "networks", "rows", "parts": [Parts], "learned", "verdict"}, None where there is nothing to say.

    each: what each member of the bundle decodes for `rows`. weight: [n] of them. learned: the mean error of the first of the parts on rows learned from.
    """
    specs = bundle.target.parts or (bundle.target,)
    if len(rows) < FEWEST or all(spec.kind not in KINDS for spec in specs):
        return [None] * len(specs)
    names = [member.model["name"] for member in bundle.members]
    name = max(dict.fromkeys(names), key=names.count)
    chosen = [index for index, own in enumerate(names) if own == name]
    said = [bundle.cool(each[index]) for index in chosen]
    encoded = bundle.target.encode(data.take(rows, bundle.target.names))
    learned = _on_learned(bundle, chosen, data, fitted, split, device, seed)
    found: list[dict[str, Any] | None] = []
    for index, spec in enumerate(specs):
        if spec.kind not in KINDS:
            found.append(None)
            continue
        own = [_of(prediction, bundle.target, spec) for prediction in said]
        truth = encoded if not bundle.target.parts else part_codes(spec, encoded[:, index])
        parts = _parts(spec, own, truth, weight) if len(own) > 1 else []
        first = next(iter(row_losses(spec, own[0], truth)))
        error, doubt = _mean(np.mean([row_losses(spec, prediction, truth)[first] for prediction in own], axis=0), weight)
        before, doubt_before = learned.get((spec.names[0], first), (None, 0.0))
        advice = None
        if before is not None:
            advice = verdict(error, before, parts[0].variance if parts else None, doubt=float(np.hypot(doubt, doubt_before))).to_json()
        found.append(
            {"model": name, "networks": len(own), "rows": len(rows), "metric": first, "error": error, "parts": [part.to_json() for part in parts],
             "learned": before, "verdict": advice}
        )  # fmt: skip
    return found


def _parts(spec: TargetSpec, said: list[Prediction], truth: np.ndarray, weight: np.ndarray | None) -> list[Parts]:
    if spec.kind == "regression":
        return [squared(np.stack([own["mean"] for own in said]), truth.astype(np.float64) * spec.std + spec.mean, weight=weight)]
    probability = np.stack([own["probability"] for own in said])
    return [log_loss(probability, truth, weight), zero_one(probability, truth, weight)]


def _on_learned(
    bundle: Bundle, chosen: list[int], data: Dataset, fitted: list[Fitted], split: Split, device: torch.device, seed: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """{(target, metric): mean loss and its standard error} of these members on some rows that each learned from; empty where nobody knows which they are."""
    by_member = {id(result.member): result for result in fitted}
    folds = any(not np.array_equal(result.rows, split.valid) for result in fitted)
    if (folds and split.by == "time") or any(len(bundle.members[index].encoder.told(data)) for index in chosen):
        return {}
    losses: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for index in chosen:
        member = bundle.members[index]
        rows = np.setdiff1d(np.concatenate([split.train, split.valid]), by_member[id(member)].rows)
        rows = np.sort(numpy_stream(seed, "bootstrap", "learned", index).permutation(rows)[:LEARNED])
        said = bundle.cool(member.predict(data, rows=rows, device=device))
        encoded = bundle.target.encode(data.take(rows, bundle.target.names))
        for number, spec in enumerate(bundle.target.parts or (bundle.target,)):
            if spec.kind in KINDS:
                truth = encoded if not bundle.target.parts else part_codes(spec, encoded[:, number])
                for metric, values in row_losses(spec, _of(said, bundle.target, spec), truth).items():
                    losses.setdefault((spec.names[0], metric), []).append(_mean(values, row_weights(data, rows)))
    # The networks share most of these rows, so the error of their mean is taken to be that of one.
    return {key: (float(np.mean([m for m, _ in values])), float(np.mean([e for _, e in values]))) for key, values in losses.items()}


def _mean(values: np.ndarray, weight: np.ndarray | None) -> tuple[float, float]:
    """The weighted mean of values [n], and its standard error."""
    mean = float(np.average(values, weights=weight))
    w = np.full(len(values), 1 / len(values)) if weight is None else weight / weight.sum()
    return mean, float(np.sqrt((w**2 * (values - mean) ** 2).sum()))


def _of(prediction: Prediction, target: TargetSpec, spec: TargetSpec) -> Prediction:
    """What is predicted of one of several targets, under the names that it has alone."""
    prefix = f"{spec.names[0]}/"
    return (
        {key.removeprefix(prefix): values for key, values in prediction.items() if key.startswith(prefix)} if target.parts else prediction
    )
