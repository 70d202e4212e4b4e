"""Making pictures: the games that a generator and a discriminator play, and the distance by which the pictures are judged.

B rows, n pictures, F features. The losses of the games are in `adversarial`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from goodfit.tasks import adversarial
from goodfit.tasks.frechet import frechet_distance

SCORES = {"frechet_distance": False}


@dataclass(frozen=True)
class Game:
    """What both networks learn from, functions of logits [B] or [B, 1], per row.

    critic_steps: updates of the discriminator for one of the generator. penalty: times the gradient penalty, 0 for none. norm: of the
    discriminator, see models.gan. lr, beta1, beta2: of Adam for both networks.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    critic_steps: int = 1
    penalty: float = 0.0
    norm: str = "batch"
    # DCGAN's 2e-4 is for days; here are minutes. mnist_5k, validation distance after 2,250 and 1,600 rounds of 64: not told the class 68 for about 115 at
    # 2e-4, told it 35 for 79 at 5e-4 (one seed each).
    lr: float = 1e-3
    beta1: float = 0.5  # Radford, Metz and Chintala 2016
    beta2: float = 0.999


# Gulrajani et al. 2017: five updates of the critic, whose norm must not mix rows, Adam without a first moment.
GAMES: dict[str, Game] = {
    "original": Game(adversarial.discriminator_loss, adversarial.saturating_loss),
    "non-saturating": Game(adversarial.discriminator_loss, adversarial.non_saturating_loss),
    "wasserstein": Game(
        adversarial.critic_loss,
        adversarial.wasserstein_loss,
        critic_steps=5,
        penalty=adversarial.PENALTY,
        norm="layer",
        lr=1e-4,
        beta1=0.0,
        beta2=0.9,
    ),
}
DEFAULT = "non-saturating"


class Generation:
    """The task of pictures like the real ones. Its score is the Fréchet distance of a judge's features, which the api knows."""

    outputs = 0  # the generator's are pixels
    score = "frechet_distance"
    maximise = SCORES["frechet_distance"]

    def __init__(self, game: Game = GAMES[DEFAULT]) -> None:
        self.game = game

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output: the discriminator's logits [B, 1] of generated rows; target: without meaning -> the generator's loss [B]."""
        return self.game.generator(output)

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """Pictures [B, C, H, W] from -1 to 1 -> {"picture": the same, from 0 to 1}."""
        return {"picture": (output.clamp(-1, 1) + 1) / 2}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """frechet_distance of prediction["feature"] [n, F], of generated pictures, and target [m, F], of real ones."""
        return {"frechet_distance": frechet_distance(prediction["feature"], target)}
