"""The bench of the doctor: the collection is well-formed, and its figures are what one counts by hand."""

from __future__ import annotations

import ast
import difflib
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from doctor import collection
from doctor.collection import CODES, HALVES, Entry
from doctor.figures import causes, figures, misses, quantile
from doctor.running import Done, examine, read

ENTRIES = collection.load()


def test_the_collection_is_as_large_as_it_must_be() -> None:
    kinds = Counter(entry.kind for entry in ENTRIES)
    assert kinds["faulty"] >= 60
    assert kinds["healthy"] >= 40
    assert kinds["trap"] >= 25
    assert len({entry.id for entry in ENTRIES}) == len(ENTRIES)


def test_every_code_occurs_and_no_other() -> None:
    named = {code for entry in ENTRIES for fault in entry.codes for code in fault}
    assert named == CODES
    assert {fault[0] for entry in ENTRIES for fault in entry.codes} == CODES, "each is the first name of a fault somewhere"
    assert sum(len(entry.codes) > 1 for entry in ENTRIES) >= 6
    assert all(entry.codes for entry in ENTRIES if entry.kind == "faulty")
    assert not any(entry.codes for entry in ENTRIES if entry.kind != "faulty")


def test_both_halves_hold_enough_to_count_by() -> None:
    for kind, least in (("faulty", 30), ("healthy", 12), ("trap", 8)):
        in_half = Counter(entry.half for entry in ENTRIES if entry.kind == kind)
        assert set(in_half) == set(HALVES)
        assert min(in_half.values()) >= least, in_half
    reported = {fault[0] for entry in ENTRIES if entry.half == "report" for fault in entry.codes}
    assert len(reported) >= 0.75 * len(CODES), sorted(CODES - reported)


def test_the_files_are_those_of_the_index() -> None:
    indexed = {path for entry in ENTRIES for path in entry.files.values()}
    there = {*collection.HERE.glob("programs/*/*.py"), *collection.HERE.glob("healthy/*.py")}
    assert indexed == there


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_program_is_one_that_a_user_would_write(entry: Entry) -> None:
    words = {word for code in CODES for word in code.split(".")[1].split("-") if len(word) > 5} - {
        "metric",
        "activation",
        "inputs",
        "targets",
    }
    for path in entry.files.values():
        text = path.read_text()
        tree = ast.parse(text)
        assert 20 <= text.count("\n") <= 125
        imported = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        imported |= {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert imported - set(sys.stdlib_module_names) <= {"torch", "numpy", "sklearn"}
        assert "fetch_" not in text, "nothing is downloaded"
        assert "manual_seed(" in text
        # Nothing gives the truth away: not the comments, not the texts.
        said = re.findall(r"#.*", text) + [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        told = re.findall(
            r"\b(bug|wrong|mistake|forgot|fault|faulty|broken|fixed|repaired|deliberate|error here)\b", " ".join(said).lower()
        )
        assert set(told) <= {"broken"}, told  # a word of the reviews that one program reads
        assert not [word for word in words if any(word in comment.lower() for comment in re.findall(r"#.*", text))]


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.kind == "faulty"], ids=lambda entry: entry.id)
def test_twins_differ_by_the_fault_alone(entry: Entry) -> None:
    faulty, repaired = (entry.files[name].read_text().splitlines() for name in ("faulty", "repaired"))
    changed = [
        line for line in difflib.unified_diff(faulty, repaired, lineterm="", n=0) if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert 1 <= len(changed) <= 24, changed
    assert faulty[-1] == repaired[-1], "both print the score in the same words"


def entry(name: str = "a", kind: str = "faulty", codes: tuple[tuple[str, ...], ...] = (("loop.zero-grad",),), **more: Any) -> Entry:
    return Entry(name, kind, "tune", codes, r"accuracy ([-\w.+]+)", "accuracy", 1, rows=400, **({"margin": 0.05} | more))


def answer(*found: str, verdict: str = "faulty", remarks: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    findings = [{"code": code, "severity": "error", "proved": True, "gain": 1.0, "edited": True} for code in found]
    findings += [{"code": code, "severity": "remark", "proved": True, "gain": None, "edited": False} for code in remarks]
    return {"verdict": verdict, "findings": findings, "seconds": 10.0, "runs": 4, "fixed": None, "problem": ""} | more


def test_a_score_is_read_from_the_last_line_and_turned() -> None:
    assert entry().score("accuracy 0.5\naccuracy 0.75\n") == 0.75
    assert entry().score("accuracy nan") == -math.inf
    assert entry().score("accuracy 0.75\ndone") is None
    assert entry().score("") is None
    loss = Entry("a", "faulty", "tune", (), r"loss ([-\w.+]+)", "loss", -1)
    assert loss.score("loss 2.5") == -2.5
    assert loss.score("loss 1e-3") == -0.001


def test_what_counts_as_repaired() -> None:
    # 95 % of the way from 0.5 to 0.9 is 0.88; the noise of 0.9 on 400 rows is sqrt(0.9 * 0.1 / 400) = 0.015, so 0.885 would do too.
    assert entry().noise(0.9) == pytest.approx(0.015)
    assert entry().reached(0.5, 0.9, 0.881)
    assert not entry().reached(0.5, 0.9, 0.879)
    # Close together, the noise decides: 0.885 is within it.
    assert entry().reached(0.8, 0.9, 0.886)
    assert not entry().reached(0.8, 0.9, 0.884)
    assert entry().reached(-math.inf, 0.9, 0.89)
    assert not entry().reached(-math.inf, 0.9, 0.88)


def test_the_figures_are_what_one_counts() -> None:
    two = (("loop.mode",), ("optim.rate-high", "optim.batch"))
    entries = [
        entry("a"),
        entry("b", codes=two),
        entry("c", codes=(("data.leak",),), margin=None),
        entry("d"),
        entry("h", "healthy", ()),
        entry("t", "trap", ()),
    ]
    said = {
        ("a", "faulty"): answer("loop.zero-grad", fixed=0.9),
        ("b", "faulty"): answer("data.leak", "optim.batch", fixed=0.6, seconds=50.0),
        ("c", "faulty"): answer(verdict="healthy", remarks=("data.leak",), runs=2),
        ("d", "faulty"): answer(verdict=None, seconds=0.0, runs=None, problem="exit 1"),
        ("h", "healthy"): answer(verdict="healthy"),
        ("t", "healthy"): answer("activation.dead", seconds=20.0),
        ("a", "repaired"): answer(verdict="healthy"),
        ("z", "faulty"): answer("loop.zero-grad"),  # of no entry
    }
    scores = {(name, file): value for name in "abcd" for file, value in (("faulty", 0.5), ("repaired", 0.9))}
    found = figures(entries, said, scores)
    assert found["faulty programs alarmed"] == (2 / 4, 4)
    assert found["healthy programs alarmed"] == (1 / 2, 2)
    assert found["of these, traps alarmed"] == (1.0, 1)
    assert found["repaired twins alarmed"] == (0.0, 1)
    assert found["at least one true cause named"] == (2 / 4, 4)
    assert found["first-ranked cause is a true one"] == (1 / 4, 4)
    assert found["recall of causes"] == (2 / 5, 5)  # a, and the second of b's two
    assert found["precision of causes"] == (2 / 3, 3)
    assert found["repaired to the level of the developer's own fix"] == (1 / 3, 3)  # c cannot be compared
    assert found["silent loop errors named"] == (1 / 3, 3)  # a, b's first, d
    assert found["findings with a counterfactual probe"] == (1.0, 4)
    assert found["the doctor itself failed"] == (1 / 7, 7)
    assert found["examination, median seconds"] == (10.0, 6)
    assert found["examination, 90 % quantile, seconds"] == (50.0, 6)
    assert {row[0] for row in misses(entries, said, scores)} == {"b", "c", "d", "t"}


def test_nothing_seen_gives_no_figure() -> None:
    assert all(value is None and count == 0 for value, count in figures(ENTRIES, {}, {}).values())
    assert quantile([], 0.5) is None
    assert [quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], share) for share in (0.5, 0.9, 1.0)] == [5, 9, 10]


