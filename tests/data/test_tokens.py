"""Tagged sentences: how tokens and tags are read, encoded and put into batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.batches import Batches
from goodfit.data.dataset import Dataset
from goodfit.data.encode_tokens import LETTERS, fit
from goodfit.data.encoder import Encoder
from goodfit.data.read import read, read_like
from goodfit.data.target import detect

PART = DataPart(target=("tags",))
TOKENS = [["The", "cat", "sat"], ["Cats", "sat"], ["a"], ["the", "the", "cat", "Sat", "unhappily"]]
TAGS = [["d", "n", "v"], ["n", "v"], ["d"], ["d", "d", "n", "v", "r"]]


def of(tokens: Any = TOKENS, tags: Any = TAGS, **settings: Any) -> Dataset:
    return read({"words": tokens, "tags": tags}, settings=PART.model_copy(update=settings))


def test_tags_are_found() -> None:
    data = of()
    assert data.schema.column("words").kind == "tokens"
    spec = detect(data, PART)
    assert (spec.kind, spec.classes) == ("tagging", ("d", "n", "r", "v"))
    assert spec.encode(data).tolist() == [[0, 1, 3, -1, -1], [1, 3, -1, -1, -1], [0, -1, -1, -1, -1], [0, 0, 1, 3, 2]]
    assert spec == type(spec).from_json(json.loads(json.dumps(spec.to_json())))


def test_labels_without_tokens_are_no_tags() -> None:
    data = read({"x": [1.0, 2.0, 3.0, 5.0], "tags": [["a"], ["a", "b"], ["b"], ["a"]]}, settings=PART)
    assert detect(data, PART).kind == "multilabel"


def test_words_and_letters() -> None:
    encoder = fit(pl.Series("words", TOKENS), 100)
    assert encoder.words == ("the", "cat", "sat") or set(encoder.words) == {"the", "cat", "sat"}
    assert encoder.longest == 5
    places, lengths, lexicon = encoder.encode(pl.Series("words", [["the", "The", "dog"], None, []]))
    assert lengths.tolist() == [3, 1, 1]
    ids = lexicon.word[torch.from_numpy(places).long()].tolist()
    assert ids[0] == ids[1] >= 2
    assert ids[2:] == [1, 1, 1]
    letters = lexicon.letters[torch.from_numpy(places).long()]
    assert not torch.equal(letters[0], letters[1])  # T is no t
    assert torch.equal(letters[0, 1:3], letters[1, 1:3])
    assert letters[3:].tolist() == [[1] + [0] * (LETTERS - 1)] * 2
    assert not lexicon.word[0]
    assert not lexicon.letters[0].any()


def test_the_ends_of_long_words_are_read() -> None:
    encoder = fit(pl.Series("words", [["abcdefghijklmnopqrstuvwxyz"] * 2, ["zyxwvutsrqponmlkjihgfedcba"] * 2]), 100)
    letters = encoder.encode(pl.Series([["abcdefghijklmnopqrstuvwxyz"]]))[2].letters[2].tolist()
    back = dict(enumerate(encoder.letters, 2))
    assert "".join(back[code] for code in letters) == "abcdefgh" + "stuvwxyz"


def test_batches_hold_each_word_s_letters_once() -> None:
    data = of()
    encoder = Encoder.fit(data, data.schema, detect(data, PART), np.arange(4), PART, 0)
    assert encoder.inputs["tokens"]["length"] == 5
    encoded = encoder.encode(data)
    batch = Batches(encoded, np.arange(4), batch_size=4, seed=0, shuffle=False, inputs=encoder.inputs).batch(0, 0)
    assert batch.rows.tolist() == [3, 0, 1, 2]
    assert batch.inputs["tokens"].shape == batch.inputs["place"].shape == (4, 8)
    assert batch.inputs["words"].shape == (len({word for row in TOKENS for word in row}) + 1, LETTERS)
    assert (batch.inputs["tokens"] != 0).sum(1).tolist() == [5, 3, 2, 1]
    spelt = batch.inputs["words"][batch.inputs["place"]]
    assert torch.equal(spelt[0, 0], spelt[0, 1])  # the, the
    assert not spelt[1, 3:].any()
    assert batch.target.tolist()[2] == [1, 3, -1, -1, -1]


def test_a_saved_encoder_encodes_to_the_same(tmp_path: Path) -> None:
    data = of()
    encoder = Encoder.fit(data, data.schema, detect(data, PART), np.arange(3), PART, 0)
    encoder.save(tmp_path)
    one, two = (own.encode(data) for own in (encoder, Encoder.load(tmp_path)))
    assert one.lexicon is not None
    assert two.lexicon is not None
    assert torch.equal(one.lexicon.word, two.lexicon.word)
    assert torch.equal(one.lexicon.letters, two.lexicon.letters)
    assert torch.equal(one.target, two.target)
    assert encoder.inputs == Encoder.load(tmp_path).inputs


@pytest.mark.parametrize(
    ("tokens", "tags", "words"),
    [
        (TOKENS, [*TAGS[:3], ["d", "d"]], "row 4 has 5 tokens in 'words' and 2 tags in 'tags'"),
        (TOKENS, [["d"] * len(row) for row in TOKENS], "at least two different tags; 'tags' has 'd'"),
        (TOKENS, [["d", "n", None], *TAGS[1:]], "a tag is missing in 'tags' in row 1"),
        (TOKENS, ["a", "b", "a", "b"], "'words' holds lists of texts, which are read for tagging"),
    ],
)
def test_refused(tokens: Any, tags: Any, words: str) -> None:
    def learned() -> None:
        data = of(tokens, tags)
        detect(data, PART).encode(data)

    with pytest.raises(DataError, match=words):
        learned()


def test_tagging_needs_tokens() -> None:
    with pytest.raises(DataError, match="there are 0 columns of tokens"):
        read({"x": [1.0, 2.0, 3.0, 5.0], "tags": TAGS}, settings=PART.model_copy(update={"task": "tagging"}))
    with pytest.raises(DataError, match="the target holds 'a'"):
        read({"words": TOKENS, "tags": ["a", "b", "a", "b"]}, settings=PART.model_copy(update={"task": "tagging"}))


def test_new_sentences_need_no_tags() -> None:
    schema = of().schema
    assert read_like({"words": [["a", "dog"], []]}, schema).column("words").to_list() == [["a", "dog"], []]
    with pytest.raises(DataError, match="'words' was a list of tokens in training"):
        read_like({"words": ["a dog", "a"]}, schema)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.text(max_size=30), max_size=6), min_size=2, max_size=6).filter(lambda rows: any(rows)))
def test_whatever_the_letters(rows: list[list[str]]) -> None:
    encoder = fit(pl.Series("words", rows, dtype=pl.List(pl.String)), 1000)
    places, lengths, lexicon = encoder.encode(pl.Series("words", rows, dtype=pl.List(pl.String)))
    assert lengths.tolist() == [max(1, len(row)) for row in rows]
    assert len(places) == lengths.sum()
    assert int(lexicon.word.max()) < encoder.inputs()["vocabulary"]
    assert int(lexicon.letters.max()) < encoder.inputs()["alphabet"]
    assert (lexicon.word[torch.from_numpy(places).long()] > 0).all()
