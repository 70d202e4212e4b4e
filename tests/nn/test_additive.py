"""Additive attention and its guide against loops."""

from __future__ import annotations

import math

import pytest
import torch

from goodfit.base.errors import InputError
from goodfit.nn.additive import AdditiveAttention
from goodfit.nn.guided import guided_penalty


def test_additive_attention_is_its_formula_pair_by_pair() -> None:
    layer = AdditiveAttention(4, 5, 6).double()
    queries, keys = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 7, 5, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    scores = layer(queries, layer.project(keys), mask)
    for b in range(2):
        for t in range(3):
            for s in range(7):
                hidden = torch.tanh(layer.query.weight @ queries[b, t] + layer.key.weight @ keys[b, s] + layer.key.bias)
                wanted = layer.score.weight[0] @ hidden if mask[b, s] else torch.tensor(-1e4, dtype=torch.float64)
                torch.testing.assert_close(scores[b, t, s], wanted)
    assert scores.softmax(2)[1, :, 4:].count_nonzero() == 0
    each = mask.unsqueeze(1).expand(2, 3, 7)
    assert torch.equal(layer(queries, layer.project(keys), each), scores)


def test_additive_attention_names_wrong_shapes() -> None:
    layer = AdditiveAttention(4, 5, 6)
    with pytest.raises(InputError, match=r"additive attention's keys expects \[B, S, 5\] and got \[2, 3, 4\]"):
        layer.project(torch.zeros(2, 3, 4))
    with pytest.raises(InputError, match=r"additive attention expects \[B, T, 4\] and got \[2, 3, 5\]"):
        layer(torch.zeros(2, 3, 5), torch.zeros(2, 7, 6), torch.ones(2, 7, dtype=torch.bool))


def test_guided_penalty_is_a_loop_over_real_pairs() -> None:
    weights = torch.randn(3, 5, 4, dtype=torch.float64).softmax(2).requires_grad_()
    lengths = [(4, 5), (2, 3), (3, 0)]
    source = torch.arange(4) < torch.tensor([[s] for s, _ in lengths])
    target = torch.arange(5) < torch.tensor([[t] for _, t in lengths])
    found = guided_penalty(weights, source, target)
    for row, (sources, targets) in enumerate(lengths):
        total = weights.new_zeros(())
        for t in range(targets):
            for s in range(sources):
                total = total + weights[row, t, s] * (1 - math.exp(-((s / sources - t / targets) ** 2) / (2 * 0.2**2)))
        torch.testing.assert_close(found[row], total / max(targets, 1))
    assert found[2] == 0
    found.sum().backward()
    assert weights.grad is not None
    assert weights.grad[1, 3:].count_nonzero() == 0


def test_guided_penalty_tells_the_diagonal_from_what_is_off_it() -> None:
    mask = torch.ones(1, 6, dtype=torch.bool)
    straight, turned = torch.eye(6)[None], torch.eye(6).flip(0)[None]
    assert guided_penalty(straight, mask, mask).item() == 0
    assert 0.5 < guided_penalty(turned, mask, mask).item() < 1
    assert guided_penalty(turned, mask, mask, width=10.0).item() < 0.01


def test_guided_penalty_names_wrong_shapes() -> None:
    mask = torch.ones(1, 6, dtype=torch.bool)
    with pytest.raises(InputError, match=r"guided attention's source mask expects \[B, 5\] and got \[1, 6\]"):
        guided_penalty(torch.zeros(1, 6, 5), mask, mask)
