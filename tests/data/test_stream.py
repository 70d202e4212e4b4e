"""Running text: what is one, how it is cut and divided, and that windows and passages hold what they should."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.errors import DataError, SettingError
from goodfit.base.parts import DataPart
from goodfit.data.batches import Batches
from goodfit.data.encode_stream import BEGIN, Windows
from goodfit.data.encoder import Encoder
from goodfit.data.read import read, read_like
from goodfit.data.splits import split
from goodfit.data.stream import BEGINS, LEAST, is_stream
from goodfit.data.target import detect

LANGUAGE = DataPart(task="language", max_tokens=64)
WORDS = "".join(chr(97 + int(n)) + (" " if n < 5 else "") for n in np.random.default_rng(0).integers(0, 26, 3_000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(WORDS)
    return path


def test_a_text_file_alone_is_a_language(file: Path, tmp_path: Path) -> None:
    assert is_stream(file, DataPart())
    assert not is_stream(file, DataPart(target=("a",)))
    packed = tmp_path / "words.txt.gz"
    packed.write_bytes(gzip.compress(WORDS.encode()))
    assert is_stream(packed, DataPart())
    table = tmp_path / "table.txt"
    table.write_text("a,label\n1,x\n2,y\n")
    assert not is_stream(table, DataPart())
    assert not is_stream(tmp_path / "absent.txt", DataPart())
    assert read(packed, settings=LANGUAGE).fingerprint == read(file, settings=LANGUAGE).fingerprint


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.sampled_from([0.0, 0.1, 0.37]), st.integers(4, 90))
def test_the_parts_are_the_text_in_its_order(lengths: list[int], test: float, size: int) -> None:
    with_texts = pl.DataFrame({"story": [WORDS[:n] for n in [LEAST, *lengths]]})
    asked = DataPart(task="language", max_tokens=size, test_fraction=test)
    data = read(with_texts, settings=asked)
    parts = split(data, detect(data, asked), asked, 0)
    texts = data.column("story")
    whole = "\n".join(with_texts["story"].to_list()) + "\n"
    assert "".join(texts) == whole
    assert "".join(texts.gather(parts.test)) == whole[int((1 - test) * len(whole)) :]
    assert "".join(texts.gather(parts.valid)) == whole[int((1 - test - 0.05) * len(whole)) : int((1 - test) * len(whole))]
    assert texts.str.len_chars().max() <= size
    assert data.column(BEGINS).sum() == 1


def test_a_folder_of_texts_and_given_parts(tmp_path: Path) -> None:
    for name, text in (("a.txt", WORDS[:700]), ("b.txt", WORDS[:800]), ("notes.csv", "x")):
        (tmp_path / name).write_text(text)
    data = read(tmp_path, settings=LANGUAGE)
    assert "".join(data.column("text")) == WORDS[:700] + WORDS[:800]
    assert np.flatnonzero(data.column(BEGINS).to_numpy()).tolist() == [0, 11]
    given_parts = read(tmp_path / "b.txt", settings=LANGUAGE, test=tmp_path / "a.txt")
    parts = split(given_parts, detect(given_parts, LANGUAGE), LANGUAGE, 0)
    assert "".join(given_parts.column("text").gather(parts.test)) == WORDS[:700]


def test_passages_hold_what_stands_before_and_windows_stay_among_the_rows(file: Path) -> None:
    data = read(file, settings=LANGUAGE)
    target = detect(data, LANGUAGE)
    parts = split(data, target, LANGUAGE, 0)
    encoder = Encoder.fit(data, data.schema, target, parts.train, LANGUAGE, 0)
    encoded = encoder.encode(data)
    assert encoder.stream is not None
    ids = encoder.stream.ids(WORDS)
    batches = Batches(encoded, parts.test, batch_size=7, seed=0, shuffle=False, inputs=encoder.inputs)
    place = len(WORDS) - sum(len(text) for text in data.column("text").gather(parts.test))
    for index in range(len(batches)):
        inputs = batches.batch(0, index).inputs
        for text, past, own in zip(inputs["text"], inputs["past"], inputs["own"], strict=True):
            assert past == 32
            assert text[: past + own].tolist() == ids[place - 32 : place + int(own)].tolist()
            assert not text[past + own :].any()
            place += int(own)
    assert place == len(WORDS)
    first = encoded.inputs["stream"].passages(torch.tensor([0]), 32)  # type: ignore[union-attr]
    assert first["past"].tolist() == [1]
    assert int(first["text"][0, 0]) == BEGIN
    # What must never be read is marked by a number that no character has.
    stream = encoded.inputs["stream"]
    values = stream.values.clone()  # type: ignore[union-attr]
    values[int(stream.stop[parts.train[-1]]) :] = -7  # type: ignore[union-attr]
    marked = type(stream)(values, stream.start, stream.stop, stream.first)  # type: ignore[union-attr, call-arg]
    windows = Windows(marked, torch.from_numpy(parts.train), 64, seed=3)
    rows, seen = torch.from_numpy(parts.train), []
    for epoch in range(30):
        text = windows.inputs(rows, epoch)["text"]
        assert text.shape == (len(rows), 65)
        assert int(text.min()) > 0
        assert torch.equal(text, windows.inputs(rows, epoch)["text"])
        seen.append(text[0].tolist())
    assert len({tuple(text) for text in seen}) > 10


def test_chosen_rows_keep_their_past(file: Path) -> None:
    data = read(file, settings=LANGUAGE)
    target = detect(data, LANGUAGE)
    encoder = Encoder.fit(data, data.schema, target, np.arange(20), LANGUAGE, 0)
    whole, some = encoder.encode(data).inputs["stream"], encoder.encode(data, np.array([5, 9])).inputs["stream"]
    for name, tensor in some.passages(torch.tensor([0, 1]), 40).items():  # type: ignore[union-attr]
        assert torch.equal(tensor, whole.passages(torch.tensor([5, 9]), 40)[name])  # type: ignore[union-attr]


def test_new_texts_of_a_table_are_texts_of_their_own(file: Path) -> None:
    data = read(file, settings=LANGUAGE)
    new = read_like(pl.DataFrame({"text": ["abc", None, ""]}), data.schema)
    encoder = Encoder.fit(data, data.schema, detect(data, LANGUAGE), np.arange(20), LANGUAGE, 0)
    assert encoder.encode(new, with_target=False).inputs["stream"].passages(torch.arange(3), 9)["past"].tolist() == [1, 1, 1]  # type: ignore[union-attr]
    assert read_like(file, data.schema).rows == -(-len(WORDS) // 256)
    with pytest.raises(DataError, match="'text' of the training data is missing; did you mean 'texts'"):
        read_like(pl.DataFrame({"texts": ["abc"]}), data.schema)


def test_refused(file: Path, tmp_path: Path) -> None:
    for asked, message in (
        ({"target": ("a",)}, "has no target; leave data.target=a out"),
        ({"tokens": "bpe"}, "reads characters; leave data.tokens out"),
        ({"time": "a"}, "data.time is for rows"),
        ({"valid_fraction": 0.5, "test_fraction": 0.6}, "must leave text to train on"),
    ):
        with pytest.raises(SettingError, match=message):
            read(file, settings=DataPart(task="language", **asked))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"no column of .* holds any"):
        read(pl.DataFrame({"a": [1, 2]}), settings=LANGUAGE)
    with pytest.raises(DataError, match="holds no text file"):
        read(tmp_path / "empty" if (tmp_path / "empty").mkdir() is None else tmp_path, settings=LANGUAGE)
