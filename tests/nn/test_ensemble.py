"""Layers that hold K networks: against a loop over the members."""

from __future__ import annotations

import torch

from goodfit.nn.ensemble import EnsembleHead, EnsembleLinear, first_adapter_


def test_ensemble_linear_is_a_loop_over_members() -> None:
    layer = EnsembleLinear(4, 6, 3).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    wanted = torch.stack([((x[:, k] * layer.r[k]) @ layer.weight.T) * layer.s[k] + layer.bias[k] for k in range(3)], 1)
    torch.testing.assert_close(layer(x), wanted)
    shared = torch.stack([((x[:, 0] * layer.r[k]) @ layer.weight.T) * layer.s[k] + layer.bias[k] for k in range(3)], 1)
    torch.testing.assert_close(layer(x[:, :1]), shared)


def test_ensemble_head_is_a_loop_over_members() -> None:
    layer = EnsembleHead(4, 2, 3).double()
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    wanted = torch.stack([x[:, k] @ layer.weight[k] + layer.bias[k] for k in range(3)], 1)
    torch.testing.assert_close(layer(x), wanted)


def test_members_start_equal_until_the_first_adapter_is_drawn() -> None:
    layer = EnsembleLinear(6, 5, 4)
    out = layer(torch.randn(2, 1, 6))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    first_adapter_(layer.r, [1, 3, 2], "signs")
    assert set(layer.r.unique().tolist()) <= {-1.0, 1.0}
    assert torch.equal(layer.r[:, 1], layer.r[:, 2])
    assert torch.equal(layer.r[:, 1], layer.r[:, 3])
    assert torch.equal(layer.r[:, 4], layer.r[:, 5])


def test_normal_adapters_differ_between_members_and_columns() -> None:
    adapter = first_adapter_(torch.ones(2_000, 4), [1, 3], "normal")
    assert torch.equal(adapter[:, 1], adapter[:, 3])
    drawn = adapter[:, :2]
    assert abs(drawn.mean()) < 0.1
    assert abs(drawn.std() - 1) < 0.1
    assert abs(torch.corrcoef(drawn.T)[0, 1]) < 0.1


def test_bfloat16_autocast_stays_in_bfloat16() -> None:
    layer = EnsembleLinear(4, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(torch.randn(5, 3, 4))
        assert out.dtype == torch.bfloat16
        assert EnsembleHead(6, 2, 3)(out).dtype == torch.bfloat16


def test_gradcheck() -> None:
    layer, head = EnsembleLinear(3, 4, 2).double(), EnsembleHead(4, 2, 2).double()
    x = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *_: head(layer(x)), (x, *layer.parameters(), *head.parameters()))
