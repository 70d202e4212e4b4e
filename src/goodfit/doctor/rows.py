"""The rows that a program's tapes were fed with: which data go by rows, each row once, and which rows were trained on.

A batch's data lie along one dimension of each tensor (a "slot"); they are cut into rows, so that batches can be made anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.doctor.program import Part, Tape, Value, tensors_of


@dataclass(frozen=True, slots=True)
class Slot:
    """How data number `number` of a tape goes by rows: along `dim`, `chunk` entries for each row (T for answers laid out flat, [B T])."""

    number: int
    dim: int
    chunk: int

    def cut(self, tensor: Tensor, rows: int) -> Tensor:
        """[..., rows chunk, ...] -> [rows, chunk, ...]"""
        moved = tensor.movedim(self.dim, 0)
        return moved.reshape(rows, self.chunk, *moved.shape[1:])

    def joined(self, pieces: Tensor) -> Tensor:
        """[rows, chunk, ...] -> [..., rows chunk, ...]"""
        return pieces.reshape(pieces.shape[0] * self.chunk, *pieces.shape[2:]).movedim(0, self.dim)


def signature(tape: Tape) -> tuple[object, ...]:
    """Equal for tapes that make the same calls on tensors in the same places, whatever the data and the numbers given with them."""
    return tuple(
        (node.call if isinstance(node.call, Part) else node.name, tuple(tensors_of((node.args, dict(node.kwargs))))) for node in tape.nodes
    )


def input_numbers(tape: Tape) -> list[int]:
    """The numbers of the data that go into networks, in their order."""
    found: dict[int, None] = {}
    for node in tape.nodes:
        if isinstance(node.call, Part):
            for leaf in tensors_of((node.args, dict(node.kwargs))):
                if not isinstance(leaf, Value) and hasattr(leaf, "number"):
                    found[leaf.number] = None
    return list(found)


def find_slots(tapes: Sequence[Tape], target: int | None) -> tuple[dict[int, Slot], list[int]] | None:
    """The slots of tapes of one signature, and the rows of each tape. None where nothing goes by rows: rows then cannot be told apart.

    The number of rows is the first size of an input that the target shares (or divides: answers laid out flat). Data that are the same tensor
    in every step while the inputs change, such as weights of classes, are no rows; a square matrix over the rows ties them together.
    """
    inputs = input_numbers(tapes[0])
    if not inputs:
        return None
    same = {number for number in range(len(tapes[0].data)) if len(tapes) > 1 and _all_equal([tape.data[number] for tape in tapes])}
    whole = all(number in same for number in inputs) or len(tapes) == 1  # all rows at once, in every step
    lead = [number for number in inputs if (whole or number not in same) and tapes[0].data[number].dim()]
    if not lead:
        return None
    for dim in range(tapes[0].data[lead[0]].dim()):
        if any(tape.data[lead[0]].dim() <= dim for tape in tapes):
            return None
        rows = [tape.data[lead[0]].shape[dim] for tape in tapes]
        if min(rows) < 1 or (target is not None and target not in lead and not _along(tapes, target, rows)):
            continue
        slots: dict[int, Slot] = {}
        for number in range(len(tapes[0].data)):
            if number in same and not whole:
                continue
            slot = Slot(number, dim, 1) if number == lead[0] else _along(tapes, number, rows)
            if slot is None:
                if number in inputs and number not in same:
                    break
                continue
            if number != lead[0] and sum(size == rows[0] for size in tapes[0].data[number].shape) > 1 and rows[0] > 4:
                return None
            slots[number] = slot
        else:
            return slots, rows
    return None


def _along(tapes: Sequence[Tape], number: int, rows: Sequence[int]) -> Slot | None:
    """The first dimension of this data whose size is the number of rows in every tape, or for dimension 0 a multiple of it, always the same."""
    tensors = [tape.data[number] for tape in tapes]
    if len({tensor.dim() for tensor in tensors}) > 1 or not tensors[0].dim():
        return None
    for dim in range(tensors[0].dim()):
        if all(tensor.shape[dim] == count for tensor, count in zip(tensors, rows, strict=True)):
            return Slot(number, dim, 1)
    chunks = {tensor.shape[0] / count for tensor, count in zip(tensors, rows, strict=True)}
    if len(chunks) == 1 and (chunk := chunks.pop()) == int(chunk) and chunk > 1:
        return Slot(number, 0, int(chunk))
    return None


def _all_equal(tensors: Sequence[Tensor]) -> bool:
    first = tensors[0]
    return all(other is first or (other.shape == first.shape and torch.equal(other, first)) for other in tensors[1:])


class Pool:
    """Rows of several slots, each row once. `add` gives the numbers of the rows of one tape's data."""

    def __init__(self, slots: dict[int, Slot]) -> None:
        self.slots = slots
        self._pieces: dict[int, list[Tensor]] = {number: [] for number in slots}
        self._numbers: dict[bytes, int] = {}
        self._joined: dict[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, data: dict[int, Tensor], rows: int) -> Tensor:
        """data: for each slot's number its tensor, of `rows` rows. Returns [rows] int64. Raises ValueError where rows differ in shape from those before."""
        cut = {number: slot.cut(data[number], rows) for number, slot in self.slots.items()}
        for number, pieces in cut.items():
            if self._pieces[number] and self._pieces[number][0].shape[1:] != pieces.shape[1:]:
                raise ValueError("rows of different shapes")
        flat = [_bytes(pieces) for pieces in cut.values()]
        numbers: list[int] = []
        fresh: list[int] = []
        for row in range(rows):
            key = hashlib.blake2b(b"".join(part[row].tobytes() for part in flat), digest_size=16).digest()
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers)
                fresh.append(row)
            numbers.append(self._numbers[key])
        if fresh:
            index = torch.tensor(fresh)
            for number, pieces in cut.items():
                self._pieces[number].append(pieces[index.to(pieces.device)])
            self._joined = None
        return torch.tensor(numbers, dtype=torch.int64)

    def whole(self, number: int) -> Tensor:
        """[N, chunk, ...] of one slot."""
        if self._joined is None:
            self._joined = {}
        if number not in self._joined:
            self._joined[number] = torch.cat(self._pieces[number])
            self._pieces[number] = [self._joined[number]]
        return self._joined[number]

    def replaced(self, number: int, whole: Tensor) -> Pool:
        """The same rows with other entries in one slot, [N, chunk, ...]: targets put in another order, say."""
        other = Pool(self.slots)
        other._numbers = self._numbers
        other._joined = {one: self.whole(one) for one in self.slots} | {number: whole}
        other._pieces = {one: [joined] for one, joined in other._joined.items()}
        return other

    def data(self, rows: Tensor, template: Sequence[Tensor]) -> list[Tensor]:
        """The data of a tape with these rows; what goes by no rows as in the template."""
        given = list(template)
        for number, slot in self.slots.items():
            whole = self.whole(number)
            given[number] = slot.joined(whole[rows.to(whole.device)])
        return given


def _bytes(pieces: Tensor) -> list[memoryview]:
    flat = pieces.detach().cpu().contiguous()
    if flat.dtype == torch.bfloat16:
        flat = flat.view(torch.int16)
    array = flat.reshape(flat.shape[0], -1).numpy()
    return [memoryview(row.copy()) for row in array]
