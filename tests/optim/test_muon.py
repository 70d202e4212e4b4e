"""Muon: orthogonal updates, matrices found in every layout, and torch's own Muon as a second opinion."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.optim.networks import gradients, make
from torch import Tensor, nn

from goodfit.base.recipe import OptimPart
from goodfit.optim import newton_schulz
from goodfit.optim.build import build
from goodfit.optim.muon import Muon
from goodfit.optim.newton_schulz import orthogonalise
from goodfit.optim.state import flatten


def conditioned(rows: int, columns: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """A matrix whose smallest singular value is a thirtieth of the largest."""
    generator = torch.Generator().manual_seed(seed)
    u, _, v = torch.linalg.svd(torch.randn(rows, columns, generator=generator, dtype=torch.float64), full_matrices=False)
    return (u * torch.logspace(0, -1.5, min(rows, columns), dtype=torch.float64) @ v).to(dtype)


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (5, 40), (40, 5), (160, 200), (1, 7)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_singular_values_come_near_one_and_directions_stay(rows: int, columns: int, dtype: torch.dtype) -> None:
    g = conditioned(rows, columns, dtype)
    o = orthogonalise(g[None])[0]
    assert o.dtype == dtype
    assert o.shape == g.shape
    values = torch.linalg.svdvals(o.double())
    assert values.min() > 0.6
    assert values.max() < 1.3
    u, _, v = torch.linalg.svd(g.double(), full_matrices=False)
    inner = u.T @ o.double() @ v.T
    off = inner - torch.diag(inner.diagonal())
    assert off.abs().max() < (1e-9 if dtype == torch.float64 else 0.06 if rows == 160 else 1e-4)  # 160 rows: bfloat16 where it is fast


def test_a_batch_is_its_members() -> None:
    stack = torch.stack([conditioned(6, 9, seed=seed) * 10.0**seed for seed in range(4)])
    alone = torch.stack([orthogonalise(matrix[None])[0] for matrix in stack])
    torch.testing.assert_close(orthogonalise(stack), alone, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(orthogonalise(stack.mT), alone.mT, rtol=1e-12, atol=1e-12)


def test_scale_does_not_matter_and_nothing_stays_nothing() -> None:
    g = conditioned(6, 9)
    torch.testing.assert_close(orthogonalise(1e4 * g[None]), orthogonalise(g[None]), rtol=1e-5, atol=1e-6)
    assert orthogonalise(torch.zeros(2, 3, 4)).abs().max() == 0


def test_bfloat16_and_float32_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    g = conditioned(160, 200, torch.float32)[None]
    monkeypatch.setattr(newton_schulz, "_cpu_multiplies_bfloat16", lambda: False)
    exact = orthogonalise(g)
    monkeypatch.setattr(newton_schulz, "_cpu_multiplies_bfloat16", lambda: True)
    rough = orthogonalise(g)
    assert not torch.equal(rough, exact)
    assert torch.nn.functional.cosine_similarity(rough.flatten(), exact.flatten(), dim=0) > 0.999


def with_gradient(weight: Tensor, gradient: Tensor) -> nn.Parameter:
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient.clone(memory_format=torch.preserve_format)
    return parameter


def moved(weight: Tensor, gradient: Tensor, blocks: int, rows: int) -> Tensor:
    """The weight after two updates by Muon."""
    parameter = with_gradient(weight, gradient)
    optimizer = Muon([{"params": [parameter], "muon": True, "blocks": [blocks], "rows": [rows], "lr": 0.1}])
    for _ in range(2):
        optimizer.step()
    return parameter.detach()


def test_a_convolution_is_its_matrix_in_any_layout() -> None:
    g = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = moved(torch.zeros(8, 27, dtype=torch.float64), g.flatten(1), 1, 8)
    filters = moved(torch.zeros_like(g), g, 1, 8)
    last = moved(torch.zeros_like(g).to(memory_format=torch.channels_last), g.to(memory_format=torch.channels_last), 1, 8)
    torch.testing.assert_close(filters.flatten(1), flat)
    torch.testing.assert_close(last, filters)
    assert last.stride() == g.to(memory_format=torch.channels_last).stride()


def test_blocks_are_matrices_of_their_own() -> None:
    g = torch.randn(12, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    zero = torch.zeros(12, 6, dtype=torch.float64)
    alone = torch.cat([moved(zero[:4], part, 1, 4) for part in g.chunk(3)])
    torch.testing.assert_close(moved(zero, g, 3, 4), alone)
    torch.testing.assert_close(moved(zero.view(3, 4, 6), g.view(3, 4, 6), 3, 4).view(12, 6), alone)
    assert not torch.allclose(moved(zero, g, 1, 12), alone)


def test_matrices_of_one_shape_in_one_batch_are_as_alone() -> None:
    g = torch.randn(5, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = [with_gradient(torch.zeros(7, 7, dtype=torch.float64), gradient) for gradient in g]
    together[2].grad = None
    optimizer = Muon([{"params": together, "muon": True, "blocks": [1] * 5, "rows": [7] * 5, "lr": 0.1}])
    optimizer.step()
    optimizer.step()
    for index, parameter in enumerate(together):
        expected = torch.zeros(7, 7, dtype=torch.float64) if index == 2 else moved(torch.zeros(7, 7, dtype=torch.float64), g[index], 1, 7)
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("nesterov", [True, False])
def test_torch_s_own_muon_agrees(nesterov: bool) -> None:
    """It computes in bfloat16 with the same coefficients, so only to its rounding."""
    start = torch.randn(24, 16, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    settings: dict[str, Any] = {"momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.1}
    group = {"params": [ours], "muon": True, "blocks": [1], "rows": [24], "lr": 0.02}
    optimizer = Muon([group], **settings)
    reference = torch.optim.Muon([theirs], lr=0.02, **settings)
    goal = torch.randn(24, 16, generator=torch.Generator().manual_seed(2))
    for _ in range(20):
        for parameter, one in ((ours, optimizer), (theirs, reference)):
            one.zero_grad()
            ((parameter - goal) ** 2).sum().backward()
            one.step()
    assert (start - ours).abs().max() > 0.2
    assert (ours - theirs).abs().max() < 0.01


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_an_update_that_is_not_finite_is_skipped(weight_decay: float) -> None:
    """With `found_inf` set, weights and state stay as they are; with it unset, the bits are as without it."""
    settings = OptimPart(name="muon", weight_decay=weight_decay)
    ours, theirs = make(), make()
    optimizer, reference = build(ours, settings, lr=0.01), build(theirs, settings, lr=0.01)
    for step in range(6):
        bad = step in (0, 3)
        gradients(ours, step)
        if bad:
            for parameter in ours.parameters():
                assert parameter.grad is not None
                parameter.grad.fill_(float("nan"))
        else:
            gradients(theirs, step)
            reference.step()
        optimizer.grad_scale, optimizer.found_inf = None, torch.tensor(float(bad))  # type: ignore[attr-defined]
        optimizer.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")
    state, expected = flatten(optimizer)[0], flatten(reference)[0]
    assert state.keys() == expected.keys()
    for name in state:
        torch.testing.assert_close(state[name], expected[name])


def test_rates_of_matrices_and_of_the_rest() -> None:
    optimizer = build(make(), OptimPart(name="muon", muon_lr=0.02), lr=0.001)
    assert [(group["muon"], group["lr"], group.get("lr_factor", 1.0)) for group in optimizer.param_groups] == [
        (True, 0.02, 20.0),
        (False, 0.001, 1.0),
        (False, 0.001, 1.0),
    ]
    linear = build(nn.Linear(3, 2), OptimPart(name="muon"), lr=0.001)
    assert not any(group["muon"] for group in linear.param_groups)


def test_no_closure() -> None:
    with pytest.raises(AssertionError, match="no closure"):
        build(make(), OptimPart(name="muon"), lr=0.1).step(lambda: 0.0)
