"""The process in which a user's script runs under the instruments, and in which what they recorded is examined afterwards.

`script.py` starts it with a folder of its own, in which it finds `ask.json` and leaves `stage.json` (how far it is) and `answer.json`. The script
is `__main__` here and finds everything as if Python had been given it: its arguments, its folder first among the places of modules, its input and
output, its working directory. Only the process in which it began is examined: one that it forks ends as it would have ended.
"""

from __future__ import annotations

import builtins
import ctypes
import os
import re
import signal
import sys
import threading
import time
import traceback
import types
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from goodfit.base.errors import GoodfitError, InputError
from goodfit.base.files import read_json, write_json
from goodfit.doctor.program import Program
from goodfit.doctor.traces import strip, stripped

ASK, STAGE, ANSWER = "ask.json", "stage.json", "answer.json"
SCRIPT = "the script"  # the first stage; all others are of the examination
STOP = getattr(signal, "SIGUSR1", None)  # ends the script when its time is over; where the system has none, it is killed
_TAIL = 12  # printed lines that are kept for the comparison of two runs: a last epoch and its summary
_CURVE = 400  # points of the loss that are kept: more than a page's pixels show apart
_OFTEN = 0.2  # seconds between two words about how far it is


class OutOfTime(BaseException):
    """The script's time is over. No Exception, so that it passes what a script catches."""


def main(folder: str) -> None:
    """Run what `ask.json` names; the process ends in here where the script ends it."""
    Run(Path(folder)).whole()


class Run:
    """One script from its start to the examination of what it did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ask: dict[str, Any] = read_json(folder / ASK)
        self._process = os.getpid()
        self._begun = time.monotonic()
        self._stops = 0  # how often the time was said to be over
        self._running = False
        self._concluded = False
        self._forks = 0
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._fault: dict[str, Any] = {}  # how the script stopped, where it did by an error
        from goodfit.doctor.record import Recorder  # with everything it needs, before the script's folder can hide a module

        if self._ask["examine"]:
            import goodfit.doctor.engine  # noqa: F401

        self._script = Path(self._ask["script"])
        self._recorder = Recorder(root=self._script.parent)
        self._leave = os._exit

    def whole(self) -> None:
        code = self._run()
        if os.getpid() != self._process:
            sys.exit(code)
        self._conclude(code)
        sys.exit(code)

    # The script

    def _run(self) -> int:
        """The script's exit code. The user named the script in the call itself, so it is run."""
        self._prepare()
        main = types.ModuleType("__main__")
        main.__dict__.update(__file__=str(self._script), __builtins__=builtins, __spec__=None, __cached__=None)
        sys.modules["__main__"] = main
        write_json(self._folder / STAGE, {"stage": SCRIPT})
        self._recorder.__enter__()
        self._running = True
        try:
            code = self._ended(
                lambda: exec(compile(self._script.read_bytes(), str(self._script), "exec", dont_inherit=True), main.__dict__)
            )
            return code if self._stops else self._ended(self._join) or code
        finally:
            self._running = False

    def _ended(self, part: Callable[[], None]) -> int:
        """The exit code that a part of the script leaves."""
        try:
            part()
        except SystemExit as stop:
            return _exit_code(stop)
        except OutOfTime:
            return 124  # what timeout(1) ends with
        except BaseException as error:  # what a script can end by, an interrupt too; it is printed as Python prints it
            return self._broken(error)
        return 0

    def _prepare(self) -> None:
        _end_with(self._ask["parent"])
        sys.argv[:] = [self._ask["shown"], *self._ask["arguments"]]
        sys.path.insert(0, str((self._script.resolve() if self._script.is_symlink() else self._script).parent))
        os._exit = self._exit_now  # type: ignore[assignment]
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_parent=self._forked)
        if STOP is not None:
            signal.signal(STOP, self._stop)
        show = threading.excepthook

        def shown(told: Any) -> None:
            show(threading.ExceptHookArgs((told.exc_type, told.exc_value, stripped(told.exc_traceback), told.thread)))

        threading.excepthook = shown
        if self._ask["tail"]:
            for stream in (sys.stdout, sys.stderr):
                _follow(stream, self._tail)

    def _forked(self) -> None:
        self._forks += 1

    def _stop(self, *_: object) -> None:
        """The time is over: once politely; a script that goes on is left where it stands and examined from here."""
        if not self._running or os.getpid() != self._process:
            return
        self._stops += 1
        if self._stops == 1:
            raise OutOfTime
        self._exit_now(124)

    def _exit_now(self, code: int) -> None:
        """In place of `os._exit`: without a look at anything of the script's, but the records are handed over."""
        if os.getpid() == self._process and self._running:
            self._running = False
            self._conclude(code)
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # a script may have closed them; there is nobody left to tell
                    stream.flush()
        self._leave(code)

    def _join(self) -> None:
        """Threads go on after the last line of a script, and Python waits for them."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()

    def _broken(self, error: BaseException) -> int:
        strip(error)
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if Path(frame.filename).is_relative_to(self._script.parent)]
        self._fault = {
            "kind": type(error).__name__,
            "message": str(error)[:300],
            "file": theirs[-1].filename if theirs else None,
            "line": theirs[-1].lineno if theirs else getattr(error, "lineno", None),
            "module": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
            "syntax": isinstance(error, SyntaxError),
        }
        with suppress(OSError, ValueError):  # the script may have closed its output
            sys.stdout.flush()
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1

    # What comes after it

    def _conclude(self, code: int) -> None:
        """Hand over what is to be said of the script: its records examined, or why they cannot be."""
        if self._concluded or os.getpid() != self._process:
            return
        self._concluded = True
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # whatever the script put in their place
                stream.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        answer: dict[str, Any] = {
            "exit": code, "fault": self._fault, "stopped": self._stops > 0, "forks": self._forks, "ran": time.monotonic() - self._begun, "tail": list(self._tail),
        }  # fmt: skip
        try:
            self._recorder.__exit__(None, None, None)
            program = self._recorded()
            answer["trained"], answer["torch"] = program is not None, _names_torch(self._script.parent)
            if program is not None:
                answer |= {"updates": program.updates, "losses": _curve(program.losses)}
                if self._ask["examine"]:
                    answer["examination"] = self._examined(program)
        except GoodfitError as error:
            answer["error"] = error.to_json() | {"exit": error.exit_code}
        except Exception as error:  # our own failure, told with its trace; the script's side is handed over
            traceback.print_exc()
            answer["failure"] = f"{type(error).__name__}: {error}"[:300]
        write_json(self._folder / ANSWER, answer)

    def _recorded(self) -> Program | None:
        """The script's program; None where it trained nothing."""
        try:
            program = self._recorder.program()
        except InputError:
            return None
        return program if program.updates or program.losses else None

    def _examined(self, program: Program) -> dict[str, Any]:
        from goodfit.doctor.engine import examine_program

        seconds, deadline = self._ask["seconds"], self._ask["deadline"]
        if deadline is not None:  # a time of the monotonic clock, the same for all processes of a machine
            seconds = max(1.0, min(seconds, deadline - time.monotonic()))
        teller = _Teller(self._folder / STAGE, seconds)
        return examine_program(program, seconds=seconds, seed=self._ask["seed"], progress=teller).to_json()


