"""The losses of K members by their tasks: one call where the tasks are alike, label smoothing and the unit of a number apart.

K members, B rows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.base.errors import StackError
from goodfit.base.protocols import Task, Taught
from goodfit.tasks.binary import Binary
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.multilabel import Multilabel
from goodfit.tasks.regression import Regression

_SMOOTHED = (Binary, Multiclass, Multilabel)  # whose loss is linear in label_smoothing


class Losses:
    """Per-sample losses of the members. tasks: one for each member. Raises StackError for a task whose network reads its target."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            if isinstance(task, Taught):
                raise StackError(
                    f"the network of the task {type(task).__name__} reads the target while it is taught, which a stack has no form for"
                )
        self.tasks = list(tasks)
        self._sort()

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these members alone."""
        self.tasks = [self.tasks[index] for index in indices]
        self._sort()

    def _sort(self) -> None:
        kinds: dict[object, list[int]] = {}
        for index, task in enumerate(self.tasks):
            kinds.setdefault(_kind(task), []).append(index)
        self._kinds = list(kinds.values())

    def of(self, output: Tensor, target: Tensor, indices: Sequence[int]) -> Tensor:
        """output [K', B, ...], target [K', B, ...] of the members at `indices` -> losses [K', B]."""
        if len(self._kinds) == 1:
            return self._alike(output, target, indices)
        place = {index: at for at, index in enumerate(indices)}
        parts, order = [], []
        for kind in self._kinds:
            if here := [index for index in kind if index in place]:
                at = [place[index] for index in here]
                parts.append(self._alike(output[at], target[at], here))
                order += at
        return torch.cat(parts)[torch.tensor(order).argsort().to(output.device)]

    def _alike(self, output: Tensor, target: Tensor, indices: Sequence[int]) -> Tensor:
        K, B = output.shape[:2]
        task = self.tasks[indices[0]]
        rows, wanted = output.flatten(0, 1), target.flatten(0, 1)
        smoothing = [float(getattr(self.tasks[index], "label_smoothing", 0.0)) for index in indices]
        if len(set(smoothing)) == 1:
            return task.loss(rows, wanted).view(K, B)
        least, most = copy.copy(task), copy.copy(task)
        least.label_smoothing, most.label_smoothing = 0.0, 1.0  # type: ignore[attr-defined]
        share = torch.tensor(smoothing, dtype=output.dtype, device=output.device).unsqueeze(1)
        return torch.lerp(least.loss(rows, wanted).view(K, B), most.loss(rows, wanted).view(K, B), share)


def _kind(task: Task) -> object:
    """Equal for tasks whose losses are the same function, label smoothing apart where it enters linearly."""
    free = {"score", "maximise"}
    free |= {"label_smoothing"} if type(task) in _SMOOTHED else {"mean", "std"} if type(task) is Regression else set()
    try:
        settings = tuple(sorted((name, value) for name, value in vars(task).items() if name not in free))
        hash(settings)
    except TypeError:  # settings that cannot be compared: each task by itself
        return id(task)
    return type(task), settings
