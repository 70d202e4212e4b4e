"""Captions with a recurrent network that looks at the picture for each word (Xu et al. 2015, "Show, attend and tell", soft attention).

B images, C channels, H and W pixels, S places of a picture, T words, V words of the vocabulary, E dimensions of a word, W units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.picture_grid import PictureGrid
from goodfit.nn.additive import AdditiveAttention
from goodfit.nn.block import State
from goodfit.nn.dropout import Dropout
from goodfit.nn.shapes import expect, required


class CaptionRNN(nn.Module):
    """Images [B, C, H, W] and words [B, T] -> scores [B, T, V] of the word that follows each. `encode` and `advance` as of models.captioner.

    Each step looks at the places with the state before it, reads what it saw beside the last word, and says the next. A GRU in place of the paper's
    LSTM, which has a third more weights. image: its shape, or the module that gives a picture's places. width: W, and features of a place, 128. embedding_dim: E, 64. dropout: 0.3, of words, places and answer.
    """

    def __init__(
        self, image: tuple[int, int, int] | nn.Module, vocabulary: int, *, width: int = 128, embedding_dim: int = 64, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.width, self.vocabulary = width, vocabulary
        self.grid = image if isinstance(image, nn.Module) else PictureGrid(image, width, dropout=dropout)
        self.words = nn.Embedding(vocabulary, embedding_dim)
        self.first = nn.Linear(width, width)
        self.attention = AdditiveAttention(width, width, width)
        self.cell = nn.GRUCell(embedding_dim + width, width)
        self.readout = nn.Linear(2 * width + embedding_dim, width)
        self.head = nn.Linear(width, vocabulary)
        self.dropout = Dropout(dropout)

    def forward(self, *, image: Tensor | None = None, target: Tensor | None = None) -> Tensor:
        return self.with_weights(image=required("image", image), target=required("target", target))[0]

    def with_weights(self, *, image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The scores, and how much each word looks at each place: [B, T, S]."""
        expect("the caption", target, "B", "T")
        if target.shape[1] == 0:
            raise InputError("a caption begins with the start token and got no words; put the start token first")
        state, steps = self.encode(image), []
        words = self.dropout(self.words(target))  # B T E
        for word in words.unbind(1):
            *step, state = self._step(state, word)
            steps.append(step)
        hidden, seen, weights = (torch.stack(part, 1) for part in zip(*steps, strict=True))  # B T W, B T W, B T S
        return self._scores(words, hidden, seen), weights

    def encode(self, image: Tensor) -> State:
        """Images -> the state before the first word."""
        places = self.grid(image)
        return {"hidden": torch.tanh(self.first(places.mean(1))), "places": places, "keys": self.attention.project(places)}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more word [B], at first the start token -> the scores [B, V] of the next, and the state with it."""
        expect("the caption's next words", tokens, "B")
        word = self.dropout(self.words(tokens))
        hidden, seen, _, state = self._step(state, word)
        return self._scores(word, hidden, seen), state

    def _step(self, state: State, word: Tensor) -> tuple[Tensor, Tensor, Tensor, State]:
        """One word [B, E] -> the new state [B, W], what was seen [B, W], where [B, S], and the whole state."""
        places = state["places"]
        every = torch.ones(places.shape[:2], dtype=torch.bool, device=places.device)
        weights = self.attention(state["hidden"].unsqueeze(1), state["keys"], every).softmax(2)  # B 1 S
        seen = (weights @ places).squeeze(1)
        hidden = self.cell(torch.cat([word, seen], 1), state["hidden"])
        return hidden, seen, weights.squeeze(1), state | {"hidden": hidden}

    def _scores(self, word: Tensor, hidden: Tensor, seen: Tensor) -> Tensor:
        return self.head(self.dropout(torch.tanh(self.readout(torch.cat([word, hidden, seen], -1)))))
