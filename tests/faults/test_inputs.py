"""Every broken input gets exit code 2 and one sentence with its place, and leaves nothing; what can be used is used and said."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from goodfit.cli.main import main

sys.path.insert(0, str(Path(__file__).parent))  # pytest imports test modules by their path and adds none

from cases import CASES as CASES_OF_TABLES
from cases import ON_RUN, PREDICT, Case
from cases_of_forecasts import CASES_OF_FORECASTS
from cases_of_graphs import CASES_OF_GRAPHS
from cases_of_kinds import CASES_OF_KINDS
from cases_of_networks import CASES_OF_NETWORKS
from cases_of_texts import CASES_OF_TEXTS
from cases_of_unlabelled import CASES_OF_UNLABELLED
from damage import DAMAGES, WITNESS
from graph_inputs import BUILDERS as GRAPHS
from make_boxes import BUILDERS as TABLES  # with those of make_inputs
from make_networks import BUILDERS as NETWORKS

BUILDERS = TABLES | GRAPHS | NETWORKS
CASES = [
    *CASES_OF_TABLES,
    *CASES_OF_KINDS,
    *CASES_OF_GRAPHS,
    *CASES_OF_FORECASTS,
    *CASES_OF_TEXTS,
    *CASES_OF_UNLABELLED,
    *CASES_OF_NETWORKS,
]
INPUTS = Path(__file__).parent / "inputs"
KINDS = {"call", "data", "setting", "bundle", "checkpoint", "storage", "missing-extra", "training", "input"}
LONGEST = 600  # characters of a sentence, paths included
MEMORY = 1 << 30  # bytes that a refusal may add to the peak: 60,000 x 60,000 pixels would be 10 GiB
# The smallest training there is: what is tested is the way in, not the network.
TINY = {"train.epochs": "1", "train.threads": "1", "optim.lr": "0.01"}


def snapshot(folder: Path) -> dict[str, str]:
    """Every path below `folder` with what it is: kind, target of a link, checksum."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            what = f"link to {os.readlink(path)}"
        elif stat.S_ISREG(status.st_mode):
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            what = stat.filemode(status.st_mode)
        seen[str(path.relative_to(folder))] = what
    return seen


def place(case: Case, work: Path, sound_run: Path) -> list[str]:
    """Lay the case's files below `work`; returns the command line."""
    given = work / "in"
    name = case.files or case.name
    if name in BUILDERS:
        given.mkdir()
        BUILDERS[name](given)
    else:
        shutil.copytree(INPUTS / name, given)
    (work / "sound").mkdir()
    shutil.copy(INPUTS / "sound" / "data.csv", work / "sound" / "data.csv")
    (work / "pets.csv").write_text("name,legs\nRex,4\nTweety,2\n")
    if "{run}" in case.call:
        shutil.copytree(sound_run, work / "run")
    if case.name in DAMAGES:
        DAMAGES[case.name](work / "run")
    paths = {"in": str(given), "out": str(work / "out"), "run": str(work / "run"), "sound": str(work / "sound" / "data.csv")}
    words = [word.format(**paths) if "{" in word else word for word in shlex.split(case.call)]
    return words + tiny(words, linear=case in CASES_OF_TABLES)


def tiny(words: list[str], *, linear: bool = True) -> list[str]:
    """What is added to a training so that it takes no time. A recipe must not be overruled by it."""
    if not words or words[0] != "train" or "--resume" in words:
        return []
    if "--recipe" in words:
        return ["--device", "cpu", "--set", "train.threads=1"]
    small = TINY | ({"data.image_size": "8"} if any(word.endswith("/pictures") for word in words) else {})
    sets = [
        item
        for key, value in small.items()
        if not any(word.startswith(f"{key}=") for word in words)
        for item in ("--set", f"{key}={value}")
    ]
    preset = [] if "--preset" in words else ["--preset", "fast"]
    device = [] if "--device" in words else ["--device", "cpu"]
    linear = linear and any(word.endswith(("data.csv", "data.jsonl")) for word in words) and not any("image" in word for word in words)
    named = any(word.startswith("model.name=") for word in words)
    return sets + preset + device + (["--set", "model.name=linear"] if linear and not named else [])


def said(text: str, words: tuple[str, ...]) -> list[str]:
    """The words (`a|b`: either) that do not occur; the temporary folder's path, which holds the name of the case, does not count."""
    low = text.replace(str(Path.cwd()), "").lower()
    return [word for word in words if not any(either.lower() in low for either in word.split("|"))]


def strict(text: str) -> Any:
    """The one JSON document that `text` is; NaN and Infinity are no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="session")
def sound_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the sound table."""
    folder = tmp_path_factory.mktemp("sound")
    words = ["train", str(INPUTS / "sound" / "data.csv"), "--target", "label", "--out", str(folder / "run")]
    assert main([*words, *tiny(words)]) == 0
    return folder / "run"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one, with the trap's wire stretched beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv(WITNESS, str(tmp_path / "a pickle was loaded"))
    return tmp_path / "work"


def check_refusal(case: Case, error: dict[str, Any]) -> None:
    sentence = error["message"]
    assert error["kind"] in KINDS
    assert sentence.isprintable(), "one line, and nothing that a terminal would obey"
    assert 15 <= len(sentence) <= LONGEST
    assert not any(word in sentence for word in ("Traceback", "<class", "object at 0x", "Errno", "panicked", "None was given")), sentence
    assert not said(f"{sentence} {error.get('file', '')}", case.says), f"{sentence!r} does not say it"
    for key in ("row", "column"):
        if getattr(case, key) is not None:
            assert error.get(key) == getattr(case, key), f"{key} is {error.get(key)!r} in {error}"
    if case.file is not None:
        assert case.file in sentence or Path(error.get("file", "")).name == case.file, f"the file is not named in {error}"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", [case for case in CASES if not case.works], ids=lambda case: case.name)
