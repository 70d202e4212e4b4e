"""The batches of K members of a stack, each with its own order of its own rows, put together by a gather for all of them.

K members, B rows of a batch, n rows of a member's epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from goodfit.base import protocols
from goodfit.base.errors import StackError
from goodfit.base.records import Batch
from goodfit.data.batches import Batches


class Members(Protocol):
    """Batches of several members. `MemberBatches` makes one of any K batches."""

    def lengths(self) -> list[int]:
        """Batches in an epoch, of each member."""
        ...

    def groups(self, epochs: Sequence[int], positions: Sequence[int]) -> list[Group]: ...

    def keep(self, indices: Sequence[int]) -> None: ...


@dataclass(frozen=True)
class Group:
    """Members whose batches have equal shapes. indices: their places in the stack. batch: of [K', B, ...], rows [K', B]."""

    indices: list[int]
    batch: Batch


class MemberBatches:
    """The batches of K members. Where they are gathers from tables, the members are gathered together; otherwise each by itself.

    Members whose batches have other shapes (a short batch at the end of an epoch, another padding) come in groups of their own, so that each sees
    exactly what it sees alone.
    """

    def __init__(self, batches: Sequence[protocols.Batches]) -> None:
        if not batches:
            raise StackError("a stack needs the batches of at least one member; none were given")
        self._batches = list(batches)
        self._gather = _Gather.of(self._batches)

    def lengths(self) -> list[int]:
        """Batches in an epoch, of each member."""
        return [len(batches) for batches in self._batches]

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these members alone."""
        self._batches = [self._batches[index] for index in indices]
        if self._gather is not None:
            self._gather.keep(indices)

    def groups(self, epochs: Sequence[int], positions: Sequence[int]) -> list[Group]:
        """The batch of each member at its own position (from 0) of its own epoch, in groups of equal shapes."""
        if self._gather is not None:
            return self._gather.groups(epochs, positions)
        found = [batches.batch(*where) for batches, *where in zip(self._batches, epochs, positions, strict=True)]
        groups: dict[object, list[int]] = {}
        for index, batch in enumerate(found):
            groups.setdefault(_shape(batch), []).append(index)
        return [Group(indices, stacked([found[index] for index in indices])) for indices in groups.values()]


def stacked(batches: Sequence[Batch]) -> Batch:
    """Batches of equal shapes as one: [K, B, ...]."""
    first = batches[0]
    return Batch(
        {name: torch.stack([batch.inputs[name] for batch in batches]) for name in first.inputs},
        torch.stack([batch.target for batch in batches]),
        None if first.weight is None else torch.stack([batch.weight for batch in batches if batch.weight is not None]),
        torch.stack([batch.rows for batch in batches]),
    )


def _shape(batch: Batch) -> object:
    inputs = tuple((name, tuple(tensor.shape), tensor.dtype) for name, tensor in sorted(batch.inputs.items()))
    return inputs, tuple(batch.target.shape), batch.weight is None, len(batch)


class _Gather:
    """Members whose rows lie in tables: one gather for all of them.

    start: where each member's table begins in the tables put one above the other, 0 for all where they share one.
    """

    def __init__(self, batches: list[Batches], inputs: dict[str, Tensor], target: Tensor, weight: Tensor | None, start: list[int]) -> None:
        self._batches, self._inputs, self._target, self._weight, self._start = batches, inputs, target, weight, start
        K, longest = len(batches), max(own.rows.numel() for own in batches)
        self._orders = torch.zeros(K, longest, dtype=torch.int64, device=target.device)
        self._epochs = [-1] * K
        self._sizes = [own.rows.numel() for own in batches]

    @classmethod
    def of(cls, batches: Sequence[protocols.Batches]) -> _Gather | None:
        """None where the batches are made in another way than by gathers from tables of equal columns."""
        own = [b for b in batches if type(b) is Batches]
        tables = [b.plain for b in own]
        found = [table for table in tables if table is not None]
        if len(found) != len(batches):
            return None
        inputs, target, weight = found[0]
        shapes = [
            ({n: (t.shape[1:], t.dtype) for n, t in i.items()}, None if t is None else (t.shape[1:], t.dtype), w is None)
            for i, t, w in found
        ]
        if target is None or any(shape != shapes[0] for shape in shapes):
            return None
        if all(table[1] is target and all(table[0][name] is inputs[name] for name in inputs) and table[2] is weight for table in found):
            return cls(own, inputs, target, weight, [0] * len(own))
        rows = [0 if t is None else t.shape[0] for _, t, _ in found]
        start = [sum(rows[:index]) for index in range(len(rows))]
        above = {name: torch.cat([i[name] for i, _, _ in found]) for name in inputs}
        targets = torch.cat([t for _, t, _ in found if t is not None])
        return cls(own, above, targets, None if weight is None else torch.cat([w for _, _, w in found if w is not None]), start)

    def keep(self, indices: Sequence[int]) -> None:
        self._batches, self._start = [self._batches[i] for i in indices], [self._start[i] for i in indices]
        self._epochs, self._sizes = [self._epochs[i] for i in indices], [self._sizes[i] for i in indices]
        self._orders = self._orders[list(indices)]

    def groups(self, epochs: Sequence[int], positions: Sequence[int]) -> list[Group]:
        for index, epoch in enumerate(epochs):
            if self._epochs[index] != epoch:
                order = self._batches[index].order(epoch)
                self._orders[index, : order.numel()] = (order + self._start[index]).to(self._orders.device)
                self._epochs[index] = epoch
        sizes: dict[int, list[int]] = {}
        for index, (own, position) in enumerate(zip(self._batches, positions, strict=True)):
            size = min(own.batch_size, self._sizes[index] - position * own.batch_size)
            sizes.setdefault(size, []).append(index)
        return [Group(indices, self._batch(indices, size, positions)) for size, indices in sizes.items()]

    def _batch(self, indices: list[int], size: int, positions: Sequence[int]) -> Batch:
        begins = [positions[index] * self._batches[index].batch_size for index in indices]
        orders = self._orders if len(indices) == len(self._batches) else self._orders[indices]
        if len(set(begins)) == 1:
            places = orders[:, begins[0] : begins[0] + size]  # K B
        else:
            where = torch.tensor(begins, device=orders.device).unsqueeze(1) + torch.arange(size, device=orders.device)
            places = orders.gather(1, where)
        flat, shape = places.reshape(-1), (len(indices), size)
        rows = (
            places if not any(self._start) else places - torch.tensor([self._start[i] for i in indices], device=places.device).unsqueeze(1)
        )
        return Batch(
            {name: tensor.index_select(0, flat).view(*shape, *tensor.shape[1:]) for name, tensor in self._inputs.items()},
            self._target.index_select(0, flat).view(*shape, *self._target.shape[1:]),
            None if self._weight is None else self._weight.index_select(0, flat).view(shape),
            rows,
        )
