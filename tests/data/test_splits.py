"""Splits and folds: nothing lost, nothing twice, and what each kind of split promises."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.errors import DataError, SettingError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Column, Dataset, Role, Schema, in_memory
from goodfit.data.splits import Split, folds, split
from goodfit.data.target import TargetSpec


def table(roles: dict[str, Role], part: np.ndarray | None = None, **columns: object) -> Dataset:
    """A data set of columns whose role is feature unless `roles` says otherwise; the column `y` is the target."""
    frame = pl.DataFrame(columns)
    described = tuple(
        Column(name, "number", roles.get(name, "target" if name == "y" else "feature"), str(frame[name].dtype), 0, 2, "in the test")
        for name in frame.columns
    )
    return in_memory(frame, Schema(described), part=part)


def classes(data: Dataset) -> TargetSpec:
    found = tuple(data.column("y").unique().sort().to_list())
    return TargetSpec("binary" if len(found) == 2 else "multiclass", ("y",), found)


REGRESSION = TargetSpec("regression", ("y",))


def whole(parts: Split, n: int) -> None:
    """Every row in exactly one part, sorted int64."""
    for rows in (parts.train, parts.valid, parts.test):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
    assert sorted(np.concatenate([parts.train, parts.valid, parts.test]).tolist()) == list(range(n))
    assert parts.train.size
    assert parts.valid.size


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    valid=st.floats(0.05, 0.4),
    test=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=100, deadline=None)
def test_classes_have_their_share_in_every_part(sizes: list[int], valid: float, test: float, seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n = len(y)
    data = table({}, y=y)
    recipe = DataPart(valid_fraction=valid, test_fraction=test)
    if n < 2 + (test > 0):
        with pytest.raises(DataError):
            split(data, classes(data), recipe, seed)
        return
    parts = split(data, classes(data), recipe, seed)
    whole(parts, n)
    assert parts.by == "class"
    wanted = 0 if not test else max(1, min(round(n * test), n - 2))
    assert parts.test.size == wanted
    assert parts.valid.size == max(1, min(round(n * valid), n - wanted - 1))
    # A class gives its share to within the rows that rare classes could not give, and stays in training while it can.
    short = sum(size <= 2 for size in sizes)
    for label, size in enumerate(sizes):
        if size >= 3:
            assert abs((y[parts.test] == label).sum() - size * wanted / n) <= 1 + short
        if size >= 3 and sum(sizes) - 2 * len(sizes) >= wanted + parts.valid.size:
            assert (y[parts.train] == label).any()


@given(n=st.integers(3, 400), seed=st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_values_have_their_share_of_each_tenth(n: int, seed: int) -> None:
    y = np.random.default_rng(seed).lognormal(size=n)
    data = table({}, y=y)
    parts = split(data, REGRESSION, DataPart(), seed)
    whole(parts, n)
    bins = min(10, n // 10)
    assert parts.by == ("value" if bins >= 2 else "chance")
    if bins >= 2:
        tenth = np.argsort(np.argsort(y)) * bins // n
        assert np.abs(np.bincount(tenth[parts.test], minlength=bins) - np.bincount(tenth) * parts.test.size / n).max() <= 1


def test_the_seed_decides_and_nothing_else() -> None:
    data = table({}, y=np.arange(200) % 3)
    one, two, other = (split(data, classes(data), DataPart(), s) for s in (0, 0, 1))
    assert np.array_equal(one.test, two.test)
    assert np.array_equal(one.valid, two.valid)
    assert not np.array_equal(one.test, other.test)
    # A larger validation part takes no other test rows: the sealed set stays sealed.
    more = split(data, classes(data), DataPart(valid_fraction=0.3), 0)
    assert np.array_equal(one.test, more.test)


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_a_handful_of_rows_gives_each_part_one(n: int) -> None:
    for y in (np.arange(n) % 2, np.arange(n), np.zeros(n, int)):
        data = table({}, y=y)
        parts = split(data, classes(data) if len(set(y)) > 1 else TargetSpec("multiclass", ("y",), (0, 1, 2)), DataPart(), 0)
        whole(parts, n)
        assert (parts.valid.size, parts.test.size) == (1, 1)


def test_greedy_fractions_leave_every_part_a_row() -> None:
    for n in (3, 4, 5, 9):
        data = table({}, y=np.arange(n) % 2)
        for test, valid in ((0.85, 0.1), (0.1, 0.85), (0.45, 0.5)):
            parts = split(data, classes(data), DataPart(test_fraction=test, valid_fraction=valid), 0)
            whole(parts, n)
            assert parts.test.size >= 1


@pytest.mark.parametrize("seed", range(5))
def test_rare_classes_train(seed: int) -> None:
    y = np.array([0] * 200 + [1] * 2 + [2] + [3] * 3)
    data = table({}, y=y)
    parts = split(data, classes(data), DataPart(valid_fraction=0.3, test_fraction=0.3), seed)
    counts = np.array([np.bincount(y[rows], minlength=4) for rows in (parts.train, parts.valid, parts.test)])
    assert counts[0, 2] == 1  # the only row of its class
    assert counts[0, 1:].min() >= 1
    assert counts[:, 3].tolist() == [1, 1, 1]


def test_too_few_rows_get_one_sentence() -> None:
    data = table({}, y=[0, 1])
    with pytest.raises(DataError, match=r"at least 3 rows, one each; there are 2, so add rows or set data.test_fraction=0"):
        split(data, classes(data), DataPart(), 0)
    whole(split(data, classes(data), DataPart(test_fraction=0), 0), 2)
    data = table({}, y=[1])
    with pytest.raises(DataError, match="there is 1"):
        split(data, TargetSpec("binary", ("y",), (0, 1)), DataPart(test_fraction=0), 0)
    with pytest.raises(SettingError, match="leave rows to train on"):
        split(table({}, y=np.arange(100) % 2), TargetSpec("binary", ("y",), (0, 1)), DataPart(valid_fraction=0.5, test_fraction=0.5), 0)


def test_multilabel_and_several_targets() -> None:
    stream = np.random.default_rng(0)
    data = table({"z": "target"}, y=stream.integers(0, 2, 100), z=stream.normal(size=100))
    several = TargetSpec("several", ("z", "y"), parts=(TargetSpec("regression", ("z",)), TargetSpec("binary", ("y",), (0, 1))))
    parts = split(data, several, DataPart(), 0)
    whole(parts, 100)
    share = data.column("y").to_numpy().mean()
    assert abs(data.column("y").to_numpy()[parts.test].sum() - share * 15) <= 1
    assert "'y'" in parts.how
    labels = table({"z": "target"}, y=stream.integers(0, 2, 50), z=stream.integers(0, 2, 50))
    parts = split(labels, TargetSpec("multilabel", ("y", "z"), ("y", "z")), DataPart(), 0)
    whole(parts, 50)
    assert parts.by == "chance"


@given(sizes=st.lists(st.integers(1, 30), min_size=3, max_size=40), seed=st.integers(0, 1_000), nulls=st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_no_group_is_in_two_parts(sizes: list[int], seed: int, nulls: int) -> None:
    stream = np.random.default_rng(seed)
    group = [f"g{index}" for index, size in enumerate(sizes) for _ in range(size)] + [None] * nulls
    order = stream.permutation(len(group))
    group = [group[i] for i in order]
    data = table({"g": "group"}, g=pl.Series(group, dtype=pl.String), y=stream.integers(0, 2, len(group)))
    target = TargetSpec("binary", ("y",), (0, 1))
    parts = split(data, target, DataPart(), seed)
    whole(parts, len(group))
    assert parts.test.size
    assert parts.by == "group"
    owners: dict[str, int] = {}
    for index, rows in enumerate((parts.train, parts.valid, parts.test)):
        for row in rows:
            if group[row] is not None:
                assert owners.setdefault(group[row], index) == index
    k = 3
    seen: dict[str, int] = {}
    for index, (train, valid) in enumerate(folds(data, target, np.arange(len(group)), k, DataPart(), seed)):
        assert not set(train) & set(valid)
        assert len(train) + len(valid) == len(group)
        for row in valid:
            if group[row] is not None:
                assert seen.setdefault(group[row], index) == index


def test_rows_without_a_group_stand_alone() -> None:
    group = pl.Series(["g", "h"] * 5 + [None] * 90, dtype=pl.String)
    data = table({"g": "group"}, g=group, y=np.arange(100) % 2)
    parts = split(data, classes(data), DataPart(), 0)
    assert (parts.train.size, parts.valid.size, parts.test.size) == (70, 15, 15)


def test_groups_fill_the_parts_to_about_their_share_and_keep_the_classes() -> None:
    stream = np.random.default_rng(0)
    group = np.repeat(np.arange(100), 10)
    y = np.repeat((np.arange(100) % 5 == 0).astype(int), 10)  # a class is a property of the group
    order = stream.permutation(1_000)
    data = table({"g": "group"}, g=group[order], y=y[order])
    parts = split(data, classes(data), DataPart(), 0)
    assert abs(parts.test.size - 150) <= 10
    assert abs(parts.valid.size - 150) <= 10
    assert abs(y[order][parts.test].mean() - 0.2) < 0.05
    giant = table({"g": "group"}, g=[0] * 80 + [1] * 10 + [2] * 10, y=np.arange(100) % 2)
    parts = split(giant, classes(giant), DataPart(), 0)
    assert (parts.train.size, parts.valid.size, parts.test.size) == (80, 10, 10)
    few = table({"g": "group"}, g=[0] * 50 + [1] * 50, y=np.arange(100) % 2)
    with pytest.raises(DataError, match=r"at least 3 groups.*'g' has 2"):
        split(few, classes(few), DataPart(), 0)


@given(moments=st.lists(st.integers(0, 30), min_size=3, max_size=200), seed=st.integers(0, 100))
@settings(max_examples=80, deadline=None)
def test_the_latest_rows_are_the_test_set(moments: list[int], seed: int) -> None:
    start = datetime(2020, 1, 1)
    data = table({"t": "time"}, t=[start + timedelta(days=m) for m in moments], y=np.arange(len(moments)) % 2)
    target = TargetSpec("binary", ("y",), (0, 1))
    t = np.array(moments)
    if len(set(moments)) < 3:
        with pytest.raises(DataError, match="different times"):
            split(data, target, DataPart(), seed)
        return
    parts = split(data, target, DataPart(), seed)
    whole(parts, len(moments))
    assert t[parts.train].max() < t[parts.valid].min()
    assert t[parts.valid].max() < t[parts.test].min()
    if len(set(moments)) == len(moments):
        assert parts.test.size == max(1, min(round(0.15 * len(moments)), len(moments) - 2))
    if len(set(moments)) > 4:
        pairs = folds(data, target, np.arange(len(moments)), 4, DataPart(), seed)
        assert len(pairs) == 4
        for train, valid in pairs:
            assert train.size
            assert valid.size
            assert t[train].max() < t[valid].min()
        assert max(moments) in t[pairs[-1][1]]


def test_time_and_groups_together() -> None:
    stream = np.random.default_rng(0)
    group = stream.integers(0, 50, 500)
    t = group * 10.0 + stream.uniform(0, 15, 500)  # groups overlap in time
    data = table({"t": "time", "g": "group"}, t=t, g=group, y=np.arange(500) % 2)
    parts = split(data, classes(data), DataPart(), 0)
    whole(parts, 500)
    owners = [set(group[rows]) for rows in (parts.train, parts.valid, parts.test)]
    assert not owners[0] & owners[1]
    assert not owners[1] & owners[2]
    assert t[parts.test].mean() > t[parts.valid].mean() > t[parts.train].mean()


def test_missing_and_unusable_times() -> None:
    y = np.arange(20) % 2
    data = table({"t": "time"}, t=[None, None, *range(18)], y=y)
    parts = split(data, classes(data), DataPart(), 0)
    assert {0, 1} <= set(parts.train)
    text = table({"t": "time"}, t=["late"] * 20, y=y)
    with pytest.raises(DataError, match="dates or numbers; 't' holds String, such as 'late'"):
        split(text, classes(text), DataPart(), 0)
    none = table({"t": "time"}, t=pl.Series([None] * 20, dtype=pl.Float64), y=y)
    with pytest.raises(DataError, match="'t' is empty"):
        split(none, classes(none), DataPart(), 0)


def test_given_parts_stay_and_a_missing_validation_part_comes_from_training() -> None:
    y = np.arange(100) % 2
    part = np.array([0] * 60 + [1] * 20 + [2] * 20, dtype=np.int8)
    data = table({}, part=part, y=y)
    parts = split(data, classes(data), DataPart(), 0)
    assert parts.train.tolist() == list(range(60))
    assert parts.valid.tolist() == list(range(60, 80))
    assert parts.test.tolist() == list(range(80, 100))
    assert parts.by == "given"
    no_valid = table({}, part=np.where(part == 1, 0, part), y=y)
    parts = split(no_valid, classes(no_valid), DataPart(), 0)
    whole(parts, 100)
    assert parts.test.tolist() == list(range(80, 100))
    assert parts.valid.size == round(0.15 * 80)
    assert "validation rows were taken" in parts.how
    no_test = table({}, part=np.where(part == 2, 0, part), y=y)
    assert split(no_test, classes(no_test), DataPart(), 0).test.size == 0
    assert split(no_test, classes(no_test), DataPart(test_fraction=0.1), 0).test.size == 8
    no_train = table({}, part=np.full(100, 2), y=y)
    with pytest.raises(DataError, match="at least one row must be for training"):
        split(no_train, classes(no_train), DataPart(), 0)
    one = table({}, part=np.array([0] + [2] * 99), y=y)
    with pytest.raises(DataError, match="training and validation need at least 2 rows"):
        split(one, classes(one), DataPart(), 0)


def test_repeats_deal_the_rows_out_anew() -> None:
    y = np.random.default_rng(0).integers(0, 2, 60)
    data, target = table({}, y=y), TargetSpec("binary", ("y",), (0, 1))
    found = folds(data, target, np.arange(60), 5, DataPart(), 3, repeats=3)
    assert len(found) == 15
    once = folds(data, target, np.arange(60), 5, DataPart(), 3)
    assert all(np.array_equal(a, b) for pair, other in zip(found, once, strict=False) for a, b in zip(pair, other, strict=True))
    for repeat in range(3):
        own = found[5 * repeat : 5 * repeat + 5]
        assert sorted(np.concatenate([valid for _, valid in own]).tolist()) == list(range(60))
        assert all(abs(y[valid].mean() - y.mean()) < 0.1 for _, valid in own)
    assert len({tuple(valid) for _, valid in found}) == 15
    for k, repeats in ((1, 1), (3, 0)):
        with pytest.raises(SettingError, match="at least 2 folds and 1 repeat"):
            folds(data, target, np.arange(60), k, DataPart(), 3, repeats=repeats)
    timed = table({"t": "time"}, t=np.arange(60.0), y=y)
    with pytest.raises(SettingError, match="time has one order; give 1 repeat rather than 2"):
        folds(timed, target, np.arange(60), 3, DataPart(), 3, repeats=2)


@given(n=st.integers(4, 120), k=st.integers(2, 8), seed=st.integers(0, 1_000), C=st.integers(2, 5))
@settings(max_examples=60, deadline=None)
def test_folds_cover_every_row_once_with_even_classes(n: int, k: int, seed: int, C: int) -> None:
    stream = np.random.default_rng(seed)
    y = stream.integers(0, C, n)
    data = table({}, y=y)
    rows = np.sort(stream.permutation(n)[: n - n // 4])
    target = TargetSpec("multiclass", ("y",), tuple(range(C)))
    if rows.size < k:
        with pytest.raises(DataError, match="folds need at least"):
            folds(data, target, rows, k, DataPart(), seed)
        return
    found = folds(data, target, rows, k, DataPart(), seed)
    assert sorted(np.concatenate([valid for _, valid in found]).tolist()) == rows.tolist()
    for train, valid in found:
        assert sorted([*train, *valid]) == rows.tolist()
        for label in range(C):
            assert abs((y[valid] == label).sum() - (y[rows] == label).sum() / k) < 1 + 1e-9
