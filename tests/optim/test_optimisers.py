"""Every optimiser against a naive transcription, and the properties that all share."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.optim.networks import Everything, gradients, make
from torch import Tensor, nn

from goodfit.base.errors import CheckpointError
from goodfit.base.files import read_json, read_tensors, write_json, write_tensors
from goodfit.base.recipe import OptimPart
from goodfit.optim.build import build
from goodfit.optim.groups import place
from goodfit.optim.newton_schulz import COEFFICIENTS
from goodfit.optim.state import flatten, restore

LR = 0.01
TABLE: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd"},
    "sgd-plain": {"name": "sgd", "momentum": 0.0},
    "sgd-heavy-ball": {"name": "sgd", "momentum": 0.8, "nesterov": False, "weight_decay": 0.1},
    "adagrad": {"name": "adagrad"},
    "adagrad-decay": {"name": "adagrad", "weight_decay": 0.1},
    "rmsprop": {"name": "rmsprop"},
    "rmsprop-momentum": {"name": "rmsprop", "momentum": 0.7, "beta2": 0.9, "weight_decay": 0.1},
    "adam": {"name": "adam", "beta1": 0.8},
    "adam-decay": {"name": "adam", "weight_decay": 0.1},
    "adamw": {"name": "adamw", "eps": 1e-6},
    "muon": {"name": "muon", "muon_lr": 0.02},
    "muon-plain": {"name": "muon", "nesterov": False, "momentum": 0.6, "weight_decay": 0.1},
}
every = pytest.mark.parametrize("settings", [OptimPart(**row) for row in TABLE.values()], ids=list(TABLE))


# --- the oracle: each formula as its paper writes it, one parameter at a time -------------------------------------------


def naive_orthogonal(g: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    x = g / (g.norm() + 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    for _ in range(5):
        s = x @ x.T
        x = a * x + b * s @ x + c * s @ s @ x
    return x.T if g.shape[0] > g.shape[1] else x


def naive_muon(s: dict[str, Any], p: Tensor, g: Tensor, o: OptimPart, cut: Callable[[Tensor], list[Tensor]]) -> Tensor:
    m = 0.95 if o.momentum is None else o.momentum
    s["b"] = m * s.get("b", 0.0) + (1 - m) * g
    u = m * s["b"] + (1 - m) * g if o.nesterov else s["b"]
    parts = [naive_orthogonal(part) * max(1.0, part.shape[0] / part.shape[1]) ** 0.5 for part in cut(u)]
    return torch.cat([part.flatten() for part in parts]).view_as(p) * o.muon_lr


def naive_update(s: dict[str, Any], g: Tensor, o: OptimPart) -> Tensor:
    s["t"] = t = s.get("t", 0) + 1
    if o.name == "sgd":
        m = 0.9 if o.momentum is None else o.momentum
        s["b"] = m * s.get("b", 0.0) + g
        return LR * (g + m * s["b"] if o.nesterov else s["b"])
    if o.name == "adagrad":
        s["s"] = s.get("s", 0.0) + g**2
        return LR * g / (s["s"].sqrt() + o.eps)
    if o.name == "rmsprop":
        a = 0.99 if o.beta2 is None else o.beta2
        s["v"] = a * s.get("v", 0.0) + (1 - a) * g**2
        s["b"] = (o.momentum or 0.0) * s.get("b", 0.0) + g / (s["v"].sqrt() + o.eps)
        return LR * s["b"]
    b1, b2 = 0.9 if o.beta1 is None else o.beta1, 0.999 if o.beta2 is None else o.beta2
    s["m"] = b1 * s.get("m", 0.0) + (1 - b1) * g
    s["v"] = b2 * s.get("v", 0.0) + (1 - b2) * g**2
    return LR * (s["m"] / (1 - b1**t)) / ((s["v"] / (1 - b2**t)).sqrt() + o.eps)


def cuts(name: str) -> Callable[[Tensor], list[Tensor]]:
    """How the parameter falls into matrices, said once more by hand."""
    if name.startswith("gru"):
        return lambda u: list(u.chunk(3))
    if name == "stack.weight":
        return list
    return lambda u: [u.flatten(1)]


HIDDEN = {"second.weight", "gru.weight_ih_l0", "gru.weight_hh_l0", "hidden.weight", "stack.weight", "late.weight"}
FREE = {"table.weight", "norm.weight", "norm.bias"}
DECAY = {"adamw": 3e-4, "muon": 0.01}


@every
def test_fifty_steps_equal_a_naive_transcription(settings: OptimPart) -> None:
    ours, theirs = make(torch.float64), make(torch.float64)
    optimizer = build(ours, settings, lr=LR)
    state: dict[str, dict[str, Any]] = {}
    decay = DECAY.get(settings.name or "", 0.0) if settings.weight_decay is None else settings.weight_decay
    for step in range(50):
        late = step not in (0, 1, 7)  # some parameters have no gradient at first, and once in between
        gradients(ours, step, late=late)
        gradients(theirs, step, late=late)
        optimizer.step()
        with torch.no_grad():
            for name, p in theirs.named_parameters():
                if p.grad is None:
                    continue
                s = state.setdefault(name, {})
                muon = settings.name == "muon" and name in HIDDEN
                update = naive_muon(s, p, p.grad, settings, cuts(name)) if muon else naive_update(s, p.grad, settings)
                free = name in FREE or "bias" in name
                p.mul_(1 - (settings.muon_lr if muon else LR) * (0.0 if free else decay))
                p.sub_(update)
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def trained(settings: OptimPart, network: Everything, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = LR * (1 - step / 40) * group.get("lr_factor", 1.0)
        gradients(network, step, late=step > 2)
        optimizer.step()


@every
@pytest.mark.parametrize("channels_last", [False, True], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("cut", [0, 1, 2, 9], ids=lambda cut: f"cut at {cut}")
def test_saved_in_the_middle_it_goes_on_with_equal_bits(settings: OptimPart, channels_last: bool, cut: int, tmp_path: Path) -> None:
    whole = make(channels_last=channels_last)
    optimizer = build(whole, settings, lr=LR)
    trained(settings, whole, optimizer, range(16))

    first = make(channels_last=channels_last)
    optimizer_of_first = build(first, settings, lr=LR)
    trained(settings, first, optimizer_of_first, range(cut))
    tensors, document = flatten(optimizer_of_first)
    digest = write_tensors(tmp_path / "state.safetensors", tensors)
    write_json(tmp_path / "state.json", document)
    write_tensors(tmp_path / "network.safetensors", first.state_dict())

    second = make(channels_last=channels_last, seed=5)
    second.load_state_dict(read_tensors(tmp_path / "network.safetensors"))
    optimizer_of_second = build(second, settings, lr=LR)
    restore(optimizer_of_second, read_tensors(tmp_path / "state.safetensors", sha256=digest), read_json(tmp_path / "state.json"))
    trained(settings, second, optimizer_of_second, range(cut, 16))

    for (name, a), b in zip(whole.named_parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b), name
    ends, ends_of_second = flatten(optimizer)[0], flatten(optimizer_of_second)[0]
    assert ends.keys() == ends_of_second.keys()
    for name, a in ends.items():
        assert torch.equal(a, ends_of_second[name]), name
        assert a.stride() == ends_of_second[name].stride(), name
    assert flatten(optimizer)[1] == flatten(optimizer_of_second)[1]


@every
def test_settings_of_groups_come_back(settings: OptimPart) -> None:
    """What a schedule or a user changed in the groups is part of the state; lists that were tuples are tuples again."""
    optimizer = build(make(), settings, lr=LR)
    for group in optimizer.param_groups:
        group["lr"] = 0.123
        for key, value in {"betas": (0.5, 0.25), "momentum": 0.75}.items():
            if key in group:
                group[key] = value
    tensors, document = flatten(optimizer)
    other = build(make(), settings, lr=LR)
    restore(other, tensors, json.loads(json.dumps(document)))
    for ours, theirs in zip(other.param_groups, optimizer.param_groups, strict=True):
        assert {key: value for key, value in ours.items() if key != "params"} == {
            key: value for key, value in theirs.items() if key != "params"
        }


@every
def test_restoring_twice_and_over_a_trained_one(settings: OptimPart) -> None:
    network = make()
    optimizer = build(network, settings, lr=LR)
    trained(settings, network, optimizer, range(5))
    tensors, document = flatten(optimizer)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    weights = copy.deepcopy(network.state_dict())
    ends = []
    for _ in range(2):
        network.load_state_dict(weights)
        restore(optimizer, tensors, document)
        trained(settings, network, optimizer, range(5, 9))
        ends.append(copy.deepcopy(network.state_dict()))
    assert all(torch.equal(a, b) for a, b in zip(ends[0].values(), ends[1].values(), strict=True))


@every
def test_states_of_others_are_refused(settings: OptimPart) -> None:
    network = make()
    optimizer = build(network, settings, lr=LR)
    trained(settings, network, optimizer, range(5))
    tensors, document = flatten(optimizer)
    before = flatten(optimizer)
    other = build(make(), OptimPart(name="sgd" if settings.name != "sgd" else "adam"), lr=LR)
    with pytest.raises(CheckpointError, match="is of the optimiser"):
        restore(other, tensors, document)
    small = build(nn.Linear(3, 2), settings, lr=LR)
    with pytest.raises(CheckpointError, match="of another network"):
        restore(small, tensors, document)
    with pytest.raises(CheckpointError, match="no place for"):
        restore(optimizer, tensors | {"unknown/exp_avg": torch.zeros(3)}, document)
    with pytest.raises(CheckpointError, match="no place for"):
        restore(optimizer, tensors | {"head.bias/exp_avg": torch.zeros(7)}, document)
    for broken in ({}, {"kind": document["kind"]}, document | {"groups": None}, document | {"values": {"unknown": {"a": 1}}}):
        with pytest.raises(CheckpointError):
            restore(optimizer, tensors, broken)
    after = flatten(optimizer)
    assert after[1] == before[1]
    assert all(torch.equal(after[0][name], tensor) for name, tensor in before[0].items())


@every
def test_a_quadratic_converges(settings: OptimPart) -> None:
    """To the goal, or to where decay and gradient balance: by decoupled decay no further than a tenth of the goal away."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 6, bias=False), nn.Linear(6, 2, bias=False)).double()
    goal = [torch.randn_like(p) for p in network.parameters()]
    settings = settings.model_copy(update={"weight_decay": 0.01 if settings.weight_decay else 0.0})
    lr = 0.5 if settings.name == "adagrad" else 0.05  # AdaGrad's own steps shrink as 1/sqrt(t)
    optimizer = build(network, settings, lr=lr)
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = (1 - step / 400) * lr
        optimizer.zero_grad()
        loss = torch.stack([((p - g) ** 2).sum() for p, g in zip(network.parameters(), goal, strict=True)]).sum()
        loss.backward()
        optimizer.step()
    for p, g in zip(network.parameters(), goal, strict=True):
        assert (p - g).abs().max() < 0.02 + (0.1 if settings.weight_decay else 0.0) * g.abs().max()


