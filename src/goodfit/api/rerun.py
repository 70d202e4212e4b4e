"""A run's training as a program that the doctor reads: the first updates made again under its recorder, on the same network, rows, rates and losses.

The network that the run ended with stands for its end. Rows are read as they are: pictures are not augmented, answers are not averaged over time.

B rows of a batch, K members of one network, O outputs, L steps of the longest text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.api.fitting import network_seed
from goodfit.api.plan import GRAPHS, data_settings
from goodfit.base.protocols import Batches
from goodfit.base.recipe import Recipe
from goodfit.base.records import Batch
from goodfit.base.streams import derive, numpy_stream
from goodfit.bundle.bundle import Member
from goodfit.data import feed
from goodfit.data.dataset import Dataset
from goodfit.data.encoded import Encoded, Ragged
from goodfit.data.encoder import Encoder
from goodfit.data.target import TargetSpec
from goodfit.doctor.cost import seconds_of
from goodfit.doctor.program import Program
from goodfit.doctor.record import Recorder
from goodfit.models import catalogue
from goodfit.optim import schedule
from goodfit.optim.adamw import AdamW
from goodfit.optim.build import build as build_optimizer
from goodfit.tasks import catalogue as tasks
from goodfit.training.step import reseed

READ = ("binary", "multiclass", "multilabel", "regression")
MOST_UPDATES = 256  # that are recorded: what the recorder keeps
FEWEST_UPDATES = 24  # the rows of fewer say little
SHARE = 0.1  # of an examination's time for them
RECORDED = 3.0  # times what an update costs, with the recorder at work
HELD = 1_024  # validation rows: as many as the doctor scores
MOST_RATES = 20_000  # of updates to come: no short copy has more


@dataclass(frozen=True)
class Ended:
    """How a training ended. updates: that were made. total: that were planned. ending: where the rate began to fall, None for never. waited: whether it
    ended since nothing was gained. best: the weights that were kept, None where there are none."""

    updates: int
    total: int | None
    ending: int | None = None
    waited: bool = False
    epochs: int = 0
    best: dict[str, Tensor] | None = None


def unreadable(recipe: Recipe, kind: str | None) -> str | None:
    """Why runs of this recipe and task are not examined, a sentence; None for those that are. Nothing is read for it."""
    name = recipe.model.name or ""
    if kind is not None and kind not in READ:
        return f"Runs of the task {kind} cannot be examined yet: those for {', '.join(READ[:-1])} and {READ[-1]} are."
    if name in catalogue.BROUGHT:
        return "Runs of pretrained networks and of your own cannot be examined: examine the script that trains them."
    if catalogue.entry(name).solved:
        return f"The weights of {name} are solved for, not trained: there is nothing that could go wrong on the way."
    if name in GRAPHS:
        return "Runs on graphs cannot be examined yet: their rows do not stand by themselves."
    if recipe.train.loss is not None:
        return f"Runs with train.loss={recipe.train.loss} cannot be examined yet."
    return None


def rerun(
    recipe: Recipe, data: Dataset, target: TargetSpec, rows: tuple[np.ndarray, np.ndarray], ended: Ended, place: Path, *, seconds: float
) -> Program:
    """Record the beginning of a training. recipe: of the network alone, resolved. rows: those to train on and those to judge by. place: a folder without
    files of Python: what is recorded has no place in a user's files. seconds: of the whole examination."""
    name, seed = recipe.model.name or "", network_seed(recipe.seed, 0)
    settings = data_settings(recipe, name)
    encoder = Encoder.fit(data, data.schema, target, rows[0], settings, seed, scaling=catalogue.scaling(name))
    size = min(recipe.train.batch_size or 256, len(rows[0]))
    taught, judged = _some(rows[0], MOST_UPDATES * size, seed), _some(rows[1], HELD, seed)
    encoded = encoder.encode(data, np.concatenate([taught, judged]))
    network = fresh(encoder, recipe, seed)
    optimizer = _optimizer(network, recipe)
    batches = feed.for_training(
        encoded, np.arange(len(taught)), inputs=encoder.inputs, batch_size=size, seed=seed, device="cpu", augment=None, neighbours=None, layers=recipe.model.depth,
    )  # fmt: skip
    held = feed.in_order(encoded, np.arange(len(taught), encoded.rows), inputs=encoder.inputs, device="cpu", layers=recipe.model.depth)
    widths = _widths(encoded)
    loss = _Loss(target.kind, recipe)
    one = _padded(batches.batch(0, 0), widths)
    cost = RECORDED * seconds_of(lambda: loss(network, one).backward())
    network.zero_grad()
    count = min(ended.updates or MOST_UPDATES, MOST_UPDATES, max(int(SHARE * seconds / cost), FEWEST_UPDATES))
    rates = course(recipe, ended, max(count, min(ended.updates, MOST_RATES)))
    reseed(torch.device("cpu"), derive(seed, "dropout"))
    with Recorder(root=place, networks=[network], optimizers=[optimizer]) as recorder:
        for number in range(count):
            batch = _padded(batches.batch(*divmod(number, len(batches))), widths)
            for group in optimizer.param_groups:
                group["lr"] = rates[number] * group.get("lr_factor", 1.0)
            optimizer.zero_grad()
            loss(network, batch).backward()
            if recipe.optim.clip is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.optim.clip)
            optimizer.step()
        _evaluate(network, loss, held, widths)
    program = recorder.program()
    if ended.best is not None:
        network.load_state_dict(ended.best)
        program.finals = [network]
    if ended.updates:
        factors = [group.get("lr_factor", 1.0) for group in optimizer.param_groups]
        program.updates = ended.updates
        program.rates = [(0, tuple(rate * factor for factor in factors)) for rate in rates]
    return program


