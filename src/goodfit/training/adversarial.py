"""Two networks that learn from each other (Goodfellow et al. 2014): a generator makes rows, a discriminator tells them from real ones.

Beside the ordinary loop, and in its manner: `play` yields records at points where the contest is whole, and a round is a function of the contest,
the batch and the game. B rows, Z numbers of noise, K classes, C channels, H and W pixels.

Where classes are known, both players are told which one is meant (Mirza and Osindero 2014): the generator by K numbers behind the noise, the
discriminator by K planes behind the picture's channels. Few pictures are soon known by heart: all can be changed at random before the
discriminator sees them (Zhao et al., Differentiable Augmentation, 2020).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Batches
from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.data.augment import Augment
from goodfit.optim.clip import clip_gradient
from goodfit.tasks.adversarial import gradient_penalty
from goodfit.training.state import State, Stopper
from goodfit.training.step import autocast

SETTLING = (10, 128)  # batches of noise, and rows of each, from which batch norm takes its statistics: their error is then about 3 %
_REMEDY = "lower optim.lr, set optim.clip=1, or take train.gan_loss=wasserstein"


class Game(Protocol):
    """What both learn from: see tasks.generation. A round is an update of the discriminator; every `critic_steps` also one of the generator."""

    @property
    def discriminator(self) -> Callable[[Tensor, Tensor], Tensor]: ...

    @property
    def generator(self) -> Callable[[Tensor], Tensor]: ...

    @property
    def critic_steps(self) -> int: ...

    @property
    def penalty(self) -> float: ...


@dataclass
class Contest:
    """Both players. The generator's state keeps the counters, the average, the best weights and the stopper of the contest.

    size: Z. shares: [K] of the classes among the real rows, None where none are told. augment: how pictures are changed for the discriminator.
    clip: largest norm of either whole gradient, None for any. bfloat16, channels_last: as `training.step.StepSettings`.
    """

    generator: State
    discriminator: State
    size: int
    shares: Tensor | None = None
    augment: Augment | None = None
    clip: float | None = None
    bfloat16: bool = False
    channels_last: bool = False

    @property
    def step(self) -> int:
        """Rounds played."""
        return self.generator.step

    @property
    def best(self) -> dict[str, Tensor] | None:
        return self.generator.best

    @property
    def stopper(self) -> Stopper:
        return self.generator.stopper

    def to_records(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Both states, as `State.to_records`."""
        tensors: dict[str, Tensor] = {}
        document: dict[str, Any] = {}
        for name, state in (("generator", self.generator), ("discriminator", self.discriminator)):
            own, document[name] = state.to_records()
            tensors |= {f"{name}/{key}": tensor for key, tensor in own.items()}
        return tensors, document

    def load_records(self, tensors: dict[str, Tensor], document: dict[str, Any], best: dict[str, Tensor] | None) -> None:
        """Take up where `to_records` left off."""
        for name, state, kept in (("generator", self.generator, best), ("discriminator", self.discriminator, None)):
            own = {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}
            state.load_records(own, document[name], kept)


