"""Whether training a network fits into memory, found before any of that is taken."""

from __future__ import annotations

from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from goodfit.base.errors import InputError, SettingError
from goodfit.models import catalogue
from goodfit.models.account import describe
from goodfit.models.catalogue import Inputs, Settings

# The settings that a network's memory grows with; those that were not given are sized by us, and need no look.
SIZES = (
    "model.width",
    "model.depth",
    "model.latent_dim",
    "model.members",
    "model.embedding_dim",
    "model.bins",
    "train.batch_size",
    "data.image_size",
    "data.max_tokens",
    "data.vocabulary",
)
_SPARE = 0.8  # of the free memory is for what is recommended, the rest for the data and for what others take meanwhile


def refuse_too_large(
    name: str, inputs: Inputs, outputs: int, settings: Settings, *, batch_size: int, optimiser: str, copies: int, free: int
) -> None:
    """Raises SettingError where training the network would take more than `free` bytes, and says with which width it would not.

    inputs, outputs, settings: as `catalogue.build` takes them. batch_size: rows of a forward pass. copies: of the weights, kept besides
    what an update needs (the best ones, their average). Of the network nothing is made but its shapes.
    """
    account = describe(_shapes(name, inputs, outputs, settings), catalogue.example(inputs, 1), batch_size, optimiser)
    weights = account.parameter_bytes
    needed = account.training_bytes + copies * weights
    if needed <= free:
        return
    # What is as large as the weights is known for any width, all else grows with the width at most.
    alike = min(needed, (1 + copies) * weights + account.gradient_bytes + account.optimiser_bytes)
    width = given = settings.get("width") or 0
    while width:
        width //= 2
        share = _share(name, inputs, outputs, {**settings, "width": width}, weights) if width else None
        if share is None or alike * share + (needed - alike) * width / given <= _SPARE * free:
            break
    sizes = [f"model.{key}={settings[key]}" for key in ("width", "depth", "members") if settings.get(key) is not None]
    raise SettingError(
        f"training the network {name!r} with {', '.join([*sizes, f'train.batch_size={batch_size}'])} would take"
        f" about {_gib(needed)} of memory, and {_gib(free)} are free; "
        + (f"set model.width={width} or less, or lower another of them" if width and share else "lower one of them"),
        value=settings.get("width"),
    )


def _share(name: str, inputs: Inputs, outputs: int, settings: Settings, weights: int) -> float | None:
    """How many times `weights` bytes the network's weights have, None where it cannot have these settings (no multiple of the heads)."""
    try:
        return _bytes(_shapes(name, inputs, outputs, settings)) / weights
    except InputError:
        return None


def _shapes(name: str, inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    """The network with tensors that have shapes and no contents."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        return catalogue.build(name, inputs, outputs, settings)


def _bytes(network: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"