def fresh(encoder: Encoder, recipe: Recipe, seed: int) -> nn.Module:
    """The network as the run's began, in training mode."""
    task = tasks.build(encoder.target.to_json())
    bins = encoder.bins(recipe.model.bins or 48) if "numbers" in encoder.inputs else None
    reseed(torch.device("cpu"), derive(seed, "init"))
    model = {"name": recipe.model.name, "settings": catalogue.taken(recipe.model), "inputs": encoder.inputs}
    return Member.build(encoder, model, task.outputs, bins).network.train()


def course(recipe: Recipe, ended: Ended, count: int) -> list[float]:
    """The rates of the first `count` updates."""
    assert recipe.optim.lr is not None
    settings, ending = recipe.optim, ended.ending
    total = ended.total or ended.updates or count
    before = (
        total if ending is None else math.ceil(ending / (1 - settings.decay_share))
    )  # with which the rate falls from `ending` on, and not sooner
    return [
        recipe.optim.lr * schedule.factor(settings, step, *((before, None) if ending is None or step < ending else (total, ending)))
        for step in range(count)
    ]


class _Loss:
    """The mean loss of a batch, by torch's own functions, as the run's task has it."""

    def __init__(self, kind: str, recipe: Recipe) -> None:
        self._kind, self._smoothing = kind, recipe.train.label_smoothing
        self._l1, self._l2 = recipe.optim.l1, recipe.optim.l2

    def __call__(self, network: nn.Module, batch: Batch) -> Tensor:
        output = network(**batch.inputs)
        target = batch.target
        if output.ndim == 3:  # B -> B K
            target = target.unsqueeze(1).expand(-1, output.shape[1], *target.shape[1:])
        if self._kind == "multiclass":
            each = F.cross_entropy(output.flatten(0, -2), target.reshape(-1).long(), reduction="none", label_smoothing=self._smoothing)
        elif self._kind == "regression":
            each = F.mse_loss(output[..., 0], target.float(), reduction="none")
        elif self._kind == "binary":
            each = F.binary_cross_entropy_with_logits(output[..., 0], self._soft(target), reduction="none")
        else:
            each = F.binary_cross_entropy_with_logits(output, self._soft(target), reduction="none")
        if batch.weight is None or self._kind == "multilabel":
            loss = each.mean()
        else:
            weight = batch.weight if each.numel() == len(batch) else batch.weight.repeat_interleave(each.numel() // len(batch))
            loss = (each.flatten() * weight).sum() / weight.sum().clamp_min(1e-12)
        if (self._l1 or self._l2) and torch.is_grad_enabled():
            weights = [weight for weight in network.parameters() if weight.dim() > 1]
            loss = loss + sum(self._l1 * weight.abs().sum() + self._l2 / 2 * weight.square().sum() for weight in weights)
        return loss

    def _soft(self, target: Tensor) -> Tensor:
        return target.float() * (1 - self._smoothing) + self._smoothing / 2 if self._smoothing else target.float()


def _evaluate(network: nn.Module, loss: _Loss, held: Batches, widths: Mapping[str, int]) -> None:
    """A look at the rows to judge by, for the recorder."""
    network.eval()
    with torch.no_grad():
        for position in range(len(held)):
            loss(network, _padded(held.batch(0, position), widths))
    network.train()


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The run's optimiser, as one of torch's own that can be made anew from its groups.

    SGD's decoupled decay, which is a hook that no copy has, is written as the coupled one that comes to the same in the long run.
    """
    assert recipe.optim.lr is not None
    settings, decay = recipe.optim, recipe.optim.weight_decay or 0.0
    if settings.name == "sgd" and decay:
        optimizer = build_optimizer(network, recipe.with_(optim__weight_decay=0.0).optim, lr=recipe.optim.lr)
        for group in optimizer.param_groups:
            group["weight_decay"] = decay * (1 - float(group.get("momentum", 0.0)))
        return optimizer
    optimizer = build_optimizer(network, settings, lr=recipe.optim.lr)
    if not isinstance(optimizer, AdamW):
        return optimizer
    kept = ("params", "lr", "betas", "eps", "weight_decay", "role", "lr_factor")
    groups = [{name: group[name] for name in kept if name in group} for group in optimizer.param_groups]
    return torch.optim.AdamW(groups, lr=recipe.optim.lr, fused=True)


def _some(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(numpy_stream(seed, "split", "examination").choice(rows, most, replace=False))


def _widths(encoded: Encoded) -> dict[str, int]:
    """The longest row of each input that has rows of different lengths."""
    return {name: int(given.lengths.max()) for name, given in encoded.inputs.items() if isinstance(given, Ragged) and len(given)}


def _padded(batch: Batch, widths: Mapping[str, int]) -> Batch:
    """All batches of one shape, [B, L, ...], so that rows can be mixed anew."""
    inputs: dict[str, Any] = dict(batch.inputs)
    for name, width in widths.items():
        if name in inputs and inputs[name].shape[1] < width:
            inputs[name] = F.pad(inputs[name], (0, 0) * (inputs[name].dim() - 2) + (0, width - inputs[name].shape[1]))
    return Batch(inputs, batch.target, batch.weight, batch.rows)
