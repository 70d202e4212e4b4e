"""The account against arithmetic by hand, and against what torch's allocator really gives out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.models import networks
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from goodfit.base.errors import SettingError
from goodfit.base.parts import OptimPart
from goodfit.models import catalogue
from goodfit.models.account import LONGEST_RECURRENT, Account, describe
from goodfit.nn.attention import Attention
from goodfit.optim.build import build


def of(network: nn.Module, batch: int = 8, optimiser: str = "adamw", **inputs: Tensor) -> Account:
    return describe(network, inputs, batch, optimiser)


def test_linear_by_hand() -> None:
    network = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3, bias=False))
    account = of(network, 10, input=torch.zeros(2, 5))
    assert [(row.name, row.kind, row.shape, row.parameters, row.multiply_adds, row.activation_bytes) for row in account.rows] == [
        ("0", "Linear", (10, 7), 42, 350, 0),  # the input is counted apart
        ("1", "ReLU", (10, 7), 0, 0, 280),  # its result, which the next layer needs too
        ("2", "Linear", (10, 3), 21, 210, 0),
    ]
    assert account.parameters == 63
    assert account.parameter_bytes == account.gradient_bytes == 252
    assert account.input_bytes == 200
    assert account.multiply_adds == 560


@pytest.mark.parametrize(("stride", "groups", "padding"), [(1, 1, 0), (2, 1, 1), (1, 2, 1)])
def test_convolution_by_hand(stride: int, groups: int, padding: int) -> None:
    network = nn.Conv2d(4, 6, 3, stride=stride, groups=groups, padding=padding)
    side = (9 - 3 + 2 * padding) // stride + 1
    account = of(network, 5, input=torch.zeros(1, 4, 9, 9))
    assert account.multiply_adds == 5 * side * side * 6 * 9 * 4 // groups
    assert account.rows[0].shape == (5, 6, side, side)


def test_attention_by_hand() -> None:
    account = of(Attention(12, 3, context_width=8), 2, x=torch.zeros(1, 5, 12), context=torch.zeros(1, 7, 8))
    products = {row.name: row.multiply_adds for row in account.rows}
    assert products["query"] == products["output"] == 2 * 5 * 12 * 12
    assert products["key"] == products["value"] == 2 * 7 * 8 * 12
    assert products["(network)"] == 2 * 2 * 5 * 7 * 12  # scores, and sums of values


@pytest.mark.parametrize("tokens", [3, LONGEST_RECURRENT, 100])
def test_gru_by_hand(tokens: int) -> None:
    inputs = {"text": {"columns": ["t"], "vocabulary": 30, "max_tokens": tokens}}
    network = catalogue.build("gru", inputs, 2, {"width": 5, "embedding_dim": 4})
    account = describe(network, catalogue.example(inputs, 1), 6, "sgd")
    products = {row.name: row.multiply_adds for row in account.rows}
    assert products["encoder.gru.ahead.0"] == products["encoder.gru.back.0"] == 6 * tokens * 3 * 5 * (4 + 5)
    assert {row.name: row.shape for row in account.rows}["encoder.gru.ahead.0"] == (6, tokens, 5)


def test_everything_grows_with_the_batch_but_the_parameters() -> None:
    one, ten = (of(nn.Linear(5, 7), batch, input=torch.zeros(1, 5)) for batch in (1, 10))
    assert ten.multiply_adds == 10 * one.multiply_adds
    assert ten.input_bytes == 10 * one.input_bytes
    assert ten.parameters == one.parameters


@pytest.mark.parametrize(("optimiser", "states"), [("sgd", 1), ("adagrad", 1), ("rmsprop", 1), ("adam", 2), ("adamw", 2)])
def test_optimiser_state(optimiser: str, states: int) -> None:
    account = of(nn.Linear(200, 100), optimiser=optimiser, input=torch.zeros(1, 200))
    assert account.optimiser_bytes == pytest.approx(states * account.parameter_bytes, abs=16)  # a count of steps for each tensor


def test_muon_keeps_one_number_for_a_hidden_matrix_and_two_for_the_rest() -> None:
    network = nn.Sequential(nn.Linear(50, 60), nn.Linear(60, 70), nn.Linear(70, 2))
    account = of(network, optimiser="muon", input=torch.zeros(1, 50))
    hidden, rest = 50 * 60 + 60 * 70, 60 + 70 + 2 + 70 * 2
    assert account.optimiser_bytes == pytest.approx(4 * (hidden + 2 * rest), abs=64)


def test_frozen_parameters_have_no_gradient_and_no_state() -> None:
    network = nn.Sequential(nn.Linear(5, 7).requires_grad_(False), nn.Linear(7, 3))
    account = of(network, input=torch.zeros(1, 5))
    assert account.gradient_bytes == 4 * 24
    assert account.optimiser_bytes <= 2 * account.gradient_bytes + 16
    assert account.parameter_bytes == 4 * 66


def test_the_network_is_not_touched() -> None:
    network = networks.build("mixed").eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    describe(network, networks.batch("mixed"), 16, "adamw")
    assert not network.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and not parameter._backward_hooks for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_network_too_large_for_the_machine_can_be_described() -> None:
    account = of(nn.Linear(64, 64), 2**32, input=torch.zeros(1, 64))
    assert account.input_bytes == 2**40


def test_unknown_optimiser() -> None:
    with pytest.raises(SettingError, match=r"must be one of sgd, .*; 'adm' was given; did you mean 'adam'\?"):
        of(nn.Linear(2, 2), optimiser="adm", input=torch.zeros(1, 2))


def test_bfloat16_keeps_less() -> None:
    inputs = networks.CASES["tabm"][1]
    network = catalogue.build("tabm", inputs, 2, {"width": 64, "members": 8})
    full, half = (describe(network, catalogue.example(inputs, 1), 256, "adamw", bfloat16=low) for low in (False, True))
    assert half.activation_bytes < 0.65 * full.activation_bytes
    assert half.multiply_adds == full.multiply_adds


@pytest.mark.parametrize("case", networks.CASES)
def test_rows_add_up_and_are_json(case: str) -> None:
    network = networks.build(case)
    account = describe(network, networks.batch(case), 32, "adamw")
    document: dict[str, Any] = account.to_json()
    assert sum(row["parameters"] for row in document["rows"]) == sum(p.numel() for p in network.parameters())
    assert sum(row["activation_bytes"] for row in document["rows"]) == document["activation_bytes"]
    assert sum(row["multiply_adds"] for row in document["rows"]) == document["multiply_adds"]
    assert all(set(row) == {"name", "kind", "shape", "parameters", "multiply_adds", "activation_bytes"} for row in document["rows"])
    least = account.parameter_bytes + account.optimiser_bytes + max(account.gradient_bytes, account.activation_bytes)
    assert account.training_bytes >= least


def allocated(network: nn.Module, inputs: dict[str, Tensor], optimiser: str, bfloat16: bool) -> int:
    """The most that torch's allocator gives out in the second of two updates, with what was given out before."""
    optimizer = build(network, OptimPart(name=optimiser), lr=1e-3)  # type: ignore[arg-type]

    def update() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            out = network(**inputs)
        out.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    update()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        update()
    held = most = 0
    for event in sorted(seen.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    state = sum(t.numel() * t.element_size() for s in optimizer.state.values() for t in s.values() if isinstance(t, Tensor))
    return most + state + sum(t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers(), *inputs.values()))


