"""What counting gives: the next id by how often it followed the few before it, the counts of all lengths mixed as Witten and Bell did.

N ids of the training text, M to be scored, V different ids. All orders at once by sorting; nothing is looked up one by one.
"""

from __future__ import annotations

import numpy as np

ORDER = 6  # ids together: on two million characters a seventh helps no more


def witten_bell_bits(train: np.ndarray, text: np.ndarray, first: int, size: int, order: int = ORDER) -> np.ndarray:
    """-log2 p of each of text[first:], given those before it, float64 [M]. train, text: whole numbers below `size`.

    p_k(c | h) = (n(hc) + t(h) p_{k-1}(c | h')) / (n(h) + t(h)), t(h) the different ids that followed h, h' without its first id; below one id
    all are alike. Histories of `order` - 1 ids, fewer where their numbers would not fit into 63 bits.

    >>> witten_bell_bits(np.array([0, 1, 0, 1]), np.array([0, 1]), 1, 2, order=1).round(3)
    array([1.])

    Source: Witten and Bell 1991, "The zero-frequency problem", method C, interpolated (Chen and Goodman 1999, section 2.5).
    """
    width = max(1, int(size - 1).bit_length())
    order = max(1, min(order, 63 // width))
    train, text = train.astype(np.int64), text.astype(np.int64)
    p = np.full(len(text) - first, 1 / size)
    for history in range(order):
        known, asked = _runs(train, history, width), _runs(text, history, width)[first:]
        if not len(known):
            break
        runs, counts = np.unique(known, return_counts=True)
        before, start = np.unique(runs >> width, return_index=True)
        totals, kinds = np.add.reduceat(counts, start), np.diff(np.append(start, len(runs)))
        hit = _of(runs, counts, asked)
        total, kind = _of(before, totals, asked >> width), _of(before, kinds, asked >> width)
        seen = total > 0
        p[seen] = (hit[seen] + kind[seen] * p[seen]) / (total[seen] + kind[seen])
    return -np.log2(p)


def _runs(ids: np.ndarray, history: int, width: int) -> np.ndarray:
    """Each id with the `history` before it as one number, int64 [N]; before the first there are zeros."""
    found = np.zeros(len(ids), np.int64)
    for back in range(history, -1, -1):
        shifted = np.concatenate([np.zeros(min(back, len(ids)), np.int64), ids[: len(ids) - back]]) if back else ids
        found = found << width | shifted
    return found


def _of(keys: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The values of sorted keys, 0 for what is none of them."""
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)
