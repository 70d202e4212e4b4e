"""A user's script examined: run in a process of its own, unchanged, with the time that it is given, and what came of it in one sentence where nothing did.

The script's output, input, arguments, files and working directory are its own. What it leaves running when it is stopped is ended with it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

import goodfit
from goodfit.base.errors import GoodfitError, InputError, SettingError, TrainingError, printable
from goodfit.base.files import read_json, write_json
from goodfit.base.parts import Seconds
from goodfit.base.protocols import Progress, Silent
from goodfit.base.records import Finding
from goodfit.doctor.child import ANSWER, ASK, SCRIPT, STAGE, STOP
from goodfit.doctor.examination import Examination
from goodfit.doctor.source import Edit, combined, parsed

EXAMINATION = 60.0  # seconds for the short copies, the promise of `goodfit doctor`
_LEAST_SCRIPT = 0.5  # of a time limit is the script's at least: without something recorded there is nothing to examine
_POLITE = 3.0  # seconds that a script gets to end when it is told to, before it is left where it stands, and again before it is killed
_OVER = 15.0  # seconds that an examination may take more than it has: a short copy ends before the next one is not begun
_LEAVING = 10.0  # seconds for what a script does when Python ends
_EVERY = 0.05  # seconds between two looks
_LARGEST = 10_000_000  # bytes of a script; the largest generated ones have one


@dataclass(frozen=True)
class Ran:
    """A script that ran.

    exit: its code. seconds: it took. stopped: by the time limit. updates: of weights. losses: [update, loss], thinned.
    lines: the last that it printed. crash: what it stopped with, and where. examination: of what it did.
    """

    exit: int
    seconds: float
    stopped: bool
    updates: int
    losses: list[list[float]]
    lines: list[str]
    crash: str = ""
    examination: Examination | None = None


@dataclass(frozen=True)
class Fixed:
    """A script with the edits of an examination made. left: edits that could not be made with the others, each a sentence. ran: the script, run."""

    path: Path
    made: tuple[Edit, ...]
    left: tuple[str, ...] = ()
    ran: Ran | None = None
    failure: str = ""
    before: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        after = None if self.ran is None else summary(self.ran)
        edits = [{"file": edit.file, "line": edit.line} for edit in self.made]
        return {
            "script": str(self.path),
            "edits": edits,
            "left_out": list(self.left),
            "failure": self.failure,
            "before": self.before,
            "after": after,
        }


def examine_script(
    path: str | Path,
    arguments: Sequence[str] = (),
    *,
    time_limit: float | str | None = None,
    seed: int = 0,
    to_stderr: bool = False,
    tail: bool = False,
    progress: Progress | None = None,
) -> Examination:
    """Run a script of PyTorch to its end and examine what it trained.

    time_limit: seconds, or "10m", for the script and its examination together; what was recorded until then is examined. None: the script takes what it
    takes, and the examination about a minute. seed: of the short copies; the script's own random numbers are its own. to_stderr: what the script prints to
    its output goes to the error stream. tail: keep the last lines that it prints, in `examined["lines"]`.

    `examined` has, besides what was looked at: `script`, `arguments`, `exit` (the script's code), `ran` (its seconds), `updates`, `losses`.
    Raises InputError where the file cannot be run, TrainingError where it trained nothing that could be examined, or stopped with an error that no fault
    found explains.
    """
    script = check_script(path)
    limit = limit_of(time_limit)
    ran = run_script(
        script, arguments, limit=limit, seed=seed, examine=True, to_stderr=to_stderr, tail=tail, progress=progress or Silent(), shown=path
    )
    assert ran.examination is not None
    said = list(ran.examination.examined.get("not_seen") or [])
    if ran.stopped:
        said.append(
            f"The script was stopped after {ran.seconds:.0f} seconds by the time limit; its first {ran.updates:,} updates were examined."
        )
    elif ran.crash:
        if ran.examination.verdict != "faulty":
            raise TrainingError(
                f"{script.name} stopped with {ran.crash} after {ran.updates:,} updates, and nothing that it trained until then is at fault; "
                f"mend that and examine it again"
            )
        said.append(f"The script stopped with {ran.crash} after {ran.updates:,} updates; what it did until then was examined.")
    examined = ran.examination.examined | {"not_seen": said, "script": str(path), "arguments": list(arguments), **summary(ran)}
    return replace(ran.examination, examined=examined)


def fix_script(
    path: str | Path,
    examination: Examination,
    arguments: Sequence[str] = (),
    *,
    time_limit: float | str | None = None,
    to_stderr: bool = False,
    progress: Progress | None = None,
) -> Fixed | None:
    """Write the script with the edits of all confirmed faults beside the original, under a name that is free, and run it under the same limit.

    None where no fault comes with an edit of the script. Raises InputError where the folder cannot be written to.
    """
    script = check_script(path)
    offered = [
        (finding.code, Edit.from_json(finding.edit))
        for finding in examination.findings
        if finding.severity != "remark" and finding.edit and "file" in finding.edit
    ]
    here = [edit for _, edit in offered if os.path.realpath(edit.file) == os.path.realpath(script)]
    elsewhere = [f"the edit of {code} is in {edit.file}, line {edit.line}: make it there" for code, edit in offered if edit not in here]
    here = list(dict.fromkeys(here))
    if not here:
        return None
    content, left = combined(here[0].file, here)
    codes = {edit: code for code, edit in offered}
    elsewhere += [
        f"the edit of {codes[edit]} at line {edit.line} touches what another one changes: examine the fixed script again" for edit in left
    ]
    made = tuple(edit for edit in here if edit not in left)
    if not made:
        return None
    fixed = _beside(Path(path), content)
    try:
        ran = run_script(
            fixed, arguments, limit=limit_of(time_limit), seed=0, examine=False, to_stderr=to_stderr, tail=True, progress=progress or Silent(), stdin=False
        )  # fmt: skip
    except GoodfitError as error:
        return Fixed(fixed, made, tuple(elsewhere), None, error.message, _before(examination))
    return Fixed(fixed, made, tuple(elsewhere), ran, "", _before(examination))


def summary(ran: Ran) -> dict[str, Any]:
    """What is told of a run: its exit code, seconds, updates, losses and last lines."""
    told: dict[str, Any] = {"exit": ran.exit, "ran": ran.seconds, "updates": ran.updates, "losses": ran.losses, "lines": ran.lines}
    return told | ({"crash": ran.crash} if ran.crash else {}) | ({"stopped": True} if ran.stopped else {})


def limit_of(value: float | str | None) -> float | None:
    """A time limit in seconds: `90`, `"90s"`, `"10m"`, `"1.5h"`. Raises SettingError."""
    if value is None:
        return None
    try:
        return TypeAdapter[float](Annotated[Seconds, Field(gt=0, le=3.2e7)]).validate_python(value)
    except ValidationError:
        raise SettingError(f"--time-limit must be a time such as 90s, 10m or 1h; {str(value)[:80]!r} was given", value=value) from None


def check_script(path: str | Path) -> Path:
    """The absolute path of a file of Python. Raises InputError: absent, a folder, not readable, empty, not Python."""
    script = Path(path)
    try:
        known = script.exists()
        if known and script.is_dir():
            raise InputError(
                f"{path} must be a script; it is a folder: name the file in it that trains, or give the folder of a run", file=path
            )
        if known and not script.is_file():
            raise InputError(f"{path} must be a script; it is no regular file", file=path)
        size = script.stat().st_size
        content = script.read_bytes() if size <= _LARGEST else b""
    except FileNotFoundError:
        raise InputError(f"there is no file {path}; give the script that trains, or the folder of a run", file=path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; give a script that can", file=path) from None
    if size > _LARGEST:
        raise InputError(f"a script has at most {_LARGEST:,} bytes; {script.name} has {size:,}: is it data?", file=path)
    if not content.strip():
        raise InputError(f"{script.name} is empty; give the script that trains", file=path)
    if script.suffix == ".ipynb":
        raise InputError(f"{script.name} is a notebook; export it first: jupyter nbconvert --to script {script.name}", file=path)
    try:
        parsed(content)
    except SyntaxError as error:
        where = f" (line {error.lineno}: {error.msg})" if error.lineno else f" ({error.msg})"
        raise InputError(f"{script.name} is not Python{where}; give a script that Python runs", file=path, row=error.lineno) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{script.name} is not Python ({str(error) or type(error).__name__}); give a script that Python runs", file=path
        ) from None
    return Path(os.path.abspath(script))


def run_script(
    script: Path,
    arguments: Sequence[str],
    *,
    limit: float | None,
    seed: int,
    examine: bool,
    to_stderr: bool,
    tail: bool,
    progress: Progress,
    stdin: bool = True,
    shown: str | Path | None = None,
) -> Ran:
    """Run a script in a process of its own and hand back what it did; raise where nothing can be made of it. shown: its `sys.argv[0]`."""
    begun = time.monotonic()
    share = 0.0 if limit is None or not examine else min(EXAMINATION, (1 - _LEAST_SCRIPT) * limit)
    with tempfile.TemporaryDirectory(prefix="goodfit-doctor-") as place:
        folder = Path(place)
        ask = {
            "script": str(script), "shown": str(shown or script), "arguments": list(arguments), "parent": os.getpid(), "examine": examine, "tail": tail, "seed": seed,
            "seconds": EXAMINATION, "deadline": None if limit is None else begun + limit,
        }  # fmt: skip
        write_json(folder / ASK, ask)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        process = subprocess.Popen(
            [sys.executable, "-c", _start(folder)], stdin=None if stdin else subprocess.DEVNULL, stdout=2 if to_stderr else None
        )
        watch = _Watch(process, folder, None if limit is None else begun + limit - share, progress)
        try:
            watch.wait()
        finally:
            watch.end()
        answer = read_json(folder / ANSWER) if (folder / ANSWER).exists() else None
    return _made_of(script, answer, process.returncode, watch, examine, limit)


def _start(folder: Path) -> str:
    """What the process runs. It finds goodfit where this process did, and no module of the working directory in its place."""
    root = str(Path(goodfit.__file__).resolve().parents[1])
    return (
        f"import sys; sys.path[:] = sys.path[sys.path[:1] == ['']:]; {root!r} in sys.path or sys.path.append({root!r}); "
        f"from goodfit.doctor.child import main; main({str(folder)!r})"
    )


class _Watch:
    """A process of ours that is waited for, told to stop when its time is over, and killed with all that it started when it does not."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, until: float | None, progress: Progress) -> None:
        self._process, self._folder, self._until, self._progress = process, folder, until, progress
        self._told = 0.0  # when it was told to stop, 0 for not yet
        self._again = False
        self._examining: tuple[float, float] | None = None  # since when, and for how long
        self._answered = 0.0
        self._stage, self._done = "", 0.0
        self._left: dict[int, str] = {}
        self.killed = ""  # why

    def wait(self) -> None:
        while True:
            try:
                self._process.wait(_EVERY)
                return
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            if (self._folder / ANSWER).exists():
                self._answered = self._answered or now
                if now - self._answered > _LEAVING:
                    return  # the script's own end hangs; what it did is known
                continue
            stage = self._look()
            if self._examining is not None:
                since, seconds = self._examining
                if now > since + seconds + _OVER:
                    self.killed = "examination"
                    return
            elif self._until is not None and now > self._until and stage and self._stop(now):
                self.killed = "script"
                return

    def _look(self) -> str:
        """How far it is."""
        path = self._folder / STAGE
        if not path.exists():
            return ""
        told = read_json(path)
        if told["stage"] != SCRIPT and self._examining is None:
            self._examining = (time.monotonic(), float(told["seconds"]))
            self._progress.stage("examining", float(told["seconds"]))
        if self._examining is not None:
            self._progress.advance(time.monotonic() - self._examining[0] - self._done, trying=told["stage"])
            self._done = time.monotonic() - self._examining[0]
        self._stage = told["stage"]
        return self._stage

    def _stop(self, now: float) -> bool:
        """Tell it to stop, and again; True when it must be killed."""
        if STOP is None:
            return True
        if not self._told:
            self._told = now
            self._left = _descendants(self._process.pid)
            self._process.send_signal(STOP)
        elif not self._again and now - self._told > _POLITE:
            self._again = True
            self._process.send_signal(STOP)
        return now - self._told > 3 * _POLITE

    def end(self) -> None:
        """Nothing of it is left where it was stopped or its wait was broken off; what a script leaves of its own accord stays."""
        if self._process.poll() is None:
            self._left |= _descendants(self._process.pid)
            self._process.kill()
            self._process.wait()
        for pid, born in self._left.items():
            if _born(pid) == born:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _made_of(script: Path, answer: dict[str, Any] | None, code: int, watch: _Watch, examine: bool, limit: float | None) -> Ran:
    """What a script's end means. Raises the one sentence that says why nothing can be examined."""
    name = script.name
    if answer is None:
        if watch.killed == "examination":
            raise TrainingError(f"the examination of {name} did not end in its time; give it more with --time-limit", file=script)
        if watch.killed:
            raise TrainingError(
                f"{name} did not stop when its time of {limit:g} seconds was over and was killed; give it more with --time-limit",
                file=script,
            )
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"left its process with exit code {code}"
        raise TrainingError(f"{name} {how} before its end, and what it did is lost; give a script that ends by itself", file=script)
    if "error" in answer:
        told = answer["error"]
        raise (TrainingError if told.pop("exit") == 2 else GoodfitError)(told["message"], file=script)
    if "failure" in answer:
        raise GoodfitError(f"the examination of {name} failed ({answer['failure']}); this is a fault of goodfit's", file=script)
    crash = _crash(answer["fault"], script) if answer["fault"] else ""
    if not answer["trained"]:
        raise _untrained(script, answer, crash, limit)
    found = _examination(answer["examination"]) if examine else None
    return Ran(answer["exit"], answer["ran"], answer["stopped"], answer["updates"], answer["losses"], answer["tail"], crash, found)


def _untrained(script: Path, answer: dict[str, Any], crash: str, limit: float | None) -> GoodfitError:
    """Why a script trained nothing."""
    name, fault = script.name, answer["fault"]
    line = fault.get("line")
    if fault.get("syntax"):
        return InputError(f"{name} is not Python ({crash}); give a script that Python runs", file=script, row=line)
    if fault.get("module"):
        return InputError(
            f"{name} needs the package {fault['module']!r}, which is not installed here ({crash}); install it, or run goodfit where it is",
            file=script,
            row=line,
        )
    if crash:
        return TrainingError(f"{name} stopped with {crash} before it trained; make it run first", file=script, row=line)
    if answer["stopped"]:
        return TrainingError(
            f"{name} trained nothing within its time of {limit:g} seconds in all; give it more with --time-limit", file=script
        )
    if answer["exit"]:
        return TrainingError(
            f"{name} ended with exit code {answer['exit']} before it trained; give its arguments after its name", file=script
        )
    if not answer["torch"]:
        return InputError(
            f"{name} uses no torch, and only what torch trains can be examined; give a script that trains with torch", file=script
        )
    if answer["forks"]:
        return TrainingError(
            f"{name} trained nothing in its own process, and what the {answer['forks']} that it forked did cannot be seen; train in the process that is started",
            file=script,
        )
    return TrainingError(f"{name} trained nothing: no loss was followed by backward(); give the script that trains", file=script)


def _crash(fault: dict[str, Any], script: Path) -> str:
    """`ValueError: too small (line 12)`."""
    message = " ".join(str(fault["message"]).split())
    file, line = fault.get("file"), fault.get("line")
    where = "" if line is None else f"line {line}" if file in (None, str(script)) else f"{Path(file).name}, line {line}"
    return printable(f"{fault['kind']}" + (f": {message[:160]}" if message else "") + (f" ({where})" if where else ""))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _examination(document: dict[str, Any]) -> Examination:
    findings = [Finding(**{**found, "columns": tuple(found["columns"]), "rows": tuple(found["rows"])}) for found in document["findings"]]
    return Examination(document["verdict"], tuple(findings), document["examined"], document["seconds"])


def _before(examination: Examination) -> dict[str, Any]:
    return {name: examination.examined.get(name) for name in ("exit", "ran", "updates", "losses", "lines")}


def _beside(path: Path, content: bytes) -> Path:
    """Write the fixed script under the first free of `train.fixed.py`, `train.fixed-2.py`, ...; nothing is written over."""
    base = re.sub(r"\.fixed(-\d+)?$", "", path.stem)
    for number in range(1, 1000):
        fixed = path.with_name(f"{base}.fixed{f'-{number}' if number > 1 else ''}{path.suffix}")
        try:
            with open(fixed, "xb") as handle:  # fails where the name is taken, by a link too
                handle.write(content)
            return Path(os.path.abspath(fixed))
        except FileExistsError:
            continue
        except OSError as error:
            raise InputError(f"{fixed} cannot be written ({error.strerror}); copy the script to a folder that can", file=fixed) from None
    raise InputError(f"{base}.fixed.py and 999 more stand beside {path} already; remove some", file=path)


def _descendants(pid: int) -> dict[int, str]:
    """The processes that a process started, and they in turn, each with its time of birth (Linux; none elsewhere)."""
    parents: dict[int, int] = {}
    births: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(entry.name))
        if fields:
            parents[int(entry.name)], births[int(entry.name)] = int(fields[1]), fields[19]
    found, waiting = {}, [pid]
    while waiting:
        outer = waiting.pop()
        for inner, parent in parents.items():
            if parent == outer and inner not in found:
                found[inner] = births[inner]
                waiting.append(inner)
    return found


def _born(pid: int) -> str:
    fields = _fields(pid)
    return fields[19] if fields else ""


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
