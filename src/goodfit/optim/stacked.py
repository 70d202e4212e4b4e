"""The optimisers of K networks as one: each update is a few operations on [K, P], with the settings of each member.

K members, P trainable weights of one network. Groups, decay, rates by layer and defaults are read from the optimisers that `optim.build` makes for
each network by itself, so that a member is updated as it would be alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from goodfit.base.errors import CheckpointError, StackError
from goodfit.optim.newton_schulz import orthogonalise
from goodfit.optim.schedule import cycle_momentum

Each = float | Tensor  # one number for all members, or [K, 1]

_CLIP_TINY = 1e-6  # as optim.clip has it
_NORM_TINY = 1e-7  # as optim.max_norm has it
_STATE = {"adam": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",), "adagrad": ("sum",), "rmsprop": ("square_avg", "momentum_buffer")}


class Column(NamedTuple):
    """Where a weight lies in the [K, P] of a stack: columns start to stop, of this shape in one network. incoming: the dimensions along which a
    unit's incoming weights lie; penalised: whether its role has it decayed (see `optim.groups`)."""

    name: str
    start: int
    stop: int
    shape: tuple[int, ...]
    incoming: tuple[int, ...] = ()
    penalised: bool = True


@dataclass(frozen=True)
class _Run:
    """Neighbouring columns that are treated alike. decay, factor: of each member. muon: (blocks, rows) of a matrix that Muon turns."""

    start: int
    stop: int
    decay: tuple[float, ...]
    factor: tuple[float, ...]
    penalised: bool
    muon: tuple[int, int] | None


