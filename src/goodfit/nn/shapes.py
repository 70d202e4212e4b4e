"""Checks of shapes that name the layer, what it expects and what it got."""

from __future__ import annotations

from torch import Tensor

from goodfit.base.errors import InputError


def expect(layer: str, x: Tensor, *shape: int | str) -> None:
    """Refuse a tensor of another shape. A number must be equal, a letter stands for any size.

    >>> expect("mlp", torch.zeros(3, 12), "B", 14)
    Traceback (most recent call last):
    goodfit.base.errors.InputError: mlp expects [B, 14] and got [3, 12]

    Raises InputError. Sizes under a letter are not read, so that torch.export can leave them open.
    """
    given = x.shape
    if len(given) == len(shape) and all(isinstance(want, str) or have == want for have, want in zip(given, shape, strict=True)):
        return
    wanted = ", ".join(str(size) for size in shape)
    raise InputError(f"{layer} expects [{wanted}] and got {list(given)}", value=list(given))


def required(name: str, value: Tensor | None) -> Tensor:
    """The input called `name`, which the network was built for. Raises InputError where the batch lacks it."""
    if value is None:
        raise InputError(f"the network was built for {name} and the batch holds none; pass {name}=...")
    return value
