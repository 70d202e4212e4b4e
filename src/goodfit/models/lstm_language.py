"""A recurrent language model (Graves 2013, "Generating sequences with recurrent neural networks"): an LSTM that predicts the next token.

B rows, T tokens, V tokens of the vocabulary, E dimensions of a token, U units, N layers.
"""

from __future__ import annotations

from torch import Tensor, nn

from goodfit.nn.block import State
from goodfit.nn.dropout import Dropout
from goodfit.nn.recurrent import Recurrent
from goodfit.nn.shapes import expect, required


class LSTMLanguage(nn.Module):
    """Tokens [B, T] -> scores of the token that follows each, as logits [B, T, V]. `begin`, `advance` and `read` as of models.gpt.

    width: U, 512. depth: layers, 1. embedding_dim: E, 64. dropout: of what goes into a layer and into the scores.
    """

    def __init__(self, vocabulary: int, *, width: int = 512, depth: int = 1, embedding_dim: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.vocabulary, self.width, self.depth = vocabulary, width, depth
        self.tokens = nn.Embedding(vocabulary, embedding_dim)
        self.layers = Recurrent(embedding_dim, width, cell="lstm", depth=depth, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, *, text: Tensor | None = None) -> Tensor:
        text = required("text", text)
        expect("lstm language model", text, "B", "T")
        return self.head(self.dropout(self.layers(self.tokens(text))))

    def begin(self, rows: int) -> State:
        """The state before the first token: hidden and memory, each [B, N, U]."""
        none = self.tokens.weight.new_zeros(rows, self.depth, self.width)
        return {"hidden": none, "memory": none}

    def advance(self, state: State, tokens: Tensor) -> tuple[Tensor, State]:
        """One more token [B] -> the scores [B, V] of the next, and the state with it. The state that was given stays as it is."""
        expect("the language model's next tokens", tokens, "B")
        logits, state = self.read(state, tokens.unsqueeze(1))
        return logits.squeeze(1), state

    def read(self, state: State, text: Tensor) -> tuple[Tensor, State]:
        """Several more tokens [B, T] at once -> [B, T, V], equal to what `forward` gives for them, and the state with them."""
        out, (hidden, memory) = self.layers.run(self.tokens(text), None, (state["hidden"], state["memory"]))
        return self.head(self.dropout(out)), {"hidden": hidden, "memory": memory}
