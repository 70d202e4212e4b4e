"""One update of one network: a function of state, batch and settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.base.errors import TrainingError
from goodfit.base.protocols import Task, run
from goodfit.base.records import Batch
from goodfit.base.streams import derive, numpy_stream
from goodfit.optim.clip import clip_gradient
from goodfit.optim.max_norm import max_norm
from goodfit.optim.penalty import add_penalty
from goodfit.optim.schedule import cycle_momentum
from goodfit.training.state import State


@dataclass(frozen=True)
class StepSettings:
    """What an update does besides following the gradient.

    accumulate: parts that the batch is computed in; the update is that of the whole batch (batch norm apart, whose
    statistics are of each part). bfloat16: forward under autocast. channels_last: 4-D inputs in that memory format.
    mixup: parameter of the Beta distribution that mixes pairs, 0 for none. l1, l2: coefficients of penalties.
    clip: largest norm of the whole gradient. max_norm: largest norm of a unit's incoming weights.
    """

    accumulate: int = 1
    bfloat16: bool = False
    channels_last: bool = False
    mixup: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    clip: float | None = None
    max_norm: float | None = None


def step(state: State, batch: Batch, task: Task, settings: StepSettings, lr: float) -> Tensor:
    """Make one update at the rate `lr` and return the batch's mean loss (detached, on its device).

    Raises TrainingError before the update when the loss or the gradient's norm is not finite.
    """
    network, optimizer = state.network, state.optimizer
    reseed(batch.rows.device, derive(state.seed, "dropout", state.step))
    if settings.accumulate == 1 and not settings.mixup and batch.weight is None:  # the plain case, without a detour
        with autocast(batch.rows.device, settings.bfloat16):
            output = run(task, network, laid_out(batch.inputs, settings.channels_last), batch.target)
        losses = task.loss(output, batch.target)
        losses.backward(torch.full_like(losses, 1 / len(batch)))  # what a mean would hand back, without a node for it
        loss = losses.detach().mean()
    else:
        loss = _in_parts(network, batch, task, settings, state.seed, state.step)
    _guard(loss, "the loss", state, batch)
    if settings.l1 or settings.l2:
        add_penalty(optimizer, l1=settings.l1, l2=settings.l2)
    if settings.clip is not None:
        _guard(clip_gradient(optimizer, settings.clip), "the gradient", state, batch)
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_factor", 1.0)
        cycle_momentum(group, state.step, state.total)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if settings.max_norm is not None:
        max_norm(network, settings.max_norm)
    if state.average is not None:
        state.average.update(network)
    state.step += 1
    return loss


def _in_parts(network: nn.Module, batch: Batch, task: Task, settings: StepSettings, seed: int, step: int) -> Tensor:
    """Gradient of the batch's weighted mean loss, computed part by part, with pairs mixed where mixup is on."""
    total = len(batch) if batch.weight is None else batch.weight.sum().clamp_min(1e-12)
    partner: Tensor | None = None
    share = 1.0
    if settings.mixup:  # Zhang et al. 2018: one share for the batch, partners by a random permutation
        random = numpy_stream(seed, "mixup", step)
        share = float(random.beta(settings.mixup, settings.mixup))
        partner = torch.from_numpy(random.permutation(len(batch))).to(batch.rows.device)
    inputs = batch.inputs if partner is None else mix(batch.inputs, partner, share)
    loss = torch.zeros((), device=batch.rows.device)
    parts = min(settings.accumulate, len(batch))
    for part in torch.arange(len(batch), device=batch.rows.device).tensor_split(parts):
        rows = slice(int(part[0]), int(part[-1]) + 1)
        own = inputs if parts == 1 else {name: tensor[rows] for name, tensor in inputs.items()}  # those of a graph cannot be cut
        with autocast(batch.rows.device, settings.bfloat16):
            output = run(task, network, laid_out(own, settings.channels_last), batch.target[rows])
        losses = task.loss(output, batch.target[rows])
        if batch.weight is not None:
            losses = losses * batch.weight[rows]
        if partner is not None:
            other = task.loss(output, batch.target[partner[rows]])
            if batch.weight is not None:
                other = other * batch.weight[partner[rows]]
            losses = share * losses + (1 - share) * other
        mean = losses.sum() / total
        mean.backward()
        loss = loss + mean.detach()
    return loss


def mix(inputs: Mapping[str, Tensor], partner: Tensor, share: float) -> dict[str, Tensor]:
    """Floating-point inputs become share * own + (1 - share) * partner's; whole-number ones stay their own."""
    return {name: torch.lerp(tensor[partner], tensor, share) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[object]:
    """Autocast to bfloat16 where it is on."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else nullcontext()


def laid_out(inputs: Mapping[str, Tensor], channels_last: bool) -> Mapping[str, Tensor]:
    """The inputs with 4-D tensors in channels_last where that is on."""
    if not channels_last:
        return inputs
    return {name: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for name, t in inputs.items()}


def reseed(device: torch.device, seed: int) -> None:
    """Seed torch's default generator of `device`, which dropout draws from."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def refuse_non_finite(state: State) -> None:
    """On accelerators, read the flag that `step` keeps there; those updates were not applied."""
    if state.trouble is not None and (first := int(state.trouble)) >= 0:
        raise TrainingError(f"the loss of update {first + 1} is not finite; {REMEDY}")


REMEDY = "lower optim.lr, set optim.clip=1, or look at the rows for extreme values"


def _guard(value: Tensor, what: str, state: State, batch: Batch) -> None:
    """Stop before the update when `value` is not finite.

    On the CPU the number is read at once (a microsecond). An accelerator would have to wait for its queue: there a fused
    optimiser is told to leave the weights alone through `found_inf`, and the flag is read at the next evaluation.
    """
    if value.device.type != "cpu" and state.optimizer.defaults.get("fused"):
        bad = ~torch.isfinite(value)
        if state.trouble is None:
            state.trouble = torch.full((), -1, dtype=torch.int64, device=value.device)
        state.trouble = torch.where(bad & (state.trouble < 0), state.step, state.trouble)
        state.optimizer.grad_scale, state.optimizer.found_inf = None, bad.float()  # type: ignore[attr-defined]
    elif not math.isfinite(number := value.item()):
        rows = ", ".join(str(row + 1) for row in batch.rows[:5].tolist())
        raise TrainingError(
            f"{what} of update {state.step + 1} (epoch {state.epoch + 1}, batch {state.position + 1}, rows {rows}, ...) is {number}, not finite; {REMEDY}"
        )
