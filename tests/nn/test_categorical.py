"""Categories as vectors: zeros for the unknown, one place per level, one table for all columns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.categorical import CategoryEmbedding, OneHot
from goodfit.nn.columns import Columns


def test_one_hot_is_torchs_without_code_zero() -> None:
    sizes = [4, 2, 1, 7]
    codes = torch.stack([torch.randint(0, size, (50,), dtype=torch.int32) for size in sizes], 1)
    wanted = torch.cat([F.one_hot(codes[:, m].long(), size)[:, 1:] for m, size in enumerate(sizes)], 1)
    layer = OneHot(sizes)
    assert torch.equal(layer(codes), wanted.float())
    assert layer.width == 10
    assert layer.sections == [3, 1, 0, 6]
    assert layer.double()(codes).dtype == torch.float64


def test_codes_beyond_the_column_count_as_unknown() -> None:
    codes = torch.tensor([[0, 0], [9, 5], [3, 4]], dtype=torch.int32)
    assert OneHot([3, 4])(codes).count_nonzero() == 0
    layer = CategoryEmbedding([3, 4], 2)
    layer.table.weight.data.normal_()
    assert torch.equal(layer(codes)[0], layer(codes)[1])
    assert torch.equal(layer(codes)[0], layer(codes)[2])


def test_one_table_is_as_many_embeddings() -> None:
    layer = CategoryEmbedding([3, 4], 5)
    codes = torch.tensor([[2, 3], [1, 0]])
    rows = layer.table.weight
    wanted = torch.stack([torch.cat([rows[2], rows[3 + 3]]), torch.cat([rows[1], rows[3]])])
    assert torch.equal(layer(codes), wanted)


def test_the_unknown_starts_at_zero_and_can_learn() -> None:
    layer = CategoryEmbedding([3, 4], 5)
    out = layer(torch.zeros(1, 2, dtype=torch.int64))
    assert out.count_nonzero() == 0
    out.sum().backward()
    assert layer.table.weight.grad is not None
    assert layer.table.weight.grad[0].count_nonzero() == 5


def test_columns_put_numbers_first_then_small_then_large_categories() -> None:
    layer = Columns(2, [3, 200, 5], embedding="periodic", dim=4)
    assert layer.sections == [4, 4, 2, 4, 4]
    numbers, codes = torch.randn(6, 2), torch.randint(0, 3, (6, 3), dtype=torch.int32)
    out = layer(numbers, codes)
    assert out.shape == (6, layer.width)
    assert layer.embed is not None
    assert layer.table is not None
    assert torch.equal(out[:, :8], layer.embed(numbers))
    assert torch.equal(out[:, 8:14], OneHot([3, 5])(codes[:, [0, 2]]))
    assert torch.equal(out[:, 14:], layer.table(codes[:, [1]]))


def test_columns_of_one_kind() -> None:
    assert Columns(3)(torch.ones(2, 3)).shape == (2, 3)
    assert Columns(0, [4, 4])(None, torch.ones(2, 2, dtype=torch.int32)).shape == (2, 6)
    assert Columns(0, [400])(None, torch.ones(2, 1, dtype=torch.int32)).shape == (2, 16)


def test_columns_refuse_what_cannot_be() -> None:
    with pytest.raises(InputError, match="at least one number or category"):
        Columns(0, [])
    with pytest.raises(InputError, match=r"of 2 numbers needs as many tensors of bin edges; got 0"):
        Columns(2, embedding="piecewise")
    with pytest.raises(SettingError, match=r"embedding must be none, piecewise or periodic; 'fourier' was given"):
        Columns(2, embedding="fourier")
    with pytest.raises(InputError, match="built for numbers and the batch holds none"):
        Columns(2)(None)
    with pytest.raises(InputError, match="built for categories and the batch holds none"):
        Columns(2, [3])(torch.zeros(1, 2))
