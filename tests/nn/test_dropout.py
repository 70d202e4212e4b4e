"""Dropout from cheap random bits: probability, independence, gradient, purity, and torch's own where a transform is at work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from goodfit.base.errors import SettingError
from goodfit.nn.dropout import Dropout, dropout


def _stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _kept(shape: tuple[int, ...], p: float, generator: torch.Generator) -> np.ndarray:
    return (dropout(torch.ones(shape), p, generator=generator) != 0).numpy()


@pytest.mark.parametrize("p", [0.001, 0.1, 0.25, 0.5, 0.8, 0.999])
def test_frequency_is_binomial(p: float) -> None:
    n = 1_000_003  # not a multiple of four: the last word is cut
    dropped = n - int(_kept((n,), p, _stream(1)).sum())
    assert stats.binomtest(dropped, n, round(p * 65536) / 65536).pvalue > 1e-4


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_neighbours_and_successive_calls_are_independent(p: float) -> None:
    generator = _stream(2)
    first, second = _kept((400_000,), p, generator), _kept((400_000,), p, generator)
    pairs = [(first[:-lag], first[lag:]) for lag in (1, 2, 3, 4, 7, 64)] + [(first, second)]
    for one, other in pairs:
        table = np.array([[np.sum(one & other), np.sum(one & ~other)], [np.sum(~one & other), np.sum(~one & ~other)]])
        assert stats.chi2_contingency(table, correction=False).pvalue > 1e-4


def test_counts_in_blocks_of_four_are_binomial() -> None:
    """The four elements of one 64-bit word drop out like any four others."""
    p = 16384 / 65536
    dropped = (~_kept((100_000, 4), p, _stream(3))).sum(axis=1)
    seen = np.bincount(dropped, minlength=5)
    assert stats.chisquare(seen, stats.binom(4, p).pmf(np.arange(5)) * dropped.size).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_gradient_is_the_mask_times_the_gradient(dtype: torch.dtype) -> None:
    x = torch.randn(7, 33, generator=_stream(4)).to(dtype).requires_grad_()
    y = dropout(x, 0.3, generator=_stream(5))
    assert y.dtype == dtype
    keep = (dropout(torch.ones(7, 33), 0.3, generator=_stream(5)) != 0).to(dtype)
    scale = 65536 / (65536 - 19661)
    assert torch.equal(y, x * (scale * keep))
    gradient = torch.randn(7, 33, generator=_stream(6)).to(dtype)
    y.backward(gradient)
    assert x.grad is not None
    torch.testing.assert_close(x.grad, gradient * (keep * scale))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch's own, from its forward-mode tables
def test_derivatives_of_every_order() -> None:
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: dropout(v, 0.4, generator=_stream(7)) ** 3, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda v: dropout(v, 0.4, generator=_stream(7)) ** 3, (x,))


def test_backward_keeps_the_mask_alone() -> None:
    saved: list[torch.Tensor] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor)
        return tensor

    x = torch.randn(64, 64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        dropout(x, 0.1)
    assert sum(tensor.untyped_storage().nbytes() for tensor in saved) <= 4 * x.numel()


@pytest.mark.parametrize("elements", [1000, 100_000])  # torch's generator, and one of its own
def test_same_seed_same_mask_and_the_default_generator_moves_on(elements: int) -> None:
    x = torch.ones(elements)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        first, second = dropout(x, 0.5), dropout(x, 0.5)
        torch.manual_seed(8)
        assert torch.equal(first, dropout(x, 0.5))
        assert not torch.equal(first, second)
        state = torch.get_rng_state()
        given = dropout(x, 0.5, generator=_stream(9))
        assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(given, dropout(x, 0.5, generator=_stream(9)))


def test_the_mask_does_not_depend_on_the_number_of_threads() -> None:
    x, threads = torch.ones(300_000), torch.get_num_threads()
    one = dropout(x, 0.1, generator=_stream(10))
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert torch.equal(one, dropout(x, 0.1, generator=_stream(10)))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("p", [1e-4, 0.1, 1 / 3, 0.9])
def test_expectation_is_exact(p: float) -> None:
    """Share kept x scale = 1, with the share as the number of the 2^16 values that are kept."""
    n = 1 << 16
    scale = float(dropout(torch.ones(n, dtype=torch.float64), p, generator=_stream(11)).max())
    assert (n - round(p * n)) / n * scale == 1.0


def test_ends() -> None:
    x = torch.randn(100)
    assert dropout(x, 0.0) is x
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 1e-9) is x
    for p in (1.0, 1 - 1e-9):
        y = x.clone().requires_grad_()
        z = dropout(y, p)
        z.sum().backward()
        assert not z.any()
        assert y.grad is not None
        assert not y.grad.any()
    assert dropout(torch.ones(70_000), 1 - 2**-16, generator=_stream(12)).max() in (0.0, 65536.0)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5,), (2, 3, 5, 7)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert dropout(torch.ones(shape), 0.5).shape == shape


def test_layouts() -> None:
    base = torch.randn(6, 10)
    strided = base.t()[::2]
    assert torch.equal(dropout(strided, 0.5, generator=_stream(13)), dropout(strided.contiguous(), 0.5, generator=_stream(13)))
    image = torch.rand(2, 3, 4, 5).add(1).to(memory_format=torch.channels_last)
    out = dropout(image, 0.5, generator=_stream(14))
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(out.permute(0, 2, 3, 1), dropout(image.permute(0, 2, 3, 1).contiguous(), 0.5, generator=_stream(14)))


def test_module_like_torchs() -> None:
    ours, theirs = Dropout(0.3), nn.Dropout(0.3)
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, nn.Dropout)
    assert not list(ours.parameters())
    x = torch.ones(50, 50)
    assert (ours(x) == 0).any()
    assert ours.eval()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_wrong_probability(p: float) -> None:
    with pytest.raises(SettingError, match="within 0 and 1"):
        dropout(torch.ones(2), p)
    with pytest.raises(SettingError, match="within 0 and 1"):
        Dropout(p)


def test_export_holds_torchs_operation() -> None:
    network = nn.Sequential(nn.Linear(4, 4), Dropout(0.5))
    x = torch.randn(2, 4)
    training = torch.export.export(network.train(), (x,))
    assert any("dropout" in str(node.target) for node in training.graph.nodes)
    exported = torch.export.export(network.eval(), (x,))
    assert torch.equal(exported.module()(x), network(x))


def test_trace_holds_torchs_operation() -> None:
    graph = torch.fx.experimental.proxy_tensor.make_fx(lambda v: torch.func.vmap(lambda w: dropout(w, 0.5), randomness="different")(v))
    assert "bernoulli" in graph(torch.ones(3, 4)).code


def test_vmap_follows_its_randomness() -> None:
    x = torch.ones(4, 500)
    different = torch.func.vmap(lambda v: dropout(v, 0.5), randomness="different")(x)
    same = torch.func.vmap(lambda v: dropout(v, 0.5), randomness="same")(x)
    assert not torch.equal(different[0], different[1])
    assert torch.equal(same[0], same[1])
    gradient = torch.func.grad(lambda v: dropout(v, 0.5).sum())(x[0])
    assert set(gradient.unique().tolist()) == {0.0, 2.0}
    with pytest.raises(SettingError, match="generator"):
        torch.func.vmap(lambda v: dropout(v, 0.5, generator=_stream(0)), randomness="different")(x)


def test_on_another_device_the_shape_and_device_stay() -> None:
    assert dropout(torch.ones(3, 4, device="meta"), 0.5).device.type == "meta"
