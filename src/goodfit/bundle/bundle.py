"""What a run leaves: one folder with networks, encoders and decoding. It predicts without the training data or the engine.

    model/bundle.json            format, target, schema, members, intervals, SHA-256 of every other file
    model/<k>/encoder.json, encoder.safetensors, network.safetensors

Loading executes nothing: JSON and safetensors only, and a file whose checksum differs is refused.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from goodfit.base.errors import BundleError, InputError, MissingExtra
from goodfit.base.files import inside, plain, read_json, read_tensors, sha256_of, sync_folder, write_json, write_tensors
from goodfit.base.protocols import Task
from goodfit.bundle.answers import pointed
from goodfit.bundle.continuation import Writes, continuation_columns
from goodfit.bundle.found import found
from goodfit.data import feed
from goodfit.data.dataset import Dataset, Schema
from goodfit.data.encode_stream import StreamEncoder
from goodfit.data.encoder import Encoder
from goodfit.data.gaps import has_gaps
from goodfit.data.read import read_like
from goodfit.data.target import TargetSpec
from goodfit.data.windows import Windows, as_features, follow
from goodfit.models import brought, catalogue
from goodfit.tasks import catalogue as tasks
from goodfit.tasks.cooling import cooled
from goodfit.tasks.inference import predict_rows
from goodfit.tasks.voices import STEPWISE, Voices

FORMAT = 1


@dataclass
class Member:
    """One network with the encoder that it was trained behind.

    model: {"name", "settings", "inputs"} as `catalogue.build` takes them, and more of a network that the user brought (see models.brought); `bins`
    stand apart since they are tensors.
    """

    encoder: Encoder
    network: nn.Module
    model: dict[str, Any]
    bins: list[Tensor] | None = None
    bfloat16: bool = False
    channels_last: bool = False

    @classmethod
    def build(
        cls,
        encoder: Encoder,
        model: dict[str, Any],
        outputs: int,
        bins: list[Tensor] | None = None,
        given: brought.Given | None = None,
        **precision: bool,
    ) -> Member:
        """A member with a network of fresh weights; raises SettingError for settings that the network does not take.

        given: the user's own module or what makes it, for a network that is one.
        """
        if model["name"] in brought.NAMES:
            return cls(encoder, brought.rebuilt(model, outputs, given), model, bins, **precision)
        inputs = {name: dict(spec) for name, spec in model["inputs"].items()}
        if bins is not None and "numbers" in inputs:
            inputs["numbers"]["bins"] = bins
        return cls(encoder, catalogue.build(model["name"], inputs, outputs, model["settings"]), model, bins, **precision)

    @property
    def task(self) -> Task:
        """The task with this member's own standardisation of targets."""
        return tasks.build(self.encoder.target.to_json())

    def predict(
        self, data: Dataset, *, device: str | torch.device = "cpu", rows: np.ndarray | None = None, double: bool = False
    ) -> dict[str, np.ndarray]:
        """Decoded predictions of the rows (all when None), in their order.

        double: compute in float64, so that a row's prediction does not depend on the batch that it is in.
        """
        inputs, connected = self.encoder.inputs, has_gaps(data)  # of nodes, neighbours are read too that are not asked for
        encoded = self.encoder.encode(data, None if connected else rows, with_target=False)
        network = copy.deepcopy(self.network).double() if double else self.network.to(device)
        asked = np.arange(encoded.rows) if rows is None or not connected else rows
        batches = feed.in_order(encoded, asked, inputs=inputs, device=device, layers=self.model["settings"].get("depth"))
        return predict_rows(
            network, batches, self.task, bfloat16=self.bfloat16 and not double, channels_last=self.channels_last, double=double
        )


