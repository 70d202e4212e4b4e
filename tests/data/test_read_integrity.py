"""Claims of sizes: every sound file of pyarrow and polars passes; absurd ones are refused before memory is asked for."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.integrity import Implausible, check_claims
from goodfit.data.read import read

TABLE = pa.table(
    {
        "number": pa.array([1.5, None, 2.0] * 700),
        "text": ["x", None, "yy"] * 700,
        "list": [[1, 2], None, []] * 700,
        "dictionary": pa.array(["u", "v", "u"] * 700).dictionary_encode(),
        "nothing": pa.nulls(2_100),
        "constant": [0] * 2_100,
        "structure": [{"a": 1}] * 2_100,
        "flag": [True, False, None] * 700,
    }
)
FRAME = pl.DataFrame({"a": [1.5, 2.5, None] * 20, "b": ["x", None, "z"] * 20, "label": ["p", "q", "p"] * 20})


def parquet(**options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(TABLE, buffer, row_group_size=900, **options)
    return buffer.getvalue()


def arrow(new: Any, compression: str | None) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, TABLE.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE, max_chunksize=800)
    return buffer.getvalue()


def packed(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    {"parquet": FRAME.write_parquet, "arrow": FRAME.write_ipc, "arrow-stream": FRAME.write_ipc_stream}[form](buffer, **options)  # type: ignore[operator]
    return buffer.getvalue()


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_sound_parquet(compression: str) -> None:
    for version, dictionary, size in itertools.product(("1.0", "2.0"), (True, False), (500, 1 << 20)):
        check_claims(parquet(compression=compression, data_page_version=version, use_dictionary=dictionary, data_page_size=size), "parquet")


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_sound_arrow(tmp_path: Path, compression: str | None) -> None:
    check_claims(arrow(ipc.new_file, compression), "arrow")
    check_claims(arrow(ipc.new_stream, compression), "arrow-stream")
    (tmp_path / "t.arrow").write_bytes(arrow(ipc.new_file, compression))
    check_claims(tmp_path / "t.arrow", "arrow")


def test_what_compresses_best_is_not_taken_for_a_lie() -> None:
    frame = pl.DataFrame({"a": [0] * 1_000_000, "s": ["same"] * 1_000_000})
    for compression in ("zstd", "lz4"):
        buffer = io.BytesIO()
        frame.write_ipc(buffer, compression=compression)  # type: ignore[arg-type]
        check_claims(buffer.getvalue(), "arrow")
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression=compression)  # type: ignore[arg-type]
        check_claims(buffer.getvalue(), "parquet")


def test_a_page_of_minus_values(tmp_path: Path) -> None:
    """One byte of a page header, by which polars asks for 2 * 10^18 bytes and the process ends."""
    content = packed("parquet")
    reasons = set()
    for at in range(4, 600):
        changed = content[:at] + bytes([content[at] ^ 0x21]) + content[at + 1 :]
        try:
            check_claims(changed, "parquet")
        except Implausible as why:
            reasons.add(str(why))
    assert "a page claims more values than its column" in reasons
    assert "a page is longer than the file" in reasons
    (tmp_path / "t.parquet").write_bytes(content[:-200] + content[-100:])
    with pytest.raises(DataError, match="damaged or cut off"):
        read(tmp_path / "t.parquet", settings=DataPart(target=("label",)))


@pytest.mark.parametrize(
    ("form", "options"),
    [("parquet", {}), ("parquet", {"compression": "uncompressed"}), ("arrow", {}), ("arrow", {"compression": "zstd"}), ("arrow-stream", {"compression": "lz4"})],
)  # fmt: skip
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_but_implausible(form: str, options: dict[str, Any], data: st.DataObject) -> None:
    content = bytearray(packed(form, **options))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content)
    try:
        check_claims(changed, form)
    except Implausible:
        return
    assert changed  # sound as far as it claims; whether it can be read is for polars to say
