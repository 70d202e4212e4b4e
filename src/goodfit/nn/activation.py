"""Hidden activations by their name in the recipe."""

from __future__ import annotations

from torch import nn

from goodfit.base.errors import SettingError, did_you_mean

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,  # slope 0.01, Maas et al. 2013
    "gelu": nn.GELU,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
}


def activation(name: str, *, inplace: bool = False) -> nn.Module:
    """The activation called `name`. Raises SettingError for an unknown name.

    inplace: overwrite the input where the gradient can be had from the output (relu, leaky_relu); saves a tensor, and the time to write it.

    >>> activation("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if name not in ACTIVATIONS:
        raise SettingError(
            f"activation must be one of {', '.join(ACTIVATIONS)}; {name!r} was given{did_you_mean(name, ACTIVATIONS)}", value=name
        )
    if inplace and name == "relu":
        return nn.ReLU(inplace=True)
    if inplace and name == "leaky_relu":
        return nn.LeakyReLU(inplace=True)
    return ACTIVATIONS[name]()
