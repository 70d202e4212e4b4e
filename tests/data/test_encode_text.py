"""Texts: naive Python is the oracle of cutting, sharing and joining."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.base.errors import BundleError, MissingExtra, SettingError
from goodfit.data import encode_text
from goodfit.data.encode_category import Tally
from goodfit.data.encode_grams import BUCKETS, letter_runs
from goodfit.data.encode_text import END, SPECIAL, UNKNOWN, TextEncoder, pairs_from, share, split_words, words_from

WORDS = ("one", "two", "three")


def naive_share(lengths: list[int], limit: int) -> list[int]:
    """The shortest text takes what it needs of an equal share, then the next shortest of an equal share of what is left."""
    kept = [0] * len(lengths)
    open_ = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    left = limit
    while open_:
        shortest = open_.pop(0)
        kept[shortest] = min(lengths[shortest], left // (len(open_) + 1))
        left -= kept[shortest]
    return kept


def naive(texts: list[list[str | None]], limit: int) -> list[list[int]]:
    rows = []
    for row in texts:
        tokens = [[SPECIAL + WORDS.index(w) if w in WORDS else UNKNOWN for w in (text or "").split()] for text in row]
        if len(row) == 1:
            rows.append(tokens[0][:limit] or [END])
            continue
        kept = naive_share([len(t) for t in tokens], limit - len(row))
        rows.append([token for t, k in zip(tokens, kept, strict=True) for token in [*t[:k], END]])
    return rows


def split(ids: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(ids, np.cumsum(lengths)[:-1])]


text = st.none() | st.lists(st.sampled_from([*WORDS, "four"]), max_size=9).map(" ".join)


@given(st.integers(1, 3).flatmap(lambda k: st.lists(st.lists(text, min_size=k, max_size=k), min_size=1, max_size=12)), st.integers(6, 16))
def test_encoding_equals_naive_python(texts: list[list[str | None]], limit: int) -> None:
    names = tuple("abc"[: len(texts[0])])
    frame = pl.DataFrame(texts, schema=dict.fromkeys(names, pl.String), orient="row")
    ids, lengths = TextEncoder(names, "word", WORDS, limit).encode(frame)
    assert split(ids, lengths) == naive(texts, limit)
    assert ids.dtype == np.int32
    assert lengths.min() >= 1
    assert lengths.max() <= limit


@given(st.lists(st.tuples(text, text), min_size=1, max_size=8), st.integers(6, 40))
def test_runs_of_letters_follow_the_words_and_share_the_room(texts: list[tuple[str | None, str | None]], limit: int) -> None:
    frame = pl.DataFrame(texts, schema={"a": pl.String, "b": pl.String}, orient="row")
    base = SPECIAL + len(WORDS)
    encoder = TextEncoder(("a", "b"), "word", WORDS, limit, grams=3)
    assert encoder.vocabulary == base + BUCKETS
    ids, lengths = encoder.encode(frame)
    buckets, counts = letter_runs([frame["a"].fill_null(""), frame["b"].fill_null("")], 3)
    runs = split(buckets + base, counts)
    for row, found, grams in zip(texts, split(ids, lengths), runs, strict=True):
        words = [len((part or "").split()) for part in row]
        kept = naive_share([*words, len(grams)], limit - 2)
        assert found[: kept[0] + kept[1] + 2] == naive([list(row)], kept[0] + kept[1] + 2)[0]
        assert found[kept[0] + kept[1] + 2 :] == grams[: kept[2]]


def test_an_empty_text_has_a_token_beside_runs_too() -> None:
    ids, lengths = TextEncoder(("a",), "word", WORDS, 8, grams=3).encode(pl.DataFrame({"a": ["", None, " \n  ", "one"]}))
    assert split(ids, lengths)[:3] == [[END]] * 3
    assert lengths[3] == 1 + 3  # the word; on, ne, one


def test_an_encoder_from_before_runs_of_letters_is_read() -> None:
    document = TextEncoder(("a",), "word", WORDS, 8).to_json()
    del document["grams"]
    assert TextEncoder.from_json(document) == TextEncoder(("a",), "word", WORDS, 8)


def test_long_tables_are_encoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"a": ["one two", None, "", "three", "x one"]})
    encoder = TextEncoder(("a",), "word", WORDS, 8)
    whole = encoder.encode(frame)
    monkeypatch.setattr(encode_text, "TEXTS", 2)
    for left, right in zip(whole, encoder.encode(frame), strict=True):
        np.testing.assert_array_equal(left, right)
    assert encoder.encode(frame.clear())[1].shape == (0,)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), min_size=1), st.integers(0, 40))
def test_sharing_equals_the_naive_way_and_wastes_nothing(lengths: list[tuple[int, ...]], limit: int) -> None:
    kept = share(np.array(lengths, dtype=np.int64), limit)
    assert kept.tolist() == [naive_share(list(row), limit) for row in lengths]
    assert (kept.sum(axis=1) == np.minimum(np.array(lengths).sum(axis=1), limit)).all()


def test_words() -> None:
    words = split_words(pl.Series(["Don't STOP -- it's 3.5€!!", "漢字 ok", " \n\t", ""])).to_list()
    assert words == [["don't", "stop", "--", "it's", "3", ".", "5", "€!!"], ["漢", "字", "ok"], [], []]


def tally_of(*words: str) -> Tally:
    tally = Tally()
    tally.add(pl.Series(words))
    return tally


def test_words_seen_once_are_unknown_unless_the_vocabulary_is_small() -> None:
    twice = [f"w{i:03}" for i in range(150)]
    assert set(words_from(tally_of(*twice, *twice, "once"), 30_000)) == set(twice)
    assert set(words_from(tally_of("a", "a", "b"), 30_000)) == {"a", "b"}
    assert len(words_from(tally_of(*twice, *twice), 103)) == 100  # three ids are special


@given(st.text(max_size=60))
def test_any_text_has_a_token(content: str) -> None:
    content = content.encode("utf-8", "replace").decode()
    ids, lengths = TextEncoder(("a",), "word", WORDS, 16).encode(pl.DataFrame({"a": [content]}))
    assert 1 <= lengths[0] <= 16
    assert len(ids) == lengths[0]


def pairs() -> str:
    return pairs_from([pl.Series(["the cat sat on the mat", None, "the cat ate"] * 20)], 300)


def test_byte_pairs_know_every_text_and_read_back_alike() -> None:
    encoder = TextEncoder(("a",), "bpe", pairs(), 64)
    frame = pl.DataFrame({"a": ["the cat", "", "Ünknown 漢 \x00 🎈", None]})
    ids, lengths = encoder.encode(frame)
    assert UNKNOWN not in ids
    assert lengths[0] == 2  # both words are merged whole
    assert split(ids, lengths)[1] == [END]
    assert ids.max() < encoder.vocabulary <= 300
    again = TextEncoder.from_json(encoder.to_json())
    np.testing.assert_array_equal(again.encode(frame)[0], ids)
    assert pairs() == encoder.model  # learned alike every time


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"goodfit\[text\]"):
        encode_text.check_settings(1, "bpe", 30_000, 256)


def test_settings_without_room_are_refused() -> None:
    with pytest.raises(SettingError, match="at least 6 with 3 text columns"):
        encode_text.check_settings(3, "word", 30_000, 5)
    with pytest.raises(SettingError, match="at least 259"):
        encode_text.check_settings(1, "bpe", 258, 256)


def test_a_damaged_vocabulary_is_said() -> None:
    with pytest.raises(BundleError, match="not readable"):
        TextEncoder(("a",), "bpe", "{}", 16).encode(pl.DataFrame({"a": ["x"]}))