class StackedOptimizer:
    """One update of all members at a time. alone: the optimisers of the members' networks, from `optim.build`, all of one kind.

    state: tensors [K, P] by name. count: updates made.
    """

    def __init__(self, columns: Sequence[Column], alone: Sequence[torch.optim.Optimizer], like: Tensor) -> None:
        kinds = {_kind(optimizer) for optimizer in alone}
        if len(kinds) > 1:
            raise StackError(f"members of a stack share one optimiser; {' and '.join(sorted(kinds))} were given; make a stack for each")
        self.kind = kinds.pop()
        self.columns = list(columns)
        self.count = 0
        self._groups = [_by_name(optimizer) for optimizer in alone]
        self._idle: frozenset[str] = frozenset()
        names = ("momentum_buffer", *_STATE["adam"]) if self.kind == "muon" else _STATE[self.kind]
        self.state = {name: torch.zeros_like(like) for name in names}
        self._prepare()

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these members alone."""
        self._groups = [self._groups[index] for index in indices]
        self.state = {name: tensor[list(indices)] for name, tensor in self.state.items()}
        self._prepare()

    def _prepare(self) -> None:
        names = [column.name for column in self.columns]
        missing = [name for name in names if name not in self._groups[0]]
        assert not missing, missing
        self._runs: list[_Run] = []
        for column in self.columns:
            groups = [own[column.name] for own in self._groups]
            turned = groups[0].muon if groups[0].muon else None
            run = _Run(
                column.start, column.stop, tuple(g.decay for g in groups), tuple(g.factor for g in groups), groups[0].role != "free", turned
            )
            last = self._runs[-1] if self._runs else None
            if last and turned is None and last.muon is None and last.stop == run.start and _alike(last, run):
                self._runs[-1] = _Run(last.start, run.stop, run.decay, run.factor, run.penalised, None)
            else:
                self._runs.append(run)
        first = [next(iter(own.values())).settings for own in self._groups]
        self._settings = first
        self._turned = [run for run in self._runs if run.muon]
        self._plain = [run for run in self._runs if not run.muon]

    @torch.no_grad()
    def step(
        self, flat: Tensor, gradient: Tensor, lr: Sequence[float], *, idle: frozenset[str] = frozenset(), totals: Sequence[int | None]
    ) -> None:
        """Update the weights [K, P] in place from their gradients.

        lr: each member's base rate. idle: weights without a gradient, which stay as they are. totals: updates planned, for momentum that is cycled.
        """
        if idle != self._idle and self.count:
            names = ", ".join(sorted(idle ^ self._idle)[:3])
            raise StackError(f"the weights {names} have a gradient in some updates and none in others; train these networks one by one")
        self._idle = idle
        kept = [
            (tensor, [(c, tensor[:, c.start : c.stop].clone()) for c in self.columns if c.name in idle])
            for tensor in (flat, *self.state.values())
        ]
        settings = [self._cycled(s, total) for s, total in zip(self._settings, totals, strict=True)]
        self.count += 1
        for run in self._runs:
            if any(run.decay):
                flat[:, run.start : run.stop].mul_(
                    _each([1 - rate * f * d for rate, f, d in zip(lr, run.factor, run.decay, strict=True)], flat)
                )
        if self.kind == "muon":
            self._muon(flat, gradient, lr, settings)
        else:
            getattr(self, f"_{self.kind}")(flat, gradient, lr, settings, self._plain)
        for tensor, columns in kept:
            for column, before in columns:
                tensor[:, column.start : column.stop] = before

    def _cycled(self, settings: dict[str, Any], total: int | None) -> dict[str, Any]:
        if settings.get("cycled") is None or total is None:
            return settings
        settings = dict(settings)
        cycle_momentum(settings, self.count, total)
        return settings

    def _move(self, flat: Tensor, way: Tensor, lr: Sequence[float], scale: Sequence[float], runs: list[_Run]) -> None:
        """flat -= lr * scale * factor of the run * way."""
        whole = len(runs) == len(self._runs) and len({run.factor for run in runs}) == 1
        for run in runs[:1] if whole else runs:
            amount = _each([rate * s * f for rate, s, f in zip(lr, scale, run.factor, strict=True)], flat)
            here, there = (flat, way) if whole else (flat[:, run.start : run.stop], way[:, run.start : run.stop])
            if isinstance(amount, Tensor):
                here.addcmul_(there, amount, value=-1)
            else:
                here.add_(there, alpha=-amount)

    def _adam(self, flat: Tensor, gradient: Tensor, lr: Sequence[float], settings: list[dict[str, Any]], runs: list[_Run]) -> None:
        mean, square = self.state["exp_avg"], self.state["exp_avg_sq"]
        alike = len({(s["betas"], s["eps"]) for s in settings}) == 1
        scale = [1.0] * len(lr)
        if (
            alike and flat.device.type in ("cpu", "cuda") and flat.is_contiguous()
        ):  # the fused kernel, from zero with rate 1: minus the way to go
            way = torch.zeros_like(flat)
            (beta1, beta2), eps = settings[0]["betas"], settings[0]["eps"]
            count = torch.full((), float(self.count), dtype=torch.float32, device=flat.device)
            torch._fused_adamw_(
                [way], [gradient], [mean], [square], [], [count], lr=1.0, beta1=beta1, beta2=beta2, weight_decay=0.0, eps=eps, amsgrad=False, maximize=False,
            )  # fmt: skip
            scale = [-1.0] * len(lr)
        else:
            beta1s, beta2s = [s["betas"][0] for s in settings], [s["betas"][1] for s in settings]
            mean.lerp_(gradient, _each([1 - b for b in beta1s], flat))
            square.lerp_(gradient.square(), _each([1 - b for b in beta2s], flat))
            way = (
                square.sqrt()
                .mul_(_each([(1 - b**self.count) ** -0.5 for b in beta2s], flat))
                .add_(_each([s["eps"] for s in settings], flat))
            )
            way = torch.div(mean, way, out=way)
            scale = [1 / (1 - b**self.count) for b in beta1s]
        self._move(flat, way, lr, scale, runs)

    def _sgd(self, flat: Tensor, gradient: Tensor, lr: Sequence[float], settings: list[dict[str, Any]], runs: list[_Run]) -> None:
        way = gradient
        if any(momenta := [s["momentum"] for s in settings]):
            buffer = self.state["momentum_buffer"].mul_(_each(momenta, flat)).add_(gradient)
            own = [1.0 if s["nesterov"] or not s["momentum"] else 0.0 for s in settings]  # nesterov: g + momentum * buffer
            past = [s["momentum"] if s["nesterov"] else float(bool(s["momentum"])) for s in settings]
            way = gradient * _each(own, flat) + buffer * _each(past, flat) if any(own) else buffer
        self._move(flat, way, lr, [1.0] * len(lr), runs)

    def _adagrad(self, flat: Tensor, gradient: Tensor, lr: Sequence[float], settings: list[dict[str, Any]], runs: list[_Run]) -> None:
        total = self.state["sum"].addcmul_(gradient, gradient)
        self._move(flat, gradient / total.sqrt().add_(_each([s["eps"] for s in settings], flat)), lr, [1.0] * len(lr), runs)

    def _rmsprop(self, flat: Tensor, gradient: Tensor, lr: Sequence[float], settings: list[dict[str, Any]], runs: list[_Run]) -> None:
        square = self.state["square_avg"].lerp_(gradient.square(), _each([1 - s["alpha"] for s in settings], flat))
        way = gradient / square.sqrt().add_(_each([s["eps"] for s in settings], flat))
        if any(momenta := [s["momentum"] for s in settings]):
            way = self.state["momentum_buffer"].mul_(_each(momenta, flat)).add_(way)
        self._move(flat, way, lr, [1.0] * len(lr), runs)

    def _muon(self, flat: Tensor, gradient: Tensor, lr: Sequence[float], settings: list[dict[str, Any]]) -> None:
        if self._plain:
            self._adam(flat, gradient, lr, settings, self._plain)
        if not self._turned:
            return
        start, stop = self._turned[0].start, max(run.stop for run in self._turned)  # hidden matrices lie first
        momenta = [s["momentum"] for s in settings]
        grads, buffer = gradient[:, start:stop], self.state["momentum_buffer"][:, start:stop]
        buffer.lerp_(grads, _each([1 - m for m in momenta], flat))
        ahead = _each([m if s["nesterov"] else 1.0 for m, s in zip(momenta, settings, strict=True)], flat)
        updates = torch.lerp(grads, buffer, ahead)
        shapes: dict[tuple[int, int], list[tuple[_Run, Tensor]]] = {}
        for run in self._turned:
            assert run.muon is not None
            blocks, rows = run.muon
            matrix = updates[:, run.start - start : run.stop - start].reshape(len(lr) * blocks, rows, -1)
            shapes.setdefault((rows, matrix.shape[2]), []).append((run, matrix))
        for (rows, columns), found in shapes.items():
            steps = orthogonalise(torch.cat([matrix for _, matrix in found])).mul_(max(1.0, rows / columns) ** 0.5)
            for (run, _), part in zip(found, steps.split([len(matrix) for _, matrix in found]), strict=True):
                amount = _each([rate * f for rate, f in zip(lr, run.factor, strict=True)], flat)
                flat[:, run.start : run.stop].sub_(part.reshape(len(lr), -1) * amount)

    @torch.no_grad()
    def add_penalty(self, flat: Tensor, gradient: Tensor, l1: Sequence[float], l2: Sequence[float], idle: frozenset[str]) -> None:
        """Add the gradient of each member's l1 * sum |w| + l2 / 2 * sum w^2 (see `optim.penalty`), in place."""
        for column in self.columns:
            if column.name in idle or self._groups[0][column.name].role == "free":
                continue
            here, weights = gradient[:, column.start : column.stop], flat[:, column.start : column.stop]
            if any(l2):
                here.add_(weights * _each(l2, flat))
            if any(l1):
                here.add_(weights.sign() * _each(l1, flat))

    def tensors(self) -> dict[str, Tensor]:
        """The state, by name."""
        return dict(self.state)

    def load(self, tensors: dict[str, Tensor], count: int, idle: Sequence[str]) -> None:
        """Take up what `tensors` gave; raises CheckpointError when it is of another optimiser or stack."""
        if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in self.state.items()}:
            raise CheckpointError(
                "the optimiser's state in the checkpoint is of another stack; resume with the settings and data of the run"
            )
        for name, tensor in tensors.items():
            self.state[name].copy_(tensor)
        self.count, self._idle = count, frozenset(idle)

    @property
    def idle(self) -> list[str]:
        """Weights that had no gradient so far."""
        return sorted(self._idle)


