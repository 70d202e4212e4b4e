"""The programs: where each lies, what is wrong with it in truth, and how its score on held-back data is read.

`index.json` holds one entry a program:

- `id`; `kind`: `faulty` (in `programs/<id>/`, with its repaired twin), `healthy` or `trap` (in `healthy/<id>.py`; a trap has something odd about it that does no
  harm, said in `why`).
- `codes`: one list per fault, of the codes that each name it rightly. `half`: `tune` (to look at while the doctor is made) or `report`: written by others, who knew the codes
  and not the doctor, and looked at by nobody who works on it before its figures stand. Once looked at, a program belongs to `tune`, and new ones are written.
- `score`: `pattern`, a regular expression for the program's last line; `kind`, `accuracy`, `r2` or `loss`; `sign`, -1 where lower is better;
  `rows`, how many were held back, where the noise is binomial.
- `margin`: how much better the twin must score than the faulty one. None where the fault makes the score look better than it is: then the
  scores cannot be compared. `least`: what a healthy program must reach.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
INDEX = HERE / "index.json"
HALVES = ("tune", "report")

# The vocabulary of findings.
_FAMILIES = {
    "data": (
        "inputs-unscaled",
        "targets-unscaled",
        "labels-wrong",
        "no-signal",
        "leak",
        "imbalance",
        "label-noise",
        "shift",
        "too-little",
    ),
    "head": (
        "activation",
        "units",
    ),
    "loss": (
        "family",
        "reduction",
        "broadcast",
    ),
    "init": ("bad",),
    "activation": (
        "none",
        "saturated",
        "dead",
    ),
    "gradient": (
        "vanishing",
        "exploding",
    ),
    "optim": (
        "rate-high",
        "rate-low",
        "choice",
        "budget",
        "batch",
    ),
    "loop": (
        "zero-grad",
        "no-step",
        "frozen",
        "mode",
        "order",
        "metric",
    ),
    "model": (
        "mixes-batch",
        "input-ignored",
        "too-small",
        "too-deep",
    ),
    "fit": (
        "overfitting",
        "over-regularised",
    ),
    "norm": ("batch",),
    "curvature": ("saddle",),
    "numeric": ("non-finite",),
}
CODES = frozenset(f"{family}.{name}" for family, names in _FAMILIES.items() for name in names)
# Errors of the loop that raise nothing and print nothing.
SILENT = frozenset({"loop.zero-grad", "loop.no-step", "loop.frozen", "loop.mode"})


@dataclass(frozen=True)
class Entry:
    """One program; the fields are those of the index. Scores are turned so that higher is better."""

    id: str
    kind: str
    half: str
    codes: tuple[tuple[str, ...], ...]
    pattern: str
    score_kind: str
    sign: int
    rows: int | None = None
    margin: float | None = None
    least: float | None = None
    why: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """`faulty` and `repaired`, or `healthy`."""
        if self.kind == "faulty":
            return {name: HERE / "programs" / self.id / f"{name}.py" for name in ("faulty", "repaired")}
        return {"healthy": HERE / "healthy" / f"{self.id}.py"}

    @property
    def silent(self) -> bool:
        return any(SILENT & set(fault) for fault in self.codes)

    def score(self, output: str) -> float | None:
        """The score in what a program printed: the last match in its last line, higher being better; -inf for NaN; None where there is none."""
        lines = output.strip().splitlines()
        found = re.findall(self.pattern, lines[-1], flags=re.IGNORECASE) if lines else []
        if not found:
            return None
        value = self.sign * float(found[-1])
        return -math.inf if math.isnan(value) else value

    def noise(self, score: float) -> float:
        """How far two equally good programs may lie apart: for an accuracy the binomial standard error on its rows and no less than one row,
        for R2 0.02, for a loss 3 % of it (what other seeds move the twins by, roughly)."""
        if self.score_kind == "accuracy":
            rows = self.rows or 400
            share = min(1.0, max(0.0, score))
            return max(math.sqrt(share * (1 - share) / rows), 1 / rows)
        return 0.02 if self.score_kind == "r2" else 0.03 * abs(score)

    def reached(self, faulty: float, repaired: float, fixed: float) -> bool:
        """Whether `fixed` is at least 95 % of the way from `faulty` to `repaired`, or within noise of `repaired`."""
        if math.isinf(faulty):
            return fixed >= repaired - self.noise(repaired)
        return fixed >= min(faulty + 0.95 * (repaired - faulty), repaired - self.noise(repaired))


def load(path: Path = INDEX) -> list[Entry]:
    """All programs in the order of the index."""
    return [_entry(row) for row in json.loads(path.read_text())]


def _entry(row: dict[str, Any]) -> Entry:
    score = row["score"]
    return Entry(
        id=row["id"],
        kind=row["kind"],
        half=row["half"],
        codes=tuple(tuple(fault) for fault in row["codes"]),
        pattern=score["pattern"],
        score_kind=score["kind"],
        sign=score["sign"],
        rows=score.get("rows"),
        margin=row.get("margin"),
        least=row.get("least"),
        why=row.get("why", ""),
    )


def fingerprint(path: Path) -> str:
    """Twelve characters that change with the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