@dataclass
class Bundle:
    """Members whose decoded predictions are averaged with `weights`, which sum to 1; of those that answer in steps, what they believe of each step.

    half_widths: {target: w}; a regression's interval is prediction +- w. coverage: the share of rows that it is to hold.
    temperatures: {target: T} of classes, whose mean probabilities become p^(1/T), normalised (Guo et al. 2017).
    """

    target: TargetSpec
    schema: Schema
    members: list[Member]
    weights: list[float]
    half_widths: dict[str, float] = field(default_factory=dict)
    coverage: float = 0.9
    about: dict[str, Any] = field(default_factory=dict)
    temperatures: dict[str, float] = field(default_factory=dict)

    def decoded(
        self, data: Dataset, *, device: str | torch.device = "cpu", rows: np.ndarray | None = None, double: bool = False
    ) -> dict[str, np.ndarray]:
        """The members' mean prediction, cooled: {"probability": [n, C]}, {"mean": [n]}, or `<target>/...` of several targets."""
        if self.target.kind == "generation":
            raise InputError("the run makes pictures and predicts nothing of rows; write: goodfit generate RUN --number 64 --out pictures")
        if self.target.kind in STEPWISE and len(self.members) > 1:  # networks of the same rows, whose encoders are alike
            together = replace(self.members[0], network=Voices([member.network for member in self.members], self.weights))
            return together.predict(data, device=device, rows=rows, double=double)
        return self.together(self.separate(data, device=device, rows=rows, double=double))

    def separate(
        self, data: Dataset, *, device: str | torch.device = "cpu", rows: np.ndarray | None = None, double: bool = False
    ) -> list[dict[str, np.ndarray]]:
        """What each member predicts of the rows, decoded, as it is."""
        return [member.predict(data, device=device, rows=rows, double=double) for member in self.members]

    def together(self, predictions: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The mean of the members' predictions, cooled."""
        return self.cool(mean_prediction(predictions, self.weights))

    def cool(self, decoded: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Decoded predictions at the temperatures of the bundle."""
        decoded = dict(decoded)
        for name, temperature in self.temperatures.items():
            key = f"{name}/probability" if self.target.parts else "probability"
            decoded[key] = cooled(decoded[key], temperature).astype(decoded[key].dtype)
        return decoded

    def read(self, source: Any, *, truth: bool = False) -> Dataset:
        """Rows in the form that the bundle was trained on; raises DataError for a column that is missing or of another type.

        truth: of a forecast, all windows whose steps ahead are known, rather than the last ones.
        """
        if isinstance(source, Dataset):
            return source
        if self.target.course is not None:
            return follow(read_like(source, as_features(self.schema)), self.schema, self.target.course, truth=truth)
        return read_like(source, self.schema)

    def predict(self, source: Any, *, device: str | torch.device = "cpu") -> pl.DataFrame:
        """One row per input row: `prediction`, `probability_<class>` for classes, `low` and `high` for regression; for a reconstruction
        `code_<number>` and `reconstruction_error`, which is large for rows unlike those of training. Of a forecast, one per step ahead, with its
        time."""
        data = self.read(source)
        return self.frame(self.decoded(data, device=device), data)

    def frame(self, decoded: Mapping[str, np.ndarray], data: Dataset) -> pl.DataFrame:
        """Decoded predictions of the rows of `data` as a user reads them. Several targets: the columns are prefixed by `<target>_`. Tags
        stand beside their tokens, what goes on beside its text."""
        if isinstance(data.store, Windows):
            return self._ahead(decoded["mean"].astype(np.float64), data.store)
        if self.target.kind == "tagging":
            name = next(column.name for column in self.schema.features if column.kind == "tokens")
            tokens = data.column(name).fill_null(pl.Series([[]], dtype=pl.List(pl.String)))
            tags = self._columns(self.target, decoded, "")["prediction"].to_frame("prediction")
            return pl.DataFrame([tokens]).hstack(tags).with_columns(pl.col("prediction").list.head(pl.col(name).list.len()))
        if self.target.kind == "language":
            network, encoder = self.writer
            return pl.DataFrame(continuation_columns(network, encoder, decoded, data, int(self.about.get("seed", 0))))
        if self.target.kind == "detection":
            return found(decoded, data, self.target.classes or ())
        if self.target.kind == "pointing":
            return pointed(decoded["place"], data)
        if self.target.kind != "several":
            return pl.DataFrame(self._columns(self.target, decoded, ""))
        columns: dict[str, Any] = {}
        for part in self.target.parts:
            own = {name.partition("/")[2]: values for name, values in decoded.items() if name.rpartition("/")[0] == part.names[0]}
            columns |= self._columns(part, own, f"{part.names[0]}_")
        return pl.DataFrame(columns)

    def _ahead(self, mean: np.ndarray, windows: Windows) -> pl.DataFrame:
        """A row for each step ahead of each window: group, time, prediction, low and high."""
        frame = windows.ahead(np.arange(len(mean))).with_columns(pl.Series("prediction", mean.ravel()))
        half = [self.half_widths.get(str(step + 1)) for step in range(mean.shape[1])]
        if None in half:
            return frame
        width = pl.Series(np.tile(np.array(half, np.float64), len(mean)))
        return frame.with_columns(low=pl.col("prediction") - width, high=pl.col("prediction") + width)

    @property
    def writer(self) -> tuple[Writes, StreamEncoder]:
        """Of a language model the network that writes on, and what turns characters into its ids."""
        return cast(Writes, self.members[0].network), self.members[0].encoder.stream

    def _columns(self, target: TargetSpec, decoded: Mapping[str, np.ndarray], prefix: str) -> dict[str, Any]:
        if target.kind == "regression":
            mean = decoded["mean"].astype(np.float64)
            columns: dict[str, Any] = {f"{prefix}prediction": mean}
            width = self.half_widths.get(target.names[0])
            return columns | ({f"{prefix}low": mean - width, f"{prefix}high": mean + width} if width is not None else {})
        if target.kind == "reconstruction":
            codes = {f"{prefix}code_{index}": values for index, values in enumerate(decoded["code"].T.astype(np.float64))}
            return codes | {f"{prefix}reconstruction_error": decoded["error"].astype(np.float64)}
        if target.kind in ("sequence", "caption"):
            return {f"{prefix}prediction": pl.Series(target.texts(decoded["unit"]), dtype=pl.String)}
        if target.kind == "tagging":
            names = np.array([str(label) for label in target.classes or ()])
            return {f"{prefix}prediction": pl.Series([names[row[row >= 0]].tolist() for row in decoded["tag"]], dtype=pl.List(pl.String))}
        probability = decoded["probability"].astype(np.float64)
        classes = list(target.classes or ())
        named = {f"{prefix}probability_{label}": probability[:, index] for index, label in enumerate(classes)}
        if target.kind == "multilabel":
            chosen = probability >= 0.5
            labels = [[str(classes[i]) for i in np.flatnonzero(row)] for row in chosen]
            return {f"{prefix}prediction": pl.Series(labels, dtype=pl.List(pl.String))} | named
        return {f"{prefix}prediction": pl.Series([classes[i] for i in probability.argmax(1)])} | named

    def save(self, folder: Path) -> None:
        """Write the folder whole or not at all: under another name first, then renamed."""
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        files, members = {}, []
        for index, (member, weight) in enumerate(zip(self.members, self.weights, strict=True)):
            place = part / str(index)
            place.mkdir()
            member.encoder.save(place)
            bins = {f"bins/{i:05d}": tensor for i, tensor in enumerate(member.bins or [])}
            write_tensors(place / "network.safetensors", dict(member.network.state_dict()) | bins)
            for path in sorted(place.iterdir()):
                files[f"{index}/{path.name}"] = sha256_of(path)
            members.append({"weight": weight, "model": member.model, "bfloat16": member.bfloat16, "channels_last": member.channels_last})
        document = {
            "format": FORMAT,
            "target": self.target.to_json(),
            "schema": self.schema.to_json(),
            "members": members,
            "half_widths": self.half_widths,
            "coverage": self.coverage,
            "temperatures": self.temperatures,
            "about": self.about,
            "files": files,
        }
        write_json(part / "bundle.json", document | {"sha256": _seal(document)})
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(part, folder)
        sync_folder(folder.parent)

    @classmethod
    def load(cls, folder: Path, network: brought.Given | None = None) -> Bundle:
        """Read a bundle back. network: the user's own module or what makes it, where the bundle's network is one: no code is run that the caller does
        not hand over. Raises BundleError for a file that is missing, altered, or of a later format."""
        if not folder.is_dir():
            raise BundleError(f"{folder} is not a model folder; give the folder of a finished run", file=folder)
        document = read_json(folder / "bundle.json")
        try:
            seal = document.pop("sha256", None)
            if seal != _seal(document):
                raise BundleError(
                    "bundle.json was changed after it was written (its SHA-256 differs); restore the file", file=folder / "bundle.json"
                )
            if document["format"] != FORMAT:
                raise BundleError(
                    f"the model was written in format {document['format']}, this version reads {FORMAT}; use the goodfit that wrote it ({document['about'].get('goodfit')})",
                    file=folder / "bundle.json",
                )
            files = document["files"]
            for name, digest in files.items():
                path = inside(folder, name)
                if not path.is_file():
                    raise BundleError(f"{name} is missing in {folder}; the model folder must be copied whole", file=path)
                if sha256_of(path) != digest:
                    raise BundleError(f"{name} was changed after it was written (its SHA-256 differs); restore the file", file=path)
            target = TargetSpec.from_json(document["target"])
            members = []
            for index, entry in enumerate(document["members"]):
                place = inside(folder, str(index))
                if f"{index}/network.safetensors" not in files:
                    raise BundleError(
                        f"bundle.json names no checksum for {index}/network.safetensors; the model folder is damaged", file=folder
                    )
                encoder = Encoder.load(place)
                weights = read_tensors(place / "network.safetensors", sha256=files[f"{index}/network.safetensors"])
                precision = {"bfloat16": bool(entry["bfloat16"]), "channels_last": bool(entry["channels_last"])}
                bins = [weights.pop(name) for name in sorted(weights) if name.startswith("bins/")]
                outputs = tasks.build(encoder.target.to_json()).outputs
                member = Member.build(encoder, entry["model"], outputs, bins or None, network, **precision)
                if entry["model"]["name"] in brought.OWN:
                    brought.refuse_another(member.network, weights)
                _load_weights(member.network, weights, place / "network.safetensors")
                member.network.eval()
                members.append(member)
            if not members or any(member.encoder.target.classes != target.classes for member in members):
                raise BundleError(
                    "bundle.json does not belong to the networks beside it; the model folder is damaged", file=folder / "bundle.json"
                )
            shares = [float(entry["weight"]) for entry in document["members"]]
            if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise BundleError(f"the weights of the networks must sum to 1, they are {shares}", file=folder / "bundle.json")
            temperatures = {str(name): float(value) for name, value in document["temperatures"].items()}
            if not all(0 < value < float("inf") for value in temperatures.values()):
                raise BundleError(f"temperatures must be above 0, they are {temperatures}", file=folder / "bundle.json")
            return cls(
                target,
                Schema.from_json(document["schema"]),
                members,
                shares,
                dict(document["half_widths"]),
                float(document["coverage"]),
                dict(document["about"]),
                temperatures,
            )
        except (BundleError, MissingExtra):
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BundleError(f"{folder / 'bundle.json'} does not describe a model that can be built ({error})", file=folder) from error


def _seal(document: dict[str, Any]) -> str:
    """The checksum that bundle.json carries of itself."""
    return hashlib.sha256(json.dumps(plain(document), sort_keys=True).encode()).hexdigest()


def _load_weights(network: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Give the network its weights; raises BundleError when names, shapes or types are others, or a number is not finite."""
    wanted = {name: (tuple(t.shape), t.dtype) for name, t in network.state_dict().items()}
    given = {name: (tuple(t.shape), t.dtype) for name, t in weights.items()}
    if wanted != given:
        name = next(iter(sorted(set(wanted.items()) ^ set(given.items()))))[0]
        raise BundleError(f"{path.name} holds other weights than the network has, {name!r} first; the model folder is damaged", file=path)
    buffers = {name for name, _ in network.named_buffers()}
    for name, tensor in weights.items():
        if name not in buffers and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise BundleError(f"{path.name} holds weights that are not finite, in {name!r}; the model folder is damaged", file=path)
    network.load_state_dict(weights)


def mean_prediction(predictions: list[dict[str, np.ndarray]], weights: list[float]) -> dict[str, np.ndarray]:
    """The weighted mean over members of each decoded array; the weights sum to 1."""
    if len(predictions) == 1:
        return predictions[0]
    return {
        name: np.average([prediction[name] for prediction in predictions], axis=0, weights=weights).astype(values.dtype)
        for name, values in predictions[0].items()
    }
