"""Targets that cannot be learned from the training rows: one class, classes of a row or two, one value, values that drown the rest."""

from __future__ import annotations

import math

import numpy as np

from goodfit.base.records import Finding
from goodfit.data.checks.outliers import drowned
from goodfit.data.checks.sample import SHOWN, Answer, Sample, named
from goodfit.data.target import TargetSpec

_FEW = 5  # rows of a class below which it is hardly learned, and no part can tell
_UNEVEN = 0.5  # of the entropy of even classes: less is said; two classes reach it at 11 to 89


def check_labels(sample: Sample) -> list[Finding]:
    target, split = sample.target, sample.split
    train = target.encode(sample.dataset.take(split.train, target.names))
    valid = target.encode(sample.dataset.take(split.valid, target.names))
    found = []
    for answer, spec, codes, checked in _answers(sample, train, valid):
        found += _values(sample, answer, codes) if spec.kind == "regression" else _classes(sample, answer, spec, codes, checked)
    return found


def _answers(sample: Sample, train: np.ndarray, valid: np.ndarray) -> list[tuple[Answer, TargetSpec, np.ndarray, np.ndarray]]:
    """Each single target or label, with what it is in all training and all validation rows."""
    target = sample.target
    if target.kind == "several":
        return [(answer, part, train[:, i], valid[:, i]) for i, (answer, part) in enumerate(zip(sample.answers, target.parts, strict=True))]
    if target.kind == "multilabel":
        return [(answer, target, train[:, i], valid[:, i]) for i, answer in enumerate(sample.answers)]
    return [(sample.answers[0], target, train, valid)]


def _classes(sample: Sample, answer: Answer, target: TargetSpec, train: np.ndarray, valid: np.ndarray) -> list[Finding]:
    codes = np.rint(train).astype(np.int64)
    C = len(answer.classes)
    count = np.bincount(codes, minlength=C)
    name, rows = answer.name, int(codes.size)
    present = np.flatnonzero(count)
    label = target.kind == "multilabel"
    if present.size == 1:
        only = answer.classes[present[0]]
        said = (
            f"the label {name!r} is {only!r} in every training row"
            if label
            else f"{name!r} is {only!r} in every one of the {rows:,} training rows"
        )
        return [
            Finding(
                "data.labels-wrong",
                "warning" if label else "error",
                f"{said}: there is nothing to tell apart",
                evidence={"rows": rows, "classes": {only: rows}},
                columns=target.names,
                remedy="give training rows of at least two classes, or divide the data in another way",
            )
        ]
    found = []
    rare = [c for c in range(C) if count[c] < _FEW] if not label else [1] * int(count[1] < _FEW)
    if rare:
        checked = np.bincount(np.rint(valid).astype(np.int64), minlength=C)
        unseen = [answer.classes[c] for c in rare if count[c] == 0]
        listed = ", ".join(f"{answer.classes[c]!r} {count[c]}" for c in rare[:5]) + (
            f" and {len(rare) - 5:,} more" if len(rare) > 5 else ""
        )
        positions = sample.split.train[np.flatnonzero(np.isin(codes, rare))[:SHOWN]]
        what = (
            f"the label {name!r} holds in {count[1]} training rows"
            if label
            else f"classes of {name!r} have under {_FEW} training rows: {listed}"
        )
        found.append(
            Finding(
                "data.imbalance",
                "warning",
                what + (f"; {named(unseen)} will never be predicted" if unseen else "; they can hardly be learned"),
                evidence={"rows": {answer.classes[c]: int(count[c]) for c in rare[:SHOWN]}, "validation_rows": int(checked[rare].sum())},
                columns=target.names,
                rows=sample.numbered(positions),
                remedy="give more rows of these classes, or join them with others",
            )
        )
    share = count[present] / rows
    entropy = float(-(share * np.log(share)).sum())
    if entropy < _UNEVEN * math.log(C) and not rare and not label:
        least, most = int(present[count[present].argmin()]), int(count.argmax())
        found.append(
            Finding(
                "data.imbalance",
                "remark",
                f"the classes of {name!r} are uneven: {answer.classes[most]!r} has {count[most]:,} training rows, {answer.classes[least]!r}"
                f" {count[least]:,}; always saying {answer.classes[most]!r} is right in {100 * share.max():.1f} % of them",
                evidence={"perplexity": round(math.exp(entropy), 3), "classes": C, "largest_share": round(float(share.max()), 4)},
                columns=target.names,
                remedy="read the balanced accuracy; where rare classes matter most, set data.balance=classes",
            )
        )
    return found


def _values(sample: Sample, answer: Answer, train: np.ndarray) -> list[Finding]:
    name = answer.name
    if np.ptp(train) == 0:
        return [
            Finding(
                "data.labels-wrong",
                "error",
                f"{name!r} has one value in all {train.size:,} training rows: there is nothing to predict",
                evidence={"rows": int(train.size)},
                columns=(name,),
                remedy="divide the data in another way, or give rows with other values",
            )
        ]
    far = drowned(train.astype(np.float64))
    if far is None:
        return []
    return [
        Finding(
            "data.targets-unscaled",
            "warning",
            f"the training rows hold values of {name!r} so far from the others, such as {far.values[0]:g}, that without them the spread is"
            f" {far.ratio:,.0f} times smaller: the network would learn these alone",
            evidence={"rows": int(far.rows.size), "ratio": round(far.ratio, 1)},
            columns=(name,),
            rows=sample.numbered(sample.split.train[far.rows]),
            remedy="look whether they mean a missing value (-999, 1e9), and leave those rows out; else predict the logarithm",
            confidence=0.9,
        )
    ]
