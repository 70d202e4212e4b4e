"""BLEU of rows of codes, from counts that add up over rows, so that weights and resamples cost nothing.

n rows, R resamples.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

ORDER = 4  # Papineni et al.'s
NONE = -1


def ngram_counts(said: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each row, for runs of 1 to ORDER words: those said that the right row has too, each as often as there at most; all that were said; and last the
    words said and the words that are right. Codes [n, any] and [n, T], NONE behind the last -> float64 [n, 2 ORDER + 2]."""
    found = np.zeros((len(right), 2 * ORDER + 2))
    for row, (a, b) in enumerate(zip(said, right, strict=True)):
        own, wanted = a[a != NONE].tolist(), b[b != NONE].tolist()
        for order in range(1, ORDER + 1):
            runs, known = _runs(own, order), _runs(wanted, order)
            found[row, order - 1] = sum((runs & known).values())
            found[row, ORDER + order - 1] = sum(runs.values())
        found[row, -2:] = len(own), len(wanted)
    return found


def bleu_of(totals: np.ndarray) -> np.ndarray:
    """Totals [R, 2 ORDER + 2] of `ngram_counts` -> BLEU [R], 0 to 1: the geometric mean of the precisions, with the brevity penalty.

    Captions of three words have no runs of four that could match: for runs of two and more, one is added above and below (Lin and Och 2004, "ORANGE",
    section 4), here to the totals of all rows.

    Source: Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation".
    """
    hit, said = totals[:, :ORDER].copy(), totals[:, ORDER : 2 * ORDER].copy()
    hit[:, 1:] += 1
    said[:, 1:] += 1
    length, wanted = totals[:, -2], totals[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(hit / said).mean(1))
        brevity = np.exp(np.minimum(0.0, 1 - wanted / length))
    return np.where((length > 0) & (hit[:, 0] > 0), precision * brevity, 0.0)


def _runs(words: list[int], order: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(words[start : start + order]) for start in range(len(words) - order + 1))
