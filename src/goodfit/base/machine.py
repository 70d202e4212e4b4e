"""How much memory there is, and how much of it is free: the machine's, or the container's where that is less."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

_SMALLEST = 8 << 30  # bytes of the smallest machine that people train on, where nothing can be asked
# A container's limit, what it uses, and where it says how much of that is cache of files, which it gives back (cgroup 2, then 1).
_CGROUPS = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


def machine_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may use: the machine's, or the container's limit where that is smaller."""
    limits = []
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, *_ in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # no Linux, or "max"
            limits.append(int((root / limit).read_text()))
    return min(limits, default=_SMALLEST)


def free_memory(device: str | torch.device = "cpu", root: Path = Path("/")) -> int:
    """Bytes that may still be taken without pushing anything out: of the machine and of its container, or of a CUDA device."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        free.append(1024 * _table(root / "proc/meminfo")["MemAvailable"])
    for limit, used, table, cache in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            left = int((root / limit).read_text()) - int((root / used).read_text())
            with contextlib.suppress(OSError, ValueError, KeyError):
                left += _table(root / table)[cache]
            free.append(max(0, left))
    return min(free, default=machine_memory(root))


def _table(path: Path) -> dict[str, int]:
    """Lines such as `MemAvailable:  21865688 kB`."""
    lines = (line.replace(":", " ").split() for line in path.read_text().splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1}
