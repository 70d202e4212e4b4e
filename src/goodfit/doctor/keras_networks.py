"""Keras' layers and models as torch's own modules are: with a mode of their own, and copied by `copy.deepcopy`.

A Keras model is a torch module already, but it is told its mode with every call, and a deep copy goes through its file format, which leaves out what is
no part of it. Here a copy is made attribute by attribute, as Python copies any other object.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

# Closures over the very object they are attributes of: its class has the same under these names.
_BOUND = {"build", "quantize"}
# What a copy for experiments never uses: the training of Keras' own loop.
_TRAINING = {"optimizer", "history", "train_function", "test_function", "predict_function"}


class KerasNetwork(nn.Module):
    """A Keras layer or model that stands under the recorder's eyes: it runs in the mode of `training`."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As the layer's own call, but for the mode."""
        told = {"training": self.training} if getattr(self.layer, "_call_has_training_arg", False) else {}
        return self.layer(*args, **kwargs, **told)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasNetwork:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
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
    """Everything that would be copied through Keras' files is copied by `_copy` in here."""
    saved = next((one for one in kind.__mro__ if "__reduce__" in vars(one) and one.__module__.startswith("keras.")), None)
    if saved is None or "__deepcopy__" in vars(saved):  # another version of Keras, or a copy in a copy
        yield
        return
    saved.__deepcopy__ = _copy  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del saved.__deepcopy__  # type: ignore[attr-defined]


def _copy(self: Any, memo: dict[int, Any]) -> Any:
    made = object.__new__(type(self))
    memo[id(self)] = made
    made.__dict__.update({name: _part(name, value, memo) for name, value in vars(self).items() if name not in _BOUND})
    return made


def _part(name: str, value: Any, memo: dict[int, Any]) -> Any:
    if name in _TRAINING:
        return value if name == "optimizer" else None
    if type(value).__name__.startswith("Tracked") and isinstance(value, list):
        return _listed(value, memo)
    return copy.deepcopy(value, memo)


def _listed(value: Any, memo: dict[int, Any]) -> Any:
    """A list of Keras' that notes what is added to it: the copy's notes are copied, and not made anew."""
    if id(value) in memo:
        return memo[id(value)]
    made = type(value)()
    memo[id(value)] = made
    list.extend(made, [copy.deepcopy(one, memo) for one in value])
    made.tracker = copy.deepcopy(value.tracker, memo)
    return made
