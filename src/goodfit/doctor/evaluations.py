"""Which calls were an evaluation: networks called without gradients, or in eval mode, whose answers no backward used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

import torch

from goodfit.doctor.calls import Budget, Taste
from goodfit.doctor.program import Place

MOST = 64  # tapes of one evaluation: a score of 64 batches is exact enough to compare two networks by
# Writing an evaluation down costs several times what it takes by itself, so of those that come again from the same line only some are.
_EACH = 4  # times that all are written
_GROWTH = 8  # after that, those that come when the program is an eighth longer: some fifty in a million updates, and the last of them not far behind
_HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True, slots=True)
class Examined:
    """The tapes of one evaluation; after: the number of updates before it."""

    tastes: list[Taste]
    after: int
    place: Place | None


class Evaluations:
    """Gathers the tapes between two updates, and keeps the first and the last evaluation that they made. most_bytes: of the data of one evaluation."""

    def __init__(self, budget: Budget, most_bytes: int) -> None:
        self.first: Examined | None = None
        self.last: Examined | None = None
        self._budget = budget
        self._most = most_bytes
        self._open: list[Taste] = []
        self._place: Place | None = None
        self._base = 0  # bytes held before the evaluation
        self._times: dict[int, int] = {}  # by where they were asked for: evaluations written down
        self._next: dict[int, int] = {}  # and the number of updates from which another one is

    def forget(self) -> None:
        """None was made so far."""
        self.first = self.last = None
        self._open = []
        self._times.clear()
        self._next.clear()

    @property
    def pending(self) -> bool:
        return bool(self._open)

    def full(self, updates: int) -> bool:
        """Whether a network's call that is made now is not to be written down."""
        if len(self._open) >= MOST or (self._open and self._budget.bytes - self._base > self._most):
            return True
        return bool(self._next) and updates < self._next.get(_asked(), 0)

    def open(self, cells: Sequence[int], updates: int, here: Callable[[], Place | None]) -> Taste:
        """The tape for a network's call on these data: the last one if it saw one of them, as where two networks answer for the same rows."""
        grad = torch.is_grad_enabled()
        if self._open:
            last = self._open[-1]
            if last.grad == grad and not last.used and not last.cells.isdisjoint(cells):
                last.asked.add(_asked())
                return last
        else:
            self._place = here()
            self._base = self._budget.bytes
        taste = Taste(grad)
        taste.asked.add(_asked())
        self._open.append(taste)
        return taste

    def taught(self) -> None:
        """What was called with gradients since the last update was none."""
        self._open = [taste for taste in self._open if not taste.grad]

    def close(self, updates: int) -> None:
        """Before an update, and at the end: what no backward has used was an evaluation."""
        kept = [taste for taste in self._open if not taste.used]
        self._open = []
        if not kept:
            return
        for asked in {asked for taste in kept for asked in taste.asked}:
            self._times[asked] = self._times.get(asked, 0) + 1
            if self._times[asked] >= _EACH:
                self._next[asked] = updates + updates // _GROWTH
        self.last = Examined(kept, updates, self._place)
        self.first = self.first or self.last


def _asked() -> int:
    """From where a network is called: equal for the same lines in all functions that are running."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    places: list[int] = []
    while frame is not None:
        places += id(frame.f_code), frame.f_lasti
        frame = frame.f_back
    return hash(tuple(places))
