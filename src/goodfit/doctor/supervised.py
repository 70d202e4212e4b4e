"""A program read as what most are: rows with targets, a network, a loss, an optimiser, and a pattern of events that repeats with every update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from goodfit.doctor.program import Backward, Clip, Data, Event, Part, Place, Program, Tape, Update, Value, Zero, tensors_of
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.rows import Pool, find_slots, input_numbers, signature
from goodfit.doctor.standard import class_codes
from goodfit.doctor.task import Answers, Kind, Meeting, answers_of, base_on, find_kind, find_meeting, weighing

LATE = 0.5  # of the updates that were only counted, from where they are taken to have been in eval mode
REGULAR = 0.8  # the share of backward passes that must be alike for one tape to stand for all; the rest are warm-ups and last batches
HELD_SHARE = 0.25  # of the rows, where the program itself held none back: enough to tell 5 points apart with 500 rows
FEWEST_HELD = 30  # rows held back; fewer say nothing
SEEN = 0.5  # share of an evaluation's rows that were trained on, from where it is not one of rows held back
TRAINING_SCORE = 0.6  # share of the training rows, from where their evaluation is a training score and no test
MOST_HELD = 1024  # rows scored: the standard error of an accuracy is at most 1.6 points


class NotSupervised(Exception):
    """The program cannot be read so; the message is a sentence for `examined.not_seen`."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one evaluation of the program went over. rows: numbers in the pool, None where targets were not seen. seen: share of its rows that were trained on.

    training: the mode of the network. updates: those before it. parts: of each of its tapes where the network was called, and the rows.
    """

    rows: Tensor | None
    seen: float
    training: bool
    updates: int
    count: int
    parts: tuple[tuple[Place | None, Tensor], ...] = ()


@dataclass(slots=True)
class Supervised:
    """tape: one that stands for all. batches: the rows of each recorded backward pass, as numbers in the pool. trained: rows to train short copies on;
    held: rows that they never see. carved: whether these were taken from the training rows, as the program showed none of its own.
    pattern: the events of an update in their order. modes: of the network at each backward pass; the last stands for those that follow.
    per_update: backward passes for each update.
    """

    program: Program
    tape: Tape
    meeting: Meeting | None
    kind: Kind
    answers: Answers
    pool: Pool | None
    batches: list[Tensor]
    trained: Tensor
    held: Tensor
    carved: bool
    pattern: tuple[Event, ...]
    modes: list[bool]
    optimizer: int
    evaluated: list[Evaluated]
    overlap: int = 0

    @property
    def per_update(self) -> int:
        return max(sum(isinstance(event, Backward) for event in self.pattern), 1)

    @property
    def batch_size(self) -> int:
        return len(self.batches[0])

    @property
    def scored_size(self) -> int:
        """Rows that the program's own last evaluation of rows held back hands to the network at once; 0 where it has none."""
        for evaluated in () if self.carved else reversed(self.evaluated):
            if evaluated.rows is not None and evaluated.seen < SEEN:
                return max(len(rows) for _, rows in evaluated.parts)
        return 0

    def data(self, rows: Tensor) -> list[Tensor]:
        """The data of the tape with these rows."""
        if self.pool is None:
            return list(self.tape.data)
        return self.pool.data(rows, self.tape.data)

    def targets(self, rows: Tensor) -> Tensor:
        """As the loss takes them: [rows chunk, ...]"""
        assert self.meeting is not None
        assert self.pool is not None
        whole = self.pool.whole(self.meeting.target)
        return self.pool.slots[self.meeting.target].joined(whole[rows.to(whole.device)])

    def inputs(self) -> list[int]:
        """Numbers of the data that go into networks by rows; labels for a loss inside of one are no inputs."""
        labels = self.meeting.target if self.meeting is not None and self.kind != "reconstruction" else -1
        return [number for number in input_numbers(self.tape) if self.pool is not None and number in self.pool.slots and number != labels]

    def features(self, rows: Tensor) -> Tensor | None:
        """[rows, F] float: all that goes into the network, laid flat; None where it is words or nothing."""
        if self.pool is None:
            return None
        parts = [
            self.pool.whole(number)[rows].flatten(1) for number in self.inputs() if not (self.meeting and number == self.meeting.target)
        ]
        parts = [part.float() for part in parts if part.is_floating_point() or part.dtype == torch.uint8]
        return torch.cat(parts, 1) if parts else None


