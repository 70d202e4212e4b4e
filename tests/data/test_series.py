"""Series: how lists of numbers are read, encoded and put into batches."""

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
from goodfit.data.encoded import Ragged
from goodfit.data.encoder import Encoder
from goodfit.data.read import read, read_like
from goodfit.data.target import detect

PART = DataPart(target=("label",))
ONE = [[1.0, 2.0, 3.0], [4.0], [5.0, 6.0], [7.0, 8.0, 9.0, 10.0]]
TWO = [[[x, -10 * x] for x in row] for row in ONE]
LABEL = ["a", "b", "a", "b"]


def of(**columns: Any) -> Dataset:
    return read({**columns, "label": LABEL}, settings=PART)


def fitted(data: Dataset, rows: np.ndarray | None = None) -> Encoder:
    return Encoder.fit(data, data.schema, detect(data, PART), np.arange(data.rows) if rows is None else rows, PART, 0)


def series_of(encoder: Encoder, data: Dataset) -> Ragged:
    found = encoder.encode(data).inputs["series"]
    assert isinstance(found, Ragged)
    return found


TAKEN: dict[str, Any] = {
    "lists": TWO,
    "tuples": [tuple(tuple(step) for step in row) for row in TWO],
    "arrays": [np.array(row, dtype=np.float32) for row in TWO],
    "polars": pl.Series(TWO),
    "polars arrays": pl.Series(TWO, dtype=pl.List(pl.Array(pl.Float64, 2))),
}


@pytest.mark.parametrize("name", TAKEN)
def test_steps_of_several_channels(name: str) -> None:
    data = of(x=TAKEN[name])
    assert data.schema.column("x").kind == "series"
    encoder = fitted(data)
    assert encoder.inputs["series"] == {"columns": ["x"], "channels": 2, "length": 4}
    found = series_of(encoder, data)
    assert found.lengths.tolist() == [3, 1, 2, 4]
    flat = np.arange(1.0, 11.0)
    scaled = (flat - flat.mean()) / flat.std()
    np.testing.assert_allclose(found.values.numpy(), np.stack([scaled, -scaled], axis=1), rtol=1e-5)


def test_a_channel_a_column() -> None:
    data = of(x=ONE, y=[[-10 * x for x in row] for row in ONE])
    both, apart = series_of(fitted(of(x=TWO)), of(x=TWO)), series_of(fitted(data), data)
    assert torch.equal(both.values, apart.values)
    assert torch.equal(both.offsets, apart.offsets)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"x": row, "label": label}) + "\n" for row, label in zip(TWO, LABEL, strict=True)))
    data = read(path, settings=PART)
    assert torch.equal(series_of(fitted(data), data).values, series_of(fitted(of(x=TWO)), of(x=TWO)).values)


def test_what_is_missing_is_0_and_said_by_a_further_channel() -> None:
    data = of(x=[[1.0, None, 3.0], None, [float("nan"), 5.0], []])
    encoder = fitted(data)
    assert encoder.inputs["series"]["channels"] == 2
    found = series_of(encoder, data)
    assert found.lengths.tolist() == [3, 1, 2, 1]
    assert found.values[:, 1].tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert found.values[[1, 3, 4, 6], 0].tolist() == [0, 0, 0, 0]
    assert fitted(of(x=ONE)).inputs["series"]["channels"] == 1


def test_statistics_are_those_of_the_training_rows() -> None:
    data = of(x=[[1.0, 3.0], [100.0], [1.0, 3.0], [1e6]])
    found = series_of(fitted(data, np.array([0, 2])), data)
    assert found.values[:, 0].tolist() == [-1, 1, 98, -1, 1, pytest.approx(999_998)]


def test_a_saved_encoder_encodes_to_the_same_bits(tmp_path: Path) -> None:
    data = of(x=[[1.0, None, 3.0], [2.5], [0.1, 0.2], [9.0]])
    encoder = fitted(data)
    encoder.save(tmp_path)
    again = series_of(Encoder.load(tmp_path), data)
    assert torch.equal(again.values, series_of(encoder, data).values)
    assert Encoder.load(tmp_path).inputs == encoder.inputs