@every
def test_decay_alone_shrinks_weights_and_nothing_else(settings: OptimPart) -> None:
    network = make(torch.float64)
    start = copy.deepcopy(network.state_dict())
    optimizer = build(network, settings.model_copy(update={"weight_decay": 0.5}), lr=LR)
    for _ in range(3):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
    for name, p in network.named_parameters():
        rate = settings.muon_lr if settings.name == "muon" and name in HIDDEN else LR
        shrunk = 1.0 if name in FREE or "bias" in name else (1 - rate * 0.5) ** 3
        torch.testing.assert_close(p.detach(), start[name] * shrunk, rtol=1e-12, atol=0)


@every
def test_a_rate_of_zero_moves_nothing(settings: OptimPart) -> None:
    network = make()
    start = copy.deepcopy(list(network.parameters()))
    optimizer = build(network, settings, lr=LR)
    gradients(network, 0)
    for group in optimizer.param_groups:
        assert isinstance(group["lr"], float)
        group["lr"] = 0.0
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(start, network.parameters(), strict=True))


@every
def test_the_device_s_fast_kernels_are_used(settings: OptimPart) -> None:
    optimizer = build(make(), settings, lr=LR)
    assert optimizer.defaults["foreach" if settings.name == "rmsprop" else "fused"] is True


