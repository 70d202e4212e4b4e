"""The ledger keeps every opening, through kills, torn lines and several processes."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from goodfit.base.errors import StorageError
from goodfit.evaluation.ledger import NAME, open_test, openings


def test_openings_are_counted_and_kept(tmp_path: Path) -> None:
    assert openings(tmp_path) == []
    assert open_test(tmp_path, "training", 200, "abc") == 1
    assert open_test(tmp_path, "evaluate", 200, "abc") == 2
    first, second = openings(tmp_path)
    assert (first["purpose"], first["rows"], first["fingerprint"], first["count"]) == ("training", 200, "abc", 1)
    assert second["count"] == 2
    assert second["time"] >= first["time"]


def test_a_torn_line_counts_and_the_next_is_whole(tmp_path: Path) -> None:
    open_test(tmp_path, "training", 10, "f")
    path = tmp_path / NAME
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut])
        if whole[:cut].strip():
            assert open_test(tmp_path, "again", 10, "f") == 3
            assert [entry["count"] for entry in openings(tmp_path)] == [1, 1 if cut >= len(whole) - 1 else 2, 3]
            assert json.loads(path.read_bytes().split(b"\n")[-2])["purpose"] == "again"


def test_a_ledger_that_cannot_be_written_keeps_the_test_set_closed(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(StorageError, match="stays closed"):
        open_test(tmp_path, "training", 1, "f")
    with pytest.raises(StorageError):
        open_test(tmp_path / "absent", "training", 1, "f")


def _open_many(folder: Path, name: str) -> list[int]:
    (folder / name).touch()
    while not all((folder / other).exists() for other in ("one", "two")):  # both begin together
        time.sleep(0.001)
    return [open_test(folder, "race", 1, "f") for _ in range(40)]


def test_processes_never_share_a_number(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        counts = [count for each in pool.starmap(_open_many, [(tmp_path, "one"), (tmp_path, "two")], chunksize=1) for count in each]
    assert sorted(counts) == list(range(1, 81))
    assert [entry["count"] for entry in openings(tmp_path)] == list(range(1, 81))
