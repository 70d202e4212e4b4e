"""Who runs trials: settings in, records out. The search knows nothing else of training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Trial:
    """Settings to be tried.

    number: in the study; asked for again under the same number, a trial goes on from where it was.
    settings: by their names, such as {"optim.lr": 1e-3}. epochs: passes to pause after, to be compared and perhaps continued; None trains to its end.
    seconds: that it may take from when it begins, None for as long as it takes.
    """

    number: int
    settings: dict[str, Any]
    epochs: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    score: on the validation rows, None where there is none. reason: why there is none, a sentence; None too where the trial was not begun.
    epochs: passes made so far, best_epoch: the one whose weights were scored. seconds: that they took. done: whether the training came to its own end.
    """

    number: int
    score: float | None
    reason: str | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    done: bool = True


class Cohort(Protocol):
    """Runs trials side by side: in this process, in others, or as one stack of networks."""

    size: int
    """Trials that it is best asked for at once."""

    def run(self, trials: Sequence[Trial], until: float | None = None) -> Iterator[Outcome]:
        """Run the trials and yield each outcome as soon as it is known, in any order. until: `time.monotonic()` after which none is begun.

        A trial that fails yields its reason, and the others go on.
        """
        ...

    def forget(self, numbers: Iterable[int]) -> None:
        """These trials will not be continued: what was kept for it may go."""
        ...
