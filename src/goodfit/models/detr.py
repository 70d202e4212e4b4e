"""DETR: objects in an image as a set, found by a transformer (Carion et al., End-to-End Object Detection with Transformers, ECCV 2020).

B images, C channels, H and W pixels, h and w places of the feature map, S = h * w, D width, Q queries, L decoder layers, K classes.
A convolutional network gives a feature map, an encoder lets its places see each other, and a decoder lets Q learned queries ask it and each
other; each answers with a class, or "no object", and a box. The set is matched to the objects in `tasks.matching`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.attention import attend
from goodfit.nn.conv import ConvBlock, ResidualConv
from goodfit.nn.dropout import Dropout
from goodfit.nn.pixel_positions import pixel_positions
from goodfit.nn.shapes import expect, required


class Backbone(nn.Module):
    """Images [B, C, H, W] -> features [B, channels, H / stride, W / stride]: a small residual network, for training from scratch.

    Each block halves the sides and doubles the channels, up to 8 times `width`; all but the first have a residual pair (as ResNet-9).
    """

    def __init__(self, channels: int, *, width: int, stride: int) -> None:
        super().__init__()
        if stride < 2 or stride & (stride - 1):
            raise InputError(f"the stride of detr's backbone must be a power of 2, such as 16; {stride} was given", value=stride)
        self.channels = width
        blocks: list[nn.Module] = [ConvBlock(channels, width, pool=2)]
        for _ in range(stride.bit_length() - 2):
            wider = min(2 * self.channels, 8 * width)
            blocks += [ConvBlock(self.channels, wider, pool=2), ResidualConv(wider)]
            self.channels = wider
        self.layers = nn.Sequential(*blocks)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class PlacedAttention(nn.Module):
    """Multi-head attention of x [B, T, D] to `context` [B, S, D] -> [B, T, D]; where they stand is added for queries and keys, not for values."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, x_place: Tensor, context: Tensor, context_place: Tensor, mask: Tensor | None) -> Tensor:
        """mask: [B, S], True where there is something to see; None for everywhere."""
        q, k = self._heads(self.query(x + x_place)), self._heads(self.key(context + context_place))
        v = self._heads(self.value(context))
        mask = None if mask is None else mask[:, None, None]  # B S -> B 1 1 S
        out = attend(q, k, v, mask, p=self.dropout, training=self.training)
        return self.output(out.transpose(1, 2).flatten(2))  # B H T E -> B T D

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)  # B T D -> B H T E


class FeedForward(nn.Module):
    """Linear, ReLU, linear: [..., D] -> [..., D]."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.up, self.down, self.dropout = nn.Linear(width, hidden), nn.Linear(hidden, width), Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.dropout(F.relu(self.up(x))))


class EncoderLayer(nn.Module):
    """norm(x + attention(x)), then norm(x + mlp(x)): [B, S, D] -> [B, S, D]. Norms stand behind, as in the paper."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.mlp = PlacedAttention(width, heads, dropout), FeedForward(width, hidden, dropout)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, place: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, place, x, place, mask)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class DecoderLayer(nn.Module):
    """Queries see each other, then the image, then an MLP: x [B, Q, D], memory [B, S, D] -> [B, Q, D]."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.among, self.attention = PlacedAttention(width, heads, dropout), PlacedAttention(width, heads, dropout)
        self.mlp = FeedForward(width, hidden, dropout)
        self.among_norm, self.attention_norm, self.mlp_norm = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, query: Tensor, memory: Tensor, place: Tensor, mask: Tensor | None) -> Tensor:
        x = self.among_norm(x + self.dropout(self.among(x, query, x, query, None)))
        x = self.attention_norm(x + self.dropout(self.attention(x, query, memory, place, mask)))
        return self.mlp_norm(x + self.dropout(self.mlp(x)))


class DETR(nn.Module):
    """Images [B, C, H, W] -> [B, L, Q, K + 1 + 4]: of each decoder layer and query the logits of K classes and of "no object", and a box
    (x, y, width, height) around its centre in shares of the image's sides. The last layer's is the answer, the others are trained beside it.

    channels: C. queries: Q, 20, a few times the objects of a busy image; 100 in the paper, for COCO. width: D, 128, heads: 8, encoder_depth
    and decoder_depth: 3, hidden: 512 of the MLPs; half of the paper's sizes each, for training from scratch on thousands of images.
    dropout: 0.1, as in the paper. stride: 16 pixels to a place, the paper's 32 being made for sides of 800. backbone: another network from images
    to a feature map [B, backbone_channels, h, w], in place of a small residual one with backbone_width channels in its first block.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        queries: int = 20,
        width: int = 128,
        heads: int = 8,
        encoder_depth: int = 3,
        decoder_depth: int = 3,
        hidden: int = 512,
        dropout: float = 0.1,
        stride: int = 16,
        backbone_width: int = 32,
        backbone: nn.Module | None = None,
        backbone_channels: int = 0,
    ) -> None:
        super().__init__()
        if width % heads or width % 4:
            raise InputError(f"the width of detr must be a multiple of heads and of 4; got width={width} and heads={heads}")
        if (backbone is None) != (backbone_channels == 0):
            raise InputError("a backbone is given with the channels of its feature map: backbone=..., backbone_channels=...")
        self.channels, self.classes, self.width = channels, classes, width
        if backbone is None:
            own = Backbone(channels, width=backbone_width, stride=stride)
            backbone, backbone_channels = own, own.channels
        self.backbone = backbone
        self.project = nn.Conv2d(backbone_channels, width, 1)
        self.encoder = nn.ModuleList([EncoderLayer(width, heads, hidden, dropout) for _ in range(encoder_depth)])
        self.decoder = nn.ModuleList([DecoderLayer(width, heads, hidden, dropout) for _ in range(decoder_depth)])
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.kind = nn.Linear(width, classes + 1)
        self.box = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))
        for part in (self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)  # as the authors' code

    def forward(self, *, image: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """mask: bool [B, H, W], True at pixels of an image and False at the padding right and below of it; None without padding."""
        image = required("image", image)
        expect("detr", image, "B", self.channels, "H", "W")
        x = self.project(self.backbone(image))  # B D h w
        shown: Tensor | None = None
        if mask is None:
            place = pixel_positions(torch.ones_like(x[:1, 0], dtype=torch.bool), self.width, dtype=_wide(x))
        else:
            expect("detr's mask", mask, image.shape[0], image.shape[2], image.shape[3])
            real = F.interpolate(mask.unsqueeze(1).to(x.dtype), size=x.shape[2:]).squeeze(1) > 0  # B h w, of the nearest pixel
            place, shown = pixel_positions(real, self.width, dtype=_wide(x)), real.flatten(1)
        place = place.to(x.dtype)
        memory = x.flatten(2).transpose(1, 2)  # B D h w -> B S D
        for layer in self.encoder:
            memory = layer(memory, place, shown)
        query = self.queries.to(x.dtype)
        asked = torch.zeros_like(query).expand(image.shape[0], -1, -1)  # B Q D
        said = []
        for layer in self.decoder:
            asked = layer(asked, query, memory, place, shown)
            said.append(self.norm(asked))
        out = torch.stack(said, 1)  # B L Q D
        return torch.cat([self.kind(out), self.box(out).to(_wide(x)).sigmoid()], 3)  # three digits of bfloat16 are no place


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)
