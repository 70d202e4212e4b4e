"""Who judges generated pictures: a classifier of the real ones where they have labels, else an autoencoder of them.

Both are networks of ours, trained in the ordinary way on the same training rows, in a folder of their own below the run.
n pictures, F features, C classes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from goodfit.api.fitting import clear_cache
from goodfit.api.folder import RunFolder
from goodfit.api.members import FINISH_LEAST, train_members
from goodfit.api.review import temperatures
from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.bundle.bundle import Bundle
from goodfit.data.batches import Batches
from goodfit.data.dataset import Dataset
from goodfit.data.encoded import Encoded
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec, detect
from goodfit.training.checkpoint import newest_extra

FOLDER = "judge"
SHARE = 0.2  # of the time limit: a judge that errs in one of fifty is enough, and the pictures need the rest
WIDTH = 16  # resnet9 with 128 features, which a thousand pictures are enough to compare by; 0.99 on mnist_5k
CODE = 32  # features of an autoencoder
EPOCHS = 16  # resnet9's own plan, which the autoencoder gets too
FEWEST, MOST = 8, 100  # pictures of a class that can be learned, and classes that are told apart


@dataclass
class Judge:
    """A trained judge. classes: what it tells apart; none for an autoencoder."""

    bundle: Bundle
    device: torch.device

    @property
    def classes(self) -> tuple[Any, ...]:
        return self.bundle.target.classes or ()

    def codes(self, data: Dataset) -> np.ndarray:
        """int64 [n], the class of each row."""
        return self.bundle.target.encode(data).copy()  # torch wants one that can be written to

    @torch.no_grad()
    def look(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """uint8 [n, C, H, W] -> features [n, F], and the probability of each class [n, C], None without classes."""
        member = self.bundle.members[0]
        encoded = Encoded({"image": torch.from_numpy(pictures)}, None, None, len(pictures))
        inputs = member.encoder.inputs
        batches = Batches(encoded, np.arange(len(pictures)), batch_size=256, seed=0, shuffle=False, device=self.device, inputs=inputs)
        network = cast(Any, member.network.to(self.device).eval())
        features: list[Tensor] = []
        probabilities: list[Tensor] = []
        for position in range(len(batches)):
            image = batches.batch(0, position).inputs["image"]
            if not self.classes:
                features.append(network.encode(image).float().cpu())
                continue
            found = network.encoder(image)
            features.append(found.float().cpu())
            temperature = next(iter(self.bundle.temperatures.values()), 1.0)
            probabilities.append((network.head(found).float() / temperature).softmax(1).cpu())
        return torch.cat(features).numpy(), torch.cat(probabilities).numpy() if probabilities else None


def train_judge(run: RunFolder, recipe: Recipe, data: Dataset, parts: Split, device: torch.device, progress: Progress) -> Judge:
    """The judge of a run, trained or, where a run goes on, taken up. recipe: the generator's, resolved, with its image_size."""
    own = RunFolder(run.path / FOLDER)
    place = own.path / "model"
    if place.is_dir():
        return Judge(Bundle.load(place), device)
    own.path.mkdir(exist_ok=True)
    labelled = _labelled(data, parts)
    sets: dict[str, Any] = {
        "data__image_size": recipe.data.image_size, "data__memory": recipe.data.memory, "seed": recipe.seed, "device": recipe.device,
        "train__members": 1, "train__workers": 1, "train__threads": recipe.train.threads, "train__checkpoint_every": recipe.train.checkpoint_every,
        "train__epochs": EPOCHS, "model__width": WIDTH, "train__precision": recipe.train.precision,
        "train__channels_last": recipe.train.channels_last,
    }  # fmt: skip
    if recipe.train.time_limit is not None:
        sets |= {"train__time_limit": SHARE * recipe.train.time_limit + FINISH_LEAST}
    if labelled is not None:
        data, target = labelled
        # Without smoothing, which keeps a network from being as sure as it is right.
        sets |= {"model__name": "resnet9", "train__label_smoothing": 0.0}
    else:
        target = detect(data, recipe.data.model_copy(update={"task": "reconstruction"}))
        sets |= {"model__name": "conv_autoencoder", "model__latent_dim": CODE}
    begun = time.monotonic() - spent(run)
    _, fitted = train_members(own, Recipe.build(None, (), **sets), data, target, parts, begun, device, progress)
    clear_cache(own)
    if fitted[0].best_score is None:
        raise TrainingError("the network that judges the pictures has learned nothing (its validation loss is no number)")
    judge = Bundle(
        fitted[0].member.encoder.target, data.schema, [fitted[0].member], [1.0], temperatures=temperatures(fitted, None)
    )  # fmt: skip
    judge.save(place)
    return Judge(Bundle.load(place), device)  # as a resumed run finds it, laid out alike in memory: the same scores to the last bit


def load_judge(folder: Path, device: torch.device) -> Judge:
    """The judge of a finished run. Raises BundleError where it is missing or damaged."""
    return Judge(Bundle.load(folder / FOLDER / "model"), device)


def spent(run: RunFolder) -> float:
    """Seconds that the judge took before the run was interrupted."""
    return max((float(extra["spent"]) for extra in newest_extra(run.path / FOLDER / "checkpoints")), default=0.0)


def _labelled(data: Dataset, parts: Split) -> tuple[Dataset, TargetSpec] | None:
    """The data with the label for a target, where it can be one: known everywhere, of several classes, each with some rows to learn from."""
    labels = data.schema.with_role("label")
    if not labels:
        return None
    name = labels[0].name
    values = data.column(name)
    if isinstance(values.dtype, pl.List | pl.Array) or values.null_count() or values.dtype.is_temporal():
        return None
    counts = values.gather(parts.train).value_counts()["count"].to_numpy()
    if not 2 <= counts.size <= MOST or counts.min() < FEWEST or values.n_unique() != counts.size:
        return None
    return replace(data, schema=data.schema.changed(name, role="target")), TargetSpec(
        "multiclass", (name,), classes=tuple(values.unique().sort().to_list())
    )
