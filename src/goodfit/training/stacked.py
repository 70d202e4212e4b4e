"""One update of K networks: a function of state, batches and settings, which does for each member what `training.step` does for one network.

K members, B rows, P trainable weights of one network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.base.errors import StackError
from goodfit.base.records import Batch, MemberEnd
from goodfit.base.streams import derive, numpy_stream
from goodfit.data.member_batches import Group
from goodfit.optim.stacked import clip_gradients, max_norms
from goodfit.training.stacked_state import StackState
from goodfit.training.step import REMEDY, StepSettings, autocast


def stacked_step(state: StackState, groups: Sequence[Group], lr: Sequence[float]) -> tuple[Tensor, list[MemberEnd]]:
    """Make one update of every member, each at its own rate; returns the mean losses [K] of its batch and who left.

    A member whose loss (or gradient, where it is clipped) is not finite leaves the stack before the update, with the reason; losses are of those that
    are left, in their order.
    """
    losses, gradient, idle = _gradients(state, groups)
    ends = _refuse(state, losses, "the loss", groups)
    left = [index for index in range(len(losses)) if index not in ends]
    if ends:
        losses, gradient, lr = losses[left], gradient[left], [lr[index] for index in left]
    leaving = state.leave(ends)
    if not len(state):
        return losses, leaving
    stack, settings = state.stack, state.settings
    if any(s.l1 or s.l2 for s in settings):
        state.optimizer.add_penalty(stack.flat, gradient, [s.l1 for s in settings], [s.l2 for s in settings], idle)
    if any(s.clip is not None for s in settings):
        norms = clip_gradients(gradient, [s.clip for s in settings])
        norms = torch.where(torch.tensor([s.clip is not None for s in settings], device=norms.device), norms, 0.0)
        ends = _refuse(state, norms, "the gradient", groups)
        left = [index for index in range(len(norms)) if index not in ends]
        if ends:
            losses, gradient, lr = losses[left], gradient[left], [lr[index] for index in left]
        leaving += state.leave(ends)
        if not len(state):
            return losses, leaving
    state.optimizer.step(stack.flat, gradient, lr, idle=idle, totals=[member.total for member in state.members])
    if any(s.max_norm is not None for s in state.settings):
        max_norms(stack.flat, stack.columns, [s.max_norm for s in state.settings])
    if state.average is not None:
        state.average.update(stack.flat)
    state.step += 1
    return losses, leaving


def _gradients(state: StackState, groups: Sequence[Group]) -> tuple[Tensor, Tensor, frozenset[str]]:
    """Losses [K], gradients [K, P], and the weights that have none."""
    stack = state.stack
    seeds = [member.seed for member in state.members]
    if len(groups) == 1:
        stack.draws.begin(lambda: [derive(seed, "dropout", state.step) for seed in seeds])
        return _of_group(state, groups[0].batch, groups[0].indices)
    losses = torch.zeros(len(state), dtype=stack.flat.dtype, device=stack.flat.device)
    gradient = torch.zeros_like(stack.flat)
    idle: set[frozenset[str]] = set()
    for group in groups:
        own = [seeds[index] for index in group.indices]
        with stack.only(group.indices):
            stack.draws.begin(lambda own=own: [derive(seed, "dropout", state.step) for seed in own])  # type: ignore[misc]
            found, gradients, without = _of_group(state, group.batch, group.indices)
        losses[group.indices], gradient[group.indices] = found.to(losses.dtype), gradients
        idle.add(without)
    if len(idle) > 1:
        raise StackError("some weights have a gradient in some members and none in others; train these networks one by one")
    return losses, gradient, idle.pop()


def _of_group(state: StackState, batch: Batch, indices: Sequence[int]) -> tuple[Tensor, Tensor, frozenset[str]]:
    """The same for members whose batches have equal shapes, which the stack is of now."""
    settings = [state.settings[index] for index in indices]
    B = batch.rows.shape[1]
    first = settings[0]
    if first.accumulate == 1 and batch.weight is None and not any(s.mixup for s in settings):
        losses = _losses(state, batch.inputs, batch.target, indices, first)
        gradient, idle = _taken(state, losses, torch.full_like(losses, 1 / B))
        return losses.detach().mean(1), gradient, idle
    return _in_parts(state, batch, indices, settings)


def _in_parts(
    state: StackState, batch: Batch, indices: Sequence[int], settings: Sequence[StepSettings]
) -> tuple[Tensor, Tensor, frozenset[str]]:
    """Gradients of the batches' weighted mean losses, part by part, with pairs mixed where mixup is on (see `step._in_parts`)."""
    K, B = batch.rows.shape
    weight = batch.weight if batch.weight is not None else torch.ones(K, B, dtype=state.stack.flat.dtype, device=batch.rows.device)
    total = weight.sum(1, keepdim=True).clamp_min(1e-12)
    inputs, partner, share = batch.inputs, None, torch.ones(K, 1, dtype=state.stack.flat.dtype)
    if any(s.mixup for s in settings):
        seeds = [state.members[index].seed for index in indices]
        partners, shares = zip(*(_mixing(s, seed, state.step, B) for s, seed in zip(settings, seeds, strict=True)), strict=True)
        partner = torch.stack(partners).to(batch.rows.device)
        share = torch.tensor(shares, dtype=state.stack.flat.dtype).unsqueeze(1)
        inputs = {name: _mixed(tensor, partner, share) for name, tensor in inputs.items()}
    share = share.to(batch.rows.device)
    everyone = torch.arange(K, device=batch.rows.device).unsqueeze(1)
    loss: Tensor | None = None
    gradient: Tensor | None = None
    idle: frozenset[str] = frozenset()
    for part in torch.arange(B, device=batch.rows.device).tensor_split(min(settings[0].accumulate, B)):
        rows = slice(int(part[0]), int(part[-1]) + 1)
        own = {name: tensor[:, rows] for name, tensor in inputs.items()}
        output = _output(state, own, settings[0])
        losses = state.losses.of(output, batch.target[:, rows], indices) * weight[:, rows]
        if partner is not None:
            other = state.losses.of(output, batch.target[everyone, partner[:, rows]], indices) * weight[everyone, partner[:, rows]]
            losses = share * losses + (1 - share) * other
        found, idle = _taken(state, losses, (1 / total).expand_as(losses).to(losses.dtype))
        gradient = found if gradient is None else gradient + found
        mean = (losses.detach() / total).sum(1)
        loss = mean if loss is None else loss + mean
    assert loss is not None
    assert gradient is not None
    return loss, gradient, idle


