"""Networks that give each word of a sentence a tag: a bidirectional LSTM and a transformer, over words and their letters.

B sentences, T words, L letters, E dimensions of a letter, F letter features, D features of a word, O tags.

Both read `tokens` [B, T] (0 is padding, 1 a word unknown in training, real words first) and the words' letters, given in one of two ways:
`letters` [B, T, L] (0 is padding), or `words` [W, L], each distinct word's letters once, with `place` [B, T], the row of `words` that stands
there. The answer is the same. Of the 1,300 words in a batch of English sentences some 500 are distinct, so the second way spares more than
half of the work on letters, which is a third of all; put a row of zeros into `words` for padding to point to.

They answer with emissions [B, T, O], or with crf=True with the potentials [B, T, O, O] of `goodfit.nn.crf`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.block import TransformerBlock
from goodfit.nn.crf import CRF
from goodfit.nn.dropout import Dropout
from goodfit.nn.norm import RMSNorm
from goodfit.nn.pool import token_mask
from goodfit.nn.recurrent import Recurrent
from goodfit.nn.shapes import expect, required

UNKNOWN = 1


class Letters(nn.Module):
    """Letters [N, L] of words (0 is padding) -> [N, F], the largest ReLU of a convolution over the real letters (Chiu and Nichols 2016).

    It finds what words of a kind share: endings, capitals, digits, hyphens. Nothing in it is recurrent: all letters of all words are read at
    once. kernel: 5 letters, so that an ending of four and the blank behind it are seen as one. A word without letters is the zero vector.
    """

    def __init__(self, alphabet: int, features: int, *, dim: int = 32, kernel: int = 5) -> None:
        super().__init__()
        self.width = features
        self.table = nn.Embedding(alphabet, dim, padding_idx=0)
        nn.init.normal_(self.table.weight, 0, dim**-0.5)
        nn.init.zeros_(self.table.weight[0])
        self.conv = nn.Conv1d(dim, features, kernel, padding=kernel // 2)

    def forward(self, letters: Tensor) -> Tensor:
        expect("letters", letters, "N", "L")
        letters = F.pad(letters, (0, 1)) if letters.shape[1] == 0 else letters
        found = self.conv(self.table(letters.int()).transpose(1, 2)).relu()  # N L E -> N F L
        return (found * (letters != 0).unsqueeze(1)).amax(2)


class WordFeatures(nn.Module):
    """A word's own vector beside its letters' features: [B, T, D] with D = embedding_dim + letter_features; 0 at padding.

    word_dropout: probability that a word is read as unknown in training, its letters kept, so that the letters learn to stand for it.
    """

    def __init__(self, vocabulary: int, alphabet: int, *, embedding_dim: int, letter_features: int, dropout: float, word_dropout: float):
        super().__init__()
        if not 0 <= word_dropout < 1:
            raise SettingError(f"word_dropout must be at least 0 and below 1; {word_dropout} was given", value=word_dropout)
        self.word_dropout = word_dropout
        self.table = nn.Embedding(vocabulary, embedding_dim, padding_idx=0)
        nn.init.normal_(self.table.weight, 0, embedding_dim**-0.5)
        nn.init.zeros_(self.table.weight[0])
        self.letters = Letters(alphabet, letter_features)
        self.dropout = Dropout(dropout)
        self.width = embedding_dim + letter_features

    def forward(self, tokens: Tensor, letters: Tensor | None, words: Tensor | None, place: Tensor | None) -> Tensor:
        expect("tagger", tokens, "B", "T")
        spelt = self._spelt(tokens, letters, words, place)
        if self.word_dropout and self.training:
            forgotten = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
            tokens = tokens.masked_fill(forgotten & (tokens != 0), UNKNOWN)
        x = torch.cat([self.table(tokens), spelt], 2)
        return self.dropout(x * (tokens != 0).unsqueeze(2))

    def _spelt(self, tokens: Tensor, letters: Tensor | None, words: Tensor | None, place: Tensor | None) -> Tensor:
        if (words is None) != (place is None) or (words is not None and letters is not None):
            raise InputError("a tagger reads letters [B, T, L], or words [W, L] together with place [B, T]; pass one of the two")
        if words is not None and place is not None:
            expect("tagger's place", place, "B", tokens.shape[1])
            return F.embedding(place, self.letters(words))
        letters = required("letters", letters)
        expect("tagger's letters", letters, "B", tokens.shape[1], "L")
        return self.letters(letters.flatten(0, 1)).unflatten(0, tokens.shape)  # BT F -> B T F


class LSTMTagger(nn.Module):
    """Words and letters -> [B, T, O], or potentials [B, T, O, O] with crf=True (Huang et al. 2015; Ma and Hovy 2016).

    embedding_dim: 100, Ma and Hovy's. letter_features: 64. width: 128 units of each direction. depth: 1; with these sizes and 190 tags one CPU
    core trains on 10,000 words a second. dropout: 0.4 of inputs and outputs, near Ma and Hovy's 0.5. word_dropout: 0.05, about the share of
    unknown words in new text. crf: for tags that follow rules, such as B and I of names; with 190 tags it takes ten times the network's time.
    """

    def __init__(
        self,
        vocabulary: int,
        alphabet: int,
        outputs: int,
        *,
        embedding_dim: int = 100,
        letter_features: int = 64,
        width: int = 128,
        depth: int = 1,
        dropout: float = 0.4,
        word_dropout: float = 0.05,
        crf: bool = False,
    ) -> None:
        super().__init__()
        self.words = WordFeatures(
            vocabulary,
            alphabet,
            embedding_dim=embedding_dim,
            letter_features=letter_features,
            dropout=dropout,
            word_dropout=word_dropout,
        )
        self.layers = Recurrent(self.words.width, width, cell="lstm", depth=depth, bidirectional=True, dropout=dropout)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(self.layers.width, outputs)
        self.crf = CRF(outputs) if crf else None

    def forward(
        self, *, tokens: Tensor | None = None, letters: Tensor | None = None, words: Tensor | None = None, place: Tensor | None = None
    ) -> Tensor:
        tokens = required("tokens", tokens)
        mask = tokens != 0
        x = self.layers(self.words(tokens, letters, words, place), mask)  # B T D -> B T W
        emissions = self.head(self.dropout(x))
        return emissions if self.crf is None else self.crf(emissions, mask)


class TransformerTagger(nn.Module):
    """Words and letters -> [B, T, O], or potentials [B, T, O, O] with crf=True: pre-norm blocks of attention with rotary positions.

    width: 128, heads: 4, depth: 2, those of the transformer for texts. dropout: 0.2; word_dropout: as in the LSTM.
    """

    def __init__(
        self,
        vocabulary: int,
        alphabet: int,
        outputs: int,
        *,
        embedding_dim: int = 100,
        letter_features: int = 64,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.2,
        word_dropout: float = 0.05,
        crf: bool = False,
    ) -> None:
        super().__init__()
        if width % heads or width // heads % 2:
            raise InputError(f"the width of a transformer must be heads times an even number; got width={width} and heads={heads}")
        self.words = WordFeatures(
            vocabulary,
            alphabet,
            embedding_dim=embedding_dim,
            letter_features=letter_features,
            dropout=dropout,
            word_dropout=word_dropout,
        )
        self.enter = nn.Linear(self.words.width, width)
        self.blocks = nn.ModuleList(
            [TransformerBlock(width, heads, dropout=dropout, qk_norm=True, rotary=True, zero_output=True) for _ in range(depth)]
        )
        self.norm = RMSNorm(width)
        self.head = nn.Linear(width, outputs)
        self.crf = CRF(outputs) if crf else None

    def forward(
        self, *, tokens: Tensor | None = None, letters: Tensor | None = None, words: Tensor | None = None, place: Tensor | None = None
    ) -> Tensor:
        tokens = required("tokens", tokens)
        x = self.enter(self.words(tokens, letters, words, place))  # B T D -> B T W
        seen = token_mask(tokens)
        for block in self.blocks:
            x = block(x, seen)
        emissions = self.head(self.norm(x))
        return emissions if self.crf is None else self.crf(emissions, tokens != 0)
