"""Adversarial losses against cross-entropy and closed forms; the gradient penalty against finite differences."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.models.gan import DCDiscriminator
from goodfit.tasks.adversarial import (
    critic_loss,
    discriminator_loss,
    gradient_penalty,
    non_saturating_loss,
    saturating_loss,
    wasserstein_loss,
)

REAL, FAKE = torch.tensor([2.0, -1.0, 0.0], dtype=torch.float64), torch.tensor([0.5, -3.0, 40.0], dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_losses_of_the_original_game_are_cross_entropies(shape: tuple[int, ...]) -> None:
    real, fake = REAL.view(shape), FAKE.view(shape)
    ones, zeros = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)

    def entropy(logits: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, target, reduction="none")

    torch.testing.assert_close(discriminator_loss(real, fake), entropy(REAL, ones) + entropy(FAKE, zeros))
    torch.testing.assert_close(saturating_loss(fake), -entropy(FAKE, zeros))
    torch.testing.assert_close(non_saturating_loss(fake), entropy(FAKE, ones))
    torch.testing.assert_close(critic_loss(real, fake), FAKE - REAL)
    torch.testing.assert_close(wasserstein_loss(fake), -FAKE)


def test_the_best_discriminator_reaches_the_divergence_of_jensen_and_shannon() -> None:
    """With densities p and q on three values, logit log(p / q) gives a loss of 2 ln 2 - 2 JS, and any other more."""
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.3, 0.6])
    m = (p + q) / 2
    js = 0.5 * (p * (p / m).log()).sum() + 0.5 * (q * (q / m).log()).sum()

    def loss(logits: Tensor) -> float:
        zero = torch.zeros(3)
        halves = p * (discriminator_loss(logits, zero) - math.log(2)) + q * (discriminator_loss(zero, logits) - math.log(2))
        return halves.sum().item()

    best = (p / q).log()
    assert loss(best) == pytest.approx(2 * math.log(2) - 2 * js.item())
    assert loss(best + 0.3) > loss(best) < loss(best - 0.3)


def test_only_the_saturating_loss_saturates() -> None:
    fake = torch.tensor([-20.0], requires_grad=True)
    slopes = [torch.autograd.grad(loss(fake).sum(), fake)[0].item() for loss in (saturating_loss, non_saturating_loss, wasserstein_loss)]
    assert abs(slopes[0]) < 1e-8
    assert slopes[1:] == [pytest.approx(-1), -1]


def test_gradient_penalty_of_a_linear_critic() -> None:
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    real, fake = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake, torch.rand(5, dtype=torch.float64))
    torch.testing.assert_close(penalty, torch.full((5,), 16.0, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(penalty.sum(), weight)
    torch.testing.assert_close(gradient, 5 * 2 * 4 * weight.detach() / 5)


def test_gradient_penalty_is_taken_between_real_and_generated_rows() -> None:
    real, fake, share = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor([0.25])
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().sum(1, keepdim=True)

    penalty = gradient_penalty(critic, real, fake, share)
    torch.testing.assert_close(seen[0], torch.tensor([[0.25, 1.5]]))
    torch.testing.assert_close(penalty, (2 * seen[0].norm() - 1).square().view(1))
    with torch.no_grad():
        torch.testing.assert_close(gradient_penalty(critic, real, fake, share), penalty)


@pytest.mark.parametrize("kind", ["mlp", "convolutional", "layer norm"])
def test_the_gradient_of_the_penalty_is_that_of_finite_differences(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "mlp":
        network: nn.Module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        shape: tuple[int, ...] = (2, 3)
        call = "input"
    else:
        network = DCDiscriminator((1, 8, 8), width=2, norm="layer" if kind == "layer norm" else "none").double()
        with torch.no_grad():  # DCGAN's start of 0.02 leaves slopes near 0, where the penalty tells little
            for parameter in network.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        shape, call = (2, 1, 8, 8), "image"
    real, fake = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    share = torch.rand(2, dtype=torch.float64)
    names = [name for name, _ in network.named_parameters()]

    def penalty(*values: Tensor) -> Tensor:
        def critic(x: Tensor) -> Tensor:
            return torch.func.functional_call(network, dict(zip(names, values, strict=True)), kwargs={call: x})

        return gradient_penalty(critic, real, fake, share)

    assert torch.autograd.gradcheck(penalty, tuple(p.detach().clone().requires_grad_() for p in network.parameters()))


def test_a_flat_critic_has_a_penalty_with_a_finite_gradient() -> None:
    weight = torch.zeros(2, requires_grad=True)
    penalty = gradient_penalty(lambda x: x @ weight, torch.ones(1, 2), torch.ones(1, 2), torch.ones(1))
    assert penalty.item() == 1
    (gradient,) = torch.autograd.grad(penalty.sum(), weight)
    assert gradient.isfinite().all()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match=r"one logit a row, \[B\] or \[B, 1\], and got \[3, 2\]"):
        non_saturating_loss(torch.zeros(3, 2))
    with pytest.raises(InputError, match=r"as many generated rows as real ones, and a share of each; got \[3, 2\], \[2, 2\] and \[3\]"):
        gradient_penalty(lambda x: x.sum(1), torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(3))
