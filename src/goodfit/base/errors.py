"""The one tree of errors.

Every error that a user can cause says in one sentence what must hold, what was given, and what to write instead,
and carries the place (file, row, column, value) as fields, so that `--json` can print them apart. Names, cells and paths may hold anything;
messages hold it escaped, the fields as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class GoodfitError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with."""

    exit_code = 1
    kind = "internal"

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        value: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message  # escaped
        self.file = None if file is None else str(file)
        self.row = row  # 1-based row of the data, the header not counted; 1 also for a fault in the header line of a text table
        self.column = column
        self.value = None if value is None else str(value)[:200]

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        self._message = printable(text)
        self.args = (self._message,)

    def to_json(self) -> dict[str, Any]:
        """The error as `--json` prints it: `kind`, `message` and whatever place is known."""
        place = {"file": self.file, "row": self.row, "column": self.column, "value": self.value}
        return {"kind": self.kind, "message": self.message} | {k: v for k, v in place.items() if v is not None}


class InputError(GoodfitError, ValueError):
    """The input or the call is wrong: exit 2, nothing written. A ValueError too, as scikit-learn and others expect."""

    exit_code = 2
    kind = "input"


class DataError(InputError):
    """A file or a frame cannot be read or cannot be learned from."""

    kind = "data"


class SettingError(InputError):
    """A setting does not exist, is out of its bounds, or has no effect here."""

    kind = "setting"


class BundleError(InputError):
    """A model folder is incomplete, altered, or of another version."""

    kind = "bundle"


class CheckpointError(InputError):
    """A run cannot be resumed from what is on the disk."""

    kind = "checkpoint"


class StackError(InputError):
    """Networks cannot be trained stacked, as one; the message says why. Trained one by one they may well be."""

    kind = "stack"


class StorageError(InputError):
    """The disk refused a write (full, read-only); what was there before is whole."""

    kind = "storage"


class MissingExtra(InputError):
    """A package that an extra brings is not installed."""

    kind = "missing-extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}'; install it with: pip install 'goodfit[{extra}]'")


class WorkerError(GoodfitError):
    """A process that trained for us ended before its work did, killed by the system or by someone. The run goes on with --resume: exit 1."""

    exit_code = 1
    kind = "worker"


class TrainingError(GoodfitError):
    """Training cannot go on with these data and settings, such as a loss that is not finite. The user can act: exit 2."""

    exit_code = 2
    kind = "training"


def printable(text: str) -> str:
    r"""The text with escapes for what a terminal would obey or hide: control codes, marks of direction, halves of surrogate pairs.

    >>> print(printable("a\x1b[31mb\u202ec"))
    a\x1b[31mb\u202ec
    """
    return text if text.isprintable() else "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'lr'?"` for the nearest known word, else an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
