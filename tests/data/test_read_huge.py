"""Tables that are read in pieces give what tables in memory give, and never lie in memory whole."""

from __future__ import annotations

import gc
import gzip
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data import dataset as dataset_module
from goodfit.data.dataset import Dataset
from goodfit.data.read import read, read_like
from goodfit.data.store import Disk, Scratch, write_disk
from goodfit.data.target import detect

LABEL = DataPart(target=("label",))
PIECES = 1 << 12  # bytes; the table below has some 60 KiB


def table(rows: int = 2_000) -> pl.DataFrame:
    generator = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "x": generator.standard_normal(rows).round(4),
            "n": generator.integers(0, 50, rows),
            "town": generator.choice(["Oslo", "Lima", 'a "b", c'], rows),
            "day": [f"2024-0{1 + i % 9}-1{i % 7}" for i in range(rows)],
            "price": [f"1,{i:03d}.5" for i in generator.integers(0, 999, rows)],
            "label": [None if i % 97 == 5 else "ab"[i % 2] for i in range(rows)],
        }
    )


def write(frame: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.write_csv().encode()))
    elif path.suffix == ".zst":
        frame.write_csv(path, compression="zstd")
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    return path


def equal(one: Dataset, other: Dataset) -> None:
    assert one.rows == other.rows
    assert [(c.name, c.kind, c.role, c.dtype, c.missing) for c in one.schema.columns] == [
        (c.name, c.kind, c.role, c.dtype, c.missing) for c in other.schema.columns
    ]
    for name in one.schema.names:
        assert one.column(name).to_list() == other.column(name).to_list()
    assert [note.message for note in one.notes] == [note.message for note in other.notes]


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "csv.zst", "jsonl", "parquet", "arrow"])
def test_pieces_are_the_whole(tmp_path: Path, suffix: str) -> None:
    path = write(table(), tmp_path / f"t.{suffix}")
    whole, pieces = read(path, settings=LABEL), read(path, settings=LABEL, huge=PIECES, cache=tmp_path / "cache")
    assert isinstance(pieces.store, Disk)
    equal(whole, pieces)
    assert len(list((tmp_path / "cache").iterdir())) == 1, "only the rows are kept"
    assert pieces.place(5) == whole.place(5) == (str(path), 7)
    rows = np.random.default_rng(0).integers(0, pieces.rows, 300)
    assert pieces.take(rows).equals(whole.take(rows))
    assert pieces.take(rows, ["town"]).equals(whole.take(rows, ["town"]))
    assert pieces.take(np.array([], dtype=np.int64)).equals(whole.take(np.array([], dtype=np.int64)))
    np.testing.assert_array_equal(detect(pieces, LABEL).encode(pieces), detect(whole, LABEL).encode(whole))
    equal(read_like(path, whole.schema, labelled=True), read_like(path, pieces.schema, labelled=True, huge=PIECES))


def test_chunks_and_take_over_many_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodfit.data.store.CHUNK", 128)
    path = write(table(), tmp_path / "t.csv")
    whole, pieces = read(path, settings=LABEL), read(path, settings=LABEL, huge=PIECES)
    assert pl.concat([frame for _, frame in pieces.chunks(300)]).equals(whole.take(np.arange(whole.rows)))
    assert [start for start, _ in pieces.chunks(300)] == list(range(0, pieces.rows, 300))
    rows = np.random.default_rng(0).permutation(pieces.rows)
    assert pieces.take(rows).equals(whole.take(rows))
    assert dataset_module.CHUNK > 128


def test_files_that_need_mending(tmp_path: Path) -> None:
    text = table().write_csv().encode()
    for change in (
        lambda: text.replace(b"\n", b"\n\n", 400),
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text.replace(b"Lima", "Zürich".encode("latin-1")),
        lambda: text.decode().encode("utf-16"),
        lambda: text[:-20],
    ):
        (tmp_path / "t.csv").write_bytes(change())
        equal(read(tmp_path / "t.csv", settings=LABEL), read(tmp_path / "t.csv", settings=LABEL, huge=PIECES))


def test_parts(tmp_path: Path) -> None:
    train, test = write(table(), tmp_path / "train.csv"), write(table()[:50], tmp_path / "test.parquet")
    equal(read(train, settings=LABEL, test=test), read(train, settings=LABEL, test=test, huge=PIECES))
    dataset = read(train, settings=LABEL, test=test, huge=PIECES)
    assert dataset.part is not None
    assert int((dataset.part == 2).sum()) == 49


def test_temporary_files_go_with_the_dataset(tmp_path: Path) -> None:
    dataset = read(write(table(), tmp_path / "t.csv"), settings=LABEL, huge=PIECES)
    assert isinstance(dataset.store, Disk)
    path = dataset.store.path
    assert path.exists()
    del dataset
    gc.collect()
    assert not path.parent.exists()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "arrow"])
def test_damage(tmp_path: Path, suffix: str) -> None:
    path = write(table(), tmp_path / f"t.{suffix}")
    content = bytearray(path.read_bytes())
    if suffix in ("csv", "jsonl"):
        content[len(content) // 2] = 0
    else:
        content = content[: len(content) // 2]
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path, settings=LABEL, huge=PIECES)
    assert caught.value.file == str(path)


def test_errors_name_the_row(tmp_path: Path) -> None:
    frame = table()
    schema = read(write(frame, tmp_path / "t.csv"), settings=LABEL).schema
    values = frame["x"].cast(pl.String).to_list()
    values[1_500] = "wrong"
    write(frame.with_columns(pl.Series("x", values)), tmp_path / "new.csv")
    with pytest.raises(DataError, match="row 1501 holds 'wrong'"):
        read_like(tmp_path / "new.csv", schema, huge=PIECES)


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    one = read(write(table(), tmp_path / "t.csv"), settings=LABEL, huge=PIECES).fingerprint
    again = read(tmp_path / "t.csv", settings=LABEL, huge=PIECES).fingerprint
    other = read(write(table(1_999), tmp_path / "t.csv"), settings=LABEL, huge=PIECES).fingerprint
    assert one == again != other


def test_scratch_shares_a_folder(tmp_path: Path) -> None:
    one, two = Scratch(tmp_path / "c"), Scratch(tmp_path / "c")
    first, second = one.path("rows.arrow"), two.path("rows.arrow")
    assert first != second
    disk = write_disk(pl.LazyFrame({"a": [1, 2, 3]}), first)
    assert disk.rows == 3
    two.keep_only(tmp_path)
    assert not second.exists()
    assert first.exists()