def supervised(program: Program, *, seed: int = 0) -> Supervised:
    """Reads the program so. Raises NotSupervised with the reason where it cannot."""
    passes = [event for event in program.events if isinstance(event, Backward)]
    if not passes:
        raise NotSupervised("no backward pass was recorded")
    common, count = Counter(signature(event.tape) for event in passes).most_common(1)[0]
    if count < REGULAR * len(passes):
        raise NotSupervised(
            "the steps of the program differ from each other, as with several losses in turn; what each optimiser does was looked at by itself"
        )
    if not any(isinstance(node.call, Part) for node in passes[0].tape.nodes):
        raise NotSupervised("no network was called between the data and the loss")
    alike = [event for event in passes if signature(event.tape) == common]
    tapes = [event.tape for event in alike]
    meeting = find_meeting(tapes[0])
    pool, batches = _pooled(tapes, meeting)
    tape = _middle(tapes)
    every = torch.unique(torch.cat(batches))
    held, carved, overlap = torch.empty(0, dtype=torch.int64), True, 0
    evaluated = [Evaluated(None, float("nan"), any(map(_mode, one.tapes)), one.after, 0) for one in program.evaluations]
    if pool is not None:
        evaluated, held, overlap = _evaluated(program, tape, meeting, pool, every)
        carved = len(held) < FEWEST_HELD
        if carved:
            # A target that goes by no rows, as the same numbers in every batch, is taught to whole batches.
            held = _carve(every, seed) if meeting is None or meeting.target in pool.slots else every[:0]
        elif len(held) > MOST_HELD:
            held = held[torch.randperm(len(held), generator=torch.Generator().manual_seed(seed))[:MOST_HELD]]
        apart = torch.zeros(len(pool), dtype=torch.bool)
        apart[held] = True
        kept = [rows[~apart[rows]] for rows in batches]
        batches = [rows for rows in kept if len(rows)] if carved else batches
        every = every[~apart[every]] if carved else every
    targets = (
        pool.whole(meeting.target)[every]
        if meeting and pool is not None and meeting.target in pool.slots
        else (tape.data[meeting.target].unsqueeze(1) if meeting else torch.zeros(1, 1))
    )
    copies = Copies(program.networks, program.loose)
    copies.set_modes(tape, False)
    kind: Kind = "unknown"
    if meeting is not None:
        try:
            with torch.no_grad():
                output = run_tape(tape, copies, until=meeting.output)
            kind = find_kind(meeting, tape, targets, output) if isinstance(output, Tensor) else "unknown"
        except ReplayError as error:
            raise NotSupervised(str(error)) from error
    if meeting is not None and kind == "regression" and class_codes(targets) > 2 and names_classes(program, meeting.loss):
        kind = "classes"
    node = tape.nodes[meeting.node] if meeting else tape.nodes[-1]
    if meeting and pool is not None and meeting.target not in pool.slots:
        kind = "unknown"
    pattern, optimizer = _pattern(program)
    answers = answers_of(kind, node, targets)
    if meeting and pool is not None and meeting.target in pool.slots and len(held):
        whole = pool.whole(meeting.target)
        answers = replace(answers, base=base_on(answers, targets, whole[held]))
        answers = weighing(meeting, tape, answers, whole[torch.cat(batches)] if batches else targets, targets, whole[held])
    return Supervised(
        program, tape, meeting, kind, answers, pool, batches, every, held, carved, pattern, _modes(program, tapes),
        optimizer, evaluated, overlap,
    )  # fmt: skip


