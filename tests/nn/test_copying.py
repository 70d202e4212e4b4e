"""The mix of writing and copying against its formula, token by token."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from goodfit.base.errors import InputError
from goodfit.nn.copying import Copying

COPIES = [0, 0, 4, 3, 3, 1]  # of six source tokens; 1 cannot be copied, 3 and 4 stand for the same
V, D = 5, 4


def made() -> tuple[Copying, Tensor, dict[str, Tensor]]:
    torch.manual_seed(0)
    layer = Copying(D, COPIES, V).double()
    source = torch.tensor([[2, 3, 4, 1], [5, 1, 0, 0], [1, 1, 0, 0]])
    tensors = {
        "x": torch.randn(3, 2, D, dtype=torch.float64, requires_grad=True),
        "last": torch.randn(3, 2, D, dtype=torch.float64, requires_grad=True),
        "logits": torch.randn(3, 2, V, dtype=torch.float64, requires_grad=True),
        "memory": torch.randn(3, 4, D, dtype=torch.float64, requires_grad=True),
    }
    return layer, source, tensors


def run(layer: Copying, source: Tensor, x: Tensor, last: Tensor, logits: Tensor, memory: Tensor) -> Tensor:
    return layer(x, last, logits, layer.begin(source, memory))


def test_it_is_the_papers_mix() -> None:
    layer, source, t = made()
    given = run(layer, source, **t)
    for b in range(3):
        able = [s for s in range(4) if COPIES[source[b, s]] != 0]
        for i in range(2):
            written = t["logits"][b, i].softmax(0)
            wanted = written
            if able:
                q = layer.query.weight @ t["x"][b, i]
                weight = torch.stack([q @ (layer.key.weight @ t["memory"][b, s]) / math.sqrt(D) for s in able]).softmax(0)
                context = sum(w * t["memory"][b, s] for w, s in zip(weight, able, strict=True))
                assert isinstance(context, Tensor)
                share = (layer.gate.weight[0] @ torch.cat([context, t["x"][b, i], t["last"][b, i]]) + layer.gate.bias[0]).sigmoid()
                wanted = share * written
                for w, s in zip(weight, able, strict=True):
                    wanted = wanted + (1 - share) * w * torch.eye(V, dtype=torch.float64)[COPIES[source[b, s]]]
            torch.testing.assert_close(given[b, i].exp(), wanted)


def test_probabilities_sum_to_one_and_padding_is_never_copied() -> None:
    layer, source, t = made()
    given = run(layer, source, **t)
    torch.testing.assert_close(given.exp().sum(2), torch.ones(3, 2, dtype=torch.float64))
    torch.testing.assert_close(given[2], t["logits"][2].log_softmax(1))  # nothing to copy


def test_gradients_are_finite_and_right() -> None:
    layer, source, t = made()

    def of(*given: Tensor) -> Tensor:
        return run(layer, source, *given)

    assert torch.autograd.gradcheck(of, (*t.values(), *layer.parameters())[:4])
    run(layer, source, **t)[0, 0, 2].backward()  # a token that no source token stands for
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in t.values())


def test_the_map_travels_with_the_weights() -> None:
    assert torch.equal(Copying(D, COPIES, V).state_dict()["token"], torch.tensor(COPIES))


@pytest.mark.parametrize("token", [-1, V])
def test_a_map_out_of_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(InputError, match=f"tokens of the target's vocabulary, 0 to 4, or 0 for none; got {token}"):
        Copying(D, [0, token], V)
