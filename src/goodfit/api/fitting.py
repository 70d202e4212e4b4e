"""One network of a run: build, measure, train with checkpoints, and keep the best weights."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from goodfit.api.folder import RunFolder
from goodfit.api.plan import usual_rate
from goodfit.base.protocols import Batches, Progress, Task
from goodfit.base.recipe import Recipe
from goodfit.base.records import EpochRecord
from goodfit.base.streams import derive, numpy_stream
from goodfit.bundle.bundle import Member
from goodfit.data import feed
from goodfit.data.augment import Augment
from goodfit.data.augment_boxes import BoxAugment
from goodfit.data.encoded import Encoded
from goodfit.data.encoder import Encoder
from goodfit.data.target import UNLABELLED
from goodfit.doctor.signals import Signals
from goodfit.models import catalogue
from goodfit.models.headed import taught
from goodfit.optim import schedule
from goodfit.optim.average import Average
from goodfit.optim.build import build as build_optimizer
from goodfit.tasks import catalogue as tasks
from goodfit.tasks.inference import predict_rows
from goodfit.training.checkpoint import Checkpoints
from goodfit.training.loop import Plan, fit
from goodfit.training.precision import measure, step_seconds
from goodfit.training.rate import find_rate
from goodfit.training.state import State, Stopper
from goodfit.training.step import StepSettings, reseed

VALID_ROWS = 50_000  # rows scored between epochs: the standard error of an accuracy is below 0.3 % there
# Where answers are searched for, which costs ten times what reading them does: that of a share of right ones is below 0.7 %.
SEARCHED_ROWS, SEARCHED = 5_000, ("sequence", "caption", "pointing")
BEAM = 4  # times: what predictions cost, row by row, when training is over, where those between epochs are found without a beam
EVALUATE_EVERY = 2_000  # updates at most between evaluations: a long epoch is looked into
MEASURING = (0.08, 0.2)  # share of the time left by which precision, then the rate, are decided


@dataclass(frozen=True)
class Job:
    """One network to train on one fold of `count`.

    partner: whether it is the run's second network. recipe: the network's own. begun: `time.monotonic()` at which the run began, deadline: at
    which training must end. test_rows: how many rows the network will have to score by then. alone: whether it is the run's only network.
    """

    recipe: Recipe
    fold: int
    count: int
    partner: bool
    begun: float
    deadline: float | None
    test_rows: int
    alone: bool

    @property
    def folder(self) -> str:
        """Where its checkpoints lie, below `checkpoints/`; in that folder itself where it is alone."""
        return "" if self.alone else f"partner-{self.fold}" if self.partner else str(self.fold)

    @property
    def history(self) -> str:
        """The record of its epochs, below the run folder."""
        return "history.jsonl" if self.alone else f"checkpoints/{self.folder}/history.jsonl"


@dataclass
class Fold:
    """Rows to learn from and rows to judge by, encoded; weight: [n] of all rows, for scores: the user's own, without the balance of classes."""

    encoder: Encoder
    encoded: Encoded
    train_rows: np.ndarray
    valid_rows: np.ndarray
    weight: np.ndarray | None


@dataclass
class Fitted:
    """A trained member, its fold, the record of its epochs, its validation rows and what it predicts there (with the best weights).

    target: [v, ...] of the validation rows, as the encoder has it. scoring: seconds that the test rows will take. partner: whether it is the second network of its fold.
    task: what it was judged by, with the fold's own standardisation; best_score is of its score. updates: that were made. learned: rows that it learned from. signals: what was seen of it
    while it was trained (see doctor.signals).
    """

    member: Member
    fold: int
    partner: bool
    history: str
    rows: np.ndarray
    target: np.ndarray
    prediction: dict[str, np.ndarray]
    scoring: float
    task: Task
    best_score: float | None
    best_epoch: int
    epochs: int
    updates: int = 0
    learned: int = 0
    signals: dict[str, Any] = field(default_factory=dict)


def member_seed(seed: int, index: int) -> int:
    """The seed of the fold `index`; the first has the run's own, so that one network alone is the first of many."""
    return seed if index == 0 else derive(seed, "member", index) % 2**53