@dataclass(frozen=True)
class Course:
    """How long and how often.

    epochs: passes over the real rows at most. lr: of both optimisers. score: the metric that decides. evaluate_every: rounds between
    evaluations. deadline: `time.monotonic()` at which the last one must be done. after: work behind it, in evaluations.
    """

    epochs: int
    lr: float
    score: str
    evaluate_every: int
    deadline: float | None = None
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round. Losses are means over the batch, in the game's unit (nats, or a difference of the critic's answers)."""

    step: int
    epoch: int
    generator_loss: Tensor | None
    discriminator_loss: Tensor
    lr: float
    rows: int


@dataclass(frozen=True, slots=True)
class ContestRecord:
    """One evaluation. Losses are means since the last one; not a number before the first round."""

    epoch: int
    step: int
    generator_loss: float
    discriminator_loss: float
    valid: dict[str, float]
    score: float
    improved: bool
    lr: float
    seconds: float
    rows_per_second: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def play(
    contest: Contest, batches: Batches, game: Game, course: Course, evaluate: Callable[[nn.Module], dict[str, float]]
) -> Iterator[RoundRecord | ContestRecord]:
    """Play until the course ends, the stopper has waited enough, or the time is up; yield a record after each event.

    evaluate: the generator, with averaged weights and in evaluation mode -> metrics on the validation rows. The untrained one is judged first of
    all, which says what an evaluation costs. After the last record `contest.best` holds the weights to keep.
    """
    state, rival = contest.generator, contest.discriminator
    state.network.train()
    rival.network.train()
    per_epoch = len(batches)
    state.total = state.total or course.epochs * per_epoch
    state.pending = state.pending or state.evaluations == 0
    clock, spent, cost, late = time.monotonic(), state.seconds, 0.0, False
    while True:
        if state.pending:
            begun = time.monotonic()
            record = _judged(contest, evaluate, course)
            cost, state.pending = time.monotonic() - begun, False
            yield record
        if late or state.step >= state.total or state.stopper.done:
            return
        epoch = state.epoch
        batch = batches.batch(epoch, state.position)
        losses = round_of(contest, batch, game, course.lr)
        state.position += 1
        if state.position == per_epoch:
            state.epoch, state.position = epoch + 1, 0
        now = time.monotonic()
        state.seconds, state.lr, state.rows = spent + now - clock, course.lr, state.rows + len(batch)
        late = course.deadline is not None and now + (1.25 + course.after) * cost >= course.deadline
        state.pending = late or state.step >= state.total or state.step % course.evaluate_every == 0
        yield RoundRecord(state.step, epoch, losses[0], losses[1], course.lr, len(batch))


def round_of(contest: Contest, batch: Batch, game: Game, lr: float) -> tuple[Tensor | None, Tensor]:
    """One round: the discriminator's update, and where it is due the generator's; their losses (detached), None for no update.

    Raises TrainingError before the update when a loss or a gradient's norm is not finite.
    """
    state, rival = contest.generator, contest.discriminator
    device = batch.rows.device
    stream = torch_stream(state.seed, "noise", state.step)

    def made() -> tuple[Tensor, Tensor | None]:
        noise, label = _noise(contest, len(batch), stream, device)
        with autocast(device, contest.bfloat16):
            return state.network(noise=noise).float(), label

    def asked(image: Tensor, label: Tensor | None) -> Tensor:
        image = _told(image, label, contest)
        image = image.contiguous(memory_format=torch.channels_last) if contest.channels_last else image
        with autocast(device, contest.bfloat16):
            return rival.network(image=image).float()

    with torch.no_grad():
        fake, label = made()
    fake, real = _changed(contest, fake, batch, 0), _changed(contest, batch.inputs["image"], batch, 1)
    known = batch.target if contest.shares is not None else None
    losses = game.discriminator(asked(real, known), asked(fake, label))
    if game.penalty:
        share = torch.rand(len(batch), generator=stream).to(device)
        losses = losses + game.penalty * gradient_penalty(lambda x: asked(x, known), real, fake, share)
    against = _updated(contest, rival, losses.mean(), lr, "the discriminator", batch)
    mine: Tensor | None = None
    if (state.step + 1) % game.critic_steps == 0:
        rival.network.requires_grad_(False)  # it is asked, and does not learn from this
        fake, label = made()
        loss = game.generator(asked(_changed(contest, fake, batch, 2), label)).mean()
        mine = _updated(contest, state, loss, lr, "the generator", batch)
        rival.network.requires_grad_(True)
        if state.average is not None:
            state.average.update(state.network)
        state.loss_sum += mine
        state.loss_rows += 1
    rival.loss_sum += against
    rival.loss_rows += 1
    state.step += 1
    return mine, against


def _noise(contest: Contest, rows: int, stream: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """What the generator reads, [B, Z] or [B, Z + K], and the classes [B] that it is told."""
    noise = torch.randn(rows, contest.size, generator=stream)
    if contest.shares is None:
        return noise.to(device), None
    label = torch.multinomial(contest.shares, rows, replacement=True, generator=stream)
    return torch.cat([noise, F.one_hot(label, len(contest.shares))], 1).to(device), label.to(device)


def _changed(contest: Contest, image: Tensor, batch: Batch, which: int) -> Tensor:
    """Pictures as the discriminator sees them: moved and cut at random, each in its own way."""
    if contest.augment is None:
        return image
    draws = contest.augment.draw(batch.rows, contest.generator.seed, contest.step, which)
    return contest.augment.on_values(contest.augment.on_pixels(image, draws), draws)


def _told(image: Tensor, label: Tensor | None, contest: Contest) -> Tensor:
    """[B, C, H, W] -> [B, C + K, H, W] with a plane of ones for the class."""
    if label is None or contest.shares is None:
        return image
    planes = F.one_hot(label.long(), len(contest.shares)).to(image.dtype)
    return torch.cat([image, planes[:, :, None, None].expand(-1, -1, *image.shape[2:])], 1)


def settle(contest: Contest) -> None:
    """Give batch norm the statistics of the weights as they are: those that it has kept are of weights that are gone, or of no average."""
    network, seed = contest.generator.network, contest.generator.seed
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats]
    if not norms:
        return
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    network.train()
    device = next(network.parameters()).device
    stream = torch_stream(seed, "noise", "settling")
    with torch.no_grad():
        for _ in range(SETTLING[0]):
            network(noise=_noise(contest, SETTLING[1], stream, device)[0])
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def _judged(contest: Contest, evaluate: Callable[[nn.Module], dict[str, float]], course: Course) -> ContestRecord:
    """Score the averaged weights, and remember them when they are the best."""
    state, rival = contest.generator, contest.discriminator
    network, average = state.network, state.average
    with average.applied(network) if average is not None else nullcontext():
        settle(contest)
        network.eval()
        valid = evaluate(network)
        epoch = state.epoch - (state.position == 0)
        improved = state.stopper.update(valid[course.score], epoch, state.step)
        if improved or state.best is None:
            state.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}
    network.train()
    record = ContestRecord(
        epoch=epoch + 1,
        step=state.step,
        generator_loss=float(state.loss_sum) / state.loss_rows if state.loss_rows else math.nan,
        discriminator_loss=float(rival.loss_sum) / rival.loss_rows if rival.loss_rows else math.nan,
        valid=valid,
        score=valid[course.score],
        improved=improved,
        lr=state.lr,
        seconds=round(state.seconds, 3),
        rows_per_second=round(state.rows / max(state.seconds, 1e-9), 1),
    )
    state.evaluations += 1
    for player in (state, rival):
        player.loss_sum.zero_()
        player.loss_rows = 0
    return record


def _updated(contest: Contest, player: State, loss: Tensor, lr: float, who: str, batch: Batch) -> Tensor:
    """Make one player's update and return its loss, detached."""
    loss.backward()
    norm = clip_gradient(player.optimizer, contest.clip) if contest.clip is not None else None
    for value, what in ((loss, "loss"), (norm, "gradient")):
        if value is not None and not math.isfinite(number := float(value.detach())):
            state = contest.generator
            rows = ", ".join(str(row + 1) for row in batch.rows[:5].tolist())
            raise TrainingError(
                f"the {what} of {who} in round {state.step + 1} (epoch {state.epoch + 1}, rows {rows}, ...) is {number}, not finite; {_REMEDY}"
            )
    for group in player.optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
    player.optimizer.step()
    player.optimizer.zero_grad(set_to_none=True)
    return loss.detach()
