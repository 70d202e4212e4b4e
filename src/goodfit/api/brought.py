"""The network that a run's user brings: opened before the data are encoded, made for each fold, its features computed once where it is frozen.

n rows, F features.

The weights that training starts from are written into the run's cache at the beginning and read from there by a resumed run: the folder of a pretrained
network may be gone by then, and a module in memory is another one after a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.api.fitting import Fold
from goodfit.api.folder import RunFolder
from goodfit.api.named import function
from goodfit.base.errors import CheckpointError, DataError, InputError, SettingError
from goodfit.base.files import read_json, read_tensors, write_json, write_tensors
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.base.streams import derive
from goodfit.bundle.bundle import Member
from goodfit.data.batches import Batches, rows_at_once
from goodfit.data.encoded import Encoded, allocate
from goodfit.data.encoder import Encoder
from goodfit.data.preparation import IMAGENET, Pictures, Preparation
from goodfit.models import brought, catalogue, pretrained
from goodfit.models.caption_head import CaptionHead
from goodfit.models.features import statistics
from goodfit.models.headed import Head, Headed
from goodfit.models.pretrained_inputs import PHOTOGRAPH
from goodfit.training.step import reseed

WEIGHTS, ABOUT = "brought.safetensors", "brought.json"  # in the run's cache
PROBE_DROPOUT, TUNED_DROPOUT = 0.5, 0.1  # see plan.HABITS; Devlin et al. 2019
STATISTICS = 1_024  # training rows that a head behind a backbone that learns is scaled by: it moves on anyway


@dataclass(frozen=True)
class Given:
    """What stood in the call. name: of the function, None for a module or a function in memory. network: "own" or "backbone"."""

    what: brought.Given
    name: str | None
    network: str


def given(network: Any = None, backbone: Any = None) -> Given | None:
    """What `network=` or `backbone=` of a call stands for: a module, a function, or the name of one. Raises InputError for anything else."""
    if network is not None and backbone is not None:
        raise InputError("network= is a whole network and backbone= one that gets a head; give one of them")
    what = network if network is not None else backbone
    if what is None:
        return None
    if not isinstance(what, str) and not callable(what):
        raise InputError(
            f"a network must be an nn.Module, a function that makes one, or the name of such a function; {type(what).__name__} was given"
        )
    return Given(
        function(what) if isinstance(what, str) else what,
        what if isinstance(what, str) else None,
        "own" if network is not None else "backbone",
    )


def with_network(request: Recipe, own: Given | None) -> Recipe:
    """The recipe with the network's name where the call brings one. Raises SettingError where the recipe asks for another."""
    if own is None:
        if request.model.name in ("own", "backbone"):
            word = "network" if request.model.name == "own" else "backbone"
            raise SettingError(
                f"model.name={request.model.name} is the network that the call brings; add {word}=... or --{word} package.module:function",
                value=request.model.name,
            )
        if request.model.source is not None and request.model.name not in (None, "pretrained"):
            raise SettingError(f"model.source is for model.name=pretrained; model.name is {request.model.name}", value=request.model.source)
        return request if request.model.source is None else request.with_(model__name="pretrained")
    if request.model.name not in (None, own.network):
        raise SettingError(
            f"the call brings a network, and model.name={request.model.name} asks for another; leave one of them out",
            value=request.model.name,
        )
    return request.with_(model__name=own.network)


