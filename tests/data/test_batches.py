"""Batches: every row once, the order a pure function of seed and epoch, gathers equal to naive indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.base.errors import SettingError
from goodfit.base.protocols import Batches as Protocol
from goodfit.data.augment import Augment
from goodfit.data.batches import MULTIPLE, POOL, Batches
from goodfit.data.encoded import Encoded, Ragged

IMAGE = {"channels": 3, "height": 8, "width": 8, "mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.1]}


def ragged(lengths: list[int]) -> Ragged:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Ragged(torch.arange(1, int(offsets[-1]) + 1, dtype=torch.int32), offsets)


def encoded(n: int, *, text: bool = False, image: bool = False, weight: bool = False) -> Encoded:
    rng = torch.Generator().manual_seed(0)
    inputs: dict[str, Any] = {
        "numbers": torch.rand(n, 3, generator=rng),
        "categories": torch.randint(5, (n, 2), generator=rng, dtype=torch.int32),
    }
    if text:
        inputs["text"] = ragged(torch.randint(1, 60, (n,), generator=rng).tolist())
    if image:
        inputs["image"] = torch.randint(256, (n, 3, 8, 8), generator=rng, dtype=torch.uint8)
    return Encoded(inputs, torch.arange(n), torch.rand(n, generator=rng) if weight else None, n)


def made(data: Encoded, rows: Any = None, **options: Any) -> Batches:
    options = {"batch_size": 16, "seed": 0, "shuffle": True, "inputs": {"image": IMAGE, "text": {"max_tokens": 64}}} | options
    return Batches(data, torch.arange(data.rows) if rows is None else rows, **options)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=20), st.data(), st.integers(1, 14))
def test_ragged_gather_equals_the_naive_one(lengths: list[int], data: st.DataObject, length: int) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=9))
    values = ragged(lengths)
    expected = []
    for row in rows:
        kept = values.values[values.offsets[row] : values.offsets[row + 1]].tolist()[:length]
        expected.append(kept + [0] * (length - len(kept)))
    gathered = values.gather(torch.tensor(rows, dtype=torch.int64), length)
    assert gathered.tolist() == expected
    assert gathered.dtype == torch.int32


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 40), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 3))
def test_every_row_comes_exactly_once(n: int, batch_size: int, text: bool, shuffle: bool, drop_last: bool, epoch: int) -> None:
    data = encoded(n + 5, text=text)
    rows = torch.randperm(n + 5, generator=torch.Generator().manual_seed(n))[:n]
    batches = made(data, rows, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last)
    found = [batches.batch(epoch, position) for position in range(len(batches))]
    seen = torch.cat([batch.rows for batch in found])
    if drop_last and n >= batch_size:
        assert {len(batch) for batch in found} == {batch_size}
        assert len(found) == n // batch_size
        assert len(seen.unique()) == len(seen)
    else:
        assert seen.sort().values.tolist() == rows.sort().values.tolist()
        assert [len(batch) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
    assert torch.equal(batches.order(epoch)[: len(seen)], seen)


@pytest.mark.parametrize("text", [False, True])
def test_a_batch_holds_the_rows_that_it_names(text: bool) -> None:
    data = encoded(100, text=text, weight=True)
    batches = made(data, torch.arange(10, 100))
    assert isinstance(batches, Protocol)
    for position in range(len(batches)):
        batch = batches.batch(2, position)
        assert torch.equal(batch.target, batch.rows)  # the target of a row is its number
        assert torch.equal(batch.inputs["numbers"], data.inputs["numbers"][batch.rows])  # type: ignore[index]
        assert torch.equal(batch.inputs["categories"], data.inputs["categories"][batch.rows])  # type: ignore[index]
        assert batch.weight is not None
        assert torch.equal(batch.weight, data.weight[batch.rows])  # type: ignore[index]
        if text:
            whole = data.inputs["text"]
            assert isinstance(whole, Ragged)
            longest = int(whole.lengths[batch.rows].max())
            width = batch.inputs["text"].shape[1]
            assert width % MULTIPLE == 0
            assert 0 <= width - longest < MULTIPLE
            assert torch.equal(batch.inputs["text"], whole.gather(batch.rows, width))


@pytest.mark.parametrize("text", [False, True])
def test_the_order_is_a_pure_function_of_seed_and_epoch(text: bool) -> None:
    data = encoded(200, text=text)
    forward, backward = made(data), made(data)
    expected = {(epoch, p): forward.batch(epoch, p).rows for epoch in range(3) for p in range(len(forward))}
    for epoch, position in reversed(expected):  # random access, in another order, from another object
        assert torch.equal(backward.batch(epoch, position).rows, expected[epoch, position])
    assert not torch.equal(forward.order(0), forward.order(1))
    assert not torch.equal(forward.order(0), made(data, seed=1).order(0))


def test_evaluation_keeps_the_order_of_the_rows() -> None:
    rows = torch.tensor([7, 3, 9, 1])
    batches = made(encoded(10), rows, batch_size=3, shuffle=False)
    assert batches.order(0).tolist() == batches.order(5).tolist() == [7, 3, 9, 1]
    assert [batches.batch(e, p).rows.tolist() for e in (0, 4) for p in (0, 1)] == [[7, 3, 9], [1]] * 2


def test_evaluation_of_texts_goes_from_long_to_short() -> None:
    data = Encoded({"text": ragged([3, 9, 3, 20, 1])}, None, None, 5)
    batches = made(data, batch_size=2, shuffle=False)
    found = [batches.batch(0, p) for p in range(3)]
    assert [batch.rows.tolist() for batch in found] == [[3, 1], [0, 2], [4]]
    assert [batch.inputs["text"].shape[1] for batch in found] == [24, 8, 8]
    assert found[0].target.numel() == 0  # there is none


def test_texts_are_never_padded_beyond_what_the_network_takes() -> None:
    data = Encoded({"text": ragged([13] * 4)}, None, None, 4)
    assert made(data, inputs={"text": {"max_tokens": 13}}).batch(0, 0).inputs["text"].shape == (4, 13)


def test_sorting_by_length_saves_padding_and_still_mixes() -> None:
    n, size = POOL * 8 * 2 + 5, 8
    data = encoded(n, text=True)
    text = data.inputs["text"]
    assert isinstance(text, Ragged)
    batches = made(data, batch_size=size)
    found = [batches.batch(0, p) for p in range(len(batches))]
    padded = sum(batch.inputs["text"].numel() for batch in found)
    assert padded < 1.2 * int(text.lengths.sum())  # 1.9 when batches are drawn from all lengths
    widths = [batch.inputs["text"].shape[1] for batch in found]
    assert widths[:POOL] != sorted(widths[:POOL])  # batches of a pool come in any order
    assert widths[: 2 * POOL] != sorted(widths[:POOL]) + sorted(widths[POOL : 2 * POOL])
    assert len(found[-1]) == 5  # the short batch is the last
    again = [set(made(data, batch_size=size).batch(1, p).rows.tolist()) for p in range(len(batches))]
    assert sum(set(batch.rows.tolist()) in again for batch in found) < 3  # other company in another epoch


def test_rows_that_are_answered_in_as_many_steps_stand_together() -> None:
    rng = torch.Generator().manual_seed(0)
    n, size = 8 * POOL * 16, 16
    answers = torch.randint(1, 12, (n,), generator=rng)
    target = torch.where(torch.arange(12) < answers.unsqueeze(1), 5, -1)
    source = ragged((answers + torch.randint(0, 4, (n,), generator=rng)).tolist())
    batches = made(Encoded({"source": source}, target, None, n), batch_size=size, inputs={})
    found = [batches.batch(0, p) for p in range(len(batches))]
    assert sorted(torch.cat([batch.rows for batch in found]).tolist()) == list(range(n))
    steps = sum(size * int((batch.target != -1).sum(1).max()) for batch in found)
    assert steps < 1.1 * int(answers.sum())  # 1.8 when batches are drawn from all
    assert sum(batch.inputs["source"].numel() for batch in found) < 1.1 * int(source.lengths.sum())


def test_which_rows_are_dropped_does_not_depend_on_their_length() -> None:
    lengths = [1] * 30 + [50]
    batches = made(Encoded({"text": ragged(lengths)}, None, None, 31), batch_size=10, drop_last=True)
    kept = [any(30 in batches.batch(epoch, p).rows for p in range(3)) for epoch in range(20)]
    assert any(kept)


def test_images_are_normalised_by_the_training_statistics() -> None:
    data = encoded(20, image=True)
    batch = made(data, shuffle=False).batch(0, 0)
    mean, std = torch.tensor(IMAGE["mean"]).view(3, 1, 1), torch.tensor(IMAGE["std"]).view(3, 1, 1)
    torch.testing.assert_close(batch.inputs["image"], (data.inputs["image"][:16].float() / 255 - mean) / std)  # type: ignore[index]
    with pytest.raises(ValueError, match=r"inputs=encoder\.inputs"):
        made(data, inputs=None)


def test_augmentation_is_a_pure_function_of_seed_epoch_and_position() -> None:
    data = encoded(64, image=True)
    augment = Augment(shift=2, flip=True, cutout=3)
    batches = made(data, augment=augment)
    first = batches.batch(1, 2).inputs["image"]
    batches.batch(0, 0)
    torch.rand(7)  # torch's own stream plays no part
    assert torch.equal(first, made(data, augment=augment).batch(1, 2).inputs["image"])
    assert not torch.equal(first, made(data).batch(1, 2).inputs["image"])
    assert first.dtype == torch.float32


def test_memory_mapped_rows_give_the_same_batches(tmp_path: Any) -> None:
    data = encoded(50)
    mapped = np.memmap(tmp_path / "numbers.f32", np.float32, "w+", shape=(50, 3))
    mapped[:] = data.inputs["numbers"].numpy()  # type: ignore[union-attr]
    other = Encoded({**data.inputs, "numbers": torch.from_numpy(mapped)}, data.target, None, 50)
    for position in range(4):
        assert torch.equal(made(other).batch(0, position).inputs["numbers"], made(data).batch(0, position).inputs["numbers"])


def test_a_batch_may_be_changed_without_changing_the_data() -> None:
    data = encoded(16)
    for shuffle in (True, False):
        made(data, shuffle=shuffle).batch(0, 0).inputs["numbers"].zero_()
        assert (data.inputs["numbers"] != 0).any()  # type: ignore[union-attr]


def test_sizes() -> None:
    assert len(made(encoded(33))) == 3
    assert len(made(encoded(33), drop_last=True)) == 2
    assert len(made(encoded(3), drop_last=True)) == 1  # the only batch is kept, however short
    assert len(made(encoded(3), rows=torch.tensor([], dtype=torch.int64))) == 0
    with pytest.raises(SettingError, match="at least 1"):
        made(encoded(3), batch_size=0)


def test_data_on_another_device_are_copied_once() -> None:
    data = encoded(10, text=True)
    meta = torch.device("meta")
    assert data.on(meta) is data.on(meta)
    assert data.on(torch.device("cpu")) is data
    text = data.inputs["text"]
    assert isinstance(text, Ragged)
    flat = [data.inputs["numbers"], data.inputs["categories"], data.target, text.values, text.offsets]
    assert data.nbytes() == sum(tensor.nbytes for tensor in flat)  # type: ignore[union-attr]
