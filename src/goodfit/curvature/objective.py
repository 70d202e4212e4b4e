"""What is examined: a loss, averaged over the rows of some batches, as a function of parameters.

P parameters, B batches, n rows. L(w) = sum_b rows_b loss_b(w) / sum_b rows_b. Only one batch is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from goodfit.base.errors import InputError
from goodfit.base.protocols import Task, run
from goodfit.base.records import Batch

_ADVICE = "switch off what changes from pass to pass (dropout, noise, batch norm in training) with network.eval()"


class Objective:
    """L(w), the mean of a loss over the rows of all batches.

    loss: batch -> the losses of its rows [n], or their mean as a scalar. over: the network, or the parameters themselves; parameters that need no gradient are left
    out. batches: whatever `loss` takes, in a fixed order. rows: how many rows each batch counts for (or the sum of their weights); without it, the length of what
    `loss` gives. Give the network where there is one: its buffers are watched then, which is how batch norm in training is seen.

    Making it runs every batch forward twice. Raises InputError where the two passes differ, where a pass draws random numbers or changes a buffer (which is put
    back), where a loss is not finite, or where the shapes do not say how to average.

    >>> w = torch.tensor([3.0], requires_grad=True)
    >>> Objective(lambda x: (w * x) ** 2, [w], [torch.tensor([1.0, 2.0])]).value  # (9 + 36) / 2
    22.5
    """

    def __init__(
        self, loss: Callable[[Any], Tensor], over: nn.Module | Sequence[Tensor], batches: Sequence[Any], rows: Sequence[float] | None = None
    ) -> None:
        network = over if isinstance(over, nn.Module) else None
        given = list(over.parameters()) if isinstance(over, nn.Module) else list(over)
        self.parameters = tuple(parameter for parameter in given if parameter.requires_grad)
        _check_parameters(self.parameters)
        self.batches = batches
        self.size = sum(parameter.numel() for parameter in self.parameters)
        self.dtype, self.device = self.parameters[0].dtype, self.parameters[0].device
        self._loss = loss
        self._network = network
        self._left: dict[str, Tensor] = {}  # the buffers after a first pass
        # cuDNN's recurrent layers have no second derivative; torch's own have.
        self._plain = self.device.type == "cuda" and network is not None and any(isinstance(m, nn.RNNBase) for m in network.modules())
        self.shares, self.value = self._survey(rows)

    def passes(self) -> Iterator[tuple[Tensor, float]]:
        """The mean loss of each batch, a scalar with its graph where gradients are on, and the batch's share of the rows."""
        for number, (batch, share) in enumerate(zip(self.batches, self.shares, strict=True)):
            with self.watched(number):
                losses = self._loss(batch)
            if torch.is_grad_enabled() and not losses.requires_grad:
                raise InputError(
                    f"curvature needs a loss that depends on the parameters, and that of batch {number} does not: was it detached?"
                )
            yield losses.mean(), share

    @contextmanager
    def watched(self, number: int) -> Iterator[None]:
        """A pass over batch `number`: by operations that have second derivatives, and refused if it draws random numbers or changes a buffer."""
        drawn, written = _random_state(self.device), self._writes()
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))  # the fused ones have no second derivative
            if self._plain:
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            yield
        if self._writes() != written:
            self._compare_buffers()
        if not torch.equal(drawn, _random_state(self.device)):
            raise InputError(f"curvature needs passes that agree: the pass over batch {number} drew random numbers; {_ADVICE}")

    @torch.no_grad()
    def now(self) -> float:
        """The value at the parameters as they are now: a forward pass over every batch."""
        return math.fsum(float(loss) * share for loss, share in self.passes())

    def pieces(self, v: Tensor) -> list[Tensor]:
        """v [P] -> views of it in the shapes of the parameters."""
        if v.shape != (self.size,):
            raise InputError(
                f"a vector over these parameters has the shape [{self.size}] and this one has {list(v.shape)}", value=list(v.shape)
            )
        parts = v.split([parameter.numel() for parameter in self.parameters])
        return [part.view(parameter.shape) for part, parameter in zip(parts, self.parameters, strict=True)]

    def _buffers(self) -> dict[str, Tensor]:
        return {} if self._network is None else dict(self._network.named_buffers())

    def _writes(self) -> dict[str, tuple[int, int]]:
        """Of each buffer, which tensor it is and how often it was written to."""
        return {name: (id(buffer), buffer._version) for name, buffer in self._buffers().items()}

    def _compare_buffers(self) -> None:
        """Refuses buffers that are not what a first pass left: what is worked out once, and kept, may be written."""
        for name, buffer in self._buffers().items():
            if name in self._left and not torch.equal(buffer, self._left[name]):
                raise InputError(f"curvature needs passes that agree: each pass changes the buffer '{name}'; {_ADVICE}")

    @torch.no_grad()
    def _survey(self, rows: Sequence[float] | None) -> tuple[tuple[float, ...], float]:
        """The shares of the batches and the value, once two passes have agreed."""
        before = {name: buffer.clone() for name, buffer in self._buffers().items()}
        try:
            counts, first = self._measured()
            self._left = {name: buffer.clone() for name, buffer in self._buffers().items()}
            _, second = self._measured()
            self._compare_buffers()
        except InputError:
            for name, buffer in self._buffers().items():
                if name in before and not torch.equal(buffer, before[name]):
                    buffer.copy_(before[name])
            raise
        if not first:
            raise InputError("curvature needs at least one batch and got none")
        close = torch.finfo(self.dtype).eps ** 0.5  # sums in another order, as on graphics cards, differ less; dropout far more
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            if abs(one - other) > close * max(abs(one), abs(other)):
                raise InputError(
                    f"curvature needs passes that agree: the loss of batch {number} was {one:.6g} and then {other:.6g}; {_ADVICE}"
                )
        shares = _shares(counts, rows)
        return shares, math.fsum(loss * share for loss, share in zip(first, shares, strict=True))

    def _measured(self) -> tuple[list[int | None], list[float]]:
        """Rows (None where the loss is a scalar) and mean loss of each batch."""
        counts: list[int | None] = []
        means: list[float] = []
        for number, batch in enumerate(self.batches):
            with self.watched(number):
                losses = self._loss(batch)
            if losses.ndim > 1:
                raise InputError(
                    f"the loss gives one number per row, [n], or their mean as a scalar, and got {list(losses.shape)} for batch {number}"
                )
            counts.append(len(losses) if losses.ndim else None)
            means.append(float(losses.mean()))
            if not math.isfinite(means[-1]):
                raise InputError(f"curvature needs a finite loss, and that of batch {number} is {means[-1]}", value=means[-1])
        return counts, means