@every
def test_frozen_parameters_are_left_out(settings: OptimPart) -> None:
    network = make()
    network.stack.requires_grad_(False)
    optimizer = build(network, settings, lr=LR)
    inside = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert inside == {id(p) for p in network.parameters() if p.requires_grad}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(inside)


def test_adamw_is_torch_s_bit_for_bit() -> None:
    """Groups and decay as torch's own AdamW has them."""
    ours, theirs = make(), make()
    optimizer = build(ours, OptimPart(name="adamw", weight_decay=0.1), lr=LR)
    free = {p.name for p in place(theirs) if p.role == "free"}
    parameters = dict(theirs.named_parameters())
    reference = torch.optim.AdamW(
        [
            {"params": [p for name, p in parameters.items() if name not in free], "weight_decay": 0.1},
            {"params": [p for name, p in parameters.items() if name in free], "weight_decay": 0.0},
        ],
        lr=LR,
        fused=True,
    )
    for step in range(5):
        gradients(ours, step)
        gradients(theirs, step)
        optimizer.step()
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_no_name_is_adamw() -> None:
    assert isinstance(build(make(), OptimPart(), lr=LR), torch.optim.AdamW)


def test_one_group_where_nothing_tells_parameters_apart() -> None:
    assert len(build(make(), OptimPart(name="sgd"), lr=LR).param_groups) == 1
    assert len(build(make(), OptimPart(name="sgd", l1=0.1), lr=LR).param_groups) == 2
    assert len(build(make(), OptimPart(name="sgd", weight_decay=0.1), lr=LR).param_groups) == 2
