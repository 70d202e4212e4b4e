"""The networks by name: what each is for, what it reads, its settings with their defaults and the reasons, and how it is built.

One dict, family by family from `entries/`. A network takes the settings that its entry lists and no others; what is not given is taken from there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.parts import ModelPart
from goodfit.models import sizing
from goodfit.models.entries import (
    boxes,
    brought,
    captions,
    forecasts,
    graphs,
    images,
    language,
    linear,
    pointing,
    sequences,
    series,
    tables,
    tagging,
    texts,
    unlabelled,
)
from goodfit.models.entries.graphs import graph_defaults, graph_example
from goodfit.models.entries.images import RESIDUAL, image_defaults
from goodfit.models.entries.tables import NO_DROPOUT_FOR_NUMBERS
from goodfit.models.entries.texts import GRAMS
from goodfit.models.entry import Entry, Inputs, Scaling, Setting, Settings, columns_of, image_of
from goodfit.models.mixed import IMAGE_WIDTH, TEXT_FEATURES

__all__ = ["BROUGHT", "CATALOGUE", "GRAMS", "RESIDUAL", "Entry", "Inputs", "Scaling", "Setting", "Settings"]

CATALOGUE: dict[str, Entry] = {
    **tables.ENTRIES,
    **linear.ENTRIES,
    **images.ENTRIES,
    **texts.ENTRIES,
    **series.ENTRIES,
    **forecasts.ENTRIES,
    **tagging.ENTRIES,
    **sequences.ENTRIES,
    **graphs.ENTRIES,
    **language.ENTRIES,
    **captions.ENTRIES,
    **unlabelled.ENTRIES,
    **pointing.ENTRIES,
    **boxes.ENTRIES,
}
BROUGHT = brought.ENTRIES  # made by models.brought, from what the user brings


def names() -> tuple[str, ...]:
    """The networks, in the order of the catalogue."""
    return tuple(CATALOGUE)


def entry(name: str) -> Entry:
    """The entry of this name; raises SettingError with the nearest name when there is none."""
    known = CATALOGUE | BROUGHT
    if name not in known:
        raise SettingError(
            f"there is no network {name!r}{did_you_mean(name, known) or '; goodfit models lists those that there are'}", value=name
        )
    return known[name]


def choose(kinds: Collection[str], rows: int, preset: str) -> str:
    """The default network for columns of these kinds (see data.dataset.Kind), or inputs of these names.

    rows and preset: taken by every default so far alike; a table's size is settled by `defaults`.
    """
    text, image = "text" in kinds, "image" in kinds
    columns = set(kinds) - {"text", "image", "identifier", "constant"}
    if "neighbours" in kinds:
        return "graphsage"
    if "edges" in kinds:
        return "gin"
    if "source" in kinds:
        return "seq2seq_transformer"
    if "window" in kinds:
        return "forecast_lstm"
    if "caption" in kinds:
        return "caption_rnn"
    if "stream" in kinds:
        return "gpt"
    if "noise" in kinds:
        return "dcgan"
    if "boxes" in kinds:
        return "anchor_detr"
    if "points" in kinds:
        return "pointer_transformer"
    if "tokens" in kinds:
        return "lstm_tagger"
    if "series" in kinds:
        return "series_lstm"
    if columns and not (text or image):
        return "tabm"
    if columns or (text and image):
        return "mixed"
    return "bag" if text else "resnet9" if image else "tabm"


def for_task(kind: str) -> list[str]:
    """The networks for a task."""
    return [name for name, own in CATALOGUE.items() if kind in own.tasks]


def scaling(name: str) -> Scaling:
    """How the network's numbers are encoded: quantile, standard or robust."""
    return entry(name).scaling


def grams(name: str, given: int | None) -> int:
    """Letters of the runs that the network reads beside the tokens of a text: as given, else its own; raises SettingError where it cannot."""
    own = entry(name).grams
    if given and own is None:
        bags = [other for other, known in CATALOGUE.items() if "text" in known.inputs and known.grams is not None]
        raise SettingError(
            f"the network {name!r} reads tokens in their order, where runs of letters have no place: leave out data.grams, or take {' or '.join(bags)}",
            value=given,
        )
    return own or 0 if given is None else given


def checked(name: str, given: Settings) -> dict[str, Any]:
    """The settings that were given, when the network takes them all; raises SettingError for the first that it does not."""
    takes = entry(name).settings
    for setting in given:
        if setting not in takes:
            listed = ", ".join(f"model.{known}" for known in takes) or "no settings"
            raise SettingError(
                f"the network {name!r} does not take model.{setting}; it takes {listed}{did_you_mean(setting, takes)}", value=setting
            )
    return dict(given)


def taken(part: ModelPart) -> dict[str, Any]:
    """The network's settings in a resolved recipe."""
    return {name: getattr(part, name) for name in entry(part.name or "").settings if getattr(part, name) is not None}


