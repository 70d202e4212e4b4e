"""Ways in which inputs may have been laid out otherwise: pictures mirrored, turned, inverted, their channels in another order, columns of a table in another order.

N rows, F columns, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from goodfit.doctor.case import Case
from goodfit.doctor.rows import Slot

Prepare = Callable[[list[Tensor]], list[Tensor]]

MOST_COLUMNS = 64  # of a table, for which an order is looked for
CLOSER = 0.5  # of the distance between the columns' distributions that another order must leave at most


def layouts(case: Case, judged: Tensor) -> Iterator[tuple[str, Prepare]]:
    """words, and a change of a tape's data, for the one input of float numbers; `judged` are the rows that may be laid out otherwise."""
    view = case.view
    inputs = view.inputs()
    if view.pool is None or len(inputs) != 1 or (view.meeting is not None and inputs[0] == view.meeting.target):
        return
    number = inputs[0]
    slot, whole = view.pool.slots[number], view.pool.whole(number)
    if not whole.is_floating_point():
        return
    taught = whole[view.trained.to(whole.device)]
    low, high = float(taught.min()), float(taught.max())
    yield "light and dark exchanged", _on_rows(number, slot, lambda x: low + high - x)
    shape = whole.shape[2:]  # of a row [chunk, ...]
    if len(shape) == 0:
        return
    if len(shape) >= 2:
        yield "left and right exchanged", _on_rows(number, slot, lambda x: x.flip(-1))
        yield "top and bottom exchanged", _on_rows(number, slot, lambda x: x.flip(-2))
        yield "half a turn", _on_rows(number, slot, lambda x: x.flip(-1, -2))
        if shape[-1] == shape[-2]:
            yield "rows and columns of the pixels exchanged", _on_rows(number, slot, lambda x: x.transpose(-1, -2))
            yield "a quarter of a turn", _on_rows(number, slot, lambda x: x.transpose(-1, -2).flip(-1))
            yield "a quarter of a turn back", _on_rows(number, slot, lambda x: x.transpose(-1, -2).flip(-2))
    if len(shape) == 3 and shape[0] == 3:
        yield "the channels in the reverse order", _on_rows(number, slot, lambda x: x.flip(-3))
    if len(shape) == 1:
        side = round(shape[0] ** 0.5)
        if shape[0] > 16 and side * side == shape[0]:  # a square picture laid flat
            yield (
                "rows and columns of the pixels exchanged",
                _on_rows(number, slot, lambda x: x.unflatten(-1, (side, side)).transpose(-1, -2).flatten(-2)),
            )
        order = other_order(taught.flatten(1), whole[judged.to(whole.device)].flatten(1))
        if order is not None:
            yield "the columns in another order", _on_rows(number, slot, lambda x: x[..., order])


def other_order(taught: Tensor, judged: Tensor) -> Tensor | None:
    """[F] int64: the order of the judged columns [n, F] in which their distributions are those of the taught ones; None where they are best as they are."""
    from scipy.optimize import linear_sum_assignment

    if not 2 <= taught.shape[1] <= MOST_COLUMNS:
        return None
    shares = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    a, b = (side[:2000].detach().cpu().double().quantile(shares, dim=0).T for side in (taught, judged))  # [F, 19]
    spread = a.std(1, unbiased=False).clamp_min(1e-12)
    cost = (a.unsqueeze(1) - b.unsqueeze(0)).abs().mean(-1) / spread.unsqueeze(1)  # [F taught, F judged]
    order = torch.as_tensor(linear_sum_assignment(cost.numpy())[1])
    here = torch.arange(len(order))
    return order if float(cost[here, order].sum()) <= CLOSER * float(cost[here, here].sum()) else None


def _on_rows(number: int, slot: Slot, change: Callable[[Tensor], Tensor]) -> Prepare:
    def prepare(data: list[Tensor]) -> list[Tensor]:
        given = list(data)
        tensor = given[number]
        given[number] = slot.joined(change(slot.cut(tensor, tensor.shape[slot.dim] // slot.chunk)))
        return given

    return prepare
