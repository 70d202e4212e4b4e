"""The loop: batches in, records out.

`fit` yields a record after every update and every evaluation, at points where the state is whole: whoever consumes the
stream may save the state, print, or stop. There are no callbacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import nn

from goodfit.base.protocols import Batches, Task
from goodfit.base.records import EpochRecord, StepRecord
from goodfit.training.state import Course, State
from goodfit.training.step import StepSettings, refuse_non_finite, step

WARM = 5  # updates that say nothing about the speed


@dataclass(frozen=True)
class Plan:
    """How long and how often.

    epochs: passes over the data at most. evaluate_every: updates between evaluations (an epoch's end always has one).
    lr: base rate; `factor(state)` scales it. deadline: `time.monotonic()` at which the last evaluation must be done.
    score: the validation metric that decides, from the task. valid_rows: rows of an evaluation, from which its first cost is guessed.
    after: work that must be done by the deadline when training has ended, in evaluations.
    ending: what is done when the stopper has waited enough: None ends training; a number goes back to the best weights and trains on for
    that many times the updates they took, while `factor` falls to 0.
    """

    epochs: int
    lr: float
    score: str
    factor: Callable[[State | Course], float] = lambda state: 1.0
    evaluate_every: int | None = None
    deadline: float | None = None
    valid_rows: int = 0
    after: float = 0.0
    ending: float | None = None


def fit(
    state: State,
    batches: Batches,
    task: Task,
    plan: Plan,
    settings: StepSettings = StepSettings(),  # noqa: B008 (frozen)
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
) -> Iterator[StepRecord | EpochRecord]:
    """Train until the plan ends, the stopper has waited enough, or the time is up; yield a record after each event.

    `state.total` is the number of updates that the plan comes to; where there is a deadline, each evaluation sets it anew by the speed so far.
    evaluate: network -> {metric: value} on the validation rows; None trains without looking.
    The network is in training mode at every StepRecord. After the last record `state.best` holds the weights to keep.
    """
    state.network.train()
    per_epoch = len(batches)
    every = min(plan.evaluate_every or per_epoch, per_epoch)
    state.total = state.total or plan.epochs * per_epoch
    clock, spent, evaluation_cost, late = time.monotonic(), state.seconds, 0.0, False
    mark = (state.step, clock)  # the last evaluation, from which the speed is taken
    while True:
        if state.pending:  # first of all, so that training stopped before an evaluation goes on with it
            begun = time.monotonic()
            record = _evaluate(state, evaluate, plan)
            now = time.monotonic()
            evaluation_cost = now - begun
            state.pending = False
            if plan.deadline is not None and not late and mark[0] < state.step < state.total:
                left = plan.deadline - now - (1.25 + plan.after) * evaluation_cost
                affordable = max(1.0, left * (state.step - mark[0]) / max(now - mark[1], 1e-9))
                state.total = int(min(plan.epochs * per_epoch if state.ending is None else state.total, state.step + affordable))
            mark = (state.step, now)
            if plan.ending is not None and state.stopper.done and state.ending is None and record.lr >= plan.lr:
                _begin_ending(state, plan.ending)
            yield record
        if late or state.epoch >= plan.epochs or state.step >= state.total or (plan.ending is None and state.stopper.done):
            return
        batch = batches.batch(state.epoch, state.position)
        lr = plan.lr * plan.factor(state)
        if state.plateau is not None:
            lr *= state.plateau.factor
        loss = step(state, batch, task, settings, lr)
        state.loss_sum += loss * len(batch)
        state.loss_rows += len(batch)
        state.rows += len(batch)
        epoch, state.position = state.epoch, state.position + 1
        if state.position == per_epoch:
            state.epoch, state.position = epoch + 1, 0
        now = time.monotonic()
        state.seconds, state.lr = spent + now - clock, lr
        # Before the first evaluation, half of what its rows cost in training: a forward pass is a third. The first updates are slow and do not
        # count. A quarter in hand for a slower pass.
        cost = evaluation_cost or (plan.valid_rows * state.seconds / (2 * state.rows) if state.step >= WARM else 0.0)
        late = plan.deadline is not None and now + (1.25 + plan.after) * cost >= plan.deadline
        ends = late or state.step >= state.total or state.position == 0
        state.pending = ends or (state.position % every == 0 and state.position + every // 2 < per_epoch)
        yield StepRecord(state.step, epoch, loss, lr, len(batch))


def _begin_ending(state: State, ending: float) -> None:
    """Back to the best weights, from which the rate falls. What a falling rate finds lies deeper than what a constant one hovers over."""
    assert state.best is not None
    assert state.total is not None
    state.network.load_state_dict(state.best)
    if state.average is not None:
        state.average.restart()
    state.ending = state.step
    state.total = min(state.total, state.step + max(1, round(ending * state.stopper.best_step)))


def _evaluate(state: State, evaluate: Callable[[nn.Module], dict[str, float]] | None, plan: Plan) -> EpochRecord:
    """Score the weights, remember them when they are the best, tell stopper and plateau."""
    network = state.network
    epoch = state.epoch - (state.position == 0)  # the one that the last update was in
    valid: dict[str, float] = {}
    if evaluate is not None:
        network.eval()
        if state.average is None:
            valid = evaluate(network)
        else:
            with state.average.applied(network):
                valid = evaluate(network)
        network.train()
    score = valid.get(plan.score, float("nan"))
    refuse_non_finite(state)
    improved = state.stopper.update(score, epoch, state.step) if evaluate is not None else True
    if improved or state.best is None:
        state.best = state.snapshot()
    if state.plateau is not None and evaluate is not None:
        state.plateau.update(score)
    train_loss = float(state.loss_sum) / max(state.loss_rows, 1)
    record = EpochRecord(
        epoch=epoch + 1,
        step=state.step,
        train_loss=train_loss,
        valid=valid,
        score=score,
        improved=improved,
        lr=state.lr,
        seconds=round(state.seconds, 3),
        rows_per_second=round(state.rows / max(state.seconds, 1e-9), 1),
    )
    state.evaluations += 1
    state.loss_sum.zero_()
    state.loss_rows = 0
    return record
