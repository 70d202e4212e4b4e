"""Scores of boxes: weights are repetitions, intervals hold the value, baselines and mistakes are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.evaluation.detected import _lost, detected_scores
from goodfit.tasks.detection import Detection, found_in, true_in
from goodfit.tasks.detection_metrics import THRESHOLDS, average_precision, judged, mean_average_precision, precision


def drawn(n: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Predictions and targets of n pictures: some boxes near true ones, some anywhere; the last picture has none."""
    generator = np.random.default_rng(seed)
    target = np.full((n, 3, 5), -1.0, np.float32)
    box = generator.random((n, 5, 2, 2)) * 0.4
    found = np.concatenate([box[:, :, 0], box[:, :, 0] + 0.1 + box[:, :, 1]], 2)
    kind = generator.integers(0, 2, (n, 5))
    for row in range(n - 1):
        for place in range(generator.integers(1, 4)):
            corner = found[row, place] + generator.normal(0, 0.02, 4)
            target[row, place] = [kind[row, place], *(corner[:2] + corner[2:]) / 2, *np.abs(corner[2:] - corner[:2])]
    return {"box": found, "class": kind, "score": generator.integers(1, 99, (n, 5)) / 100}, target


def test_scores_are_cocos_with_intervals_around_them() -> None:
    prediction, target = drawn(40)
    wanted = mean_average_precision(found_in(prediction), true_in(target))
    found = detected_scores(prediction, target, 2, 0, 100)
    assert Detection(2).metrics(prediction, target) == wanted
    for name, value in wanted.items():
        assert found[name]["value"] == pytest.approx(value)
        low, high = found[name]["low"], found[name]["high"]
        assert low is not None
        assert high is not None
        assert low <= value <= high
        assert 0.01 < high - low < 0.6
    assert detected_scores(prediction, np.full_like(target, -1), 2, 0, 100) == {}


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_a_weight_is_a_repetition(weight: list[int], seed: int) -> None:
    prediction, target = drawn(6, seed)
    # Repetitions tie with themselves, and no two pictures with each other.
    prediction["score"] = (np.random.default_rng(seed).permutation(30).reshape(6, 5) + 1) / 31
    rows = np.repeat(np.arange(6), weight)
    for kind in range(2):
        one = judged(found_in(prediction), true_in(target), kind, THRESHOLDS)
        again = {name: values[rows] for name, values in prediction.items()}
        wanted = average_precision(found_in(again), true_in(target[rows]), kind, THRESHOLDS)
        found = precision(one, np.array(weight, dtype=float))
        assert np.allclose(wanted, found, atol=1e-12, equal_nan=True)
    same = precision(judged(found_in(prediction), true_in(target), 0, THRESHOLDS), np.ones(6))
    assert np.allclose(same, average_precision(found_in(prediction), true_in(target), 0, THRESHOLDS), equal_nan=True)


def test_what_was_missed_and_what_is_none() -> None:
    target = np.full((1, 3, 5), -1.0, np.float32)
    target[0, 0] = [0, 0.25, 0.25, 0.2, 0.2]
    target[0, 1] = [1, 0.75, 0.75, 0.2, 0.2]
    boxes = np.array([[[0.15, 0.15, 0.35, 0.35], [0.15, 0.15, 0.35, 0.35], [0.65, 0.65, 0.85, 0.85], [0.0, 0.0, 0.1, 0.1]]])
    prediction = {"box": boxes, "class": np.array([[0, 0, 0, 1]]), "score": np.array([[0.9, 0.8, 0.7, 0.2]])}
    assert _lost(prediction, target, 0) == (1, 2), "the second is missed; one box is twice, one of the wrong class"


def test_a_finder_that_knows_everything_is_perfect() -> None:
    _, target = drawn(10)
    boxes, kinds = zip(*true_in(target), strict=True)
    box, kind, score = np.zeros((10, 3, 4)), np.zeros((10, 3), np.int64), np.zeros((10, 3))
    for row, (own, classes) in enumerate(zip(boxes, kinds, strict=True)):
        box[row, : len(own)], kind[row, : len(own)], score[row, : len(own)] = own, classes, 0.9
    found = detected_scores({"box": box, "class": kind, "score": score}, target, 2, 0, 20)
    assert found["map"]["value"] == pytest.approx(1.0)