def _mixing(settings: StepSettings, seed: int, step: int, rows: int) -> tuple[Tensor, float]:
    """A member's partners [B] and share; its own rows and 1 where mixup is off."""
    if not settings.mixup:
        return torch.arange(rows), 1.0
    random = numpy_stream(seed, "mixup", step)
    share = float(random.beta(settings.mixup, settings.mixup))
    return torch.from_numpy(random.permutation(rows)), share


def _mixed(x: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    if not x.is_floating_point():
        return x
    other = x[torch.arange(x.shape[0], device=x.device).unsqueeze(1), partner]
    return torch.lerp(other, x, share.to(x.device, x.dtype).view(-1, *(1,) * (x.dim() - 1)))


def _losses(state: StackState, inputs: dict[str, Tensor], target: Tensor, indices: Sequence[int], settings: StepSettings) -> Tensor:
    return state.losses.of(_output(state, inputs, settings), target, indices)


def _output(state: StackState, inputs: dict[str, Tensor], settings: StepSettings) -> Tensor:
    with autocast(state.stack.flat.device, settings.bfloat16):
        return state.stack(inputs)


def _taken(state: StackState, losses: Tensor, weights: Tensor) -> tuple[Tensor, frozenset[str]]:
    """Gradients [K, P] of the weighted losses, 0 for weights that have none, and the names of those."""
    stack = state.stack
    found = torch.autograd.grad(losses, stack.weights, weights, allow_unused=True)
    K = len(stack)
    idle = frozenset(column.name for column, gradient in zip(stack.columns, found, strict=True) if gradient is None)
    flat = [
        torch.zeros(K, column.stop - column.start, dtype=losses.dtype, device=losses.device)
        if gradient is None
        else gradient.reshape(K, -1)
        for column, gradient in zip(stack.columns, found, strict=True)
    ]
    return torch.cat(flat, 1).to(stack.flat.dtype), idle


def _refuse(state: StackState, values: Tensor, what: str, groups: Sequence[Group]) -> dict[int, str]:
    """The members whose value is not finite, with the reason."""
    if bool(torch.isfinite(values).all()):
        return {}
    return {
        index: f"{what} of update {state.step + 1} (epoch {state.members[index].epoch + 1}, batch {state.members[index].position + 1}) is "
        f"{value}, not finite; {REMEDY}"
        for index, value in enumerate(values.tolist())
        if value - value != 0
    }
