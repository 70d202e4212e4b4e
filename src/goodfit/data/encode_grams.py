"""Runs of letters in a text (character n-grams), each once, as the numbers of hash buckets.

They tell what words do not: parts of words, unseen words like known ones, signs and the spaces around them. Once, because a text's words already
say how often: counted, the runs double that.

n texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import polars as pl

# 4,000 mails have 40,000 runs of three letters that occur twice; more buckets only cost memory, and two runs in one bucket are seldom both telling.
BUCKETS = 1 << 16
_LETTERS = 1 << 21  # letters looked at together: some 100 MB of keys
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd (Knuth)
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))  # splitmix64's last steps (Steele, Lea and Flood 2014)


def letter_runs(texts: list[pl.Series], longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The runs of 2 to `longest` letters (of 1, where that is the longest) in each row of k columns of texts -> buckets int32 [total] end to end,
    and how many of each row int64 [n].

    texts: k String [n] without nulls, read in small letters. A row's buckets rise; white space of any length counts as one letter. Without
    chance: the same text gives the same buckets on any machine.

    >>> [found.tolist() for found in letter_runs([pl.Series(["abc", "ABAB", "a"])], 2)]
    [[18643, 24549, 3623, 18643], [2, 2, 0]]
    """
    plain = [column.str.to_lowercase().str.replace_all(r"\s+", " ") for column in texts]
    sizes = np.stack([column.str.len_chars().cast(pl.Int64).to_numpy() for column in plain], axis=1)  # n k
    edges = np.searchsorted(np.cumsum(sizes.sum(axis=1)), np.arange(0, sizes.sum() + _LETTERS, _LETTERS))
    cuts = sorted({0, *np.minimum(edges, len(sizes)).tolist(), len(sizes)})
    parts = [
        _runs([column.slice(start, stop - start) for column in plain], sizes[start:stop], longest)
        for start, stop in itertools.pairwise(cuts)
    ]
    return (
        np.concatenate([np.zeros(0, np.int32), *(buckets for buckets, _ in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(counts for _, counts in parts)]),
    )


def _runs(texts: list[pl.Series], sizes: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    found = [keys for place, column in enumerate(texts) for keys in _keys(column, sizes[:, place], longest)]
    keys = np.concatenate([np.zeros(0, np.int64), *found])
    keys.sort()
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return (keys % BUCKETS).astype(np.int32), np.bincount(keys // BUCKETS, minlength=len(sizes)).astype(np.int64)


def _keys(texts: pl.Series, sizes: np.ndarray, longest: int) -> Iterator[np.ndarray]:
    """row * BUCKETS + bucket of every run that lies within one text, int64, for each length."""
    code = np.frombuffer("".join(texts.to_list()).encode("utf-32-le"), np.uint32).astype(np.uint64)
    row = np.repeat(np.arange(len(sizes)), sizes)
    hashed = code + np.uint64(1)
    for letters in range(1, longest + 1):
        if letters > 1:
            hashed = hashed[:-1] * _MULTIPLIER + code[letters - 1 :] + np.uint64(1)  # modulo 2^64
        if letters >= min(2, longest):
            within = row[: hashed.size] == row[letters - 1 :]
            yield row[: hashed.size][within] * BUCKETS + (_mixed(hashed[within]) % np.uint64(BUCKETS)).astype(np.int64)


def _mixed(hashed: np.ndarray) -> np.ndarray:
    for shift, factor in _MIX:
        hashed = (hashed ^ (hashed >> np.uint64(shift))) * np.uint64(factor)
    return hashed
