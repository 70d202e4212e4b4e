"""The networks for series, tags, sequences and points keep the promises of the catalogue's networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.base.files import read_tensors, write_tensors
from goodfit.models.attention_rnn import AttentionRNN
from goodfit.models.pointer import PointerNetwork
from goodfit.models.pointer_transformer import PointerTransformer
from goodfit.models.series import SeriesForecaster, SeriesRNN
from goodfit.models.tagger import LSTMTagger, TransformerTagger

SMALL = {"embedding_dim": 6, "letter_features": 5, "width": 8}
LETTERS_OF = torch.randint(1, 20, (30, 5), generator=torch.Generator().manual_seed(9))  # how each word is spelt

# name: what builds the network, the kind of its inputs, the shape of a row's output
CASES: dict[str, tuple[Callable[[], nn.Module], str, tuple[int, ...]]] = {
    "series, lstm": (lambda: SeriesRNN(3, 4, width=5), "series", (4,)),
    "series, gru in chunks": (lambda: SeriesRNN(3, 4, width=5, cell="gru", chunk=4, bidirectional=False), "series", (4,)),
    "series, rnn": (lambda: SeriesRNN(3, 4, width=5, cell="rnn", depth=1), "series", (4,)),
    "forecast, last": (lambda: SeriesForecaster(3, 4, targets=2, width=5), "window", (8,)),
    "forecast, season": (lambda: SeriesForecaster(3, 4, start="season", season=3, width=5, cell="gru", depth=2), "window", (4,)),
    "forecast, plain": (lambda: SeriesForecaster(3, 4, start="zero", normalise=False, width=5, bidirectional=False), "window", (4,)),
    "lstm tagger": (lambda: LSTMTagger(30, 20, 4, **SMALL, depth=2), "words", (7, 4)),
    "lstm tagger, crf": (lambda: LSTMTagger(30, 20, 4, **SMALL, crf=True), "words", (7, 4, 4)),
    "transformer tagger": (lambda: TransformerTagger(30, 20, 4, **SMALL, heads=2), "words", (7, 4)),
    "transformer tagger, crf": (lambda: TransformerTagger(30, 20, 4, **SMALL, heads=2, crf=True), "words", (7, 4, 4)),
    "attention rnn": (lambda: AttentionRNN(30, 12, embedding_dim=6, width=8), "pairs", (5, 12)),
    "attention rnn, lstm": (lambda: AttentionRNN(30, 12, embedding_dim=6, width=8, depth=2, cell="lstm"), "pairs", (5, 12)),
    "attention rnn, copy": (lambda: AttentionRNN(30, 30, embedding_dim=6, width=8, copy=True), "pairs", (5, 30)),
    "pointer": (lambda: PointerNetwork(3, width=8), "points", (5, 7)),
    "pointer, once": (lambda: PointerNetwork(3, width=8, visits="once", dropout=0.2), "points", (5, 7)),
    "pointer, all": (lambda: PointerNetwork(3, width=8, visits="all", glimpse=False), "points", (5, 7)),
    "pointer transformer": (lambda: PointerTransformer(3, width=8, heads=2, depth=1), "points", (5, 7)),
    "pointer transformer, all": (lambda: PointerTransformer(3, width=8, heads=2, depth=2, visits="all", dropout=0.2), "points", (5, 7)),
}
OPTIONAL = {"lengths"}


def build(case: str, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return CASES[case][0]()


def stirred(case: str) -> nn.Module:
    """Every parameter moved, as training may move it: what starts at zero would hide what lies behind it."""
    network = build(case)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                module.weight[0] = 0.0  # padding learns nothing
    return network


def batch(case: str, rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    kind, generator = CASES[case][1], torch.Generator().manual_seed(seed)

    def below(high: int, *shape: int, low: int = 0) -> Tensor:
        return torch.randint(low, high, shape, generator=generator)

    if kind == "window":
        return {"window": torch.randn(rows, 7, 3, generator=generator)}
    if kind == "series":
        return {"series": torch.randn(rows, 9, 3, generator=generator), "lengths": below(10, rows, low=1)}
    if kind == "words":
        tokens = torch.where(torch.arange(7) < below(8, rows, 1, low=1), below(30, rows, 7, low=1), 0).int()
        return {"tokens": tokens, "letters": torch.where((tokens != 0).unsqueeze(2), LETTERS_OF[tokens.long()], 0)}
    if kind == "pairs":
        source = torch.where(torch.arange(6) < below(7, rows, 1, low=1), below(30, rows, 6, low=1), 0).int()
        return {"source": source, "target": below(12, rows, 5).int()}
    lengths = below(7, rows, low=1)
    return {"points": torch.randn(rows, 6, 3, generator=generator), "lengths": lengths, "target": below(7, rows, 5)}


def doubled(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Iterator[str]:
    with torch.random.fork_rng():
        yield request.param


@pytest.mark.parametrize("rows", [0, 1, 2, 6])
def test_shape_and_finite(case: str, rows: int) -> None:
    out = stirred(case).eval()(**{name: tensor[:rows] for name, tensor in batch(case).items()})
    assert out.shape == (rows, *CASES[case][2])
    assert out.isfinite().all()


def test_a_single_row_can_be_trained_on(case: str) -> None:
    stirred(case).train()(**batch(case, 1)).square().sum().backward()


def test_gradients_reach_every_parameter(case: str) -> None:
    network = stirred(case).train()
    for seed in range(4):  # so that every word, letter and token occurs
        network(**batch(case, 64, seed)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def test_a_rows_output_depends_on_that_row_alone(case: str) -> None:
    network, inputs = stirred(case).double().eval(), doubled(batch(case))
    whole = network(**inputs)
    for row in range(6):
        torch.testing.assert_close(network(**{name: t[row : row + 1] for name, t in inputs.items()})[0], whole[row])
    torch.testing.assert_close(network(**{name: t.flip(0) for name, t in inputs.items()}).flip(0), whole)


def test_training_differs_from_evaluation_only_by_dropout(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if hasattr(module, "word_dropout"):
            module.word_dropout = 0.0
    quiet = network(**inputs)
    torch.testing.assert_close(network.train()(**inputs), quiet)


def test_evaluation_draws_nothing_and_changes_nothing(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    before, given = copy.deepcopy(network.state_dict()), {name: t.clone() for name, t in inputs.items()}
    state = torch.get_rng_state()
    assert torch.equal(network(**inputs), network(**inputs))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(value, given[name]) for name, value in inputs.items())


def test_a_network_and_a_step_are_functions_of_the_seed(case: str) -> None:
    def run(seed: int) -> list[Tensor]:
        network = build(case, seed).train()
        torch.manual_seed(5)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        network(**batch(case)).square().mean().backward()
        optimizer.step()
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
    exact = copy.deepcopy(network).double()(**doubled(inputs))
    assert exact.dtype == torch.float64
    torch.testing.assert_close(network(**inputs), exact.float(), rtol=2e-4, atol=2e-5)


def test_bfloat16_autocast_stays_close(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    exact = network(**inputs)
    said = exact > -5e3  # not what a pointer network forbids
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(**inputs).float()
    assert torch.equal(rough > -5e3, said)
    assert (rough - exact)[said].abs().max() <= 0.04 * exact[said].abs().max() + 0.02  # eight bits, a handful of layers
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(**inputs).float()[said].square().mean()
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_export(case: str) -> None:
    network, inputs = stirred(case).eval(), batch(case)
    rows = torch.export.Dim("rows", min=2, max=1024)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: rows} for name in inputs})
    other = batch(case, 9, seed=3)
    torch.testing.assert_close(program.module()(**other), network(**other), rtol=1e-4, atol=1e-5)


def test_a_missing_input_is_named(case: str) -> None:
    network, inputs = build(case), batch(case)
    for name in inputs.keys() - OPTIONAL:
        with pytest.raises(InputError, match=f"built for {name} and the batch holds none"):
            network(**{other: tensor for other, tensor in inputs.items() if other != name})


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "series"])
def test_padding_of_series_changes_nothing_even_if_it_is_nan(case: str) -> None:
    network, inputs = stirred(case).double().eval(), doubled(batch(case))
    beyond = torch.arange(14) >= inputs["lengths"][:, None]
    longer = torch.cat([inputs["series"], inputs["series"][:, :5]], 1).masked_fill(beyond[:, :, None], torch.nan)
    torch.testing.assert_close(network(series=longer, lengths=inputs["lengths"]), network(**inputs))


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "words"])
def test_padding_of_sentences_and_words_changes_nothing(case: str) -> None:
    network, inputs = stirred(case).double().eval(), batch(case)
    wide = torch.zeros(6, 10, 8, dtype=torch.int64)
    wide[:, :7, :5] = inputs["letters"]
    out = network(tokens=nn.functional.pad(inputs["tokens"], (0, 3)), letters=wide)
    torch.testing.assert_close(out[:, :7], network(**inputs))


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "pairs"])
def test_padding_of_sources_changes_nothing_and_no_target_is_seen_ahead(case: str) -> None:
    network, inputs = stirred(case).double().eval(), batch(case)
    out = network(**inputs)
    padded = inputs | {"source": nn.functional.pad(inputs["source"], (0, 4))}
    torch.testing.assert_close(network(**padded), out)
    changed = inputs | {"target": torch.cat([inputs["target"][:, :3], (inputs["target"][:, 3:] + 1) % 12], 1)}
    torch.testing.assert_close(network(**changed)[:, :3], out[:, :3])
    assert not torch.allclose(network(**changed)[:, 3:], out[:, 3:])


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "points"])
def test_padding_of_points_changes_nothing_even_if_it_is_nan(case: str) -> None:
    network, inputs = stirred(case).double().eval(), doubled(batch(case))
    beyond = torch.arange(9) >= inputs["lengths"][:, None]
    longer = torch.cat([inputs["points"], inputs["points"][:, :3]], 1).masked_fill(beyond[:, :, None], torch.nan)
    target = torch.where(inputs["target"] == 6, 9, inputs["target"])  # the start stands behind all points
    out, wide = network(**inputs), network(points=longer, lengths=inputs["lengths"], target=target)
    torch.testing.assert_close(wide[:, :, [0, 1, 2, 3, 4, 5, 9]], out)
    assert (wide[:, :, 6:9] == -1e4).all()


@pytest.mark.parametrize("kind", ["empty", "padding", "one word", "no letters", "long"])
@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] == "words"])
def test_odd_sentences(case: str, kind: str) -> None:
    tokens, letters = {
        "empty": (torch.zeros(2, 0, dtype=torch.int32), torch.zeros(2, 0, 5, dtype=torch.int32)),
        "padding": (torch.zeros(2, 4, dtype=torch.int32), torch.zeros(2, 4, 5, dtype=torch.uint8)),
        "one word": (torch.full((2, 1), 7, dtype=torch.int32), torch.ones(2, 1, 5, dtype=torch.int64)),
        "no letters": (torch.full((2, 3), 7, dtype=torch.int32), torch.zeros(2, 3, 0, dtype=torch.int64)),
        "long": (torch.randint(1, 30, (2, 200)), torch.randint(1, 20, (2, 200, 40))),
    }[kind]
    network = stirred(case)
    out = network.eval()(tokens=tokens, letters=letters)
    assert out.shape[:2] == tokens.shape
    assert out.isfinite().all()
    network.train()(tokens=tokens, letters=letters).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1] in ("series", "points", "pairs")])
def test_rows_of_nothing(case: str) -> None:
    network, inputs = stirred(case), batch(case, 2)
    if CASES[case][1] == "pairs":
        empties = [inputs | {"source": inputs["source"][:, :0]}, inputs | {"source": torch.zeros_like(inputs["source"])}]
    else:
        main = "series" if "series" in inputs else "points"
        none = inputs | {"lengths": torch.zeros(2, dtype=torch.int64)}
        empties = [none, none | {main: inputs[main][:, :0]}]
    for given in empties:
        out = network.eval()(**given)
        assert out.isfinite().all()
        network.train()(**given).square().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
