"""A pointer network of transformer blocks: its answers are positions of its own input.

The pointing is that of Vinyals et al. 2015 (see `models.pointer`); the blocks that read and walk are those of Kool, van Hoof and Welling,
"Attention, Learn to Solve Routing Problems!", 2019, pre-norm. B rows, N points, D features, W width, T answers. Position N, behind all points,
is the start when read and the end when said.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.nn.additive import UNSEEN
from goodfit.nn.block import State, TransformerBlock, advance, begin, sequence_norm
from goodfit.nn.dropout import Dropout
from goodfit.nn.pointing import VISITS, allowed, named, visited
from goodfit.nn.shapes import expect, required


class PointerTransformer(nn.Module):
    """points [B, N, D], lengths [B] or None where all are N, target [B, T] -> logits of positions [B, T, N + 1].

    As `models.pointer.PointerNetwork`, with which it shares inputs, outputs, `visits` and the search. The points see each other in `depth` blocks;
    beside its features each has its place in the list, from -1 to 1, since an answer may hang on the order. What was named so far is read by
    `walk_depth` causal blocks, which look at the points; the answer is the point whose key is nearest to what they end with. No weight knows N.

    width, depth, heads: 96, 3 and 8. walk_depth: 1; what is to be known of the points is found before the walk, at once. dropout: 0, since examples can be drawn without end.
    Raises SettingError for an unknown `visits`.
    """

    def __init__(
        self,
        features: int,
        *,
        width: int = 96,
        depth: int = 3,
        walk_depth: int = 1,
        heads: int = 8,
        visits: str = "free",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if visits not in VISITS:
            raise SettingError(
                f"visits must be one of {', '.join(VISITS)}; {visits!r} was given{did_you_mean(visits, VISITS)}", value=visits
            )
        self.features, self.width, self.visits = features, width, visits
        self.enter = nn.Linear(features + 1, width)
        self.start = nn.Parameter(torch.empty(width).normal_(0, width**-0.5))
        self.end = nn.Parameter(torch.empty(width).normal_(0, width**-0.5))
        settings = {"dropout": dropout, "qk_norm": True, "zero_output": True}
        self.reading = nn.ModuleList([TransformerBlock(width, heads, **settings) for _ in range(depth)])  # type: ignore[arg-type]
        # Of what was named the order tells, so that positions turn queries and keys; to the points they do not.
        self.walk = nn.ModuleList([TransformerBlock(width, heads, cross=True, rotary=True, **settings) for _ in range(walk_depth)])  # type: ignore[arg-type]
        self.values_norm, self.walk_norm = sequence_norm("rms", width), sequence_norm("rms", width)
        self.key, self.query = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, *, points: Tensor | None = None, lengths: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        target = required("target", target)
        expect("pointer transformer's target", target, "B", "T")
        inputs, values, real = self._read(required("points", points), lengths)
        places = named(target, real.shape[1] - 1)
        x = self._named(inputs, places)
        for block in self.walk:
            x = block(x, causal=True, context=values, context_mask=real)
        return self._point(x, self.key(values), allowed(real, visited(places, torch.zeros_like(real)), self.visits))

    def encode(self, points: Tensor, lengths: Tensor | None = None) -> State:
        """The state before the first position is named."""
        inputs, values, real = self._read(points, lengths)
        return begin(self.walk, values, values) | {
            "inputs": inputs,
            "keys": self.key(values),
            "real": real,
            "visited": torch.zeros_like(real),
            "position": torch.zeros(points.shape[0], dtype=torch.int64, device=points.device),
        }

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """The last position of each row [B], at first N -> logits of the next [B, N + 1], and the state behind it."""
        expect("pointer transformer's tokens", tokens, "B")
        places = named(tokens.unsqueeze(1), state["real"].shape[1] - 1)
        x, state = advance(self.walk, self._named(state["inputs"], places), state, state["position"], state["real"])
        been = visited(places, state["visited"])
        logits = self._point(x, state["keys"], allowed(state["real"], been, self.visits))
        return logits.squeeze(1), state | {"visited": been[:, 0], "position": state["position"] + 1}

    def _read(self, points: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of the points and the start [B, N + 1, W], those that have seen each other and the end's, and which are real [B, N + 1]."""
        expect("pointer transformer", points, "B", "N", self.features)
        place = torch.arange(points.shape[1], device=points.device)
        if lengths is None:
            lengths = torch.full_like(points[:, :1, 0].sum(1), points.shape[1]).long()  # B
        expect("pointer transformer's lengths", lengths, "B")
        mask = place < lengths.unsqueeze(1)  # B N
        share = 2 * place / (lengths.unsqueeze(1) - 1).clamp_min(1) - 1  # -1 at the first, 1 at the last
        features = torch.cat([points, share.to(points.dtype).unsqueeze(2)], 2).masked_fill(~mask.unsqueeze(2), 0.0)
        x = self.dropout(self.enter(features))  # B N D+1 -> B N W
        real = F.pad(mask, (0, 1), value=True)
        # The end stands among the points from the beginning, so that no row is without one.
        seen = torch.cat([x, self.end.to(x.dtype).expand(x.shape[0], 1, -1)], 1)
        for block in self.reading:
            seen = block(seen, real)
        inputs = torch.cat([x, self.start.to(x.dtype).expand(x.shape[0], 1, -1)], 1)
        return inputs, self.values_norm(seen), real

    def _named(self, inputs: Tensor, places: Tensor) -> Tensor:
        """The vectors of the points that were named: [B, N + 1, W], [B, T] -> [B, T, W]."""
        return inputs.gather(1, places.unsqueeze(2).expand(-1, -1, self.width))

    def _point(self, x: Tensor, keys: Tensor, may: Tensor) -> Tensor:
        """x [B, T, W], keys [B, N + 1, W] -> logits [B, T, N + 1], products over the root of W; -10,000 where nothing may be said."""
        query = self.query(self.dropout(self.walk_norm(x)))
        return ((query @ keys.transpose(1, 2)) * self.width**-0.5).masked_fill(~may, UNSEEN)