class StackedAverage:
    """`optim.average.Average` of all members. decays: of each, None for one whose weights are evaluated as they are."""

    def __init__(self, flat: Tensor, decays: Sequence[float | None]) -> None:
        self.decays = list(decays)
        self.counts = [0] * len(self.decays)
        self.mean = flat.clone()

    @torch.no_grad()
    def update(self, flat: Tensor) -> None:
        """Take the weights [K, P] into the averages."""
        self.counts = [count + 1 for count in self.counts]
        shares = [1.0 if d is None else (1 - d) / (1 - d**count) for d, count in zip(self.decays, self.counts, strict=True)]
        self.mean.lerp_(flat, _each(shares, flat))

    def keep(self, indices: Sequence[int]) -> None:
        """Go on with these members alone."""
        self.decays, self.counts = [self.decays[i] for i in indices], [self.counts[i] for i in indices]
        self.mean = self.mean[list(indices)]


@torch.no_grad()
def clip_gradients(gradient: Tensor, largest: Sequence[float | None]) -> Tensor:
    """Scale each member's gradient, a row of [K, P], to an L2 norm of at most its `largest`; returns the norms before [K]. See `optim.clip`."""
    norms = torch.linalg.vector_norm(gradient, dim=1)
    limits = torch.tensor([float("inf") if limit is None else limit for limit in largest], dtype=norms.dtype, device=norms.device)
    gradient.mul_((limits / (norms + _CLIP_TINY)).clamp(max=1.0).unsqueeze(1))
    return norms


