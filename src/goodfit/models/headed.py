"""A backbone with a head: features from what was trained elsewhere, the answer from a few layers of their own.

B rows, F features, O outputs, W width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from goodfit.models.features import features_of
from goodfit.nn.activation import activation
from goodfit.nn.shapes import expect, required


class Head(nn.Module):
    """Features [B, F] -> [B, O]: scaled by the training rows' mean and deviation, then `depth` hidden layers of `width` units, then a linear map.

    Without hidden layers and with a backbone that is frozen this is the linear probe of Alain and Bengio (2016). `standardise` sets mean and deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, features: int, outputs: int, *, width: int = 256, depth: int = 0, dropout: float = 0.0, activation_name: str = "relu"
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [nn.Linear(features, width), activation(activation_name), nn.Dropout(dropout)]
            features = width
        self.hidden = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.0 if depth else dropout)
        self.output = nn.Linear(features, outputs)

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """mean, std: [F] of the features of the training rows."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, *, features: Tensor | None = None) -> Tensor:
        features = required("features", features)
        expect("the head", features, "B", self.mean.shape[0])
        return self.output(self.hidden(self.dropout((features - self.mean) / self.std)))  # B F -> B O


class Headed(nn.Module):
    """`backbone`, called with the inputs by keyword, and a `Head` on its features. frozen: the backbone's weights do not learn.

    A frozen one reads pictures channel by pixel (channels_last), for which a CPU has the faster convolutions: EfficientNet-Lite0 takes 51 ms a picture
    of 224 pixels for 93 on one core.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, *, pool: str = "mean", frozen: bool = True) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.pool, self.frozen = pool, frozen
        if frozen:
            backbone.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, **inputs: Tensor) -> Tensor:
        """[B, F] of the inputs."""
        return features_of(self.found(**inputs), mask_of(inputs), self.pool)

    def found(self, **inputs: Tensor) -> Any:
        """What the backbone gives."""
        if self.frozen and "image" in inputs:
            inputs = inputs | {"image": inputs["image"].contiguous(memory_format=torch.channels_last)}
        return self.backbone(**inputs)

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.head(features=self.features(**inputs))  # B ... -> B O


def mask_of(inputs: dict[str, Tensor]) -> Tensor | None:
    """[B, T] which tokens of a text are no padding."""
    return inputs["text"] != 0 if "text" in inputs else None


def taught(network: nn.Module) -> nn.Module:
    """What of the network is trained: its head alone where it has one on a frozen backbone, whose features are computed once."""
    return network.head if isinstance(network, Headed) and network.frozen else network


def head_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the catalogue's settings that `Head` takes."""
    named = {"width": "width", "depth": "depth", "dropout": "dropout", "activation": "activation_name"}
    return {own: settings[name] for name, own in named.items() if settings.get(name) is not None}
