"""Matching and average precision against transcriptions, on cases small enough to see through."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.boxes import corners, iou
from goodfit.base.errors import InputError
from goodfit.tasks.detection_metrics import THRESHOLDS, average_precision, mean_average_precision, overlaps
from goodfit.tasks.matching import found_objects, match, set_loss

Images = list[tuple[list[tuple[list[float], int, float]], list[tuple[list[float], int]]]]


def naive_overlap(a: list[float], b: list[float]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def naive_average_precision(images: Images, kind: int, threshold: float) -> float:
    """As COCO's evaluation does it: image by image, box by box, then level by level of recall."""
    judged, count = [], 0
    for found, true in images:
        theirs = [box for box, other in true if other == kind]
        count += len(theirs)
        taken: set[int] = set()
        own = sorted((one for one in found if one[1] == kind), key=lambda one: -one[2])[:100]
        for box, _, score in own:
            best, place = threshold, -1
            for index, other in enumerate(theirs):
                if index not in taken and naive_overlap(box, other) >= best:
                    best, place = naive_overlap(box, other), index
            if place >= 0:
                taken.add(place)
            judged.append((score, place >= 0))
    if not count:
        return math.nan
    judged.sort(key=lambda pair: -pair[0])
    curve, right = [], 0
    for seen, (_, hit) in enumerate(judged, 1):
        right += hit
        curve.append((right / count, right / seen))
    levels = np.linspace(0, 1, 101)
    return sum(max((precision for recall, precision in curve if recall >= level), default=0.0) for level in levels) / 101


def arrays(images: Images) -> tuple[list, list]:
    found = [
        (np.array([one[0] for one in f]).reshape(-1, 4), np.array([one[1] for one in f]), np.array([one[2] for one in f]))
        for f, _ in images
    ]
    true = [(np.array([one[0] for one in t]).reshape(-1, 4), np.array([one[1] for one in t])) for _, t in images]
    return found, true


