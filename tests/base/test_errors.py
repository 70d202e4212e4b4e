"""What `--json` prints of an error, and the nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.base.errors import DataError, GoodfitError, MissingExtra, SettingError, TrainingError, did_you_mean, printable
from goodfit.base.records import Finding
from goodfit.cli.main import main
from goodfit.cli.progress import Bars
from goodfit.data.dataset import Note


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


HOSTILE = "a\x00b\x1b[31mc\x7fd\x9b1me\u202ef\u2066g\nh\ud800i"


@given(st.text() | st.text("\x00\x1b\x9b\u202e\u2066\ud800\nab"))
def test_nothing_that_a_terminal_obeys_is_printed(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()
    assert printable(printable(text)) == printable(text)
    error = DataError(f"there is {text}", column=text)
    assert str(error) == error.message == f"there is {printable(text)}"
    assert error.column == text  # for programs
    error.message += text
    assert str(error) == f"there is {printable(text + text)}"
    assert (
        Note(text).message
        == Finding("data.leak", "remark", text).message
        == Finding("", "remark", "", remedy=text).remedy
        == printable(text)
    )


def test_it_is_escaped_and_not_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    assert printable(HOSTILE) == r"a\x00b\x1b[31mc\x7fd\x9b1me\u202ef\u2066g\nh\ud800i"
    Bars().say(HOSTILE)
    assert capfd.readouterr().err == printable(HOSTILE) + "\n"


@pytest.mark.parametrize("json", [False, True])
def test_the_command_line_escapes_paths_and_columns(json: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "evil\x1b[2J\u202e\x9b.csv"
    table.write_text("x\x1b[31m\u202e,label\n" + "inf,a\n2,b\n" * 20)
    for words in (["--target", "lab\x1bel"], ["--target", "label", "--set", "data.weight=x\x1b[31m\u202e"], ["--set", "\x1b[2J=1"]):
        assert main(["train", str(table), *words, "--out", str(tmp_path / "run"), *(["--json"] if json else [])]) == 2
        printed = "".join(capfd.readouterr())
        assert printed.replace("\n", "").isprintable()
        assert r"\x1b" in printed or r"\u001b" in printed
