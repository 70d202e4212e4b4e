"""Several networks as one: the mean of what they say.

K networks, B rows, n rows, O outputs, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.base.errors import InputError

MEANS = ("arithmetic", "geometric")
_FLOOR = 1e-37  # about the smallest probability that a float32 softmax gives; only what is 0 is raised to it


def average(predictions: np.ndarray, weights: Sequence[float] | np.ndarray | None = None, *, mean: str = "arithmetic") -> np.ndarray:
    """The weighted mean over K of decoded predictions [K, n, ...]; weights not negative, taken relative to their sum.

    mean: "geometric", of probabilities [K, n, C] alone, is the normalised geometric mean, which is the softmax of the mean logits: the one whose log
    loss is below the mean of the networks' by their variance (Heskes 1998). The arithmetic one forgives a single sure mistake, and is the usual.

    >>> average(np.array([[0.0, 2.0], [4.0, 4.0]]), [3, 1]).tolist()
    [1.0, 2.5]
    """
    given = np.asarray(predictions, dtype=np.float64)
    if given.ndim < 2 or not len(given):
        raise InputError(f"predictions must be [K, n, ...] of at least one network; {given.shape} was given")
    share = even(len(given)) if weights is None else shares(weights, len(given))
    if mean == "arithmetic":
        return np.asarray(np.tensordot(share, given, axes=1))
    if mean != "geometric":
        raise InputError(f"mean must be one of {', '.join(MEANS)}; {mean!r} was given", value=mean)
    if given.ndim != 3 or (given < 0).any():
        raise InputError(f"a geometric mean is of probabilities [K, n, C], at least 0; {given.shape} was given")
    logs = np.tensordot(share, np.log(np.clip(given, _FLOOR, None)), axes=1)
    together = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(together / together.sum(axis=-1, keepdims=True))


def even(count: int) -> np.ndarray:
    """The same weight for each of `count`, summing to 1."""
    return np.full(count, 1 / count)


def shares(weights: Sequence[float] | np.ndarray, count: int) -> np.ndarray:
    """The weights relative to their sum [count]. Raises InputError where they are negative, not finite, all 0, or of another number."""
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (count,):
        raise InputError(f"there must be one weight for each of the {count} networks; weights of shape {given.shape} were given")
    if not np.isfinite(given).all() or (given < 0).any() or not given.sum():
        raise InputError(f"weights must be finite, at least 0, and not all 0; {given.tolist()} was given")
    return np.asarray(given / given.sum())


class Members(nn.Module):
    """Networks of the same inputs as one network with the output [B, K, O], whose members every task averages when it decodes.

    As everywhere, the loss of such an output is the mean of the members' losses. Each network may have its own form; all have O outputs.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        if not networks:
            raise InputError("an ensemble needs at least one network; none was given")
        self.networks = nn.ModuleList(networks)

    def forward(self, **inputs: Tensor) -> Tensor:
        outputs = [network(**inputs) for network in self.networks]
        if len({output.shape for output in outputs}) > 1:
            raise InputError(f"networks of one ensemble must have outputs of one shape; they are {[tuple(o.shape) for o in outputs]}")
        if outputs[0].ndim != 2:
            raise InputError(f"networks of one ensemble must have outputs [B, O]; {tuple(outputs[0].shape)} was given")
        return torch.stack(outputs, dim=1)  # B K O
