"""Columns that say nothing (constant), say it twice (duplicate), or count rows (identifiers)."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import polars as pl

from goodfit.base.records import Finding
from goodfit.data.checks.sample import SHOWN, Sample, coded, named
from goodfit.data.checks.skill import skill, skill_bins

_LEAST = 50  # rows below which a column of different whole numbers may well be a measurement
# What identifiers are called. Whole numbers that all differ may be measurements; with such a name they are not.
_NAME = re.compile(
    r"(^|[^a-z])(id|ids|pid|uid|uuid|guid|index|idx|row|rowid|rownum|serial)($|[^a-z])|^(order|no|nr|num|number|key|record|n)[.]?$"
)
_CAMEL = re.compile(r"[a-z](ID|Id)$")
_KNOWS = 0.05  # of the target's variance: a counter that knows less only counts
_TIME = re.compile(r"year|month|week|day|date|time|hour|minute|second|step|period|age", re.IGNORECASE)


def check_columns(sample: Sample) -> list[Finding]:
    constant = _constant(sample)
    return constant + _duplicates(sample, {name for finding in constant for name in finding.columns}) + _identifiers(sample)


def _constant(sample: Sample) -> list[Finding]:
    ignored = [c.name for c in sample.dataset.schema.columns if c.kind == "constant" and c.role in ("feature", "ignored")]
    here = [name for name in sample.frame.columns if name not in ignored and _one_value(sample.frame[name])]
    # A sample of a large table may miss a rare value.
    if sample.rows.size < sample.split.train.size:
        here = [name for name in here if _one_value(sample.dataset.column(name).gather(sample.split.train))]
    names = [*ignored, *here]
    if not names:
        return []
    return [
        Finding(
            "data.constant",
            "remark",
            f"nothing can be learned from {named(names)}: one value in all training rows",
            evidence={"columns": len(names)},
            columns=tuple(names[:SHOWN]),
            remedy=f"leave out what says nothing: data.drop={','.join(names[:5])}",
        )
    ]


def _one_value(series: pl.Series) -> bool:
    """Whether all rows are alike, missing ones too."""
    if series.dtype.is_numeric():
        return series.null_count() in (0, series.len()) and series.min() == series.max()
    return series.n_unique() <= 1


def _duplicates(sample: Sample, constant: set[str]) -> list[Finding]:
    """Columns with the same values, or the same classes under other names. A hash finds candidates, a comparison confirms them."""
    groups: dict[object, list[str]] = {}
    for column in sample.measured:
        if column.name not in constant and column.kind != "identifier":
            groups.setdefault(_print_of(sample.frame[column.name]), []).append(column.name)
    pairs = []
    for names in groups.values():
        first = _canonical(sample.frame[names[0]]) if len(names) > 1 else None
        pairs += [(names[0], other) for other in names[1:] if first is not None and first.equals(_canonical(sample.frame[other]))]
    if not pairs:
        return []
    told = ", ".join(f"{other!r} repeats {first!r}" for first, other in pairs[:5]) + (
        f" and {len(pairs) - 5:,} more" if len(pairs) > 5 else ""
    )
    copies = [other for _, other in pairs]
    return [
        Finding(
            "data.duplicate-column",
            "remark",
            f"{told}: the same values in every row looked at",
            evidence={"pairs": [list(pair) for pair in pairs[:SHOWN]], "rows": int(sample.rows.size)},
            columns=tuple(copies[:SHOWN]),
            remedy=f"leave the copies out: data.drop={','.join(copies[:5])}",
        )
    ]


def _canonical(series: pl.Series) -> pl.Series:
    """Numbers as they are; classes by the order of their first rows, so that names do not matter."""
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        return series.to_physical().cast(pl.Float64).rename("")
    known = series.drop_nulls().unique(maintain_order=True)
    return series.replace_strict(known, pl.Series(range(known.len()), dtype=pl.Int64), default=None, return_dtype=pl.Int64).rename("")


def _print_of(series: pl.Series) -> object:
    canonical = _canonical(series)
    return canonical.dtype, hashlib.blake2b(canonical.hash(seed=0).to_numpy().tobytes()).digest()


def _identifiers(sample: Sample) -> list[Finding]:
    schema = sample.dataset.schema
    ignored = [c.name for c in schema.columns if c.kind == "identifier" and c.role == "ignored"]
    used = [c.name for c in sample.features if c.kind == "identifier"]
    for column in sample.measured:
        if column.kind == "number" and _counts(sample.frame[column.name], sample):
            used.append(column.name)
    found = []
    if used:
        found.append(
            Finding(
                "data.identifier",
                "warning",
                f"every row has a number of its own in {named(used)}, which seems to name the rows rather than describe them",
                evidence={"distinct": {name: sample.frame[name].n_unique() for name in used[:SHOWN]}, "rows": int(sample.rows.size)},
                columns=tuple(used[:SHOWN]),
                remedy=f"leave out what new rows will not repeat: data.drop={','.join(used[:5])}",
                confidence=0.9,
            )
        )
    if ignored:
        found.append(
            Finding(
                "data.identifier",
                "remark",
                f"left out as identifiers: {named(ignored)}",
                evidence={"reasons": {name: schema.column(name).reason for name in ignored[:SHOWN]}},
                columns=tuple(ignored[:SHOWN]),
                remedy=f"where that is wrong, say what the values are: data.kinds.{ignored[0]}=category",
            )
        )
    return found


def _counts(series: pl.Series, sample: Sample) -> bool:
    """Whole numbers, all different, that are called like an identifier, or rise from row to row and know nothing of the target."""
    if series.len() < _LEAST or series.null_count() or not series.dtype.is_numeric():
        return False
    values = series.cast(pl.Float64).to_numpy()
    if not (values == np.floor(values)).all():
        return False
    ordered = np.sort(values)
    if (np.diff(ordered) == 0).any():
        return False
    if _NAME.search(series.name.lower()) or _CAMEL.search(series.name):
        return True
    # The rows looked at are a share of all, so a counter may leave out the numbers of the others.
    monotone = bool((np.diff(values) > 0).all() or (np.diff(values) < 0).all())
    dense = ordered[-1] - ordered[0] + 1 <= 2 * values.size
    if not (monotone and dense) or _TIME.search(series.name):
        return False
    bins = skill_bins(values.size)
    return all(skill(coded(series, bins), answer) < _KNOWS for answer in sample.answers)
