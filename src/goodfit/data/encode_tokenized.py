"""Texts to token ids with a tokenizer that came with a pretrained network.

n rows, V tokens of the vocabulary. Ids: 0 padding, then the tokenizer's own plus 1, so that padding is 0 whatever the tokenizer takes for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from goodfit.base.errors import BundleError, MissingExtra, SettingError
from goodfit.data.encode_text import TEXTS

SHIFT = 1  # from the tokenizer's ids to ours


@dataclass(frozen=True)
class TokenizedText:
    """The text columns, joined by a line break, as one sequence with the marks of beginning and end that the tokenizer sets.

    model: the JSON text of the `tokenizers` library. max_tokens: of a row, marks included; the rest is cut. blank: the token of an empty text
    where the tokenizer sets no marks.
    """

    columns: tuple[str, ...]
    model: str
    max_tokens: int
    blank: int
    kind: str = "tokenizer"

    @classmethod
    def fit(cls, columns: tuple[str, ...], model: str, max_tokens: int, blank: int) -> TokenizedText:
        """Raises SettingError where `max_tokens` leaves no room for text."""
        encoder = cls(columns, model, max_tokens, blank)
        marks = encoder._tokenizer.num_special_tokens_to_add(False)
        if max_tokens <= marks:
            raise SettingError(
                f"data.max_tokens must be at least {marks + 1}, a token and the {marks} marks of the tokenizer; {max_tokens} was given",
                value=max_tokens,
            )
        return encoder

    @property
    def vocabulary(self) -> int:
        """Number of ids, padding included."""
        return int(self._tokenizer.get_vocab_size()) + SHIFT

    def encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a frame -> ids int32 [total] end to end, and the length of each row int64 [n], each from 1 to max_tokens."""
        pieces = [self._encode(frame.slice(start, TEXTS)) for start in range(0, frame.height, TEXTS)]
        ids = np.concatenate([np.zeros(0, np.int32), *(piece[0] for piece in pieces)])
        return ids, np.concatenate([np.zeros(0, np.int64), *(piece[1] for piece in pieces)])

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "kind": self.kind, "model": self.model, "max_tokens": self.max_tokens, "blank": self.blank}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TokenizedText:
        return cls(tuple(document["columns"]), document["model"], document["max_tokens"], document["blank"])

    def _encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        texts = frame.select(pl.concat_str([pl.col(name).fill_null("") for name in self.columns], separator="\n")).to_series().to_list()
        found = [encoding.ids or [self.blank] for encoding in self._tokenizer.encode_batch_fast(texts)]
        lengths = np.array([len(ids) for ids in found], np.int64)
        return np.fromiter((token + SHIFT for ids in found for token in ids), np.int32, int(lengths.sum())), lengths

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            import tokenizers
        except ImportError:
            raise MissingExtra("the vocabulary of a pretrained network", "pretrained") from None
        try:
            tokenizer = tokenizers.Tokenizer.from_str(self.model)
            tokenizer.no_padding()
            tokenizer.enable_truncation(max(self.max_tokens, tokenizer.num_special_tokens_to_add(False) + 1))
        except Exception as error:  # tokenizers raises plain Exception for every malformed document
            raise BundleError(f"the vocabulary of the text columns is not readable ({error}); the folder is damaged") from error
        return tokenizer
