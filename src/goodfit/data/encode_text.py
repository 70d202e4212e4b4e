"""Texts to token ids, with a vocabulary learned from the training rows.

n rows, k text columns, T tokens at most per row. Ids: 0 padding, 1 unknown, 2 end of a column, then the tokens by falling frequency, then the
runs of letters where they are asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from goodfit.base.errors import BundleError, MissingExtra, SettingError
from goodfit.data.encode_category import Tally
from goodfit.data.encode_grams import BUCKETS, letter_runs

UNKNOWN, END = 1, 2
SPECIAL = 3  # ids below are no tokens
TEXTS = 16_384  # texts cut into tokens at once: some 100 MB of them at 300 tokens each
_SMALL_VOCABULARY = 100  # words seen twice; below, a text is better read with its single words than as nothing but unknowns
_BYTES = 256  # a byte-pair vocabulary starts from all bytes, so that no text is unknown to it

# A word is a run of letters and digits with at most one apostrophe inside; scripts written without spaces give a token per sign;
# a run of other signs is one token, so that a ruled line or "!!!" takes one place of T.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[{_UNSPACED}]|[\w--[{_UNSPACED}]]+(?:['’][\w--[{_UNSPACED}]]+)?|[^\w\s]+"


@dataclass(frozen=True)
class TextEncoder:
    """The text columns, one after the other, as one sequence of token ids; behind them the runs of letters that occur in them, each once.

    kind: "word" or "bpe". model: the words of "word", or the tokenizer of "bpe" as the JSON text of the `tokenizers` library.
    max_tokens: of a row, runs of letters included: these and the texts share the room. grams: letters of the longest runs (see letter_runs), 0 for none.
    """

    columns: tuple[str, ...]
    kind: Literal["word", "bpe"]
    model: tuple[str, ...] | str
    max_tokens: int
    grams: int = 0

    @property
    def vocabulary(self) -> int:
        """Number of ids, the special ones included."""
        return self._tokens + (BUCKETS if self.grams else 0)

    @property
    def _tokens(self) -> int:
        return SPECIAL + len(self.model) if isinstance(self.model, tuple) else self._tokenizer.get_vocab_size()

    def encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a frame -> ids int32 [total] end to end, and the length of each row int64 [n], each from 1 to max_tokens."""
        pieces = [self._encode(frame.slice(start, TEXTS)) for start in range(0, frame.height, TEXTS)]
        ids = np.concatenate([np.zeros(0, np.int32), *(piece[0] for piece in pieces)])
        return ids, np.concatenate([np.zeros(0, np.int64), *(piece[1] for piece in pieces)])

    def to_json(self) -> dict[str, Any]:
        return {"columns": self.columns, "kind": self.kind, "model": self.model, "max_tokens": self.max_tokens, "grams": self.grams}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TextEncoder:
        model = document["model"]
        words = model if isinstance(model, str) else tuple(model)
        return cls(tuple(document["columns"]), document["kind"], words, document["max_tokens"], document.get("grams", 0))

    def _encode(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        texts = [frame[name].fill_null("") for name in self.columns]
        known = [self._ids(column) for column in texts]
        k = len(known)
        end = np.full(k, int(k > 1))  # one column needs no mark of its end, unless it is empty
        least = np.full(k, int(k == 1))  # an empty text gets one END
        if self.grams:
            buckets, counts = letter_runs(texts, self.grams)
            known.append((buckets + np.int32(self._tokens), counts))
            end, least = np.append(end, 0), np.append(least, 0)
        kept = share(np.stack([lengths for _, lengths in known], axis=1), self.max_tokens - int(end.sum()))  # n k, or k + 1 with grams
        widths = np.maximum(kept + end, least)  # as kept
        starts = np.cumsum(widths).reshape(widths.shape) - widths  # as kept: where each part of each row begins
        ids = np.full(int(widths.sum()), END, np.int32)
        for column, (tokens, lengths) in enumerate(known):
            within = np.arange(tokens.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            inside = within < np.repeat(kept[:, column], lengths)
            ids[np.repeat(starts[:, column], kept[:, column]) + within[inside]] = tokens[inside]
        return ids, widths.sum(axis=1)

    def _ids(self, texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """Ids int32 end to end and the number of each text, not yet cut."""
        if self.kind == "word":
            words = split_words(texts)
            lengths = words.list.len().cast(pl.Int64).to_numpy()
            positions = words.filter(words.list.len() > 0).explode().cast(self._words, strict=False).to_physical().cast(pl.Int32)
            return (positions + SPECIAL).fill_null(UNKNOWN).to_numpy(), lengths
        found = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts.to_list(), add_special_tokens=False)]
        return np.fromiter(itertools.chain.from_iterable(found), np.int32), np.array([len(ids) for ids in found], np.int64)

    @cached_property
    def _words(self) -> pl.Enum:
        return pl.Enum(list(self.model))

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            return _tokenizers().Tokenizer.from_str(self.model)
        except MissingExtra:
            raise
        except Exception as error:  # tokenizers raises plain Exception for every malformed document
            raise BundleError(f"the vocabulary of the text columns is not readable ({error}); the folder is damaged") from error


def split_words(texts: pl.Series) -> pl.Series:
    """String [n] without nulls -> the words of each text in small letters, List(String) [n].

    >>> split_words(pl.Series(["Don't STOP!!!", ""])).to_list()
    [["don't", 'stop', '!!!'], []]
    """
    return texts.str.to_lowercase().str.extract_all(_WORD)


def share(lengths: np.ndarray, limit: int) -> np.ndarray:
    """lengths int64 [n, k] -> tokens kept of each text, at most `limit` in a row; short texts leave their room to the long ones.

    >>> share(np.array([[2, 10]]), 8).tolist()
    [[2, 6]]
    """
    n, k = lengths.shape
    order = np.argsort(lengths, axis=1, kind="stable")
    rising = np.take_along_axis(lengths, order, axis=1)
    left = np.full(n, limit, np.int64)
    for place in range(k):
        rising[:, place] = np.minimum(rising[:, place], left // (k - place))
        left -= rising[:, place]
    kept = np.empty_like(rising)
    np.put_along_axis(kept, order, rising, axis=1)
    return kept


def check_settings(columns: int, kind: str, vocabulary: int, max_tokens: int) -> None:
    """Raises SettingError when the settings leave no room for the text."""
    if max_tokens < 2 * columns:
        raise SettingError(
            f"data.max_tokens must be at least {2 * columns} with {columns} text columns, a token and an end for each; "
            f"{max_tokens} was given",
            value=max_tokens,
        )
    if kind == "bpe":
        _tokenizers()
        if vocabulary < SPECIAL + _BYTES:
            raise SettingError(
                f"data.vocabulary must be at least {SPECIAL + _BYTES} with data.tokens=bpe, which starts from the {_BYTES} bytes; "
                f"{vocabulary} was given",
                value=vocabulary,
            )


def words_from(tally: Tally, vocabulary: int) -> tuple[str, ...]:
    """The words that get an id: the most frequent, seen twice, so that the rest teaches what unknown means."""
    words, counts = tally.ranked()
    twice = int((counts > 1).sum())
    return tuple(words[: min(len(words) if twice < _SMALL_VOCABULARY else twice, vocabulary - SPECIAL)])


def pairs_from(texts: Iterable[pl.Series], vocabulary: int) -> str:
    """A byte-pair vocabulary learned from texts, as the JSON of the `tokenizers` library (Sennrich et al., 2016; on bytes: GPT-2, 2019)."""
    library = _tokenizers()
    tokenizer = library.Tokenizer(library.models.BPE(unk_token="[unknown]"))
    tokenizer.normalizer = library.normalizers.Sequence([library.normalizers.NFC(), library.normalizers.Lowercase()])
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,  # as for words
        special_tokens=["[padding]", "[unknown]", "[end]"],
        initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )

    def all_texts() -> Iterator[list[str]]:
        for series in texts:
            yield series.drop_nulls().to_list()

    tokenizer.train_from_iterator(all_texts(), trainer)
    return tokenizer.to_str()


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise MissingExtra("data.tokens=bpe", "text") from None
    return tokenizers
