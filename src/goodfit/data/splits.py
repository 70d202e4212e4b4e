"""Which rows train, which validate, and which are the sealed test set; and folds of the rows that may be learned from.

n rows. What decides, the first that applies: the parts that files or a column say; a time; groups; the classes of the target or the
quantiles of its values, so that each part has its share of each; chance. All is a function of the data, the settings and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import DataPart
from goodfit.base.streams import derive, numpy_stream
from goodfit.data.dataset import TEST, TRAIN, VALID, Dataset
from goodfit.data.gaps import codes_of, has_gaps, labelled
from goodfit.data.target import STRUCTURED, UNLABELLED, TargetSpec
from goodfit.data.windows import how_by_time

QUANTILES = 10  # of a regression target that every part has its share of; more would tie the parts closer than chance needs
_GROUP_TRIES = 16  # orders of the groups of which the one with the evenest classes is taken
_MANY_GROUPS = 10_000  # groups above which chance alone makes the classes even, and one order is enough
_RECENT = 2.0  # folds by time validate within the latest rows: so many times the validation share, cut into k blocks


@dataclass(frozen=True)
class Split:
    """Positions of the rows of each part, int64, sorted, without overlap.

    how: what decided, as the end of the sentence "The rows were split ...". by: "given", "time", "group", "class", "value" or "chance".
    valid_given: whether the validation rows are the user's choice.
    """

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    how: str = "at random"
    by: str = "chance"
    valid_given: bool = False


def split(dataset: Dataset, target: TargetSpec, settings: DataPart, seed: int) -> Split:
    """The parts of a data set. `valid_fraction` and `test_fraction` count all rows (those still to be divided, where some parts are given).

    Parts that are given stay as they are; a validation part that is not given is taken from the training rows, and so is a test part
    where `test_fraction` was set. Raises DataError when a part would have no row, SettingError when the fractions leave none to train on, or count rows that are
    given. (Folds by time use them all the same.)
    """
    if settings.valid_fraction + settings.test_fraction >= 1:
        raise SettingError(
            f"data.valid_fraction and data.test_fraction must leave rows to train on; {settings.valid_fraction:g} and"
            f" {settings.test_fraction:g} were given, so lower one",
            value=settings.valid_fraction,
        )
    if target.course is not None:
        train, valid, test = (np.flatnonzero(dataset.part == part) for part in (TRAIN, VALID, TEST))
        return Split(train, valid, test, how_by_time(dataset), "time", True)
    if target.kind == "language":
        train, valid, test = (np.flatnonzero(dataset.part == part) for part in (TRAIN, VALID, TEST))
        return Split(train, valid, test, "where the text stands, the test part last", "place")
    if dataset.part is None:
        divider = _Divider(dataset, target, labelled(dataset, target) if has_gaps(dataset) else np.arange(dataset.rows), seed)
        test = divider.take(settings.test_fraction, "test")
        valid = divider.take(settings.valid_fraction, "valid")
        return Split(divider.left, valid, test, divider.how, divider.by)
    return _given(dataset, target, settings, seed)


def _given(dataset: Dataset, target: TargetSpec, settings: DataPart, seed: int) -> Split:
    assert dataset.part is not None
    train, valid, test = (np.flatnonzero(dataset.part == part) for part in (TRAIN, VALID, TEST))
    if has_gaps(dataset):
        train, valid, test = (np.intersect1d(rows, labelled(dataset, target)) for rows in (train, valid, test))
    if not train.size:
        raise DataError("at least one row must be for training; the given split has none, so call some rows 'train'")
    for part, rows in (("valid", valid), ("test", test)):
        fraction = getattr(settings, f"{part}_fraction")
        if rows.size and fraction != DataPart.model_fields[f"{part}_fraction"].default and not dataset.schema.with_role("time"):
            raise SettingError(f"data.{part}_fraction has no effect, since the {part} rows are given; leave it out", value=fraction)
    divider = _Divider(dataset, target, train, seed)
    column = next((f" (column {c.name!r})" for c in dataset.schema.with_role("split")), "")
    how = f"as given{column}"
    if not test.size and settings.test_fraction and "test_fraction" in settings.model_fields_set:
        test = divider.take(settings.test_fraction, "test")
        how += f"; the test rows were taken from those for training {divider.how}"
    elif not test.size:
        how += "; no test rows were given"
    valid_given = valid.size > 0
    if not valid_given:
        valid = divider.take(settings.valid_fraction, "valid")
        how += f"; the validation rows were taken from those for training {divider.how}"
    return Split(divider.left, valid, test, how, "given", valid_given)


def folds(
    dataset: Dataset, target: TargetSpec, rows: np.ndarray, k: int, settings: DataPart, seed: int, repeats: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """k pairs (train, validation) of positions out of `rows`, sorted; so many of each repeat, which deals the rows out anew.

    Stratified, and by group where there is a group column: every row validates once, and trains in the other k - 1.
    By time: the validation blocks follow each other through the latest rows, and only what lies before a block trains for it.
    Raises DataError when there are fewer rows, groups or times than folds, SettingError for repeats by time, which would all be the same.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if k < 2 or repeats < 1:
        raise SettingError(f"there must be at least 2 folds and 1 repeat; {k} and {repeats} were given", value=k if k < 2 else repeats)
    divider = _Divider(dataset, target, rows, seed)
    if divider.time is not None:
        if repeats > 1:
            raise SettingError(
                f"folds by time cannot be repeated, since time has one order; give 1 repeat rather than {repeats}", value=repeats
            )
        share = settings.valid_fraction / (1 - settings.test_fraction)
        return divider.blocks(k, min(0.5, _RECENT * share))
    found = []
    for repeat in range(repeats):
        fold = (divider if not repeat else _Divider(dataset, target, rows, derive(seed, "split", "repeat", repeat))).fold_of(k)
        found += [(rows[fold != index], rows[fold == index]) for index in range(k)]
    return found


