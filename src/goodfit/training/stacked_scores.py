"""The scores of K members on rows to validate on: one forward pass for all of them where they share the rows.

K members, B rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from goodfit.base.protocols import Batches, Task
from goodfit.base.records import Batch
from goodfit.data.member_batches import MemberBatches
from goodfit.training.stack import Stack


def scoring(tasks: Sequence[Task], rows: Sequence[Batches]) -> Callable[[Stack, Sequence[int]], list[dict[str, float]]]:
    """What `fit_stacked` evaluates with: stack and numbers of its members -> each one's metrics.

    tasks, rows: of all members by their numbers; batches in a fixed order. Members whose rows are the same object share a pass over them.
    """

    def evaluate(stack: Stack, members: Sequence[int]) -> list[dict[str, float]]:
        found = predicted(stack, [rows[number] for number in members])
        return [
            tasks[number].metrics(_decoded(tasks[number], output), target.cpu().numpy(), weight)
            for number, (output, target, weight) in zip(members, found, strict=True)
        ]

    return evaluate


@torch.no_grad()
def predicted(stack: Stack, rows: Sequence[Batches]) -> list[tuple[Tensor, Tensor, np.ndarray | None]]:
    """Output, target and weights of each member's rows, in the order of its batches."""
    parts: list[list[tuple[Tensor, Batch]]] = [[] for _ in rows]
    if all(own is rows[0] for own in rows):
        for position in range(len(rows[0])):
            batch = rows[0].batch(0, position)
            for index, output in enumerate(stack(batch.inputs, shared=True)):
                parts[index].append((output, batch))
    else:
        lengths = [len(own) for own in rows]
        for position in range(max(lengths)):
            here = [index for index, length in enumerate(lengths) if position < length]
            for group in MemberBatches([rows[index] for index in here]).groups([0] * len(here), [position] * len(here)):
                places = [here[index] for index in group.indices]
                with stack.only(places):
                    outputs = stack(group.batch.inputs)
                for at, (place, output) in enumerate(zip(places, outputs, strict=True)):
                    parts[place].append((output, _row(group.batch, at)))
    return [_joined(own) for own in parts]


def _row(batch: Batch, at: int) -> Batch:
    return Batch({}, batch.target[at], None if batch.weight is None else batch.weight[at], batch.rows[at])


def _joined(parts: list[tuple[Tensor, Batch]]) -> tuple[Tensor, Tensor, np.ndarray | None]:
    weights = [batch.weight for _, batch in parts if batch.weight is not None]
    return (
        torch.cat([output for output, _ in parts]),
        torch.cat([batch.target for _, batch in parts]),
        torch.cat(weights).cpu().numpy() if weights else None,
    )


def _decoded(task: Task, output: Tensor) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in task.decode(output).items()}