def test_refused(case: Case, work: Path, sound_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = place(case, work, sound_run)
    before, peak = snapshot(work), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    capfd.readouterr()
    code = main([*words, "--json"])
    out, err = capfd.readouterr()
    assert code == 2, out or err
    assert "Traceback" not in out + err
    assert (out + err).replace("\n", "").isprintable()
    check_refusal(case, strict(out)["error"])
    assert snapshot(work) == before, "something was written or changed"
    assert not Path(os.environ[WITNESS]).exists(), "a pickle was loaded"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024 < MEMORY


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", [case for case in CASES if case.works], ids=lambda case: case.name)
def test_used(case: Case, work: Path, sound_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = place(case, work, sound_run)
    before = snapshot(work / "in")
    capfd.readouterr()
    code = main([*words, "--json"])
    out, err = capfd.readouterr()
    assert code == 0, out or err
    assert "Traceback" not in err
    assert (out + err).replace("\n", "").isprintable()
    document = strict(out)
    assert not said(err + out, case.says), f"it was used, and not said:\n{err}\n{out}"
    assert snapshot(work / "in") == before, "the input was changed"
    if words[0] == "train":
        assert (work / "out" / "model" / "bundle.json").is_file()
        assert document["metrics"], "a score is printed"
    if words[0] == "predict":
        table = pl.read_csv(work / "out.csv")
        assert table.height == document["rows"] == 10
        assert table["prediction"].null_count() == 0


def files_of(run: Path) -> list[str]:
    return [str(path.relative_to(run)) for path in sorted((run / "model").rglob("*")) if path.is_file()]


def test_every_byte_of_a_model_counts(work: Path, sound_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = INPUTS / "sound" / "data.csv"
    for name in files_of(sound_run):
        content = (sound_run / name).read_bytes()
        shutil.rmtree(work / "run", ignore_errors=True)
        shutil.copytree(sound_run, work / "run")
        for at in range(3, len(content), len(content) // 30 + 1):
            (work / "run" / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            capfd.readouterr()
            code = main(["predict", str(work / "run"), str(table), "--out", str(work / "p.csv"), "--json"])
            out, _ = capfd.readouterr()
            assert code == 2, f"byte {at} of {name} was changed and nobody noticed"
            assert strict(out)["error"]["kind"] == "bundle"
            assert not (work / "p.csv").exists()


def test_every_file_of_a_model_is_needed(work: Path, sound_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = INPUTS / "sound" / "data.csv"
    for name in files_of(sound_run):
        shutil.rmtree(work / "run", ignore_errors=True)
        shutil.copytree(sound_run, work / "run")
        (work / "run" / name).unlink()
        capfd.readouterr()
        assert main(["predict", str(work / "run"), str(table), "--out", str(work / "p.csv"), "--json"]) == 2
        out, _ = capfd.readouterr()
        assert Path(name).name in strict(out)["error"]["message"]
        assert not (work / "p.csv").exists()


REAL = ["ragged-middle-long", "device-zero", "pipe", "images-claim-60000-square", "recipe-billion-laughs", "target-missing",
        "run-pickle-in-place-of-weights", "weight-negative", "call-unknown-verb", "set-lr-negative"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_as_a_process(name: str, work: Path, sound_run: Path) -> None:
    """Without --json: nothing on stdout, the sentence on stderr and nothing else, exit code 2."""
    case = next(case for case in CASES if case.name == name)
    words = place(case, work, sound_run)
    before = snapshot(work)
    done = subprocess.run(
        [sys.executable, "-m", "goodfit.cli.main", *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("goodfit: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    assert not said(done.stderr, case.says)
    assert snapshot(work) == before


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("setpriv") is None and os.geteuid() == 0, reason="root reads everything unless setpriv takes the right away"
)
@pytest.mark.parametrize("what", ["data", "recipe", "weights", "out", "predictions", "folder"])
def test_what_the_user_may_not_touch(what: str, work: Path, sound_run: Path) -> None:
    """Files without the right to read them, folders without the right to write in them."""
    sound = next(case for case in CASES if case.name == "sound")
    on_run = Case("on-run", ON_RUN if what == "weights" else PREDICT, False, (), files="sound")
    words = place(on_run if what in {"weights", "predictions"} else sound, work, sound_run)
    if what == "data":
        locked, right = work / "in" / "data.csv", 0o000
    elif what == "recipe":
        locked, right = work / "recipe.yaml", 0o000
        locked.write_text("seed: 3\n")
        words += ["--recipe", str(locked)]
    elif what == "weights":
        locked, right = work / "run" / "model" / "0" / "network.safetensors", 0o000
    elif what == "folder":
        locked, right = work / "in", 0o000
    else:
        locked, right = work, 0o500
    locked.chmod(right)
    weaker = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
    try:
        done = subprocess.run(
            [*weaker, sys.executable, "-m", "goodfit.cli.main", *words, "--json"], capture_output=True, text=True, timeout=120
        )
    finally:
        locked.chmod(0o700)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    error = strict(done.stdout)["error"]
    assert "denied" in error["message"] or "permission" in error["message"] or "right" in error["message"], error
    assert not (work / "out").exists()
    assert not (work / "out.csv").exists()


def test_there_are_enough_of_them_and_none_lies_idle() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)
    folders = {path.name for path in INPUTS.iterdir() if path.is_dir()}
    used = {case.files or case.name for case in CASES}
    assert folders | set(BUILDERS) == used
    assert set(DAMAGES) <= {case.name for case in CASES}
