"""The ledger of the sealed test set: a line for every time that it was opened.

A test score is honest once. Each further look that leads to a choice makes it an optimistic one (Dwork et al., "The reusable
holdout", Science 2015), so every opening is written down before the score is known.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goodfit.base.errors import StorageError
from goodfit.base.files import sync_folder

NAME = "test-ledger.jsonl"


def open_test(run_folder: Path, purpose: str, rows: int, fingerprint: str) -> int:
    """Write down that the test set is opened now; returns how many openings there are, this one included.

    purpose: what the score is for, such as "training" or "evaluate". rows: how many rows are read. fingerprint: of the data.
    The line is on the disk when this returns. Two processes cannot get the same number where the system has file locks.
    Raises StorageError when the ledger cannot be written: then the test set must stay closed.
    """
    path = Path(run_folder) / NAME
    try:
        with open(path, "ab+") as handle:
            _lock(handle.fileno())
            handle.seek(0)
            before = handle.read()
            count = sum(bool(line.strip()) for line in before.split(b"\n")) + 1
            entry = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "purpose": purpose,
                "rows": int(rows),
                "fingerprint": fingerprint,
                "count": count,
            }
            # A process killed in the middle of a line leaves a torn one; it counts, and the next begins on its own line.
            torn = b"\n" if before and not before.endswith(b"\n") else b""
            handle.write(torn + json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
        sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(
            f"the test set stays closed, since {NAME} cannot be written ({reason}); make the run folder writable", file=path
        ) from error
    return count


def openings(run_folder: Path) -> list[dict[str, Any]]:
    """Every opening so far, in order; a torn line is an entry with its `count` alone."""
    try:
        lines = (Path(run_folder) / NAME).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found: list[dict[str, Any]] = []
    for line in lines:
        if line.strip():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = None
            found.append(entry if isinstance(entry, dict) else {"count": len(found) + 1})
    return found


def _lock(descriptor: int) -> None:
    """Wait until this process alone holds the ledger; closing the file lets go. Without effect where there is no fcntl."""
    try:
        import fcntl
    except ImportError:  # Windows: the append itself is still one write
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
