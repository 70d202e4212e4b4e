"""Files of numpy arrays: which become columns, pictures, series and parts, and which are refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import TEST, TRAIN, Dataset
from goodfit.data.read import read, read_like

N = 12
Y = np.arange(N) % 3
FRACTIONS = np.random.default_rng(0).normal(size=(N, 2, 5)).astype(np.float32)


def of(tmp_path: Path, arrays: dict[str, Any], **settings: Any) -> Dataset:
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return read(path, settings=DataPart(**settings))


def test_numbers_texts_and_names_of_classes(tmp_path: Path) -> None:
    data = of(
        tmp_path, {"x": np.arange(2.0 * N).reshape(N, 2), "z": np.array(list("abcd") * 3), "y": Y, "class_names": np.array(["u", "v", "w"])}
    )
    assert data.schema.names == ("x0", "x1", "z", "y")
    assert data.column("y").to_list() == [("u", "v", "w")[i] for i in Y]
    assert [column.name for column in data.schema.targets] == ["y"]


def test_pictures(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (N, 4, 4), np.uint8)
    data = of(tmp_path, {"images": pixels, "labels": Y})
    assert data.schema.column("images").kind == "image"
    assert np.array_equal(data.column("images").to_numpy(), pixels)
    assert of(tmp_path, {"images": pixels / 255.0, "labels": Y}).schema.column("images").kind == "image"


@pytest.mark.parametrize("time", [1, 2])
def test_series_with_lengths(tmp_path: Path, time: int) -> None:
    lengths = np.array([5, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5])
    values = FRACTIONS if time == 2 else FRACTIONS.transpose(0, 2, 1)
    data = of(tmp_path, {"X": values, "y": Y, "len": lengths})
    assert data.schema.names == ("X", "y")
    rows = data.column("X").to_list()
    assert [len(row or ()) for row in rows] == lengths.tolist()
    np.testing.assert_array_equal(np.array(rows[0], dtype=np.float32), FRACTIONS[0].T)
    assert "2 channels and up to 5 steps" in data.notes[0].message


def test_series_end_where_nothing_but_nan_follows(tmp_path: Path) -> None:
    values = FRACTIONS.copy()
    values[3, :, 2:] = np.nan
    values[4, 0, 1] = np.nan
    rows = of(tmp_path, {"X": values, "y": Y}).column("X").to_list()
    assert [len(row) for row in rows] == [5, 5, 5, 2, *[5] * 8]
    assert np.isnan(rows[4][1][0])


def test_one_channel(tmp_path: Path) -> None:
    data = of(tmp_path, {"X": FRACTIONS[:, :1], "y": Y})
    assert data.schema.column("X").dtype == "List(Float32)"
    np.testing.assert_array_equal(np.array(data.column("X").to_list(), dtype=np.float32), FRACTIONS[:, 0])


def test_parts(tmp_path: Path) -> None:
    arrays = {"X_train": FRACTIONS, "y_train": Y, "X_test": FRACTIONS[:5], "y_test": Y[:5], "class_names": np.array(["u", "v", "w"])}
    data = of(tmp_path, arrays)
    assert data.rows == N + 5
    assert data.part is not None
    assert data.part.tolist() == [TRAIN] * N + [TEST] * 5
    assert data.column("y")[-1] == "v"
    new = read_like(tmp_path / "data.npz", data.schema)
    assert new.rows == N + 5
    assert not any("left out" in note.message for note in new.notes)
    whole = of(tmp_path, arrays, drop=("split",))
    assert whole.part is None


def _npz(tmp_path: Path, members: dict[str, bytes]) -> Path:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _npy(values: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, values, allow_pickle=True)
    return out.getvalue()


def test_refused(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, bytes], str]] = [
        ({"x.npy": _npy(np.array([{}, {}])), "y.npy": _npy(Y)}, "Python objects, which goodfit never opens"),
        ({"x.npy": _npy(np.arange(9.0))[:-8], "y.npy": _npy(Y)}, "is damaged"),
        ({"x.npy": b"nonsense", "y.npy": _npy(Y)}, "is damaged|never opens"),
        ({"x.npy": _npy(np.float64(3))}, "no array with rows"),
        ({"x.npy": _npy(np.ones(4) * 1j), "y.npy": _npy(Y[:4])}, "complex128, which is no value"),
        ({"x.npy": _npy(np.zeros((3, 20_001))), "y.npy": _npy(Y[:3])}, "20,001 numbers in a row"),
        ({"X_train.npy": _npy(FRACTIONS), "y_train.npy": _npy(Y), "X_test.npy": _npy(Y), "y_test.npy": _npy(Y)}, "all parts must be alike"),
        ({"X.npy": _npy(FRACTIONS), "len.npy": _npy(np.full(N, 9)), "y.npy": _npy(Y)}, "from 0 to its 5 steps; row 1 has 9"),
    ]
    for members, words in cases:
        with pytest.raises(DataError, match=words):
            read(_npz(tmp_path, members), settings=DataPart(target=("y",)))


def test_arrays_without_a_row_each_are_left_out(tmp_path: Path) -> None:
    data = of(tmp_path, {"x": np.arange(1.0 * N), "y": Y, "about": np.array("made up"), "other": np.zeros(3)})
    assert data.schema.names == ("x", "y")
    assert any("'about'" in note.message and "'other'" in note.message for note in data.notes)


def test_a_zip_of_something_else_is_no_file_of_arrays(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", "x,y\n1,a\n2,b\n3,a\n")
    assert read(path, settings=DataPart(target=("y",))).column("x").to_list() == [1, 2, 3]
    assert isinstance(read(path, settings=DataPart(target=("y",))).column("y"), pl.Series)
