"""Who is at work on a study: each process says every few seconds that it lives, so that others know when its trials are lost."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from goodfit.base.errors import StorageError

BEAT = 10.0  # seconds between signs of life
GRACE = 60.0  # seconds without one after which a worker on another machine is dead
_PREFIX = "worker:"


class Heart:
    """Signs of life of this process, in the attributes of a study, while the context lasts.

    say: writes an attribute of the study.
    """

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{_started(os.getpid())}"
        self._say = say
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heart:
        self._tell(time.time())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        with suppress(StorageError):  # the error that ended the search is the one to be told
            self._tell(0.0)

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(StorageError):  # the next one may come through; the search itself says what is wrong
                self._tell(time.time())

    def _tell(self, beat: float) -> None:
        about = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid()), "beat": beat}
        self._say(_PREFIX + self.name, about)


def alive(attributes: Mapping[str, Any]) -> dict[str, bool]:
    """The workers that the attributes of a study name, and whether each lives: on this machine by its process, elsewhere by its last sign of life."""
    found: dict[str, bool] = {}
    for key, about in attributes.items():
        if key.startswith(_PREFIX):
            if not about["beat"]:
                lives = False
            elif about["host"] == socket.gethostname():
                lives = _started(int(about["pid"])) == about["started"]
            else:
                lives = time.time() - about["beat"] < GRACE
            found[key.removeprefix(_PREFIX)] = lives
    return found


def _started(pid: int) -> int:
    """When a process began, in the kernel's ticks, which tell it from a later one of the same number; -1 where there is none, 0 where that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return -1 if fields[0] in "ZX" else int(fields[19])
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return -1
    except (OSError, ValueError, IndexError):
        return -1
    try:  # no /proc
        os.kill(pid, 0)
    except ProcessLookupError:
        return -1
    except OSError:
        pass  # another user's
    return 0
