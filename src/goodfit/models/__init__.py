"""Networks, one a file, and the catalogue of their names.

    from goodfit.models import ResNet

A network is imported when it is first named.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "LeNet5": "goodfit.models.lenet",
    "ResNet": "goodfit.models.resnet",
    "ResNet9": "goodfit.models.resnet9",
    "VGG": "goodfit.models.vgg",
    "ViT": "goodfit.models.vit",
    "cifar_resnet": "goodfit.models.resnet",
    "imagenet_resnet": "goodfit.models.resnet",
}
__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'goodfit.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
