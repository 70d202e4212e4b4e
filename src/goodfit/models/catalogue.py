"""The networks by name: what each is for, what it reads, its settings with their defaults, and how it is built.

One literal dict. A network takes the settings that its entry lists and no others; what is not given is taken from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.parts import ModelPart
from goodfit.models.gru import GRU
from goodfit.models.linear import Linear
from goodfit.models.mlp import MLP
from goodfit.models.tabm import TabM
from goodfit.models.transformer import Transformer

Inputs = Mapping[str, Mapping[str, Any]]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One network. settings: every setting that it takes, with its default. scaling: how its numbers are encoded."""

    build: Callable[[Inputs, int, Settings], nn.Module]
    inputs: tuple[str, ...]
    settings: dict[str, Any]
    purpose: str
    source: str
    scaling: str = "quantile"


def _columns(inputs: Inputs) -> tuple[int, list[int]]:
    """N numbers and the sizes of the categories."""
    return len(inputs.get("numbers", {}).get("names", ())), list(inputs.get("categories", {}).get("sizes", ()))


def _image(inputs: Inputs) -> tuple[int, int, int] | None:
    image = inputs.get("image")
    return (image["channels"], image["height"], image["width"]) if image else None


def _vocabulary(inputs: Inputs) -> int:
    return int(inputs["text"]["vocabulary"]) if "text" in inputs else 0


