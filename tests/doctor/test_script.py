"""`goodfit doctor train.py`: what came of the script is told, and its fixed version is written beside it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from scripts import SOUND, TRAIN, lay, stand_in

from goodfit.cli.main import main


def test_a_fault_is_told_as_json_and_as_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--seed", "5", lay(tmp_path, TRAIN), "--json"]) == 3
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert err.count("loss ") == 20
    assert (told["verdict"], told["out"], told["report"]) == ("faulty", "runs/doctor-train-1", "runs/doctor-train-1/report.html")
    assert [finding["code"] for finding in told["findings"]] == ["loop.zero-grad"]
    examined = told["examined"]
    assert (examined["exit"], examined["updates"], examined["script"], examined["seed"]) == (0, 20, "train.py", 5)
    assert examined["losses"][0][0] == 1
    assert len(examined["losses"]) == 20
    assert examined["not_seen"] == [f"root {tmp_path}"]
    assert examined["seconds_given"] == 60
    page = (tmp_path / told["report"]).read_text()
    assert "loop.zero-grad" in page
    assert "+    opt.zero_grad()" in page
    assert (tmp_path / "train.py").read_text() == TRAIN


def test_a_fixed_script_is_written_beside_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, "# mine\n", "train.fixed.py")
    assert main(["doctor", "--fix", "--out", "out", lay(tmp_path, TRAIN)]) == 3
    out = capfd.readouterr().out
    assert (tmp_path / "train.fixed-2.py").read_text() == SOUND
    assert (tmp_path / "train.fixed.py").read_text() == "# mine\n"
    assert (tmp_path / "train.py").read_text() == TRAIN
    fixed = json.loads((tmp_path / "out" / "examination.json").read_text())["fixed"]
    assert fixed["script"] == str(tmp_path / "train.fixed-2.py")
    assert (fixed["before"]["updates"], fixed["after"]["updates"]) == (20, 20)
    assert fixed["before"]["lines"] != fixed["after"]["lines"]
    assert fixed["after"]["lines"][-1].startswith("loss ")
    assert len(fixed["after"]["lines"]) == 12
    assert fixed["left_out"] == []
    assert fixed["after"]["lines"][-1] in out
    assert "train.fixed-2.py(1edit)" in "".join(out.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "train.fixed-2.py", "train.fixed.py", "train.py"]


def test_a_script_that_stops_after_it_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", lay(tmp_path, SOUND + "os = {}\nos['no key']\n"), "--fix"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert str(Path(os.path.abspath("train.py"))) in err
    said = (
        "train.py stopped with KeyError: 'no key' (line 11) after 20 updates, and nothing that it trained until then is at fault; mend that"
    )
    assert err.splitlines()[-1].startswith(f"goodfit: {said}")
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]


def test_a_faulty_script_that_stops_after_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", lay(tmp_path, TRAIN + "os = {}\nos['no key']\n")]) == 3
    out = capfd.readouterr().out
    assert "The script stopped with KeyError: 'no key'" in " ".join(out.split())
    told = json.loads((tmp_path / "runs" / "doctor-train-1" / "examination.json").read_text())
    assert (told["verdict"], told["examined"]["exit"]) == ("faulty", 1)
