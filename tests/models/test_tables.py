"""Networks for tables against naive transcriptions: MLP and torch.nn.Sequential, TabM and a loop over its members, RealMLP and its paper."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.linear import Linear
from goodfit.models.mlp import MLP
from goodfit.models.realmlp import POINTS, NTKLinear, RealMLP
from goodfit.models.tabm import TabM
from goodfit.nn.activation import ACTIVATIONS
from goodfit.nn.norm import BatchNorm1d

BINS = [torch.tensor([-1.0, 0.0, 2.0]), torch.linspace(-2, 2, 6)]


def stir(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize(("norm", "dropout"), [("none", 0.0), ("batch", 0.2), ("layer", 0.2)])
def test_mlp_is_a_sequential(hidden: str, norm: str, dropout: float) -> None:
    network = MLP(5, [], 3, width=7, depth=2, activation=hidden, norm=norm, dropout=dropout)
    blocks: list[nn.Module] = []
    for inputs in (5, 7):
        blocks.append(nn.Linear(inputs, 7))
        blocks += {"none": [], "batch": [nn.BatchNorm1d(7)], "layer": [nn.LayerNorm(7)]}[norm]
        blocks.append(ACTIVATIONS[hidden]())
        blocks += [nn.Dropout(dropout)] if dropout else []
    reference = nn.Sequential(*blocks, nn.Linear(7, 3))
    reference.load_state_dict(network.layers.state_dict())
    x = torch.randn(11, 5)
    if not dropout:
        assert torch.equal(network(numbers=x), reference(x))
    assert torch.equal(network.eval()(numbers=x), reference.eval()(x))


def test_mlp_starts_as_torch_starts_it() -> None:
    torch.manual_seed(3)
    network = MLP(5, [], 3, width=7, depth=1, dropout=0.0)
    torch.manual_seed(3)
    reference = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), reference.parameters(), strict=True))


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_mlp_depth_is_the_number_of_hidden_layers(depth: int) -> None:
    network = MLP(2, [3], 1, width=4, depth=depth)
    assert sum(isinstance(module, nn.Linear) for module in network.modules()) == depth + 1


def test_mlp_reads_pixels_after_columns() -> None:
    network = MLP(2, [], 1, image=(1, 2, 3), depth=0)
    numbers, image = torch.randn(4, 2), torch.randn(4, 1, 2, 3)
    wanted = network.layers(torch.cat([numbers, image.flatten(1)], 1))
    assert torch.equal(network(numbers=numbers, image=image), wanted)
    with pytest.raises(InputError, match=r"mlp expects \[B, 1, 2, 3\] and got \[4, 1, 3, 3\]"):
        network(numbers=numbers, image=torch.randn(4, 1, 3, 3))


def test_a_batch_of_one_row_falls_back_on_running_statistics() -> None:
    layer = BatchNorm1d(3)
    layer(torch.randn(8, 3))
    x = torch.randn(1, 3)
    out, before = layer(x), layer.running_mean.clone()
    assert torch.equal(out, layer.eval()(x))
    assert torch.equal(layer.running_mean, before)


def test_linear_finds_least_squares() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    codes = torch.randint(0, 3, (60, 1), generator=generator)
    y = torch.randn(60, 1, generator=generator, dtype=torch.float64)
    network = Linear(3, [3], 1).double()
    assert network(numbers=x, categories=codes).count_nonzero() == 0  # the start says nothing
    optimizer = torch.optim.LBFGS(
        network.parameters(), max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (network(numbers=x, categories=codes) - y).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    design = torch.cat([x, F.one_hot(codes[:, 0], 3)[:, 1:], torch.ones(60, 1)], 1)
    solution = torch.linalg.lstsq(design, y).solution
    assert network.weight is not None
    torch.testing.assert_close(network.weight.weight.detach().T, solution[:-1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(network.bias.detach(), solution[-1], rtol=1e-5, atol=1e-7)


def test_linear_adds_the_weights_of_words_over_the_root_of_their_number() -> None:
    network = Linear(0, [], 2, vocabulary=6)
    stir(network)
    assert network.words is not None
    rows = network.words.table.weight
    text = torch.tensor([[4, 4, 5, 0], [3, 0, 0, 0]])
    wanted = torch.stack([(2 * rows[4] + rows[5]) / math.sqrt(3), rows[3]]) + network.bias
    torch.testing.assert_close(network(text=text), wanted)


def test_tabm_is_a_loop_over_its_members() -> None:
    """The paper's member k: an MLP with the shared matrix between its own adapters, and a head of its own."""
    network = TabM(2, [4, 3], 2, width=6, depth=2, members=5, dropout=0.0, embedding="piecewise", embedding_dim=3, bins=BINS).double()
    stir(network)
    numbers, codes = torch.randn(9, 2, dtype=torch.float64), torch.randint(0, 3, (9, 2))
    embed = network.columns.embed
    assert embed is not None
    features = torch.cat([embed(numbers), F.one_hot(codes[:, 0], 4)[:, 1:], F.one_hot(codes[:, 1], 3)[:, 1:]], 1)
    members = []
    for k in range(5):
        x = features
        for layer in network.trunk.layers:
            adapted = nn.Linear(layer.inputs, layer.outputs).double()
            adapted.weight.data = torch.diag(layer.s[k]) @ layer.weight @ torch.diag(layer.r[k])
            adapted.bias.data = layer.bias[k].data
            x = adapted(x).relu()
        members.append(x @ network.trunk.head.weight[k] + network.trunk.head.bias[k])
    torch.testing.assert_close(network(numbers=numbers, categories=codes), torch.stack(members, 1))


