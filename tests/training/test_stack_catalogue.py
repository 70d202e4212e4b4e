"""Every network of the catalogue in a stack: what it gives, learns and counts is what it gives, learns and counts alone."""

from __future__ import annotations

import pytest
import torch
from tests.models import networks
from torch import Tensor, nn

from goodfit.training.stack import Stack
from goodfit.training.step import reseed


def _member(case: str, k: int) -> nn.Module:
    network, generator = networks.stirred(case), torch.Generator().manual_seed(k)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.double().train()


def _inputs(case: str, k: int) -> dict[str, Tensor]:
    return {name: t.double() if t.is_floating_point() else t for name, t in networks.batch(case, 6, k).items()}


@pytest.mark.parametrize("case", list(networks.CASES))
def test_members_give_what_they_give_alone(case: str) -> None:
    with torch.random.fork_rng():
        members, own = [_member(case, k) for k in range(2)], [_inputs(case, k) for k in range(2)]
        if any(own[0][name].shape != own[1][name].shape for name in own[0]):
            own[1] = own[0]
        stack = Stack.of(members)
        inputs = {name: torch.stack([each[name] for each in own]) for name in own[0]}
        for training in (True, False):
            stack.train(training).draws.begin(lambda: [5, 6])
            out = stack(inputs)
            gradients = torch.autograd.grad(out.square().sum(), stack.weights, allow_unused=True)
            for k, network in enumerate(members):
                reseed(torch.device("cpu"), 5 + k)
                alone = network.train(training)(**own[k])
                torch.testing.assert_close(out[k], alone, rtol=1e-9, atol=1e-9)
                named = dict(network.named_parameters())
                expected = torch.autograd.grad(alone.square().sum(), [named[c.name] for c in stack.columns], allow_unused=True)
                for column, mine, theirs in zip(stack.columns, gradients, expected, strict=True):
                    assert (mine is None) == (theirs is None), column.name
                    if mine is not None:
                        scale = max(1.0, float(theirs.abs().max()))
                        torch.testing.assert_close(mine[k] / scale, theirs / scale, rtol=1e-8, atol=1e-9, msg=column.name)
                for name, buffer in network.named_buffers():
                    torch.testing.assert_close(stack.buffers[name][k], buffer, rtol=1e-9, atol=1e-9, msg=name)