corner = st.integers(0, 6)
box = st.tuples(corner, corner, st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
kind = st.integers(0, 2)
image = st.tuples(
    st.lists(st.tuples(box, kind, st.integers(1, 12).map(lambda n: n / 16)), max_size=7), st.lists(st.tuples(box, kind), max_size=5)
)


@given(st.lists(image, max_size=4))
@settings(max_examples=200, deadline=None)
def test_average_precision_is_the_transcriptions(images: Images) -> None:
    found, true = arrays(images)
    every = []
    for number in sorted({other for _, t in images for _, other in t}):
        wanted = [naive_average_precision(images, number, threshold) for threshold in THRESHOLDS]
        assert average_precision(found, true, number, THRESHOLDS) == pytest.approx(wanted, abs=1e-12)
        every.append(wanted)
    result = mean_average_precision(found, true)
    if every:
        assert result["map"] == pytest.approx(np.mean(every))
        assert result["map_50"] == pytest.approx(np.mean(every, axis=0)[0])
        assert result["map_75"] == pytest.approx(np.mean(every, axis=0)[5])
    else:
        assert all(math.isnan(value) for value in result.values())


def test_average_precision_by_hand() -> None:
    """Two true boxes. Surest first: right, wrong, right. Precision 1 up to recall 1/2, 2/3 beyond."""
    true = [(np.array([[0, 0, 10, 10], [20, 20, 30, 30]]), np.array([1, 1]))]
    found = [(np.array([[0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 28]]), np.array([1, 1, 1]), np.array([0.9, 0.8, 0.7]))]
    value = average_precision(found, true, 1, np.array([0.5, 0.75, 0.85]))
    assert value[:2].tolist() == [pytest.approx((51 + 50 * 2 / 3) / 101)] * 2
    assert value[2] == pytest.approx(51 / 101)  # the third overlaps by 0.8
    assert math.isnan(average_precision(found, true, 0, np.array([0.5]))[0])
    assert mean_average_precision(found, true)["map_50"] == value[0]


def test_a_true_box_is_found_once_and_the_surest_finds_it() -> None:
    true = [(np.array([[0, 0, 10, 10]]), np.array([0]))]
    twice = [(np.array([[0, 0, 10, 10], [0, 0, 10, 10]]), np.array([0, 0]), np.array([0.4, 0.6]))]
    assert average_precision(twice, true, 0, np.array([0.5]))[0] == 1
    wrong_first = [(np.array([[0, 0, 10, 10], [90, 0, 99, 9]]), np.array([0, 0]), np.array([0.4, 0.6]))]
    assert average_precision(wrong_first, true, 0, np.array([0.5]))[0] == pytest.approx(0.5)


def test_more_than_a_hundred_boxes_of_an_image_do_not_count() -> None:
    true = [(np.array([[0.0, 0, 1, 1]]), np.array([0]))]
    boxes = np.tile([[5.0, 5, 6, 6]], (101, 1))
    boxes[-1] = [0, 0, 1, 1]
    for scores, wanted in ((np.linspace(1, 0.5, 101), 0.0), (np.linspace(0.5, 1, 101), 1.0)):
        assert average_precision([(boxes, np.zeros(101, dtype=int), scores)], true, 0, np.array([0.5]))[0] == wanted


def test_overlaps_are_those_of_the_loss() -> None:
    generator = np.random.default_rng(0)
    a, b = (np.sort(generator.random((5, 2, 2)), axis=1).reshape(5, 4) for _ in range(2))
    np.testing.assert_allclose(overlaps(a, b), iou(torch.from_numpy(a)[:, None], torch.from_numpy(b)).numpy())
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def test_numbers_of_images_must_agree() -> None:
    with pytest.raises(InputError, match="each image needs what was found and what is true; got 1 and 0 images"):
        mean_average_precision([(np.zeros((0, 4)), np.zeros(0), np.zeros(0))], [])


def test_a_cost_that_is_no_number_is_taken_last() -> None:
    rows, columns = match(np.array([[np.nan, 5.0], [np.inf, 1.0], [100.0, -np.inf]]))
    assert dict(zip(columns.tolist(), rows.tolist(), strict=True)) == {0: 2, 1: 1}
    rows, columns = match(np.full((2, 2), np.nan))
    assert sorted(rows.tolist()) == sorted(columns.tolist()) == [0, 1]


def perfect() -> tuple[torch.Tensor, torch.Tensor]:
    """One layer, three queries, two classes; the second and third query say exactly what is there."""
    target = torch.tensor([[[1.0, 0.5, 0.5, 0.2, 0.4], [-1.0, 0, 0, 0, 0], [0.0, 0.3, 0.3, 0.2, 0.2]]])
    output = torch.zeros(1, 1, 3, 7)
    output[0, 0, 0, 2] = output[0, 0, 1, 0] = output[0, 0, 2, 1] = 30.0
    output[0, 0, 1, 3:], output[0, 0, 2, 3:] = target[0, 2, 1:], target[0, 0, 1:]
    return output, target


def test_a_perfect_answer_has_no_loss_and_each_error_its_own() -> None:
    output, target = perfect()
    assert set_loss(output, target).tolist() == [pytest.approx(0, abs=1e-6)]
    moved = output.clone()
    moved[0, 0, 1, 3] += 0.1  # centre of one of two objects, 0.2 wide: 1 / 3 overlaps
    assert set_loss(moved, target).item() == pytest.approx((5 * 0.1 + 2 * (1 - 1 / 3)) / 2, rel=1e-4)
    unsure = output.clone()
    unsure[0, 0, 0] = 0  # the free query is undecided between three
    assert set_loss(unsure, target).item() == pytest.approx(0.1 * math.log(3) / 2.1, rel=1e-4)


def test_the_order_of_queries_and_objects_says_nothing() -> None:
    torch.manual_seed(0)
    output = torch.cat([torch.randn(2, 2, 5, 4), torch.rand(2, 2, 5, 4)], 3).double()
    target = torch.cat([torch.tensor([0.0, 2.0, -1.0]).expand(2, 3).unsqueeze(2), torch.rand(2, 3, 4)], 2).double()
    loss = set_loss(output, target)
    torch.testing.assert_close(set_loss(output[:, :, [3, 1, 4, 0, 2]], target[:, [2, 0, 1]]), loss)
    torch.testing.assert_close(set_loss(output, torch.cat([target, torch.full((2, 2, 5), -1.0)], 1)), loss)


def test_images_without_objects_and_no_images() -> None:
    output = torch.randn(2, 1, 4, 8, requires_grad=True)
    loss = set_loss(output, torch.full((2, 3, 5), -1.0))
    torch.testing.assert_close(loss.mean(), torch.nn.functional.cross_entropy(output[..., :4].flatten(0, 2), torch.full((8,), 3)))
    torch.testing.assert_close(set_loss(output, torch.zeros(2, 0, 5)), loss)
    loss.sum().backward()
    assert set_loss(torch.zeros(0, 1, 4, 8), torch.zeros(0, 3, 5)).shape == (0,)


def test_what_is_found_is_read_from_the_last_layer() -> None:
    output, _ = perfect()
    found = found_objects(torch.cat([torch.full_like(output, 9.0), output], 1))
    assert found["class"][0, 1:].tolist() == [0, 1]
    assert found["score"][0].tolist() == [pytest.approx(0, abs=1e-6), pytest.approx(1), pytest.approx(1)]
    torch.testing.assert_close(found["box"], corners(output[:, 0, :, 3:]))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"a target \[B, M, 5\] and got \[2, 1, 3, 8\] and \[2, 4\]"):
        set_loss(torch.zeros(2, 1, 3, 8), torch.zeros(2, 4))
    with pytest.raises(InputError, match=r"a set of objects expects \[B, L, Q, K \+ 1 \+ 4\] and got \[2, 5\]"):
        set_loss(torch.zeros(2, 5), torch.zeros(2, 3, 5))
