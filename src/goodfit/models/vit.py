"""Vision transformer (Dosovitskiy et al., An Image is Worth 16x16 Words, 2021), with what makes it learn from few images beside the original.

B images, C channels, H and W pixels, P pixels of a square's side, T tokens, D width, E dimensions of a head, O outputs. Pre-norm blocks, layer
norm, an MLP 4 D wide. The original is stem="patch", pool="class", positions="learned". A stem of convolutions, and the mean over the tokens in
place of a class token, are those of Hassani et al. (CCT, 2021), who train from scratch on 50,000 images and fewer.
Where this departs from the papers: the output maps of each branch start at 0, so that every block starts as the identity (Zhang et al. 2019, Fixup).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError, did_you_mean
from goodfit.nn.attention import Attention
from goodfit.nn.dropout import Dropout
from goodfit.nn.patch import ConvPatches, Patches, RotaryGrid, SineGrid, grid
from goodfit.nn.positions import LearnedPositions
from goodfit.nn.shapes import expect, required

STEMS = ("convolution", "patch")
POOLS = ("mean", "class")
POSITIONS = ("learned", "sine", "rotary")
MOST_SQUARES = 8  # of a side: 64 tokens at most, since attention pays the square (ViT-B/32 has 7 x 7, CCT-7/3x2 on CIFAR 8 x 8)
EPS = 1e-6  # added to a layer norm's variance, as in the original


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): [B, T, D] -> [B, T, D]. rotary: turns queries and keys."""

    def __init__(self, width: int, heads: int, dropout: float, rotary: RotaryGrid | None) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width, eps=EPS), nn.LayerNorm(width, eps=EPS)
        self.attention = Attention(width, heads, bias=True, rotary=rotary is not None, zero_output=True)
        if rotary is not None:
            self.attention.set_submodule("rotary", rotary)  # by row and column, where a text's turns by the place alone
        self.up, self.activation, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.dropout = Dropout(dropout)
        for start in (self.attention.output.bias, self.down.weight, self.down.bias):
            nn.init.zeros_(start)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.down(self.activation(self.up(self.mlp_norm(x)))))


class ViT(nn.Module):
    """Images [B, C, H, W] -> [B, O].

    image: (C, H, W). width: D, a multiple of heads. depth: blocks. patch: P, pixels between tokens; a power of two with the stem of convolutions;
    the smallest that leaves at most 8 x 8 tokens where None. stem: convolution or patch (a linear map of each square). pool: mean over the tokens,
    or class, the final vector of a learned token before them. positions: learned, one vector each; sine, of row and column; rotary, by which
    queries and keys are turned. dropout: of the tokens and of both branches.
    Raises InputError where the width cannot be split, SettingError for an unknown name.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        width: int = 128,
        depth: int = 6,
        heads: int = 4,
        patch: int | None = None,
        stem: str = "convolution",
        pool: str = "mean",
        positions: str = "learned",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"vit splits its width among the heads: the width must be a multiple of heads={heads}; got width={width}")
        for what, given, known in (("stem", stem, STEMS), ("pool", pool, POOLS), ("positions", positions, POSITIONS)):
            if given not in known:
                raise SettingError(
                    f"vit's {what} must be {' or '.join(known)}; {given!r} was given{did_you_mean(given, known)}", value=given
                )
        self.image = image
        patch = patch_for(image) if patch is None else patch
        self.patches = ConvPatches(image, width, patch) if stem == "convolution" else Patches(image, width, patch)
        rows, columns = grid(image, patch)
        lead = 1 if pool == "class" else 0
        self.class_token = nn.Parameter(torch.empty(width).normal_(0, 0.02)) if lead else None  # as small as the positions
        self.positions: nn.Module = nn.Identity()
        if positions == "learned":
            self.positions = LearnedPositions(lead + rows * columns, width)
        elif positions == "sine":
            self.positions = SineGrid(rows, columns, width, lead=lead)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            rotary = RotaryGrid(rows, columns, width // heads, lead=lead) if positions == "rotary" else None
            self.blocks.append(Block(width, heads, dropout, rotary))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.head = nn.Linear(width, outputs)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        x = required("image", image)
        expect("vit", x, "B", *self.image)
        x = self.patches(x)  # B C H W -> B T D
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(x.shape[0], 1, -1), x], 1)  # B T D -> B 1+T D
        x = self.dropout(self.positions(x))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.class_token is None else x[:, 0])  # B T D -> B D -> B O


def patch_for(image: tuple[int, int, int]) -> int:
    """P for images of this size: the smallest power of two from 2 on that leaves at most 8 x 8 tokens.

    >>> patch_for((1, 28, 28)), patch_for((3, 224, 224))
    (4, 32)
    """
    patch = 2
    while max(grid(image, patch)) > MOST_SQUARES:
        patch *= 2
    return patch
