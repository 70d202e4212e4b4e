"""The loop of a stack: batches of K members in, records out; for each member what `training.loop.fit` does for one network.

`fit_stacked` yields a record after every update, every evaluation of a member and every member's end, at points where the state is whole: whoever consumes
the stream may save it, print, take members out (`StackState.leave`), or stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from goodfit.base.errors import StackError
from goodfit.base.records import EpochRecord, MemberEnd, MemberRecord, StackStepRecord
from goodfit.data.member_batches import Members
from goodfit.training.loop import Plan
from goodfit.training.stack import Stack
from goodfit.training.stacked import stacked_step
from goodfit.training.stacked_state import Member, StackState
from goodfit.training.state import Course

# Of the stack, which is of these members now and in evaluation mode, by their numbers: a {metric: value} for each.
Evaluate = Callable[[Stack, Sequence[int]], list[dict[str, float]]]


def fit_stacked(
    state: StackState, batches: Members, plans: Sequence[Plan], evaluate: Evaluate | None = None
) -> Iterator[StackStepRecord | MemberRecord | MemberEnd]:
    """Train every member until its plan ends, its stopper has waited enough, or its loss is not finite; a member that is done leaves the stack.

    batches: of all members that the stack began with, in the order of their numbers; so are `plans`. A plan's deadline ends all members, the earliest
    counts; it does not set `total` anew, as it does for one network. After the last record `state.outcomes` has what each member left behind, and
    `state.network(number)` is its network with the best weights.
    """
    known = [*(member.number for member in state.members), *state.outcomes]
    if len(plans) != len(known) or len(batches.lengths()) != len(known):
        raise StackError(
            f"a stack needs a plan and batches for each network that it began with; {len(known)} networks, {len(plans)} plans and "
            f"{len(batches.lengths())} batches were given"
        )
    feed = _Feed(batches, len(known))
    feed.follow(state)
    for member, count in zip(state.members, batches.lengths(), strict=True):
        member.total = member.total or plans[member.number].epochs * count
    clock, spent, cost = time.monotonic(), state.seconds, 0.0
    deadline = min((plan.deadline for plan in plans if plan.deadline is not None), default=None)
    late = False
    state.stack.train()
    while state.members:
        if any(member.pending for member in state.members):
            begun = time.monotonic()
            records = _evaluations(state, plans, evaluate)
            cost = time.monotonic() - begun
            yield from records
        done = {place: reason for place, member in enumerate(state.members) if (reason := _done(state, member, plans[member.number], late))}
        yield from state.leave(done, failed=False)
        if not state.members:
            return
        feed.follow(state)
        lr = _rates(state, plans)
        rates = {member.number: rate for member, rate in zip(state.members, lr, strict=True)}
        groups = batches.groups([member.epoch for member in state.members], [member.position for member in state.members])
        rows = {state.members[index].number: group.batch.rows.shape[1] for group in groups for index in group.indices}
        losses, ends = stacked_step(state, groups, lr)
        feed.follow(state)
        state.seconds = spent + time.monotonic() - clock
        epochs = tuple(member.epoch for member in state.members)
        _count(state, batches.lengths(), rows, rates, plans, losses)
        late = deadline is not None and time.monotonic() + 1.25 * cost >= deadline
        for member in state.members:
            member.pending = member.pending or late
        yield from ends
        if state.members:
            numbers = tuple(member.number for member in state.members)
            yield StackStepRecord(state.step, numbers, losses, tuple(rates[n] for n in numbers), tuple(rows[n] for n in numbers), epochs)


class _Feed:
    """The batches, which shrink with the stack."""

    def __init__(self, batches: Members, members: int) -> None:
        self._batches, self._numbers = batches, list(range(members))

    def follow(self, state: StackState) -> None:
        now = [member.number for member in state.members]
        if now != self._numbers and now:
            self._batches.keep([self._numbers.index(number) for number in now])
            self._numbers = now


def _count(
    state: StackState,
    lengths: Sequence[int],
    rows: dict[int, int],
    rates: dict[int, float],
    plans: Sequence[Plan],
    losses: Tensor,
) -> None:
    """Count the update for every member that made it."""
    if not state.members:
        return
    sizes = [rows[member.number] for member in state.members]
    state.loss_sum += losses.double().cpu() * torch.tensor(sizes, dtype=torch.float64)
    for member, size, count in zip(state.members, sizes, lengths, strict=True):
        member.loss_rows += size
        member.rows += size
        member.lr = rates[member.number]
        member.position += 1
        if member.position == count:
            member.epoch, member.position = member.epoch + 1, 0
        every = min(plans[member.number].evaluate_every or count, count)
        ends = member.position == 0 or (member.total is not None and state.step >= member.total)
        member.pending = ends or (member.position % every == 0 and member.position + every // 2 < count)


def _rates(state: StackState, plans: Sequence[Plan]) -> list[float]:
    """The base rate of each member for the next update; members with one schedule ask it once."""
    known: dict[tuple[int, int | None, int | None], float] = {}
    found = []
    for member in state.members:
        plan = plans[member.number]
        key = (id(plan.factor), member.total, member.ending)
        if key not in known:
            known[key] = plan.factor(Course(state.step, member.total, member.ending))
        rate = plan.lr * known[key]
        found.append(rate if member.plateau is None else rate * member.plateau.factor)
    return found


def _done(state: StackState, member: Member, plan: Plan, late: bool) -> str:
    """Why the member's training is over, empty while it is not."""
    if late:
        return "the time is up"
    if member.epoch >= plan.epochs or (member.total is not None and state.step >= member.total):
        return "its plan is fulfilled"
    if plan.ending is None and member.stopper.done:
        return f"{member.stopper.waited} evaluations without gain"
    return ""


