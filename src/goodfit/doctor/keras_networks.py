"""Keras' layers and models as torch's own modules are: with a mode of their own, and copied by `copy.deepcopy`.

A Keras model is a torch module already, but it is told its mode with every call, and a deep copy goes through its file format, which leaves out what is
no part of it. Here a copy is made attribute by attribute, as Python copies any other object.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

# Closures over the very object they are attributes of: its class has the same under these names.
_BOUND = {"build", "quantize"}
# What a copy for experiments never uses: the training of Keras' own loop.
_TRAINING = {"optimizer", "history", "train_function", "test_function", "predict_function"}
_STATISTICS = ("/moving_mean", "/moving_variance")


class KerasNetwork(nn.Module):
    """A Keras layer or model that stands under the recorder's eyes: it runs in the mode of `training`."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the layer's own call, but for the mode."""
        told = {"training": self.training} if getattr(self.layer, "_call_has_training_arg", False) else {}
        return self.layer(*args, **kwargs, **told)

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """Without what Keras keeps in parameters too and is no weight: the states of its draws, and the running statistics of norms."""
        for name, weight in super().named_parameters(*args, **kwargs):
            if weight.is_floating_point() and not name.endswith(_STATISTICS):
                yield name, weight

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        memo |= {
            id(module): module for name, module in list(sys.modules.items()) if name.startswith("keras.")
        }  # Keras' draws hold its backend
        with _copied_by_parts(type(self.layer)):
            made.__dict__ = {name: copy.deepcopy(value, memo) for name, value in vars(self).items()}
        return made


class KerasNetworks:
    """The one KerasNetwork of each layer."""

    def __init__(self) -> None:
        self._made: dict[int, KerasNetwork] = {}

    def of(self, layer: Any) -> KerasNetwork:
        """The network, made when its layer is seen first."""
        if id(layer) not in self._made:
            self._made[id(layer)] = KerasNetwork(layer)
        return self._made[id(layer)]


@contextmanager
def _copied_by_parts(kind: type) -> Iterator[None]:
    """Everything that would be copied through Keras' files is copied by `_copy` in here, and its lists that note what is added to them by `_held`."""
    saved = next((one for one in kind.__mro__ if "__reduce__" in vars(one) and one.__module__.startswith("keras.")), None)
    noting = (
        [one for one in getattr(sys.modules.get("keras.src.utils.tracking"), "__dict__", {}).values() if isinstance(one, type)]
        if saved
        else []
    )
    ways: list[tuple[Any, Any]] = [(saved, _copy)] if saved else []  # another version of Keras may do without
    ways += [(one, _held) for one in noting if issubclass(one, list | dict | set) and one.__name__.startswith("Tracked")]
    for one, way in ways:
        one.__deepcopy__ = way
    try:
        yield
    finally:
        for one, _ in ways:
            del one.__deepcopy__


def _copy(self: Any, memo: dict[int, Any]) -> Any:
    made = object.__new__(type(self))
    memo[id(self)] = made
    for name, value in vars(self).items():
        if name in _TRAINING:
            made.__dict__[name] = value if name == "optimizer" else None
        elif name not in _BOUND:
            made.__dict__[name] = copy.deepcopy(value, memo)
    return made


def _held(self: Any, memo: dict[int, Any]) -> Any:
    """What it notes is copied, and not noted anew."""
    made = type(self)()
    memo[id(self)] = made
    plain: Any = super(type(self), made)
    if isinstance(self, dict):
        for key, value in self.items():
            plain.__setitem__(key, copy.deepcopy(value, memo))
    else:
        for value in self:
            (plain.append if isinstance(self, list) else plain.add)(copy.deepcopy(value, memo))
    made.tracker = copy.deepcopy(self.tracker, memo)
    return made
