"""Text tables that are not quite right: mended where that is safe, and said; else one sentence with the row."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.base.errors import DataError
from goodfit.base.recipe import DataPart
from goodfit.data.dataset import Dataset
from goodfit.data.read import read

LABEL = DataPart(target=("label",))


def table(tmp_path: Path, text: str, settings: DataPart = LABEL) -> Dataset:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    return read(path, settings=settings)


def rows(count: int = 12) -> list[str]:
    return [f"{i + 0.5},{'red' if i % 3 else 'blue'},{'ab'[i % 2]}" for i in range(count)]


def lines(body: list[str], header: str = "x,colour,label") -> str:
    return "\n".join([header, *body]) + "\n"


def test_short_last_row_is_used(tmp_path: Path) -> None:
    dataset = table(tmp_path, lines(rows(11)) + "99.5,gre")  # the file breaks off in its last row
    assert dataset.rows == 11  # the broken row has no label
    assert any("the last row (12) is shorter" in note.message for note in dataset.notes)
    assert any("1 rows without a value of 'label' (first row 12)" in note.message for note in dataset.notes)


def test_short_row_in_the_middle_is_used(tmp_path: Path) -> None:
    body = rows(40)
    body[16] = "1.5"
    settings = DataPart(target=("x",))
    dataset = table(tmp_path, lines(body), settings)
    assert dataset.column("colour")[16] is None
    assert next(note.row for note in dataset.notes) == 17


def test_many_short_rows_are_refused(tmp_path: Path) -> None:
    body = rows(40)
    body[5], body[9], body[20] = "1.5", "2.5", "3.5"
    with pytest.raises(DataError, match="3 of the 40 rows") as caught:
        table(tmp_path, lines(body))
    assert caught.value.row == 6


def test_long_row_is_refused(tmp_path: Path) -> None:
    body = rows()
    body[3] += ",more"
    with pytest.raises(DataError, match=r"row 4 of t\.csv has 4 fields where the header has 3") as caught:
        table(tmp_path, lines(body))
    assert (caught.value.row, caught.value.value) == (4, "more")


def test_empty_fields_beyond_the_header_are_left_out(tmp_path: Path) -> None:
    body = rows()
    body[3] += ",,"
    dataset = table(tmp_path, lines(body))
    assert dataset.rows == 12
    assert "empty fields beyond the header" in dataset.notes[0].message


def test_blank_lines(tmp_path: Path) -> None:
    body = rows()
    body.insert(4, "")
    dataset = table(tmp_path, "\n" + lines(body) + "\n\n")
    assert dataset.rows == 12
    assert [note.message for note in dataset.notes] == ["1 blank lines between rows were left out"]


def test_stray_quotes_are_characters(tmp_path: Path) -> None:
    body = [f'{i},5" pipe,{"ab"[i % 2]}' if i % 2 else f"{i},rod,{'ab'[i % 2]}" for i in range(21)]
    dataset = table(tmp_path, lines(body, "x,colour,label"))
    assert dataset.column("colour").to_list() == ['5" pipe' if i % 2 else "rod" for i in range(21)]


def test_two_stray_quotes_that_span_lines(tmp_path: Path) -> None:
    # Counting quotes pairs the two rows into one; only a field that begins with a quote may hide a line break.
    body = rows()
    body[2], body[3] = '5" ,red,a', '6" ,red,b'
    dataset = table(tmp_path, lines(body), DataPart(target=("label",), kinds={"x": "category"}))
    assert dataset.rows == 12
    assert dataset.column("x")[2:4].to_list() == ['5"', '6"']


def test_quote_that_never_closes(tmp_path: Path) -> None:
    body = rows()
    body[4] = '4.5,"red,a'
    dataset = table(tmp_path, lines(body))
    assert dataset.column("colour")[4] == '"red'
    assert any("quote in row 5 is never closed" in note.message for note in dataset.notes)


def test_quote_that_never_closes_in_a_quoted_table(tmp_path: Path) -> None:
    body = [f'"{i},5","red",a' for i in range(9)] + ['"9,5","red,b', '"9,5","red",b']
    with pytest.raises(DataError, match="row 10") as caught:
        table(tmp_path, lines(body))
    assert caught.value.row == 10


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_separator_is_found_and_said(tmp_path: Path, separator: str, word: str) -> None:
    body = [f"{i},5{separator}a, b{separator}{'ab'[i % 2]}" for i in range(9)]
    dataset = table(tmp_path, lines(body, f"x{separator}t{separator}label"))
    assert dataset.column("x").to_list() == [i + 0.5 for i in range(9)]
    assert any(word in note.message for note in dataset.notes)
    assert any("decimal commas in 'x'" in note.message for note in dataset.notes)


def test_separators_inside_quotes_do_not_count(tmp_path: Path) -> None:
    body = [f'"a;b;c;d;e{i}",{"ab"[i % 2]}' for i in range(30)]
    dataset = table(tmp_path, lines(body, "x,label"), DataPart(target=("label",), kinds={"x": "text"}))
    assert dataset.column("x")[0] == "a;b;c;d;e0"


def test_wrong_separator_is_guessed_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its only column is 'x label': is the separator one of"):
        table(tmp_path, "x label\n1 a\n2 b\n")


def test_mixed_separators(tmp_path: Path) -> None:
    body = rows()
    body[7:] = [line.replace(",", ";") for line in body[7:]]
    with pytest.raises(DataError, match="is the separator another") as caught:
        table(tmp_path, lines(body))
    assert caught.value.row == 8


def test_unnamed_columns(tmp_path: Path) -> None:
    dataset = table(tmp_path, lines([f"{i}," + row for i, row in enumerate(rows(30))], ",x,colour,label"))
    assert dataset.schema.columns[0].name == "column_1"
    assert (dataset.schema.columns[0].kind, dataset.schema.columns[0].role) == ("identifier", "ignored")
    assert "'column_1' had no name" in dataset.notes[0].message


def test_no_such_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'label'") as caught:
        table(tmp_path, lines(rows()), DataPart(target=("lable",)))
    assert caught.value.column == "lable"
    with pytest.raises(DataError, match="did you mean 'label'"):
        table(tmp_path, lines(rows()), DataPart(target=("LABEL",)))


def test_a_row_of_empty_fields_stays_a_row(tmp_path: Path) -> None:
    body = rows()
    body[3] = ",,a"
    dataset = table(tmp_path, lines(body))
    assert dataset.rows == 12
    assert dataset.column("x")[3] is None


def test_large_records_across_blocks(tmp_path: Path) -> None:
    long = "word, " * 700_000  # four million characters, several in one block of reading
    body = [f'"{long}\n{i}",{"ab"[i % 2]}' for i in range(5)]
    dataset = table(tmp_path, lines(body, "x,label"), DataPart(target=("label",), kinds={"x": "text"}))
    assert dataset.column("x").to_list() == [f"{long}\n{i}" for i in range(5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,x,label\n", "'x' is the name of columns 1 and 2"),
        ("e\u0301,\u00e9,label\n", "'\u00e9' is the name of columns 1 and 2"),
        ("1.5,2.5,3.5\n", "must name the columns; it holds numbers"),
        ("title\n", "it holds one name and the rows have 3 fields"),
        ('x,"z,label\n', "a quote that opens in the header of t.csv is never closed"),
        (f"x,{'z' * 10_001},label\n", "longer than 10,000 characters"),
        ("x,\0,label\n", "NUL bytes"),
    ],
)
def test_a_fault_in_the_header_carries_the_first_row(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        table(tmp_path, text + "1.5,2,a\n2.5,3,b\n" * 9)
    assert caught.value.row == 1
    assert caught.value.file == str(tmp_path / "t.csv")
