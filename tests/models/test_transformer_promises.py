"""What every network of the catalogue promises (tests/models/test_contract.py), of the encoder, the decoder and the two together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models.gpt import GPT
from goodfit.models.seq2seq_transformer import Seq2SeqTransformer
from goodfit.models.transformer_encoder import TransformerEncoder

V, CLASSES, S, T = 30, 4, 11, 7
SMALL = {"width": 8, "heads": 2, "depth": 2}
OLD = {"norm": "layer", "norm_first": False, "bias": True, "qk_norm": False, "zero_output": False}  # the original's form
COPIES = [0, 0, *range(2, 20), *[0] * 10]  # of 30 source tokens

CASES: dict[str, Callable[[], nn.Module]] = {
    "encoder, mean": lambda: TransformerEncoder(V, CLASSES, read="mean", dropout=0.2, **SMALL),
    "encoder, each": lambda: TransformerEncoder(V, CLASSES, read="each", window=2, **SMALL),
    "encoder, first": lambda: TransformerEncoder(
        V, CLASSES, read="first", token_types=2, embedding_norm=True, positions="learned", length=400, attention_dropout=0.2, **SMALL, **OLD
    ),
    "encoder, vectors": lambda: TransformerEncoder(V, positions="sine", activation="relu", **SMALL),
    "gpt": lambda: GPT(V, dropout=0.2, attention_dropout=0.2, **SMALL),
    "gpt, gpt-2": lambda: GPT(V, positions="learned", length=400, **SMALL, **OLD | {"norm_first": True, "activation": "gelu_tanh"}),
    "gpt, window": lambda: GPT(V, tied=False, window=3, **SMALL),
    "seq2seq": lambda: Seq2SeqTransformer(V, 20, **SMALL),
    "seq2seq, original": lambda: Seq2SeqTransformer(
        V, 20, positions="learned", length=400, tied=True, attention_dropout=0.2, **SMALL, **OLD | {"activation": "relu"}
    ),
    "seq2seq, copying": lambda: Seq2SeqTransformer(V, 20, decoder_depth=1, positions="rotary", copies=COPIES, **SMALL),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


def build(case: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return CASES[case]()


def stirred(case: str) -> nn.Module:
    network = build(case)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def batch(case: str, rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def tokens(length: int, vocabulary: int) -> Tensor:
        drawn = torch.randint(1, vocabulary, (rows, length), generator=generator, dtype=torch.int32)
        lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
        return torch.where(torch.arange(length) < lengths, drawn, 0).to(torch.int32)

    if case.startswith("seq2seq"):
        return {"source": tokens(S, V), "target": torch.cat([torch.full((rows, 1), 2, dtype=torch.int32), tokens(T - 1, 20)], 1)}
    made = {"text": tokens(S, V)}
    if case == "encoder, first":
        made["types"] = torch.randint(0, 2, (rows, S), generator=generator, dtype=torch.int32)
    return made


def shape(case: str, rows: int) -> tuple[int, ...]:
    if case.startswith("seq2seq"):
        return (rows, T, 20)
    if case.startswith("gpt"):
        return (rows, S, V)
    return {"mean": (rows, CLASSES), "first": (rows, CLASSES), "each": (rows, S, CLASSES), "vectors": (rows, S, 8)}[case.split(", ")[1]]


@pytest.mark.parametrize("rows", [0, 1, 2, 6])
def test_shape_and_finite(case: str, rows: int) -> None:
    inputs = {name: tensor[:rows] for name, tensor in batch(case).items()}
    out = stirred(case).eval()(**inputs)
    assert out.shape == shape(case, rows)
    assert out.isfinite().all()


def test_gradients_reach_every_parameter(case: str) -> None:
    network = stirred(case).train()
    for seed in range(4):  # so that every token occurs
        network(**batch(case, 32, seed)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_a_rows_output_depends_on_that_row_alone(case: str) -> None:
    network, inputs = stirred(case).double().eval(), batch(case)
    whole = network(**inputs)
    for row in range(6):
        torch.testing.assert_close(network(**{name: t[row : row + 1] for name, t in inputs.items()})[0], whole[row])
    torch.testing.assert_close(network(**{name: t.flip(0) for name, t in inputs.items()}).flip(0), whole)


def test_training_differs_from_evaluation_only_by_dropout(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    quiet = network(**inputs)
    network.train()
    assert case in ("gpt, gpt-2", "gpt, window") or not torch.equal(network(**inputs), quiet)  # which have none
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    assert torch.equal(network(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    given = {name: tensor.clone() for name, tensor in inputs.items()}
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    assert torch.equal(network(**inputs), network(**inputs))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(tensor, given[name]) for name, tensor in inputs.items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = build(case, seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(2):
            network(**batch(case)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return [p.detach() for p in network.parameters()]

    assert all(torch.equal(a, b) for a, b in zip(run(0), run(0), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(run(0), run(1), strict=True))


def test_weights_through_a_file(case: str, tmp_path: Path) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    write_tensors(tmp_path / "w.safetensors", network.state_dict())
    other = build(case, seed=9).eval()
    other.load_state_dict(read_tensors(tmp_path / "w.safetensors"), strict=True)
    assert torch.equal(other(**inputs), network(**inputs))
    assert torch.equal(copy.deepcopy(network)(**inputs), network(**inputs))


def test_double_precision_agrees_with_single(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    doubled = copy.deepcopy(network).double()(**inputs)
    assert doubled.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), doubled.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
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
    network, inputs = stirred(case).eval(), batch(case)
    rows = torch.export.Dim("rows", min=2, max=1024)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: rows} for name in inputs})
    other = batch(case, 9, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other))


@pytest.mark.parametrize("kind", ["empty", "padding", "one token", "long"])
def test_odd_texts(case: str, kind: str) -> None:
    network, inputs = stirred(case).eval(), batch(case, 2)
    name = "source" if "source" in inputs else "text"
    inputs[name] = {
        "empty": torch.zeros(2, 0, dtype=torch.int32),
        "padding": torch.zeros(2, 4, dtype=torch.int32),
        "one token": torch.full((2, 1), 7, dtype=torch.int32),
        "long": torch.randint(1, V, (2, 300), dtype=torch.int32),
    }[kind]
    inputs.pop("types", None)
    out = network(**inputs)
    assert out.isfinite().all()
    if name == "text" and shape(case, 2)[1:2] == (S,):
        assert out.shape[1] == inputs[name].shape[1]
    network.train()(**inputs).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_padding_changes_nothing(case: str) -> None:
    """More of it at the end leaves every result that means something as it is."""
    network, inputs = stirred(case).double().eval(), batch(case)
    out = network(**inputs)
    padded = {name: torch.cat([t, torch.zeros(6, 20, dtype=torch.int32)], 1) for name, t in inputs.items()}
    torch.testing.assert_close(network(**padded)[:, : out.shape[1]] if out.dim() == 3 else network(**padded), out)


def test_a_missing_input_and_a_wrong_shape_are_named(case: str) -> None:
    network, inputs = build(case), batch(case)
    for name in inputs.keys() - {"types"}:
        with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
            network(**{other: tensor for other, tensor in inputs.items() if other != name})
        with pytest.raises(InputError, match=r"expects \[B, [ST]\] and got \[6\]"):
            network(**inputs | {name: inputs[name][:, 0]})
