"""Recurrent layers against torch.nn.RNN, LSTM and GRU on packed sequences: outputs, states at the true ends, gradients; chunks against the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError, SettingError
from goodfit.nn.recurrent import CELLS, Recurrent

LENGTHS = torch.tensor([5, 1, 3, 7, 2])
MASK = torch.arange(8) < LENGTHS[:, None]
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def ways(layer: Recurrent, theirs: nn.RNNBase) -> list[tuple[nn.Parameter, nn.Parameter]]:
    """Our parameters and torch's, pair by pair."""
    found = []
    for suffix, stack in (("", layer.ahead), ("_reverse", layer.back)):
        for level, own in enumerate(stack):
            found += [(own.get_parameter(f"{name}_l0"), theirs.get_parameter(f"{name}_l{level}{suffix}")) for name in NAMES]
    return found


def torchs(layer: Recurrent) -> nn.RNNBase:
    """torch's network with our weights."""
    kinds = {"rnn": nn.RNN, "rnn_relu": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
    extra = {"nonlinearity": "relu"} if layer.cell == "rnn_relu" else {}
    dtype = next(layer.parameters()).dtype
    theirs = kinds[layer.cell](
        layer.inputs, layer.units, len(layer.ahead), batch_first=True, bidirectional=layer.bidirectional, dtype=dtype, **extra
    )
    with torch.no_grad():
        for ours, other in ways(layer, theirs):
            other.copy_(ours)
    return theirs


def started(layer: Recurrent, rows: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    layers = len(layer.ahead) + len(layer.back)
    return tuple(torch.randn(rows, layers, layer.units, dtype=dtype, requires_grad=True) for _ in range(2 if layer.cell == "lstm" else 1))


def mixed(out: Tensor, state: tuple[Tensor, ...]) -> Tensor:
    """A number that each output and each state moves in its own way."""
    return sum((part * torch.linspace(-1, 2, part.numel(), dtype=part.dtype).view(part.shape)).sum() for part in (out, *state))


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_equals_torchs_on_packed_sequences(cell: str, depth: int, bidirectional: bool, dtype: torch.dtype, near: float) -> None:
    layer = Recurrent(4, 3, cell=cell, depth=depth, bidirectional=bidirectional).to(dtype)
    theirs = torchs(layer)
    x, start = torch.randn(5, 8, 4, dtype=dtype, requires_grad=True), started(layer, 5, dtype)
    out, state = layer.run(x, MASK, start)

    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    given = tuple(part.transpose(0, 1).contiguous() for part in start)
    answer, end = theirs(packed, given if cell == "lstm" else given[0])
    wanted = nn.utils.rnn.pad_packed_sequence(answer, batch_first=True, total_length=8)[0]
    ends = tuple(part.transpose(0, 1) for part in (end if cell == "lstm" else (end,)))
    torch.testing.assert_close(out, wanted, rtol=0, atol=near)
    for part, other in zip(state, ends, strict=True):
        torch.testing.assert_close(part, other, rtol=0, atol=near)

    pairs = ways(layer, theirs)
    ours = torch.autograd.grad(mixed(out, state), [x, *start, *(own for own, _ in pairs)])
    others = torch.autograd.grad(mixed(wanted, ends), [x, *start, *(other for _, other in pairs)])
    for gradient, other in zip(ours, others, strict=True):
        torch.testing.assert_close(gradient, other, rtol=10 * near, atol=20 * near)
    torch.testing.assert_close(layer(x, MASK), layer.run(x, MASK)[0], rtol=0, atol=near)  # from zeros, without states


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_mask_every_step_is_real(cell: str) -> None:
    layer = Recurrent(4, 3, cell=cell, depth=2, bidirectional=True).double()
    x = torch.randn(5, 8, 4, dtype=torch.float64)
    out, state = layer.run(x)
    masked, other = layer.run(x, torch.ones(5, 8, dtype=torch.bool))
    torch.testing.assert_close(out, masked)
    for part, same in zip(state, other, strict=True):
        torch.testing.assert_close(part, same)
    assert torch.equal(layer(x), out)


@pytest.mark.parametrize("chunk", [1, 3, 4, 8, 20])
@pytest.mark.parametrize("cell", CELLS)
def test_chunks_change_no_output_and_no_gradient(cell: str, chunk: int) -> None:
    whole = Recurrent(4, 3, cell=cell, depth=2, bidirectional=True).double()
    parts = Recurrent(4, 3, cell=cell, depth=2, bidirectional=True, chunk=chunk).double()
    parts.load_state_dict(whole.state_dict())
    x, start = torch.randn(5, 8, 4, dtype=torch.float64, requires_grad=True), started(whole, 5)
    found = []
    for layer in (whole, parts):
        out, state = layer.run(x, MASK, start)
        gradients = torch.autograd.grad(mixed(out, state), [x, *start, *layer.parameters()])
        found.append([out, *state, *gradients])
        with torch.no_grad():
            torch.testing.assert_close(layer(x, MASK), layer.run(x, MASK)[0])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_a_truncated_gradient_stops_where_chunks_meet(cell: str) -> None:
    layer = Recurrent(4, 3, cell=cell, depth=2, chunk=3, truncated=True).double()
    theirs = torchs(layer)
    x = torch.randn(5, 8, 4, dtype=torch.float64)
    layer(x).square().sum().backward()
    state, outs = None, []
    for piece in x.split(3, 1):
        out, state = theirs(piece, state)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        outs.append(out)
    torch.testing.assert_close(layer(x), torch.cat(outs, 1))
    torch.cat(outs, 1).square().sum().backward()
    for ours, other in ways(layer, theirs):
        torch.testing.assert_close(ours.grad, other.grad)
    exact = Recurrent(4, 3, cell=cell, depth=2).double()
    exact.load_state_dict(layer.state_dict())
    exact(x).square().sum().backward()
    assert not torch.allclose(exact.ahead[0].weight_hh_l0.grad, layer.ahead[0].weight_hh_l0.grad)


@pytest.mark.parametrize("cell", CELLS)
def test_a_series_goes_on_from_a_state(cell: str) -> None:
    layer = Recurrent(4, 3, cell=cell, depth=2).double()
    x = torch.randn(5, 8, 4, dtype=torch.float64)
    first, state = layer.run(x[:, :5], torch.ones(5, 5, dtype=torch.bool))
    second, _ = layer.run(x[:, 5:], state=state)
    torch.testing.assert_close(torch.cat([first, second], 1), layer(x))


def kept(layer: Recurrent, x: Tensor) -> int:
    """Numbers that the graph keeps for the backward pass, weights not counted."""
    own, sizes = {p.data_ptr() for p in layer.parameters()}, []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(0 if tensor.data_ptr() in own else tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(x)
    return sum(sizes)


@pytest.mark.parametrize("cell", CELLS)
def test_chunks_keep_less_for_the_gradient(cell: str) -> None:
    x = torch.randn(2, 64, 4, dtype=torch.float64, requires_grad=True)
    whole, parts = (kept(Recurrent(4, 8, cell=cell, chunk=chunk).double(), x) for chunk in (None, 8))
    assert whole > 2 * 64 * 8
    assert parts < whole / 3


@pytest.mark.parametrize("cell", CELLS)
def test_rows_and_series_of_nothing(cell: str) -> None:
    layer = Recurrent(4, 3, cell=cell, depth=2, bidirectional=True).double()
    start = started(layer, 3)
    mask = torch.tensor([[True, True], [False, False], [True, False]])
    out, state = layer.run(torch.randn(3, 2, 4, dtype=torch.float64), mask, start)
    assert out[~mask].count_nonzero() == 0
    for part, begun in zip(state, start, strict=True):
        assert torch.equal(part[1], begun[1])
        assert not torch.equal(part[0], begun[0])
    out, state = layer.run(torch.zeros(3, 0, 4, dtype=torch.float64), mask[:, :0], start)
    assert out.shape == (3, 0, 6)
    assert all(torch.equal(part, begun) for part, begun in zip(state, start, strict=True))
    assert layer(torch.zeros(0, 5, 4, dtype=torch.float64), torch.ones(0, 5, dtype=torch.bool)).shape == (0, 5, 6)


def test_what_stands_at_padding_is_not_read() -> None:
    layer = Recurrent(4, 3, cell="lstm", depth=2, bidirectional=True).double()
    x = torch.randn(5, 8, 4, dtype=torch.float64)
    out, state = layer.run(x, MASK)
    other, same = layer.run(torch.where(MASK[:, :, None], x, 1e3), MASK)
    torch.testing.assert_close(other, out)
    for part, again in zip(state, same, strict=True):
        torch.testing.assert_close(part, again)


def test_the_memory_at_the_true_end_survives_bfloat16() -> None:
    layer = Recurrent(4, 3, cell="lstm")
    x = torch.randn(5, 8, 4)
    wanted = layer.run(x, MASK)[1][1]
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer.run(x, MASK)[1][1]
    torch.testing.assert_close(rough.float(), wanted, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("cell", CELLS)
def test_export(cell: str) -> None:
    class States(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Recurrent(4, 3, cell=cell, depth=2, bidirectional=True, chunk=5)

        def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
            out, state = self.layer.run(x, mask)
            return out, *state

    network = States().eval()
    rows = torch.export.Dim("rows", min=2, max=64)
    program = torch.export.export(network, (torch.randn(5, 8, 4), MASK), dynamic_shapes={"x": {0: rows}, "mask": {0: rows}})
    x, mask = torch.randn(3, 8, 4), MASK[1:4]
    for ours, other in zip(program.module()(x, mask), network(x, mask), strict=True):
        torch.testing.assert_close(ours, other)


def test_dropout_is_between_layers_and_in_training_only() -> None:
    layer = Recurrent(4, 3, depth=2, dropout=0.5)
    single = Recurrent(4, 3, depth=1, dropout=0.5)
    x = torch.randn(5, 8, 4)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(single(x), single(x))
    assert torch.equal(layer.eval()(x), layer(x))


def test_forget_gates_start_open() -> None:
    layer = Recurrent(4, 3, cell="lstm")
    bias = layer.ahead[0].bias_ih_l0 + layer.ahead[0].bias_hh_l0
    assert bias[3:6].tolist() == [1.0, 1.0, 1.0]
    assert (bias[:3] != 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "lsmt"}, "cell must be one of rnn, rnn_relu, lstm, gru; 'lsmt' was given; did you mean 'lstm'"),
        ({"chunk": 0}, "at least one step; chunk=0 was given"),
        ({"truncated": True}, "no effect without chunks"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Recurrent(4, 3, **settings)  # type: ignore[arg-type]


def test_shapes_that_cannot_be() -> None:
    layer = Recurrent(4, 3, cell="lstm", bidirectional=True)
    with pytest.raises(InputError, match=r"lstm expects \[B, T, 4\] and got \[2, 3, 5\]"):
        layer(torch.zeros(2, 3, 5))
    with pytest.raises(InputError, match=r"lstm's state expects \[B, 2, 3\] and got \[2, 1, 3\]"):
        layer.run(torch.zeros(2, 3, 4), state=(torch.zeros(2, 1, 3), torch.zeros(2, 1, 3)))