def names_classes(program: Program, loss: str) -> bool:
    """Whether whole numbers are meant as names of classes: the loss is one of classes, or answers are compared with them for equality."""
    if loss in {"cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "multi_margin_loss"}:
        return True
    return any(
        node.name in {"eq", "__eq__", "ne", "__ne__", "argmax", "round"}
        for evaluation in program.evaluations
        for tape in evaluation.tapes
        for node in tape.nodes
    )


def _pooled(tapes: Sequence[Tape], meeting: Meeting | None) -> tuple[Pool | None, list[Tensor]]:
    target = meeting.target if meeting else None
    found = find_slots(tapes, target)
    if found is None:
        return None, [torch.arange(1) for _ in tapes]
    slots, rows = found
    pool, batches = Pool(slots), []
    try:
        for tape, count in zip(tapes, rows, strict=True):
            batches.append(pool.add({number: tape.data[number] for number in slots}, count))
    except ValueError:
        return None, [torch.arange(1) for _ in tapes]
    return pool, batches


def _middle(tapes: Sequence[Tape]) -> Tape:
    """The tape of a batch of the usual size: the last of a pass over the data is often smaller."""
    sizes = [tuple(data.shape for data in tape.data) for tape in tapes]
    usual = Counter(sizes).most_common(1)[0][0]
    return tapes[sizes.index(usual)]


def _carve(rows: Tensor, seed: int) -> Tensor:
    count = min(int(len(rows) * HELD_SHARE), MOST_HELD)
    if count < FEWEST_HELD // 2:
        return rows[:0]
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:count]].sort().values


def _evaluated(program: Program, tape: Tape, meeting: Meeting | None, pool: Pool, trained: Tensor) -> tuple[list[Evaluated], Tensor, int]:
    """The program's evaluations as rows of the pool; those rows of the last ones that were not trained on; how many of an evaluation mostly of others were."""
    known = torch.zeros(len(pool), dtype=torch.bool)
    known[trained] = True
    found, held, overlap = [], [], 0
    for evaluation in program.evaluations:
        rows: list[Tensor] = []
        places: list[Place | None] = []
        count, mode = 0, False
        for one in evaluation.tapes:
            mode = _mode(one)
            given = _matched(one, tape, meeting, pool)
            if given is None:
                continue
            data, size = given
            count += size
            try:
                rows.append(pool.add(data, size))
            except ValueError:
                continue
            places.append(next((node.place for node in one.nodes if isinstance(node.call, Part)), None))
        if not rows:
            found.append(Evaluated(None, float("nan"), mode, evaluation.after, count))
            continue
        numbers = torch.cat(_but_training(rows, trained))
        known = torch.cat([known, torch.zeros(len(pool) - len(known), dtype=torch.bool)])
        seen = float(known[numbers].float().mean())
        found.append(Evaluated(numbers, seen, mode, evaluation.after, count, tuple(zip(places, rows, strict=True))))
        if seen < SEEN:
            held.append(numbers[~known[numbers]])
            overlap = max(overlap, int(known[numbers.unique()].sum()))
    return found, torch.unique(torch.cat(held)) if held else torch.empty(0, dtype=torch.int64), overlap


def _but_training(rows: list[Tensor], trained: Tensor) -> list[Tensor]:
    """The batches of an evaluation without those of all training rows, which many programs score in the same breath; all of them where nothing else is left."""
    apart = [one for one in rows if not bool(torch.isin(one, trained).all())]
    inside = [one for one in rows if bool(torch.isin(one, trained).all())]
    if not apart or not inside or len(torch.cat(inside).unique()) < TRAINING_SCORE * len(trained):
        return rows
    return apart