def defaults(
    name: str, inputs: Inputs, *, rows: int, outputs: int, time_limit: float | None, threads: int, preset: str, numeric: bool
) -> dict[str, Any]:
    """The network's settings for data of this shape, sized to what `time_limit` seconds allow on `threads` threads (see sizing).

    numeric: whether all that it learns are numbers. preset: fast begins at smaller sizes, best at the largest. The same arguments give the same settings.
    """
    settings = entry(name).defaults
    if numeric and name in NO_DROPOUT_FOR_NUMBERS and (inputs.keys() & {"numbers", "categories"}):
        settings |= {"dropout": 0.0}
    if name == "mlp" and columns_of(inputs)[0]:
        settings |= {"embedding": "piecewise"}
    if "latent_dim" in settings and settings["latent_dim"] is None:
        settings |= {"latent_dim": unlabelled.latent_dim(inputs)}
    if name in ("tabm", "mixed"):
        numbers, sizes = columns_of(inputs)
        if not numbers:
            settings |= {"embedding": "none", "depth": 3}
        extra = (TEXT_FEATURES if "text" in inputs else 0) + (8 * IMAGE_WIDTH if "image" in inputs else 0)
        size = sizing.tabm_size(
            numbers, sizes, outputs, rows=rows, time_limit=time_limit, threads=threads,
            largest=sizing.TABM_LARGEST[preset], depth=settings["depth"], bins=settings["bins"], extra=extra,
        )  # fmt: skip
        settings |= dict(zip(("width", "members", "embedding_dim"), size, strict=True))
    if "graph" in inputs:
        settings |= graph_defaults(name, inputs, settings, rows=rows)
    if "boxes" in inputs:
        settings |= boxes.defaults(name, inputs, rows=rows, time_limit=time_limit, threads=threads)
    elif (image := image_of(inputs)) is not None:
        settings |= image_defaults(name, image, settings, rows=rows, outputs=outputs, time_limit=time_limit, threads=threads, preset=preset)
    return settings


def build(name: str, inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    """The network for inputs of this specification (the encoder's, with "bins" for piecewise embeddings), O outputs, fresh weights.

    Weights are drawn from torch's default generator, which the caller seeds. Raises SettingError where the network does not
    read an input that the data have, or does not take a setting.
    """
    own = entry(name)
    for kind in inputs:
        if kind not in own.inputs:
            reading = [other for other, known in CATALOGUE.items() if set(inputs) <= set(known.inputs) and _asked(known, inputs)]
            fitting = [other for other in reading if set(CATALOGUE[other].tasks) & set(own.tasks)]
            raise SettingError(
                f"the network {name!r} reads {', '.join(own.inputs)}, the data have {', '.join(inputs)}; take {' or '.join(fitting or reading)}",
                value=name,
            )
    if not _asked(own, inputs):
        raise SettingError(f"the network {name!r} is for {own.tasks[0]}, and the target is none; leave model.name out", value=name)
    return own.build(inputs, outputs, {**own.defaults, **checked(name, settings)})


def _asked(own: Entry, inputs: Inputs) -> bool:
    """Whether a network that writes captions or finds objects is asked for them."""
    return all(kind not in own.inputs or kind in inputs for kind in ("caption", "boxes"))


def example(inputs: Inputs, rows: int) -> dict[str, Tensor]:
    """A batch of the shape that the inputs have, for describing a network."""
    batch: dict[str, Tensor] = {}
    if "graph" in inputs:
        return graph_example(inputs["graph"], rows)
    if "numbers" in inputs:
        batch["numbers"] = torch.zeros(rows, len(inputs["numbers"]["names"]))
    if "categories" in inputs:
        batch["categories"] = torch.zeros(rows, len(inputs["categories"]["sizes"]), dtype=torch.int32)
    if "text" in inputs:
        batch["text"] = torch.ones(rows, int(inputs["text"]["max_tokens"]), dtype=torch.int32)
    if "series" in inputs:
        steps = int(inputs["series"]["length"])
        batch["series"] = torch.zeros(rows, steps, int(inputs["series"]["channels"]))
        batch["lengths"] = torch.full((rows,), steps)
    if "points" in inputs:
        length = int(inputs["points"]["length"])
        batch["points"] = torch.zeros(rows, length, int(inputs["points"]["channels"]))
        batch["lengths"] = torch.full((rows,), length)
        batch["target"] = torch.zeros(rows, length + 1, dtype=torch.int64)
    if "source" in inputs:
        length = int(inputs["source"]["length"])
        batch["source"] = torch.ones(rows, length, dtype=torch.int32)
        batch["target"] = torch.ones(rows, length, dtype=torch.int64)
    if "window" in inputs:
        batch["window"] = torch.zeros(rows, int(inputs["window"]["length"]), int(inputs["window"]["channels"]))
    if "caption" in inputs:
        batch["target"] = torch.ones(rows, int(inputs["caption"]["length"]), dtype=torch.int64)
    if "stream" in inputs:
        batch["text"] = torch.ones(rows, int(inputs["stream"]["length"]), dtype=torch.int32)
    if "noise" in inputs:
        batch["noise"] = torch.zeros(rows, int(inputs["noise"]["size"]))
    if "tokens" in inputs:
        spec = inputs["tokens"]
        batch["tokens"] = torch.ones(rows, int(spec["length"]), dtype=torch.int32)
        batch["words"] = torch.ones(rows, int(spec["letters"]), dtype=torch.int32)
        batch["place"] = torch.zeros(rows, int(spec["length"]), dtype=torch.int64)
    if "image" in inputs:
        batch["image"] = torch.zeros(rows, *image_of(inputs) or ())
    return batch


def listed() -> list[dict[str, Any]]:
    """The catalogue as JSON types."""
    return [
        {
            "name": name,
            "purpose": own.purpose,
            "inputs": list(own.inputs),
            "tasks": list(own.tasks),
            "settings": own.defaults,
            "reasons": {setting: about.reason for setting, about in own.settings.items()},
            "source": own.source,
        }
        for name, own in (CATALOGUE | BROUGHT).items()
    ]