def network_seed(seed: int, index: int, *, partner: bool = False) -> int:
    """The seed of the network on the fold `index`."""
    own = member_seed(seed, index)
    return derive(own, "member", "partner") % 2**53 if partner else own


def judge(encoder: Encoder, label_smoothing: float = 0.0, loss: str | None = None) -> Task:
    """The task that a network is trained for and judged by on the validation rows.

    Classes are judged by their refinement, since the bundle cools the probabilities; with label smoothing by what is trained, since there the
    refinement is best after a few epochs and the accuracy after the last.
    """
    spec = encoder.target.to_json() | {"label_smoothing": label_smoothing, "loss": loss}
    if spec["kind"] in ("pointing", "sequence"):
        return tasks.build(spec | {"width": 1})  # a beam costs BEAM times as much and hardly ranks epochs otherwise
    if spec["kind"] not in ("binary", "multiclass"):
        return tasks.build(spec)
    return tasks.build(spec | {"score": "smoothed_log_loss" if label_smoothing else "refinement"})


def train_member(
    run: RunFolder,
    job: Job,
    fold: Fold,
    *,
    device: torch.device,
    keep: Callable[[Recipe], None],
    progress: Progress,
    made: Callable[[Fold, Recipe, int], Member] | None = None,
    pause: int | None = None,
) -> Fitted:
    """Train the network of the job, going on from its checkpoints where there are any.

    made: the member of a fold for a recipe and O outputs, where the network is one that the user brought.
    pause: epochs after which training stops for now, and goes on when it is asked for again.

    What the recipe leaves to measurement, precision and rate, is measured; `keep` is given the recipe with them before training begins.
    """
    recipe, encoder, encoded, valid_rows = job.recipe, fold.encoder, fold.encoded, fold.valid_rows
    seed = network_seed(recipe.seed, job.fold, partner=job.partner)
    task = judge(encoder, recipe.train.label_smoothing, recipe.train.loss)
    inputs = encoder.inputs
    bins = encoder.bins(recipe.model.bins or 48) if "numbers" in inputs else None
    reseed(torch.device("cpu"), derive(seed, "init"))
    model = {"name": recipe.model.name, "settings": catalogue.taken(recipe.model), "inputs": inputs}
    member = Member.build(encoder, model, task.outputs, bins) if made is None else made(fold, recipe, task.outputs)
    network = taught(member.network.to(device))
    batches = _training_batches(encoded, fold.train_rows, recipe, encoder, seed, device)
    step_settings = StepSettings(
        accumulate=recipe.train.accumulate, mixup=recipe.train.mixup, l1=recipe.optim.l1, l2=recipe.optim.l2,
        clip=recipe.optim.clip, max_norm=recipe.optim.max_norm,
    )  # fmt: skip
    if recipe.optim.lr is None or recipe.train.precision == "auto" or recipe.train.channels_last == "auto":
        recipe = _measured(recipe, network, batches, task, step_settings, seed, job.deadline, progress, encoder.target.kind)
    keep(recipe)
    step_settings = replace(step_settings, bfloat16=recipe.train.precision == "bfloat16", channels_last=recipe.train.channels_last == "yes")
    member.bfloat16, member.channels_last = step_settings.bfloat16, step_settings.channels_last
    if step_settings.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = State(
        network,
        build_optimizer(network, recipe.optim, lr=_rate(recipe)),
        Stopper(task.maximise, recipe.train.patience),
        Average(network, recipe.optim.ema) if recipe.optim.ema is not None else None,
        schedule.Plateau(recipe.optim, maximise=task.maximise) if recipe.optim.schedule == "plateau" else None,
        seed=seed,
    )
    checkpoints = Checkpoints(run.path / "checkpoints" / job.folder, every=recipe.train.checkpoint_every)
    saved = checkpoints.load(state, progress.say)
    finished = bool(saved and saved["finished"])
    if saved is None:
        state.total = _affordable(recipe, state, batches, task, step_settings, job.deadline)
    history = int(saved["history"]) if saved else 0
    checkpoints.folder.mkdir(parents=True, exist_ok=True)
    run.keep_lines(job.history, history)
    evaluate = _evaluation(encoded, valid_rows, fold.weight, recipe, encoder, task, step_settings, device, seed)
    scored = rows_scored(encoder)
    final = BEAM if encoder.target.kind in ("pointing", "sequence") else 1
    plan = Plan(
        epochs=recipe.train.epochs or 1,
        lr=_rate(recipe),
        score=task.score,
        factor=lambda state: schedule.factor(recipe.optim, state.step, state.total, state.ending),
        evaluate_every=EVALUATE_EVERY,
        deadline=job.deadline,
        valid_rows=min(len(valid_rows), scored),
        # What it predicts when it is trained.
        after=final * (len(valid_rows) + job.test_rows) / max(1, min(len(valid_rows), scored)),
        ending=recipe.optim.decay_share / (1 - recipe.optim.decay_share) if recipe.optim.schedule == "wsd" else None,
    )
    name = f"training {recipe.model.name} {job.fold + 1}/{job.count}" if job.count > 1 else f"training {recipe.model.name}"
    progress.stage(name, state.total)
    progress.advance(state.step)
    extra = {"history": history, "finished": False, "spent": 0.0}
    signals = Signals.from_json(saved.get("signals") if saved else None)
    paused = pause is not None and state.epoch >= pause
    if not finished and not paused:
        for record in fit(state, batches, task, plan, step_settings, evaluate):
            if isinstance(record, EpochRecord):
                run.append(job.history, record.to_json() | {"member": 0})
                extra["history"] += 1
                progress.advance(0, epoch=record.epoch, loss=record.train_loss, **{task.score: record.score})
                if paused := pause is not None and state.epoch >= pause and state.position == 0:
                    break
            else:
                progress.advance()
                signals.updated(network, record.step, record.loss)
            if checkpoints.due():
                checkpoints.save(state, extra | {"spent": time.monotonic() - job.begun, "signals": signals.to_json()})
        checkpoints.save(state, extra | {"spent": time.monotonic() - job.begun, "signals": signals.to_json(), "finished": not paused})
    assert state.best is not None
    network.load_state_dict(state.best)
    member.network.eval()
    now = time.monotonic()
    prediction = predict_rows(
        network, ordered(encoded, valid_rows, recipe, encoder, device), task, bfloat16=member.bfloat16, channels_last=member.channels_last
    )
    scoring = final * (time.monotonic() - now) * job.test_rows / max(1, len(valid_rows))
    assert encoded.target is not None
    target = encoded.target[torch.from_numpy(valid_rows)].cpu().numpy()
    return Fitted(
        member, job.fold, job.partner, job.history, valid_rows, target, prediction, scoring, task,
        state.stopper.best, state.stopper.best_epoch + 1, state.epoch, state.step, len(fold.train_rows), signals.to_json(),
    )  # fmt: skip