def _evaluations(state: StackState, plans: Sequence[Plan], evaluate: Evaluate | None) -> list[MemberRecord]:
    """Score the members that are due, remember the best weights, tell stoppers and plateaus."""
    due = [place for place, member in enumerate(state.members) if member.pending]
    valid: list[dict[str, float]] = [{} for _ in due]
    if evaluate is not None:
        with state.stack.only(due, state.evaluated) as stack:
            stack.eval()
            valid = evaluate(stack, [state.members[place].number for place in due])
            stack.train()
        assert len(valid) == len(due), "evaluate gives the metrics of each member that it is asked for"
    records, better = [], []
    for place, scores in zip(due, valid, strict=True):
        member, plan = state.members[place], plans[state.members[place].number]
        epoch = member.epoch - (member.position == 0)
        score = scores.get(plan.score, float("nan"))
        improved = member.stopper.update(score, epoch, state.step) if evaluate is not None else True
        if improved or not member.evaluations:
            better.append(place)
        if member.plateau is not None and evaluate is not None:
            member.plateau.update(score)
        record = EpochRecord(
            epoch=epoch + 1, step=state.step, train_loss=float(state.loss_sum[place]) / max(member.loss_rows, 1), valid=scores, score=score,
            improved=improved, lr=member.lr, seconds=round(state.seconds, 3), rows_per_second=round(member.rows / max(state.seconds, 1e-9), 1),
        )  # fmt: skip
        member.evaluations += 1
        state.loss_sum[place] = 0
        member.loss_rows, member.pending = 0, False
        records.append(MemberRecord(member.number, record))
    state.remember(better)
    for place, entry in zip(due, records, strict=True):
        member, plan = state.members[place], plans[state.members[place].number]
        if plan.ending is not None and member.stopper.done and member.ending is None and entry.record.lr >= plan.lr:
            state.return_to_best(place)
            member.ending = state.step
            assert member.total is not None
            member.total = min(member.total, state.step + max(1, round(plan.ending * member.stopper.best_step)))
    return records
