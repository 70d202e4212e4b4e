"""Categories: codes by falling frequency, 0 for everything else."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data import encode_category
from goodfit.data.encode_category import MANY_LEVELS, MOST_LEVELS, Tally, as_text, choose_levels, codes


def tally_of(*chunks: list[str | None]) -> Tally:
    tally = Tally()
    for chunk in chunks:
        tally.add(pl.Series(chunk, dtype=pl.String))
    return tally


def test_levels_are_ranked_over_chunks_and_equal_counts_by_name() -> None:
    levels, rare = choose_levels(tally_of(["b", "c", None], ["c", "a"], ["b"]))
    assert (levels, rare) == (["b", "c", "a"], 0)


@given(st.lists(st.lists(st.sampled_from([None, "", "a", "b", "ß", "\0"]), max_size=20), max_size=5))
def test_counts_equal_a_counter(chunks: list[list[str | None]]) -> None:
    counter = Counter(value for chunk in chunks for value in chunk if value is not None)
    levels, counts = tally_of(*chunks).ranked()
    assert list(zip(levels, counts.tolist(), strict=True)) == sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def test_unseen_and_missing_values_share_code_0() -> None:
    assert codes(pl.Series(["a", "zebra", None, "b"]), pl.Enum(["b", "a"])).tolist() == [2, 0, 0, 1]
    assert codes(pl.Series([None, None], dtype=pl.String), pl.Enum([])).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [pl.Int64, pl.Int8, pl.Float64, pl.Float32])
def test_a_number_is_the_same_level_whatever_its_type(dtype: pl.DataType) -> None:
    assert codes(pl.Series([3, 1, None], dtype=dtype), pl.Enum(["1", "3"])).tolist() == [2, 1, 0]


def test_floats_that_are_not_whole_stay_as_they_are() -> None:
    assert as_text(pl.Series([0.5, float("inf"), -2.0])).to_list() == ["0.5", "inf", "-2"]


def test_booleans_are_two_levels() -> None:
    assert codes(pl.Series([True, False, None]), pl.Enum(["false", "true"])).tolist() == [2, 1, 0]


def test_levels_of_one_row_are_left_out_of_long_lists_only() -> None:
    few = [str(i) for i in range(MANY_LEVELS)]
    assert choose_levels(tally_of(few))[1] == 0
    many = [str(i) for i in range(MANY_LEVELS + 1)]
    levels, rare = choose_levels(tally_of([*many, "0", "1"]))
    assert (levels, rare) == (["0", "1"], MANY_LEVELS - 1)


def test_very_many_levels_are_capped() -> None:
    levels, rare = choose_levels(tally_of([str(i) for i in range(MOST_LEVELS + 7)] * 2))
    assert (len(levels), rare) == (MOST_LEVELS, 7)


def test_counting_forgets_single_values_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_category, "_MOST_COUNTED", 3)
    tally = tally_of(["a", "a", "b", "c", "d"])
    assert tally.ranked()[0] == ["a"]