@torch.no_grad()
def max_norms(flat: Tensor, columns: Sequence[Column], largest: Sequence[float | None]) -> None:
    """`optim.max_norm` of all members, in place."""
    limits = torch.tensor([float("inf") if limit is None else limit for limit in largest], dtype=flat.dtype, device=flat.device)
    for column in columns:
        if not column.incoming or not column.penalised:
            continue
        weights = flat[:, column.start : column.stop].view(flat.shape[0], *column.shape)
        dims = tuple(dim + 1 if dim >= 0 else dim for dim in column.incoming)
        norms = torch.linalg.vector_norm(weights, dim=dims, keepdim=True) + _NORM_TINY
        weights.mul_((limits.view(-1, *(1,) * len(column.shape)) / norms).clamp(max=1.0))


class _Group(NamedTuple):
    """What a weight's group in the optimiser of one network says."""

    role: str
    decay: float
    factor: float
    muon: tuple[int, int] | None
    settings: dict[str, Any]


def _by_name(optimizer: torch.optim.Optimizer) -> dict[str, _Group]:
    """The group of each weight, by the weight's name."""
    found = {}
    keys = ("betas", "eps", "alpha", "momentum", "nesterov", "cycled")
    shared = {key: value for group in reversed(optimizer.param_groups) for key, value in group.items() if key in keys}
    for group in optimizer.param_groups:
        decay = group["decay"] if "decay" in group else group["weight_decay"]
        for place, name in enumerate(group["param_names"]):
            muon = (group["blocks"][place], group["rows"][place]) if group.get("muon") else None
            found[name] = _Group(group["role"], float(decay), float(group.get("lr_factor", 1.0)), muon, shared)
    return found


def _kind(optimizer: torch.optim.Optimizer) -> str:
    name = type(optimizer).__name__.lower()
    return "adam" if name == "adamw" else name


def _alike(one: _Run, other: _Run) -> bool:
    return (one.decay, one.factor, one.penalised) == (other.decay, other.factor, other.penalised)


def _each(values: Sequence[float], like: Tensor) -> Each:
    """One number where all members have the same, else [K, 1]."""
    first = values[0]
    if all(value == first for value in values):
        return first
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)
