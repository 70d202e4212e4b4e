"""What the two networks of a generative adversarial network learn from. B rows. All are functions of logits [B] or [B, 1], and per row.

The discriminator (or critic) says `real` of real rows and `fake` of generated ones. Take the mean over rows, and let each network's
optimiser step down its own loss: for the discriminator's, `fake` is computed from generated rows that are cut off from the generator.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from goodfit.base.errors import InputError

PENALTY = 10.0  # times the gradient penalty in the critic's loss, which Gulrajani et al. found to do for every network and data set tried


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))) in nats (Goodfellow et al. 2014), D the logistic function of the logits -> [B].

    >>> discriminator_loss(torch.zeros(1), torch.zeros(1))  # twice ln 2
    tensor([1.3863])
    """
    return F.softplus(-_rows(real)) + F.softplus(_rows(fake))


def saturating_loss(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))) in nats -> [B]: the generator's loss of the game as it was first stated (Goodfellow et al. 2014, equation 1).

    Its gradient vanishes where the discriminator is sure that a row is generated: fake far below 0.
    """
    return -F.softplus(_rows(fake))


def non_saturating_loss(fake: Tensor) -> Tensor:
    """-log D(G(z)) in nats -> [B]: the generator's loss with a gradient where it is needed (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-_rows(fake))


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """f(G(z)) - f(x) -> [B] (Arjovsky, Chintala and Bottou 2017): its negative, at the best f of slope 1, is the Wasserstein distance.

    To be added: PENALTY times the `gradient_penalty`.
    """
    return _rows(fake) - _rows(real)


def wasserstein_loss(fake: Tensor) -> Tensor:
    """-f(G(z)) -> [B]: the generator's loss beside `critic_loss`."""
    return -_rows(fake)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """(|grad f(x')| - 1)^2 at x' = share * real + (1 - share) * fake -> [B] (Gulrajani et al. 2017).

    critic: from rows of the shape of `real` to logits, each from its row alone (no batch norm). real, fake: [B, ...] of one shape; neither
    gets a gradient. share: [B], uniform within 0 and 1. The result can be differentiated with respect to the critic's parameters.

    >>> gradient_penalty(lambda x: 3 * x.sum(1), torch.zeros(1, 4), torch.ones(1, 4), torch.ones(1))  # a slope of 6
    tensor([25.], grad_fn=<PowBackward0>)
    """
    if real.shape != fake.shape or share.shape != real.shape[:1]:
        raise InputError(
            f"a gradient penalty needs as many generated rows as real ones, and a share of each; got {list(real.shape)}, {list(fake.shape)} "
            f"and {list(share.shape)}"
        )
    share = share.view(-1, *[1] * (real.dim() - 1))
    with torch.enable_grad():
        x = (share * real.detach() + (1 - share) * fake.detach()).requires_grad_()
        (gradient,) = torch.autograd.grad(_rows(critic(x)).sum(), x, create_graph=True)
        return (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - 1).square()


def _rows(logits: Tensor) -> Tensor:
    """[B] or [B, 1] -> [B]."""
    if logits.dim() == 1 or (logits.dim() == 2 and logits.shape[1] == 1):
        return logits.flatten()
    raise InputError(f"an adversarial loss expects one logit a row, [B] or [B, 1], and got {list(logits.shape)}", value=list(logits.shape))
