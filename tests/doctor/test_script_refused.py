"""What cannot be examined gets one sentence and exit code 2, and nothing is left behind."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from scripts import ENDLESS_HANG, FORKING, SOUND, TRAIN, lay, stand_in

from goodfit.cli.doctor import Options, sorted_out
from goodfit.cli.main import main
from goodfit.doctor.script import limit_of


def refused(folder: Path, capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one sentence; nothing was written but by the script."""
    before = sorted(path.name for path in folder.iterdir())
    assert main(["doctor", "--json", *arguments]) == code
    out, err = capfd.readouterr()
    sentence: str = json.loads(out)["error"]["message"]
    assert err.splitlines()[-1].startswith("goodfit: ")
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == before
    assert not list(Path(tempfile.gettempdir()).glob("goodfit-doctor-*"))
    assert len(sentence) < 300
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_in(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))  # what other tests leave for a while is not in it
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "train.py is empty"),
        (b" \n\n", "train.py is empty"),
        (b"x = 1\ndef f(:\n", "train.py is not Python (line 2: "),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "train.py is not Python ("),
        (bytes(range(256)), "train.py is not Python ("),
        (b"target,price\n1,2 3\n", "train.py is not Python (line 2: "),
        (b"(" * 5000, "train.py is not Python ("),
    ],
)
def test_what_is_no_script(folder: Path, capfd: pytest.CaptureFixture[str], content: bytes, said: str) -> None:
    (folder / "train.py").write_bytes(content)
    assert refused(folder, capfd, "train.py").startswith(said)


def test_what_is_no_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert refused(folder, capfd, "absent.py") == "there is no file absent.py; give the script that trains, or the folder of a run"
    (folder / "code").mkdir()
    assert "it is a folder: name the file in it that trains" in refused(folder, capfd, "code")
    (folder / "code" / "run.json").write_text("{}")
    assert "was stopped before it began to train" in refused(folder, capfd, "code")
    os.mkfifo(folder / "pipe")
    assert "it is no regular file" in refused(folder, capfd, "pipe")
    (folder / "book.ipynb").write_text('{"cells": []}')
    assert "jupyter nbconvert" in refused(folder, capfd, "book.ipynb")
    assert "absent" in refused(folder, capfd, "a\x00absent.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.chmod(lay(folder, TRAIN), 0)
    assert "train.py cannot be read: Permission denied" in refused(folder, capfd, "train.py")


def test_a_call_that_is_wrong_does_not_run_the_script(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lay(folder, "open('ran', 'w')\n")
    assert "--time-limit must be a time such as 90s, 10m or 1h; 'soon' was given" in refused(
        folder, capfd, "--time-limit", "soon", "train.py"
    )
    assert "--time-limit must be" in refused(folder, capfd, "train.py", "--time-limit", "0")
    assert "is a file" in refused(folder, capfd, "--out", "train.py", "train.py")
    assert "--out must be a folder that can be made" in refused(folder, capfd, "--out", "train.py/x", "train.py")
    assert "no such option" in refused(folder, capfd, "--epochs", "3", "train.py")
    assert "missing argument" in refused(folder, capfd)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch\nx = 1\nint('a')\n", "train.py stopped with ValueError: invalid literal for int() with base 10: 'a' (line 3) before it trained; make it run first"),
        ("import nopackage.part\n", "train.py needs the package 'nopackage', which is not installed here (ModuleNotFoundError: No module named 'nopackage' (line 1)); install it, or run goodfit where it is"),
        ("import torch, sys\nsys.exit(3)\n", "train.py ended with exit code 3 before it trained; give its arguments after its name"),
        ("import torch\nprint(torch.ones(2))\n", "train.py trained nothing: no loss was followed by backward(); give the script that trains"),
        ("print('hello')\n", "train.py uses no torch, and only what torch trains can be examined; give a script that trains with torch"),
        ("import torch\nreturn 3\n", "train.py is not Python (SyntaxError: 'return' outside function (train.py, line 2) (line 2)); give a script that Python runs"),
    ],
)  # fmt: skip
def test_a_script_that_trains_nothing(folder: Path, capfd: pytest.CaptureFixture[str], text: str, said: str) -> None:
    assert refused(folder, capfd, lay(folder, text)) == said


def test_a_script_that_dies(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lay(folder, "import torch, os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert refused(folder, capfd, "train.py").startswith("train.py was killed by SIGKILL before its end, and what it did is lost")


def test_a_script_that_hangs_before_it_trains(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = refused(folder, capfd, lay(folder, ENDLESS_HANG), "--time-limit", "6")
    assert said == "train.py trained nothing within its time of 6 seconds in all; give it more with --time-limit"


def test_a_script_that_trains_in_what_it_forks(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert refused(folder, capfd, lay(folder, FORKING)).startswith(
        "train.py trained nothing in its own process, and what the 1 that it forked did"
    )


def test_a_script_that_leaves_by_the_back_door_is_examined(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json", lay(folder, SOUND + "import os\nos._exit(9)\n")]) == 0
    examined = json.loads(capfd.readouterr().out)["examined"]
    assert (examined["exit"], examined["updates"]) == (9, 20)


def test_an_examination_that_fails_is_our_own_fault(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = refused(folder, capfd, lay(folder, TRAIN + "# examine and fail\n"), code=1)
    assert said == "the examination of train.py failed (KeyError: 'probe'); this is a fault of goodfit's"


@pytest.mark.parametrize(
    ("text", "given", "options", "rest"),
    [
        ("", ["--json", "a", "--out", "b", "-x"], Options(as_json=True, out="b"), ["a", "-x"]),
        ("", ["--time-limit=9s", "--seed=4", "--fix"], Options(time_limit="9s", seed=4, fix=True), []),
        ("p.add_argument('--out')", ["--out", "b", "--json"], Options(as_json=True), ["--out", "b"]),
        ("import fire", ["--json", "--seed", "3"], Options(), ["--json", "--seed", "3"]),
        ("", ["--", "--json"], Options(), ["--json"]),
        ("", ["a", "--", "--json"], Options(), ["a", "--", "--json"]),
        ("", ["--json=1", "--jso"], Options(), ["--json=1", "--jso"]),
    ],
)
def test_whose_an_option_behind_the_script_is(folder: Path, text: str, given: list[str], options: Options, rest: list[str]) -> None:
    assert sorted_out(lay(folder, text), given, Options()) == (options, rest)


def test_an_option_behind_the_script_without_its_value(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "--out needs a value" in refused(folder, capfd, lay(folder, TRAIN), "--out")
    assert "--seed must be a whole number; 'x' was given" in refused(folder, capfd, "train.py", "--seed", "x")


def test_limits() -> None:
    assert [limit_of(value) for value in (None, 90, "90s", "10m", "1.5h")] == [None, 90, 90, 600, 5400]
