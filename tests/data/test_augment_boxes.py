"""Pictures that change take their boxes along."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from goodfit.base.boxes import corners
from goodfit.data.augment_boxes import BoxAugment

S = 64


def scene(n: int = 24) -> tuple[Tensor, Tensor]:
    """A white box on black, and where it is."""
    generator = torch.Generator().manual_seed(0)
    images, target = torch.zeros(n, 1, S, S), torch.full((n, 2, 5), -1.0)
    for i in range(n):
        width, height = (int(torch.randint(8, 24, (1,), generator=generator)) for _ in range(2))
        x, y = (int(torch.randint(0, S - side + 1, (1,), generator=generator)) for side in (width, height))
        images[i, 0, y : y + height, x : x + width] = 1.0
        target[i, 0] = torch.tensor([3.0, (x + width / 2) / S, (y + height / 2) / S, width / S, height / S])
    return images, target


@pytest.mark.parametrize(
    "augment", [BoxAugment(light=0.0), BoxAugment(light=0.0, flip=True), BoxAugment(shift=0.0, scale=0.0, light=0.0, flip=True)]
)
def test_the_box_goes_where_the_object_goes(augment: BoxAugment) -> None:
    images, target = scene()
    before = target.clone()
    changed, moved = augment.changed(images, target, torch.arange(len(images)), 0, 3, 1)
    assert torch.equal(target, before), "the data are not changed"
    assert changed.shape == images.shape
    assert not torch.equal(moved, target)
    kept = 0
    for picture, own in zip(changed[:, 0], moved, strict=True):
        assert own[1, 0] == -1
        if own[0, 0] < 0:
            continue
        kept += 1
        rows, columns = (picture > 0.5).any(1).nonzero(), (picture > 0.5).any(0).nonzero()
        box = S * corners(own[0, 1:])
        seen = torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=torch.float32)
        assert (box - seen).abs().max() < 1.6, "within the pixel that bilinear reading blurs"
    assert kept > 12


def test_objects_that_leave_are_gone() -> None:
    images, target = scene(200)
    _, moved = BoxAugment(shift=0.9, scale=0.0, light=0.0).changed(images, target, torch.arange(200), 0, 0, 0)
    gone = moved[:, 0, 0] < 0
    assert 20 < int(gone.sum()) < 180
    box = corners(moved[~gone, 0, 1:])
    assert ((box >= 0) & (box <= 1)).all()
    assert (box[:, 2:] > box[:, :2]).all()


def test_a_change_is_a_function_of_seed_epoch_and_position() -> None:
    images, target = scene()
    rows, augment = torch.arange(len(images)), BoxAugment(flip=True)
    one, other, third = (augment.changed(images, target, rows, *key) for key in ((1, 2, 3), (1, 2, 3), (1, 2, 4)))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[0], third[0])


def test_what_is_another_thing_in_a_mirror_is_not_mirrored() -> None:
    assert not BoxAugment.chosen(["car", "7"]).flip
    assert not BoxAugment.chosen(["Left shoe", "hat"]).flip
    assert BoxAugment.chosen(["car", "person"]).flip
