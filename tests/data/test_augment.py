"""Augmentation: against transforms of single images."""

from __future__ import annotations

import pytest
import torch

from goodfit.data.augment import Augment, Draws

B, C, H, W = 6, 3, 9, 9


def images() -> torch.Tensor:
    return torch.rand(B, C, H, W, generator=torch.Generator().manual_seed(0))


def draws(augment: Augment, epoch: int = 0, position: int = 0, seed: int = 0, rows: int = B) -> Draws:
    return augment.draw(torch.arange(rows), seed, epoch, position)


def naive_shift(image: torch.Tensor, down: int, right: int, flip: bool) -> torch.Tensor:
    def source(position: int, size: int) -> int:
        position = abs(position)
        return position if position < size else 2 * (size - 1) - position

    if flip:
        right_of = [source(x + right, image.shape[2]) for x in range(image.shape[2])]
        columns = [image.shape[2] - 1 - x for x in right_of]
    else:
        columns = [source(x + right, image.shape[2]) for x in range(image.shape[2])]
    rows = [source(y + down, image.shape[1]) for y in range(image.shape[1])]
    return image[:, rows][:, :, columns]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shift_and_flip_equal_the_naive_way(dtype: torch.dtype) -> None:
    augment = Augment(shift=2, flip=True)
    pixels = (images() * 255).to(dtype)
    drawn = draws(augment)
    assert drawn.flip is not None
    moved = augment.on_pixels(pixels, drawn)
    for i in range(B):
        down, right = (int(drawn.uniform[k, i] * 5) - 2 for k in (0, 1))
        assert torch.equal(moved[i], naive_shift(pixels[i], down, right, bool(drawn.flip[i])))
    assert torch.equal(augment.on_values(pixels, drawn), pixels)  # nothing is left to do


def test_shifts_take_every_value_up_to_the_limit_alike() -> None:
    drawn = draws(Augment(shift=2), rows=20_000)
    counts = ((drawn.uniform[0] * 5).long() - 2).unique(return_counts=True)
    assert counts[0].tolist() == [-2, -1, 0, 1, 2]
    assert counts[1].min() > 3_800


def test_flips_alternate_between_epochs_and_are_fair() -> None:
    augment = Augment(flip=True)
    even, odd = draws(augment, epoch=0, rows=10_000).flip, draws(augment, epoch=1, rows=10_000).flip
    assert even is not None
    assert odd is not None
    assert torch.equal(even, ~odd)
    assert torch.equal(even, draws(augment, epoch=2, position=5, rows=10_000).flip)  # of the row, wherever it comes
    assert 4_800 < int(even.sum()) < 5_200
    runs = even[1:] == even[:-1]
    assert 4_800 < int(runs.sum()) < 5_200  # neighbours are independent
    other = draws(augment, seed=1, rows=10_000).flip
    assert other is not None
    assert 4_800 < int((other == even).sum()) < 5_200


def test_draws_are_a_function_of_seed_epoch_and_position() -> None:
    augment = Augment(shift=1)
    base = draws(augment).uniform
    assert torch.equal(base, draws(augment).uniform)
    for other in (draws(augment, epoch=1), draws(augment, position=1), draws(augment, seed=1)):
        assert not torch.equal(base, other.uniform)


def test_a_turn_by_nothing_changes_nothing() -> None:
    augment = Augment(rotate=1e-9)
    torch.testing.assert_close(augment.on_values(images(), draws(augment)), images(), atol=1e-5, rtol=0)


def test_a_quarter_turn_equals_rot90() -> None:
    augment = Augment(rotate=90.0)
    uniform = torch.full((6, B), 0.5)
    uniform[2] = 1.0  # the limit itself
    torch.testing.assert_close(augment.on_values(images(), Draws(uniform, None)), images().rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_turned_images_are_flipped_and_shifted_too() -> None:
    augment = Augment(shift=2, flip=True, rotate=1e-9)
    uniform = torch.full((6, B), 0.5)
    uniform[1] = 1.0  # two pixels to the right, exactly
    flip = torch.tensor([True, False] * (B // 2))
    drawn = Draws(uniform, flip)
    moved = augment.on_values(images(), drawn)
    torch.testing.assert_close(moved[1, :, :, :-2], images()[1, :, :, 2:], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[0, :, :, 2:], images()[0].flip(2)[:, :, :-2], atol=1e-4, rtol=0)
    assert torch.equal(augment.on_pixels(images(), drawn), images())


def test_scale_enlarges_about_the_middle() -> None:
    augment = Augment(scale=0.5)
    uniform = torch.full((6, 1), 0.5)
    uniform[3] = 1.0  # one and a half times
    ramp = (torch.arange(9.0) - 4).expand(1, 1, 9, 9)
    torch.testing.assert_close(augment.on_values(ramp, Draws(uniform, None)), ramp / 1.5, atol=1e-5, rtol=0)


def test_cutout_sets_one_square_to_the_mean() -> None:
    augment = Augment(cutout=3)
    cut = augment.on_values(images() + 1, draws(augment))
    for i in range(B):
        hole = (cut[i] == 0).all(dim=0)
        assert 4 <= int(hole.sum()) <= 9  # less at the border
        y, x = hole.nonzero(as_tuple=True)
        assert hole[y.min() : y.max() + 1, x.min() : x.max() + 1].all()
        assert torch.equal(cut[i][:, ~hole], (images() + 1)[i][:, ~hole])


def test_symbols_are_never_mirrored() -> None:
    digits = Augment.chosen({"channels": 1, "height": 28, "width": 28})
    assert (digits.flip, digits.shift, digits.rotate) == (False, 2, 10.0)
    photographs = Augment.chosen({"channels": 3, "height": 32, "width": 32})
    assert (photographs.flip, photographs.shift, photographs.cutout) == (True, 4, 8)
    assert Augment.chosen({"channels": 1, "height": 64, "width": 64}).flip
