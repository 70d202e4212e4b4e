"""DETR whose queries stand in the picture: it learns from thousands of small pictures in minutes, where the original takes hundreds of passes.

As `models.detr`, with three changes that others found: a query is a point of a grid over the picture (Wang et al., Anchor DETR, AAAI 2022), from which
its box is measured (Meng et al., Conditional DETR, ICCV 2021; Liu et al., DAB-DETR, ICLR 2022); it begins with what the encoder found at its point, and answers
once before the decoder too (Zhu et al., Deformable DETR, ICLR 2021, its two stages in a plainer form). B images, C channels, H and W pixels, h and w places
of the feature map, D width, Q queries, L answers of each query, K classes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.detr import Backbone, DecoderLayer, EncoderLayer
from goodfit.nn.pixel_positions import pixel_positions, point_positions
from goodfit.nn.shapes import expect, required

TURNS = (
    4.0  # of the fastest sine over the picture: DETR's single one hardly tells a place from its neighbour, which it learns to in 500 epochs
)
SMALL = -1.5  # where sizes of boxes start, before a sigmoid: a fifth of the side


class AnchorDETR(nn.Module):
    """Images [B, C, H, W] -> [B, L, Q, K + 1 + 4]: of each query the logits of K classes and of "no object", and a box (x, y, width, height)
    around its centre in shares of the image's sides; once before the decoder and once behind each of its layers. The last is the answer.

    queries: Q, 64, on a grid of 8 x 8: a square number. width: D, 96; heads: 4; encoder_depth: 1; decoder_depth: 2; hidden: 4 D of the MLPs. dropout: 0, since
    small networks from scratch do not learn by heart soon. stride: 8 pixels to a place, small pictures having small objects. backbone_width: channels of the first block, D / 4.
    Raises InputError for a width that is no multiple of heads and of 4, or queries that make no grid.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        queries: int = 64,
        width: int = 96,
        heads: int = 4,
        encoder_depth: int = 1,
        decoder_depth: int = 2,
        hidden: int | None = None,
        dropout: float = 0.0,
        stride: int = 8,
        backbone_width: int | None = None,
    ) -> None:
        super().__init__()
        if width % heads or width % 4:
            raise InputError(f"the width of anchor_detr must be a multiple of heads and of 4; got width={width} and heads={heads}")
        side = math.isqrt(queries)
        if side * side != queries or not side:
            raise InputError(f"the queries of anchor_detr stand on a grid, as 64 do on 8 x 8; {queries} was given", value=queries)
        hidden = 4 * width if hidden is None else hidden
        self.channels, self.classes, self.width = channels, classes, width
        self.backbone = Backbone(channels, width=width // 4 if backbone_width is None else backbone_width, stride=stride)
        self.project = nn.Conv2d(self.backbone.channels, width, 1)
        self.encoder = nn.ModuleList([EncoderLayer(width, heads, hidden, dropout) for _ in range(encoder_depth)])
        self.decoder = nn.ModuleList([DecoderLayer(width, heads, hidden, dropout) for _ in range(decoder_depth)])
        self.norm = nn.LayerNorm(width)
        middle = ((torch.arange(side) + 0.5) / side).logit()
        self.points = nn.Parameter(torch.cartesian_prod(middle, middle).flip(1).view(-1, 2))  # Q 2, x and y before a sigmoid
        self.kind = nn.Linear(width, classes + 1)
        self.box = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))
        for part in (self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)  # as DETR's
        last = self.box[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)  # so that boxes start at their points
            last.bias.copy_(torch.tensor([0.0, 0.0, SMALL, SMALL]))

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        image = required("image", image)
        expect("anchor_detr", image, "B", self.channels, "H", "W")
        x = self.project(self.backbone(image))  # B D h w
        wide = torch.promote_types(x.dtype, torch.float32)
        h, w = x.shape[2:]
        place = pixel_positions(torch.ones_like(x[:1, 0], dtype=torch.bool), self.width, base=100.0, turns=TURNS, dtype=wide).to(x.dtype)
        memory = x.flatten(2).transpose(1, 2)  # B D h w -> B S D
        for layer in self.encoder:
            memory = layer(memory, place, None)
        points = self.points.to(wide)
        query = point_positions(points.sigmoid(), (h, w), self.width, base=100.0, turns=TURNS).to(x.dtype)  # Q D
        grid = (2 * points.sigmoid() - 1).to(memory.dtype).expand(x.shape[0], 1, -1, -1)  # B 1 Q 2
        there = F.grid_sample(memory.transpose(1, 2).unflatten(2, (h, w)), grid, padding_mode="border", align_corners=False)
        asked = there.squeeze(2).transpose(1, 2)  # B D 1 Q -> B Q D
        said = [self.norm(asked)]
        for layer in self.decoder:
            asked = layer(asked, query, memory, place, None)
            said.append(self.norm(asked))
        out = torch.stack(said, 1)  # B L Q D
        moved = self.box(out).to(wide) + F.pad(points, (0, 2))  # from the point; sizes are of their own
        return torch.cat([self.kind(out).to(wide), moved.sigmoid()], 3)
