"""Progress in the terminal: a bar where work takes over two seconds, nothing when the output is no terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

from goodfit.base.errors import printable

_PATIENCE = 2.0  # seconds before a stage shows a bar


class Bars:
    """A Progress (goodfit.base.protocols) that draws with rich. Sentences always go to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._interactive = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._task: Any = None
        self._stage: tuple[str, float | None] = ("", None)
        self._begun = 0.0
        self._done = 0.0
        self._drawn = 0.0

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def stage(self, name: str, total: float | None = None) -> None:
        self._close()
        self._stage, self._begun, self._done, self._drawn = (name, total), time.monotonic(), 0.0, 0.0

    def advance(self, amount: float = 1.0, **values: Any) -> None:
        self._done += amount
        now = time.monotonic()
        if not self._interactive or now - self._begun < _PATIENCE or now - self._drawn < 0.1:
            return
        self._drawn = now
        if self._bar is None:
            self._open()
        text = "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items())
        self._bar.update(self._task, completed=self._done, values=text)

    def say(self, message: str) -> None:
        print(printable(message), file=sys.stderr, flush=True)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[values]}"))
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self._stage[0], total=self._stage[1], values="")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
