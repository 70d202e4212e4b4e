"""Targets, weights, given splits, groups and times: columns with a part to play, and rows that must be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read


def frame(**columns: Any) -> pl.DataFrame:
    """Twelve rows with a feature and a label, and further columns."""
    return pl.DataFrame({"x": [i * 0.5 for i in range(12)], "label": ["a", "b"] * 6, **columns})


def of(settings: dict[str, Any], **columns: Any) -> Dataset:
    return read(frame(**columns), settings=DataPart(**({"target": ("label",)} | settings)))


def test_roles() -> None:
    dataset = of(
        {"weight": "w", "split": "s", "group": "g", "time": "t", "drop": ("d",)},
        w=[1, 2] * 6, s=["train", "TEST", " val "] * 4, g=list("abcabcabcabc"), t=["2024-01-05", "2024-02-05"] * 6, d=[7.5, 1] * 6,
    )  # fmt: skip
    assert {c.name: c.role for c in dataset.schema.columns} == {
        "x": "feature", "label": "target", "w": "weight", "s": "split", "g": "group", "t": "time",
    }  # fmt: skip
    assert dataset.part is not None
    assert dataset.part.tolist() == [0, 2, 1] * 4
    assert dataset.schema.column("t").kind == "datetime"


def test_one_column_for_groups_and_times() -> None:
    dataset = of({"group": "t", "time": "t"}, t=[1, 1, 2, 2, 3, 3] * 2)
    assert dataset.schema.column("t").role == "time"


@pytest.mark.parametrize(
    "words", [["train", "valid", "test"], ["training", "validation", "testing"], ["Train", "dev", "TEST"], ["train", "val", "test"]]
)
def test_words_of_a_split(words: list[str]) -> None:
    dataset = of({"split": "s"}, s=words * 4)
    assert dataset.part is not None
    assert dataset.part.tolist() == [0, 1, 2] * 4


def test_a_target_is_guessed_by_its_name() -> None:
    dataset = of({"target": ()})
    assert [c.name for c in dataset.schema.targets] == ["label"]
    assert "no target was given; 'label' was taken" in dataset.notes[0].message
    two = of({"target": ()}, y=[1, 2] * 6)
    assert two.schema.targets == ()


def test_rows_without_a_target_are_left_out() -> None:
    labels = ["a", "b", None] * 4
    dataset = of({"split": "s"}, label=labels, s=["train", "test", "valid", "train"] * 3)
    kept = [i for i in range(12) if labels[i] is not None]
    assert dataset.rows == 8
    assert dataset.column("x").to_list() == [i * 0.5 for i in kept]
    assert dataset.part is not None
    assert dataset.part.tolist() == [[0, 2, 1, 0][i % 4] for i in kept]
    assert dataset.place(2) == (None, 4)
    assert [(note.row, note.column) for note in dataset.notes] == [(3, "label")]
    assert dataset.schema.column("label").missing == 0
    half = of({}, label=["a", "b", None, None, None, None] * 2)
    assert "half of the rows and more" in half.notes[0].message


def test_files_for_the_parts(tmp_path: Path) -> None:
    whole = frame(c=["u", "v", None] * 4)
    whole[:6].write_csv(tmp_path / "train.csv")
    whole[6:9].select("c", "label", "x").write_parquet(tmp_path / "valid.parquet")
    whole[9:].with_columns(extra=1).write_ndjson(tmp_path / "test.jsonl")
    dataset = read(
        tmp_path / "train.csv", settings=DataPart(target=("label",)), valid=tmp_path / "valid.parquet", test=tmp_path / "test.jsonl"
    )
    for name in whole.columns:
        assert dataset.column(name).to_list() == whole[name].to_list()
    assert dataset.part is not None
    assert dataset.part.tolist() == [0] * 6 + [1] * 3 + [2] * 3
    assert [path.name for path in dataset.files] == ["train.csv", "valid.parquet", "test.jsonl"]
    assert dataset.place(10) == (str(tmp_path / "test.jsonl"), 2)
    assert any("'extra'" in note.message for note in dataset.notes)


def test_parts_with_other_columns(tmp_path: Path) -> None:
    frame().write_csv(tmp_path / "train.csv")
    frame().rename({"x": "xs"}).write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match=r"test.csv has no 'x'; did you mean 'xs'") as caught:
        read(tmp_path / "train.csv", settings=DataPart(target=("label",)), test=tmp_path / "test.csv")
    assert caught.value.column == "x"
    with pytest.raises(DataError, match="'x' holds Float64 in the frame and String in the frame"):
        read(frame(), settings=DataPart(target=("label",)), test=frame(x=["u", "v"] * 6))
    with pytest.raises(DataError, match=r"given by files and by data\.split"):
        read(frame(s=["train"] * 12), settings=DataPart(target=("label",), split="s"), test=frame(s=["test"] * 12))


def test_numbers_of_two_types_join() -> None:
    dataset = read(frame(), settings=DataPart(target=("label",)), test=frame(x=list(range(12))))
    assert dataset.column("x").to_list()[12:] == list(range(12))


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str, int | None, str]] = [
    ({"target": ("lable",)}, {}, "did you mean 'label'", None, "lable"),
    ({"weight": "w"}, {}, "data.weight names 'w'", None, "w"),
    ({"drop": ("d",)}, {}, "data.drop names 'd'", None, "d"),
    ({"target": ("label", "label")}, {}, "names one twice", None, "label"),
    ({"weight": "label"}, {}, "data.target and by data.weight", None, "label"),
    ({"drop": ("label",)}, {}, "data.target and by data.drop", None, "label"),
    ({"weight": "w"}, {"w": [1.0] * 4 + [-1.0] + [1.0] * 7}, "'w' is -1 in row 5", 5, "w"),
    ({"weight": "w"}, {"w": [1.0] * 4 + [None] + [1.0] * 7}, "missing or no finite number in row 5", 5, "w"),
    ({"weight": "w"}, {"w": [1.0] * 4 + [float("inf")] + [1.0] * 7}, "weights are finite numbers; row 5 holds inf", 5, "w"),
    ({"weight": "w"}, {"w": ["1", "2", "heavy"] * 4}, "must be numbers", 3, "w"),
    ({"weight": "w"}, {"w": [0.0] * 12}, "0 in every row", None, "w"),
    ({"split": "s"}, {"s": ["train", "holdout"] * 6}, "row 2 holds 'holdout'", 2, "s"),
    ({"split": "s"}, {"s": ["train", None] * 6}, "row 2 is empty", 2, "s"),
    ({"split": "s"}, {"s": [0, 1] * 6}, "row 1 holds 0", 1, "s"),
    ({"split": "s"}, {"s": ["test", "valid"] * 6}, "leaves no row for training", None, "s"),
    ({"group": "g"}, {"g": ["u", "v", None] * 4}, "missing in row 3", 3, "g"),
    ({"time": "t"}, {"t": [1, 2, None] * 4}, "missing in row 3", 3, "t"),
    ({"time": "t"}, {"t": ["soon", "later"] * 6}, "data.time needs dates or numbers", None, "t"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "columns", "words", "row", "column"), REFUSED, ids=[case[2] for case in REFUSED])
def test_refused(settings: dict[str, Any], columns: dict[str, Any], words: str, row: int | None, column: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        of(settings, **columns)
    assert (caught.value.row, caught.value.column) == (row, column)


def test_positions_outside_the_table() -> None:
    with pytest.raises(IndexError, match="from 0 to 11"):
        of({}).take(np.array([12]))
