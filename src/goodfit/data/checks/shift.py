"""Whether validation rows differ from training rows: trees are told to tell them apart (Lopez-Paz and Oquab, ICLR 2017).

Cross-validated, so that what they learn by heart does not count, and believed only where the AUC clears chance by its interval and more.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from goodfit.base.records import Finding
from goodfit.base.streams import derive
from goodfit.data.checks.sample import Sample, as_numbers, coded
from goodfit.data.dataset import Column

_ROWS = 5_000  # of each part at most: 10,000 rows place an AUC to within 0.02
_CELLS = 3_000_000  # rows x columns of each part at most: seconds; 1,500 columns are looked at in 2,000 rows of each
_LEAST = 30  # of each part, below which hardly any difference clears chance
_COLUMNS = 60  # given to the trees: those that differ most in one half of the rows, while the other half is the test
_CHANCE = 0.55  # the lower limit of the AUC must be above: smaller differences move no score that anyone would notice
_Z = 3.29  # 99.9 %: every run is checked, and folds that share rows make the interval a little too narrow
_BINS = 16


def check_shift(sample: Sample) -> list[Finding]:
    columns = [c for c in sample.features if c.kind in ("number", "category", "boolean", "datetime", "text")]
    if sample.split.by == "time":  # dates differ by design
        columns = [column for column in columns if column.kind != "datetime"]
    most = min(_ROWS, max(1_000, _CELLS // max(1, len(columns))))
    train, valid = sample.some(sample.split.train, most, "shift"), sample.some(sample.split.valid, most, "shift")
    if min(train.size, valid.size) < _LEAST or not columns:
        return []
    names = [column.name for column in columns]
    frame = pl.concat([sample.dataset.take(train, names), sample.dataset.take(valid, names)])
    frame = frame.with_columns(pl.col(c.name).str.len_chars() for c in columns if c.kind == "text")  # of a text, its length
    part = np.repeat([0, 1], [train.size, valid.size])
    if len(columns) > _COLUMNS:
        half = np.random.default_rng(derive(sample.seed, "split", "checks", "half")).random(part.size) < 0.5
        chosen = _alone(frame.filter(pl.Series(half)), columns, part[half], sample.seed)
        columns = sorted(columns, key=lambda column: -chosen[column.name])[:_COLUMNS]
        frame, part = frame.filter(pl.Series(~half)), part[~half]
    auc, low, high = _told_apart(as_numbers(frame, columns), part, sample.seed)
    if low <= _CHANCE:
        return []
    alone = _alone(frame, columns, part, sample.seed)
    named = [name for name in sorted(alone, key=lambda name: -alone[name]) if alone[name] >= max(_CHANCE, 0.5 + (auc - 0.5) / 3)][:5]
    by_design = sample.split.by in ("time", "group")
    why = "which is what a split by time or group shows" if by_design else "as if they came from elsewhere"
    giveaway = (
        f"; {', '.join(repr(name) for name in named)} give{'s' if len(named) == 1 else ''} it away" if named else "; no single column does"
    )
    return [
        Finding(
            "data.shift",
            "remark" if by_design else "warning",
            f"a classifier tells validation rows from training rows (AUC {auc:.2f}, chance is 0.5), {why}{giveaway}",
            evidence={
                "auc": round(auc, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "columns": {n: round(alone[n], 4) for n in named},
            },
            columns=tuple(named),
            remedy="see how validation rows were chosen; the score on them tells how the network does on rows like these alone",
            confidence=0.95,
        )
    ]


def _told_apart(x: np.ndarray, part: np.ndarray, seed: int) -> tuple[float, float, float]:
    """AUC of boosted trees with its 99.9 % interval (DeLong et al. 1988)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    state = derive(seed, "split", "checks", "shift") % 2**32
    # Small trees, and few: a difference that matters shows in the first forty.
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, early_stopping=False, random_state=state)
    folds = StratifiedKFold(3, shuffle=True, random_state=state)
    score = cross_val_predict(model, x, part, cv=folds, method="predict_proba")[:, 1]
    rank = _midranks(score)
    positive, negative = rank[part == 1], rank[part == 0]
    above = (positive - _midranks(score[part == 1])) / negative.size  # share of training rows below each validation row
    below = 1 - (negative - _midranks(score[part == 0])) / positive.size
    auc = float(above.mean())
    error = float(np.sqrt(above.var(ddof=1) / positive.size + below.var(ddof=1) / negative.size))
    return auc, auc - _Z * error, min(1.0, auc + _Z * error)


def _midranks(values: np.ndarray) -> np.ndarray:
    """[n] ranks from 1, the mean rank for equal values."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _alone(frame: pl.DataFrame, columns: list[Column], part: np.ndarray, seed: int) -> dict[str, float]:
    """For each column, the AUC of the share of validation rows in its bins: learned on one half of the rows, measured on the other."""
    half = np.random.default_rng(derive(seed, "split", "checks", "halves")).permutation(part.size) % 2
    found = {}
    for column in columns:
        bins = coded(frame[column.name], _BINS)
        size = int(bins.max()) + 1
        auc = 0.0
        for side in (0, 1):
            learned, measured = half == side, half != side
            counts = np.bincount(bins[learned] * 2 + part[learned], minlength=2 * size).reshape(-1, 2)
            rate = (counts[:, 1] + part.mean()) / (counts.sum(1) + 1)  # shrunk to the share of all by one row
            rank, own = _midranks(rate[bins[measured]]), part[measured]
            ones = int(own.sum())
            auc += (rank[own == 1].sum() - ones * (ones + 1) / 2) / max(1, ones * (own.size - ones)) / 2
        found[column.name] = float(auc)
    return found