MEASURED = {
    "mlp": (networks.TABLE, {"width": 256, "depth": 3}, 2048, "adamw", False),
    "tabm": (networks.TABLE, {"width": 64, "members": 16}, 128, "adamw", False),
    "tabm, bf16": (networks.TABLE, {"width": 128, "members": 16}, 128, "adamw", True),
    "tabm, few rows": (networks.TABLE, {"width": 256, "members": 4}, 8, "sgd", False),
    "mlp, muon": (networks.TABLE, {"width": 256, "depth": 3}, 64, "muon", False),
    "realmlp": (networks.TABLE, {"width": 128}, 512, "adam", False),
    "resnet9": (networks.IMAGE, {"width": 16}, 64, "sgd", False),
    "lenet5": (networks.IMAGE, {}, 64, "sgd", False),
    "vgg": (networks.IMAGE, {"width": 16}, 64, "sgd", False),
    "resnet20": (networks.IMAGE, {"width": 16}, 64, "sgd", False),
    "resnet50": (networks.IMAGE, {"width": 16}, 32, "sgd", False),
    "vit": (networks.IMAGE, {"width": 32, "depth": 3}, 64, "adamw", False),
    "transformer": (networks.TEXT, {"width": 64}, 128, "adamw", False),
    "gru": (networks.TEXT, {}, 64, "rmsprop", False),
    "bag": (networks.TEXT, {"width": 64}, 512, "adagrad", False),
}


@pytest.mark.parametrize("case", MEASURED)
def test_prediction_is_within_15_percent_of_what_is_allocated(case: str) -> None:
    inputs, settings, rows, optimiser, bfloat16 = MEASURED[case]
    network = catalogue.build(case.split(",")[0], inputs, 4, settings)
    predicted = describe(network, catalogue.example(inputs, 1), rows, optimiser, bfloat16=bfloat16).training_bytes
    measured = allocated(network, catalogue.example(inputs, rows), optimiser, bfloat16)
    # 15 % is the promise. In float32 nothing is left to guess; in bfloat16 products, and convolutions, have memory of their own that torch does not show.
    assert predicted == pytest.approx(measured, rel=0.15 if bfloat16 or "image" in inputs else 0.03)


class Twice(nn.Module):
    """One layer called twice, and work outside any layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.extra = nn.Parameter(torch.ones(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.layer(self.layer(x).tanh()), self.extra)


def test_a_layer_called_twice_counts_twice_and_loose_work_goes_to_the_owner() -> None:
    account = of(Twice(), 3, x=torch.zeros(1, 4))
    rows = {row.name: row for row in account.rows}
    assert rows["layer"].multiply_adds == 2 * 3 * 16
    assert rows["layer"].parameters == 20
    assert rows["(network)"].multiply_adds == 3 * 16
    assert rows["(network)"].parameters == 16
