"""The graph networks of the catalogue keep its promises; their layers have a suite of their own in `test_graph_networks`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.models import graphs
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models import catalogue
from goodfit.models.account import describe


@pytest.fixture(params=list(graphs.CASES))
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def trained(case: str) -> nn.Module:
    network = graphs.build(case).train()
    for seed in range(3):
        network(**graphs.batch(case, 8, seed))
    return network.eval()


def doubled(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}


@pytest.mark.parametrize("rows", [1, 6])
def test_shape_and_finite(case: str, rows: int) -> None:
    out = trained(case)(**graphs.batch(case, rows))
    assert out.shape == (rows, graphs.OUTPUTS)
    assert out.isfinite().all()


def test_gradients_reach_every_parameter(case: str) -> None:
    network = graphs.build(case).train()
    for seed in range(6):
        network(**graphs.batch(case, 12, seed)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_a_graph_s_output_depends_on_that_graph_alone(case: str) -> None:
    if case.endswith("nodes"):
        pytest.skip("nodes of one graph hear each other")
    network = trained(case).double()
    whole = network(**doubled(graphs.batch(case)))
    alone = torch.cat([network(**doubled(graphs.joined([graphs.one(index)]))) for index in range(6)])
    torch.testing.assert_close(whole, alone)


def test_nodes_are_answered_for_in_the_order_asked(case: str) -> None:
    if case.endswith("graphs"):
        pytest.skip("all graphs are answered for")
    network, inputs = trained(case), graphs.batch(case)
    whole = network(**inputs)
    asked = torch.tensor([4, 1])
    assert torch.equal(network(**inputs | {"rows": asked}), whole[asked])


def test_a_network_is_a_function_of_the_seed_and_goes_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = trained(case), graphs.batch(case)
    assert torch.equal(trained(case)(**inputs), network(**inputs))
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = graphs.build(case, seed=9).eval()
    assert not torch.equal(other(**inputs), network(**inputs))
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))


def test_bfloat16_and_double_agree(case: str) -> None:
    network, inputs = trained(case), graphs.batch(case)
    exact = copy.deepcopy(network).double()(**doubled(inputs))
    torch.testing.assert_close(network(**inputs).double(), exact, rtol=2e-4, atol=2e-5)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs)
    assert (rough.double() - exact).abs().max() <= 0.04 * exact.abs().max() + 0.03


def test_a_missing_input_is_named(case: str) -> None:
    network, inputs = graphs.build(case), graphs.batch(case)
    needed = {"nodes", "edges"} | ({"sizes"} if case.endswith("graphs") else {"rows", "words", "places"})
    for name in needed | ({"edge_features"} if case == "gin, graphs" else set()):
        with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
            network(**{other: tensor for other, tensor in inputs.items() if other != name})


def test_the_account_counts_products_by_hand(case: str) -> None:
    _, inputs = graphs.CASES[case]
    network = graphs.build(case)
    account = describe(network, catalogue.example(inputs, 2), 10, "adamw")
    assert account.parameters == sum(p.numel() for p in network.parameters())
    nodes = 40 if case.endswith("graphs") else 12
    front = next(row for row in account.rows if row.name == "numbers")
    assert front.shape == (nodes, 8)
    assert front.multiply_adds == nodes * inputs["graph"]["features"] * 8