class _Teller:
    """Leaves word of how far the examination is."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._told = 0.0
        self("examining")

    def __call__(self, words: str) -> None:
        now = time.monotonic()
        if now - self._told > _OFTEN:
            self._told = now
            write_json(self._path, {"stage": words, "seconds": self._seconds})


def _exit_code(stop: SystemExit) -> int:
    """What Python makes of `sys.exit(...)`: nothing is 0, a text is printed and is 1."""
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def _curve(losses: Sequence[float]) -> list[list[float]]:
    """The loss at each update, evenly thinned, each point the mean of those that it stands for: one batch's loss says little."""
    width = max(1, -(-len(losses) // _CURVE))
    parts = [losses[start : start + width] for start in range(0, len(losses), width)]
    return [[min((i + 1) * width, len(losses)), sum(part) / len(part)] for i, part in enumerate(parts)]


def _names_torch(folder: Path) -> bool:
    """Whether any loaded file of the user's names torch: it is loaded here in any case."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and Path(file).is_relative_to(folder):
            with suppress(OSError):
                if re.search(rb"\btorch\b|\blightning\b|\btransformers\b|\bkeras\b", Path(file).read_bytes()):
                    return True
    return False


def _follow(stream: Any, tail: deque[str]) -> None:
    """Keep the last lines that are printed. The stream stays what it is; only its `write` is listened to."""
    written: Callable[[str], int] = stream.write
    rest = ""

    def write(text: str) -> int:
        nonlocal rest
        if isinstance(text, str):
            *lines, rest = re.split(r"[\r\n]", rest + text)  # a bar that is drawn anew ends in a carriage return
            tail.extend(line.rstrip()[:200] for line in lines if line.strip())
            rest = rest[-200:]
        return written(text)

    with suppress(AttributeError, TypeError):  # a stream that cannot be listened to is left alone
        stream.write = write


def _end_with(parent: int) -> None:
    """End when whoever started us ends, killed or not (Linux; elsewhere an orphan ends by itself)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(1)
