"""pandas and polars frames, dicts and arrays: their types become the few that goodfit knows."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read

N = 24
LABEL = DataPart(target=("label",))
DAY = dt.datetime(2024, 3, 1, 12, 30)


def of(values: Any, **settings: Any) -> Dataset:
    return read(
        {"x": values, "anchor": np.arange(N) * 0.3, "label": ["a", "b"] * (N // 2)}, settings=DataPart(target=("label",), **settings)
    )


def spread(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


COLUMNS: dict[str, tuple[Any, str, str, list[Any]]] = {
    # name: (values, kind, type, the first values after reading)
    "float32": (np.array(spread(1.5, np.nan, 2.5, np.inf), np.float32), "number", "Float32", [1.5, None, 2.5, None]),
    "float16": (np.array(spread(1.5, 2.5, 3.5), np.float16), "number", "Float32", [1.5, 2.5, 3.5]),
    "big-endian": (np.array(spread(1, 2, 3), ">i4"), "number", "Int32", [1, 2, 3]),
    "uint8": (np.array(spread(1, 2, 3), np.uint8), "number", "UInt8", [1, 2, 3]),
    "bool": (np.array(spread(True, False)), "boolean", "Boolean", [True, False]),
    "ones": (np.array(spread(1, 0)), "boolean", "Boolean", [True, False]),
    "unicode": (np.array(spread("a", "b", "c")), "category", "String", ["a", "b", "c"]),
    "bytes": (np.array(spread(b"a", b"b", b"c")), "category", "String", ["a", "b", "c"]),
    "datetime64": (np.array(spread("2024-03-01", "2024-03-02", "NaT"), "datetime64[D]"), "datetime", "Datetime", [dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 2), None]),
    "timedelta64": (np.array(spread(1, 2, 3), "timedelta64[m]"), "number", "Float64", [60.0, 120.0, 180.0]),
    "objects": (np.array(spread(1, "a", None, 2.5), dtype=object), "category", "String", ["1", "a", None, "2.5"]),
    "object-numbers": (np.array(spread(1, None, 2.5), dtype=object), "number", "Float64", [1.0, None, 2.5]),
    "masked": (np.ma.array(spread(1.5, 2.5, 7.5), mask=spread(0, 1, 0)), "number", "Float64", [1.5, None, 7.5]),
    "tensor": (torch.arange(N) * 1.5, "number", "Float32", [0.0, 1.5, 3.0]),
    "list": (spread(1, 5, None), "number", "Int64", [1, 5, None]),
    "dates": (spread(DAY.date(), None, dt.date(2024, 4, 1)), "datetime", "Datetime", [dt.datetime(2024, 3, 1), None]),
    "moments": (spread(DAY, DAY.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))), "datetime", "Datetime", [DAY, DAY - dt.timedelta(hours=2)]),
    "times": (spread(dt.time(1), dt.time(2), dt.time(0, 0, 1, 500_000)), "number", "Float64", [3600.0, 7200.0, 1.5]),
    "spans": (spread(dt.timedelta(hours=1), dt.timedelta(seconds=2)), "number", "Float64", [3600.0, 2.0]),
    "decimals": (spread(decimal.Decimal("1.25"), decimal.Decimal("2.5"), decimal.Decimal("NaN")), "number", "Float64", [1.25, 2.5, None]),
    "wide-integers": (spread(2**70, 2**70 + 1, 5), "category", "String", [str(2**70), str(2**70 + 1), "5"]),
    "pandas-nullable": (pd.array(spread(1, None, 3), dtype="Int64"), "number", "Int64", [1, None, 3]),
    "pandas-boolean": (pd.array(spread(True, None, False), dtype="boolean"), "boolean", "Boolean", [True, None, False]),
    "pandas-category": (pd.Series(spread("u", "v", None), dtype="category"), "category", "String", ["u", "v", None]),
    "pandas-string": (pd.Series(spread("u", "v", None), dtype="string"), "category", "String", ["u", "v", None]),
    "pandas-zoned": (pd.Series(spread(*pd.to_datetime(["2024-03-01 12:30", "2024-04-01 00:00"]).tz_localize("Europe/Oslo"))), "datetime", "Datetime", [DAY - dt.timedelta(hours=1)]),
    "pandas-sparse": (pd.Series(pd.arrays.SparseArray(spread(0.0, 1.5, 2.5))), "number", "Float64", [0.0, 1.5, 2.5]),
    "pandas-numbers-as-categories": (pd.Series(spread(1.5, 2.5, None), dtype="category"), "number", "Float64", [1.5, 2.5, None]),
    "polars-decimal": (pl.Series(spread("1.25", "2.5", None)).cast(pl.Decimal(10, 2)), "number", "Float64", [1.25, 2.5, None]),
    "polars-enum": (pl.Series(spread("u", "v", None), dtype=pl.Enum(["u", "v"])), "category", "String", ["u", "v", None]),
    "polars-zoned": (pl.Series(spread(DAY, None, dt.datetime(2024, 7, 1))).dt.replace_time_zone("America/New_York"), "datetime", "Datetime", [DAY + dt.timedelta(hours=5), None, dt.datetime(2024, 7, 1, 4)]),
    "polars-int128": (pl.Series(spread(1, 2, 3), dtype=pl.Int128), "number", "Int64", [1, 2, 3]),
    "texts-of-numbers": (spread("1", "2", None, "5"), "number", "Int64", [1, 2, None, 5]),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_column(name: str) -> None:
    values, kind, dtype, first = COLUMNS[name]
    dataset = of(values)
    column = dataset.schema.column("x")
    assert (column.kind, column.dtype) == (kind, dtype)
    read_back = dataset.column("x")
    assert read_back.to_list()[: len(first)] == first
    assert column.missing == read_back.null_count()
    assert str(read_back.dtype).startswith(dtype)


def test_pandas_frame_as_it_comes_from_a_file() -> None:
    frame = pd.DataFrame(
        {"n": [1.0, None, 3.0] * 8, "c": ["x", None, "NA"] * 8, 7: np.arange(24) * 2.5, "label": [0, 1] * 12}, index=range(100, 124)
    )
    dataset = read(frame, settings=LABEL)
    assert [(c.name, c.kind) for c in dataset.schema.columns] == [
        ("n", "number"),
        ("c", "category"),
        ("7", "number"),
        ("label", "category"),
    ]
    assert dataset.column("c").to_list() == ["x", None, "NA"] * 8
    assert dataset.files == ()


def test_pandas_is_not_written_to() -> None:
    frame = pd.DataFrame({"c": pd.Series(["x", None, "y", "x"] * 6, dtype=object), "n": [1.5, np.inf] * 12, "label": [0, 1] * 12})
    before = frame.copy(deep=True)
    read(frame, settings=LABEL)
    pd.testing.assert_frame_equal(frame, before)


def test_structured_array_and_lazy_frame() -> None:
    array = np.array([(1.5 * i, f"w{i % 3}", i % 2) for i in range(N)], dtype=[("x", "f8"), ("c", "U4"), ("label", "i4")])
    dataset = read(array, settings=LABEL)
    assert [c.kind for c in dataset.schema.columns] == ["number", "category", "category"]
    lazy = read(pl.LazyFrame({"x": array["x"], "label": array["label"]}), settings=LABEL)
    assert lazy.column("x").to_list() == array["x"].tolist()


def test_mixed_types_are_said() -> None:
    assert any("mixes values of the types" in note.message for note in of(spread(1, "a", None)).notes)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"x": [1, 2], "label": [1, 2, 3]}, "'x' has 2 and 'label' has 3"),
        ({"x": np.zeros((4, 2)), "label": [0, 1, 0, 1]}, r"shape \(4, 2\)"),
        ({"x": 5, "label": [0, 1]}, "must be an array or a list; 'x' is a int"),
        ({"x": "ab", "label": [0, 1]}, "must be an array or a list; 'x' is a str"),
        ({"x": [1 + 2j, 3j], "label": [0, 1]}, "holds a complex in row 1"),
        ({"x": [{"a": 1}, {"a": 2}], "label": [0, 1]}, "holds a dict in row 1"),
        ({"x": np.array([1j, 2j]), "label": [0, 1]}, "complex128"),
        ({"x": [["a"], ["b"]], "label": [0, 1]}, "'x' holds lists of texts, which are read for tagging"),
        ({"x": [[["a"]], [[2]]], "label": [0, 1]}, "'x' hold lists of what are no numbers"),
        ({"x": [], "label": []}, "no rows"),
        ({}, "no columns"),
        (pl.DataFrame({"x": [{"a": 1}, {"a": 2}], "label": [0, 1]}), "'x' holds structures"),
        (pl.DataFrame({"x": [b"a", b"b"], "label": [0, 1]}), "'x' holds bytes"),
        (pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["x", "x", "label"]), "'x' is the name of columns 1 and 2"),
        (pd.DataFrame([[1, 0]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "label")])), "several levels"),
        (np.zeros((4, 2)), r"array of shape \(4, 2\) has no column names"),
    ],
)
def test_refused(source: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(source, settings=LABEL)


def test_a_dropped_column_may_hold_anything() -> None:
    frame = pl.DataFrame({"x": [0.5, 1.5] * 4, "s": [{"a": 1}] * 8, "label": ["a", "b"] * 4})
    assert read(frame, settings=DataPart(target=("label",), drop=("s",))).schema.names == ("x", "label")


def test_fingerprint_is_of_the_content() -> None:
    one, two, three = of(spread(1.5, 2.5, 3.5)), of(spread(1.5, 2.5, 3.5)), of(spread(1.5, 2.5, 4.5))
    assert one.fingerprint == two.fingerprint != three.fingerprint
