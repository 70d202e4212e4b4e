"""Captions: convolutions see the picture, a transformer decoder that looks at its places writes (Vinyals et al. 2015; Cornia et al. 2020).

B images, C channels, H and W pixels, S places of a picture, T words, V words of the vocabulary, L blocks, A heads, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.models.picture_grid import PictureGrid
from goodfit.nn.block import State, TransformerBlock, advance, begin, sequence_norm
from goodfit.nn.dropout import Dropout
from goodfit.nn.positions import positions as positions_by_name
from goodfit.nn.shapes import expect, required


class Captioner(nn.Module):
    """Images [B, C, H, W] and words [B, T] -> scores [B, T, V] of the word that follows each. 0 is padding; the words begin with a start token.

    `encode` and `advance` give the same scores one word at a time, for a search.

    width, depth, heads: 128, 2 and 4. dropout: 0.3, of words, branches and places, since captioned pictures are few.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        vocabulary: int,
        *,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.width, self.vocabulary = width, vocabulary
        self.grid = PictureGrid(image, width, dropout=dropout)
        self.words = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.words.weight, 0, width**-0.5)
        self.positions = positions_by_name("sine", width, 512)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            [
                TransformerBlock(width, heads, hidden=2 * width, cross=True, dropout=dropout, qk_norm=True, zero_output=True)
                for _ in range(depth)
            ]
        )
        self.norm = sequence_norm("rms", width)
        self.head = nn.Linear(width, vocabulary)
        nn.init.zeros_(self.head.weight)  # so that all words start equally likely
        nn.init.zeros_(self.head.bias)

    def forward(self, *, image: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        """Teacher forcing: every word is given, begins with the start token, and asks for the one after it."""
        memory = self.grid(required("image", image))
        x = self._embedded(required("target", target))
        for block in self.blocks:
            x = block(x, causal=True, context=memory)
        return self.head(self.norm(x))

    def with_weights(self, *, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and how much each word looks at each place in each block and head: [B, L, A, T, S]."""
        memory, x, looks = self.grid(image), self._embedded(target), []
        for block in self.blocks:
            assert isinstance(block, TransformerBlock)
            x, weights = block.with_weights(x, causal=True, context=memory, context_mask=None)
            looks.append(weights)
        return self.head(self.norm(x)), torch.stack(looks, 1)

    def encode(self, image: Tensor) -> State:
        """Images -> the state before the first word; see models.seq2seq_transformer."""
        memory = self.grid(image)
        position = torch.zeros(memory.shape[0], dtype=torch.int64, device=memory.device)
        return begin(self.blocks, memory, memory) | {"position": position}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more word [B], at first the start token -> the scores [B, V] of the next, and the state with it."""
        expect("the caption's next words", tokens, "B")
        position = state["position"]
        x, state = advance(self.blocks, self._embedded(tokens.unsqueeze(1), position), state, position)
        return self.head(self.norm(x)).squeeze(1), state | {"position": position + 1}

    def _embedded(self, target: Tensor, start: Tensor | None = None) -> Tensor:
        expect("the caption", target, "B", "T")
        x = self.words(target) * self.width**0.5
        return self.dropout(x if self.positions is None else self.positions(x, start))
