"""The outcome of an examination."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from goodfit.base.records import Finding

Verdict = Literal["healthy", "faulty", "unlearnable"]


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a program.

    verdict: `faulty` where a fault is confirmed, `unlearnable` where nothing is wrong but the data hold no signal, `healthy` otherwise.
    findings: best gain first; remarks, which are no faults, last.
    examined: `looked_at` and `not_seen`, lists of sentences; `runs`, the number of short copies that were run; `reference` and `outcome`, the scores that were compared.
    seconds: of the examination, the program's own time not counted.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    examined: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "findings": [finding.to_json() for finding in self.findings],
            "examined": self.examined,
            "seconds": self.seconds,
        }
