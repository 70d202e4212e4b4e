"""Runs of letters: naive Python is the oracle, one letter and one run at a time."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.data import encode_grams
from goodfit.data.encode_grams import BUCKETS, letter_runs

MODULUS = 1 << 64


def naive_bucket(run: str) -> int:
    hashed = 0
    for letter in run:
        hashed = (hashed * 0x9E3779B97F4A7C15 + ord(letter) + 1) % MODULUS
    hashed = ((hashed ^ (hashed >> 30)) * 0xBF58476D1CE4E5B9) % MODULUS
    hashed = ((hashed ^ (hashed >> 27)) * 0x94D049BB133111EB) % MODULUS
    return (hashed ^ (hashed >> 31)) % BUCKETS


def naive(texts: list[str], longest: int) -> list[int]:
    found = set()
    for text in texts:
        plain = re.sub(r"\s+", " ", text.lower())
        found |= {naive_bucket(plain[i : i + n]) for n in range(min(2, longest), longest + 1) for i in range(len(plain) - n + 1)}
    return sorted(found)


def runs(rows: list[list[str]], longest: int) -> list[list[int]]:
    columns = [pl.Series([row[place] for row in rows], dtype=pl.String) for place in range(len(rows[0]))]
    buckets, counts = letter_runs(columns, longest)
    assert buckets.dtype == np.int32
    assert counts.dtype == np.int64
    assert counts.shape == (len(rows),)
    return [part.tolist() for part in np.split(buckets, np.cumsum(counts)[:-1])]


text = st.text(alphabet="abAB \n\t!é漢🎈", max_size=12)
tables = st.integers(1, 3).flatmap(lambda k: st.lists(st.lists(text, min_size=k, max_size=k), min_size=1, max_size=8))


@given(tables, st.integers(1, 6))
def test_runs_equal_naive_python(rows: list[list[str]], longest: int) -> None:
    assert runs(rows, longest) == [naive(row, longest) for row in rows]


@given(tables)
def test_texts_looked_at_in_pieces_give_the_same(rows: list[list[str]]) -> None:
    whole = runs(rows, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_grams, "_LETTERS", 7)
        assert runs(rows, 3) == whole


def test_a_run_never_spans_two_texts() -> None:
    assert runs([["a", "b"], ["", "ab"], ["b", ""]], 3) == [[], naive(["ab"], 3), []]


def test_no_texts_give_no_runs() -> None:
    buckets, counts = letter_runs([pl.Series([], dtype=pl.String)], 3)
    assert buckets.shape == counts.shape == (0,)
