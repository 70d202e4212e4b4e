"""Print every measured result as tables, made anew from the numbers in results/*.json; what `make bench` calls."""

from __future__ import annotations

import attention
import curvature
import goals
import limits
import loop
import networks
import record as store
import rows
import tables
import watching
from record import FOLDER, Record

RENDER = {
    "attention": attention.render,
    "curvature": curvature.render,
    "goals": goals.render,
    "limits": limits.render,
    "loop": loop.render,
    "networks": networks.render,
    "rows": rows.render,
    "tables": tables.render,
    "watching": watching.render,
}


def main() -> None:
    """Known results from their numbers, others (results/*.md) as they stand."""
    names = sorted({path.stem for path in FOLDER.glob("*.json")} & RENDER.keys())
    for name in names:
        print(store.publish(Record(name), RENDER[name]) + "\n")
    for path in sorted(FOLDER.glob("*.md")):
        if path.stem not in names:
            print(path.read_text())


if __name__ == "__main__":
    main()