def _matched(one: Tape, tape: Tape, meeting: Meeting | None, pool: Pool) -> tuple[dict[int, Tensor], int] | None:
    """An evaluation's data in the places of the training tape's: network calls matched in their order, the target by its look."""
    calls = [node for node in tape.nodes if isinstance(node.call, Part)]
    seen = [node for node in one.nodes if isinstance(node.call, Part)]
    if [node.call for node in calls] != [node.call for node in seen][: len(calls)]:
        return None
    if len(seen) > len(calls) and _generates(one):
        return None
    places: dict[int, Tensor] = {}
    taken: set[int] = set()
    for ours, theirs in zip(calls, seen, strict=False):
        for a, b in zip(tensors_of((ours.args, dict(ours.kwargs))), tensors_of((theirs.args, dict(theirs.kwargs))), strict=False):
            if isinstance(a, Data) and isinstance(b, Data):
                places[a.number] = one.data[b.number]
                taken.add(b.number)
    inputs = [number for number in input_numbers(tape) if number in pool.slots]
    if not inputs or any(number not in places for number in inputs):
        return None
    first = pool.slots[inputs[0]]
    size = places[inputs[0]].shape[first.dim] // first.chunk
    if meeting is not None and meeting.target in pool.slots and meeting.target not in places:
        usual = tape.data[meeting.target]
        slot = pool.slots[meeting.target]
        for number, tensor in enumerate(one.data):
            if number not in taken and tensor.dim() and tensor.numel() * max(usual.shape[slot.dim], 1) == usual.numel() * size * slot.chunk:
                shape = list(usual.shape)
                shape[slot.dim] = size * slot.chunk
                places[meeting.target] = tensor.reshape(shape).to(usual.dtype)
                break
    if any(number not in places for number in pool.slots):
        return None
    return {number: places[number] for number in pool.slots}, size


def _generates(tape: Tape) -> bool:
    """Whether what a network answers goes into its own next call, as where text or pictures are drawn: nothing is judged there."""
    came: list[set[Part]] = []  # the networks whose answers are in what a node gives
    for node in tape.nodes:
        inside = {part for leaf in tensors_of((node.args, dict(node.kwargs))) if isinstance(leaf, Value) for part in came[leaf.node]}
        if isinstance(node.call, Part):
            if node.call in inside:
                return True
            inside.add(node.call)
        came.append(inside)
    return False


def _modes(program: Program, tapes: Sequence[Tape]) -> list[bool]:
    """Of each recorded backward pass; one more, for all that follow, where training went on in eval mode after them."""
    modes = [_mode(one) for one in tapes]
    return [*modes, False] if program.late_in_eval > LATE else modes


def _mode(tape: Tape) -> bool:
    return any(node.training for node in tape.nodes if isinstance(node.call, Part))


def _pattern(program: Program) -> tuple[tuple[Event, ...], int]:
    """The events of one update as they mostly are after the first; without an update, those of a backward pass."""
    cycles = _cycles(program.events)
    if not cycles:
        return _without_update(program.events), 0
    kinds = Counter(tuple(_name(event) for event in cycle) for cycle in (cycles[1:-1] or cycles[-1:]))
    usual = kinds.most_common(1)[0][0]
    cycle = next(cycle for cycle in reversed(cycles) if tuple(_name(event) for event in cycle) == usual)
    return cycle, next(event.optimizer for event in cycle if isinstance(event, Update))


def _without_update(events: Sequence[Event]) -> tuple[Event, ...]:
    """From after one backward pass to the end of the next."""
    passes = [number for number, event in enumerate(events) if isinstance(event, Backward)]
    return tuple(events[passes[0] + 1 : passes[1] + 1]) if len(passes) > 1 else tuple(events[: passes[0] + 1])


def _cycles(events: Sequence[Event]) -> list[tuple[Event, ...]]:
    """The events cut after each update, or after the last of several in a row: two optimisers of one network are one update."""
    cut: list[tuple[Event, ...]] = []
    begun = 0
    for number, event in enumerate(events):
        if isinstance(event, Update) and not (number + 1 < len(events) and isinstance(events[number + 1], Update)):
            cut.append(tuple(events[begun : number + 1]))
            begun = number + 1
    return cut


def _name(event: Event) -> str:
    match event:
        case Zero():
            return "zero"
        case Clip():
            return "clip"
        case Update():
            return f"update {event.optimizer}"
    return "backward"


__all__ = ["Evaluated", "NotSupervised", "Supervised", "Value", "supervised"]
