"""Roles of parameters, by the kind of layer and by what a layer says of itself."""

from __future__ import annotations

import copy

import torch
from tests.optim.networks import make
from torch import nn

from goodfit.optim.groups import explain, place


class Said(nn.Module):
    """A layer that says where its parameters belong."""

    roles = {"bias": "weight", "table": "free"}  # noqa: RUF012
    matrices = {"weight": 3}  # noqa: RUF012
    incoming = {"turned": (-2,)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(12, 4))
        self.turned = nn.Parameter(torch.ones(4, 5))
        self.table = nn.Parameter(torch.ones(4, 5))
        self.bias = nn.Parameter(torch.ones(12))


class RowNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2, 3))


class CurveEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3, 4))
        self.inner = nn.Linear(4, 4)


def test_every_kind_of_layer() -> None:
    placed = {p.name: p for p in place(make())}
    assert {name: p.role for name, p in placed.items() if "bias" not in name} == {
        "table.weight": "free",
        "first.weight": "weight",
        "norm.weight": "free",
        "second.weight": "hidden",
        "gru.weight_ih_l0": "hidden",
        "gru.weight_hh_l0": "hidden",
        "hidden.weight": "hidden",
        "scale": "weight",
        "stack.weight": "hidden",
        "late.weight": "hidden",
        "head.weight": "weight",
    }
    assert all(p.role == "free" for name, p in placed.items() if "bias" in name)
    assert (placed["gru.weight_ih_l0"].blocks, placed["gru.weight_ih_l0"].rows) == (3, 5)
    assert (placed["stack.weight"].blocks, placed["stack.weight"].rows) == (3, 8)
    assert (placed["second.weight"].blocks, placed["second.weight"].rows) == (1, 6)
    assert placed["second.weight"].incoming == (1, 2, 3)
    assert placed["stack.weight"].incoming == (-1,)
    assert placed["scale"].incoming == ()
    assert [p.name for p in place(make())] == [name for name, _ in make().named_parameters()]
    network = make()
    assert all(parameter is p.parameter for parameter, p in zip(network.parameters(), place(network), strict=True))


def test_more_layers() -> None:
    network = nn.ModuleDict(
        {
            "attention": nn.MultiheadAttention(8, 2),
            "lstm": nn.LSTM(8, 4, proj_size=2),
            "grouped": nn.Conv1d(4, 8, 3, groups=2),
            "depthwise": nn.Conv2d(4, 4, 3, groups=4),
            "norms": nn.ModuleList([nn.LayerNorm(3), nn.GroupNorm(1, 3), RowNorm()]),
            "curve": CurveEmbedding(),
            "bag": nn.EmbeddingBag(3, 4),
            "row": nn.Linear(5, 1),
            "none": nn.Linear(1, 3),
            "classifier": nn.Linear(4, 3),
        }
    )
    network["none"].weight = nn.Parameter(torch.empty(3, 0))
    placed = {p.name: p for p in place(network)}
    assert placed["attention.in_proj_weight"].blocks == 3
    assert placed["attention.out_proj.weight"].role == "hidden"
    assert placed["lstm.weight_hh_l0"].blocks == 4
    assert placed["lstm.weight_hr_l0"].blocks == 1
    assert (placed["grouped.weight"].role, placed["grouped.weight"].reason) == ("weight", "first convolution, which reads pixels")
    assert (placed["depthwise.weight"].role, placed["depthwise.weight"].blocks) == ("weight", 4)  # rows of nine: vectors
    assert {placed[name].role for name in placed if name.startswith(("norms", "curve", "bag"))} == {"free"}
    assert placed["row.weight"].role == "weight"
    assert placed["none.weight"].role == "free"
    assert placed["classifier.weight"].reason == "output head"


def test_the_last_matrix_is_the_head_where_none_is_named() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert [p.role for p in place(network)] == ["hidden", "free", "hidden", "free", "weight", "free"]


def test_a_layer_s_own_word_counts() -> None:
    network = nn.Sequential(Said(), nn.Linear(4, 4), nn.Linear(4, 2))
    placed = {p.name: p for p in place(network)}
    assert (placed["0.weight"].blocks, placed["0.weight"].rows, placed["0.weight"].role) == (3, 4, "hidden")
    assert placed["0.turned"].role == "weight"
    assert placed["0.table"].role == "free"
    assert placed["0.bias"].role == "weight"
    assert {p.name: p.role for p in place(copy.deepcopy(network))} == {name: p.role for name, p in placed.items()}


def test_a_mark_on_a_parameter_counts() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    network[1].weight.no_decay = True  # type: ignore[assignment]
    assert {p.name: p.role for p in place(network)}["1.weight"] == "free"


def test_shared_and_frozen_parameters() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    network[1].weight = network[0].weight
    network[2].bias.requires_grad_(False)
    assert [p.name for p in place(network)] == ["0.weight", "0.bias", "1.bias", "2.weight"]


def test_reasons_for_describe() -> None:
    reasons = explain(make())
    assert reasons["stack.weight"] == "hidden: 3 hidden matrices"
    assert reasons["head.weight"] == "weight: output head"
    assert reasons["norm.bias"] == "free: norm"
    assert list(reasons) == [name for name, _ in make().named_parameters()]
