"""BLEU of rows of codes, from counts that add up over rows, so that weights and resamples cost nothing.

n rows, R resamples.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

ORDER = 4  # Papineni et al.'s
NONE = -1


def ngram_counts(said: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each row, for runs of 1 to ORDER words: those said that the right row has too, each as often as there at most; all that were said; all of
    the right row; and last the words said and the words that are right. Codes [n, any] and [n, T], NONE behind the last -> float64 [n, 3 ORDER + 2]."""
    found = np.zeros((len(right), 3 * ORDER + 2))
    for row, (a, b) in enumerate(zip(said, right, strict=True)):
        own, wanted = a[a != NONE].tolist(), b[b != NONE].tolist()
        for order in range(1, ORDER + 1):
            runs, known = _runs(own, order), _runs(wanted, order)
            found[row, order - 1] = sum((runs & known).values())
            found[row, ORDER + order - 1] = sum(runs.values())
            found[row, 2 * ORDER + order - 1] = sum(known.values())
        found[row, -2:] = len(own), len(wanted)
    return found


def bleu_of(totals: np.ndarray) -> np.ndarray:
    """Totals [R, 3 ORDER + 2] of `ngram_counts` -> BLEU [R], 0 to 1: the geometric mean of the precisions, with the brevity penalty.

    A length of which no run matches counts as half a match, the next such as a quarter, as NIST's script and sacrebleu (Post 2018) have it; where no run of
    a length was said at all, BLEU is 0. Lengths that no right row has, such as four where all captions have three words, are left out.

    Source: Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation".
    """
    hit, said, asked = (totals[:, part * ORDER : (part + 1) * ORDER] for part in range(3))
    none, there = hit == 0, asked > 0
    hit = np.where(none, 0.5 ** np.cumsum(none, axis=1), hit)
    length, wanted = totals[:, -2], totals[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.where(there, np.log(hit / said), 0.0).sum(1) / there.sum(1))
        found = precision * np.exp(np.minimum(0.0, 1 - wanted / length))
    return np.where(((said > 0) | ~there).all(1) & (length > 0), found, 0.0)


def _runs(words: list[int], order: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
