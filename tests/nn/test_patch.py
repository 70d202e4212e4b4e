"""Patches against cutting by hand, positions of a grid against their formulas, and what a rotation promises."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from goodfit.base.errors import InputError
from goodfit.nn.patch import ConvPatches, Patches, RotaryGrid, SineGrid, grid


def test_patches_are_a_linear_map_of_each_square_row_by_row() -> None:
    layer = Patches((3, 8, 12), 5, 4).double()
    image = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    out = layer(image)
    assert out.shape == (2, 6, 5)
    for row in range(2):
        for column in range(3):
            square = image[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten(1)
            wanted = square @ layer.project.weight.flatten(1).T + layer.project.bias
            torch.testing.assert_close(out[:, 3 * row + column], wanted)


def test_a_side_that_is_no_multiple_is_filled_with_zeros() -> None:
    layer = Patches((1, 5, 7), 3, 4)
    image = torch.randn(2, 1, 5, 7)
    assert (layer.rows, layer.columns) == grid((1, 5, 7), 4) == (2, 2)
    whole = Patches((1, 8, 8), 3, 4)
    whole.load_state_dict(layer.state_dict())
    framed = torch.zeros(2, 1, 8, 8)
    framed[:, :, :5, :7] = image
    torch.testing.assert_close(layer(image), whole(framed))


@pytest.mark.parametrize(("image", "patch"), [((1, 28, 28), 4), ((3, 13, 30), 8), ((3, 5, 5), 2), ((1, 1, 3), 2)])
def test_a_stem_of_convolutions_gives_as_many_tokens_as_patches(image: tuple[int, int, int], patch: int) -> None:
    layer = ConvPatches(image, 12, patch)
    out = layer(torch.randn(2, *image))
    assert out.shape == (2, layer.rows * layer.columns, 12) == Patches(image, 12, patch)(torch.randn(2, *image)).shape


def test_a_stem_of_convolutions_by_hand() -> None:
    layer = ConvPatches((2, 9, 8), 6, 4).double()
    image = torch.randn(3, 2, 9, 8, dtype=torch.float64)
    first, second = (module for module in layer.layers if isinstance(module, torch.nn.Conv2d))
    assert (first.out_channels, second.out_channels) == (3, 6)
    x = F.max_pool2d(F.conv2d(image, first.weight, padding=1).relu(), 3, 2, 1)
    x = F.max_pool2d(F.conv2d(x, second.weight, padding=1).relu(), 3, 2, 1)
    tokens = torch.stack([x[:, :, row, column] for row in range(3) for column in range(2)], 1)
    torch.testing.assert_close(layer(image), tokens)


def test_sines_of_row_and_column() -> None:
    rows, columns, width = 3, 4, 8
    out = SineGrid(rows, columns, width, lead=1)(torch.zeros(1, 13, width, dtype=torch.float64))[0]
    assert out[0].count_nonzero() == 0  # a class token stands nowhere
    for row in range(rows):
        for column in range(columns):
            token = out[1 + row * columns + column].tolist()
            rates = [1.0, 10_000 ** (-2 / 4)]
            turns = [row * rate for rate in rates] + [column * rate for rate in rates]
            assert token == pytest.approx([math.sin(t) for t in turns] + [math.cos(t) for t in turns])


def test_rotation_by_row_and_column_is_multiplication_by_complex_numbers() -> None:
    rows, columns, E = 3, 4, 8
    x = torch.randn(2, 3, 1 + rows * columns, E, dtype=torch.float64)
    out = RotaryGrid(rows, columns, E, lead=1)(x)
    assert torch.equal(out[:, :, 0], x[:, :, 0])
    rates = torch.tensor([1.0, 100 ** (-2 / 4)], dtype=torch.float64)
    for row in range(rows):
        for column in range(columns):
            token = x[:, :, 1 + row * columns + column]
            z = torch.complex(token[..., : E // 2], token[..., E // 2 :]) * torch.exp(1j * torch.cat([row * rates, column * rates]))
            torch.testing.assert_close(out[:, :, 1 + row * columns + column], torch.cat([z.real, z.imag], -1))


def test_rotated_products_depend_on_the_distances_alone() -> None:
    rows, columns = 4, 5
    layer = RotaryGrid(rows, columns, 8)
    q, k = torch.randn(8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    T = rows * columns
    scores = (layer(q.expand(1, 1, T, 8)) @ layer(k.expand(1, 1, T, 8)).transpose(-1, -2))[0, 0].view(rows, columns, rows, columns)
    for down, right in ((0, 0), (1, 0), (0, 2), (2, 3)):
        same = [scores[row, column, row + down, column + right] for row in range(rows - down) for column in range(columns - right)]
        torch.testing.assert_close(torch.stack(same), same[0].expand(len(same)))
    assert not torch.isclose(scores[0, 0, 0, 1], scores[0, 0, 1, 0])  # a column is not a row


WRONG = [
    (lambda: Patches((3, 8, 8), 4, 0), r"at least one pixel, in images of at least one; got 0 in 8 x 8"),
    (lambda: ConvPatches((3, 8, 8), 4, 6), r"the patch must be 2, 4, 8 or another power of two; got 6"),
    (lambda: ConvPatches((3, 8, 8), 4, 1), r"another power of two; got 1"),
    (lambda: SineGrid(2, 2, 6), r"the width must be a multiple of 4; got 6"),
    (lambda: RotaryGrid(2, 2, 6), r"a head must have a multiple of 4; got 6"),
    (lambda: Patches((3, 8, 8), 4, 2)(torch.zeros(2, 1, 8, 8)), r"patches expects \[B, 3, 8, 8\] and got \[2, 1, 8, 8\]"),
    (lambda: ConvPatches((3, 8, 8), 4, 2)(torch.zeros(2, 3, 8, 9)), r"convolutional patches expects \[B, 3, 8, 8\] and got \[2, 3, 8, 9\]"),
    (lambda: SineGrid(2, 2, 4)(torch.zeros(2, 5, 4)), r"sine positions of a grid expects \[B, 4, 4\] and got \[2, 5, 4\]"),
    (lambda: RotaryGrid(2, 2, 4)(torch.zeros(2, 1, 4, 4), torch.zeros(2)), r"turn all its tokens at once; leave out start"),
    (lambda: RotaryGrid(2, 2, 4)(torch.zeros(2, 1, 3, 4)), r"rotary positions of a grid expects \[B, A, 4, 4\] and got \[2, 1, 3, 4\]"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_sizes_are_named(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]
