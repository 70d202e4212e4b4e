"""Every network of the catalogue keeps the same promises."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.models import networks
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models import catalogue

CASES = list(networks.CASES)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def trained(case: str) -> nn.Module:
    """Stirred, and after a few batches in training mode: running statistics are no longer 0 and 1."""
    network = networks.stirred(case).train()
    for seed in range(3):
        network(**networks.batch(case, 16, seed))
    return network.eval()


def test_the_suite_covers_the_catalogue() -> None:
    own = {name for name in catalogue.names() if catalogue.entry(name).inputs != ("graph",)}  # for graphs see test_graph_entries
    assert {name for name, _, _ in networks.CASES.values()} == own


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_shape_and_finite(case: str, rows: int) -> None:
    out = networks.stirred(case).eval()(**networks.batch(case, rows))
    assert out.shape == networks.shape(case, rows)
    assert out.isfinite().all()


def test_a_single_row_can_be_trained_on(case: str) -> None:
    network = networks.stirred(case).train()
    network(**networks.batch(case, 1)).square().sum().backward()


def test_no_rows(case: str) -> None:
    inputs = {name: tensor[:0] for name, tensor in networks.batch(case).items()}
    assert networks.stirred(case).eval()(**inputs).shape == networks.shape(case, 0)


def test_gradients_reach_every_parameter(case: str) -> None:
    network = networks.stirred(case).train()
    sizes = dict.fromkeys(name for name, _ in network.named_parameters())
    for seed in range(8):  # so that every level and token occurs
        network(**networks.batch(case, 64, seed)).square().sum().backward()
    for name in sizes:
        gradient = network.get_parameter(name).grad
        assert gradient is not None, name
        assert gradient.isfinite().all(), name
        assert gradient.count_nonzero() > 0 or name in networks.IDLE.get(case, ()), name


def test_a_rows_output_depends_on_that_row_alone(case: str) -> None:
    network = trained(case).double()
    inputs = {name: t.double() if t.is_floating_point() else t for name, t in networks.batch(case).items()}
    whole = network(**inputs)
    for row in range(6):
        torch.testing.assert_close(network(**{name: t[row : row + 1] for name, t in inputs.items()})[0], whole[row])
    turned = network(**{name: t.flip(0) for name, t in inputs.items()})
    torch.testing.assert_close(turned.flip(0), whole)


def test_training_differs_from_evaluation_only_by_dropout_and_batch_norm(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
        if hasattr(module, "word_dropout"):
            module.word_dropout = 0.0
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 0.0
    quiet = network(**inputs)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()
    assert torch.equal(network(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    first, second = network(**inputs), network(**inputs)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_inputs_are_left_as_they_are(case: str) -> None:
    inputs = networks.batch(case)
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    networks.stirred(case).train()(**inputs).sum().backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in inputs.items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = networks.build(case, seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(2):
            network(**networks.batch(case)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(0), run(0), strict=True))
    if not case.startswith(("linear", "ridge", "lasso", "svm", "bag")):  # which start at zero
        assert not all(torch.equal(a, b) for a, b in zip(run(0), run(1), strict=True))


def test_weights_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = trained(case), networks.batch(case)
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = networks.build(case, seed=9).eval()
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))
    assert torch.equal(copy.deepcopy(network)(**inputs), network(**inputs))


def test_double_precision_agrees_with_single(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    doubled = copy.deepcopy(network).double()(**{k: v.double() if v.is_floating_point() else v for k, v in inputs.items()})
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), doubled.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    exact = network(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs)
    assert (rough.float() - exact).abs().max() <= 0.04 * exact.abs().max() + 0.02  # eight bits, a handful of layers
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(**inputs).float().square().mean()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_export(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    rows = torch.export.Dim("rows", min=2, max=1024)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: rows} for name in inputs})
    other = networks.batch(case, 9, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other))


@pytest.mark.parametrize("case", [case for case in CASES if "text" in networks.CASES[case][1]])
@pytest.mark.parametrize("kind", ["empty", "padding", "one token", "long"])
def test_odd_texts(case: str, kind: str) -> None:
    network, inputs = trained(case), networks.batch(case, 2)
    inputs["text"] = {
        "empty": torch.zeros(2, 0, dtype=torch.int32),
        "padding": torch.zeros(2, 4, dtype=torch.int32),
        "one token": torch.full((2, 1), 7, dtype=torch.int32),
        "long": torch.randint(1, 30, (2, 300), dtype=torch.int32),
    }[kind]
    out = network(**inputs)
    assert out.isfinite().all()
    network.train()(**inputs).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("case", [case for case in CASES if "text" in networks.CASES[case][1]])
def test_padding_changes_nothing(case: str) -> None:
    network, inputs = trained(case).double(), networks.batch(case)
    inputs = {k: v.double() if v.is_floating_point() else v for k, v in inputs.items()}
    padded = inputs | {"text": torch.cat([inputs["text"], torch.zeros(6, 20, dtype=torch.int32)], 1)}
    torch.testing.assert_close(network(**padded), network(**inputs))


@pytest.mark.parametrize("case", [case for case in CASES if "categories" in networks.CASES[case][1]])
def test_categories_of_either_integer_type_and_beyond_their_size(case: str) -> None:
    network, inputs = trained(case), networks.batch(case)
    assert torch.equal(network(**inputs | {"categories": inputs["categories"].long()}), network(**inputs))
    beyond = network(**inputs | {"categories": torch.full((6, 2), 500, dtype=torch.int32)})
    assert torch.equal(beyond, network(**inputs | {"categories": torch.zeros(6, 2, dtype=torch.int32)}))


@pytest.mark.parametrize("case", [case for case in CASES if "numbers" in networks.CASES[case][1]])
def test_extreme_numbers_stay_finite(case: str) -> None:
    inputs = networks.batch(case)
    assert trained(case)(**inputs | {"numbers": torch.full((6, 3), 1e4)}).isfinite().all()


def test_a_missing_input_is_named(case: str) -> None:
    network, inputs = networks.build(case), networks.batch(case)
    for name in inputs.keys() - {"lengths"}:  # without, all are as long as the longest
        with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
            network(**{other: tensor for other, tensor in inputs.items() if other != name})


@pytest.mark.parametrize("case", [case for case in CASES if "image" in networks.CASES[case][1]])
def test_channels_last_agrees(case: str) -> None:
    inputs = networks.batch(case)
    network = trained(case)
    plain = network(**inputs)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs["image"] = inputs["image"].contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(**inputs), plain, rtol=1e-4, atol=1e-5)