class _Divider:
    """Rows from which parts are taken, one after the other."""

    def __init__(self, dataset: Dataset, target: TargetSpec, rows: np.ndarray, seed: int) -> None:
        self.left = rows.astype(np.int64)
        self.total = rows.size
        self.seed = seed
        times, groups = dataset.schema.with_role("time"), dataset.schema.with_role("group")
        self.group = group_ids(dataset.column(groups[0].name)) if groups else None
        self.time = _times(dataset.column(times[0].name), times[0].name) if times else None
        codes = codes_of(dataset, target)
        self.strata = _strata(codes, target, rows, seed)
        self.group_name = groups[0].name if groups else ""
        self.time_name = times[0].name if times else ""
        if self.time is not None:
            self.by, self.how = "time", f"by the time in {self.time_name!r}, the latest rows last, equal times together"
            if self.group is not None:
                self.how += f", and no group of {self.group_name!r} in two parts"
        elif self.group is not None:
            self.by, self.how = "group", f"by the groups of {self.group_name!r}, none of which is in two parts"
        elif self.strata is None:
            self.by, self.how = "chance", "at random"
        else:
            name, kind = _stratified_by(target)
            self.by = "class" if kind != "regression" else "value"
            what = "each class" if kind != "regression" else "each tenth of the values"
            self.how = f"at random, with the same share of {what} of {name!r} in every part"

    def take(self, fraction: float, part: str) -> np.ndarray:
        """Take `fraction` of the rows that there were at the beginning, at least one, and leave at least one."""
        if not fraction:
            return np.empty(0, dtype=np.int64)
        if self.left.size < 2 + (part == "test"):
            needed, given = (3, "training, validation and test") if part == "test" else (2, "training and validation")
            there = f"there {'is' if self.left.size == 1 else 'are'} {self.left.size}"
            remedy = "add rows or set data.test_fraction=0" if part == "test" and self.left.size == 2 else "add rows"
            raise DataError(f"{given} need at least {needed} rows, one each; {there}, so {remedy}")
        # The test rows are taken first and must leave a row for validation besides the one for training.
        count = int(np.clip(round(fraction * self.total), 1, self.left.size - 1 - (part == "test")))
        if self.time is not None:
            chosen = self._latest(count, part)
        elif self.group is not None:
            chosen = self._groups(count, part)
        elif self.strata is not None:
            chosen = _stratified(self.strata[self.left], count, 1 + (part == "test"), numpy_stream(self.seed, "split", part))
        else:
            chosen = np.zeros(self.left.size, dtype=bool)
            chosen[numpy_stream(self.seed, "split", part).permutation(self.left.size)[:count]] = True
        taken, self.left = self.left[chosen], self.left[~chosen]
        return taken

    def _latest(self, count: int, part: str) -> np.ndarray:
        """[left] bool: about `count` of the latest rows; equal times, and groups, stay together."""
        when = self._unit_times()
        moments, first = np.unique(np.sort(when), return_index=True)
        parts_left = 2 + (part == "test")
        if moments.size < parts_left:
            raise DataError(
                f"a split by time needs at least {parts_left} different times; {self.time_name!r} has {moments.size} in the rows to divide",
                column=self.time_name,
            )
        # first[i] rows lie before moment i. The cut nearest to the wanted one that leaves a moment for every other part:
        cuts = np.arange(parts_left - 1, moments.size)
        cut = cuts[np.abs(when.size - first[cuts] - count).argmin()]
        return when >= moments[cut]

    def _unit_times(self) -> np.ndarray:
        """[left] the time of each row, or the last time of its group."""
        assert self.time is not None
        when = self.time[self.left]
        if self.group is not None:
            ids = np.unique(self.group[self.left], return_inverse=True)[1]
            last = np.full(ids.max() + 1, when.min())
            np.maximum.at(last, ids, when)
            when = last[ids]
        return when

    def _groups(self, count: int, part: str) -> np.ndarray:
        """[left] bool: whole groups with about `count` rows together, and with about the classes of all rows."""
        assert self.group is not None
        ids = np.unique(self.group[self.left], return_inverse=True)[1]
        size = np.bincount(ids)
        parts_left = 2 + (part == "test")
        if size.size < parts_left:
            raise DataError(
                f"a split by group needs at least {parts_left} groups, one for each part; {self.group_name!r} has {size.size}"
                " in the rows to divide",
                column=self.group_name,
            )
        strata = None if self.strata is None else self.strata[self.left]
        stream = numpy_stream(self.seed, "split", part)
        best: tuple[float, np.ndarray] | None = None
        for _ in range(_GROUP_TRIES if size.size <= _MANY_GROUPS else 1):
            chosen = _fill(size, stream.permutation(size.size), count, parts_left - 1)[ids]
            cost = abs(int(chosen.sum()) - count) / self.left.size
            if strata is not None:
                shares = [np.bincount(strata[mask], minlength=strata.max() + 1) / mask.sum() for mask in (chosen, ~chosen)]
                cost += float(np.abs(shares[0] - shares[1]).sum())
            if best is None or cost < best[0]:
                best = (cost, chosen)
        assert best is not None
        return best[1]

    def fold_of(self, k: int) -> np.ndarray:
        """[left] the fold in which each row validates, 0 to k - 1."""
        n = self.left.size
        stream = numpy_stream(self.seed, "split", "folds")
        if self.group is not None:
            ids = np.unique(self.group[self.left], return_inverse=True)[1]
            size = np.bincount(ids)
            if size.size < k:
                raise DataError(f"{k} folds by group need at least {k} groups; {self.group_name!r} has {size.size}", column=self.group_name)
            fold, load = np.empty(size.size, dtype=np.int64), np.zeros(k, dtype=np.int64)
            order = stream.permutation(size.size)
            for group in order[np.argsort(-size[order], kind="stable")]:  # the largest first, each to the emptiest fold
                fold[group] = load.argmin()
                load[fold[group]] += size[group]
            return fold[ids]
        if n < k:
            raise DataError(f"{k} folds need at least {k} rows; {n} were given, so set train.members to {max(1, n)} at most")
        order = stream.permutation(n)
        if self.strata is not None:  # rows of one class stand side by side and are dealt out in turn
            order = order[np.argsort(self.strata[self.left][order], kind="stable")]
        fold = np.empty(n, dtype=np.int64)
        fold[order] = np.arange(n) % k
        return fold

    def blocks(self, k: int, share: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """k pairs whose validation rows follow each other through the latest `share` of the rows."""
        when = self._unit_times()
        moments, first = np.unique(np.sort(when), return_index=True)
        if moments.size <= k:
            raise DataError(
                f"{k} folds by time need more than {k} different times; {self.time_name!r} has {moments.size}", column=self.time_name
            )
        n = when.size
        wanted = n * (1 - share) + n * share * np.arange(k) / k
        cuts = np.abs(first[:, None] - wanted).argmin(axis=0)
        # Ties may have put two cuts on one moment: every block keeps at least one moment, and one lies before the first.
        for index in range(k):
            cuts[index] = min(max(cuts[index], cuts[index - 1] + 1 if index else 1), moments.size - k + index)
        ends = [*moments[cuts[1:]], None]
        found = []
        for cut, end in zip(cuts, ends, strict=True):
            inside = (when >= moments[cut]) if end is None else (when >= moments[cut]) & (when < end)
            found.append((self.left[when < moments[cut]], self.left[inside]))
        return found


def _stratified_by(target: TargetSpec) -> tuple[str, str]:
    """Name and kind of the target, or of the part of several, that the rows are stratified by."""
    parts = target.parts or (target,)
    chosen = next((part for part in parts if part.kind != "regression"), parts[0])
    return chosen.names[0], chosen.kind


def _strata(codes: np.ndarray, target: TargetSpec, rows: np.ndarray, seed: int) -> np.ndarray | None:
    """[n] int64 classes or quantiles to be shared out evenly, None where chance decides (multilabel, answers with parts, no target, few numbers)."""
    if target.kind in ("multilabel", *STRUCTURED, *UNLABELLED):
        return None
    name, kind = _stratified_by(target)
    if target.kind == "several":
        codes = codes[:, target.names.index(name)]
    if kind != "regression":
        return np.rint(codes).astype(np.int64)
    bins = min(QUANTILES, rows.size // QUANTILES)  # ten rows in each at least
    if bins < 2:
        return None
    order = numpy_stream(seed, "split", "ties").permutation(rows.size)
    order = order[np.argsort(codes[rows][order], kind="stable")]
    strata = np.zeros(len(codes), dtype=np.int64)
    strata[rows[order]] = np.arange(rows.size) * bins // rows.size
    return strata


def _stratified(strata: np.ndarray, count: int, keep: int, stream: np.random.Generator) -> np.ndarray:
    """[n] bool: `count` rows, of each stratum its share to within a row; a stratum keeps `keep` rows while it can.

    Where strata are too small for that (each row its own class), chance takes the missing rows from all.
    """
    size = np.bincount(strata)
    ideal = size * (count / strata.size)
    most = np.maximum(size - keep, 0)
    taken = np.minimum(np.floor(ideal + 1e-9).astype(np.int64), most)
    # Largest remainders, ties broken by chance; rounds, since a stratum may have to give more than one where others cannot.
    while (missing := count - int(taken.sum())) > 0 and (open_ := np.flatnonzero(taken < most)).size:
        remainder = (ideal - taken)[open_] + stream.random(open_.size) * 1e-6
        taken[open_[np.argsort(-remainder)[:missing]]] += 1
    order = stream.permutation(strata.size)
    order = order[np.argsort(strata[order], kind="stable")]  # by stratum, shuffled inside
    position = np.arange(strata.size) - np.repeat(np.cumsum(size) - size, size)
    chosen = np.zeros(strata.size, dtype=bool)
    chosen[order[position < taken[strata[order]]]] = True
    if (missing := count - int(chosen.sum())) > 0:
        chosen[stream.permutation(np.flatnonzero(~chosen))[:missing]] = True
    return chosen


def _fill(size: np.ndarray, order: np.ndarray, count: int, leave: int) -> np.ndarray:
    """[groups] bool: groups taken in `order`, each if it brings the rows nearer to `count`; at least one, and `leave` stay."""
    chosen = np.zeros(size.size, dtype=bool)
    rows = taken = 0
    for group in order:
        if taken < size.size - leave and rows + size[group] / 2 <= count:
            chosen[group] = True
            rows += size[group]
            taken += 1
            if rows >= count:
                break
    if not taken:
        chosen[order[size[order].argmin()]] = True
    return chosen


def group_ids(column: pl.Series) -> np.ndarray:
    """[n] int64; a row without a group is a group of its own."""
    values = column.drop_nulls().unique(maintain_order=True)
    ids = column.replace_strict(values, pl.Series(range(values.len()), dtype=pl.Int64), default=None, return_dtype=pl.Int64)
    known = ids.fill_null(-1).to_numpy().copy()
    alone = np.flatnonzero(known < 0)
    known[alone] = values.len() + np.arange(alone.size)
    return known


def _times(column: pl.Series, name: str) -> np.ndarray:
    """[n] float64 or int64; a row without a time counts as the earliest, so that it trains."""
    if not (column.dtype.is_temporal() or column.dtype.is_numeric()):
        raise DataError(f"a split by time needs dates or numbers; {name!r} holds {column.dtype}, such as {column[0]!r}", column=name)
    if column.null_count() == column.len():
        raise DataError(f"a split by time needs times; {name!r} is empty", column=name)
    numbers = column.to_physical() if column.dtype.is_temporal() else column
    return numbers.fill_null(numbers.min()).to_numpy()
