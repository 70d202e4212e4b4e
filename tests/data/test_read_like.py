"""New rows are read by the schema of the training rows; what does not fit is one sentence with its place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset, Schema
from goodfit.data.read import read, read_like

TRAIN = pl.DataFrame(
    {
        "id": [f"u{i:04d}" for i in range(30)],
        "age": [str(20 + i % 30) for i in range(30)],
        "pay": [f"1,{i:03d}.50" for i in range(30)],
        "town": ["Oslo", "Lima", "7"] * 10,
        "member": ["yes", "no", "no"] * 10,
        "since": ["25.03.2021", "01.04.2022", "12.12.2020"] * 10,
        "w": ["1.5", "2"] * 15,
        "label": ["a", "b"] * 15,
    }
)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("train") / "train.csv"
    TRAIN.write_csv(path)
    found = read(path, settings=DataPart(target=("label",), weight="w")).schema
    assert {c.name: c.kind for c in found.features} == {
        "age": "number", "pay": "number", "town": "category", "member": "boolean", "since": "datetime",
    }  # fmt: skip
    return Schema.from_json(found.to_json())


def csv(tmp_path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(tmp_path / "new.csv")
    return tmp_path / "new.csv"


def change(column: str, row: int, value: Any) -> pl.DataFrame:
    values = TRAIN[column].to_list()
    values[row] = value
    return TRAIN.with_columns(pl.Series(column, values))


def check(dataset: Dataset) -> None:
    assert dataset.column("age").to_list() == [20 + i % 30 for i in range(30)]
    assert dataset.column("pay").to_list() == [1000.5 + i for i in range(30)]
    assert dataset.column("town").to_list() == TRAIN["town"].to_list()
    assert dataset.column("member").to_list() == [True, False, False] * 10
    assert dataset.column("since")[0] == dt.datetime(2021, 3, 25)


def test_the_same_rows(tmp_path: Path, schema: Schema) -> None:
    dataset = read_like(csv(tmp_path, TRAIN), schema)
    check(dataset)
    assert not dataset.notes
    assert [c.role for c in dataset.schema.columns] == ["feature"] * 5 + ["target"]
    assert read_like(csv(tmp_path, TRAIN[:1]), schema).rows == 1


def test_the_same_values_in_other_types(tmp_path: Path, schema: Schema) -> None:
    typed = TRAIN.with_columns(
        age=pl.col("age").cast(pl.Float64),
        pay=pl.Series([1000.5 + i for i in range(30)]),
        member=pl.col("member") == "yes",
        since=pl.col("since").str.to_date("%d.%m.%Y"),
        town=pl.col("town").cast(pl.Categorical),
    )
    check(read_like(typed, schema))
    typed.write_parquet(tmp_path / "t.parquet")
    check(read_like(tmp_path / "t.parquet", schema))
    check(read_like(csv(tmp_path, typed), schema))  # plain numbers, true and false, ISO dates


def test_order_and_extra_columns(tmp_path: Path, schema: Schema) -> None:
    dataset = read_like(csv(tmp_path, TRAIN.select(reversed(TRAIN.columns)).with_columns(colour=1, height=2)), schema)
    check(dataset)
    assert [note.message for note in dataset.notes] == ["2 columns that training did not have ('colour', 'height') were left out"]


def test_columns_that_are_not_needed(tmp_path: Path, schema: Schema) -> None:
    dataset = read_like(csv(tmp_path, TRAIN.drop("id", "label", "w")), schema)
    check(dataset)
    assert dataset.schema.targets == ()


def test_labelled(tmp_path: Path, schema: Schema) -> None:
    dataset = read_like(csv(tmp_path, change("label", 3, None)), schema, labelled=True)
    assert (dataset.rows, dataset.place(3)[1]) == (29, 5)
    assert [c.name for c in dataset.schema.with_role("weight")] == ["w"]
    assert any("1 rows without a value of 'label' (first row 4)" in note.message for note in dataset.notes)
    with pytest.raises(DataError, match="'label'"):
        read_like(csv(tmp_path, TRAIN.drop("label")), schema, labelled=True)
    with pytest.raises(DataError, match="no value in any row"):
        read_like(csv(tmp_path, TRAIN.with_columns(label=pl.lit(None, pl.String))), schema, labelled=True)
    assert read_like(csv(tmp_path, change("label", 3, None)), schema).rows == 30


def test_missing_and_unseen_values(tmp_path: Path, schema: Schema) -> None:
    for column in ("age", "pay", "town", "member", "since"):
        assert read_like(csv(tmp_path, change(column, 4, None)), schema).column(column)[4] is None
    assert read_like(csv(tmp_path, change("town", 4, "Rome")), schema).column("town")[4] == "Rome"
    noted = read_like(csv(tmp_path, change("age", 4, "NA")), schema)
    assert noted.column("age")[4] is None
    assert "1 words for missing in 'age' (first 'NA' in row 5) were taken as missing" in noted.notes[0].message
    infinite = read_like(csv(tmp_path, change("pay", 4, "inf")), schema)
    assert "1 infinite values in 'pay' (first 'inf' in row 5)" in infinite.notes[0].message
    half = read_like(csv(tmp_path, change("age", 4, "20.5")), schema)
    assert half.column("age")[4] == 20.5


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", "young"), ("pay", "1,2"), ("member", "maybe"), ("since", "soon"), ("since", "2021-13-45"), ("member", "2")],
)
def test_one_value_of_another_kind(tmp_path: Path, schema: Schema, column: str, value: str) -> None:
    with pytest.raises(
        DataError, match=f"the column '{column}' was a {schema.column(column).kind} in training; row 5 holds '{value}'"
    ) as caught:
        read_like(csv(tmp_path, change(column, 4, value)), schema)
    assert (caught.value.row, caught.value.column, caught.value.value) == (5, column, value)
    assert caught.value.file == str(tmp_path / "new.csv")


@pytest.mark.parametrize(
    ("column", "values"),
    [("age", [["x"]] * 30), ("age", [dt.datetime(2024, 1, 1)] * 30), ("town", [["x"]] * 30), ("since", [5] * 30), ("member", [7] * 30), ("town", [dt.datetime(2024, 1, 1)] * 30)],
)  # fmt: skip
def test_a_column_of_another_type(schema: Schema, column: str, values: list[Any]) -> None:
    with pytest.raises(DataError, match=f"the column '{column}' was a .* in training; row 1 holds") as caught:
        read_like(TRAIN.with_columns(pl.Series(column, values)), schema)
    assert caught.value.row == 1


def test_missing_and_renamed_columns(tmp_path: Path, schema: Schema) -> None:
    with pytest.raises(DataError, match=r"the column 'age' \(number\) of the training data is missing; give every column") as caught:
        read_like(csv(tmp_path, TRAIN.drop("age")), schema)
    assert caught.value.column == "age"
    with pytest.raises(DataError, match="'ages' is there: was it renamed"):
        read_like(csv(tmp_path, TRAIN.rename({"age": "ages"})), schema)
    with pytest.raises(DataError, match="'AGE' is there: was it renamed"):
        read_like(csv(tmp_path, TRAIN.rename({"age": "AGE"})), schema)


def test_a_target_that_cannot_be_read_does_not_stop_a_prediction() -> None:
    train = pl.DataFrame({"x": [i * 0.5 for i in range(20)], "y": [i * 1.5 for i in range(20)]})
    schema = read(train, settings=DataPart(target=("y",))).schema
    dataset = read_like(train.with_columns(y=pl.lit("later")), schema)
    assert dataset.schema.targets == ()
    assert "'y'" in dataset.notes[0].message
    with pytest.raises(DataError, match="row 1 holds 'later'"):
        read_like(train.with_columns(y=pl.lit("later")), schema, labelled=True)


def test_categories_that_were_whole_numbers() -> None:
    train = pl.DataFrame({"zip code": [10115, 20095, 80331] * 10, "x": [i * 0.5 for i in range(30)], "label": ["a", "b"] * 15})
    schema = read(train, settings=DataPart(target=("label",))).schema
    assert schema.column("zip code").dtype == "Int64"
    for values in ([10115, 99999] * 15, [10115.0, 99999.0] * 15, ["10115", "99999"] * 15):
        assert read_like(train.with_columns(pl.Series("zip code", values)), schema).column("zip code")[:2].to_list() == [10115, 99999]
    with pytest.raises(DataError, match="row 2 holds"):
        read_like(train.with_columns(pl.Series("zip code", ["10115", "D-20095"] * 15)), schema)


def test_whole_floats_for_a_category_of_texts(tmp_path: Path) -> None:
    train = pl.DataFrame({"zip code": ["10115", "20095", "80331"] * 10, "x": [i * 0.5 for i in range(30)], "label": ["a", "b"] * 15})
    train.write_csv(tmp_path / "t.csv")
    schema = read(tmp_path / "t.csv", settings=DataPart(target=("label",))).schema
    new = read_like(train.with_columns(pl.Series("zip code", [10115.0, None] * 15)), schema)
    assert new.column("zip code")[:2].to_list() == ["10115", None]
