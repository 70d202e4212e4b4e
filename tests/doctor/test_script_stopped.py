"""A script whose time is over is examined as far as it came, and leaves no process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from scripts import SOUND, lay, stand_in

from goodfit.cli.main import main

ENDLESS = SOUND.replace("range(20)", "range(10**9)").replace("    print(", "    0 and print(")
# A script that goes on whatever it is told, and started a process that would outlive it.
STUBBORN = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\nopen('pid', 'w').write(str(child.pid))\n" + ENDLESS.replace(
    "    loss = ", "  try:\n    loss = "
).replace("    0 and", "  except BaseException:\n    print('caught')\n  else:\n    0 and")


def test_a_script_that_never_ends_is_examined_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    ended = ENDLESS + "\n" + "try:\n    " + "\n    ".join(ENDLESS.splitlines()) + "\nfinally:\n    print('put away')\n"
    assert main(["doctor", "--time-limit", "10", lay(tmp_path, ended), "--json"]) == 0
    out, err = capfd.readouterr()
    examined = json.loads(out)["examined"]
    assert examined["stopped"]
    assert examined["exit"] == 124
    assert examined["updates"] > 100
    assert examined["seconds_given"] <= 5.5
    assert examined["ran"] < 6
    assert "by the time limit" in examined["not_seen"][-1]
    assert "Traceback" not in err


def test_a_script_that_does_not_listen_is_examined_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--time-limit", "8", "--json", lay(tmp_path, STUBBORN)]) == 0
    out, err = capfd.readouterr()
    assert "caught" in err
    assert json.loads(out)["examined"]["stopped"]
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
