"""How well objects are found: average precision, as in PASCAL VOC and COCO. n found boxes, m true boxes, T thresholds, R levels of recall.

Boxes are [n, 4] by corners (x1, y1, x2, y2), in any unit, the same for both. A found box is right where its class is and where it overlaps
a true box that no surer one has taken, by at least the threshold. Results are those of pycocotools with objects of all sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from goodfit.base.errors import InputError

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # overlaps that COCO averages over
RECALLS = np.linspace(0, 1, 101)  # at which COCO reads precision
MOST = 100  # found boxes of a class and image that count, as in COCO

Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes [n, 4], classes [n], scores [n]
Truth = tuple[np.ndarray, np.ndarray]  # boxes [m, 4], classes [m]


def mean_average_precision(found: Sequence[Found], true: Sequence[Truth]) -> dict[str, float]:
    """COCO's three: {"map": mean over the overlaps 0.5, 0.55, ... 0.95, "map_50": at 0.5, "map_75": at 0.75}, each the mean over classes.

    found, true: one entry for each image. Classes without a true box are left out; without any, all three are not a number.
    """
    if len(found) != len(true):
        raise InputError(f"each image needs what was found and what is true; got {len(found)} and {len(true)} images")
    kinds = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(np.asarray(kind) for _, kind in true)]))
    table = [average_precision(found, true, kind, THRESHOLDS) for kind in kinds]  # K T
    if not table:
        return dict.fromkeys(("map", "map_50", "map_75"), float("nan"))
    by_threshold = np.mean(table, axis=0)
    return {"map": float(by_threshold.mean()), "map_50": float(by_threshold[0]), "map_75": float(by_threshold[5])}


def average_precision(found: Sequence[Found], true: Sequence[Truth], kind: int, thresholds: np.ndarray) -> np.ndarray:
    """Average precision of one class at each overlap: [T] -> [T], within 0 and 1; not a number where no box is true.

    The mean, over 101 levels of recall, of the best precision at that recall or more (Lin et al., COCO, 2014).
    """
    return precision(judged(found, true, kind, thresholds))


class Judged(NamedTuple):
    """Found boxes of one class, the surest first: the image of each [n], and whether it is right at each overlap, bool [n, T]; how many true boxes each image has, [I]."""

    image: np.ndarray
    right: np.ndarray
    objects: np.ndarray


def judged(found: Sequence[Found], true: Sequence[Truth], kind: int, thresholds: np.ndarray) -> Judged:
    """The found boxes of one class, held against the true ones."""
    scores, hits = [np.zeros(0)], [np.zeros((0, len(thresholds)), dtype=bool)]
    counts, sizes = np.zeros(len(true), np.int64), np.zeros(len(true), np.int64)
    for image, ((boxes, kinds, score), (wanted, wanted_kinds)) in enumerate(zip(found, true, strict=True)):
        own = np.flatnonzero(np.asarray(kinds) == kind)
        own = own[np.argsort(-np.asarray(score, dtype=np.float64)[own], kind="stable")][:MOST]
        theirs = np.asarray(wanted, dtype=np.float64).reshape(-1, 4)[np.asarray(wanted_kinds) == kind]
        counts[image], sizes[image] = len(theirs), len(own)
        scores.append(np.asarray(score, dtype=np.float64)[own])
        hits.append(_hits(overlaps(np.asarray(boxes, dtype=np.float64).reshape(-1, 4)[own], theirs), thresholds))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return Judged(np.repeat(np.arange(len(true)), sizes)[order], np.concatenate(hits)[order], counts)


def precision(one: Judged, weight: np.ndarray | None = None) -> np.ndarray:
    """Average precision at each overlap, [T]. weight: [I] how often each image counts, once when None; of whole numbers it is as if images were repeated."""
    T = one.right.shape[1]
    count = one.objects.sum() if weight is None else one.objects @ weight
    if not count:
        return np.full(T, np.nan)
    own = np.ones(len(one.image)) if weight is None else weight[one.image]
    right, seen = (one.right * own[:, None]).cumsum(0), own.cumsum()  # n T, n
    best = np.divide(right, seen[:, None], out=np.zeros_like(right), where=seen[:, None] > 0)
    best = np.maximum.accumulate(best[::-1], axis=0)[::-1]  # the best at this recall or more
    result = np.zeros(T)
    for t in range(T):
        place = np.searchsorted(right[:, t] / count, RECALLS)
        reached = place < len(right)
        result[t] = best[place[reached], t].sum() / len(RECALLS)
    return result


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: [n, 4] and [m, 4] by corners -> [n, m]; 0 where neither has an area."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _hits(overlap: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Which found boxes, surest first, are right at each overlap: [n, m], [T] -> bool [n, T]."""
    n, m = overlap.shape
    hits = np.zeros((n, len(thresholds)), dtype=bool)
    free = np.ones((len(thresholds), m), dtype=bool)
    if not m:
        return hits
    for row in range(n):
        left = np.where(free & (overlap[row] >= np.minimum(thresholds, 1 - 1e-10)[:, None]), overlap[row], -1)  # T m
        best = m - 1 - left[:, ::-1].argmax(1)  # of equal overlaps the last, as COCO's code
        hits[row] = left[np.arange(len(thresholds)), best] >= 0
        free[np.flatnonzero(hits[row]), best[hits[row]]] = False
    return hits
