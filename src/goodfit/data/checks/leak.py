"""Columns that know the target because they were written after it.

Two signs. A column alone predicts nearly perfectly where all the others together do not: a copy of the target under another name. Or
whether a column is filled tells the class: the number of the lifeboat, the date of the cancellation. Both are compared with what
healthy data show: where several columns separate the classes, each of them may.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from goodfit.base.records import Finding
from goodfit.base.streams import derive
from goodfit.data.checks.sample import SHOWN, Answer, Sample, as_numbers, coded
from goodfit.data.checks.skill import ranks, skill, skill_bins
from goodfit.data.dataset import Column

_LEAST = 50  # rows below which a perfect column may be chance
_ROWS = 20_000  # looked at per column: places a skill to within 0.01
_CLASSES = 0.95  # Brier skill of a suspect: some 99 % of two even classes
_VALUES = 0.995  # R2 of ranks of a suspect: what yesterday's value knows of today's stays below
_PERFECT = 0.999  # skill of a copy
_OTHERS = 3  # columns at least besides the suspect: of two, one may well decide
_SHARE = 0.25  # of the features at most are suspects: where more separate the classes, the classes are easy
_REST_ROWS, _REST_COLUMNS = 4_000, 60  # for the trees on the other columns: a second or two
_WORSE = 5.0  # times: the others leave so much more unexplained
# Skill of the others below which a suspect, and a perfect one, is no part of an easy problem. Classes may be separable; numbers of the
# real world are measured with errors, so that no column but a copy knows them to the last digit.
_EASY_CLASSES, _EASY_VALUES = (0.8, 0.97), (0.97, 0.995)
_PURE, _BASE = 0.95, 0.8  # lower limit of a class's share where a column is filled, and its share in all rows at most


def check_leaks(sample: Sample) -> list[Finding]:
    if sample.rows.size < _LEAST or not sample.features:
        return []
    found: dict[str, Finding] = {}
    for answer in sample.answers:
        for finding in [*_filled(sample, answer), *_knowing(sample, answer)]:
            found.setdefault(finding.columns[0], finding)
    return list(found.values())


def _knowing(sample: Sample, answer: Answer) -> list[Finding]:
    """Columns whose values alone predict what the others cannot."""
    few = _few(sample.rows.size, _ROWS * min(1.0, 200 / max(1, len(sample.measured))), sample.seed)
    part = _at(answer, few)
    bins = skill_bins(few.size)
    frame = sample.frame[few]
    skills = {column.name: skill(coded(frame[column.name], bins), part) for column in sample.measured}
    # A number in b bins leaves 1 / b^2 of its own copy unexplained, and leaving one out doubles that.
    limit = _CLASSES if answer.codes is not None else _VALUES - 2 / bins**2
    suspects = sorted((name for name, value in skills.items() if value >= limit), key=lambda name: -skills[name])
    if not suspects or len(suspects) > max(1, _SHARE * len(sample.features)):
        return []
    others = [column for column in sample.measured if column.name not in suspects]
    if len(others) < _OTHERS:
        return []
    rest = _rest(sample, sorted(others, key=lambda column: -skills[column.name])[:_REST_COLUMNS], answer)
    easy, very_easy = _EASY_CLASSES if answer.codes is not None else _EASY_VALUES
    found = []
    for name in suspects:
        better = rest < easy and 1 - rest >= _WORSE * (1 - skills[name])
        if better or (rest < very_easy and skills[name] >= _PERFECT - 2 / bins**2):
            found.append(
                Finding(
                    "data.leak",
                    "warning",
                    f"{name!r} alone explains {_percent(skills[name])} of {answer.name!r}, all other columns together {_percent(rest)}:"
                    " it seems to be the answer under another name",
                    evidence={"skill": round(skills[name], 4), "skill_of_others": round(rest, 4), "rows": int(few.size)},
                    columns=(name,),
                    remedy=f"if it is not known before {answer.name!r} is, leave it out: data.drop={','.join(suspects)}",
                    confidence=0.9,
                )
            )
    return found


def _rest(sample: Sample, columns: list[Column], answer: Answer) -> float:
    """Skill of boosted trees on these columns, cross-validated."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

    few = _few(sample.rows.size, _REST_ROWS, sample.seed)
    part = _at(answer, few)
    x = as_numbers(sample.frame[few], columns)
    state = derive(sample.seed, "split", "checks", "rest") % 2**32
    settings: dict[str, Any] = {"min_samples_leaf": min(20, max(2, few.size // 20)), "early_stopping": False, "random_state": state}
    if part.codes is None:
        y = ranks(part.values)  # type: ignore[arg-type]
        model = HistGradientBoostingRegressor(max_iter=60, **settings)
        predicted = cross_val_predict(model, x, y, cv=KFold(3, shuffle=True, random_state=state))
        return float(1 - ((predicted - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    # Classes with fewer than three rows cannot be in three folds.
    kept = np.isin(part.codes, np.flatnonzero(np.bincount(part.codes) >= 3))
    _, y = np.unique(part.codes[kept], return_inverse=True)
    model = HistGradientBoostingClassifier(max_iter=max(10, min(60, 400 // (y.max() + 1))), **settings)
    folds = StratifiedKFold(3, shuffle=True, random_state=state)
    predicted = cross_val_predict(model, x[kept], y, cv=folds, method="predict_proba")
    truth = np.eye(y.max() + 1)[y]
    return float(1 - ((predicted - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum())


def _filled(sample: Sample, answer: Answer) -> list[Finding]:
    """Columns that are filled, or empty, for rows of one class alone. Of numbers, the most frequent value is the class."""
    if answer.codes is not None:
        codes, classes = answer.codes, answer.classes
    else:
        assert answer.values is not None
        value, count = np.unique(answer.values, return_counts=True)
        codes, classes = (answer.values == value[count.argmax()]).astype(np.int64), ("other values", "the most frequent value")
    share = np.bincount(codes, minlength=len(classes)) / codes.size
    found = []
    for column in sample.features:
        empty = sample.frame[column.name].is_null().to_numpy()
        for state, mask in (("filled", ~empty), ("empty", empty)):
            rows = int(mask.sum())
            if rows in (0, empty.size):
                continue
            counts = np.bincount(codes[mask], minlength=len(classes))
            label = int(counts.argmax())
            low = _lower(int(counts[label]), rows)
            if answer.codes is None and label == 0:
                continue
            if low >= _PURE and share[label] <= _BASE:
                found.append(
                    Finding(
                        "data.leak",
                        "warning",
                        f"where {column.name!r} is {state}, {answer.name!r} is {classes[label]!r} in {counts[label]:,} of {rows:,} rows,"
                        f" and in {_percent(share[label])} of all: it seems to be filled in after the outcome",
                        evidence={
                            "rows": rows,
                            "share": round(float(counts[label] / rows), 4),
                            "share_of_all": round(float(share[label]), 4),
                        },
                        columns=(column.name,),
                        rows=sample.numbered(sample.rows[np.flatnonzero(mask & (codes == label))[:SHOWN]]),
                        remedy=f"if it is not known before {answer.name!r} is, leave it out: data.drop={column.name}",
                        confidence=0.9,
                    )
                )
                break
    return found


def _lower(hits: int, rows: int) -> float:
    """Lower limit (97.5 %) of a share: Wilson, JASA 1927."""
    z2 = 1.96**2
    share = hits / rows
    return (share + z2 / (2 * rows) - math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2)))) / (1 + z2 / rows)


def _few(n: int, most: float, seed: int) -> np.ndarray:
    """At most `most` of n positions, sorted."""
    most = max(2_000, int(most))
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(derive(seed, "split", "checks", "leak")).choice(n, most, replace=False))


def _at(answer: Answer, rows: np.ndarray) -> Answer:
    return Answer(
        answer.name,
        None if answer.codes is None else answer.codes[rows],
        None if answer.values is None else answer.values[rows],
        answer.classes,
    )


def _percent(share: float) -> str:
    """Rounded down, so that 99.96 % is not called 100 %."""
    return f"{math.floor(1000 * max(0.0, share) + 1e-9) / 10:g} %"
