"""Two networks that learn from each other (Goodfellow et al. 2014): a generator makes rows, a discriminator tells them from real ones.

Beside the ordinary loop, and in its manner: `play` yields records at points where the contest is whole, and a round is a function of the contest,
the batch and the game. B rows, Z numbers of noise, C channels, H and W pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Batches
from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.optim.clip import clip_gradient
from goodfit.tasks.adversarial import gradient_penalty
from goodfit.training.state import State, Stopper

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

    size: Z. clip: largest norm of either whole gradient, None for any.
    """

    generator: State
    discriminator: State
    size: int
    clip: float | None = None

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
        tensors, document = {}, {}
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
    real = batch.inputs["image"]
    stream = torch_stream(state.seed, "noise", state.step)

    def drawn() -> Tensor:
        return torch.randn(len(batch), contest.size, generator=stream).to(real.device)

    with torch.no_grad():
        fake = state.network(noise=drawn())
    losses = game.discriminator(rival.network(image=real), rival.network(image=fake))
    if game.penalty:
        share = torch.rand(len(batch), generator=stream).to(real.device)
        losses = losses + game.penalty * gradient_penalty(lambda x: rival.network(image=x), real, fake, share)
    against = _updated(contest, rival, losses.mean(), lr, "the discriminator", batch)
    mine: Tensor | None = None
    if (state.step + 1) % game.critic_steps == 0:
        rival.network.requires_grad_(False)  # it is asked, and does not learn from this
        loss = game.generator(rival.network(image=state.network(noise=drawn()))).mean()
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


def settle(network: nn.Module, size: int, seed: int) -> None:
    """Give batch norm the statistics of the weights as they are: those that it has kept are of weights that are gone, or of no average."""
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
            network(noise=torch.randn(SETTLING[1], size, generator=stream).to(device))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def _judged(contest: Contest, evaluate: Callable[[nn.Module], dict[str, float]], course: Course) -> ContestRecord:
    """Score the averaged weights, and remember them when they are the best."""
    state, rival = contest.generator, contest.discriminator
    network, average = state.network, state.average
    with average.applied(network) if average is not None else nullcontext():
        settle(network, contest.size, state.seed)
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
