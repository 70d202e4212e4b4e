"""Boxes against a transcription of the definitions, number by number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.boxes import area, centres, corners, generalised_iou, iou

Box = tuple[float, float, float, float]
side = st.one_of(st.integers(0, 4).map(float), st.floats(0, 100, allow_subnormal=False).map(lambda x: round(x, 3)))
box = st.tuples(side, side, side, side).map(lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])))


def overlap(a: Box, b: Box) -> tuple[float, float]:
    """Intersection over union and its generalisation, as in Rezatofighi et al. 2019, algorithm 1; 0 / 0 is 0."""
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = wide * high if wide > 0 and high > 0 else 0.0
    union = area_a + area_b - shared
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    plain = shared / union if union > 0 else 0.0
    return plain, plain - ((hull - union) / hull if hull > 0 else 0.0)


@given(st.lists(box, min_size=1, max_size=4), st.lists(box, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_overlaps_of_all_pairs(first: list[Box], second: list[Box]) -> None:
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    plain, general = iou(a[:, None], b), generalised_iou(a[:, None], b)
    assert plain.shape == general.shape == (len(first), len(second))
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            wanted = overlap(one, other)
            assert plain[i, j].item() == pytest.approx(wanted[0], abs=1e-9)
            assert general[i, j].item() == pytest.approx(wanted[1], abs=1e-9)
    assert ((plain >= 0) & (plain <= 1)).all()
    assert ((general >= -1 - 1e-9) & (general <= plain + 1e-9)).all()
    torch.testing.assert_close(iou(b[:, None], a), plain.t())
    torch.testing.assert_close(generalised_iou(b[:, None], a), general.t())


@given(st.lists(box, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_corners_and_centres_are_each_others_inverse(given_boxes: list[Box]) -> None:
    boxes = torch.tensor(given_boxes, dtype=torch.float64)
    torch.testing.assert_close(corners(centres(boxes)), boxes)
    centre = centres(boxes)
    assert (centre[:, 2:] >= 0).all()
    torch.testing.assert_close(centre[:, 2] * centre[:, 3], area(boxes))
    for row, (x1, y1, x2, y2) in zip(centre.tolist(), given_boxes, strict=True):
        assert row == pytest.approx([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def test_a_box_overlaps_itself_wholly_and_one_turned_inside_out_not_at_all() -> None:
    boxes = torch.tensor([[0.0, 0.0, 2.0, 3.0], [5.0, 5.0, 6.0, 9.0]])
    assert iou(boxes, boxes).tolist() == generalised_iou(boxes, boxes).tolist() == [1.0, 1.0]
    assert iou(boxes, boxes[:, [2, 3, 0, 1]]).tolist() == [0.0, 0.0]


def test_gradients_are_finite_where_there_is_no_area_and_those_of_finite_differences_elsewhere() -> None:
    point = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    for function in (iou, generalised_iou):
        (gradient,) = torch.autograd.grad(function(point, torch.zeros(1, 4, dtype=torch.float64)).sum(), point)
        assert gradient.isfinite().all()
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[1.0, 0.5, 3.0, 4.0], [2.0, 3.0, 3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(generalised_iou, (a, b))
    assert torch.autograd.gradcheck(iou, (a, b))


def test_boxes_apart_are_drawn_together() -> None:
    near, far = torch.tensor([2.0, 0.0, 3.0, 1.0]), torch.tensor([9.0, 0.0, 10.0, 1.0])
    unit = torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert iou(unit, near) == iou(unit, far) == 0
    assert generalised_iou(unit, near) > generalised_iou(unit, far) > -1
