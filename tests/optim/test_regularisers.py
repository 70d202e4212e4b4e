"""Penalties, clipping, max-norm and averaging against autograd, torch and naive formulas."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.optim.networks import gradients, make
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from goodfit.base.errors import CheckpointError
from goodfit.base.recipe import OptimPart
from goodfit.optim.average import Average
from goodfit.optim.build import build
from goodfit.optim.clip import clip_gradient
from goodfit.optim.groups import place
from goodfit.optim.max_norm import max_norm
from goodfit.optim.penalty import add_penalty


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.2, 0.0), (0.2, 0.3), (0.0, 0.0)])
def test_a_penalty_is_the_gradient_of_a_term_of_the_loss(l1: float, l2: float) -> None:
    ours, theirs = make(torch.float64), make(torch.float64)
    optimizer = build(ours, OptimPart(name="sgd", l1=l1, l2=l2), lr=0.1)
    gradients(ours, 0)
    gradients(theirs, 0)
    add_penalty(optimizer, l1=l1, l2=l2)
    weights = [p.parameter for p in place(theirs) if p.role != "free"]
    (l1 * sum(w.abs().sum() for w in weights) + l2 / 2 * sum((w**2).sum() for w in weights)).backward()  # type: ignore[union-attr]
    changed = 0
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
        changed += 1
    assert changed == len(list(ours.parameters()))


def test_a_penalty_leaves_parameters_without_gradient_alone() -> None:
    network = make()
    optimizer = build(network, OptimPart(name="muon"), lr=0.1)
    add_penalty(optimizer, l1=1.0, l2=1.0)
    assert all(p.grad is None for p in network.parameters())
    gradients(network, 0, late=False)
    add_penalty(optimizer, l1=1.0, l2=1.0)
    assert network.late.weight.grad is None


@pytest.mark.parametrize("largest", [1e-3, 0.5, 1e6])
def test_clipping_is_torch_s(largest: float) -> None:
    ours, theirs = make(), make()
    optimizer = build(ours, OptimPart(name="adamw"), lr=0.1)
    gradients(ours, 0, late=False)
    gradients(theirs, 0, late=False)
    norm = clip_gradient(optimizer, largest)
    expected = torch.nn.utils.clip_grad_norm_(theirs.parameters(), largest)
    torch.testing.assert_close(norm, expected)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad)


def test_a_gradient_that_is_not_finite_shows_in_the_norm() -> None:
    network = make()
    optimizer = build(network, OptimPart(), lr=0.1)
    assert clip_gradient(optimizer, 1.0) == 0
    gradients(network, 0)
    assert network.head.bias.grad is not None
    network.head.bias.grad[0] = float("inf")
    assert not torch.isfinite(clip_gradient(optimizer, 1.0))


def test_max_norm_is_renorm_of_each_unit() -> None:
    network = make(torch.float64, channels_last=True)
    before = copy.deepcopy(network.state_dict())
    limits = {name: torch.renorm(w.flatten(1), 2, 0, 0.5).view_as(w) for name, w in before.items() if w.ndim in (2, 4)}
    limits["stack.weight"] = torch.renorm(before["stack.weight"].flatten(0, 1), 2, 0, 0.5).view(3, 8, 24)
    for _ in range(2):  # the second time from memory, and nothing is left to do
        max_norm(network, 0.5)
        for name, parameter in network.named_parameters():
            kept = name in ("table.weight", "scale") or "bias" in name or name.startswith("norm")
            torch.testing.assert_close(parameter.detach(), before[name] if kept else limits[name], rtol=1e-6, atol=1e-9)
    assert not torch.equal(network.head.weight, before["head.weight"])
    assert network.second.weight.stride() == before["second.weight"].stride()


def test_max_norm_of_a_matrix_that_stands_the_other_way() -> None:
    class Turned(nn.Module):
        incoming = {"weight": (-2,)}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 6, 2))

    network = Turned()
    expected = torch.renorm(network.weight.detach().mT.reshape(6, 6), 2, 0, 0.7).view(3, 2, 6).mT
    max_norm(network, 0.7)
    torch.testing.assert_close(network.weight.detach(), expected)


def test_max_norm_of_zeros_and_of_nothing() -> None:
    network = nn.Linear(3, 2)
    nn.init.zeros_(network.weight)
    max_norm(network, 0.1)
    assert network.weight.abs().max() == 0
    max_norm(nn.ReLU(), 0.1)


def drifting(network: nn.Module, step: int) -> None:
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(100 * step + index)).to(parameter))


def test_an_average_is_the_weighted_mean_of_what_it_saw() -> None:
    network = make(torch.float64)
    average = Average(network, 0.8)
    seen: list[dict[str, Any]] = []
    for step in range(12):
        drifting(network, step)
        network.norm.running_mean.fill_(step)  # type: ignore[union-attr]
        average.update(network)
        seen.append({name: p.detach().clone() for name, p in network.named_parameters()})
        shares = torch.tensor([0.8**age for age in reversed(range(len(seen)))], dtype=torch.float64)
        tensors = average.tensors(network)
        assert tensors.keys() == network.state_dict().keys()
        for name in seen[0]:
            mean = sum(share * weights[name] for share, weights in zip(shares / shares.sum(), seen, strict=True))
            torch.testing.assert_close(tensors[name], mean, rtol=1e-10, atol=1e-12)
        assert torch.equal(tensors["norm.running_mean"], torch.full((4,), float(step), dtype=torch.float64))


def test_in_the_long_run_it_is_torch_s() -> None:
    network = nn.Linear(4, 3)
    average = Average(network, 0.9)
    reference = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for step in range(300):
        drifting(network, step)
        average.update(network)
        reference.update_parameters(network)
    for a, b in zip(average.tensors(network).values(), reference.module.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels_last", [False, True])
def test_applied_and_taken_off_again(channels_last: bool) -> None:
    network = make(channels_last=channels_last)
    average = Average(network, 0.9)
    for step in range(3):
        drifting(network, step)
        average.update(network)
    own, mean = copy.deepcopy(network.state_dict()), copy.deepcopy(average.tensors(network))
    addresses = [p.data_ptr() for p in network.parameters()]

    def interrupted() -> None:
        with average.applied(network):
            for name, tensor in network.state_dict().items():
                assert torch.equal(tensor, mean[name])
                assert tensor.stride() == own[name].stride()
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert all(torch.equal(tensor, own[name]) for name, tensor in network.state_dict().items())
    assert all(torch.equal(tensor, mean[name]) for name, tensor in average.tensors(network).items())
    assert [p.data_ptr() for p in network.parameters()] == addresses


def test_an_average_goes_on_from_its_state() -> None:
    network = make(channels_last=True)
    whole, first = Average(network, 0.95), Average(network, 0.95)
    for step in range(5):
        drifting(network, step)
        whole.update(network)
        first.update(network)
    state = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    other = make(channels_last=True, seed=3)
    other.load_state_dict(network.state_dict())
    second = Average(other, 0.95)
    second.load_state_dict(state)
    for step in range(5, 9):
        drifting(network, step)
        drifting(other, step)
        whole.update(network)
        second.update(other)
    assert second.count == whole.count == 9
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_an_average_of_another_network_is_refused() -> None:
    average = Average(make(), 0.9)
    state = average.state_dict()
    for broken in ({}, {name: t for name, t in state.items() if name != "count"}, state | {"mean/x": torch.zeros(1)}):
        with pytest.raises(CheckpointError, match="of another network"):
            average.load_state_dict(broken)


def test_a_twin_and_tied_weights_have_the_average_too() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    average = Average(network, 0.5)
    for step in range(2):
        drifting(network, step)
        average.update(network)
    tensors = {name: tensor.clone() for name, tensor in average.tensors(network).items()}
    assert torch.equal(tensors["0.weight"], tensors["1.weight"])
    assert not torch.equal(tensors["0.weight"], network[0].weight)
    twin = copy.deepcopy(network)
    for p in twin.parameters():
        nn.init.zeros_(p)
    with average.applied(twin):
        assert torch.equal(twin[0].weight, tensors["0.weight"])
    assert twin[0].weight.abs().max() == 0
