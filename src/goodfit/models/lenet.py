"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition, 1998), in the form it is read today.

B images, C channels, H and W pixels, O outputs. Two convolutions, each followed by pooling, and three linear layers: 61,706 weights for 28 x 28
grey pixels and ten classes. Where this departs from the paper: a frame of two zeros inside the first convolution stands for the paper's 32 x 32
field around a digit; pooling has no weights of its own; each of the 16 filters sees all six maps, not some by a table; the activation is tanh(x),
not 1.7159 tanh(2 x / 3); the outputs are linear, not distances to drawn symbols, since the loss belongs to the task.
"""

from __future__ import annotations

from torch import Tensor, nn

from goodfit.base.errors import InputError
from goodfit.nn.activation import activation as activation_called
from goodfit.nn.pool import halving
from goodfit.nn.shapes import expect, required

MAPS = (6, 16)  # the paper's C1 and C3
UNITS = (120, 84)  # the paper's C5 and F6
FILTER = 5  # pixels, both convolutions


class LeNet5(nn.Module):
    """Images [B, C, H, W] -> [B, O]; the first linear layer takes as many features as the size of the images leaves.

    image: (C, H, W), H and W at least 12 pixels, or 5 without pooling: the second filter must fit. activation: tanh, the paper's, or any other.
    pool: mean, the paper's; max; or none. Raises InputError where the images are too small, SettingError for an unknown name.
    """

    def __init__(self, image: tuple[int, int, int], outputs: int, *, activation: str = "tanh", pool: str = "mean") -> None:
        super().__init__()
        channels, height, across = image
        least = FILTER if pool == "none" else 2 * (FILTER + 1)  # what pooling halves must leave the second filter two places
        if min(height, across) < least:
            raise InputError(
                f"lenet5 needs images of at least {least} x {least} pixels for its second convolution; got {height} x {across}; set data.image_size"
            )
        self.image = image
        self.features = nn.Sequential(
            nn.Conv2d(channels, MAPS[0], FILTER, padding=FILTER // 2),
            activation_called(activation),
            halving(pool),
            nn.Conv2d(MAPS[0], MAPS[1], FILTER),
            activation_called(activation),
            halving(pool),
        )
        left = MAPS[1] * _left(height, pool) * _left(across, pool)
        self.units = nn.Sequential(
            nn.Linear(left, UNITS[0]), activation_called(activation), nn.Linear(UNITS[0], UNITS[1]), activation_called(activation)
        )
        self.head = nn.Linear(UNITS[1], outputs)

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        x = required("image", image)
        expect("lenet5", x, "B", *self.image)
        return self.head(self.units(self.features(x).flatten(1)))  # B C H W -> B 16hw -> B O


def _left(side: int, pool: str) -> int:
    """Pixels of a side behind the second pooling.

    >>> _left(28, "mean")
    5
    """
    return side - FILTER + 1 if pool == "none" else (side // 2 - FILTER + 1) // 2
