"""Every format, compression, separator and encoding gives the same table; damage gives one sentence with its place."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import polars as pl
import pytest

from goodfit.base.errors import DataError, GoodfitError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read

FRAME = pl.DataFrame(
    {
        "size": [1.5, None, 3.25, -4.0, 5.5, 6.0] * 5,
        "rooms": [3, 1, 2, 3, 2, 1] * 5,
        "town": ["Oslo", 'São "P", x', None, "NA", "null", "Oslo"] * 5,
        "price": [10.5 * i for i in range(30)],
    }
)
TARGET = DataPart(target=("price",))
CSV = FRAME.write_csv().encode()


def check(dataset: Dataset) -> None:
    """The columns are those of FRAME, whatever they came through."""
    assert {c.name: c.kind for c in dataset.schema.columns} == {"size": "number", "rooms": "number", "town": "category", "price": "number"}
    for name in FRAME.columns:
        assert dataset.column(name).to_list() == FRAME[name].to_list(), name
    assert dataset.schema.column("size").missing == 5
    assert dataset.schema.column("town").distinct == 4


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def as_bytes(write: object) -> bytes:
    buffer = io.BytesIO()
    write(buffer)  # type: ignore[operator]
    return buffer.getvalue()


def zipped(content: bytes, *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table", content)
        for name in more:
            archive.writestr(name, b"x")
    return buffer.getvalue()


FORMATS = {
    "csv": CSV,
    "tsv": FRAME.write_csv(separator="\t").encode(),
    "semicolon.csv": FRAME.write_csv(separator=";").encode(),
    "bar.csv": FRAME.write_csv(separator="|").encode(),
    "jsonl": FRAME.write_ndjson().encode(),
    "list.json": json.dumps(FRAME.to_dicts()).encode(),
    "parquet": as_bytes(FRAME.write_parquet),
    "arrow": as_bytes(FRAME.write_ipc),
    "zstd.arrow": as_bytes(lambda b: FRAME.write_ipc(b, compression="zstd")),
    "stream.arrow": as_bytes(FRAME.write_ipc_stream),
}
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


@pytest.mark.parametrize("name", FORMATS)
def test_format(tmp_path: Path, name: str) -> None:
    check(read(written(tmp_path / f"t.{name}", FORMATS[name]), settings=TARGET))


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_compressed(tmp_path: Path, name: str, packer: str) -> None:
    dataset = read(written(tmp_path / f"t.{name}.{packer}", PACKERS[packer](FORMATS[name])), settings=TARGET)
    check(dataset)
    assert not dataset.notes


def test_zstd(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.zst"
    FRAME.write_csv(path, compression="zstd")
    check(read(path, settings=TARGET))


@pytest.mark.parametrize("name", FORMATS)
def test_the_name_does_not_matter_and_is_said(tmp_path: Path, name: str) -> None:
    wrong = "t.csv" if name.endswith(("parquet", "arrow", "json", "jsonl")) else "t.parquet"
    dataset = read(written(tmp_path / wrong, FORMATS[name]), settings=TARGET)
    check(dataset)
    assert any("in spite of its name" in note.message for note in dataset.notes)


def test_a_compression_that_the_name_does_not_tell(tmp_path: Path) -> None:
    for name, content in (("t.csv", gzip.compress(CSV)), ("t.csv.gz", CSV), ("t.csv.bz2", lzma.compress(CSV))):
        dataset = read(written(tmp_path / name, content), settings=TARGET)
        check(dataset)
        assert any("in spite of its name" in note.message for note in dataset.notes)


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("latin-1", "Latin-1"),
        ("cp1252", "1252"),
    ],
)
def test_encoding(tmp_path: Path, encoding: str, said: str) -> None:
    dataset = read(written(tmp_path / "t.csv", CSV.decode().encode(encoding)), settings=TARGET)
    check(dataset)
    assert said in "".join(note.message for note in dataset.notes)
    assert bool(dataset.notes) == bool(said)


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_line_endings(tmp_path: Path, ending: str) -> None:
    check(read(written(tmp_path / "t.csv", CSV.replace(b"\n", ending.encode())), settings=TARGET))


def test_fields_with_line_breaks_and_quotes(tmp_path: Path) -> None:
    texts = ['one, two\n"three"', "four;\nfive", "six"] * 10
    frame = pl.DataFrame({"text": texts, "label": ["a", "b", "c"] * 10})
    frame.write_csv(tmp_path / "t.csv")
    dataset = read(tmp_path / "t.csv", settings=DataPart(target=("label",)))
    assert dataset.column("text").to_list() == texts


def truncated(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def with_nul(content: bytes) -> bytes:
    at = content.index(b"NA")
    return content[:at] + b"\0" + content[at:]


DAMAGED = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n  \n", "no header and no rows"),
    "header.csv": (b"a,b,price\n", "has a header and no rows"),
    "one.csv": (b"a,price\n1,2\n", "at least two rows"),
    "truncated.csv.gz": (truncated(gzip.compress(CSV)), "cut off"),
    "broken.csv.gz": (gzip.compress(CSV)[:30] + b"\xff" * 40, "cannot be decompressed"),
    "truncated.parquet": (truncated(FORMATS["parquet"]), "Parquet and cannot be read to its end"),
    "truncated.arrow": (truncated(FORMATS["arrow"]), "Arrow and cannot be read to its end"),
    "truncated.stream": (truncated(FORMATS["stream.arrow"]), "Arrow stream and cannot be read"),
    "twice.csv.gz": (gzip.compress(gzip.compress(CSV)), "compressed file inside"),
    "empty.csv.gz": (gzip.compress(b""), "empty once decompressed"),
    "two.zip": (zipped(CSV, "other"), "holds 2 files"),
    "none.zip": (zipped(CSV)[-22:-12] + b"\0" * 12, "zip"),
    "book.xlsx": (zipped(CSV, "[Content_Types].xml"), "Excel"),
    "nul.csv": (with_nul(CSV), "NUL bytes (line 5)"),
    "binary.csv": (bytes(range(1, 256)) * 20, "neither UTF-8 nor another text encoding"),
    "page.csv": (b"<!DOCTYPE html><html></html>", "web page"),
    "model.csv": (b"\x80\x04\x95abc", "pickle"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n", "PNG picture"),
    "twice.csv": (b"a,b,a,price\n1,2,3,4\n5,6,7,8\n", "'a' is the name of columns 1 and 3"),
    "numbers.csv": (b"1.5,2.5\n1,2\n3,4\n", "must name the columns"),
    "title.csv": (b"My table\na,b,c\n1,2,3\n4,5,6\n", "must name the columns"),
    "odd.utf16": (CSV.decode().encode("utf-16")[:-1], "UTF-16"),
    "lines.jsonl": (b'{"a":1,"price":2}\n{"a":1,\n', "line 2 of lines.jsonl is not JSON"),
    "scalar.jsonl": (b'{"a":1,"price":2}\n17\n', "line 2 of scalar.jsonl must be an object"),
    "nested.jsonl": (b'{"a":{"b":1},"price":2}\n' * 9, "holds structures"),
    "lists.jsonl": (b'{"a":[{"b":1}],"price":2}\n' * 9, "holds lists of what are neither numbers nor texts"),
    "mixed.jsonl": (b'{"a":[1],"price":2}\n{"a":3,"price":2}\n', "a number in row 2"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(tmp_path: Path, name: str) -> None:
    content, words = DAMAGED[name]
    with pytest.raises(DataError) as caught:
        read(written(tmp_path / name, content), settings=TARGET)
    assert words in caught.value.message
    assert caught.value.file == str(tmp_path / name)
    assert "\n" not in caught.value.message


def test_json_row_is_counted_without_blank_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4") as caught:
        read(written(tmp_path / "t.jsonl", b'{"a":1,"price":2}\n\n{"a":2,"price":2}\n{"a":\n'), settings=TARGET)
    assert caught.value.row == 3


def test_json_that_polars_refuses(tmp_path: Path) -> None:
    lines = b'{"a": NaN, "b": true, "c": 1, "price": 1}\n{"a": 2.5, "b": false, "c": "x", "price": 2}\n{"a": Infinity, "c": 7, "price": 3}\n{"a": 1, "c": null, "price": 4}\n'
    dataset = read(written(tmp_path / "t.jsonl", lines * 3), settings=TARGET)
    assert dataset.column("a").to_list() == [None, 2.5, None, 1.0] * 3
    assert dataset.column("b").to_list() == [True, False, None, None] * 3
    assert dataset.column("c").to_list() == ["1", "x", "7", None] * 3
    assert any("'a' holds NaN or Infinity (first in row 1)" in note.message for note in dataset.notes)


@pytest.mark.parametrize("path", ["missing.csv", "tabel.csv", "no/where.csv", "\0.csv", "x" * 300])
def test_absent(tmp_path: Path, path: str) -> None:
    (tmp_path / "table.csv").write_bytes(CSV)
    with pytest.raises(DataError) as caught:
        read(tmp_path / path, settings=TARGET)
    if path == "tabel.csv":
        assert "did you mean 'table.csv'?" in caught.value.message


def test_messages_hold_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    for name in ("a\x1b[31mb.csv", "gone\udcff.csv"):
        with pytest.raises(DataError) as caught:
            read(tmp_path / name, settings=TARGET)
        assert str(caught.value).isprintable()
    (tmp_path / "t.csv").write_bytes(b"a,pr\xe2\x80\x8bice\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"did you mean 'pr\\u200bice'"):
        read(tmp_path / "t.csv", settings=TARGET)


def test_folder_of_tables(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(CSV)
    with pytest.raises(DataError, match=r"folder without pictures; give one of its tables, such as .*table.csv"):
        read(tmp_path, settings=DataPart())


def test_source_of_another_type() -> None:
    with pytest.raises(GoodfitError, match="a int was given"):
        read(17, settings=TARGET)
