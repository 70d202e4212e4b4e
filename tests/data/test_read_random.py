"""Random tables are read back as they were written; random bytes give a Dataset or one of our errors, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goodfit.base.errors import GoodfitError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read, read_like

LABEL = DataPart(target=("label",))
FREE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
integers = st.integers(-(2**50), 2**50)
# Words begin and end with letters that make them neither numbers, dates, truth words nor words for missing.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=8).map(lambda t: f"w{t}w")


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    count = draw(st.integers(4, 30))
    columns: dict[str, Any] = {}
    for index in range(draw(st.integers(1, 5))):
        values, dtype = draw(
            st.sampled_from([(numbers, pl.Float64), (integers, pl.Int64), (words, pl.String), (st.booleans(), pl.Boolean)])
        )
        columns[f"c{index}"] = pl.Series(draw(st.lists(st.one_of(st.none(), values), min_size=count, max_size=count)), dtype=dtype)
    columns["anchor"] = pl.Series([i * 0.75 for i in range(count)])  # something to learn from, whatever the others are
    columns["label"] = pl.Series([f"class {i % 2}" for i in range(count)])
    return pl.DataFrame(columns)


def same(actual: Any, expected: Any) -> bool:
    """Equal, where a column of two values may have become truth values and one of a single value a text."""
    if actual is None or expected is None:
        return actual is expected
    if isinstance(actual, bool) or isinstance(expected, bool):
        return str(actual).lower() == str(expected).lower() or actual == (expected == 1)
    if isinstance(actual, str) and not isinstance(expected, str):
        return float(actual) == float(expected)
    return bool(actual == expected)


def check(dataset: Dataset, frame: pl.DataFrame) -> None:
    assert dataset.rows == frame.height
    for name in frame.columns:
        actual = dataset.column(name).to_list()
        assert all(map(same, actual, frame[name].to_list())), (name, dataset.schema.column(name), actual, frame[name].to_list())


@pytest.mark.parametrize("form", ["csv", "quoted.csv", "semicolon.csv", "jsonl", "parquet", "arrow"])
@FREE
@given(frame=frames())
def test_written_and_read_back(tmp_path: Path, form: str, frame: pl.DataFrame) -> None:
    path = tmp_path / f"t.{form}"
    if form == "csv":
        frame.write_csv(path)
    elif form == "quoted.csv":
        frame.write_csv(path, quote_style="non_numeric", line_terminator="\r\n")
    elif form == "semicolon.csv":
        frame.write_csv(path, separator=";")
    elif form == "jsonl":
        frame.write_ndjson(path)
    elif form == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    dataset = read(path, settings=LABEL)
    check(dataset, frame)
    again = read_like(path, dataset.schema, labelled=True)
    for column in dataset.schema.features:
        assert all(map(same, again.column(column.name).to_list(), dataset.column(column.name).to_list())), column


@FREE
@given(frame=frames())
def test_frames(frame: pl.DataFrame) -> None:
    check(read(frame, settings=LABEL), frame)
    check(read({name: frame[name].to_list() for name in frame.columns}, settings=LABEL), frame)


@FREE
@given(frame=frames(), size=st.integers(1, 2_000))
def test_small_and_huge_agree(tmp_path: Path, frame: pl.DataFrame, size: int) -> None:
    path = tmp_path / "t.csv"
    frame.write_csv(path)
    whole, pieces = read(path, settings=LABEL), read(path, settings=LABEL, huge=size)
    for name in frame.columns:
        assert whole.column(name).to_list() == pieces.column(name).to_list()


def attempt(path: Path) -> None:
    caught: GoodfitError | None = None
    try:
        dataset = read(path, settings=LABEL)
    except GoodfitError as error:
        caught = error
    if caught is None:
        assert dataset.take(np.arange(dataset.rows)).height == dataset.rows
    else:
        assert caught.message.isprintable()
        assert 10 < len(caught.message) < 2_000


@FREE
@given(
    content=st.binary(max_size=400),
    head=st.sampled_from([b"", b"a,label\n", b"a;b;label\n1;2;x\n", b'{"a":1,"label":"x"}\n', b"PAR1", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]),
)
def test_random_bytes(tmp_path: Path, head: bytes, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(head + content)
    attempt(path)


@FREE
@given(text=st.text(st.sampled_from('ab1.,;"\n\r\t -{}[]:\u00e9'), max_size=120))
def test_random_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,label\n" + text.encode())
    attempt(path)


def packed(form: str) -> bytes:
    frame = pl.DataFrame({"a": [1.5, 2.5, None] * 20, "b": ["x", None, "z"] * 20, "label": ["p", "q", "p"] * 20})
    buffer = io.BytesIO()
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[form](buffer)  # type: ignore[operator]
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "arrow"])
@FREE
@given(data=st.data())
def test_bytes_changed(tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str, data: st.DataObject) -> None:
    content = bytearray(packed(form))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"t.{form}"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content)
    attempt(path)
    assert "panicked" not in capfd.readouterr().err
