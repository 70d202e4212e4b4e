"""The kind of each column, and the values that its texts become."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Column, Dataset, Schema
from goodfit.data.forms import DATES, Form
from goodfit.data.read import read

N = 60


def of(values: list[Any], name: str = "x", folder: Path | None = None, **given_settings: Any) -> Dataset:
    """A text table with this column; through a file when there is a folder."""
    rows = [values[i % len(values)] for i in range(N)] if len(values) < N else values
    count = len(rows)
    frame = pl.DataFrame({name: rows, "anchor": [i * 0.3 for i in range(count)], "label": ["a", "b"] * (count // 2)}, strict=False)
    data = DataPart(target=("label",), **given_settings)
    if folder is None:
        return read(frame, settings=data)
    frame.write_csv(folder / "t.csv")
    return read(folder / "t.csv", settings=data)


def kind(values: list[Any], name: str = "x", **given_settings: Any) -> tuple[str, str]:
    column = of(values, name, **given_settings).schema.column(name)
    return column.kind, column.role


WORDS = [f"{a}{b}" for a in "abcdefgh" for b in "klmnopqr"][:N]
SENTENCE = "the colour of the {} one is darker than that of the others"

KINDS: list[tuple[str, list[Any], str, tuple[str, str]]] = [
    ("x", ["1.5", "2", "-3e4"], "plain numbers", ("number", "feature")),
    ("x", ["1", "2", "3"], "whole numbers", ("number", "feature")),
    ("x", ["0", "1"], "zero and one", ("boolean", "feature")),
    ("x", ["yes", "no", None], "yes and no", ("boolean", "feature")),
    ("x", ["TRUE", "False"], "true and false", ("boolean", "feature")),
    ("x", ["yes", "no", "maybe"], "three words", ("category", "feature")),
    ("x", ["yes", "no", "NA"], "NA is a word among words", ("category", "feature")),
    ("x", ["null", "nan", "none", "NA"], "words for missing alone", ("constant", "ignored")),
    ("x", ["red", "null", "nan", "none"], "words for missing among words", ("category", "feature")),
    ("x", [None], "nothing", ("constant", "ignored")),
    ("x", ["a"], "one word", ("constant", "ignored")),
    ("x", ["a", None], "one word or none", ("category", "feature")),
    ("x", ["7", None], "one number or none", ("category", "feature")),
    ("x", ["007", "012", "123"], "leading zeros", ("category", "feature")),
    ("x", ["00", "01", "12"], "hours are numbers", ("number", "feature")),
    ("zip code", ["12345", "54321", "90210"], "named like a code", ("category", "feature")),
    ("pixel", ["12345", "54321", "90210"], "not named like a code", ("number", "feature")),
    ("x", [str(i) for i in range(N)], "counts the rows", ("identifier", "ignored")),
    ("x", [str(20 + i) for i in range(N)], "all different, from 20", ("number", "feature")),
    ("year", [str(1900 + i) for i in range(N)], "years count too", ("number", "feature")),
    ("customer_id", [str(10_000 + 7 * i) for i in range(N)], "named like an identifier", ("identifier", "ignored")),
    ("area", [str(10_000 + 7 * i) for i in range(N)], "all different amounts", ("number", "feature")),
    ("x", [f"{i:08x}-ab" for i in range(N)], "hexadecimal", ("identifier", "ignored")),
    ("x", WORDS, "short words that are all different", ("identifier", "ignored")),
    ("x", [SENTENCE.format(w) for w in WORDS], "sentences", ("text", "feature")),
    ("x", [SENTENCE.format(w) for w in WORDS[:4]], "four sentences", ("category", "feature")),
    ("x", ["東京都の天気は晴れのち曇りでしょう、気温は高い" + w for w in WORDS], "writing without spaces", ("text", "feature")),
    ("x", [str(10**17 + i * 13) for i in range(N)], "card numbers", ("identifier", "ignored")),
    ("x", ["2024-01-05", "2023-12-31"], "dates", ("datetime", "feature")),
    ("x", ["2024-01-05T10:11:12Z", "2023-12-31T01:02:03.5+02:00"], "times with zones", ("datetime", "feature")),
    ("date", ["20240105", "20231231"], "eight digits named a date", ("datetime", "feature")),
    ("x", ["20240105", "20231231"], "eight digits", ("number", "feature")),
    ("x", ["12 km", "15 km", "9 miles"], "units", ("category", "feature")),
    ("x", ["$5", "€7", "$9"], "two currencies", ("category", "feature")),
    ("x", ["1.5", "two", "3"], "a third of words", ("category", "feature")),
]


@pytest.mark.parametrize(("name", "values", "title", "expected"), KINDS, ids=[case[2] for case in KINDS])
def test_kind(tmp_path: Path, name: str, values: list[Any], title: str, expected: tuple[str, str]) -> None:
    column = of(values, name, tmp_path).schema.column(name)
    assert (column.kind, column.role) == expected
    assert column.reason


FORMS: list[tuple[list[str], list[Any], str]] = [
    (["1,234.5", "12", "1,234,567"], [1234.5, 12.0, 1234567.0], "thousands separators ','"),
    (["1.234,5", "12", "1.234.567"], [1234.5, 12.0, 1234567.0], "thousands separators '.' and decimal commas"),
    (["1 234,5", "12", "1\u00a0234"], [1234.5, 12.0, 1234.0], "thousands separators ' ' and decimal commas"),
    (["1'234.5", "12.25"], [1234.5, 12.25], '"\'"'),
    (["3,14", "-2,5", "7"], [3.14, -2.5, 7.0], "decimal commas"),
    (["0,125", "0,250"], [0.125, 0.25], "decimal commas"),
    (["1,250", "2,500"], [1250, 2500], "thousands separators ','"),
    (["$1,200", "-$5", "$7.50"], [1200.0, -5.0, 7.5], "the sign '$'"),
    (["12 €", "15,5 €"], [12.0, 15.5], "the sign '€'"),
    (["12%", "15.5 %"], [12.0, 15.5], "per cent signs"),
    (["−5", "3.5", "2,000"], [-5.0, 3.5, 2000.0], "thousands separators ','"),
    ([" 5.5", "6 ", "7"], [5.5, 6.0, 7.0], ""),
]


@pytest.mark.parametrize(("texts", "values", "said"), FORMS, ids=[str(case[0]) for case in FORMS])
def test_numbers_in_other_forms(texts: list[str], values: list[float], said: str) -> None:
    dataset = of(texts)
    assert dataset.schema.column("x").kind == "number"
    assert dataset.column("x").to_list()[: len(values)] == values
    messages = " ".join(note.message for note in dataset.notes)
    assert said in messages
    assert bool(dataset.notes) == bool(said)


def test_words_for_missing_among_numbers() -> None:
    dataset = of(["1.5", "2.5", "?", "NA", "7"])
    assert dataset.column("x").to_list()[:5] == [1.5, 2.5, None, None, 7.0]
    assert [note.message for note in dataset.notes] == ["'?', 'NA' in 'x' (24 rows) (first '?' in row 3) were taken as missing"]
    assert dataset.schema.column("x").missing == 24


def test_a_few_words_among_many_numbers() -> None:
    values = [f"{i * 1.5}" for i in range(100)]
    values[16] = "broken"
    dataset = of(values)
    assert dataset.column("x")[16] is None
    assert dataset.notes[0].row == 17
    assert "'broken' in row 17" in dataset.notes[0].message


def test_more_than_a_few_words_are_no_accident() -> None:
    values = [f"{i * 1.5}" for i in range(100)]
    values[10:20] = ["broken"] * 10
    assert of(values).schema.column("x").kind == "category"


def test_infinities_are_missing_and_said(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        dataset = of(["1.5", "inf", "2.5", "-Infinity", "1e999"], folder=folder)
        assert dataset.column("x").to_list()[:5] == [1.5, None, 2.5, None, None]
        assert "36 infinite values of 'x' (first 'inf' in row 2) were taken as missing" in dataset.notes[0].message
    typed = read({"x": [1.5, float("inf"), 2.5] * 4, "label": ["a", "b", "a"] * 4}, settings=DataPart(target=("label",)))
    assert typed.schema.column("x").missing == 4
    assert "4 infinite values of 'x' (first in row 2)" in typed.notes[0].message


@pytest.mark.parametrize("name", DATES)
def test_date_format_against_python(name: str) -> None:
    days = [dt.datetime(1999 + i % 30, 1 + i % 12, 13 + i % 15) for i in range(N)]  # days above 12 tell day from month
    if name == "%Y-%m":
        days = [day.replace(day=1) for day in days]
    dataset = of([day.strftime(name) for day in days], "start date", kinds={"start date": "datetime"})
    assert dataset.column("start date").to_list() == days


@pytest.mark.parametrize("pattern", ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M:%S %p", "%H:%M:%SZ", "%H:%M:%S+0530"])
def test_time_of_day_against_python(pattern: str) -> None:
    moments = [dt.datetime(2024, 2, 29, (7 * i) % 24, (11 * i) % 60, (13 * i) % 60 if "%S" in pattern else 0) for i in range(N)]
    dataset = of([f"{moment:%Y-%m-%d} {moment.strftime(pattern)}" for moment in moments])
    shift = dt.timedelta(hours=5, minutes=30) if "+0530" in pattern else dt.timedelta()
    assert dataset.column("x").to_list() == [moment - shift for moment in moments]


def test_dates_in_five_formats_in_one_column() -> None:
    day = dt.datetime(2021, 3, 25)
    texts = ["2021-03-25", "25.03.2021", "Mar 25, 2021", "25 March 2021", "03/25/2021"]
    dataset = of(texts)
    assert set(dataset.column("x").to_list()) == {day}
    assert all(pattern in dataset.notes[0].message for pattern in ("%Y-%m-%d", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%m/%d/%Y"))


def test_dates_with_day_and_month_open() -> None:
    dataset = of(["01/02/2021", "03/04/2021"])
    assert dataset.column("x")[0] == dt.datetime(2021, 1, 2)
    assert any("day and month could stand either way" in note.message for note in dataset.notes)
    told = of(["01/02/2021", "25/04/2021"])
    assert told.column("x")[0] == dt.datetime(2021, 2, 1)
    assert not any("either way" in note.message for note in told.notes)


def test_impossible_dates_are_missing() -> None:
    dataset = of(["2021-02-28"] * 30 + ["2021-03-01"] * 29 + ["2021-02-30"])
    assert dataset.column("x")[59] is None
    assert "no dates (first '2021-02-30' in row 60)" in dataset.notes[0].message


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), st.sampled_from([",", ".", " ", "'", ""]), st.sampled_from(["", "$", "%"]))
def test_form_reads_what_was_formatted(value: float, group: str, affix: str) -> None:
    decimal = "," if group == "." else "."
    text = f"{value:,.2f}".replace(",", "G").replace(".", "D").replace("G", group).replace("D", decimal)
    text = f"{affix}{text}" if affix == "$" else f"{text}{affix}"
    form = Form("number", group, decimal, affix)
    assert Form.parse(form.text()) == form
    assert pl.select(form.read(pl.lit(text))).item() == pytest.approx(value)


def test_kinds_can_be_set() -> None:
    assert kind(["1", "2", "3"], kinds={"x": "category"}) == ("category", "feature")
    assert kind(["a", "b"], kinds={"x": "text"}) == ("text", "feature")
    assert kind([str(i) for i in range(N)], kinds={"x": "number"}) == ("number", "feature")
    assert kind(["a", "b"], kinds={"x": "identifier"}) == ("identifier", "ignored")
    assert kind(["20240105", "20231231"], "day", kinds={"day": "datetime"}) == ("datetime", "feature")
    assert of(["01", "1"], kinds={"x": "category"}).column("x").to_list()[:2] == ["01", "1"]
    assert of([1, 2, 3], kinds={"x": "category"}).column("x").dtype == pl.Int64
    assert of([1.5, 2.5], kinds={"x": "category"}).column("x").to_list()[:2] == ["1.5", "2.5"]
    assert of([1, 0], kinds={"x": "number"}).column("x").to_list()[:2] == [1, 0]
    assert of(["1", "0"], kinds={"x": "boolean"}).column("x").to_list()[:2] == [True, False]


@pytest.mark.parametrize(
    ("values", "asked"),
    [(["a", "b"], "number"), (["a", "b"], "datetime"), (["a", "b"], "boolean"), ([1, 2, 3], "boolean"), ([1, 2], "datetime")],
)
def test_a_kind_that_the_values_are_not(values: list[Any], asked: str) -> None:
    with pytest.raises(DataError, match=f"data.kinds sets 'x' to {asked}") as caught:
        of(values, kinds={"x": asked})
    assert caught.value.column == "x"
    assert caught.value.row == (1 if values[0] == "a" else None)


def test_a_kind_for_no_column() -> None:
    with pytest.raises(DataError, match=r"data\.kinds\.y names 'y'"):
        of(["a", "b"], kinds={"y": "text"})


def test_identifiers_are_used_where_there_is_nothing_else() -> None:
    dataset = read({"x": list(range(40)), "y": [i * 2.5 for i in range(40)]}, settings=DataPart(target=("y",)))
    assert dataset.schema.column("x").kind == "number"
    assert "look like identifiers" in dataset.notes[0].message
    with pytest.raises(DataError, match="no column to learn from beside 'y'"):
        read({"x": [1] * 40, "y": [i * 2.5 for i in range(40)]}, settings=DataPart(target=("y",)))


def test_picture_paths(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for i in range(6):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / "sub" / f"{i}.PNG")
    paths = [f"sub/{i % 6}.PNG" for i in range(N)]
    dataset = of(paths, folder=tmp_path)
    assert (dataset.schema.column("x").kind, dataset.root) == ("image", tmp_path)
    paths[9] = "sub/99.PNG"
    with pytest.raises(DataError, match=r"'sub/99.PNG' in row 10 of 'x' is no file") as caught:
        of(paths, folder=tmp_path)
    assert (caught.value.row, caught.value.column) == (10, "x")
    for outside in ("../secret.png", "/etc/passwd.png", "sub/../../x.png"):
        paths[9] = outside
        with pytest.raises(DataError, match="leaves the folder"):
            of(paths, folder=tmp_path)
    paths[9] = "sub/link.png"
    (tmp_path / "sub" / "link.png").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="leaves the folder"):
        of(paths, folder=tmp_path)
    assert of(["sub/7.PNG", "sub/8.PNG"], folder=tmp_path).schema.column("x").kind == "category"  # no such pictures


def test_schema_as_json() -> None:
    schema = of(["1,234.5", "12"]).schema
    assert Schema.from_json(schema.to_json()) == schema
    assert isinstance(schema.column("x"), Column)
    with pytest.raises(DataError, match="did you mean 'anchor'"):
        schema.column("ancor")


def test_wide_table() -> None:
    generator = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{i}": generator.standard_normal(50) for i in range(600)} | {"label": ["a", "b"] * 25})
    dataset = read(frame, settings=DataPart(target=("label",)))
    assert len(dataset.schema.features) == 600
    assert dataset.schema.column("c599").distinct == 50
