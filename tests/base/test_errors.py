"""What `--json` prints of an error, and the nearest word."""

from __future__ import annotations

from pathlib import Path

from goodfit.base.errors import DataError, GoodfitError, MissingExtra, SettingError, TrainingError, did_you_mean


def test_the_place_is_printed_where_it_is_known() -> None:
    error = DataError("a sentence", file=Path("a.csv"), row=3, column="b", value="x" * 500)
    assert error.to_json() == {"kind": "data", "message": "a sentence", "file": "a.csv", "row": 3, "column": "b", "value": "x" * 200}
    assert SettingError("s").to_json() == {"kind": "setting", "message": "s"}
    assert str(error) == "a sentence"


def test_exit_codes() -> None:
    assert GoodfitError("ours").exit_code == 1
    for error in (DataError("x"), SettingError("x"), TrainingError("x"), MissingExtra("text", "text")):
        assert error.exit_code == 2
    assert "pip install 'goodfit[text]'" in MissingExtra("a tokenizer", "text").message


def test_the_nearest_word() -> None:
    assert did_you_mean("optim.l", ["optim.lr", "seed"]) == "; did you mean 'optim.lr'?"
    assert did_you_mean("zzz", ["optim.lr", "seed"]) == ""
    assert did_you_mean("", []) == ""
