"""Pictures that are handed over as arrays: which shapes and pixels are taken, and what they are read as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from goodfit.api import train
from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read, read_like

N, H, W = 24, 5, 4
LABELS = ["a", "b"] * (N // 2)
PIXELS = np.random.default_rng(0).integers(0, 256, (N, H, W, 3), np.uint8)
PIXELS[0, 0, 0] = 0, 128, 255
GREY = PIXELS[..., 0]


def of(pictures: Any, **settings: Any) -> Dataset:
    return read({"picture": pictures, "label": LABELS}, settings=DataPart(target=("label",), **settings))


TAKEN: dict[str, tuple[Any, np.ndarray]] = {  # what is handed over, and what it is read as
    "grey": (GREY, GREY),
    "colour": (PIXELS, PIXELS),
    "one channel": (PIXELS[..., :1], PIXELS[..., :1]),
    "opacity": (PIXELS[..., [0, 1, 2, 0]], PIXELS[..., [0, 1, 2, 0]]),
    "not contiguous": (PIXELS[..., ::-1], PIXELS[..., ::-1]),
    "int64": (GREY.astype(np.int64), GREY),
    "dark int64": (GREY.astype(np.int64) // 20, GREY // 20),
    "float32": (GREY.astype(np.float32) / 255, GREY),
    "float64": (PIXELS / 255, PIXELS),
    "dark float64": (GREY / 2550, np.rint(GREY / 10).astype(np.uint8)),
    "truth values": (GREY > 99, np.where(GREY > 99, 255, 0).astype(np.uint8)),
    "tensor": (torch.from_numpy(GREY), GREY),
    "list of arrays": (list(GREY), GREY),
    "list of float arrays": (list(PIXELS / 255), PIXELS),
}


@pytest.mark.parametrize("name", TAKEN)
def test_arrays_become_eight_bits(name: str) -> None:
    given, expected = TAKEN[name]
    data = of(given)
    column = data.schema.column("picture")
    assert (column.kind, column.role, column.missing) == ("image", "feature", 0)
    np.testing.assert_array_equal(data.column("picture").to_numpy(), expected)
    assert data.column("picture").to_numpy().dtype == np.uint8


@pytest.mark.parametrize("frame", ["pandas", "polars", "polars of floats"])
def test_columns_of_frames_may_have_gaps(frame: str) -> None:
    rows = [None if row in (0, 7) else picture for row, picture in enumerate(GREY)]
    if frame == "pandas":
        source: Any = pd.DataFrame({"picture": rows, "label": LABELS})
    else:
        inner, unit = (pl.UInt8, 1) if frame == "polars" else (pl.Float64, 255)
        lists = [row if row is None else (row / unit).tolist() for row in rows]
        series = pl.Series("picture", lists, dtype=pl.Array(pl.Float64, (H, W))).cast(pl.Array(inner, (H, W)))
        source = pl.DataFrame([series, pl.Series("label", LABELS)])
    data = read(source, settings=DataPart(target=("label",)))
    assert data.schema.column("picture").missing == 2
    assert data.column("picture").is_null().arg_true().to_list() == [0, 7]
    np.testing.assert_array_equal(data.column("picture").drop_nulls().to_numpy(), np.delete(GREY, [0, 7], axis=0))


def changed(value: float, dtype: Any = np.float64) -> np.ndarray:
    pixels = np.zeros((N, H, W), dtype)
    pixels[6, 2, 3] = value
    return pixels


@pytest.mark.parametrize(
    ("pictures", "words", "row"),
    [
        (changed(2.0), "fractions from 0 to 1; row 7 holds 2", 7),
        (changed(-0.1), "row 7 holds -0.1", 7),
        (changed(np.nan), "row 7 holds nan", 7),
        (changed(256, np.uint16), "whole numbers from 0 to 255; row 7 holds 256", 7),
        (changed(-1, np.int64), "row 7 holds -1", 7),
        (np.zeros((N, H, W), complex), "complex128; give whole numbers", None),
        (np.zeros((N, H, W), "U1"), "<U1; give whole numbers", None),
        (np.zeros((N, 7)), r"'picture' has the shape \(24, 7\): give a column per entry", None),
        (np.zeros((N, 0, 4)), r"has the shape \(24, 0, 4\)", None),
        (np.zeros((N, 2, 3, 4, 1)), r"has the shape \(24, 2, 3, 4, 1\)", None),
        (np.zeros((N, 3, 8, 9)), r"np.moveaxis\(picture, 1, -1\)", None),
        (np.zeros((N, 8, 9, 7)), "keep up to four channels", None),
        ([*GREY[:5], GREY[5, :4], *GREY[6:]], r"row 1 has \(5, 4\) of uint8 and row 6 has \(4, 4\) of uint8", 6),
        ([*GREY[:5], GREY[5] / 255, *GREY[6:]], r"row 6 has \(5, 4\) of float64", 6),
        (GREY[:9], "'picture' has 9 and 'label' has 24", None),
    ],
)  # fmt: skip
def test_other_arrays_are_refused_in_a_sentence(pictures: Any, words: str, row: int | None) -> None:
    with pytest.raises(DataError, match=words) as caught:
        of(pictures)
    assert (caught.value.exit_code, caught.value.row) == (2, row)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "settings", [{"kinds": {"picture": "number"}}, {"weight": "picture"}, {"group": "picture"}, {"time": "picture"}, {"split": "picture"}]
)
def test_pictures_are_nothing_but_a_feature(settings: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="'picture'"):
        of(GREY, **settings)
    with pytest.raises(DataError, match="'picture' holds pictures, which are a feature"):
        read({"picture": GREY, "x": np.arange(N) * 0.5}, settings=DataPart(target=("picture",)))


def test_the_fingerprint_sees_every_pixel() -> None:
    other = GREY.copy()
    other[5, 3, 2] ^= 1
    assert of(GREY).fingerprint == of(GREY.copy()).fingerprint != of(other).fingerprint


def test_new_rows_must_hold_pictures_too() -> None:
    schema = of(GREY).schema
    np.testing.assert_array_equal(read_like({"picture": PIXELS[:3] / 255}, schema).column("picture").to_numpy(), PIXELS[:3])
    for other in (np.arange(3.0), ["a.png"] * 3, [[1, 2]] * 3):
        with pytest.raises(DataError, match="'picture' was a picture in training; row 1 holds") as caught:
            read_like({"picture": other}, schema)
        assert "\n" not in caught.value.message
    numbers = read({"picture": np.arange(N) * 0.5, "label": LABELS}, settings=DataPart(target=("label",))).schema
    with pytest.raises(DataError, match="'picture' was a number in training; row 1 holds an array"):
        read_like({"picture": GREY}, numbers)


def test_trained_and_predicted_from_a_dict(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    label = np.arange(200) % 2
    pictures = generator.integers(0, 60, (200, 10, 12), np.uint8)
    pictures[label == 1, 2:8, 2:8] += 150
    run = train({"picture": pictures, "label": label}, "label", out=tmp_path / "run", train__epochs=5)
    assert run.to_json()["model"] == "resnet9"
    new = generator.integers(0, 60, (40, 10, 12), np.uint8)
    new[20:, 2:8, 2:8] += 150
    predicted = run.predict({"picture": new})
    assert (predicted["prediction"].to_numpy() == np.repeat([0, 1], 20)).mean() > 0.9
    assert run.predict({"picture": new / 255}).equals(predicted)  # the type says what white is
    with pytest.raises(DataError, match="'picture'"):
        run.predict({"picture": new[:, 0]})
