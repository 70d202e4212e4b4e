"""Short copies of a program: the same rows, network, loss, optimiser and order of events, with one thing changed.

A `Setup` holds all that a change may touch; `run` trains one copy and scores it on rows that it did not see.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.doctor.program import Backward, Clip, Event, Part, Update, Weight, Zero
from goodfit.doctor.replay import Copies, ReplayError, run_tape
from goodfit.doctor.supervised import Supervised
from goodfit.doctor.task import Answers

MOST_SCORED = 512  # training rows scored after a run: standard error of an accuracy at most 2.2 points, in the time of a few updates
FEWEST_SCORED = 8  # rows at a time: no network insists on fewer, and one by one scoring would take longer than training
LOOK_EVERY = 8  # updates between two looks at a loss that may have left the numbers


@dataclass(frozen=True, slots=True)
class Setup:
    """How a copy trains. What is None or empty is as in the program.

    rate: factor of the learning rates. optimizer: another class with its options, made with the first group's rate unless they say `lr`.
    options: options of every group set over the program's. decay, momentum, ...: stand there.
    zero: True sets gradients to nothing before every update's first backward pass, and steps after the last. clip: norm of all gradients together.
    order: True draws batches anew from all training rows. batch: factor of the batch size. mode: True trains in training mode.
    prepare: changes the data of a batch (list by number, as the tape's), in training and scoring. loss: of (answer, target), in nats or squares, a mean.
    surgery: each changes the fresh networks before the optimiser is made. afterwards: what is done to an answer before it is scored.
    every_weight: True trains weights too that the optimiser does not know or that are frozen. constant: True keeps the rate where the program changed it.
    around: entered around each run of the tape, in training and in scoring, to change calls (`goodfit.doctor.trail`). events: of an update, in place of
    the program's. weigh: of (loss, rows), changes the loss that is trained on and not the one that is told. answers: judge by these.
    rows: train on these rows alone (a row that stands there twice is drawn twice). targets: of (target, rows), changes what is taught, not what is scored.
    stretch: how many times as long it trains, its rates drawn out as far. stop: share of the updates after which training ends.
    """

    name: str = "as it is"
    rate: float = 1.0
    optimizer: type | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    zero: bool = False
    clip: float | None = None
    unclipped: bool = False
    order: bool = False
    batch: float = 1.0
    mode: bool = False
    prepare: Callable[[list[Tensor]], list[Tensor]] | None = None
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    surgery: tuple[Callable[[list[nn.Module]], None], ...] = ()
    afterwards: Callable[[Tensor], Tensor] | None = None
    every_weight: bool = False
    constant: bool = False
    stretch: float = 1.0
    rows: Tensor | None = None
    targets: Callable[[Tensor, Tensor], Tensor] | None = None
    around: tuple[Callable[[], AbstractContextManager[Any]], ...] = ()
    events: tuple[Event, ...] | None = None
    weigh: Callable[[Tensor, int], Tensor] | None = None
    answers: Answers | None = None
    stop: float = 1.0


@dataclass(slots=True)
class Outcome:
    """What a copy came to. losses: of each update (mean over its passes). points of the rows held back and of training rows, [n], at most 1; None where
    nothing can be scored. held_loss and trained_loss: the program's loss on them, scored in eval mode. finite: whether the losses stayed numbers.
    """

    setup: Setup
    seed: int
    losses: list[float]
    held: Tensor | None
    trained: Tensor | None
    held_loss: float
    trained_loss: float
    finite: bool
    updates: int
    seconds: float
    copies: Copies | None = None

    def curve(self, most: int = 200) -> list[list[float]]:
        """[[update, loss], ...], at most `most` points, means of what lies between."""
        step = max(1, math.ceil(len(self.losses) / most))
        return [
            [float(start + step), sum(self.losses[start : start + step]) / len(self.losses[start : start + step])]
            for start in range(0, len(self.losses), step)
        ]


def run(
    view: Supervised,
    setup: Setup,
    *,
    updates: int,
    seed: int = 0,
    seconds: float = math.inf,
    watch: Callable[[int, Copies, Tensor], None] | None = None,
    keep: bool = False,
) -> Outcome:
    """Trains one copy for so many updates, or until the seconds are over.

    seed: 0 begins with the program's own weights in its own order; others draw the weights anew where the layers can, and another order.
    watch: called after each backward pass with the number of the update, the copies (gradients there) and the loss.
    Raises ReplayError where the copy cannot be run.
    """
    begun = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        copies = fresh(view, setup, seed)
        optimizers = _optimizers(view, setup, copies)
        batches = _batches(view, setup, seed, generator)
        losses: list[Tensor] = []
        finite = True
        done = 0
        passes = 0
        events = _events(view, setup)
        courses = _courses(view, events)
        rows = view.batches[0]
        updates = max(1, round(updates * setup.stop))
        while done < updates and time.monotonic() - begun < seconds:
            total: Tensor | None = None
            for event in events:
                match event:
                    case Zero():
                        for optimizer in optimizers if event.optimizer is None else optimizers[event.optimizer : event.optimizer + 1]:
                            optimizer.zero_grad()
                        if event.optimizer is None:
                            for weight in copies.parameters():
                                weight.grad = None
                    case Backward():
                        rows = batches(passes)
                        modes = None if setup.mode is False else True
                        copies.set_modes(view.tape, modes if modes else view.modes[min(passes, len(view.modes) - 1)])
                        loss = loss_of(view, setup, copies, rows)
                        told = loss.detach()
                        if setup.weigh is not None:
                            loss = setup.weigh(loss, len(rows))
                        loss.backward()
                        if watch is not None:
                            watch(done, copies, loss)
                        total = told if total is None else total + told
                        passes += 1
                    case Clip():
                        if not setup.unclipped:
                            _clip(event, [w for w in copies.parameters() if w.grad is not None])
                    case Update():
                        if setup.clip is not None:
                            torch.nn.utils.clip_grad_norm_([w for w in copies.parameters() if w.grad is not None], setup.clip)
                        _rates(optimizers[event.optimizer], courses[event.optimizer], setup, done)
                        optimizer = optimizers[event.optimizer]
                        again = _again(view, setup, copies, optimizer, rows) if event.closure and _asks_again(optimizer) else None
                        optimizer.step() if again is None else optimizer.step(again)  # type: ignore[arg-type]
            losses.append((total if total is not None else torch.tensor(float("nan"))) / view.per_update)
            done += 1
            if done % LOOK_EVERY == 0 and not bool(torch.isfinite(losses[-1])):
                finite = False
                break
        values = torch.stack([loss.reshape(()).float() for loss in losses]).tolist() if losses else []
        finite = finite and all(math.isfinite(value) for value in values)
        held, held_loss = score(view, setup, copies, view.held)
        few = view.trained if setup.rows is None else setup.rows
        if len(few) > MOST_SCORED:
            few = few[torch.randperm(len(few), generator=torch.Generator().manual_seed(1))[:MOST_SCORED]]
        trained, trained_loss = score(view, setup, copies, few)
    return Outcome(
        setup, seed, values, held, trained, held_loss, trained_loss, finite, done, time.monotonic() - begun, copies if keep else None
    )  # fmt: skip


def _asks_again(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step cannot be made without a closure. Frameworks hand one to every optimiser, and what it did the first time stands among the events."""
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty


def _again(view: Supervised, setup: Setup, copies: Copies, optimizer: torch.optim.Optimizer, rows: Tensor) -> Callable[[], Tensor]:
    """What an optimiser such as LBFGS calls to have the loss of the same rows and its gradients."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(view, setup, copies, rows)
        (loss if setup.weigh is None else setup.weigh(loss, len(rows))).backward()
        return loss

    return closure


def fresh(view: Supervised, setup: Setup, seed: int = 0) -> Copies:
    """Networks as they begin with this setup and seed. Surgeries draw from torch's default generator."""
    copies = Copies(view.program.networks, view.program.loose)
    if seed:
        redraw(copies.networks, view.program.networks)
    for change in setup.surgery:
        change(copies.networks)
    return copies


def loss_of(view: Supervised, setup: Setup, copies: Copies, rows: Tensor) -> Tensor:
    """The loss of these rows as the setup has it, a number with its graph."""
    data = view.data(rows)
    if setup.targets is not None and view.meeting is not None:
        data[view.meeting.target] = setup.targets(data[view.meeting.target], rows)
    if setup.prepare is not None:
        data = setup.prepare(data)
    with entered(setup):
        if setup.loss is None or view.meeting is None:
            loss = run_tape(view.tape, copies, data)
        else:
            loss = setup.loss(run_tape(view.tape, copies, data, until=view.meeting.output), data[view.meeting.target])
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise ReplayError("the loss depends on no weight that can be trained")
    return loss if loss.dim() == 0 else loss.sum()


def entered(setup: Setup) -> ExitStack:
    """To be left by `with`: all that stands around a run of the tape."""
    stack = ExitStack()
    for make in setup.around:
        stack.enter_context(make())
    return stack


def score(
    view: Supervised, setup: Setup, copies: Copies, rows: Tensor, *, training: bool = False, size: int | None = None
) -> tuple[Tensor | None, float]:
    """Points [n] and mean loss of rows, in eval mode, in batches of `size`; else of as many as the program scores at once, or trains on (a network may
    insist on it, or mix them). A smaller rest is left out where it fails."""
    if view.pool is None or not len(rows):
        return None, float("nan")
    copies.set_modes(view.tape, training)
    points: list[Tensor] = []
    losses: list[Tensor] = []
    weights: list[int] = []
    if size is None:
        size = view.scored_size or view.batch_size
        size = size if size >= FEWEST_SCORED else 8 * FEWEST_SCORED
    judge = view.answers if setup.answers is None else setup.answers
    with torch.no_grad():
        for part in rows.split(size):
            data = view.data(part)
            if setup.prepare is not None:
                data = setup.prepare(data)
            try:
                if view.meeting is None:
                    with entered(setup):
                        losses.append(run_tape(view.tape, copies, data).detach().float().mean())
                else:
                    with entered(setup):
                        answer = run_tape(view.tape, copies, data, until=view.meeting.output)
                    if setup.loss is None:
                        with entered(setup):
                            losses.append(run_tape(view.tape, copies, data).detach().float().mean())
                    else:
                        losses.append(setup.loss(answer, data[view.meeting.target]).detach().float().mean())
                    if setup.afterwards is not None:
                        answer = setup.afterwards(answer)
                    if view.kind != "unknown" or setup.answers is not None:
                        found = judge.points(answer, view.data(part)[view.meeting.target], len(part))
                        if found is not None:
                            points.append(found)
            except ReplayError:
                if len(part) == size or not losses:
                    raise
                continue
            weights.append(len(part))
    mean = float(torch.stack(losses).cpu() @ torch.tensor(weights, dtype=torch.float32)) / sum(weights) if losses else float("nan")
    return torch.cat(points).cpu() if points else None, mean


def redraw(networks: Sequence[nn.Module], originals: Sequence[nn.Module]) -> None:
    """Other weights of the same making: each tensor that looks drawn is given a permutation of its own values, so that any initialisation, the user's own too, keeps its distribution."""
    with torch.no_grad():
        seen: set[int] = set()
        for network in networks:
            for weight in network.parameters():
                if id(weight) in seen or weight.dim() < 1:
                    continue
                seen.add(id(weight))
                weight.copy_(weight.flatten()[torch.randperm(weight.numel()).to(weight.device)].reshape(weight.shape))


def _optimizers(view: Supervised, setup: Setup, copies: Copies) -> list[torch.optim.Optimizer]:
    made: list[torch.optim.Optimizer] = []
    for use in view.program.optimizers:
        groups: list[dict[str, Any]] = []
        known: set[int] = set()
        for weights, options in zip(use.groups, use.options, strict=True):
            found = [weight for at in weights if (weight := copies.weight(at)) is not None]
            found = [weight for weight in found if weight.is_leaf and id(weight) not in known]
            known |= {id(weight) for weight in found}
            groups.append({"params": found, **options, **setup.options})
        grown = [w for w in copies.parameters() if id(w) not in known and (setup.every_weight or not _was_there(view, copies, w))]
        if setup.every_weight:
            for weight in copies.parameters():
                weight.requires_grad_(True)
        if grown and groups and use is view.program.optimizers[view.optimizer]:
            groups[0]["params"] = groups[0]["params"] + grown
        groups = [group for group in groups if group["params"]] or [{"params": [torch.zeros(1, requires_grad=True)]}]
        kind = use.kind
        if setup.optimizer is not None:
            kind = setup.optimizer
            groups = [
                {"params": group["params"], "lr": setup.options.get("lr", group.get("lr", 1e-3)), **setup.options} for group in groups
            ]
        first = {key: value for key, value in groups[0].items() if key == "lr"}
        made.append(kind(groups, **first))
    return made


def _was_there(view: Supervised, copies: Copies, weight: Tensor) -> bool:
    """Whether a weight of the copies stands for one that the program had: a surgery's new ones are to be trained."""
    return any(
        found is weight and _has(view.program.networks[number], name)
        for number, network in enumerate(copies.networks)
        for name, found in network.named_parameters()
    ) or any(weight is loose for loose in copies.loose)


def _has(network: nn.Module, name: str) -> bool:
    return any(name == own for own, _ in network.named_parameters())


def _courses(view: Supervised, events: Sequence[Event]) -> dict[int, list[tuple[float, ...]]]:
    """The program's rates by the number of the optimiser, in their order."""
    numbers = {event.optimizer: event.rates for event in events if isinstance(event, Update)}
    return {number: [rates for own, rates in view.program.rates if own == number] or [first] for number, first in numbers.items()}


def _rates(optimizer: torch.optim.Optimizer, own: Sequence[tuple[float, ...]], setup: Setup, done: int) -> None:
    if setup.optimizer is not None and "lr" in setup.options:
        for group in optimizer.param_groups:
            group["lr"] = setup.options["lr"] * setup.rate
        return
    rates = own[0 if setup.constant else min(int(done / setup.stretch), len(own) - 1)]
    for group, rate in zip(optimizer.param_groups, rates, strict=False):
        group["lr"] = rate * setup.rate if "lr" not in setup.options else setup.options["lr"] * setup.rate


def _events(view: Supervised, setup: Setup) -> Sequence[Any]:
    if setup.events is not None:
        return setup.events
    if not setup.zero:
        return view.pattern
    backward = next((event for event in view.pattern if isinstance(event, Backward)), None)
    updates = [event for event in view.pattern if isinstance(event, Update)]
    assert backward is not None
    clips = [event for event in view.pattern if isinstance(event, Clip)]
    return [Zero(None), *[backward] * view.per_update, *clips, *(updates or [Update(view.optimizer, ())])]


def _batches(view: Supervised, setup: Setup, seed: int, generator: torch.Generator) -> Callable[[int], Tensor]:
    """rows of pass number i: the recorded ones in their order, another order of them for another seed, or batches drawn anew."""
    if view.pool is None:
        return lambda number: torch.arange(1)
    batches = view.batches
    if setup.rows is not None:
        allowed = torch.zeros(len(view.pool), dtype=torch.bool)
        allowed[setup.rows] = True
        batches = [kept for rows in batches if len(kept := rows[allowed[rows]])]
    if setup.order or setup.batch != 1.0 or setup.rows is not None:
        rows = view.trained if setup.rows is None else setup.rows
        size = max(1, min(int(view.batch_size * setup.batch), len(rows)))
        drawn: list[Tensor] = []

        def draw(number: int) -> Tensor:
            while len(drawn) <= number:
                mixed = rows[torch.randperm(len(rows), generator=generator)]
                drawn.extend(part for part in mixed.split(size) if len(part) == size)
            return drawn[number]

        return draw
    if not seed or len({len(rows) for rows in batches}) == 1 == len(batches):
        return lambda number: batches[number % len(batches)]
    turned = seed * len(batches) // 3
    return lambda number: batches[(number + turned) % len(batches)]


def _clip(event: Clip, weights: list[Tensor]) -> None:
    if event.kind == "value":
        torch.nn.utils.clip_grad_value_(weights, event.limit)
    else:
        torch.nn.utils.clip_grad_norm_(weights, event.limit)


def is_loss_free(part: nn.Module) -> bool:
    return not any(True for _ in part.parameters())


def first_call(view: Supervised) -> Part:
    """The network that is called first on the tape."""
    return next(node.call for node in view.tape.nodes if isinstance(node.call, Part))


def weight_names(view: Supervised) -> list[Weight]:
    """All weights of all networks, by name."""
    return [Weight(number, name) for number, network in enumerate(view.program.networks) for name, _ in network.named_parameters()]
