"""Giving back what was given, through a code: the squared error of an autoencoder.

B rows, Z numbers of the code, D numbers given back. There is no target: what is right is the input itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.tasks.class_metrics import average

SCORES = {"mean_squared_error": False}


class Autoencoding(Protocol):
    """What an autoencoder has besides `forward`, which corrupts its input in training. columns: what an error is shared out among."""

    columns: int

    def given(self, **inputs: Tensor) -> Tensor: ...

    def encode(self, x: Tensor) -> Tensor: ...

    def decode(self, code: Tensor) -> Tensor: ...


class Reconstruction:
    """The task of giving a row back. unit: one of the network's in the data's, 0.5 for images (pixels from 0 to 1 lie from -1 to 1 there), 1
    for standardised columns. Its score is the mean squared error: over pixels, or over columns, of which a category adds up its levels."""

    outputs = 0  # as many as inputs
    score = "mean_squared_error"
    maximise = SCORES["mean_squared_error"]

    def __init__(self, unit: float = 1.0) -> None:
        self.unit = unit

    def run(self, network: nn.Module, inputs: Mapping[str, Tensor], target: Tensor | None) -> Tensor:
        """While it is taught, the squared error of each row [B]; else its code and, last, that error in the data's unit squared, [B, Z + 1]."""
        autoencoder = cast(Autoencoding, network)
        given = autoencoder.given(**inputs)
        if target is not None:
            return _squared(cast(Any, network)(**inputs), given, autoencoder.columns)
        code = autoencoder.encode(given)
        error = self.unit**2 * _squared(autoencoder.decode(code), given, autoencoder.columns)
        return torch.cat([code.to(error.dtype), error[:, None]], 1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """output: squared errors [B], as `run` gives them; target: without meaning -> [B]."""
        return output

    def decode(self, output: Tensor) -> dict[str, Tensor]:
        """output [B, Z + 1] -> {"code": [B, Z], "error": [B]}."""
        return {"code": output[:, :-1], "error": output[:, -1]}

    def metrics(self, prediction: dict[str, np.ndarray], target: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
        """mean_squared_error; target: without meaning. weight [n] of the rows."""
        return {"mean_squared_error": average(prediction["error"].astype(np.float64), weight)}


def _squared(said: Tensor, given: Tensor, columns: int) -> Tensor:
    """[B, ...] of one shape -> [B], the mean over columns."""
    given = given if given.dtype == torch.float64 else given.float()
    return (said.to(given.dtype) - given).square().flatten(1).sum(1) / columns
