"""Where a network that points may point next. B rows, N points, T answers; place N, behind all points, is the start when read and the end when said."""

from __future__ import annotations

import torch
from torch import Tensor

VISITS = ("free", "once", "all")


def named(target: Tensor, end: int) -> Tensor:
    """Positions [B, T] of any type -> int64; what is no position of a point, 0 to end - 1, is the start."""
    places = target.long()
    return torch.where((places < 0) | (places > end), end, places)


def visited(places: Tensor, before: Tensor) -> Tensor:
    """The points that were named up to each step: places [B, T], before bool [B, N + 1] -> bool [B, T, N + 1]; the start is none."""
    end = before.shape[1] - 1
    positions = torch.arange(end + 1, device=places.device)
    marks = ((places.unsqueeze(2) == positions) & (positions != end)).int()
    return before.unsqueeze(1) | (marks.cumsum(1) > 0)


def allowed(real: Tensor, visited: Tensor, visits: str) -> Tensor:
    """Where each step may point: real bool [B, N + 1], visited bool [B, T, N + 1] -> bool [B, T, N + 1].

    visits: "free"; "once": to no point twice; "all": to no point twice, and to the end behind the last point alone.
    """
    real = real.unsqueeze(1)
    if visits == "free":
        return real.expand_as(visited)
    open_ = real & ~visited
    if visits == "once":
        return open_
    finished = ~open_[:, :, :-1].any(2, keepdim=True)
    return torch.cat([open_[:, :, :-1], finished], 2)
