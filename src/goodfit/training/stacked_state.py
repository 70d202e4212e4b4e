"""Everything that K networks in training need to go on: what `training.state` is for one.

K members still in the stack. Members have the numbers that they began with, from 0; their places in the stack change as others leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import CheckpointError, StackError
from goodfit.base.protocols import Task
from goodfit.base.records import MemberEnd
from goodfit.optim.schedule import Plateau
from goodfit.optim.stacked import StackedAverage, StackedOptimizer
from goodfit.training.stack import Stack
from goodfit.training.stacked_losses import Losses
from goodfit.training.state import Stopper
from goodfit.training.step import StepSettings

_COUNTERS = ("number", "seed", "epoch", "position", "rows", "evaluations", "total", "ending", "loss_rows", "lr", "pending")


@dataclass
class Member:
    """Where one member is; as in `training.state.State`."""

    number: int
    seed: int
    stopper: Stopper
    plateau: Plateau | None = None
    epoch: int = 0
    position: int = 0
    rows: int = 0
    evaluations: int = 0
    total: int | None = None
    ending: int | None = None
    loss_rows: int = 0
    lr: float = 0.0
    pending: bool = False

    def to_document(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in _COUNTERS} | {"stopper": dict(vars(self.stopper))}
        return document | ({} if self.plateau is None else {"plateau": self.plateau.state_dict()})

    def load(self, document: Mapping[str, Any]) -> None:
        for name in _COUNTERS:
            setattr(self, name, document[name])
        for name, value in document["stopper"].items():
            setattr(self.stopper, name, value)
        if self.plateau is not None:
            self.plateau.load_state_dict(document["plateau"])


@dataclass
class Outcome:
    """What a member left behind. reason: why it left; failed: whether because it could not go on. best: its best weights and buffers on the CPU, None
    where it failed before its first evaluation."""

    number: int
    reason: str
    failed: bool
    step: int
    stopper: Stopper
    best: dict[str, Tensor] | None


@dataclass
class StackState:
    """Where the training of a stack is. Made by `StackState.of`.

    step: updates made, the same for all members. best, best_buffers: [K, ...] of each member's best evaluation. outcomes: of those that left.
    """

    stack: Stack
    optimizer: StackedOptimizer
    members: list[Member]
    losses: Losses
    settings: list[StepSettings]
    average: StackedAverage | None = None
    step: int = 0
    seconds: float = 0.0
    best_flat: Tensor | None = None
    best_buffers: dict[str, Tensor] = field(default_factory=dict)
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros(0))
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    best: None = None  # for `training.checkpoint`: the best weights of all members are among the tensors
    stopper: Stopper = field(default_factory=lambda: Stopper(False, None))

    @classmethod
    def of(
        cls,
        networks: Sequence[nn.Module],
        optimizers: Sequence[torch.optim.Optimizer],
        tasks: Sequence[Task],
        *,
        seeds: Sequence[int],
        stoppers: Sequence[Stopper],
        settings: Sequence[StepSettings] | None = None,
        averages: Sequence[float | None] | None = None,
        plateaus: Sequence[Plateau | None] | None = None,
    ) -> StackState:
        """A stack of the networks, which stay as they are, in training from the start.

        optimizers: of each network by itself, by `optim.build`; read, never stepped. averages: decay of each member's EMA. Raises StackError, with the
        reason, where they cannot be trained as one.
        """
        K = len(networks)
        stack = Stack.of(networks)
        given = {"optimizers": optimizers, "tasks": tasks, "seeds": seeds, "stoppers": stoppers}
        given |= {} if settings is None else {"settings": settings}
        given |= {} if averages is None else {"averages": averages}
        given |= {} if plateaus is None else {"plateaus": plateaus}
        for name, values in given.items():
            if len(values) != K:
                raise StackError(f"a stack needs one of each for every network; {K} networks and {len(values)} {name} were given")
        plateaus = [None] * K if plateaus is None else plateaus
        return cls(
            stack.train(),
            StackedOptimizer(stack.columns, optimizers, stack.flat),
            [
                Member(number, seed, stopper, plateau)
                for number, (seed, stopper, plateau) in enumerate(zip(seeds, stoppers, plateaus, strict=True))
            ],
            Losses(tasks),
            _settled([StepSettings()] * K if settings is None else settings),
            StackedAverage(stack.flat, averages) if averages is not None and any(d is not None for d in averages) else None,
            loss_sum=torch.zeros(K, dtype=torch.float64),
        )

    def __len__(self) -> int:
        """K."""
        return len(self.members)

    @property
    def evaluated(self) -> Tensor:
        """[K, P] the weights that evaluations see: the averages where there are any."""
        return self.stack.flat if self.average is None else self.average.mean

    def remember(self, places: Sequence[int]) -> None:
        """Keep the weights of these members as their best."""
        if self.best_flat is None:
            self.best_flat = self.evaluated.clone()
            self.best_buffers = {name: tensor.clone() for name, tensor in self.stack.buffers.items()}
            return
        rows = list(places)
        self.best_flat[rows] = self.evaluated[rows]
        for name, tensor in self.stack.buffers.items():
            self.best_buffers[name][rows] = tensor[rows]

    def return_to_best(self, place: int) -> None:
        """Give the member at `place` its best weights; its average begins anew."""
        assert self.best_flat is not None
        self.stack.flat[place] = self.best_flat[place]
        for name, tensor in self.stack.buffers.items():
            tensor[place] = self.best_buffers[name][place]
        if self.average is not None:
            self.average.counts[place] = 0

    def leave(self, reasons: Mapping[int, str], *, failed: bool = True) -> list[MemberEnd]:
        """Take the members at these places out of the stack; the others go on."""
        if not reasons:
            return []
        ends = []
        for place, reason in reasons.items():
            member = self.members[place]
            best = None
            if member.evaluations and self.best_flat is not None:
                own = {column.name: self.best_flat[place, column.start : column.stop].view(column.shape) for column in self.stack.columns}
                own |= {name: tensor[place] for name, tensor in self.best_buffers.items()}
                best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in own.items()}
            self.outcomes[member.number] = Outcome(member.number, reason, failed, self.step, member.stopper, best)
            ends.append(MemberEnd(member.number, self.step, reason, failed))
        self.keep([place for place in range(len(self)) if place not in reasons])
        return ends

    def keep(self, places: Sequence[int]) -> None:
        """Go on with the members at these places alone; what the others had is forgotten (see `leave`)."""
        places = list(places)
        self.members = [self.members[place] for place in places]
        self.settings = [self.settings[place] for place in places]
        self.loss_sum = self.loss_sum[places]
        if not places:
            return
        self.losses.keep(places)
        self.stack.keep(places)
        self.optimizer.keep(places)
        if self.average is not None:
            self.average.keep(places)
        if self.best_flat is not None:
            self.best_flat = self.best_flat[places]
            self.best_buffers = {name: tensor[places] for name, tensor in self.best_buffers.items()}

    def network(self, number: int) -> nn.Module:
        """The network of the member with this number, with its best weights; raises StackError where it left without any."""
        outcome = self.outcomes.get(number)
        if outcome is None:
            place = next((place for place, member in enumerate(self.members) if member.number == number), None)
            if place is None:
                raise StackError(f"the stack began with members up to {self._last()}; {number} was asked for", value=number)
            best = self.best_flat
            if best is None:
                return self.stack.network(number, self.stack.tensors(place))
            return self.stack.network(number, self.stack.tensors(place, best) | {name: t[place] for name, t in self.best_buffers.items()})
        if outcome.best is None:
            raise StackError(f"member {number} left without an evaluation: {outcome.reason}")
        return self.stack.network(number, outcome.best)

    def _last(self) -> int:
        return max([*self.outcomes, *(member.number for member in self.members)], default=0)

    def to_records(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The state as tensors and a JSON document."""
        tensors = {"flat": self.stack.flat, "loss_sum": self.loss_sum}
        tensors |= {f"buffer/{name}": tensor for name, tensor in self.stack.buffers.items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in self.optimizer.state.items()}
        if self.average is not None:
            tensors["average"] = self.average.mean
        if self.best_flat is not None:
            tensors["best"] = self.best_flat
            tensors |= {f"best/{name}": tensor for name, tensor in self.best_buffers.items()}
        for number, outcome in self.outcomes.items():
            tensors |= {f"outcome/{number}/{name}": tensor for name, tensor in (outcome.best or {}).items()}
        document = {
            "step": self.step,
            "seconds": self.seconds,
            "members": [member.to_document() for member in self.members],
            "optimizer": {"kind": self.optimizer.kind, "count": self.optimizer.count, "idle": self.optimizer.idle},
            "average": None if self.average is None else self.average.counts,
            "outcomes": [
                {
                    "number": o.number,
                    "reason": o.reason,
                    "failed": o.failed,
                    "step": o.step,
                    "stopper": dict(vars(o.stopper)),
                    "best": o.best is not None,
                }
                for o in self.outcomes.values()
            ],
        }
        return tensors, document

    def load_records(self, tensors: dict[str, Tensor], document: dict[str, Any], best: dict[str, Tensor] | None = None) -> None:
        """Take up where `to_records` left off, in a state made anew by `of` for the same networks and settings.

        Raises CheckpointError when it is of another stack.
        """
        if document["optimizer"]["kind"] != self.optimizer.kind:
            had, has = document["optimizer"]["kind"], self.optimizer.kind
            raise CheckpointError(
                f"the checkpoint is of the optimiser {had}, the settings ask for {has}; resume with the settings of the run"
            )
        numbers = [member["number"] for member in document["members"]]
        if not set(numbers) <= {member.number for member in self.members} or (
            numbers and tensors["flat"].shape[1] != self.stack.flat.shape[1]
        ):
            raise CheckpointError("the checkpoint is of another stack; resume with the networks and settings of the run")
        places = {member.number: place for place, member in enumerate(self.members)}
        stoppers = {member.number: member.stopper for member in self.members}
        self.keep([places[number] for number in numbers])
        for member, saved in zip(self.members, document["members"], strict=True):
            member.load(saved)
        self.step, self.seconds = document["step"], document["seconds"]
        self.loss_sum = tensors["loss_sum"].clone()
        for saved in document["outcomes"]:
            number, stopper = saved["number"], stoppers[saved["number"]]
            for name, value in saved["stopper"].items():
                setattr(stopper, name, value)
            prefix = f"outcome/{number}/"
            own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
            self.outcomes[number] = Outcome(
                number, saved["reason"], saved["failed"], saved["step"], stopper, own if saved["best"] else None
            )
        if not numbers:
            return
        self.stack.load(tensors["flat"], _under(tensors, "buffer/"))
        self.optimizer.load(_under(tensors, "optimizer/"), document["optimizer"]["count"], document["optimizer"]["idle"])
        if self.average is not None:
            self.average.mean.copy_(tensors["average"])
            self.average.counts = list(document["average"])
        if "best" in tensors:
            device = self.stack.flat.device
            self.best_flat = tensors["best"].to(device, copy=True)
            self.best_buffers = {name: tensor.to(device, copy=True) for name, tensor in _under(tensors, "best/").items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _settled(settings: Sequence[StepSettings]) -> list[StepSettings]:
    """The settings of all members; raises StackError where they differ in what a stack has for all, or ask for what it has not."""
    first = settings[0]
    for number, own in enumerate(settings[1:], 2):
        if (own.accumulate, own.bfloat16) != (first.accumulate, first.bfloat16):
            raise StackError(f"members of a stack compute in the same parts and precision; network {number} has others than network 1")
    if any(own.channels_last for own in settings):
        raise StackError("a stack lays images out by member, not channels_last; leave train.channels_last at no")
    return [replace(own) for own in settings]
