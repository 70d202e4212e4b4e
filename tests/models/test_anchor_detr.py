"""DETR on a grid: queries begin at their places, positions agree, and a set of objects is learned faster than the original learns it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.models.test_detr import batch, targets

from goodfit.base.errors import InputError
from goodfit.models.anchor_detr import AnchorDETR
from goodfit.nn.pixel_positions import pixel_positions, point_positions
from goodfit.tasks.matching import set_loss

SMALL: dict[str, Any] = {"queries": 16, "width": 16, "heads": 2, "encoder_depth": 1, "decoder_depth": 1, "stride": 8, "dropout": 0.0}


def build(seed: int = 0, **changed: Any) -> AnchorDETR:
    torch.manual_seed(seed)
    return AnchorDETR(3, 4, **SMALL | changed)


def test_boxes_start_at_the_points_of_the_grid() -> None:
    network = build().eval()
    with torch.no_grad():
        network.box[-1].weight.zero_()  # type: ignore[union-attr, operator]
        out = network(**batch("plain", 1))[0]
    assert out.shape == (2, 16, 4 + 1 + 4)
    middles = torch.tensor([1, 3, 5, 7]) / 8
    grid = torch.stack([middles.repeat(4), middles.repeat_interleave(4)], 1)  # x and y, row by row
    for layer in out:
        torch.testing.assert_close(layer[:, 5:7], grid)
        assert ((layer[:, 7:] > 0.1) & (layer[:, 7:] < 0.3)).all()


def test_a_query_knows_what_is_at_its_point() -> None:
    """Before the decoder, what changes in one corner of the picture changes the answers near it most."""
    network = build(encoder_depth=0, stride=4).eval()
    image = batch("plain", 1)["image"]
    other = image.clone()
    other[:, :, :8, :8] += 3
    change = (network(image=image) - network(image=other))[0, 0].abs().sum(1).view(4, 4)
    assert change.argmax() == 0
    assert change[2:, 2:].max() == 0


def test_points_stand_where_pixels_do() -> None:
    mask = torch.ones(1, 3, 4, dtype=torch.bool)
    y, x = torch.meshgrid((torch.arange(3) + 0.5) / 3, (torch.arange(4) + 0.5) / 4, indexing="ij")
    for settings in ({}, {"base": 100.0, "turns": 4.0}):
        wanted = pixel_positions(mask, 16, **settings)[0]  # type: ignore[arg-type]
        found = point_positions(torch.stack([x.flatten(), y.flatten()], 1), (3, 4), 16, **settings)  # type: ignore[arg-type]
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_one_batch_is_learned_by_heart() -> None:
    network = build(width=32, heads=4).train()
    inputs, target = batch("plain"), targets(4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        loss = set_loss(network(**inputs), target).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.25 * losses[0]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(InputError, match=r"multiple of heads and of 4; got width=18 and heads=2"):
        build(width=18)
    with pytest.raises(InputError, match="stand on a grid, as 64 do on 8 x 8; 20 was given"):
        build(queries=20)
    with pytest.raises(InputError, match=r"anchor_detr expects \[B, 3, H, W\] and got \[2, 1, 32, 32\]"):
        build()(image=torch.zeros(2, 1, 32, 32))
