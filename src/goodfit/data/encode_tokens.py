"""Sentences that are cut into tokens already, for a tag on each: words of a vocabulary, and the letters of every word.

n rows, T tokens of a row, U different words, L letters of a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.data.encode_category import Tally
from goodfit.data.encode_text import UNKNOWN

FIRST = 2  # ids below are no words and no letters: 0 fills up, 1 is unknown
LETTERS = 16  # of a word that are read: its first and last eight, where endings tell the tag; 99 % of English words are shorter
_RARE = 2  # times that a letter must occur


@dataclass(frozen=True)
class TokenEncoder:
    """One column of tokens. words: the vocabulary in small letters, the most frequent first. letters: those told apart, in one text.

    longest: tokens of the longest row of training.
    """

    column: str
    words: tuple[str, ...]
    letters: str
    longest: int

    def inputs(self) -> dict[str, Any]:
        """The specification of the network's input."""
        return {
            "column": self.column,
            "vocabulary": FIRST + len(self.words),
            "alphabet": FIRST + len(self.letters),
            "letters": LETTERS,
            "length": self.longest,
        }

    def encode(self, column: pl.Series) -> tuple[np.ndarray, np.ndarray, Lexicon]:
        """List(String) [n] -> the place of each token in the lexicon, int32 [total]; tokens of each row, int64 [n]; the lexicon.

        A row without tokens holds one that is unknown.
        """
        lists = column.fill_null(pl.Series([[]], dtype=pl.List(pl.String)))
        lengths = lists.list.len().cast(pl.Int64).to_numpy()
        tokens = lists.filter(pl.Series(lengths > 0)).explode().fill_null("") if lengths.any() else pl.Series([], dtype=pl.String)
        different = tokens.unique().sort()
        known = tokens.cast(pl.Enum(different)).to_physical().cast(pl.Int32).to_numpy() + 2  # 0 fills up, 1 is a row of nothing
        widths = np.maximum(lengths, 1)
        places = np.ones(int(widths.sum()), np.int32)
        places[np.repeat(lengths > 0, widths)] = known
        return places, widths, self._lexicon(different)

    def _lexicon(self, different: pl.Series) -> Lexicon:
        """different: String [U - 2]."""
        ids = different.str.to_lowercase().cast(self._known, strict=False).to_physical().cast(pl.Int32)
        word = np.concatenate([[0, UNKNOWN], (ids + FIRST).fill_null(UNKNOWN).to_numpy()]).astype(np.int32)
        letters = np.zeros((len(word), LETTERS), np.int32)
        codes = {letter: code for code, letter in enumerate(self.letters, FIRST)}
        for place, text in enumerate(different, 2):
            read = text if len(text) <= LETTERS else text[: LETTERS // 2] + text[-LETTERS // 2 :]
            letters[place, : len(read)] = [codes.get(letter, UNKNOWN) for letter in read]
        letters[1, 0] = UNKNOWN
        return Lexicon(torch.from_numpy(word), torch.from_numpy(letters))

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "words": self.words, "letters": self.letters, "longest": self.longest}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TokenEncoder:
        return cls(document["column"], tuple(document["words"]), document["letters"], int(document["longest"]))

    @cached_property
    def _known(self) -> pl.Enum:
        return pl.Enum(list(self.words))


@dataclass(frozen=True)
class Lexicon:
    """The different words of some rows, so that what is read from a word's letters is computed once.

    word: int32 [U], the id in the vocabulary. letters: int32 [U, L]. The first two words are what fills up, and nothing.
    """

    word: Tensor
    letters: Tensor

    def gather(self, places: Tensor) -> dict[str, Tensor]:
        """places [B, T] -> the inputs of a network: tokens [B, T] ids, words [W, L] the letters of the W words of the batch, place [B, T] in them."""
        words, place = places.unique(return_inverse=True)
        return {
            "tokens": self.word.index_select(0, places.reshape(-1)).view(places.shape),
            "words": self.letters.index_select(0, words),
            "place": place,
        }

    def nbytes(self) -> int:
        return int(self.word.nbytes + self.letters.nbytes)

    def to(self, device: torch.device) -> Lexicon:
        return Lexicon(self.word.to(device), self.letters.to(device))


def fit(column: pl.Series, vocabulary: int) -> TokenEncoder:
    """The vocabulary of the training rows: words seen twice, so that the rest teaches what unknown means; List(String) [n]."""
    tokens = column.drop_nulls().explode().drop_nulls()
    tally, letters = Tally(), Tally()
    tally.add(tokens.str.to_lowercase())
    letters.add(tokens.unique().str.split("").explode())
    words, counts = tally.ranked()
    twice = int((counts > 1).sum()) or len(words)
    signs, times = letters.ranked()
    alphabet = "".join(sign for sign, count in zip(signs, times, strict=True) if count >= _RARE and len(sign) == 1)
    longest = int(column.list.len().max() or 1)  # type: ignore[arg-type]
    return TokenEncoder(column.name, tuple(words[: min(twice, vocabulary - FIRST)]), alphabet, longest)
