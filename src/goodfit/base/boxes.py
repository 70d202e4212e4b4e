"""Boxes in images: two ways to write them, and how much two of them overlap.

Boxes are [..., 4], in any unit: by corners (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, or by centre (x, y, width, height).
Two tensors of boxes are compared one by one, with broadcasting: a[:, None] against b gives every pair.
"""

from __future__ import annotations

import torch
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """(x, y, width, height) around the centre -> (x1, y1, x2, y2).

    >>> corners(torch.tensor([2.0, 3.0, 2.0, 4.0]))
    tensor([1., 1., 3., 5.])
    """
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def centres(boxes: Tensor) -> Tensor:
    """(x1, y1, x2, y2) -> (x, y, width, height) around the centre; the inverse of `corners`."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def area(boxes: Tensor) -> Tensor:
    """Areas of boxes by corners: [..., 4] -> [...]; 0 where a box is turned inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes by corners, within 0 and 1: [..., 4] and [..., 4] -> [...]. Two boxes without area have 0.

    >>> iou(torch.tensor([0.0, 0.0, 2.0, 1.0]), torch.tensor([1.0, 0.0, 3.0, 1.0]))
    tensor(0.3333)
    """
    return _over(*_shared(a, b))


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """iou - (hull - union) / hull, within -1 and 1, the hull being the smallest box around both (Rezatofighi et al. 2019): it tells how far
    apart two boxes are that do not touch.

    >>> generalised_iou(torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([2.0, 0.0, 3.0, 1.0]))
    tensor(-0.3333)
    """
    shared, union = _shared(a, b)
    hull = area(torch.cat([torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])], -1))
    return _over(shared, union) - _over(hull - union, hull)


def _shared(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of the intersection and of the union."""
    shared = area(torch.cat([torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])], -1))
    return shared, area(a) + area(b) - shared


def _over(part: Tensor, whole: Tensor) -> Tensor:
    return part / torch.where(whole > 0, whole, 1)  # 0 of 0 is 0, with a finite gradient