def test_tabm_starts_as_the_paper_says() -> None:
    network = TabM(2, [4], 1, width=6, depth=3, members=5, embedding="piecewise", embedding_dim=3, bins=BINS)
    first, *others = network.trunk.layers
    assert not torch.equal(first.r, torch.ones_like(first.r))
    for start, end in ((0, 3), (3, 6), (6, 9)):  # one number for a member and a column
        assert torch.equal(first.r[:, start:end], first.r[:, start : start + 1].expand(5, end - start))
    assert first.r.abs().sub(1).abs().max() > 0.1  # normal with embedded numbers,
    signs = TabM(2, [4], 1, width=6, depth=3, members=5).trunk.layers[0].r
    assert torch.equal(signs.abs(), torch.ones_like(signs))  # plus or minus one without
    assert torch.equal(first.s, torch.ones_like(first.s))
    for layer in others:
        assert torch.equal(layer.r, torch.ones_like(layer.r))
        assert torch.equal(layer.s, torch.ones_like(layer.s))
    assert not torch.equal(network.trunk.head.weight[0], network.trunk.head.weight[1])


def test_tabm_members_have_dropout_of_their_own() -> None:
    network = TabM(3, [], 1, width=50, depth=1, members=2, dropout=0.5)
    nn.init.ones_(network.trunk.layers[0].r)
    with torch.no_grad():
        network.trunk.head.weight.copy_(network.trunk.head.weight[:1].clone().expand(2, -1, -1))
        network.trunk.head.bias.zero_()
    out = network(numbers=torch.randn(4, 3))
    assert not torch.equal(out[:, 0], out[:, 1])
    torch.testing.assert_close(*network.eval()(numbers=torch.randn(4, 3)).unbind(1))


def naive_realmlp(network: RealMLP, numbers: Tensor, codes: Tensor, sizes: list[int]) -> Tensor:
    """The paper's forward pass, feature by feature, from the stored parameters and the published factors."""
    embed = network.columns.embed
    features = []
    for n in range(numbers.shape[1]):
        value = numbers[:, n : n + 1]
        wave = torch.cos(2 * math.pi * value * (0.1 * embed.frequency[n]) + 0.1 * embed.phase[n])
        features += [wave @ (0.1 * embed.weight[n]) + 0.1 * embed.bias[n], value]
    features += [F.one_hot(codes[:, m], size)[:, 1:].to(numbers.dtype) for m, size in enumerate(sizes)]
    x = torch.cat(features, 1) * (6 * network.scale)
    for layer, blend in zip(network.hidden, network.blends, strict=True):
        z = x @ layer.weight.T / math.sqrt(x.shape[1]) + 0.1 * layer.bias
        x = z + 0.1 * blend.blend * (F.selu(z) - z)
    return x @ network.head.weight.T / math.sqrt(x.shape[1]) + 0.1 * network.head.bias


def test_realmlp_is_the_papers() -> None:
    network = RealMLP(3, [4, 3], 2, width=6).double().eval()
    stir(network)
    numbers, codes = torch.randn(9, 3, dtype=torch.float64), torch.stack([torch.randint(0, 4, (9,)), torch.randint(0, 3, (9,))], 1)
    torch.testing.assert_close(network(numbers=numbers, categories=codes), naive_realmlp(network, numbers, codes, [4, 3]))


def test_realmlp_scales_start_at_one() -> None:
    network = RealMLP(3, [], 2, width=6)
    torch.testing.assert_close(6 * network.scale, torch.ones(12))
    torch.testing.assert_close(0.1 * network.blends[0].blend, torch.ones(6))


def test_realmlp_fits_its_start_to_the_rows() -> None:
    torch.manual_seed(0)
    network = RealMLP(3, [5], 2, width=64).eval()
    numbers, codes = torch.randn(400, 3), torch.randint(0, 5, (400, 1))
    network.fit_start(numbers=numbers, categories=codes)
    x = network.columns(numbers, codes) * 6 * network.scale
    for layer, blend in zip([*network.hidden, network.head], [*network.blends, nn.Identity()], strict=True):
        answers = F.linear(x / math.sqrt(x.shape[1]), layer.weight)
        torch.testing.assert_close(answers.std(0, correction=0), torch.ones(answers.shape[1]), rtol=1e-4, atol=1e-4)
        kink = -0.1 * layer.bias
        assert (kink >= answers.amin(0)).all()  # inside the data
        assert (kink <= answers.amax(0)).all()
        assert kink.std() > 0.1  # and not at one place
        x = blend(layer(x))
    again = RealMLP(3, [5], 2, width=64)
    torch.manual_seed(0)
    network = RealMLP(3, [5], 2, width=64)
    network.fit_start(numbers=numbers, categories=codes)
    torch.manual_seed(0)
    again = RealMLP(3, [5], 2, width=64)
    again.fit_start(numbers=numbers, categories=codes)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_fitting_survives_a_unit_that_answers_nothing() -> None:
    layer = NTKLinear(2, 3)
    layer.fit_start(torch.zeros(POINTS, 2))
    assert layer.weight.isfinite().all()
    assert layer.bias.isfinite().all()
