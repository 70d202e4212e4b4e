"""DETR keeps the promises of the catalogue's networks, and learns a set of objects."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models.detr import DETR, Backbone
from goodfit.nn.pixel_positions import pixel_positions
from goodfit.tasks.matching import found_objects, match, matching_cost, set_loss

SMALL: dict[str, Any] = {
    "queries": 5, "width": 16, "heads": 2, "encoder_depth": 1, "decoder_depth": 2, "hidden": 24, "stride": 8, "backbone_width": 4, "dropout": 0.1
}  # fmt: skip
CASES = ["plain", "padded"]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def build(seed: int = 0, **changed: Any) -> DETR:
    torch.manual_seed(seed)
    return DETR(3, 4, **SMALL | changed)


def batch(case: str, rows: int = 4, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = {"image": torch.randn(rows, 3, 32, 40, generator=generator)}
    if case == "padded":
        high = 9 + torch.arange(rows) * 5 % 24
        inputs["mask"] = (torch.arange(32)[None, :, None] < high[:, None, None]) & (
            torch.arange(40)[None, None] < (high + 8)[:, None, None]
        )
        inputs["image"] = inputs["image"] * inputs["mask"].unsqueeze(1)
    return inputs


def targets(rows: int) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    target = torch.full((rows, 3, 5), -1.0)
    for row in range(rows):
        count = row % 4
        target[row, :count, 0] = torch.randint(0, 4, (count,), generator=generator).float()
        target[row, :count, 1:] = 0.2 + 0.6 * torch.rand(count, 4, generator=generator)
    return target


def trained(case: str) -> DETR:
    network = build()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    network.train()
    for seed in range(3):
        network(**batch(case, 8, seed))
    return network.eval()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_shape_and_range(case: str, rows: int) -> None:
    out = trained(case)(**batch(case, rows))
    assert out.shape == (rows, 2, 5, 4 + 1 + 4)
    assert out.isfinite().all()
    assert ((out[..., -4:] >= 0) & (out[..., -4:] <= 1)).all()


def test_gradients_reach_every_parameter(case: str) -> None:
    network = build(dropout=0.0).train()
    for seed in range(3):
        network(**batch(case, 8, seed)).sin().sum().backward()
    # Before the first layer every query is 0: what they tell each other there is one and the same vector, whatever they ask.
    idle = {f"decoder.0.among.{name}" for name in ("query.weight", "query.bias", "key.weight", "key.bias", "value.weight")}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if name in idle:
            assert parameter.grad.abs().max() < 1e-3, name
        else:
            assert parameter.grad.count_nonzero() > 0, name


def test_a_rows_output_depends_on_that_row_alone(case: str) -> None:
    network = trained(case).double()
    inputs = {name: t.double() if t.is_floating_point() else t for name, t in batch(case).items()}
    whole = network(**inputs)
    for row in range(4):
        torch.testing.assert_close(network(**{name: t[row : row + 1] for name, t in inputs.items()})[0], whole[row])


def test_padding_is_not_seen_by_the_transformer() -> None:
    """With a backbone that mixes no pixels, what stands in the padding changes nothing."""
    network = build(backbone=nn.Conv2d(3, 6, 4, stride=4), backbone_channels=6).double().eval()
    inputs = batch("padded")
    image, mask = inputs["image"].double(), inputs["mask"]
    mask = mask.view(4, 8, 4, 10, 4)[:, :, :1, :, :1].expand(4, 8, 4, 10, 4).reshape(4, 32, 40)  # whole places of the feature map
    other = torch.where(mask.unsqueeze(1), image, 3.0)
    torch.testing.assert_close(network(image=image, mask=mask), network(image=other, mask=mask))
    assert not torch.equal(network(image=image), network(image=other))
    cut = network(image=image[:1, :, :12, :20], mask=mask[:1, :12, :20])
    torch.testing.assert_close(cut, network(image=image[:1], mask=mask[:1]))


def test_training_differs_from_evaluation_only_by_dropout_and_batch_norm(case: str) -> None:
    network, inputs = trained(case), batch(case)
    quiet = network(**inputs)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert not torch.equal(network(**inputs), quiet)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    torch.testing.assert_close(network(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = trained(case), batch(case)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    assert torch.equal(network(**inputs), network(**inputs))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = build(seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        for _ in range(2):
            set_loss(network(**batch(case)), targets(4)).mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(0), run(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(run(0), run(1), strict=True))


def test_weights_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = trained(case), batch(case)
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = build(seed=9).eval()
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))
    assert torch.equal(copy.deepcopy(network)(**inputs), network(**inputs))


def test_double_precision_agrees_with_single(case: str) -> None:
    network, inputs = trained(case), batch(case)
    doubled = copy.deepcopy(network).double()(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), doubled.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = trained(case), batch(case)
    exact = network(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs)
    assert (rough.float() - exact).abs().max() <= 0.08 * exact.abs().max() + 0.02
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        out = network(**inputs)
    set_loss(out, targets(4)).mean().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_export(case: str) -> None:
    network, inputs = trained(case), batch(case)
    rows = torch.export.Dim("rows", min=2, max=64)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: rows} for name in inputs})
    other = batch(case, 6, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other))


def test_one_batch_is_learned_by_heart() -> None:
    torch.manual_seed(0)
    network = build(dropout=0.0, width=32, heads=4).train()
    inputs, target = batch("plain"), targets(4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for step in range(150):
        loss = set_loss(network(**inputs), target).mean()
        if step == 0:
            first = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.25 * first
    output = network(**inputs).detach()
    found = found_objects(output)
    for row in range(4):
        count = int((target[row, :, 0] >= 0).sum())
        sure = output[row, -1, :, :-4].argmax(1) < 4
        assert int(sure.sum()) == count
        queries, objects = match(matching_cost(output[row : row + 1, -1:], target[row : row + 1])[0, 0, :, :count].numpy())
        assert sorted(queries.tolist()) == sure.nonzero().flatten().tolist()
        assert torch.equal(found["class"][row, queries], target[row, objects, 0].long())


def test_backbone_halves_sides_and_doubles_channels() -> None:
    backbone = Backbone(3, width=4, stride=32)
    assert backbone(torch.zeros(2, 3, 96, 64)).shape == (2, 32, 3, 2)
    assert backbone.channels == 32
    assert Backbone(1, width=4, stride=2)(torch.zeros(2, 1, 8, 8)).shape == (2, 4, 4, 4)


def test_wrong_inputs_and_settings_are_named() -> None:
    network = build()
    with pytest.raises(InputError, match="built for image and the batch holds none"):
        network()
    with pytest.raises(InputError, match=r"detr expects \[B, 3, H, W\] and got \[2, 1, 32, 32\]"):
        network(image=torch.zeros(2, 1, 32, 32))
    with pytest.raises(InputError, match=r"detr's mask expects \[2, 32, 32\] and got \[2, 32, 31\]"):
        network(image=torch.zeros(2, 3, 32, 32), mask=torch.ones(2, 32, 31, dtype=torch.bool))
    with pytest.raises(InputError, match="multiple of heads and of 4; got width=18 and heads=2"):
        build(width=18)
    with pytest.raises(InputError, match="must be a power of 2, such as 16; 12 was given"):
        build(stride=12)
    with pytest.raises(InputError, match=r"backbone=\.\.\., backbone_channels=\.\.\."):
        build(backbone=nn.Identity())
    with pytest.raises(InputError, match="the width must be a multiple of 4; 6 was given"):
        pixel_positions(torch.ones(1, 2, 2, dtype=torch.bool), 6)