@dataclass(frozen=True)
class Gradient:
    """mean: [P], of the objective. noise: the length of its standard error, from how the batches differ; None with one batch, which says nothing of others."""

    mean: Tensor
    noise: float | None

    @property
    def norm(self) -> float:
        return float(torch.linalg.vector_norm(self.mean))


def gradient(objective: Objective) -> Gradient:
    """The gradient of the objective, and how far another draw of as many batches would lie from it, in the unit of the loss per unit of weight.

    With shares s_b and gradients g_b of the batches: noise^2 = (sum s_b^2) / (1 - sum s_b^2) * sum_b s_b |g_b - mean|^2, which for equal shares is the usual
    squared standard error of a mean, summed over the parameters. One pass, two vectors [P].
    """
    mean = torch.zeros(objective.size, dtype=objective.dtype, device=objective.device)
    own, squares, share_squares = objective.pieces(mean), 0.0, 0.0
    for loss, share in objective.passes():
        parts = torch.autograd.grad(loss, objective.parameters, materialize_grads=True)
        torch._foreach_add_(own, parts, alpha=share)
        squares += share * math.fsum(float(torch.linalg.vector_norm(part)) ** 2 for part in parts)
        share_squares += share**2
    if share_squares >= 1 - 1e-9:
        return Gradient(mean, None)
    spread = max(0.0, squares - float(torch.linalg.vector_norm(mean)) ** 2)
    return Gradient(mean, math.sqrt(share_squares / (1 - share_squares) * spread))


def task_objective(network: nn.Module, task: Task, batches: Sequence[Batch]) -> Objective:
    """The mean loss of `task` over the rows of `batches`, with their weights where they have some, as a function of the network's parameters."""

    def loss(batch: Batch) -> Tensor:
        losses = task.loss(run(task, network, batch.inputs, batch.target), batch.target)
        return losses if batch.weight is None else (losses * batch.weight).sum() / batch.weight.sum()

    rows = [float(len(batch)) if batch.weight is None else float(batch.weight.sum()) for batch in batches]
    return Objective(loss, network, batches, rows)


def _check_parameters(parameters: Sequence[Tensor]) -> None:
    if not parameters:
        raise InputError("curvature needs parameters that require a gradient, and there is none")
    kinds = {(str(parameter.dtype), str(parameter.device)) for parameter in parameters}
    if len(kinds) > 1:
        listed = "; ".join(f"{dtype} on {device}" for dtype, device in sorted(kinds))
        raise InputError(f"curvature needs all parameters in one precision on one device, and got {listed}")


def _shares(counts: Sequence[int | None], rows: Sequence[float] | None) -> tuple[float, ...]:
    """The part of all rows that each batch holds."""
    if rows is None:
        if len(counts) > 1 and None in counts:
            raise InputError(
                "a loss that gives a mean does not say how many rows it is of: give rows=[...], one number per batch, or let it give a loss per row"
            )
        weights = [1.0 if count is None else float(count) for count in counts]
    else:
        weights = [float(row) for row in rows]
        if len(weights) != len(counts):
            raise InputError(f"rows= has one number per batch: there are {len(counts)} batches, and it has {len(weights)}")
    if min(weights) < 0 or not math.isfinite(sum(weights)) or sum(weights) <= 0:
        raise InputError("the rows that batches count for must not be negative, and not all be 0")
    return tuple(weight / sum(weights) for weight in weights)


def _random_state(device: torch.device) -> Tensor:
    """The states of torch's default generators, those that layers draw from."""
    state = torch.get_rng_state()
    return torch.cat([state, torch.cuda.get_rng_state(device)]) if device.type == "cuda" else state