@dataclass(frozen=True)
class Brought:
    """A network that is not in the catalogue. about: what the model folder says of it. make: what each fold's network begins with, for the
    encoder's inputs and O outputs. reads: the one kind of column that it reads, None for any."""

    name: str
    about: dict[str, Any]
    make: Callable[[Any, int], nn.Module]
    preparation: Preparation | None
    reads: str | None

    def settled(self, request: Recipe) -> Recipe:
        """The request with what the network decides of the data. Raises SettingError for settings of the data that it leaves no choice in."""
        catalogue.checked(self.name, {key: value for key, value in request.model if key != "name" and value is not None})
        if self.name == "own":
            return request
        request = request if request.model.frozen is not None else request.with_(model__frozen=True)
        if request.model.dropout is None:
            request = request.with_(model__dropout=PROBE_DROPOUT if request.model.frozen else TUNED_DROPOUT)
        if request.model.frozen and request.given("optim.layer_decay"):
            raise SettingError(
                "optim.layer_decay has no effect on a frozen backbone, whose head alone learns; set model.frozen=false, or leave it out"
            )
        if request.model.depth in (None, 0) and (
            lost := [key for key in ("width", "activation") if getattr(request.model, key) is not None]
        ):
            raise SettingError(
                f"model.{lost[0]} has no effect on a linear head; set model.depth=1 for a hidden layer, or leave it out", value=lost[0]
            )
        pictures = self.preparation.pictures if self.preparation else None
        vocabulary = self.preparation.vocabulary if self.preparation else None
        if pictures and pictures.fixed and request.data.image_size not in (None, pictures.size):
            raise SettingError(
                f"data.image_size must be {pictures.size}, the only size that the pretrained network has places for; {request.data.image_size} was given",
                value=request.data.image_size,
            )
        if vocabulary is None:
            return request
        for name in ("data.vocabulary", "data.tokens"):
            if request.given(name):
                raise SettingError(
                    f"{name} has no effect on a pretrained network, which brings its own vocabulary; leave it out", value=name
                )
        if vocabulary.most is None or vocabulary.most >= request.data.max_tokens:
            return request
        if request.given("data.max_tokens"):
            raise SettingError(
                f"data.max_tokens must be at most {vocabulary.most}, for which the pretrained network has places; {request.data.max_tokens} was given",
                value=request.data.max_tokens,
            )
        return request.with_(data__max_tokens=vocabulary.most)

    def refuse_other_columns(self, encoder: Encoder) -> None:
        """Raises DataError where the data have kinds of columns that the backbone does not read."""
        if self.reads is None:
            return
        reads = {"image": "pictures", "text": "texts"}[self.reads]
        if self.reads not in encoder.inputs:
            raise DataError(
                f"the pretrained network reads {reads}; the data have {', '.join(encoder.inputs)}: set data.kinds.NAME={self.reads} for the column with them, "
                "or give another network"
            )
        if others := [name for name in encoder.inputs if name not in (self.reads, "caption")]:
            names = [str(name) for other in others for name in encoder.inputs[other].get("names", encoder.inputs[other].get("columns", []))]
            raise DataError(
                f"the pretrained network reads {reads} alone, and beside them stand {', '.join(names) or ', '.join(others)}; "
                f"leave them out with data.drop={','.join(names)}"
            )

    def ready(self, fold: Fold, folder: Path, request: Recipe, device: torch.device, progress: Progress) -> Fold:
        """The fold with features in place of the inputs where the backbone is frozen: each row goes through it once."""
        self.refuse_other_columns(fold.encoder)
        if not request.model.frozen:
            return fold
        network = self._network(fold, _model(request, fold.encoder), 1)[0]
        assert isinstance(network, Headed)
        rows = np.sort(np.concatenate([fold.train_rows, fold.valid_rows]))  # the test rows stay sealed
        progress.stage("computing the features", len(rows))
        features = _features(network, fold, rows, folder, device, progress)
        encoded = fold.encoded
        return replace(fold, encoded=Encoded({"features": features}, encoded.target, encoded.weight, encoded.rows, folder))

    def member(self, fold: Fold, recipe: Recipe, outputs: int) -> Member:
        """The fold's network, which begins with what was brought; its head is scaled by the features of the training rows."""
        model = _model(recipe, fold.encoder)
        network, sizes = self._network(fold, model, outputs)
        if isinstance(network, Headed):
            rows = torch.from_numpy(fold.train_rows)
            known = fold.encoded.inputs.get("features")
            if isinstance(known, Tensor) and known.dim() == 3:  # a picture's places are many
                rows = rows[:: -(-len(rows) // STATISTICS)]
            if not isinstance(known, Tensor):
                few = fold.train_rows[:: -(-len(fold.train_rows) // STATISTICS)]
                known = _features(network, fold, few, None, torch.device("cpu"), None)
                rows = torch.from_numpy(few)
            assert isinstance(network.head, Head | CaptionHead)
            network.head.standardise(*statistics(known[rows].flatten(0, -2)))
        return Member(fold.encoder, network, model | self.about | sizes)

    def _network(self, fold: Fold, model: dict[str, Any], outputs: int) -> tuple[nn.Module, dict[str, int]]:
        return brought.assembled(model, outputs, self.make(fold.encoder.inputs, outputs))


def open_brought(run: RunFolder, request: Recipe, own: Given | None, progress: Progress) -> Brought | None:
    """What the recipe's network is made of where the user brings it, None for one of the catalogue; from the run's cache where it has been opened."""
    name = request.model.name
    if name not in brought.NAMES:
        return None
    cache = run.path / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    reseed(torch.device("cpu"), derive(request.seed, "init", "brought"))
    if name == "pretrained":
        return _pretrained(cache, request, progress)
    assert own is not None
    arguments = request.model.arguments or {}
    about: dict[str, Any] = {"factory": own.name, "arguments": arguments}
    if own.network == "own" and not isinstance(own.what, nn.Module):  # its weights are drawn for each fold anew
        return Brought("own", about, lambda inputs, outputs: brought.made(own.what, arguments, inputs=inputs, outputs=outputs), None, None)
    if isinstance(own.what, nn.Module) and arguments:
        raise SettingError("model.arguments has no effect on a module that is made already; leave it out, or hand over the function")
    module = brought.made(own.what, arguments)
    if (cache / WEIGHTS).exists():
        _restore(module, cache)
    else:
        write_tensors(cache / WEIGHTS, module.state_dict())
    channels = brought.channels_of(module)
    pictures = Pictures(channels) if name == "own" else Pictures(channels or 3, PHOTOGRAPH, *IMAGENET)
    return Brought(name, about, _start(module, request), Preparation(pictures), None)


def _pretrained(cache: Path, request: Recipe, progress: Progress) -> Brought:
    if (cache / ABOUT).exists():
        known = read_json(cache / ABOUT)
        network = pretrained.built(known["architecture"])
        _restore(network, cache)
        source = pretrained.Source(known["architecture"], network, Preparation.from_json(known["preparation"]), known["reads"])
    else:
        if request.model.source is None:
            raise SettingError(
                "model.name=pretrained needs model.source, a folder of transformers or a name on the hub; add --set model.source=FOLDER"
            )
        progress.stage("reading the pretrained network")
        source = pretrained.read(request.model.source)
        write_tensors(cache / WEIGHTS, source.network.state_dict())
        write_json(
            cache / ABOUT, {"architecture": source.architecture, "preparation": source.preparation.to_json(), "reads": source.reads}
        )  # last: with it, the weights are there
    return Brought(
        "pretrained",
        {"architecture": source.architecture},
        _start(source.network, request),
        source.preparation,
        source.reads,
    )


def _start(module: nn.Module, request: Recipe) -> Callable[[Any, int], nn.Module]:
    """What each fold's network begins with: a copy, or where nothing of it learns, the module itself, of which one is enough."""
    frozen = request.model.name != "own" and request.model.frozen is not False
    return lambda inputs, outputs: module if frozen else brought.made(module, {})


def _restore(module: nn.Module, cache: Path) -> None:
    """Give the module the weights that the run began with."""
    try:
        module.load_state_dict(read_tensors(cache / WEIGHTS))
    except RuntimeError as error:
        raise CheckpointError(
            "the network that was given is not the one that the run began with: its weights have other names or shapes"
        ) from error


def _model(recipe: Recipe, encoder: Encoder) -> dict[str, Any]:
    """What the model folder says of the network's settings and inputs."""
    defaults = {key: value for key, value in catalogue.entry(recipe.model.name or "").defaults.items() if value is not None}
    return {"name": recipe.model.name, "settings": defaults | catalogue.taken(recipe.model), "inputs": encoder.inputs}


@torch.no_grad()
def _features(
    network: Headed, fold: Fold, rows: np.ndarray, folder: Path | None, device: torch.device, progress: Progress | None
) -> Tensor:
    """float32 [n, F], or [n, S, F] of S places, of the fold's rows, those outside of `rows` zeros; in a file of `folder` where the inputs are in one."""
    training = network.training
    network = network.to(device).eval()
    batches = Batches(
        fold.encoded, rows, batch_size=rows_at_once(fold.encoder.inputs), seed=0, shuffle=False, device=device, inputs=fold.encoder.inputs
    )
    values: np.ndarray | None = None
    for position in range(len(batches)):
        batch = batches.batch(0, position)
        found = network.features(**batch.inputs).float().cpu().numpy()
        if values is None:
            values = allocate("features", (fold.encoded.rows, *found.shape[1:]), np.float32, folder if fold.encoded.folder else None)
        values[batch.rows.cpu().numpy()] = found
        if progress is not None:
            progress.advance(len(batch))
    network.train(training)
    assert values is not None
    return torch.from_numpy(values)