def test_on_the_disk_as_in_memory(tmp_path: Path) -> None:
    data = of(x=TWO)
    part = PART.model_copy(update={"memory": 1e-9})
    encoder = Encoder.fit(data, data.schema, detect(data, PART), np.arange(4), part, 0)
    on_disk = encoder.encode(data, folder=tmp_path / "cache").inputs["series"]
    assert (tmp_path / "cache/series.f32").is_file()
    assert isinstance(on_disk, Ragged)
    assert torch.equal(on_disk.values, series_of(fitted(data), data).values)


def test_batches_hold_lengths_and_end_with_zeros() -> None:
    data = of(x=TWO)
    encoder = fitted(data)
    encoded = encoder.encode(data)
    batches = Batches(encoded, np.arange(4), batch_size=4, seed=0, shuffle=False, inputs=encoder.inputs)
    batch = batches.batch(0, 0)
    assert batch.inputs["series"].shape == (4, 8, 2)  # 4 steps, rounded up
    assert batch.inputs["lengths"].tolist() == [4, 3, 2, 1]
    assert batch.rows.tolist() == [3, 0, 2, 1]
    for row, length in zip(batch.inputs["series"], batch.inputs["lengths"], strict=True):
        assert not row[length:].any()
        assert row[:length].all()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": ONE, "y": [[1.0], [1.0], [1.0, 2.0], [1.0] * 4]}, "in row 1, 'x' has 3 steps and 'y' has 1"),
        ({"x": [[[1.0, 2.0]], [[1.0, 2.0], [3.0]], [[1.0, 2.0]], [[1.0, 2.0]]]}, "must have 2 numbers, .* in row 2 a step has 1"),
        ({"x": [[None], [None, None], [], None]}, "no column to learn from"),
        ({"x": [[None], [float("nan"), None], [], None]}, "no number in the training rows"),
        ({"x": [[[]], [[]], [[]], [[]]]}, "must hold a number; the first holds none|no number"),
    ],
)
def test_refused(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fitted(of(**columns))


@pytest.mark.parametrize("kind", ["number", "category", "text", "image"])
def test_series_are_nothing_else(kind: str) -> None:
    with pytest.raises(DataError, match=rf"'x' holds lists of numbers, .* sets it to {kind}"):
        read({"x": ONE, "label": LABEL}, settings=PART.model_copy(update={"kinds": {"x": kind}}))


def test_new_rows_are_read_alike() -> None:
    schema = of(x=TWO).schema
    new = read_like({"x": [[[1, 2]], [[3, 4], [5, 6]]]}, schema)
    assert new.column("x").to_list() == [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]
    for wrong in (ONE, [1.0, 2.0], ["a", "b"], [["a"], ["b"]]):
        with pytest.raises(DataError, match="'x' was a series in training"):
            read_like({"x": wrong}, schema)
    encoder = fitted(of(x=TWO))
    with pytest.raises(DataError, match="must have 2 numbers"):
        encoder.encode(read_like({"x": [[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]}, schema), with_target=False)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.none() | st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=6), min_size=4, max_size=8)
)
def test_whatever_the_numbers(rows: list[Any]) -> None:
    labels = ["a", "b"] * 4
    try:
        data = read({"x": rows, "label": labels[: len(rows)]}, settings=PART)
        encoder = Encoder.fit(data, data.schema, detect(data, PART), np.arange(data.rows), PART, 0)
    except DataError:
        assert not any(v is not None and np.isfinite(v) for row in rows for v in row or ())
        return
    found = encoder.encode(data).inputs["series"]
    assert isinstance(found, Ragged)
    assert found.lengths.tolist() == [max(1, len(row or ())) for row in rows]
    assert found.values.isfinite().all()