def _numeric(inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The settings without `bins`, which is a count there and the edges of the bins for a network."""
    plain = {name: value for name, value in settings.items() if name != "bins"}
    return plain | {"bins": inputs.get("numbers", {}).get("bins") if settings.get("embedding") == "piecewise" else None}


CATALOGUE: dict[str, Entry] = {
    "linear": Entry(
        lambda inputs, outputs, settings: Linear(
            *_columns(inputs), outputs, vocabulary=_vocabulary(inputs), image=_image(inputs), **settings
        ),
        ("numbers", "categories", "text", "image"),
        {},
        "a first answer, and the baseline that every other network has to beat",
        "Legendre 1805 (least squares); Cox 1958 (logistic regression)",
        scaling="standard",
    ),
    "mlp": Entry(
        lambda inputs, outputs, settings: MLP(*_columns(inputs), outputs, image=_image(inputs), **_numeric(inputs, settings)),
        ("numbers", "categories", "image"),
        {
            "width": 256,
            "depth": 3,
            "dropout": 0.1,
            "activation": "relu",
            "norm": "none",
            "embedding": "none",
            "embedding_dim": 16,
            "bins": 48,
        },
        "a plain network over columns or pixels",
        "Rumelhart, Hinton and Williams 1986",
    ),
    "tabm": Entry(
        lambda inputs, outputs, settings: TabM(*_columns(inputs), outputs, **_numeric(inputs, settings)),
        ("numbers", "categories"),
        {
            "width": 256,
            "depth": 2,
            "members": 32,
            "dropout": 0.1,
            "activation": "relu",
            "embedding": "piecewise",
            "embedding_dim": 16,
            "bins": 48,
        },
        "the default for tables: one network that is 32, with numbers bent by learned curves",
        "Gorishniy, Kotelnikov and Babenko, TabM, ICLR 2025",
    ),
    "transformer": Entry(
        lambda inputs, outputs, settings: Transformer(_vocabulary(inputs), outputs, **settings),
        ("text",),
        {"width": 128, "depth": 2, "heads": 4, "dropout": 0.1},
        "text where the order of words matters and there are tens of thousands of rows",
        "Vaswani et al. 2017; pre-norm, rotary positions",
    ),
    "gru": Entry(
        lambda inputs, outputs, settings: GRU(_vocabulary(inputs), outputs, **settings),
        ("text",),
        {"width": 128, "depth": 1, "embedding_dim": 128, "bidirectional": True, "dropout": 0.3},
        "text with few rows",
        "Cho et al. 2014; concat pooling: Howard and Ruder 2018",
    ),
}


def names() -> tuple[str, ...]:
    return tuple(CATALOGUE)


def entry(name: str) -> Entry:
    """The entry of this name; raises SettingError with the nearest name when there is none."""
    if name not in CATALOGUE:
        raise SettingError(
            f"there is no network {name!r}{did_you_mean(name, CATALOGUE) or '; there are ' + ', '.join(CATALOGUE)}", value=name
        )
    return CATALOGUE[name]


def choose(kinds: Collection[str], rows: int, preset: str) -> str:
    """The default network for columns of these kinds (see data.dataset.Kind)."""
    columns = set(kinds) - {"text", "image", "identifier", "constant"}
    if "text" in kinds:
        return "transformer" if not columns and "image" not in kinds else "mixed"
    if "image" in kinds:
        return "resnet9" if not columns else "mixed"
    return "tabm"


def scaling(name: str) -> Any:
    """How the network's numbers are encoded: quantile, standard or robust."""
    return entry(name).scaling


def checked(name: str, given: Settings) -> dict[str, Any]:
    """The settings that were given, when the network takes them all; raises SettingError for the first that it does not."""
    takes = entry(name).settings
    for setting in given:
        if setting not in takes:
            listed = ", ".join(f"model.{known}" for known in takes) or "none"
            raise SettingError(f"the network {name!r} does not take model.{setting}; it takes {listed}", value=setting)
    return dict(given)


def taken(part: ModelPart) -> dict[str, Any]:
    """The network's settings in a resolved recipe."""
    return {name: getattr(part, name) for name in entry(part.name or "").settings if getattr(part, name) is not None}


# Multiply-adds a second of one thread in training, forward and backward together: measured on a 2.6 GHz AVX-512 core with
# TabM's blocks. A nominal figure: sizes must not depend on how busy the machine happens to be.
THROUGHPUT = 8e9
EPOCHS = 40  # that a table's network usually needs before it stops gaining


def defaults(name: str, inputs: Inputs, *, rows: int, outputs: int, time_limit: float | None, threads: int, preset: str) -> dict[str, Any]:
    """The network's settings for data of this shape, sized to what `time_limit` seconds allow on `threads` threads.

    Sizes follow a cost model (multiply-adds against THROUGHPUT), never a measurement, so that the same call gives the same network.
    """
    settings = dict(entry(name).settings)
    if name != "tabm":
        return settings
    if preset == "fast":
        settings |= {"width": 128, "members": 16, "embedding_dim": 8}
    numbers, sizes = _columns(inputs)
    budget = math.inf if time_limit is None else 0.8 * time_limit * threads * THROUGHPUT / (EPOCHS * max(rows, 1))
    for width, members, dim in _SIZES:
        if width > settings["width"] or members > settings["members"] or dim > settings["embedding_dim"]:
            continue
        settings |= {"width": width, "members": members, "embedding_dim": dim}
        if 3 * tabm_cost(numbers, sizes, outputs, width, settings["depth"], members, dim) <= budget:
            break
    return settings


_SIZES = ((512, 32, 16), (384, 32, 16), (256, 32, 16), (256, 32, 8), (128, 32, 8), (128, 16, 8), (64, 16, 8), (64, 8, 4), (32, 8, 4))


def tabm_cost(numbers: int, sizes: Collection[int], outputs: int, width: int, depth: int, members: int, dim: int) -> float:
    """Multiply-adds of a row's forward pass."""
    features = numbers * dim + sum(size if size <= 65 else dim for size in sizes)
    hidden = features * width + (depth - 1) * width * width + width * outputs
    return members * hidden + numbers * dim * 48


def build(name: str, inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    """The network for inputs of this specification (the encoder's, with "bins" for piecewise embeddings), O outputs, fresh weights.

    Weights are drawn from torch's default generator, which the caller seeds. Raises SettingError where the network does not
    read an input that the data have.
    """
    own = entry(name)
    for kind in inputs:
        if kind not in own.inputs:
            fitting = [other for other, known in CATALOGUE.items() if set(inputs) <= set(known.inputs)]
            raise SettingError(
                f"the network {name!r} reads {', '.join(own.inputs)}, the data have {', '.join(inputs)}; take {' or '.join(fitting)}",
                value=name,
            )
    return own.build(inputs, outputs, {**own.settings, **checked(name, settings)})


def example(inputs: Inputs, rows: int) -> dict[str, Tensor]:
    """A batch of the shape that the inputs have, for describing a network."""
    batch: dict[str, Tensor] = {}
    if "numbers" in inputs:
        batch["numbers"] = torch.zeros(rows, len(inputs["numbers"]["names"]))
    if "categories" in inputs:
        batch["categories"] = torch.zeros(rows, len(inputs["categories"]["names"]), dtype=torch.int32)
    if "text" in inputs:
        batch["text"] = torch.ones(rows, int(inputs["text"]["max_tokens"]), dtype=torch.int32)
    if "image" in inputs:
        batch["image"] = torch.zeros(rows, *_image(inputs) or ())
    return batch


def listed() -> list[dict[str, Any]]:
    """The catalogue as JSON types."""
    return [
        {"name": name, "purpose": own.purpose, "inputs": list(own.inputs), "settings": dict(own.settings), "source": own.source}
        for name, own in CATALOGUE.items()
    ]