def _training_batches(encoded: Encoded, rows: np.ndarray, recipe: Recipe, encoder: Encoder, seed: int, device: torch.device) -> Batches:
    augment: Augment | BoxAugment | None = None
    if "boxes" in encoder.inputs and recipe.data.augment:
        augment = BoxAugment.chosen([str(label) for label in encoder.target.classes or ()])
    elif "image" in encoder.inputs and recipe.data.augment and encoder.target.kind not in UNLABELLED:
        augment = Augment.chosen(encoder.inputs["image"], named="caption" in encoder.inputs)
    return feed.for_training(
        encoded, rows, inputs=encoder.inputs, batch_size=recipe.train.batch_size or 256, seed=seed, device=device, augment=augment,
        neighbours=recipe.train.neighbours, layers=recipe.model.depth,
    )  # fmt: skip


def ordered(encoded: Encoded, rows: np.ndarray, recipe: Recipe, encoder: Encoder, device: torch.device) -> Batches:
    return feed.in_order(encoded, rows, inputs=encoder.inputs, device=device, layers=recipe.model.depth)


def _measured(
    recipe: Recipe,
    network: nn.Module,
    batches: Batches,
    task: Task,
    settings: StepSettings,
    seed: int,
    deadline: float | None,
    progress: Progress,
    kind: str,
) -> Recipe:
    """The recipe with precision, memory layout and rate decided by short trials on copies of the network."""
    low = {"auto": None, "float32": False, "bfloat16": True}[recipe.train.precision]
    layout = {"auto": None, "no": False, "yes": True}[recipe.train.channels_last]
    usual = usual_rate(recipe, kind)
    now = time.monotonic()
    until = [None if deadline is None else now + share * (deadline - now) for share in MEASURING]

    def optimizer(twin: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(twin, recipe.optim, lr=usual)

    trial_rate = recipe.optim.lr or usual / 10  # short of any warm-up, a tenth is safe
    settings = measure(
        network, optimizer, batches, task, settings, trial_rate, bfloat16=low, channels_last=layout, seed=seed, until=until[0]
    )
    changes: dict[str, Any] = {
        "train__precision": "bfloat16" if settings.bfloat16 else "float32",
        "train__channels_last": "yes" if settings.channels_last else "no",
    }
    own_rates = any(getattr(module, "lr_factor", None) is not None for module in network.modules())
    if recipe.optim.lr is None and (recipe.optim.name == "muon" or own_rates):
        changes["optim__lr"] = (
            usual  # the test would move along what has a rate of its own: Muon's matrices (muon_lr), a module's lr_factor
        )
    elif recipe.optim.lr is None:
        progress.stage("finding the learning rate")
        changes["optim__lr"] = find_rate(network, optimizer, batches, task, settings, usual=usual, seed=seed, until=until[1]).lr
    return recipe.with_(**changes)


def _rate(recipe: Recipe) -> float:
    assert recipe.optim.lr is not None
    return recipe.optim.lr


def _affordable(recipe: Recipe, state: State, batches: Batches, task: Task, settings: StepSettings, deadline: float | None) -> int:
    """Updates that the plan may make: all of its epochs, or fewer where a schedule has to end before the time does."""
    planned = (recipe.train.epochs or 1) * len(batches)
    if deadline is None or recipe.optim.schedule in ("constant", "plateau"):
        return planned

    def optimizer(twin: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(twin, recipe.optim, lr=_rate(recipe))

    seconds = step_seconds(state.network, optimizer, batches, task, settings, _rate(recipe) / 10)
    left = 0.9 * (deadline - time.monotonic())  # a tenth for evaluations and for steps that are slower than these ten
    return max(1, min(planned, int(left / max(seconds, 1e-6))))


def rows_scored(encoder: Encoder) -> int:
    """Validation rows at most that are scored between epochs."""
    return SEARCHED_ROWS if encoder.target.kind in SEARCHED else VALID_ROWS


def _evaluation(
    encoded: Encoded,
    rows: np.ndarray,
    weight: np.ndarray | None,
    recipe: Recipe,
    encoder: Encoder,
    task: Task,
    settings: StepSettings,
    device: torch.device,
    seed: int,
) -> Callable[[nn.Module], dict[str, float]]:
    """A function from the network to its metrics on (at most `rows_scored` of) the validation rows."""
    if len(rows) > (most := rows_scored(encoder)):
        rows = np.sort(numpy_stream(seed, "split", "evaluation").choice(rows, most, replace=False))
    batches = ordered(encoded, rows, recipe, encoder, device)
    assert encoded.target is not None
    target = encoded.target[torch.from_numpy(rows)].cpu().numpy()
    own = None if weight is None else weight[rows]

    def evaluate(network: nn.Module) -> dict[str, float]:
        prediction = predict_rows(network, batches, task, bfloat16=settings.bfloat16, channels_last=settings.channels_last)
        return task.metrics(prediction, target, own)

    return evaluate


def clear_cache(run: RunFolder) -> None:
    """Remove encoded data that was mapped from the run folder."""
    shutil.rmtree(run.path / "cache", ignore_errors=True)
