"""Which calls were an evaluation: networks called without gradients, or in eval mode, whose answers no backward used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from goodfit.doctor.calls import Budget, Taste
from goodfit.doctor.program import Place

MOST = 64  # tapes of one evaluation: a score of 64 batches is exact enough to compare two networks by
# Programs that ask their network between any two updates, as in reinforcement learning, would pay for each asking what an evaluation costs once.
_OFTEN = 16  # updates for each evaluation, on average, below which it is such a program
_TRIED = 64  # evaluations that are looked at before that is judged


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
        self._seen = 0
        self._next = 0  # with frequent ones: the number of updates from which one is written down again

    @property
    def pending(self) -> bool:
        return bool(self._open)

    def full(self, updates: int) -> bool:
        """Whether no more is written down before the next update."""
        if len(self._open) >= MOST or (self._open and self._budget.bytes - self._base > self._most):
            return True
        return not self._open and self._seen >= _TRIED and updates < _OFTEN * self._seen and updates < self._next

    def open(self, cells: Sequence[int], updates: int, here: Callable[[], Place | None]) -> Taste:
        """The tape for a network's call on these data: the last one if it saw one of them, as where two networks answer for the same rows."""
        grad = torch.is_grad_enabled()
        if self._open:
            last = self._open[-1]
            if last.grad == grad and not last.used and not last.cells.isdisjoint(cells):
                return last
        else:
            self._place = here()
            self._base = self._budget.bytes
        taste = Taste(grad)
        self._open.append(taste)
        return taste

    def close(self, updates: int) -> None:
        """Before an update, and at the end: what no backward has used was an evaluation."""
        kept = [taste for taste in self._open if not taste.used]
        self._open = []
        if not kept:
            return
        self._seen += 1
        self._next = updates + updates // 50  # so that the last one that is written down is at most 2 % of the way behind
        self.last = Examined(kept, updates, self._place)
        self.first = self.first or self.last