def test_unlearnable_says_that_there_is_no_signal() -> None:
    assert causes(answer(verdict="unlearnable")) == ["data.no-signal"]
    assert causes(answer("loop.mode", "loop.mode", remarks=("data.leak",))) == ["loop.mode"]


DOCUMENT = """{"verdict": "faulty", "findings": [{"code": "loop.mode", "severity": "error", "confidence": 0.9, "evidence": {}, "gain": 1.0,
  "probe": {"name": "n", "would_have": "no change", "showed": "a change"}, "remedy": "eval()", "edit": {"file": "train.py"}}], "examined": {"runs": 3}, "seconds": 4}"""


def test_what_the_doctor_says_is_read_against_the_contract() -> None:
    read_well = read(Done(3, DOCUMENT, "", 9.0))
    assert read_well["problem"] == ""
    assert read_well["runs"] == 3
    assert read_well["findings"][0]["proved"]
    assert "exit 0" in read(Done(0, DOCUMENT, "", 9.0))["problem"]
    assert "healthy with findings" in read(Done(3, DOCUMENT.replace('"faulty"', '"healthy"'), "", 9.0))["problem"]
    assert read(Done(1, "", "Traceback: no such thing", 9.0))["verdict"] is None
    assert "stopped at its limit" in read(Done(None, "", "", 600.0))["problem"]
    assert not read(Done(3, DOCUMENT.replace("a change", ""), "", 9.0))["findings"][0]["proved"]


def test_an_examination_runs_the_repaired_copy(tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text("print('accuracy 0.25')\n")
    doctor = tmp_path / "doctor.py"
    doctor.write_text(
        f"""import pathlib, sys
assert sys.argv[1:] == ["doctor", "train.py", "--json", "--fix"], sys.argv
text = pathlib.Path("train.py").read_text()
pathlib.Path("train.fixed.py").write_text(text.replace("0.25", "0.75"))
print({DOCUMENT!r})
sys.exit(3)
"""
    )
    said = examine(entry(), program, 60.0, 1, command=[sys.executable, str(doctor)])
    assert said["fixed"] == 0.75
    assert said["verdict"] == "faulty"
    assert said["problem"] == ""
    assert program.read_text() == "print('accuracy 0.25')\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doctor.py", "mine.py"]
    doctor.write_text("import time\ntime.sleep(60)\n")
    assert examine(entry(), program, 0.5, 1, command=[sys.executable, str(doctor)])["verdict"] is None
