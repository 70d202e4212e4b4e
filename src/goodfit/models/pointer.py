"""A pointer network: its answers are positions of its own input (Vinyals et al. 2015).

B rows, N points, D features, W width, T answers. Position N, behind all points, is the start when read and the end when said.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.nn.additive import AdditiveAttention
from goodfit.nn.block import State
from goodfit.nn.dropout import Dropout
from goodfit.nn.pointing import VISITS, allowed, named, visited
from goodfit.nn.recurrent import Recurrent
from goodfit.nn.shapes import expect, required


class PointerNetwork(nn.Module):
    """points [B, N, D], lengths [B] or None where all are N, target [B, T] -> logits of positions [B, T, N + 1].

    The logits at t are of the position behind target[:, t], so target begins with N, the start; any value outside 0..N-1 is read as it.
    What may not be said has a logit of -10,000. Padding is not read; it may be NaN.
    For search: `encode(points, lengths)` gives a state whose tensors have the rows first, `advance(state, tokens)` one step, with
    start = end = N (`goodfit.tasks.search`).

    An LSTM in both directions reads the points, an LSTM walks over those chosen, looks at all points once (the glimpse of Bello et al. 2017)
    and points with what it saw. No weight knows N, so it answers for more points than it was trained with.

    width: 128 units of the walk, half of them in each direction of the reading. visits: "free"; "once": no point twice, as on a hull; "all":
    no point twice and no end before the last, as in sorting or on a tour. dropout: 0, since examples can be drawn without end.

    Raises SettingError for an unknown `visits` or an odd width.
    """

    def __init__(self, features: int, *, width: int = 128, visits: str = "free", glimpse: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        if visits not in VISITS:
            raise SettingError(
                f"visits must be one of {', '.join(VISITS)}; {visits!r} was given{did_you_mean(visits, VISITS)}", value=visits
            )
        if width % 2:
            raise SettingError(f"the width is shared by two directions and must be even; {width} was given", value=width)
        self.features, self.width, self.visits = features, width, visits
        self.enter = nn.Linear(features, width)
        self.start = nn.Parameter(torch.empty(width).normal_(0, width**-0.5))
        self.end = nn.Parameter(torch.empty(width).normal_(0, width**-0.5))
        self.reading = Recurrent(width, width // 2, cell="lstm", bidirectional=True)
        self.walk = Recurrent(width, width, cell="lstm")
        self.look = AdditiveAttention(width, width, width) if glimpse else None
        self.point = AdditiveAttention(width, width, width)
        self.dropout = Dropout(dropout)

    def forward(self, *, points: Tensor | None = None, lengths: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        target = required("target", target)
        expect("pointer network's target", target, "B", "T")
        return self._say(self.encode(required("points", points), lengths), target)[0]

    def encode(self, points: Tensor, lengths: Tensor | None = None) -> State:
        """The state before the first position is said."""
        expect("pointer network", points, "B", "N", self.features)
        mask = torch.ones_like(points[:, :, 0], dtype=torch.bool)
        if lengths is not None:
            expect("pointer network's lengths", lengths, "B")
            mask = torch.arange(points.shape[1], device=points.device) < lengths.unsqueeze(1)
        x = self.dropout(self.enter(points.masked_fill(~mask.unsqueeze(2), 0.0)))  # B N D -> B N W
        values, ends = self.reading.run(x, mask)
        hidden, memory = (part.flatten(1).unsqueeze(1) for part in ends)  # B 2 W/2 -> B 1 W
        values = torch.cat([values, self.end.to(values.dtype).expand_as(hidden)], 1)  # B N+1 W
        state = {
            "inputs": torch.cat([x, self.start.to(x.dtype).expand_as(hidden)], 1),
            "values": values,
            "keys": self.point.project(values),
            "real": F.pad(mask, (0, 1), value=True),
            "visited": torch.zeros_like(F.pad(mask, (0, 1))),
            "hidden": hidden,
            "memory": memory,
        }
        return state if self.look is None else state | {"looks": self.look.project(values)}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """The last position of each row [B], at first N -> logits of the next [B, N + 1], and the state behind it."""
        expect("pointer network's tokens", tokens, "B")
        logits, state = self._say(state, tokens.unsqueeze(1))
        return logits.squeeze(1), state

    def _say(self, state: State, target: Tensor) -> tuple[Tensor, State]:
        """Positions [B, T] one after the other -> logits [B, T, N + 1], and the state behind the last."""
        places = named(target, state["real"].shape[1] - 1)
        x = state["inputs"].gather(1, places.unsqueeze(2).expand(-1, -1, self.width))  # B T W
        query, (hidden, memory) = self.walk.run(x, state=(state["hidden"], state["memory"]))
        been = visited(places, state["visited"])  # B T N+1
        may = allowed(state["real"], been, self.visits)
        if self.look is not None:
            seen = self.look(query, state["looks"], may).softmax(2)
            query = query + seen @ state["values"]  # B T N+1, B N+1 W -> B T W
        logits = self.point(self.dropout(query), state["keys"], may)
        after = been[:, -1] if target.shape[1] else state["visited"]
        return logits, state | {"hidden": hidden, "memory": memory, "visited": after}
